import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancompress.report.units import count, duration, figure, percent, size


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (49_553_000_000, "49.6 G"),
        (999_900, "1.00 M"),
        (708_000, "708 k"),
        (3e15, "3000 T"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_count(value: float | None, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(("value", "text"), [(12, "12 B"), (2048, "2.00 KiB"), (None, "–")])
def test_size(value: float | None, text: str) -> None:
    assert size(value) == text


def test_figure_percent_and_duration() -> None:
    assert figure(1234.567, 2) == "1,234.57"
    assert [figure(v, 1) for v in (None, math.nan, math.inf, -math.inf)] == ["–", "–", "∞", "-∞"]
    assert [percent(v) for v in (0.8754, -0.5, None, math.inf)] == ["87.5 %", "-50.0 %", "–", "–"]
    spans = [duration(s) for s in (0.04, 9.96, 59.7, 123, 3600 * 26 + 61)]
    assert spans == ["0.0 s", "10.0 s", "1 min 0 s", "2 min 3 s", "26 h 1 min"]


@settings(derandomize=True, max_examples=60)
@given(st.integers(0, 10**15))
def test_a_count_keeps_three_digits(value: int) -> None:
    number, _, letter = count(value).partition(" ")
    factor = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[letter]
    assert float(number) * factor == pytest.approx(value, rel=0.0051)
    assert len(count(value)) <= 7
