"""The pages of the documentation, and the code blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "plugins/pix2pix/README.md")),
    ROOT / "examples" / "minimal_plugin" / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
)
_FENCE = re.compile(r"^```(.*)$")
_UNTESTED = re.compile(r"<!-- untested: (\S.*) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    `untested` is the reason in the comment above it, or empty.
    """

    page: Path
    line: int
    language: str
    text: str
    untested: str

    @property
    def file(self) -> str:
        """The name in the first line, where that is a comment with a file's name; else empty."""
        found = re.match(r"# (\w+\.(?:py|toml))\n", self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    lines = page.read_text(encoding="utf-8").splitlines()
    start, before = None, ""
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if fence and start is None:
            start, language = number, fence[1].strip()
        elif fence and start is not None:
            reason = _UNTESTED.search(before)
            text = "\n".join(lines[start : number - 1]) + "\n"
            yield Block(page, start, language, text, reason[1] if reason else "")
            start = None
        elif line.strip() and start is None:
            before = line


BLOCKS = tuple(block for page in PAGES for block in blocks_of(page))


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with what the commands of a page expect beside them."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for split in ("train", "val", "test"):
        pair = tmp_path / "pairs" / split / "1.png"
        pair.parent.mkdir(parents=True)
        Image.radial_gradient("L").resize((64, 32)).save(pair)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "minimal_plugin"))
    return tmp_path
