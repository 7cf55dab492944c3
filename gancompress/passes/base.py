"""What a graph pass is, and how a row of them is applied."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from gancompress.graph import TracedGenerator


class GraphPass(ABC):
    """A rewrite of a traced generator: a value in, a new value out, the input untouched.

    A subclass says in its docstring what it requires, what it does and what holds afterwards.
    """

    name: ClassVar[str]

    @abstractmethod
    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the rewritten generator.

        Args:
            traced: The generator to rewrite; it is left as it is.

        Raises:
            AnalysisError: If the pass was asked for a layer that it cannot rewrite.
        """


def run_passes(traced: TracedGenerator, passes: Iterable[GraphPass]) -> TracedGenerator:
    """Apply passes in turn, and check the graph after each.

    Args:
        traced: The generator to start from; it is left as it is.
        passes: Passes in the order in which they are applied.

    Returns:
        The generator after the last pass; ``traced`` itself where there is none.

    Raises:
        AnalysisError: If a pass was asked for a layer that it cannot rewrite.
    """
    for one in passes:
        traced = one.apply(traced)
        traced.module.graph.lint()
    return traced
