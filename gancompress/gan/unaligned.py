"""Pictures of two domains without partners, in memory or in folders (arXiv 1703.10593)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gancompress.errors import DataError
from gancompress.gan.family import REAL, Batch
from gancompress.gan.pictures import Pixels, find_pictures, read_picture, resized, to_tensor

_CARVED: Final = 0.1
_FEWEST: Final = 2


class UnalignedPictures(Dataset[Batch]):
    """Pictures of one domain, each beside some picture of the other under ``extras["real"]``.

    For training the other picture is drawn at random, with torch's generator, which the training
    loop seeds at every step; there are as many samples as pictures in the larger domain, and the
    inputs of a smaller one come round again. For evaluation there is one sample for every input,
    and the other domain follows in a fixed order that does not depend on how it was sorted.

    Args:
        inputs: ``(N, H, W, C)`` bytes.
        reals: ``(M, H, W, C')`` bytes of the domain that is to be drawn.
        train: Whether the pairs are random and pictures are augmented.
        size: Height and width of a sample; a larger picture is cropped, at random in training
            and in the middle otherwise. None takes pictures as they are.
        flip: Whether training pictures are mirrored left and right at random, each on its own.
        flip_vertical: Whether they are mirrored up and down, for pictures seen from above.

    Raises:
        DataError: If a domain is empty, no pictures of one size, or smaller than the crop.
    """

    def __init__(
        self,
        inputs: Pixels,
        reals: Pixels,
        *,
        train: bool = False,
        size: int | None = None,
        flip: bool = False,
        flip_vertical: bool = False,
    ) -> None:
        for name, pictures in (("inputs", inputs), ("reals", reals)):
            _check(name, pictures, size)
        if inputs.shape[1:3] != reals.shape[1:3]:
            raise DataError(
                f"the inputs are {_text(inputs)} pixels and the other domain {_text(reals)}",
                hint="bring both to one size",
            )
        self.inputs, self.reals, self.train, self.size = inputs, reals, train, size
        self.flip, self.flip_vertical = flip and train, flip_vertical and train
        order = torch.Generator().manual_seed(0)
        self._order = torch.randperm(len(reals), generator=order).tolist()

    def __len__(self) -> int:
        return max(len(self.inputs), len(self.reals)) if self.train else len(self.inputs)

    def __getitem__(self, index: int) -> Batch:
        partner = self._order[index % len(self._order)]
        if self.train:
            partner = int(torch.randint(len(self.reals), ()).item())
        x = self._augmented(self.inputs[index % len(self.inputs)])
        return Batch((x,), None, {REAL: self._augmented(self.reals[partner])})

    def _augmented(self, pixels: Pixels) -> Tensor:
        picture = to_tensor(pixels)
        if self.train:
            # One draw for every choice, used or not, keeps the stream independent of options.
            across, down, place, start = torch.rand(4).tolist()
        else:
            across = down = 1.0
            place = start = 0.5
        height, width = picture.shape[1:]
        rows, columns = self.size or height, self.size or width
        top, left = int(place * (height - rows + 1)), int(start * (width - columns + 1))
        picture = picture[:, top : top + rows, left : left + columns]
        mirrored = [
            axis
            for axis, draw, wanted in ((2, across, self.flip), (1, down, self.flip_vertical))
            if wanted and draw < 0.5
        ]
        return picture.flip(mirrored) if mirrored else picture


def _check(name: str, pictures: Pixels, size: int | None) -> None:
    if pictures.ndim != 4 or pictures.dtype != np.uint8:
        raise DataError(
            f"the {name} are {pictures.dtype} of shape {pictures.shape}, not bytes of (N, H, W, C)",
            hint="bring pictures of several sizes to one",
        )
    if not len(pictures):
        raise DataError(f"the {name} hold no picture", hint="check the folder and the split")
    if size is not None and min(pictures.shape[1:3]) < size:
        raise DataError(
            f"the {name} are {_text(pictures)} pixels, too small for crops of {size}",
            hint="take a smaller size, or a larger load size",
        )


def _text(pictures: Pixels) -> str:
    return "x".join(map(str, pictures.shape[1:3]))


def read_domain(folder: Path, domain: str, split: str, *, size: int, channels: int = 3) -> Pixels:
    """Read one domain of unaligned data, in the layout of CycleGAN.

    ``trainA``, ``trainB``, ``testA`` and ``testB`` lie side by side. Where there is neither
    ``valA`` nor ``valB``, a tenth of the training pictures of each domain is ``val``, chosen by
    the hash of their names, and not trained on.

    Args:
        folder: The folder that holds the four.
        domain: ``A`` or ``B``.
        split: ``train``, ``val`` or ``test``.
        size: Pictures are resized to size × size pixels.
        channels: 1 grey, 2 grey with alpha, 3 colour, or 4 colour with alpha.

    Returns:
        ``(N, size, size, channels)``.

    Raises:
        DataError: If a folder is missing, holds too few pictures, or one cannot be read.
    """
    paths = _split_paths(folder, domain, split)
    pixels = np.empty((len(paths), size, size, channels), np.uint8)
    for index, path in enumerate(paths):
        pixels[index] = resized(read_picture(path, channels), size)
    return pixels


def _split_paths(folder: Path, domain: str, split: str) -> tuple[Path, ...]:
    has_val = [(folder / f"val{name}").is_dir() for name in "AB"]
    if split == "test" or all(has_val):
        return _find(folder, f"{split}{domain}")
    if any(has_val):
        there, missing = "AB" if has_val[0] else "BA"
        raise DataError(
            f"'{folder}' has a folder 'val{there}' but no 'val{missing}'",
            hint="give both, or neither: then a tenth of the training pictures is taken",
        )
    return _carved(_find(folder, f"train{domain}"), split)


def _find(folder: Path, name: str) -> tuple[Path, ...]:
    if not (folder / name).is_dir():
        lacking = f"has no folder '{name}'" if folder.is_dir() else "is not a folder"
        raise DataError(
            f"'{folder}' {lacking}",
            hint="unaligned data lie in trainA, trainB, testA and testB",
        )
    return find_pictures(folder / name)


def _carved(paths: Sequence[Path], split: str) -> tuple[Path, ...]:
    count = max(_FEWEST, round(_CARVED * len(paths)))
    if len(paths) - count < _FEWEST:
        few = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
        raise DataError(
            f"'{paths[0].parent}' holds {few}, and at least {2 * _FEWEST} are needed: {_FEWEST} to"
            f" train on, and {_FEWEST} to choose by",
            hint="add pictures, or give valA and valB",
        )
    ranked = sorted(paths, key=lambda path: hashlib.sha256(path.name.encode()).digest())
    chosen = set(ranked[:count])
    return tuple(path for path in paths if (path in chosen) == (split == "val"))
