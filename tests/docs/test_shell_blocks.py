"""Every command of the documentation exists, with its options; the quick ones are run."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gancompress.cli import main
from gancompress.cli.app import app

from .conftest import BLOCKS, ROOT, Block

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
SMALL = [
    *("-o", "size=32", "-o", "generator_width=4", "-o", "blocks=1", "-o", "discriminator_width=4"),
    *("--steps", "1"),
]
# What makes a documented command quick; a verb that is not here is only parsed.
REDUCED = {
    "plugins": [],
    "inspect": [],
    "train pix2pix": SMALL,
    "train minimal": ["-o", "size=16", "-o", "pictures=4", "--steps", "1"],
}


def commands() -> Iterator[tuple[Block, list[str]]]:
    for block in BLOCKS:
        if block.language == "shell" and not block.untested:
            for line in block.text.replace("\\\n", " ").splitlines():
                for command in re.split(r"&&|\|\|", line):
                    words = shlex.split(command, comments=True)
                    if words:
                        yield block, words


COMMANDS = list(commands())
OWN = [(block, words[1:]) for block, words in COMMANDS if words[0] == "gancompress"]
LAUNCHERS = {"torchrun", "accelerate"}
# What a launcher starts several times is parsed, and run in tests/cli/test_processes.py.
LAUNCHED = [
    (block, words[words.index("gancompress") + 1 :])
    for block, words in COMMANDS
    if words[0] in LAUNCHERS
]
OTHERS = [
    (block, words) for block, words in COMMANDS if words[0] not in {"gancompress", *LAUNCHERS}
]


def name(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def parsed(words: list[str]) -> tuple[str, Any]:
    """Parse a command line as the application does, and run nothing."""
    root: Any = typer.main.get_command(app)
    context = root.make_context("gancompress", list(words), resilient_parsing="--version" in words)
    rest = [*context._protected_args, *context.args]
    if not rest:
        return "", context
    verb, command, rest = root.resolve_command(context, rest)
    return verb, command.make_context(verb, list(rest), parent=context)


@pytest.mark.parametrize(("block", "words"), [*OWN, *LAUNCHED], ids=name)
def test_verbs_and_options_exist(block: Block, words: list[str]) -> None:
    del block
    parsed(words)


@pytest.mark.parametrize("words", [["trian"], ["inspect", "--generatr", "x"], ["search"]], ids=name)
def test_a_command_that_does_not_exist_is_noticed(words: list[str]) -> None:
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        parsed(words)


def quick() -> Iterator[tuple[Block, list[str]]]:
    for block, words in OWN:
        for key, more in REDUCED.items():
            if key.split() in windows(words, len(key.split())):
                yield block, [*words, *more]


def windows(words: list[str], size: int) -> Iterator[list[str]]:
    return (words[start : start + size] for start in range(len(words) - size + 1))


@pytest.mark.parametrize(("block", "words"), list(quick()), ids=name)
def test_quick_commands_run(
    block: Block, words: list[str], workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in BLOCKS:
        if other.file and (other.page == block.page or not (workplace / other.file).exists()):
            (workplace / other.file).write_text(other.text)
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize(("block", "words"), OTHERS, ids=name)
def test_other_commands_name_what_is_there(block: Block, words: list[str]) -> None:
    del block
    match words:
        case ["python", "-m", "pip", "install", *rest]:
            extras = re.findall(r"\[(\w+)\]", " ".join(rest))
            assert set(extras) <= set(SETTINGS["project"]["optional-dependencies"])
            folders = [word.partition("[")[0] for word in rest if word.startswith(".")]
            assert folders
            assert all((ROOT / folder / "pyproject.toml").is_file() for folder in folders)
        case ["python", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"] | ["pytest"]:
            pass
        case ["cp", "-r", _, _]:
            pass  # of a run directory that the page has made before
        case ["pytest", folder, *options]:
            assert (ROOT / folder).is_dir()
            assert set(options) <= {"-m", "slow", "-s"}
        case ["python", script, *_] | [script]:
            assert (ROOT / script).is_file()
        case _:
            pytest.fail(f"nothing checks '{shlex.join(words)}': teach this test, or mark the block")
