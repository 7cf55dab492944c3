"""Which changes to take together: knapsacks over saving and loss, solved exactly.

Dynamic programming over the groups keeps the sums that no other sum beats in both saving and loss
(Nemhauser and Ullmann, Management Science 15, 1969). Integer programming would do too, but its
tolerances take a loss of 1e-8 for none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Layers of equal shape save equally, so there are few sums; beyond so many the best loss of each
# slice of savings is kept, and a choice may save a hundred-thousandth of the MACs too little.
_MOST_SUMS: Final = 100_000


@dataclass(frozen=True)
class Option:
    """One way to treat a layer or a group.

    Args:
        saving: MACs that it saves.
        loss: What it costs; one that is not finite is never chosen, one below 0 counts as 0.
    """

    saving: int
    loss: float

    @property
    def allowed(self) -> bool:
        """Whether it may be chosen: it does nothing, or saves something at a finite loss."""
        return self == NOTHING or (self.saving > 0 and math.isfinite(self.loss))


NOTHING: Final = Option(0, 0.0)
Options = Sequence[Sequence[Option]]
Indices = NDArray[np.int64]


def most_saving(groups: Options, max_loss: float) -> tuple[int, ...]:
    """Choose one option a group so that most is saved, and the losses stay within a limit.

    Args:
        groups: Options by group, the first of each being `NOTHING`.
        max_loss: Largest sum of losses, from 0 on.

    Returns:
        The index of the option in each group.
    """
    front = _Front.of(groups)
    return front.choice(int(np.argmax(front.losses <= max_loss)))


def least_loss(groups: Options, need: int) -> tuple[int, ...]:
    """Choose one option a group so that enough is saved at the least loss.

    Args:
        groups: Options by group, the first of each being `NOTHING`.
        need: MACs to save; no more than all groups can save together.

    Returns:
        The index of the option in each group.
    """
    front = _Front.of(groups)
    return front.choice(int(np.count_nonzero(front.savings >= need)) - 1)


def most(groups: Options) -> int:
    """Return the MACs that are saved where every group saves most.

    Args:
        groups: Options by group, the first of each being `NOTHING`.
    """
    return sum(max(o.saving for o in group if o.allowed) for group in groups)


@dataclass(frozen=True, eq=False)
class _Front:
    """The sums that no other beats, savings descending and losses too.

    Args:
        savings: Summed savings, int64.
        losses: Summed losses, float64.
        trail: For each group the sum before it that each sum goes on from, and the option taken.
    """

    savings: Indices
    losses: NDArray[np.float64]
    trail: tuple[tuple[Indices, Indices], ...]

    @classmethod
    def of(cls, groups: Options) -> "_Front":
        savings, losses = np.zeros(1, np.int64), np.zeros(1)
        trail: list[tuple[Indices, Indices]] = []
        for group in groups:
            usable = np.array([k for k, option in enumerate(group) if option.allowed])
            saved = np.array([group[k].saving for k in usable], np.int64)
            lost = np.array([max(group[k].loss, 0.0) for k in usable])
            every = (savings[:, None] + saved).ravel()
            costs = (losses[:, None] + lost).ravel()
            kept = _unbeaten(every, costs)
            trail.append((kept // len(usable), usable[kept % len(usable)]))
            savings, losses = every[kept], costs[kept]
        return cls(savings, losses, tuple(trail))

    def choice(self, index: int) -> tuple[int, ...]:
        """Return the options that a sum is made of."""
        chosen: list[int] = []
        for before, option in reversed(self.trail):
            chosen.append(int(option[index]))
            index = int(before[index])
        return tuple(reversed(chosen))


def _unbeaten(savings: Indices, losses: NDArray[np.float64]) -> Indices:
    """Return the indices of the sums that no other beats, by saving descending."""
    order = np.lexsort((losses, -savings))
    lowest = np.minimum.accumulate(losses[order])
    order = order[np.r_[True, losses[order][1:] < lowest[:-1]]]
    if len(order) <= _MOST_SUMS:
        return order
    slices = savings[order] * _MOST_SUMS // savings[order[0]]
    return order[np.r_[slices[1:] != slices[:-1], True]]  # the last of a slice loses least
