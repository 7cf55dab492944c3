import random

import pytest
import torch

from gancompress.config import DistillConfig
from gancompress.distill.schedule import NEAR, Schedule, make_schedule
from gancompress.elastic import MacEstimate, SearchSpace, Supernet
from gancompress.errors import ConfigError
from gancompress.gan import ResNetGenerator
from gancompress.graph import trace
from gancompress.passes import Decompose, run_passes

EXAMPLE = (torch.zeros(1, 3, 32, 32),)
STEPS = 40


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    traced = trace(ResNetGenerator(3, 3, 16, 2).eval(), EXAMPLE)
    student = run_passes(traced, [Decompose("resblocks")])
    return Supernet(student, SearchSpace.multiples_of(4, smallest=0.25))


def schedule(supernet: Supernet, **settings: object) -> Schedule:
    config = DistillConfig.model_validate({"steps": STEPS, **settings})
    return make_schedule(config, supernet, supernet.traced)


def rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - no secret


def drawn(choose: Schedule, steps: range = range(STEPS)) -> list[dict[str, int]]:
    return [dict(choose(step, rng(step)).widths) for step in steps]


@pytest.mark.parametrize("name", ["uniform", "sandwich", "budget-aware", "shrink"])
def test_a_step_draws_the_same_subnet_again(name: str, supernet: Supernet) -> None:
    choose = schedule(supernet, sampling=name, macs="4x")
    assert drawn(choose) == drawn(choose)
    assert len({tuple(widths.items()) for widths in drawn(choose)}) > 4


def test_a_sandwich_has_the_widest_the_smallest_and_two_others(supernet: Supernet) -> None:
    every = drawn(schedule(supernet, sampling="sandwich"), range(8))
    space = supernet.space
    assert [every[i] for i in (0, 4)] == [dict(space.largest().widths)] * 2
    assert [every[i] for i in (1, 5)] == [dict(space.smallest().widths)] * 2
    assert every[2] != every[3]


def test_a_budget_aware_schedule_stays_near_its_budget(supernet: Supernet) -> None:
    macs_of = MacEstimate(supernet)
    budget = macs_of(supernet.space.largest()) / 4

    def shares(name: str) -> list[float]:
        choose = schedule(supernet, sampling=name, macs=budget)
        return [macs_of(choose(s, rng(s))) / budget for s in range(200)]

    near = shares("budget-aware")
    # One width of one group is the step in which it moves.
    assert all(NEAR[0] - 0.2 < share < NEAR[1] + 0.2 for share in near)
    assert max(near) - min(near) > 0.4
    assert sum(share > 1.4 for share in shares("uniform")) > 50


@pytest.mark.parametrize(("macs", "end"), [(1, "smallest"), ("1T", "largest")])
def test_a_budget_beyond_the_space_ends_at_its_end(
    macs: object, end: str, supernet: Supernet
) -> None:
    found = drawn(schedule(supernet, sampling="budget-aware", macs=macs), range(3))
    assert found == [dict(getattr(supernet.space, end)().widths)] * 3


def test_without_a_budget_there_is_no_budget_aware_schedule(supernet: Supernet) -> None:
    with pytest.raises(ConfigError, match="there is no budget"):
        schedule(supernet, sampling="budget-aware")


def test_shrinking_allows_narrower_subnets_phase_by_phase(supernet: Supernet) -> None:
    choose = schedule(supernet, sampling="shrink", phases=2)
    choices = supernet.space.choices
    first, last = drawn(choose, range(STEPS // 2)), drawn(choose, range(STEPS // 2, STEPS))
    upper = {key: widths[len(widths) // 2 :] for key, widths in choices.items()}
    assert all(width in upper[key] for widths in first for key, width in widths.items())
    assert any(width == choices[key][0] for widths in last for key, width in widths.items())
    whole = schedule(supernet, sampling="shrink", phases=99)
    assert drawn(whole, range(1)) == [dict(supernet.space.largest().widths)]
