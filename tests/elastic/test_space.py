import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gancompress.elastic import SearchSpace, SubnetConfig
from gancompress.errors import SubnetError
from gancompress.graph import ChannelGraph, ChannelGroup, analyse, trace


def graph_of(*widths: int) -> ChannelGraph:
    channels = [3, *widths, 3]
    layers = [nn.Conv2d(a, b, 1) for a, b in pairwise(channels)]
    return analyse(trace(nn.Sequential(*layers).eval(), (torch.zeros(1, 3, 4, 4),)))


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


def test_multiples_of_eight_from_a_quarter_and_the_full_width() -> None:
    space = SearchSpace.multiples_of()(graph_of(64, 20, 6))
    assert space.choices == {
        "0": (16, 24, 32, 40, 48, 56, 64),
        "1": (8, 16, 20),
        "2": (6,),
    }
    assert space.size == 7 * 3
    assert space.largest() == SubnetConfig({"0": 64, "1": 20, "2": 6})
    assert space.smallest() == SubnetConfig({"0": 16, "1": 8, "2": 6})


def test_largest_leaves_the_full_width_out() -> None:
    space = SearchSpace.multiples_of(4, smallest=0.5, largest=0.8)(graph_of(16, 3))
    assert space.choices == {"0": (8, 12), "1": (3,)}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    units=st.integers(1, 64),
    per_unit=st.integers(1, 4),
    divisor=st.integers(1, 16),
    smallest=st.floats(0.01, 1.0),
)
def test_widths_are_multiples_of_channels_or_full(
    units: int, per_unit: int, divisor: int, smallest: float
) -> None:
    group = ChannelGroup(
        key="g", units=units, width=units * per_unit, producers=("g",), consumers=(), frozen=None,
        unit_ids=tuple(range(units)),
    )  # fmt: skip
    graph = ChannelGraph(groups=(group,), layouts={}, members={})
    widths = SearchSpace.multiples_of(divisor, smallest=smallest)(graph).choices["g"]
    assert widths[-1] == units
    assert widths[0] >= 1
    assert all(w * per_unit % divisor == 0 and w >= smallest * units for w in widths[:-1])


def test_sampling_follows_the_generators_state() -> None:
    space = SearchSpace({"a": (1, 2, 3), "b": (4, 8)})
    first = [space.sample(seeded(3)) for _ in range(2)]
    assert first[0] == first[1]
    drawn = {space.sample(seeded(k)) for k in range(60)}
    assert len(drawn) == space.size == 6


@pytest.mark.parametrize("widths", [(), (0, 4), (8, 4), (4, 4)])
def test_widths_have_to_ascend(widths: tuple[int, ...]) -> None:
    with pytest.raises(SubnetError, match=r"'model\.1'"):
        SearchSpace({"model.1": widths})


@pytest.mark.parametrize(
    ("divisor", "smallest", "largest"), [(0, 0.25, 1), (8, 0, 1), (8, 0.8, 0.5), (8, 0.5, 1.5)]
)
def test_senseless_rules_are_refused(divisor: int, smallest: float, largest: float) -> None:
    with pytest.raises(SubnetError, match="multiples"):
        SearchSpace.multiples_of(divisor, smallest=smallest, largest=largest)


def test_groups_are_checked_against_the_graph() -> None:
    graph = graph_of(16, 8)
    SearchSpace({"0": (8, 16)}).check_groups(graph)
    with pytest.raises(SubnetError, match="no group '9'") as caught:
        SearchSpace({"9": (8,)}).check_groups(graph)
    assert "'0'" in caught.value.hint
    with pytest.raises(SubnetError, match="cannot keep 17"):
        SearchSpace({"0": (8, 17)}).check_groups(graph)
    frozen = next(group for group in graph.groups if group.frozen)
    with pytest.raises(SubnetError, match="cannot change its width"):
        SearchSpace({frozen.key: (1,)}).check_groups(graph)
