"""Picture files, read as a viewer shows them."""

import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gancompress.errors import DataError

Pixels = npt.NDArray[np.uint8]
EXTENSIONS: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
_MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_LISTED: Final = 10


def to_tensor(pixels: Pixels) -> Tensor:
    """Map ``(H, W, C)`` bytes to ``(C, H, W)`` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 127.5 - 1


def find_pictures(folder: Path) -> tuple[Path, ...]:
    """List the pictures of a folder by name.

    Args:
        folder: The folder; sub-folders are not entered, and hidden files are passed over: systems
            leave small files such as ``._1.jpg`` beside a picture.

    Returns:
        At least one path.

    Raises:
        DataError: If the folder is missing, cannot be read, or holds no picture.
    """
    with reading(folder):
        if not folder.is_dir():
            raise DataError(f"'{folder}' is not a folder", hint="give the folder with the pictures")
        found = tuple(sorted(path for path in folder.iterdir() if _is_picture(path)))
    if not found:
        raise DataError(
            f"'{folder}' holds no picture", hint=f"known endings: {', '.join(sorted(EXTENSIONS))}"
        )
    return found


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn what the file system says about a folder into a sentence.

    Args:
        folder: What is read inside.

    Raises:
        DataError: If the folder cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"'{folder}' cannot be read: {error.strerror}", hint="give a folder that you may read"
        ) from None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def read_picture(path: Path, channels: int = 3) -> Pixels:
    """Read one picture as bytes, as a viewer shows it.

    It is turned as its camera says; palettes, CMYK and 16 bits become plain 8-bit colours. Where
    no channel is left for transparency, the picture is put on white paper; where there is one and
    the file has none, the picture is opaque.

    Args:
        path: The file.
        channels: 1 for grey, 2 for grey and transparency, 3 for colour, 4 for colour and
            transparency.

    Returns:
        ``(H, W, channels)``.

    Raises:
        DataError: If it cannot be read, or has so many pixels that Pillow takes it for an attack,
            or no picture has so many channels.
    """
    mode = _mode(channels)
    with _naming(path), Image.open(path) as image:
        pixels = np.asarray(_as_shown(image, mode))
    return pixels.reshape(*pixels.shape[:2], channels)


def check_picture(path: Path) -> None:
    """Find out whether a file begins as a picture does, without reading all of it.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be read, or has so many pixels that Pillow takes it for an attack.
    """
    with _naming(path), Image.open(path):
        pass


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what Pillow says about a file into a sentence."""
    try:
        with warnings.catch_warnings():
            # From one size on Pillow warns, from twice that on it refuses: both are one mistake.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # A damaged EXIF block is no reason to refuse the picture it stands in.
            warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
            yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(
            f"'{path}' has more than {Image.MAX_IMAGE_PIXELS:,} pixels",
            hint="save it smaller; pictures are resized when they are read anyway",
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error):
        raise DataError(
            f"'{path}' cannot be read as a picture", hint="remove it, or save it again"
        ) from None


def _mode(channels: int) -> str:
    if channels not in _MODES:
        raise DataError(
            f"pictures with '{channels}' channels are not known",
            hint="give 1 (grey), 2 (grey, transparency), 3 (colour) or 4 (colour, transparency)",
        )
    return _MODES[channels]


def _as_shown(image: Image.Image, mode: str) -> Image.Image:
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):  # 16 bits a pixel: Pillow would cut off what is above 255
        turned = Image.fromarray((np.asarray(turned, dtype=np.float64) / 257).astype(np.uint8))
    if "A" not in turned.getbands() and "transparency" not in turned.info:
        return turned.convert("RGB").convert(mode)
    transparent = turned.convert("RGBA")
    return transparent.convert(mode) if mode.endswith("A") else on_paper(transparent).convert(mode)


def on_paper(image: Image.Image) -> Image.Image:
    """Put a transparent picture on white paper.

    Args:
        image: Of mode ``RGBA``.
    """
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    return paper.convert("RGB")


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Give a colour picture another number of channels.

    Args:
        pixels: ``(H, W, 3)``.
        channels: As in `read_picture`.

    Returns:
        ``(H, W, channels)``; transparency is opaque.

    Raises:
        DataError: If no picture has so many channels.
    """
    changed = np.asarray(Image.fromarray(pixels).convert(_mode(channels)))
    return changed.reshape(*pixels.shape[:2], channels)


def resized(pixels: Pixels, size: int) -> Pixels:
    """Scale a picture to a square, bicubic.

    Args:
        pixels: ``(H, W, C)`` with 1 to 4 channels.
        size: Pixels a side.

    Returns:
        ``(size, size, C)``.
    """
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    scaled = np.array(image.resize((size, size), Image.Resampling.BICUBIC))
    return scaled.reshape(size, size, pixels.shape[2])


def shown(pictures: Tensor) -> Tensor:
    """Show pictures of any kind in colour, transparent ones on white paper.

    Args:
        pictures: ``(N, C, H, W)`` in [-1, 1]: grey, grey and transparency, colour, or colour and
            transparency.

    Returns:
        ``(N, 3, H, W)`` in [-1, 1].

    Raises:
        DataError: If they are no pictures.
    """
    if pictures.ndim != 4 or pictures.shape[1] not in _MODES:
        raise DataError(
            f"'pictures' has shape {tuple(pictures.shape)}, not (N, C, H, W) with C from 1 to 4",
            hint="only grey and colour pictures, with or without transparency, can be looked at",
        )
    if pictures.shape[1] % 2:
        return pictures.expand(-1, 3, -1, -1)
    opacity = (pictures[:, -1:] + 1) / 2
    return (pictures[:, :-1] * opacity + (1 - opacity)).expand(-1, 3, -1, -1)


def refuse_all(folder: Path, problems: Sequence[DataError]) -> None:
    """Report everything that is wrong with the pictures of a folder at once.

    Args:
        folder: The folder.
        problems: What was wrong with each; none is fine.

    Raises:
        DataError: If there is any; the first ten are listed.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    listed = "; ".join(problem.message for problem in problems[:_LISTED])
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    raise DataError(
        f"{len(problems)} pictures of '{folder}' cannot be used: {listed}{more}",
        hint="remove them, or save them again",
    )
