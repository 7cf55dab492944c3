"""Pairs out of two folders, and how pairs lie in folders."""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from pydantic import Field

from gancompress import DataError
from gancompress.gan import (
    FamilyOptions,
    Part,
    Preparer,
    Sample,
    SplitFolders,
    carve,
    find_pictures,
    read_picture,
)
from gancompress_pix2pix.options import Pix2PixOptions

SPLITS: Final = ("train", "val", "test")


class PairsOptions(FamilyOptions):
    """How pairs are made.

    Args:
        layout: ``side-by-side`` for one picture a pair, or ``folders`` for ``A`` and ``B``.
        size: Both pictures of a pair become size × size pixels; None keeps A's size.
        val: Share of the pairs that becomes ``val``.
        test: Share of the pairs that becomes ``test``.
    """

    layout: Literal["side-by-side", "folders"] = "side-by-side"
    size: int | None = Field(None, ge=1)
    val: float = Field(0.1, gt=0, lt=0.5)
    test: float = Field(0.1, gt=0, lt=0.5)


def pair_folders(options: Pix2PixOptions) -> tuple[SplitFolders, ...]:
    """Return how a folder of pairs is read.

    Args:
        options: Name a folder with ``train``, ``val`` and ``test``, or that should have them.
    """
    folder = Path(options.data)
    return tuple(SplitFolders(split, _parts(folder / split, options)) for split in SPLITS)


def _parts(folder: Path, options: Pix2PixOptions) -> tuple[Part, ...]:
    size = (options.size, options.size)
    channels = [options.input_channels, options.output_channels]
    if options.direction == "BtoA":
        channels.reverse()
    halves = tuple(
        Part(name, folder / name, channels=count, size=size)
        for name, count in zip("AB", channels, strict=True)
    )
    if any(part.folder.is_dir() for part in halves):
        return halves
    # One file holds both halves, so it can have no fewer channels than either.
    return (Part("pair", folder, "pair", channels=max(channels), size=size),)


def _plan(inputs: Sequence[Path], options: PairsOptions) -> list[Sample]:
    return [
        Sample(split, partial(_write, name, pair, split, options))
        for split, pairs in _splits(inputs[0], inputs[1], options).items()
        for name, pair in pairs.items()
    ]


def _splits(
    left: Path, right: Path, options: PairsOptions
) -> Mapping[str, dict[str, tuple[Path, Path]]]:
    """Take the splits that both folders have; share out the pairs where they have none."""
    if all((folder / "train").is_dir() for folder in (left, right)):
        given = {
            split: _pairs(left / split, right / split)
            for split in SPLITS
            if (left / split).is_dir() or (right / split).is_dir()
        }
        missing = [split for split in SPLITS if split not in given]
        pool = given.pop("train")
    else:
        given, missing, pool = {}, ["val", "test"], _pairs(left, right)
    whole = len(pool)
    for split in missing:
        count = max(1, round(getattr(options, split) * whole))
        given[split] = {name: pool.pop(name) for name in _share(pool, count, split)}
    if not pool:
        raise DataError(
            f"'{left}' and '{right}' have too few pairs for three splits",
            hint="give three pairs or more",
        )
    return {"train": pool, **given}


def _share(names: Iterable[str], count: int, split: str) -> list[str]:
    return sorted(carve(names, count, lambda name: f"{split} {name}"))


def _pairs(left: Path, right: Path) -> dict[str, tuple[Path, Path]]:
    ours, theirs = (_by_name(folder) for folder in (left, right))
    lonely = sorted(ours.keys() ^ theirs.keys())
    if lonely:
        raise DataError(
            f"'{left}' and '{right}' have {len(lonely)} pictures without a partner, the first is"
            f" '{lonely[0]}'",
            hint="give both pictures of a pair the same name",
        )
    return {name: (path, theirs[name]) for name, path in ours.items()}


def _by_name(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_pictures(folder):
        if path.stem in found:
            raise DataError(
                f"'{found[path.stem]}' and '{path}' have the same name", hint="keep one of the two"
            )
        found[path.stem] = path
    return found


def _write(
    name: str, pair: tuple[Path, Path], split: str, options: PairsOptions, folder: Path
) -> None:
    place = folder / split
    if options.layout == "folders" and options.size is None:
        for half, path in zip("AB", pair, strict=True):
            read_picture(path)  # what cannot be read is not to be copied
            (place / half).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / half / path.name)
        return
    halves = list(_halves(pair, options.size))
    if options.layout == "folders":
        for half, picture in zip("AB", halves, strict=True):
            (place / half).mkdir(parents=True, exist_ok=True)
            picture.save(place / half / f"{name}.png")
        return
    width, height = halves[0].size
    both = Image.new("RGB", (2 * width, height))
    both.paste(halves[0], (0, 0))
    both.paste(halves[1], (width, 0))
    place.mkdir(parents=True, exist_ok=True)
    both.save(place / f"{name}.png")


def _halves(pair: tuple[Path, Path], size: int | None) -> Iterator[Image.Image]:
    pictures = [Image.fromarray(read_picture(path)) for path in pair]
    (width, height), (other_width, other_height) = (picture.size for picture in pictures)
    # A pixel of rounding is no other shape.
    if abs(width * other_height - height * other_width) > max(pictures[0].size + pictures[1].size):
        raise DataError(
            f"'{pair[1]}' has {other_width}x{other_height} pixels, and its partner "
            f"{width}x{height}",
            hint="cut both to the same part",
        )
    wanted = (width, height) if size is None else (size, size)
    for picture in pictures:
        fits = picture.size == wanted
        yield picture if fits else picture.resize(wanted, Image.Resampling.BICUBIC)


PAIRS: Final = Preparer(
    "pairs",
    "pairs out of two folders whose pictures have equal names, with or without splits",
    ("A", "B"),
    PairsOptions,
    _plan,
)
