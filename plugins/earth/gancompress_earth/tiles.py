"""Square tiles of the Earth, split by longitude so that no pixel is in two splits.

Tiles overlap where the stride is smaller than the size, so a random split would leak. Bands of
30° take turns: of four the last is ``test``, and the last 15° of the third are ``val``. A tile
lies wholly within one such section.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from gancompress_earth.globe import HEIGHT, WIDTH, Mask, Pixels

SPLITS: Final = ("train", "val", "test")
_DEGREE: Final = WIDTH // 360
# Within every 120°: two and a half bands for training, half a one for choosing, one held out.
_TURN: Final = 120 * _DEGREE
_SECTIONS: Final = {"train": (0, 75), "val": (75, 90), "test": (90, 120)}


@dataclass(frozen=True, order=True)
class Tile:
    """A square of the grid.

    Args:
        row: Its first row.
        column: Its first column.
        size: Pixels a side.
    """

    row: int
    column: int
    size: int


def tiles_of(split: str, *, size: int, stride: int) -> tuple[Tile, ...]:
    """List the tiles of a split, from north to south within each section.

    Args:
        split: ``train``, ``val`` or ``test``.
        size: Pixels a side, at most 225: a section of ``val`` is no wider.
        stride: Pixels from one tile to the next, in both directions.

    Raises:
        KeyError: If there is no such split.
        ValueError: If tiles of this size do not fit.
    """
    low, high = (degrees * _DEGREE for degrees in _SECTIONS[split])
    if not 0 < size <= _DEGREE * 15 or stride < 1:
        raise ValueError(f"tiles of {size} pixels every {stride} do not fit into 15 degrees")
    return tuple(
        Tile(row, column, size)
        for turn in range(0, WIDTH, _TURN)
        for row in range(0, HEIGHT - size + 1, stride)
        for column in range(turn + low, turn + high - size + 1, stride)
    )


def section_of(tile: Tile) -> str | None:
    """Return the split that a tile lies in; None where it straddles two.

    Args:
        tile: The tile.
    """
    first, last = tile.column % _TURN, tile.column % _TURN + tile.size
    for split, (low, high) in _SECTIONS.items():
        if low * _DEGREE <= first and last <= high * _DEGREE:
            return split
    return None


def share_of(mask: Mask, tiles: Sequence[Tile]) -> npt.NDArray[np.float64]:
    """Return which share of each tile a mask covers.

    Args:
        mask: ``(2700, 5400)``.
        tiles: N tiles.

    Returns:
        ``(N,)`` in [0, 1].
    """
    # Sums over the rectangle from the corner, so that a tile costs four look-ups.
    table = np.zeros((HEIGHT + 1, WIDTH + 1), np.int64)
    table[1:, 1:] = mask.cumsum(0, dtype=np.int64).cumsum(1)
    places = np.array([(t.row, t.column, t.size) for t in tiles], np.int64).reshape(-1, 3)
    top, left, size = places.T
    bottom, right = top + size, left + size
    inside = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return np.asarray(inside / np.maximum(size * size, 1), np.float64)


def cut(grid: Pixels, tiles: Sequence[Tile]) -> Pixels:
    """Cut tiles of one size out of a map.

    Args:
        grid: ``(2700, 5400)`` or ``(2700, 5400, C)``.
        tiles: N tiles.

    Returns:
        ``(N, size, size)`` or ``(N, size, size, C)``, a copy.

    Raises:
        ValueError: If there is no tile.
    """
    return np.stack(list(_pieces(grid, tiles)))


def _pieces(grid: Pixels, tiles: Sequence[Tile]) -> Iterator[Pixels]:
    for tile in tiles:
        yield grid[tile.row : tile.row + tile.size, tile.column : tile.column + tile.size]


def brighten(pixels: Pixels, gamma: float = 0.6) -> Pixels:
    """Make dark forests legible.

    Args:
        pixels: Bytes of any shape.
        gamma: Exponent of the values in [0, 1]; below 1 is brighter.

    Returns:
        Bytes of the same shape.
    """
    table = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return np.asarray(table[pixels])
