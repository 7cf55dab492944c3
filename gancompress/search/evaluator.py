"""Who scores subnets: this process one after the other, or many workers in any order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from torch import nn

from gancompress.elastic import SearchSpace, SubnetConfig


class Searchable(Protocol):
    """What the search needs of a supernet."""

    space: SearchSpace

    def materialise(self, config: SubnetConfig) -> nn.Module:
        """Give the subnet as a plain network."""
        ...


class Evaluator(Protocol):
    """Scores subnets.

    An evaluator may have an attribute ``workers``, how many subnets it scores at the same time
    (1 without it). Where several processes share a search, each takes that many at once, so that
    the others find work too. What is proposed never depends on it.
    """

    def evaluate(self, configs: Sequence[SubnetConfig]) -> Iterator[tuple[int, float]]:
        """Score subnets.

        Args:
            configs: The subnets; none is over the budget.

        Yields:
            Index into the subnets and score, lower being better, each as it comes, in any order.

        Raises:
            Exception: What a scorer raises. The search ends with it; scores that were yielded
                before are kept.
        """
        ...


class LocalEvaluator:
    """Scores one after the other in this process.

    Args:
        supernet: Gives the subnets.
        score: Scores a network in eval mode, lower is better.
    """

    workers = 1

    def __init__(self, supernet: Searchable, score: Callable[[nn.Module], float]) -> None:
        self._supernet = supernet
        self._score = score

    def evaluate(self, configs: Sequence[SubnetConfig]) -> Iterator[tuple[int, float]]:
        """Score subnets in their order; see `Evaluator.evaluate`."""
        for index, config in enumerate(configs):
            yield index, float(self._score(self._supernet.materialise(config).eval()))
