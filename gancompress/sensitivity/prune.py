"""What the losses say about a search: widths not worth a try, and subnets to begin with."""

import math
import re
from collections.abc import Callable

import numpy as np

from gancompress.cost import Budget, Cost
from gancompress.elastic import SearchSpace, SubnetConfig
from gancompress.sensitivity.choose import NOTHING, Option, least_loss, most
from gancompress.sensitivity.report import GroupEffect, SensitivityReport

_HALF = re.compile(r"\.(pointwise|depthwise)(?=\[|$)")
# Each halves the range of what the guess of a saving may be wrong by.
_STEPS = 10


def predicted_loss(report: SensitivityReport, group: str, width: int) -> float | None:
    """Return the loss of one group at one width, between two that were measured in a line.

    Args:
        report: The measurements. A layer that was decomposed since then is still known.
        group: Key of the group.
        width: Units that are kept.

    Returns:
        The loss; that of the narrowest width that was measured for still narrower ones; None
        where the group was not measured.
    """
    known = _effects(report, group)
    if not known:
        return None
    losses = [*(report.loss(effect) for effect in known), 0.0]
    if not all(map(math.isfinite, losses)):
        # No line goes through infinity: the next narrower width that was measured counts.
        fitting = [loss for e, loss in zip(known, losses, strict=False) if e.width <= width]
        return 0.0 if width >= known[0].units else (fitting or losses)[-1 if fitting else 0]
    widths = [*(effect.width for effect in known), known[0].units]
    return float(np.interp(width, widths, losses))


def prune(report: SensitivityReport, space: SearchSpace, max_loss: float) -> SearchSpace:
    """Drop the widths whose loss alone is more than a limit; the widest of a group stays.

    Args:
        report: The measurements.
        space: The space to search.
        max_loss: Largest loss, in the units of the report's metric.

    Returns:
        The smaller space; groups that were not measured keep all widths.
    """

    def keeps(key: str, width: int) -> bool:
        loss = predicted_loss(report, key, width)
        return loss is None or loss <= max_loss

    return SearchSpace(
        {
            key: tuple(w for w in widths if w == widths[-1] or keeps(key, w))
            for key, widths in space.choices.items()
        }
    )


def seeds(
    report: SensitivityReport,
    space: SearchSpace,
    *,
    budget: Budget,
    price: Callable[[SubnetConfig], Cost],
    count: int = 4,
) -> tuple[SubnetConfig, ...]:
    """Return the subnets of the least predicted loss that meet a budget.

    Savings of narrow neighbours overlap, so the sum of single savings is too much: the sum that
    is asked for is raised, by bisection, until what the subnet really costs is within the budget.

    Args:
        report: The measurements.
        space: The space to search.
        budget: Limits in numbers.
        price: Cost of a subnet.
        count: Most subnets to return.

    Returns:
        Different subnets within the budget, the best guess first; none where not even the one
        that saves most meets it.
    """
    keys = tuple(space.choices)
    options = [_options(report, key, space.choices[key]) for key in keys]
    found: dict[SubnetConfig, float] = {}

    def fits(need: int) -> bool:
        chosen = least_loss(options, need)
        widths = {k: space.choices[k][-1 - i] for k, i in zip(keys, chosen, strict=True)}
        config = SubnetConfig(widths)
        if not budget.admits(price(config)):
            return False
        found[config] = sum(o[i].loss for o, i in zip(options, chosen, strict=True))
        return True

    low, high = 0, most(options)
    if not fits(low) and fits(high):
        for _ in range(_STEPS):
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle, high)
    return tuple(sorted(found, key=lambda config: found[config]))[:count]


def _effects(report: SensitivityReport, group: str) -> list[GroupEffect]:
    plain = _HALF.sub("", group)
    known = [e for e in report.groups if e.group in {group, plain}]
    return sorted(known, key=lambda effect: effect.width)


def _options(report: SensitivityReport, key: str, widths: tuple[int, ...]) -> list[Option]:
    """Return the options of a group, its widest width first; it stands for no change."""
    known = _effects(report, key)
    at = [*(effect.width for effect in known), *([known[0].units] if known else [])]
    saved = [*(effect.macs_saved for effect in known), 0]
    options = [NOTHING]
    for width in reversed(widths[:-1]):
        loss = predicted_loss(report, key, width)
        # A group that was not measured is not touched: nothing is known of it.
        saving = int(np.interp(width, at, saved)) if known else 0
        options.append(Option(saving, math.inf if loss is None else loss))
    return options
