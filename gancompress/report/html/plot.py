"""Plots as numbers that a template turns into inline SVG: axes, lines and points."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_LEFT: Final = 52
_RIGHT: Final = 14
_TOP: Final = 12
_BOTTOM: Final = 40
_LEAST: Final = 1e-290
_LETTERS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Point:
    """A marked point.

    Args:
        x: Value along the horizontal axis.
        y: Value along the vertical one.
        label: What it is, in words.
        kind: Class of the style.
    """

    x: float
    y: float
    label: str
    kind: str = ""


@dataclass(frozen=True)
class Series:
    """A line.

    Args:
        name: What it shows.
        points: Its corners.
        kind: Classes of the style.
        stepped: Whether it goes in steps, as the edge of a Pareto front does.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    kind: str = "line"
    stepped: bool = False


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, in units of the picture, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Plot:
    """A picture, in its own units.

    Args:
        width: Of the picture.
        height: Of the picture.
        x_ticks: Along the bottom.
        y_ticks: Along the left side.
        x_label: What the horizontal axis shows.
        y_label: What the vertical axis shows.
        lines: SVG paths with classes and names.
        marks: Points in units of the picture.
        left: Where the axes begin.
        right: Where they end.
        top: Where they end.
        bottom: Where they begin.
    """

    width: int
    height: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    lines: tuple[Series, ...]
    paths: tuple[str, ...]
    marks: tuple[Point, ...]
    left: float
    right: float
    top: float
    bottom: float


def draw(
    lines: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    points: Sequence[Point] = (),
    width: int = 720,
    height: int = 360,
    zero: bool = False,
) -> Plot:
    """Lay out a plot.

    Args:
        lines: Lines.
        x_label: What the horizontal axis shows.
        y_label: What the vertical one shows; empty for nothing.
        points: Marked points, above the lines.
        width: Of the picture.
        height: Of the picture.
        zero: Whether the vertical axis begins at zero, where no value lies below.

    Returns:
        The plot; values that are not finite are left out.
    """
    corners = [c for line in lines for c in line.points] + [(p.x, p.y) for p in points]
    corners = [c for c in corners if math.isfinite(c[0]) and math.isfinite(c[1])] or [(0.0, 0.0)]
    xs, ys = zip(*corners, strict=True)
    x_marks = ticks(min(xs), max(xs), max(width // 110, 3))
    low = 0.0 if zero and min(ys) >= 0 else min(ys)
    y_marks = ticks(low, max(ys), max(height // 60, 3))
    left, right, top, bottom = _LEFT, width - _RIGHT, _TOP, height - _BOTTOM
    # A line fills the width; points keep away from the edges.
    x_range = (min(xs), max(xs)) if not points and max(xs) > min(xs) else _padded(x_marks)
    x_marks = [x for x in x_marks if x_range[0] <= x <= x_range[1]]
    y_range = _padded(y_marks) if points else (y_marks[0], y_marks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(left + (right - left) * _share(x, x_range), 1),
            round(bottom - (bottom - top) * _share(y, y_range), 1),
        )

    return Plot(
        width,
        height,
        tuple(Tick(place(x, 0)[0], short(x)) for x in x_marks),
        tuple(Tick(place(0, y)[1], short(y)) for y in y_marks),
        x_label,
        y_label,
        tuple(lines),
        tuple(_path([place(*c) for c in line.points], stepped=line.stepped) for line in lines),
        tuple(Point(*place(p.x, p.y), p.label, p.kind) for p in points),
        left,
        right,
        top,
        bottom,
    )


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers that span a range.

    Args:
        low: The smallest value.
        high: The largest one; may equal the smallest.
        most: About how many.
    """
    # What differs by less than an axis can say is one value.
    if high - low <= max(1e-9 * max(abs(low), abs(high)), _LEAST):
        pad = abs(low) / 2 if abs(low) > _LEAST else 1.0
        low, high = low - pad if abs(low) > _LEAST else 0.0, high + pad
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def short(value: float) -> str:
    """Return a number as an axis shows it, such as ``1.5 M``.

    Args:
        value: Any finite number.
    """
    for size, letter in _LETTERS:
        if abs(value) >= size:
            return f"{value / size:.4g} {letter}"
    return f"{value:.4g}"


def _padded(marks: Sequence[float]) -> tuple[float, float]:
    room = 0.03 * (marks[-1] - marks[0])
    return marks[0] - room, marks[-1] + room


def _share(value: float, span: tuple[float, float]) -> float:
    return (value - span[0]) / ((span[1] - span[0]) or 1.0)


def _path(corners: Iterable[tuple[float, float]], *, stepped: bool) -> str:
    parts: list[str] = []
    before = 0.0
    for x, y in corners:
        if parts and stepped:
            parts.append(f"L{x} {before}")
        parts.append(f"{'L' if parts else 'M'}{x} {y}")
        before = y
    return "".join(parts)
