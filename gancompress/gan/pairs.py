"""Pairs of picture files: side by side, or in two folders."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from gancompress.errors import DataError
from gancompress.gan.pictures import (
    Pixels,
    find_pictures,
    read_picture,
    reading,
    refuse_all,
    resized,
)

_Reader: TypeAlias = Callable[[], tuple[Pixels, Pixels]]


class FolderPairs:
    """Pairs of a folder, read when they are asked for: for data that do not fit into memory.

    Args:
        folder: As in `read_pairs`.
        size: Pictures are resized to size × size pixels.
        swap: Whether the input is B and the target A.
        channels_in: Channels of the inputs, as in `read_picture`.
        channels_out: Channels of the targets.

    Raises:
        DataError: If pictures are missing or unpaired; an unreadable one when it is asked for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        size: int,
        swap: bool = False,
        channels_in: int = 3,
        channels_out: int = 3,
    ) -> None:
        self._folder, self._size, self._swap = folder, size, swap
        self._channels = channels_in, channels_out
        halves = (channels_out, channels_in) if swap else (channels_in, channels_out)
        self._readers = _find_pairs(folder, halves)

    def __len__(self) -> int:
        return len(self._readers)

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:
        """Return the input ``(size, size, channels_in)`` and the target of one pair."""
        left, right = (resized(half, self._size) for half in self._readers[index]())
        return (right, left) if self._swap else (left, right)

    def read_all(self) -> tuple[Pixels, Pixels]:
        """Read every pair.

        Returns:
            Inputs ``(N, size, size, channels_in)`` and targets.

        Raises:
            DataError: If pictures are unreadable: all such are named, up to ten.
        """
        shape = (len(self), self._size, self._size)
        inputs, targets = (np.empty((*shape, channels), np.uint8) for channels in self._channels)
        problems: list[DataError] = []
        for index in range(len(self)):
            # One pair at a time: a folder of photographs does not fit into memory at full size.
            try:
                inputs[index], targets[index] = self[index]
            except DataError as problem:
                problems.append(problem)
        refuse_all(self._folder, problems)
        return inputs, targets


def read_pairs(
    folder: Path, *, size: int, swap: bool = False, channels_in: int = 3, channels_out: int = 3
) -> tuple[Pixels, Pixels]:
    """Read pairs: side by side in one picture, or in the sub-folders ``A`` and ``B``.

    Args:
        folder: The folder of one split.
        size: Pictures are resized to size × size pixels, whatever their own size is.
        swap: Whether the input is B and the target A.
        channels_in: Channels of the inputs, as in `read_picture`.
        channels_out: Channels of the targets.

    Returns:
        Inputs ``(N, size, size, channels_in)`` and targets ``(N, size, size, channels_out)``.

    Raises:
        DataError: If pictures are missing or unpaired, or unreadable: all such are named, up to
            ten.
    """
    pairs = FolderPairs(
        folder, size=size, swap=swap, channels_in=channels_in, channels_out=channels_out
    )
    return pairs.read_all()


def _find_pairs(folder: Path, channels: tuple[int, int]) -> list[_Reader]:
    """Return for every pair a function that reads it at full size."""
    with reading(folder):
        halves = [folder / name for name in ("A", "B")]
        apart = all(half.is_dir() for half in halves)
    if not apart:
        return [partial(_read_side_by_side, path, channels) for path in find_pictures(folder)]
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
    return [
        partial(_read_both, (a, partners[name]), channels) for name, a in _by_name(left).items()
    ]


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


def _read_both(paths: tuple[Path, Path], channels: tuple[int, int]) -> tuple[Pixels, Pixels]:
    return read_picture(paths[0], channels[0]), read_picture(paths[1], channels[1])


def _read_side_by_side(path: Path, channels: tuple[int, int]) -> tuple[Pixels, Pixels]:
    left = read_picture(path, channels[0])
    right = left if channels[0] == channels[1] else read_picture(path, channels[1])
    middle = left.shape[1] // 2
    if not middle:
        raise DataError(
            f"'{path}' is one pixel wide, and holds no two pictures side by side",
            hint="put the pictures of a pair side by side, or in the sub-folders A and B",
        )
    return left[:, :middle], right[:, middle : 2 * middle]
