"""The Earth as pictures: a satellite's view and the land cover under it, cut into tiles."""

from gancompress_earth.globe import CLASSES, Globe, read_globe
from gancompress_earth.tiles import (
    SPLITS,
    Tile,
    brighten,
    cut,
    section_of,
    share_of,
    tiles_of,
)

__all__ = [
    "CLASSES",
    "SPLITS",
    "Globe",
    "Tile",
    "brighten",
    "cut",
    "read_globe",
    "section_of",
    "share_of",
    "tiles_of",
]
