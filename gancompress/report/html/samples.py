"""Held-out pictures for the report: data URIs, small enough for one file, and error maps."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops, UnidentifiedImageError

from gancompress.errors import RunError
from gancompress.report.html.source import RunSource

FOLDER: Final = "samples/evaluate"
MOST: Final = 16
_GRID: Final = "samples.png"
_NAME: Final = re.compile(r"(\d+)-([a-z]+)\.png")
_BUDGET: Final = 3_000_000  # bytes of pictures in one report; base64 adds a third
_SIDES: Final = (512, 384, 256, 192, 128, 96)
_EXACT: Final = 96  # pictures of up to this side are not blurred by a codec
_GAIN: Final = 4
_BROKEN: Final = (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError)


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Args:
        uri: A data URI.
        width: In pixels of the source.
        height: In pixels of the source.
    """

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Sample:
    """One held-out picture, as everybody draws it.

    Args:
        number: Counted from 1.
        pictures: By source: ``input``, ``target``, ``teacher``, ``compressed``.
        error: Where teacher and compressed differ; None where one of the two is missing.
        difference: Mean absolute difference of the two, of 255 levels.
    """

    number: int
    pictures: Mapping[str, Picture]
    error: Picture | None = None
    difference: float | None = None


@dataclass(frozen=True)
class Gallery:
    """The samples of a run.

    Args:
        samples: Picture by picture.
        grid: A sheet of samples, of a run that has no single pictures; None else.
        gain: By what the error maps are multiplied.
        shrunk: Longest side that larger pictures were reduced to; 0 where none was.
    """

    samples: tuple[Sample, ...] = ()
    grid: Picture | None = None
    gain: int = _GAIN
    shrunk: int = 0


def gallery(source: RunSource, most: int = MOST) -> Gallery | None:
    """Read the held-out pictures of a run.

    Args:
        source: The run.
        most: Samples at most, spread evenly.

    Returns:
        The samples; None where there are none yet.

    Raises:
        RunError: If a picture is damaged.
    """
    files = _files(source.root / FOLDER)
    if files:
        return _embedded(spread(files, most))
    sheet = source.root / _GRID
    return Gallery(grid=_sheet(sheet)) if sheet.is_file() else None


def pair(paths: Sequence[Path]) -> Sample:
    """Put two pictures of one input beside one another.

    Args:
        paths: Two files; the first takes the teacher's place.

    Raises:
        RunError: If one is damaged.
    """
    names = ("teacher", "compressed")
    opened = {name: _open(path) for name, path in zip(names, paths, strict=True)}
    return _sample(0, opened, _SIDES[2])


def newest_grid(source: RunSource, stage: str) -> tuple[str, Picture] | None:
    """Return what a training has drawn last, with the step.

    Args:
        source: The run.
        stage: Name of the training.

    Raises:
        RunError: If the picture is damaged.
    """
    drawn = sorted((source.root / "samples" / stage).glob("step-*.png"))
    return (drawn[-1].stem.removeprefix("step-").lstrip("0"), _sheet(drawn[-1])) if drawn else None


def spread(files: Mapping[int, Mapping[str, Path]], most: int) -> dict[int, Mapping[str, Path]]:
    """Take some samples, evenly from all.

    Args:
        files: Files by number and source.
        most: How many at most.
    """
    numbers = sorted(files)
    count = min(most, len(numbers))
    return {n: files[n] for n in (numbers[i * len(numbers) // count] for i in range(count))}


def _files(folder: Path) -> dict[int, dict[str, Path]]:
    found: dict[int, dict[str, Path]] = {}
    for path in sorted(folder.glob("*.png")):
        if name := _NAME.fullmatch(path.name):
            found.setdefault(int(name[1]), {})[name[2]] = path
    return found


def _embedded(files: Mapping[int, Mapping[str, Path]]) -> Gallery:
    """Encode at the largest side at which all of them fit the budget."""
    opened = {n: {name: _open(path) for name, path in by.items()} for n, by in files.items()}
    longest = max(max(image.size) for by in opened.values() for image in by.values())
    # The first sample says what the others will weigh; those that weigh more are found below.
    first = next(iter(opened.items()))
    sides = [side for side in _SIDES if _weight(_sample(*first, side)) * len(opened) <= _BUDGET]
    made: tuple[Sample, ...] = ()
    for side in sides or _SIDES[-1:]:
        made = tuple(_sample(number, by, side) for number, by in opened.items())
        if sum(map(_weight, made)) <= _BUDGET:
            return Gallery(made, shrunk=side if side < longest else 0)
    while sum(map(_weight, made)) > _BUDGET:
        made = made[:-1]
    return Gallery(made, shrunk=_SIDES[-1])


def _sample(number: int, opened: Mapping[str, Image.Image], side: int) -> Sample:
    pictures = {name: _encoded(image, side) for name, image in opened.items()}
    error, difference = None, None
    teacher, student = opened.get("teacher"), opened.get("compressed")
    if teacher is not None and student is not None and teacher.size == student.size:
        apart = ImageChops.difference(teacher, student)
        # The largest of the channels, so that a wrong colour is as bright as a wrong grey.
        channels = apart.split()
        brightest = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
        histogram = apart.histogram()
        total = sum(histogram) or 1
        difference = sum(level % 256 * many for level, many in enumerate(histogram)) / total
        error = _encoded(_heated(brightest), side)
    return Sample(number + 1, pictures, error, difference)


def _heated(grey: Image.Image) -> Image.Image:
    """Colour differences from black over violet and orange to white."""
    scaled = grey.point(lambda level: min(255, level * _GAIN))
    stops = ((0, (0, 0, 4)), (64, (81, 18, 124)), (150, (229, 80, 57)), (255, (252, 253, 191)))
    palette: list[int] = []
    for level in range(256):
        right = next(i for i, (at, _) in enumerate(stops) if at >= level)
        (a, low), (b, high) = stops[max(right - 1, 0)], stops[right]
        share = (level - a) / ((b - a) or 1)
        palette += [round(x + share * (y - x)) for x, y in zip(low, high, strict=True)]
    scaled.putpalette(palette)
    return scaled.convert("RGB")


def _encoded(image: Image.Image, side: int) -> Picture:
    width, height = image.size
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    sink = BytesIO()
    if max(image.size) <= _EXACT:
        image.save(sink, format="PNG", optimize=True)
        return Picture(_uri("png", sink), width, height)
    image.save(sink, format="WEBP", quality=86, method=0)
    return Picture(_uri("webp", sink), width, height)


def _sheet(path: Path) -> Picture:
    image = _open(path)
    width, height = image.size
    image.thumbnail((1400, 1800), Image.Resampling.LANCZOS)
    sink = BytesIO()
    image.save(sink, format="WEBP", quality=86, method=0)
    return Picture(_uri("webp", sink), width, height)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except _BROKEN:
        raise RunError(
            f"'{path}' is damaged: it is no picture",
            hint="remove it and 'stages/evaluate.json', and evaluate again",
        ) from None


def _uri(kind: str, sink: BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(sink.getvalue()).decode()}"


def _weight(sample: Sample) -> int:
    return sum(len(x.uri) for x in _all(sample)) * 3 // 4


def _all(sample: Sample) -> Iterator[Picture]:
    yield from sample.pictures.values()
    if sample.error is not None:
        yield sample.error
