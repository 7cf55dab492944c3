"""What a metric is, for the core's own and for those of plugins."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor


class Metric(ABC):
    """A figure of how good pictures are, with the protocol that makes it comparable.

    Attributes:
        name: Unique name, such as ``frechet-lite0``.
        higher_is_better: Whether a larger figure means better pictures.
        paired: Whether pictures are compared one by one, which needs data with targets; a metric
            that compares two sets, as Fréchet distances do, says False.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool]
    paired: ClassVar[bool] = True

    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """Return what must be equal for two figures to be comparable, as JSON-able values."""

    @abstractmethod
    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the figure.

        Args:
            outputs: Generated pictures ``(N, C, H, W)`` in [-1, 1].
            references: Pictures ``(M, C, H, W)`` in [-1, 1] to compare with; a metric that
                compares pixels needs M = N and the same order.

        Raises:
            DataError: If the pictures do not belong together, are too few, or are not finite.
        """
