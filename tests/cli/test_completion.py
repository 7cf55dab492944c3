"""Shell completion, asked as the shells ask."""

import os
import shutil
import subprocess
import sys

import pytest

from gancompress.cli import main
from gancompress.cli.completion import METRICS, TARGETS
from gancompress.export import core_targets
from gancompress.plugins import PluginHost

COMMAND = shutil.which("gancompress", path=os.path.dirname(sys.executable))  # noqa: PTH120


def asked(line: str, shell: str) -> dict[str, str]:
    """Return what a shell sets to have the last word of a command line completed."""
    return {"_GANCOMPRESS_COMPLETE": f"complete_{shell}"} | {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gancompress se", {"search", "sensitivity"}),
        ("gancompress train pix", {"pix2pix"}),
        ("gancompress compress --family c", {"cyclegan"}),
        ("gancompress train pix2pix --recipe open", {"openmoji"}),
        ("gancompress inspect --family gaugan --recipe land", {"landcover"}),
        ("gancompress train pix2pix --recipe land", set()),
        ("gancompress train --recipe landc", {"landcover"}),
        ("gancompress evaluate runs/small --metric kid", {"kid", "kid-lite0"}),
        ("gancompress search runs/small --score frechet", {"frechet-lite0"}),
        ("gancompress search runs/small --sampler e", {"evolution", "exhaustive"}),
        ("gancompress export runs/small --target o", {"onnx", "openvino"}),
        ("gancompress export runs/small --precision f", {"fp16", "fp32"}),
        ("gancompress data stats pairs --family pix2", {"pix2pix"}),
    ],
)
def test_names_are_completed(
    line: str,
    expected: set[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in asked(line, "bash").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main([])
    assert set(capsys.readouterr().out.split()) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_installed_command_answers_each_shell(shell: str) -> None:
    assert COMMAND is not None
    environment = {**os.environ, **asked("gancompress sens", shell)}
    done = subprocess.run([COMMAND], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "sensitivity" in done.stdout
    assert "search" not in done.stdout


def test_completing_loads_no_torch() -> None:
    code = (
        "import sys, gancompress.cli.completion as c, gancompress.cli.app\n"
        "import types\n"
        "context = types.SimpleNamespace(params={}, args=[])\n"
        "assert c.complete_family('') and c.complete_recipe(context, 'openmoji')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_names_are_those_that_the_core_has() -> None:
    assert set(METRICS) == set(PluginHost().metrics())
    assert set(TARGETS) == {target.name for target in core_targets()}
