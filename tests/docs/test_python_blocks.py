"""Every Python block of the documentation runs, page by page, in the order of the page."""

import re
import sys
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.myst import PythonCodeBlockParser

from .conftest import BLOCKS, ROOT, Block

PYTHON = [block for block in BLOCKS if block.language == "python"]
PAGES = sorted({block.page for block in PYTHON})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run(page: Path, workplace: Path) -> None:
    own = [block for block in PYTHON if block.page == page]
    for block in own:
        if block.file:
            (workplace / block.file).write_text(block.text)
    skipped = {block.line for block in own if block.untested}
    # A page's future import counts for all of its blocks, as in a module.
    futures = re.findall(r"^from __future__ import (\w+)$", page.read_text(), re.MULTILINE)
    document = Document.parse(str(page), PythonCodeBlockParser(futures))
    document.namespace["__name__"] = page.stem  # as in a module: classes are asked for theirs
    examples = list(document.examples())
    assert len(examples) == len(own)
    before = set(sys.modules)
    try:
        for example in examples:
            if example.line not in skipped:
                example.evaluate()
    finally:
        # A file of one page must not stand in for one of the same name of another page.
        for name in set(sys.modules) - before & {Path(b.file).stem for b in own}:
            del sys.modules[name]


KNOWN = ("python", "shell", "toml", "text")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_of_a_kind_that_is_tested(block: Block) -> None:
    # A directive's content is Sphinx's, which the build checks; text is no code.
    assert block.language in KNOWN or block.language.startswith("{") or block.untested
