"""What a search gives back."""

from collections.abc import Iterable
from dataclasses import dataclass

from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig


@dataclass(frozen=True)
class Trial:
    """A subnet that was scored.

    Args:
        number: Counted from 0, in the order of scoring.
        config: The subnet's widths.
        cost: What it takes; within the budget.
        score: Lower is better; infinite where the score was not a number.
    """

    number: int
    config: SubnetConfig
    cost: Cost
    score: float


@dataclass(frozen=True)
class SearchResult:
    """Every scored subnet, and the ones worth having.

    Args:
        trials: In the order of scoring.
        front: Those that no other beats in both MACs and score, by MACs ascending.
        best: The one with the lowest score.
    """

    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    best: Trial

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> "SearchResult":
        """Find the best trial and the Pareto front.

        Args:
            trials: At least one.

        Returns:
            The result.
        """
        every = tuple(trials)
        # At equal scores the cheaper one is better, and then the earlier one.
        best = min(every, key=lambda trial: (trial.score, trial.cost.macs, trial.number))
        return cls(trials=every, front=pareto_front(every), best=best)


def pareto_front(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """Keep the trials that no other beats in both true MACs and score.

    Args:
        trials: In any order.

    Returns:
        By MACs ascending, and so by score descending; of equal ones the earliest.
    """
    ordered = sorted(trials, key=lambda trial: (trial.cost.macs, trial.score, trial.number))
    front: list[Trial] = []
    for trial in ordered:
        if not front or trial.score < front[-1].score:
            front.append(trial)
    return tuple(front)
