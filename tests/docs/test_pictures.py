"""Pictures that scripts draw: they are what the scripts draw, and say in words what they show."""

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

from .conftest import PAGES, ROOT

IMAGES = ROOT / "docs" / "images"


def test_the_picture_of_groups_is_what_its_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_groups.py"))["draw"]()
    assert drawn == (IMAGES / "groups.svg").read_text(encoding="utf-8")


def test_the_recorded_session_shows_its_commands() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "record_terminal.py"))
    root = ET.parse(IMAGES / "terminal.svg").getroot()  # noqa: S314 - of this repository
    shown = "".join(root.itertext()).replace("\xa0", " ")
    for command in script["COMMANDS"]:
        assert f"$ {command}" in shown
    assert "15 channel groups, 14 searchable" in shown


def test_every_picture_is_shown_somewhere_and_described() -> None:
    shown: set[Path] = set()
    for page in PAGES:
        for words, place in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
            assert len(words) > 20, (page, place)
            shown.add((page.parent / place).resolve())
    assert set(IMAGES.iterdir()) == shown


def test_every_export_target_is_in_the_table_of_targets() -> None:
    from gancompress.export import core_targets

    page = (ROOT / "docs/how-to/export.md").read_text()
    for target in core_targets():
        assert re.search(rf"^\| `{target.name}` \|", page, re.MULTILINE), target.name
