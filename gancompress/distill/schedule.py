"""Which subnet a step trains: the schedules of a supernet's training."""

import math
import random
from collections.abc import Callable, Mapping
from typing import Final

from gancompress.config import DistillConfig
from gancompress.cost import Budget, measure_cost
from gancompress.elastic import MacEstimate, SubnetConfig, Supernet
from gancompress.errors import ConfigError
from gancompress.graph import TracedGenerator

Schedule = Callable[[int, random.Random], SubnetConfig]
"""Gives the subnet of a micro-step, from the random numbers of that step alone."""

# A search looks below the budget, and what is a little above it shares most of its weights.
NEAR: Final = (0.5, 1.2)
_SANDWICH: Final = 4


def make_schedule(config: DistillConfig, supernet: Supernet, teacher: TracedGenerator) -> Schedule:
    """Return the schedule that a configuration asks for.

    Args:
        config: Names it, with its settings.
        supernet: The student.
        teacher: What a budget such as ``8x`` divides.

    Raises:
        ConfigError: If a schedule needs a budget, and there is none.
    """
    match config.sampling:
        case "sandwich":
            return sandwich(supernet)
        case "budget-aware":
            return budget_aware(supernet, _budget(config, teacher))
        case "shrink":
            return shrink(supernet, config.steps * config.accumulate, config.phases)
        case "uniform":
            return lambda _step, rng: supernet.sample(rng)


def sandwich(supernet: Supernet) -> Schedule:
    """Take the widest, the smallest and two random subnets in turn (arXiv 1903.05134).

    With four micro-batches a step, each step has all of them, as published; without, four steps
    have.

    Args:
        supernet: The student.
    """
    ends = (supernet.space.largest(), supernet.space.smallest())

    def choose(step: int, rng: random.Random) -> SubnetConfig:
        place = step % _SANDWICH
        return ends[place] if place < len(ends) else supernet.sample(rng)

    return choose


def shrink(supernet: Supernet, steps: int, phases: int) -> Schedule:
    """Allow narrower subnets phase by phase (Once for All, arXiv 1908.09791).

    Phase p of P, from 1 on, draws each group uniformly of the upper p/P of its widths: the first
    phase trains mostly wide nets, the last one all.

    Args:
        supernet: The student.
        steps: Micro-steps in all.
        phases: Number of phases, of as many steps each.
    """
    choices = supernet.space.choices

    def choose(step: int, rng: random.Random) -> SubnetConfig:
        phase = min(phases * step // steps, phases - 1) + 1
        widths = {
            key: rng.choice(every[-math.ceil(len(every) * phase / phases) :])
            for key, every in choices.items()
        }
        return SubnetConfig(widths)

    return choose


def budget_aware(supernet: Supernet, macs: int) -> Schedule:
    """Draw subnets whose MACs lie near a budget.

    A subnet is drawn uniformly, and groups drawn at random go one width down or up until the MACs
    are between 0.5 and 1.2 of the budget: a uniform draw alone is several times above a small
    budget nearly always. Where no subnet is near, it ends at the nearest end of the space.

    Args:
        supernet: The student.
        macs: The budget.
    """
    macs_of = MacEstimate(supernet)
    choices: Mapping[str, tuple[int, ...]] = supernet.space.choices
    low, high = (share * macs for share in NEAR)

    def choose(step: int, rng: random.Random) -> SubnetConfig:
        del step
        places = {key: rng.randrange(len(widths)) for key, widths in choices.items()}
        # Of the band a random part: else most would stop at the edge that they come from.
        goal = rng.uniform(low, high)
        down = macs_of(_at(choices, places)) > goal
        while True:
            subnet = _at(choices, places)
            cost = macs_of(subnet)
            movable = [
                key
                for key, place in places.items()
                if (place > 0 if down else place + 1 < len(choices[key]))
            ]
            if not movable or (cost <= goal if down else cost >= goal):
                return subnet
            key = rng.choice(movable)
            places[key] += -1 if down else 1

    return choose


def _at(choices: Mapping[str, tuple[int, ...]], places: Mapping[str, int]) -> SubnetConfig:
    return SubnetConfig({key: choices[key][place] for key, place in places.items()})


def _budget(config: DistillConfig, teacher: TracedGenerator) -> int:
    if config.macs is None:
        raise ConfigError(
            "'sampling' is 'budget-aware', and there is no budget",
            hint="set 'distill.macs', such as \"8x\", or 'search.macs' of the run",
        )
    cost = measure_cost(teacher.module, teacher.example_inputs)
    return int(Budget(config.macs).resolve(cost).macs or 0)
