"""Pairs of picture files: side by side, or in two folders."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gancompress.errors import DataError
from gancompress.gan.pictures import (
    Pixels,
    check_picture,
    find_pictures,
    read_picture,
    reading,
    refuse_all,
    resized,
)


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
        self._pairs = _find_pairs(folder)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Pixels, Pixels]:
        """Return the input ``(size, size, channels_in)`` and the target of one pair."""
        channels = self._channels[::-1] if self._swap else self._channels
        paths = self._pairs[index]
        halves = _read_both(paths, channels) if len(paths) > 1 else _cut(paths[0], channels)
        left, right = (resized(half, self._size) for half in halves)
        return (right, left) if self._swap else (left, right)

    def check(self) -> None:
        """Find out whether every file begins as a picture does, without reading all of it.

        Raises:
            DataError: If some do not: all such are named, up to ten.
        """
        paths = (path for pair in self._pairs for path in pair)
        refuse_all(self._folder, _problems(partial(check_picture, path) for path in paths))

    def read_all(self) -> tuple[Pixels, Pixels]:
        """Read every pair.

        Returns:
            Inputs ``(N, size, size, channels_in)`` and targets.

        Raises:
            DataError: If pictures are unreadable: all such are named, up to ten.
        """
        shape = (len(self), self._size, self._size)
        inputs, targets = (np.empty((*shape, channels), np.uint8) for channels in self._channels)

        def read(index: int) -> None:
            inputs[index], targets[index] = self[index]

        # One pair at a time: a folder of photographs does not fit into memory at full size.
        refuse_all(self._folder, _problems(partial(read, index) for index in range(len(self))))
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


def _problems(readers: Iterable[Callable[[], None]]) -> list[DataError]:
    found: list[DataError] = []
    for read in readers:
        try:
            read()
        except _BothUnreadableError as both:
            found += both.problems
        except DataError as problem:
            found.append(problem)
    return found


class _BothUnreadableError(DataError):
    """Neither picture of a pair can be read."""

    def __init__(self, problems: Sequence[DataError]) -> None:
        super().__init__("; ".join(p.message for p in problems), hint=problems[0].hint)
        self.problems = problems


def _find_pairs(folder: Path) -> list[tuple[Path, ...]]:
    """Return the one or two files of every pair."""
    with reading(folder):
        halves = [folder / name for name in ("A", "B")]
        apart = all(half.is_dir() for half in halves)
    if not apart:
        return [(path,) for path in find_pictures(folder)]
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
    return [(path, partners[name]) for name, path in _by_name(left).items()]


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


def _read_both(paths: Sequence[Path], channels: tuple[int, int]) -> list[Pixels]:
    halves: list[Pixels] = []
    problems: list[DataError] = []
    for path, count in zip(paths, channels, strict=True):
        try:
            halves.append(read_picture(path, count))
        except DataError as problem:
            problems.append(problem)
    if problems:
        raise problems[0] if len(problems) == 1 else _BothUnreadableError(problems)
    return halves


def _cut(path: Path, channels: tuple[int, int]) -> list[Pixels]:
    left = read_picture(path, channels[0])
    right = left if channels[0] == channels[1] else read_picture(path, channels[1])
    middle = left.shape[1] // 2
    if not middle:
        raise DataError(
            f"'{path}' is one pixel wide, and holds no two pictures side by side",
            hint="put the pictures of a pair side by side, or in the sub-folders A and B",
        )
    return [left[:, :middle], right[:, middle : 2 * middle]]
