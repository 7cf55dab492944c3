"""Folders of label maps with their pictures, read when they are asked for."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from gancompress.errors import DataError
from gancompress.gan.labels import Labelled, Labels
from gancompress.gan.pictures import find_pictures, read_picture

_EXACT: Final = frozenset({".png", ".bmp"})
# Label maps and photographs of one scene often differ by what follows the last of these.
_SUFFIXES: Final = (
    "_gtFine_labelIds",
    "_gtFine_instanceIds",
    "_gtCoarse_labelIds",
    "_gtCoarse_instanceIds",
    "_leftImg8bit",
)
_SUB_FOLDERS: Final = ("label", "image", "instance")


class LabelFolder:
    """One split of a folder: ``label/``, ``image/``, and ``instance/`` where there are edges.

    A label map, its picture and its instance map have one name; the endings of Cityscapes
    (``_gtFine_labelIds``, ``_leftImg8bit`` and so on) do not count. Label and instance maps are
    grey or palette pictures of 8 or 16 bits, in a format without loss.

    Args:
        folder: The folder of one split.
        size: Height and width that everything is brought to.
        instances: Whether to read ``instance/``.

    Raises:
        DataError: If a folder is missing or empty, or a name stands alone.
    """

    def __init__(self, folder: Path, size: tuple[int, int], *, instances: bool = False) -> None:
        self.size = size
        names = _SUB_FOLDERS if instances else _SUB_FOLDERS[:2]
        found = {name: _by_scene(folder / name) for name in names}
        for name in names[1:]:
            lonely = found["label"].keys() ^ found[name].keys()
            if lonely:
                raise DataError(
                    f"'{folder}' has {len(found['label'])} files in label and "
                    f"{len(found[name])} in {name}, and '{min(lonely)}' stands alone",
                    hint="give label map and picture of a scene the same name",
                )
        self.scenes = tuple(
            tuple(found[name][scene] for name in names) for scene in sorted(found["label"])
        )

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Labelled:
        label, image, *instance = self.scenes[index]
        labels, picture = read_labels(label), read_picture(image)
        _check_shape(image, picture.shape[:2], labels.shape)
        height, width = self.size
        resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
        things = None
        if instance:
            things = read_labels(instance[0])
            _check_shape(instance[0], things.shape, labels.shape)
            things = nearest(things, self.size)
        return Labelled(nearest(labels, self.size), np.array(resized), things, str(label))


def read_labels(path: Path) -> Labels:
    """Read a picture that holds one whole number a pixel.

    Args:
        path: A grey or palette picture of 8 or 16 bits; of a palette the indices count.

    Returns:
        ``(H, W)``, unsigned or signed whole numbers.

    Raises:
        DataError: If it cannot be read, is in colour, or is of a lossy format.
    """
    if path.suffix.lower() not in _EXACT:
        raise DataError(
            f"'{path}' is of a format that changes numbers, and a label map must not change",
            hint="save label and instance maps as PNG",
        )
    try:
        with Image.open(path) as image:
            mode, values = image.mode, np.asarray(image)
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise DataError(
            f"'{path}' cannot be read as a label map", hint="remove it, or save it again"
        ) from None
    if values.ndim != 2 or mode in {"1", "F"}:
        raise DataError(
            f"'{path}' is of mode '{mode}', and a label map has one whole number a pixel",
            hint="save it as a grey or palette PNG of 8 or 16 bits",
        )
    return values


def nearest(values: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    """Bring a label map to another size, each pixel with the number that lies there.

    Args:
        values: ``(H, W)``.
        size: Height and width.
    """
    rows, columns = (
        ((np.arange(to) + 0.5) * have / to).astype(np.int64)
        for have, to in zip(values.shape, size, strict=True)
    )
    result: npt.NDArray[Any] = values[rows[:, None], columns]
    return result


def scene_of(path: Path) -> str:
    """Return the name of a file's scene, without the endings of Cityscapes.

    Args:
        path: A label map, a picture or an instance map.
    """
    scene = path.stem
    for suffix in _SUFFIXES:
        scene = scene.removesuffix(suffix)
    return scene


def _by_scene(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_pictures(folder):
        scene = scene_of(path)
        if scene in found:
            raise DataError(
                f"'{found[scene]}' and '{path}' are of the same scene",
                hint="keep one of the two, so that a name belongs to one scene",
            )
        found[scene] = path
    return found


def _check_shape(path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Refuse what has other proportions than its label map; resized they would not agree."""
    (height, width), (wanted_height, wanted_width) = shape, expected
    # A pixel of rounding is allowed to whichever is smaller.
    if abs(height * wanted_width - width * wanted_height) > max(height, width, *expected):
        raise DataError(
            f"'{path}' has {width}x{height} pixels, and its label map "
            f"{wanted_width}x{wanted_height}",
            hint="cut both to the same part of the scene",
        )
