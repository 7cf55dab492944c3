"""The profile that CI names is one that the suite knows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOW = """
import runpy, sys
from hypothesis import settings
runpy.run_path(sys.argv[1])
chosen = settings()
print(chosen.derandomize, chosen.database, chosen.deadline)
"""


def shown(profile: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW, str(ROOT / "tests" / "conftest.py")],
        env={**os.environ, "HYPOTHESIS_PROFILE": profile},
        capture_output=True,
        text=True,
        check=False,
    )


def test_ci_runs_the_same_examples_every_time() -> None:
    script = ROOT / ".ci" / "run"
    if not script.is_file():
        pytest.skip("a source distribution has no CI")
    named = re.search(r"HYPOTHESIS_PROFILE=(\w+)", script.read_text())
    assert named is not None
    assert shown(named[1]).stdout == "True None None\n"
    assert shown("no-such-profile").returncode != 0
