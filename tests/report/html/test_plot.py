"""Axes, lines and points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gancompress.report.html.plot import Point, Series, draw, short, ticks
from gancompress.report.html.progress import thinned

NUMBERS = st.floats(-1e12, 1e12, allow_nan=False)


@given(NUMBERS, NUMBERS, st.integers(3, 9))
def test_ticks_span_the_range_and_are_few(one: float, other: float, most: int) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high, most)
    assert 2 <= len(found) <= 2 * most + 3
    assert found == sorted(set(found))
    slack = 1e-6 * (found[-1] - found[0]) + 1e-280
    assert found[0] <= low + slack
    assert found[-1] >= high - slack


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (1500, "1.5 k"), (-2e6, "-2 M"), (3e9, "3 G")]
)
def test_numbers_of_an_axis(value: float, text: str) -> None:
    assert short(value) == text


def test_everything_lies_inside_the_picture() -> None:
    points = [Point(1e6, 5.0, "a"), Point(9e6, -2.0, "b")]
    line = Series("edge", ((1e6, 5.0), (9e6, -2.0)), stepped=True)
    plot = draw([line], "x", "y", points=points)
    for mark in plot.marks:
        assert plot.left <= mark.x <= plot.right
        assert plot.top <= mark.y <= plot.bottom
    assert plot.paths[0].count("L") == 2


def test_nothing_and_what_is_not_finite_make_a_plot_too() -> None:
    for points in ([], [Point(math.inf, 1.0, "a")], [Point(2.0, math.nan, "b")]):
        plot = draw([], "x", "y", points=[p for p in points if math.isfinite(p.x + p.y)])
        assert plot.x_ticks
        assert plot.y_ticks


def test_a_long_training_is_thinned_to_its_averages() -> None:
    points = [(float(step), step % 2.0) for step in range(1, 10_001)]
    found = thinned(points)
    assert len(found) == 240
    assert found[-1][0] == 10_000
    assert all(0.4 < y < 0.6 for _, y in found)
