"""No link of a page is dead: files, headings, and addresses as far as that goes offline."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from myst_parser.mdit_to_docutils.base import default_slugify

from .conftest import PAGES, ROOT

LINK = re.compile(r"(?<!\\)\]\(([^()\s]+)\)")
FENCES = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return FENCES.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#{1,6} +(.+?)\s*$", prose(page), re.MULTILINE)
    named = re.findall(r"^\(([\w-]+)\)=$", prose(page), re.MULTILINE)
    # Of a link in a heading only the words count.
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in titles)
    return {default_slugify(title.replace("`", "")) for title in plain} | set(named)


LINKS = [(page, link) for page in PAGES for link in LINK.findall(prose(page))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_inside_the_repository_is_dead(page: Path) -> None:
    for link in [link for source, link in LINKS if source == page and "://" not in link]:
        place, _, anchor = link.partition("#")
        target = page if not place else (page.parent / place).resolve()
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_addresses_outside_are_whole() -> None:
    outside = {link for _, link in LINKS if "://" in link}
    assert outside
    for link in outside:
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), link
        assert not link.endswith((".", ",")), link


def test_a_dead_anchor_would_be_noticed() -> None:
    assert "what-it-cannot-do" in anchors(ROOT / "docs/explanation/limits.md")
    assert "no-such-heading" not in anchors(ROOT / "docs/explanation/limits.md")
