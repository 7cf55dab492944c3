"""Budgets: what can be written, and what it admits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancompress.cost import Budget, Cost
from gancompress.errors import ConfigError

TEACHER = Cost(macs=8_000, macs_published=9_000, params=800)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("3G", 3 * 10**9),
        ("2.5g", 25 * 10**8),
        (" 250M ", 250 * 10**6),
        ("4k", 4000),
        ("1T", 10**12),
        ("1_000", 1000),
        (12, 12),
        (3e9, 3 * 10**9),
        ("8x", 1000),
        ("1.6X", 5000),
        (None, None),
    ],
)
def test_limits_can_be_written(written: float | str | None, number: int | None) -> None:
    assert Budget(macs=written).resolve(TEACHER) == Budget(macs=number)


@pytest.mark.parametrize(
    "written",
    ["", "G", "x", "3GM", "3Q", "-1", 0, -2, float("nan"), float("inf"), "inf", True, "0x"],
)
def test_nonsense_is_refused(written: float | str) -> None:
    with pytest.raises(ConfigError, match="cannot be used as a limit of 'params'"):
        Budget(params=written)


def test_a_relative_limit_needs_the_teacher() -> None:
    budget = Budget(params="4x")
    assert budget.relative
    assert not Budget(macs="3G").relative
    with pytest.raises(ConfigError, match="relative to a teacher"):
        budget.admits(TEACHER)
    assert budget.resolve(TEACHER).admits(Cost(10**9, 0, 200))
    assert not budget.resolve(TEACHER).admits(Cost(1, 0, 201))


@given(macs=st.integers(1, 10**12), limit=st.integers(1, 10**12))
@settings(derandomize=True, max_examples=50, deadline=None)
def test_the_limit_itself_is_admitted(macs: int, limit: int) -> None:
    assert Budget(macs=limit).admits(Cost(macs, 0, 1)) == (macs <= limit)
    assert Budget().admits(Cost(macs, 0, 1))
