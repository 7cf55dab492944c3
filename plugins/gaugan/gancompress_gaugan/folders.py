"""How label maps and pictures lie in folders, and how both are written."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from PIL import Image
from pydantic import AfterValidator

from gancompress import DataError
from gancompress.gan import Part, SplitFolders, carve, nearest, read_labels, read_picture, scene_of
from gancompress_gaugan.options import GauGanOptions

SPLITS: Final = ("train", "val", "test")
_UNKNOWN: Final = 255
_JPEG: Final = frozenset({".jpg", ".jpeg"})


def label_folders(options: GauGanOptions) -> tuple[SplitFolders, ...]:
    """Return how the family's folders are read.

    Args:
        options: Names a folder with ``train``, ``val`` and ``test``.
    """
    known = frozenset(range(options.classes)) | ({_UNKNOWN} if options.dont_care else set())
    found = []
    for split in SPLITS:
        folder = Path(options.data) / split
        parts = [
            Part("label", folder / "label", "labels", known),
            Part("image", folder / "image", channels=3, size=options.shape[::-1]),
        ]
        if options.edges:
            parts.append(Part("instance", folder / "instance", "labels"))
        found.append(SplitFolders(split, tuple(parts), key=scene_of))
    return tuple(found)


def parse_size(text: str) -> tuple[int, int] | None:
    """Turn ``512x256`` into width and height, and ``original`` into None.

    Args:
        text: Width and height in pixels, or ``original``.

    Raises:
        ValueError: If it is not of that form.
    """
    if text == "original":
        return None
    width, sign, height = text.partition("x")
    if not (sign and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ValueError(f"'{text}' is not of the form WIDTHxHEIGHT, such as 512x256")
    return int(width), int(height)


def _checked(text: str) -> str:
    parse_size(text)
    return text


PictureSize = Annotated[str, AfterValidator(_checked)]
"""An option that `parse_size` reads."""


def official_files(folder: Path, pattern: str, name: str, hint: str) -> list[Path]:
    """List the pictures of one of a data set's own splits.

    Args:
        folder: Where they lie.
        pattern: What they are called.
        name: Of the data set.
        hint: What its folders are, for the error.

    Raises:
        DataError: If there are none.
    """
    found = sorted(folder.glob(pattern))
    if not found:
        raise DataError(f"'{folder}' holds no picture of {name}", hint=hint)
    return found


def shared_out(
    train: Sequence[Path], test: Sequence[Path], val: int, root: Path
) -> Iterator[tuple[str, Path]]:
    """Yield each picture with its split: some of the official training set become ``val``.

    Args:
        train: Of the official training set.
        test: Of the official validation set; its test set has no labels.
        val: How many are carved out of `train`, by the hashes of their names.
        root: The data set, for the error.

    Raises:
        DataError: If nothing would be left to train on.
    """
    if len(train) <= val:
        raise DataError(
            f"'{root}' has {len(train)} pictures to train on, and {val} of them are to be 'val'",
            hint="take fewer with -o val=N",
        )
    carved = carve(train, val, lambda path: path.name)
    yield from (("val" if path in carved else "train", path) for path in train)
    yield from (("test", path) for path in test)


def write_labels(source: Path, target: Path, size: tuple[int, int] | None) -> None:
    """Write a label map or an instance map as PNG, with the same numbers.

    Args:
        source: A grey or palette picture of 8 or 16 bits.
        target: The file; its folder is made.
        size: Width and height; None keeps them.

    Raises:
        DataError: If it cannot be read.
    """
    save_numbers(read_labels(source), target, size)


def save_numbers(values: np.ndarray, target: Path, size: tuple[int, int] | None) -> None:
    """Write whole numbers as PNG of 8 bits, or of 16 where they need it.

    Args:
        values: ``(H, W)``, 0 to 65,535.
        target: The file; its folder is made.
        size: Width and height; None keeps them.
    """
    values = values if size is None else nearest(values, (size[1], size[0]))
    kind = np.uint8 if values.max(initial=0) < 256 else np.uint16
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(kind)).save(target)


def write_picture(source: Path, folder: Path, name: str, size: tuple[int, int] | None) -> None:
    """Write a picture; one whose size stays is copied, and JPEG stays JPEG.

    Args:
        source: The picture.
        folder: Where it goes; made where it does not exist.
        name: Its name without the ending.
        size: Width and height; None keeps them.

    Raises:
        DataError: If it cannot be read.
    """
    picture = Image.fromarray(read_picture(source))
    folder.mkdir(parents=True, exist_ok=True)
    if size is None or picture.size == size:
        shutil.copyfile(source, folder / f"{name}{source.suffix.lower()}")
        return
    resized = picture.resize(size, Image.Resampling.BICUBIC)
    if source.suffix.lower() in _JPEG:
        resized.save(folder / f"{name}.jpg", quality=95)
    else:
        resized.save(folder / f"{name}.png")


def partner(path: Path, where: str) -> Path:
    """Return a path that must be there.

    Args:
        path: The file.
        where: What it belongs to, for the error.

    Raises:
        DataError: If there is no such file.
    """
    if not path.is_file():
        raise DataError(
            f"'{path}' is missing, which belongs to '{where}'",
            hint="unpack the data set's archives again into one folder",
        )
    return path
