"""The page about the run directory lists what a real run leaves, no more and no less."""

import re
from pathlib import Path

import pytest

from gancompress.cli import main

from .conftest import BLOCKS, ROOT

PAGE = ROOT / "docs" / "explanation" / "run-directory.md"
MINIMAL = ["--quiet", "--plugin", str(ROOT / "examples" / "minimal_plugin/gancompress_minimal.py")]
CONFIG = """
[options]
size = 32
pictures = 8
blocks = 1
[train]
steps = 2
batch_size = 2
[distill]
steps = 2
batch_size = 2
[search]
macs = "2x"
trials = 2
[finetune]
steps = 2
batch_size = 2
"""


def documented() -> list[set[str]]:
    texts = [block.text for block in BLOCKS if block.page == PAGE and block.language == "text"]
    return [{without_step(line.split()[0]) for line in text.splitlines()} for text in texts]


def without_step(name: str) -> str:
    return re.sub(r"/\d\d-", "/00-", re.sub(r"step-\d+/.*", "step/", name))


def left_in(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {without_step(str(file)) for file in files} - {".lock"}


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([*MINIMAL, *words])
    assert leaving.value.code == 0


def test_a_run_leaves_what_the_page_lists(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG)
    teacher, small = tmp_path / "teacher", tmp_path / "small"
    run("train", "minimal", "--config", str(config), "--out", str(teacher))
    words = ["minimal", "--config", str(config), "--teacher", str(teacher / "teacher")]
    run("compress", *words, "--out", str(small))

    trained, compressed = documented()

    assert sorted(left_in(teacher)) == sorted(trained)
    assert sorted(left_in(small)) == sorted(compressed)
