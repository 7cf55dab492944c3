"""Paired pictures, in memory or in folders."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from gancompress.errors import DataError
from gancompress.gan.family import Batch

Pixels = npt.NDArray[np.uint8]
_CUBIC = Image.Resampling.BICUBIC
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})


def to_tensor(pixels: Pixels) -> Tensor:
    """Map ``(H, W, C)`` bytes to ``(C, H, W)`` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 127.5 - 1


class PairedPictures(Dataset[Batch]):
    """Pairs of pictures held in memory, with optional augmentation.

    Args:
        inputs: ``(N, H, W, C)`` bytes.
        targets: ``(N, H, W, C)`` bytes, as many as inputs.
        flip: Whether to mirror left and right at random.
        flip_vertical: Whether to mirror up and down at random, for pictures seen from above.
        shift: Largest random shift in pixels, with the border's pixels repeated.

    Raises:
        DataError: If there are no pairs, or not as many targets as inputs.
    """

    def __init__(
        self,
        inputs: Pixels,
        targets: Pixels,
        *,
        flip: bool = False,
        flip_vertical: bool = False,
        shift: int = 0,
    ) -> None:
        if len(inputs) != len(targets):
            raise DataError(
                f"there are {len(inputs)} inputs but {len(targets)} targets",
                hint="give every input one target",
            )
        if not len(inputs):
            raise DataError("there is not one pair", hint="check the folder and the split")
        self.inputs, self.targets = inputs, targets
        self.flip, self.flip_vertical, self.shift = flip, flip_vertical, shift

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Batch:
        x, y = to_tensor(self.inputs[index]), to_tensor(self.targets[index])
        # One draw for every choice, used or not, keeps the random stream independent of options.
        draws = torch.rand(4).tolist()
        if self.flip and draws[0] < 0.5:
            x, y = x.flip(2), y.flip(2)
        if self.flip_vertical and draws[1] < 0.5:
            x, y = x.flip(1), y.flip(1)
        if self.shift:
            dx, dy = (int(d * (2 * self.shift + 1)) for d in draws[2:])
            x, y = _shift(x, dx, dy, self.shift), _shift(y, dx, dy, self.shift)
        return Batch((x,), y)


def _shift(x: Tensor, dx: int, dy: int, most: int) -> Tensor:
    height, width = x.shape[1:]
    padded = F.pad(x[None], (most,) * 4, mode="replicate")[0]
    return padded[:, dy : dy + height, dx : dx + width]


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
    with _reading(folder):
        if not folder.is_dir():
            raise DataError(f"'{folder}' is not a folder", hint="give the folder with the pictures")
        found = tuple(sorted(path for path in folder.iterdir() if _is_picture(path)))
    if not found:
        raise DataError(
            f"'{folder}' holds no picture", hint=f"known endings: {', '.join(sorted(EXTENSIONS))}"
        )
    return found


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"'{folder}' cannot be read: {error.strerror}", hint="give a folder that you may read"
        ) from None


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def read_picture(path: Path, channels: int = 3) -> Pixels:
    """Read one picture as bytes.

    Args:
        path: The file.
        channels: 1 for grey, 3 for colour; 2 or 4 for the same with what is transparent: else
            it lies on white paper.

    Returns:
        ``(H, W, channels)``.

    Raises:
        DataError: If it cannot be read, or has so many pixels that Pillow takes it for an attack.
    """
    mode = _MODES[channels]
    try:
        with warnings.catch_warnings():
            # From one size on Pillow warns, from twice that on it refuses: both are one mistake.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pixels = np.asarray(_upright(image, paper=mode in {"L", "RGB"}).convert(mode))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(
            f"'{path}' has more than {Image.MAX_IMAGE_PIXELS:,} pixels",
            hint="save it smaller; pictures are resized when they are read anyway",
        ) from None
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError):
        raise DataError(
            f"'{path}' cannot be read as a picture", hint="remove it, or save it again"
        ) from None
    return pixels.reshape(*pixels.shape[:2], channels)


def _upright(image: Image.Image, *, paper: bool) -> Image.Image:
    """Turn a picture as its camera says, maybe put it on white paper, and bring 16 bits to 8."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):  # 16 bits a pixel: Pillow would cut off what is above 255
        return Image.fromarray((np.asarray(turned, dtype=np.float64) / 257).astype(np.uint8))
    if not paper or ("A" not in turned.getbands() and "transparency" not in turned.info):
        return turned
    sheet = Image.new("RGBA", turned.size, "white")
    sheet.alpha_composite(turned.convert("RGBA"))
    return sheet


def read_pairs(folder: Path, *, size: int, swap: bool = False) -> tuple[Pixels, Pixels]:
    """Read pairs: side by side in one picture, or in the sub-folders ``A`` and ``B``.

    Args:
        folder: The folder of one split.
        size: Pictures are resized to size × size pixels.
        swap: Whether the input is B and the target A.

    Returns:
        Inputs and targets, each ``(N, size, size, 3)``.

    Raises:
        DataError: If pictures are missing, unreadable or unpaired.
    """
    pairs = _find_pairs(folder)
    shape = (len(pairs), size, size, 3)
    inputs, targets = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    for index, read in enumerate(pairs):
        # One pair at a time: a folder of photographs does not fit into memory at full size.
        inputs[index], targets[index] = (resized(half, size) for half in read())
    return (targets, inputs) if swap else (inputs, targets)


def _find_pairs(folder: Path) -> list[Callable[[], tuple[Pixels, Pixels]]]:
    """Return for every pair a function that reads it at full size."""
    with _reading(folder):
        halves = [folder / name for name in ("A", "B")]
        apart = all(half.is_dir() for half in halves)
    if not apart:
        return [partial(_read_side_by_side, path) for path in find_pictures(folder)]
    left, right = map(find_pictures, halves)
    lonely = {p.stem for p in left} ^ {p.stem for p in right}
    if lonely:
        raise DataError(
            f"'{folder}' has {len(left)} pictures in A and {len(right)} in B, and"
            f" '{min(lonely)}' stands alone",
            hint="give both pictures of a pair the same name",
        )
    # By name, not by place: an ending sorts differently in a folder of other endings.
    partners = _by_name(right)
    return [partial(_read_both, a, partners[name]) for name, a in _by_name(left).items()]


def _by_name(pictures: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures:
        if path.stem in found:
            raise DataError(
                f"'{found[path.stem]}' and '{path}' have the same name",
                hint="keep one of the two, so that a name belongs to one pair",
            )
        found[path.stem] = path
    return found


def _read_both(left: Path, right: Path) -> tuple[Pixels, Pixels]:
    return read_picture(left), read_picture(right)


def _read_side_by_side(path: Path) -> tuple[Pixels, Pixels]:
    pixels = read_picture(path)
    middle = pixels.shape[1] // 2
    if not middle:
        raise DataError(
            f"'{path}' is one pixel wide, and holds no two pictures side by side",
            hint="put the pictures of a pair side by side, or in the sub-folders A and B",
        )
    return pixels[:, :middle], pixels[:, middle : 2 * middle]


def resized(pixels: Pixels, size: int) -> Pixels:
    """Bring a picture to a square.

    Args:
        pixels: ``(H, W, C)`` bytes, C from 1 to 4.
        size: Pixels a side.

    Returns:
        ``(size, size, C)``.
    """
    # One by one: Pillow would weigh colours by what it takes for their opacity.
    layers = (Image.fromarray(layer) for layer in np.moveaxis(pixels, -1, 0))
    return np.stack([np.asarray(x.resize((size, size), _CUBIC)) for x in layers], axis=-1)
