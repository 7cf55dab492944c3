"""Which changes to take together: knapsacks over saving and loss, solved exactly by HiGHS."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

# HiGHS takes a sum that misses a limit by this share for one that meets it.
_TOLERANCE: Final = 2e-6
# It stops at an absolute gap of 1e-6, which is to be nothing beside the objective.
_SCALE: Final = 1e4

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Option:
    """One way to treat a layer or a group.

    Args:
        saving: MACs that it saves.
        loss: What it costs; one that is not finite is never chosen.
    """

    saving: int
    loss: float

    @property
    def allowed(self) -> bool:
        """Whether it may be chosen: it does nothing, or saves something at a finite loss."""
        return self == NOTHING or (self.saving > 0 and math.isfinite(self.loss))


NOTHING: Final = Option(0, 0.0)
Options = Sequence[Sequence[Option]]


def most_saving(groups: Options, max_loss: float) -> tuple[int, ...]:
    """Choose one option a group so that most is saved, and the losses stay within a limit.

    Args:
        groups: Options by group, the first of each being `NOTHING`.
        max_loss: Largest sum of losses, from 0 on.

    Returns:
        The index of the option in each group.
    """
    savings, losses = _rows(groups)
    for limit in (max_loss, max_loss * (1 - _TOLERANCE)):
        chosen = _solve(groups, -savings, losses, -np.inf, limit)
        if chosen is not None and total(groups, chosen).loss <= max_loss:
            return chosen
    return (0,) * len(groups)


def least_loss(groups: Options, need: int) -> tuple[int, ...]:
    """Choose one option a group so that enough is saved at the least loss.

    Args:
        groups: Options by group, the first of each being `NOTHING`.
        need: MACs to save; no more than all groups can save together.

    Returns:
        The index of the option in each group.
    """
    savings, losses = _rows(groups)
    for least in (need, need * (1 + _TOLERANCE)):
        chosen = _solve(groups, losses, savings, least, np.inf)
        if chosen is not None and total(groups, chosen).saving >= need:
            return chosen
    return widest_saving(groups)


def widest_saving(groups: Options) -> tuple[int, ...]:
    """Choose of each group the option that saves most.

    Args:
        groups: Options by group, the first of each being `NOTHING`.

    Returns:
        The index of the option in each group.
    """
    return tuple(
        max((k for k, o in enumerate(group) if o.allowed), key=lambda k: group[k].saving)
        for group in groups
    )


def total(groups: Options, chosen: Sequence[int]) -> Option:
    """Add up what is saved and lost.

    Args:
        groups: Options by group.
        chosen: The index of the option in each.
    """
    taken = [group[index] for group, index in zip(groups, chosen, strict=True)]
    return Option(sum(o.saving for o in taken), math.fsum(o.loss for o in taken))


def _rows(groups: Options) -> tuple[Row, Row]:
    """Return savings and losses of all options in a row; a loss below 0 counts as 0."""
    every = [option for group in groups for option in group]
    losses = [max(o.loss, 0.0) if o.allowed else 0.0 for o in every]
    return np.array([float(o.saving) for o in every]), np.array(losses)


def _solve(
    groups: Options, objective: Row, row: Row, lowest: float, highest: float
) -> tuple[int, ...] | None:
    """Minimise the objective over one option a group; None where nothing meets the limits."""
    if not groups:
        return ()
    allowed = np.array([option.allowed for group in groups for option in group], dtype=float)
    starts = np.cumsum([0, *(len(group) for group in groups)])
    one_each = np.zeros((len(groups), len(allowed)))
    for index in range(len(groups)):
        one_each[index, starts[index] : starts[index + 1]] = 1
    size = np.abs(row).max() or 1.0
    found = milp(
        objective * (_SCALE / (np.abs(objective).max() or 1.0)),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(row[None] / size, lowest / size, highest / size),
        ],
        bounds=Bounds(0, allowed),
        integrality=np.ones(len(allowed), dtype=np.int64),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    return tuple(int(found.x[starts[k] : starts[k + 1]].argmax()) for k in range(len(groups)))
