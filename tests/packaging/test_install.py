"""A stranger's plugin installs with pip and is found beside the project's own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="building a wheel offline needs the build backend")

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(ROOT.glob("plugins/*/gancompress_*"))
LIST = """
import json, sys
from gancompress.plugins import PluginHost
host = PluginHost.discover(report=lambda broken: print(broken, file=sys.stderr))
origins = {info.name: [info.distribution, info.version] for info in host.distributions()}
print(json.dumps({"families": host.families_by_plugin(), "origins": origins}))
"""


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    how = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    run(*pip, *how, str(ROOT), str(ROOT / "examples" / "minimal_plugin"), PYTHONPATH="")
    return target


def test_both_plugins_are_found(site: Path) -> None:
    # From the installed copy alone, so that a module that the wheel misses is noticed.
    listed: dict[str, Any] = json.loads(run(sys.executable, "-c", LIST, PYTHONPATH=str(site)))

    assert listed["families"]["minimal"] == ["minimal"]
    assert listed["families"]["pix2pix"] == ["pix2pix"]
    assert listed["origins"]["minimal"] == ["gancompress-minimal", "0.1.0"]
    assert listed["origins"]["pix2pix"][0] == "gancompress"


def test_the_wheel_has_every_module(site: Path) -> None:
    for folder in (ROOT / "gancompress", *PLUGINS):
        wanted = {path.relative_to(folder.parent) for path in folder.rglob("*.py")}
        assert wanted
        assert not {path for path in wanted if not (site / path).is_file()}


def test_only_the_packages_are_installed(site: Path) -> None:
    names = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}

    assert names - {"__pycache__", "bin"} == {
        "gancompress",
        "gancompress_minimal.py",
        *(package.name for package in PLUGINS),
    }
