"""Importing the package is free: no torch, no patches, nothing registered."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "gancompress",
        "gancompress.errors",
        "gancompress.events",
        "gancompress.config",
        "gancompress.hookspecs",
        "gancompress.plugins",
    ],
)
def test_importing_loads_no_torch(module: str) -> None:
    script = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_hook_marker_comes_from_the_root_without_torch() -> None:
    script = "import sys; from gancompress import hookimpl; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
