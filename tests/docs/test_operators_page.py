"""The page about operators: its report is a real one, its contract passes, its rules are short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import BLOCKS, ROOT

PAGE = [block for block in BLOCKS if block.page == ROOT / "docs" / "how-to" / "operators.md"]


@pytest.fixture
def files(workplace: Path) -> Path:
    for block in PAGE:
        if block.file:
            (workplace / block.file).write_text(block.text)
    return workplace


def in_a_process(folder: Path, *words: str) -> str:
    """Run a module of Python: what the page's files are called is nobody else's business."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_report_is_a_real_one(files: Path) -> None:
    words = ("inspect", "--generator", "my_layers.py:make", "--input", "x=1x3x32x32")
    shown = [
        " ".join(line.split()) for line in in_a_process(files, "gancompress", *words).splitlines()
    ]
    (report,) = (block for block in PAGE if block.language == "text")
    lines = [" ".join(line.split()) for line in report.text.splitlines()]
    assert len(lines) == 4
    assert set(lines) <= set(shown)


def test_the_rules_of_the_page_keep_their_contract(files: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(files))
    assert "18 passed" in in_a_process(files, "pytest", *options, "test_my_rules.py")


def test_a_rule_takes_at_most_30_lines() -> None:
    found = [
        node
        for block in PAGE
        if block.language == "python"
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(b, ast.Name) and b.id == "OpRule" for b in node.bases)
    ]
    assert len(found) == 5
    for node in found:
        assert node.end_lineno is not None
        assert node.end_lineno - node.lineno < 30
