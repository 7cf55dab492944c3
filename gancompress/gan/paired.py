"""Data sets of paired pictures, in memory or in files."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from gancompress.errors import DataError
from gancompress.gan.family import Batch
from gancompress.gan.pairs import FolderPairs
from gancompress.gan.pictures import Pixels, to_tensor


class PairedPictures(Dataset[Batch]):
    """Pairs of pictures held in memory, with optional augmentation.

    Args:
        inputs: ``(N, H, W, C)`` bytes.
        targets: ``(N, H, W, C)`` bytes, as many as inputs.
        flip: Whether to mirror left and right at random.
        flip_vertical: Whether to mirror up and down at random, for pictures seen from above.
        shift: Largest random shift in pixels, with the border's pixels repeated.
        crop: Side of the square that is cut out at random; None takes the whole picture.

    Raises:
        DataError: If there are no pairs, not as many targets as inputs, arrays of another shape,
            targets of another size, or pictures smaller than the square.
    """

    def __init__(
        self,
        inputs: Pixels,
        targets: Pixels,
        *,
        flip: bool = False,
        flip_vertical: bool = False,
        shift: int = 0,
        crop: int | None = None,
    ) -> None:
        if len(inputs) != len(targets):
            raise DataError(
                f"there are {len(inputs)} inputs but {len(targets)} targets",
                hint="give every input one target",
            )
        if not len(inputs):
            raise DataError("there is not one pair", hint="check the folder and the split")
        _check_shapes(inputs, targets, crop)
        self.inputs, self.targets = inputs, targets
        self.flip, self.flip_vertical, self.shift, self.crop = flip, flip_vertical, shift, crop

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Batch:
        x, y = to_tensor(self.inputs[index]), to_tensor(self.targets[index])
        augmentation = _Augmentation(self.flip, self.flip_vertical, self.shift, self.crop)
        x, y = augmentation.apply(x, y)
        return Batch((x,), y)


class PairedFiles(Dataset[Batch]):
    """Pairs that are read when they are asked for, with optional augmentation.

    Args:
        pairs: The pairs of a folder.
        flip: Whether to mirror left and right at random.
        shift: Largest random shift in pixels, with the border's pixels repeated.
        crop: Side of the square that is cut out at random; None takes the whole picture.
    """

    def __init__(
        self, pairs: FolderPairs, *, flip: bool = False, shift: int = 0, crop: int | None = None
    ) -> None:
        self._pairs, self._augmentation = pairs, _Augmentation(flip=flip, shift=shift, crop=crop)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Batch:
        x, y = self._augmentation.apply(*map(to_tensor, self._pairs[index]))
        return Batch((x,), y)


@dataclass(frozen=True)
class _Augmentation:
    """Changes both pictures of a pair alike, at random."""

    flip: bool = False
    flip_vertical: bool = False
    shift: int = 0
    crop: int | None = None

    def apply(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # One draw for every choice, used or not, keeps the random stream independent of options.
        draws = torch.rand(4).tolist()
        both = [x, y]
        if self.crop is not None:
            spare = (x.shape[1] - self.crop, x.shape[2] - self.crop)
            top, left = (int(d * (room + 1)) for d, room in zip(draws[2:], spare, strict=True))
            both = [z[:, top : top + self.crop, left : left + self.crop] for z in both]
        if self.flip and draws[0] < 0.5:
            both = [z.flip(2) for z in both]
        if self.flip_vertical and draws[1] < 0.5:
            both = [z.flip(1) for z in both]
        if self.shift:
            dx, dy = (int(d * (2 * self.shift + 1)) for d in draws[2:])
            both = [_shift(z, dx, dy, self.shift) for z in both]
        return both[0], both[1]


def _check_shapes(inputs: Pixels, targets: Pixels, crop: int | None) -> None:
    for name, pixels in (("inputs", inputs), ("targets", targets)):
        if pixels.ndim != 4 or pixels.dtype != np.uint8:
            raise DataError(
                f"the {name} are '{pixels.dtype}' of shape {pixels.shape}",
                hint="give bytes (uint8) of shape (N, H, W, C)",
            )
    sizes = inputs.shape[1:3], targets.shape[1:3]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"the inputs have {_size(sizes[0])} pixels and the targets {_size(sizes[1])}",
            hint="scale both pictures of a pair to one size",
        )
    if crop is not None and min(sizes[0]) < crop:
        raise DataError(
            f"no square of '{crop}' pixels can be cut out of pictures of {_size(sizes[0])}",
            hint="read the pictures larger, or cut out less",
        )


def _size(sides: tuple[int, ...]) -> str:
    return "×".join(map(str, sides))


def _shift(x: Tensor, dx: int, dy: int, most: int) -> Tensor:
    height, width = x.shape[1:]
    padded = F.pad(x[None], (most,) * 4, mode="replicate")[0]
    return padded[:, dy : dy + height, dx : dx + width]
