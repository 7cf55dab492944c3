"""A folder that may not be looked into is one sentence, wherever a path leads through it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# A superuser may look everywhere, unless that right is taken from the process.
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
PREFIX = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if ROOT else []
# All command lines in one process, because it takes seconds to start one.
CALLS = """
import contextlib, io, json, sys
from gancompress.cli import main
told = []
for words in json.load(sys.stdin):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as leaving:
            told.append((leaving.code, err.getvalue()))
json.dump(told, sys.stdout)
"""


def called(*commands: list[str]) -> list[tuple[int, str]]:
    done = subprocess.run(
        [*PREFIX, sys.executable, "-c", CALLS],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[tuple[int, str]] = json.loads(done.stdout)
    return told


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    if ROOT and shutil.which("setpriv") is None:
        pytest.skip("a superuser without setpriv cannot be kept out of a folder")
    folder = tmp_path / "locked"
    (folder / "inner").mkdir(parents=True)
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


def test_paths_that_lead_through_a_locked_folder(
    toml: Path, teacher: Path, locked: Path, tmp_path: Path
) -> None:
    inner, out = locked / "inner", tmp_path / "run"
    train = ["train", "--config", str(toml), "--out", str(out)]
    distill = ["distill", "--config", str(toml), "--out", str(out)]
    commands = [
        [*train, "--data", str(locked)],
        [*train, "--data", str(inner)],
        [*train, "-o", f"data={inner}"],
        [*train, "--generator", f"{inner}/net.py:make"],
        ["train", "--config", str(inner / "run.toml")],
        [*train[:-1], str(inner)],
        [*distill, "--teacher", str(inner)],
        [*distill, "--teacher", str(inner / "net.pt")],
        [*distill[:-1], str(inner), "--teacher", str(teacher)],
        ["--plugin", str(inner / "gan.py"), "plugins"],
        ["inspect", str(inner)],
        ["search", str(inner)],
        ["finetune", str(inner)],
        ["finetune", str(teacher), "--subnet", str(inner / "subnet.json")],
    ]
    for words, (code, shown) in zip(commands, called(*commands), strict=True):
        assert code == 2, (words, shown)
        sentence, hint = shown.splitlines()[-2:]
        assert sentence.startswith("error: "), (words, shown)
        assert str(locked) in sentence
        assert "Permission denied" in sentence or "may not be written to" in sentence
        assert hint.startswith("hint: ")
    assert not out.exists()


def test_a_name_that_is_too_long(cli, toml: Path, tmp_path: Path) -> None:
    long = "x" * 300
    for words in (
        ("train", "--config", toml, "--out", tmp_path / long),
        ("train", "--config", toml, "--data", tmp_path / long, "--out", tmp_path / "run"),
        ("search", tmp_path / long),
        ("--plugin", tmp_path / long, "plugins"),
    ):
        sentence, _ = cli.refused(*words)
        assert "File name too long" in sentence
