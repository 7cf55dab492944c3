"""Which subnets a ranking is checked on, and how two rankings are compared."""

import math

import pytest

from gancompress.compress.ranking import Agreement, across_the_front, agreement
from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.search import SearchResult, Trial


def found(*points: tuple[int, float]) -> SearchResult:
    return SearchResult.of(
        Trial(i, SubnetConfig({"a": i + 1}), Cost(macs, 0, 0), score)
        for i, (macs, score) in enumerate(points)
    )


def test_subnets_are_spread_over_the_front_with_its_ends() -> None:
    front = found(*[(i, 100.0 - i) for i in range(11)], (5, 200.0))
    assert [t.cost.macs for t in across_the_front(front, 3)] == [0, 5, 10]
    assert [t.cost.macs for t in across_the_front(front, 11)] == list(range(11))
    assert len({t.number for t in across_the_front(front, 7)}) == 7


def test_the_best_of_the_rest_fill_up() -> None:
    few = found((1, 5.0), (2, 9.0), (3, 7.0), (4, math.inf), (5, 1.0))
    assert [t.number for t in across_the_front(few, 3)] == [0, 2, 4]
    # One whose score is no number never takes part.
    assert [t.number for t in across_the_front(few, 9)] == [0, 1, 2, 4]


def test_two_rankings_are_compared() -> None:
    same = agreement([1, 2, 3, 4, 5], [10, 20, 30, 40, 50])
    assert same.tau == pytest.approx(1.0)
    assert same.p_value == pytest.approx(2 / 120)  # two of 5! orders are as extreme
    assert agreement([1, 2, 3], [3, 2, 1]).tau == pytest.approx(-1.0)
    assert agreement([1, 2, 3], [1, 1, 1]) == Agreement(None, None)
