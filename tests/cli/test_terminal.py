"""What people see: tables that fit their columns, and nothing but text where it is redirected."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gancompress.cli.app import app

CONTROL = re.compile(r"[^\n\t\x20-\U0010ffff]|\x7f")
PLUGIN = Path(__file__).parents[2] / "examples/minimal_plugin/gancompress_minimal.py"


def verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from verbs(child, (*path, name))
        else:
            yield (*path, name), child


VERBS = dict(verbs(typer.main.get_command(app)))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_help_has_an_example_of_its_own(path: tuple[str, ...]) -> None:
    assert f"Example: gancompress {' '.join(path)}" in VERBS[path].help


@pytest.fixture
def places(finished: Path, toml: Path, teacher: Path) -> dict[str, Path]:
    return {"run": finished, "toml": toml, "teacher": teacher}


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "{run}"),
        ("sensitivity", "{run}", "--samples", "2", "--ratios", "0.5"),
        ("search", "{run}"),
        ("compress", "--config", "{toml}", "--teacher", "{teacher}", "--out", "{run}"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("columns", ["80", "160"])
def test_results_fit_the_terminal_and_need_no_colour(
    words: tuple[str, ...],
    columns: str,
    places: dict[str, Path],
    cli: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    text = cli.ok(*(word.format(**places) for word in words))
    assert not CONTROL.search(text)
    # Lines that end in a path are copied whole: a path is not cut at the edge.
    lines = [line for line in text.splitlines() if str(places["run"].parent) not in line]
    assert lines
    assert max(map(len, lines)) <= int(columns), max(lines, key=len)


def test_what_is_redirected_holds_no_control_characters(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "gancompress", "--plugin", str(PLUGIN), "train", "minimal"]
    words += ["-o", "size=16", "-o", "pictures=4", "--steps", "3", "--out", str(tmp_path / "run")]
    coloured = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        done = subprocess.run(words, stdout=out, stderr=err, env=coloured, check=False)
    shown = [(tmp_path / name).read_text() for name in ("out", "err")]
    assert done.returncode == 0, shown
    assert all(shown)  # a result on one, progress on the other
    for text in shown:
        assert not CONTROL.search(text)
