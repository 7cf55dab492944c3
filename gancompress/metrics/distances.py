"""Distances between the features of generated pictures and those of real ones."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from gancompress.errors import DataError
from gancompress.gan.family import Batch
from gancompress.metrics.frechet import Gaussian, frechet_between
from gancompress.metrics.kid import kernel_distance
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.metric import Measurement, Metric, Ruler, targets_of
from gancompress.metrics.statistics import Extractor, RealStatistics, StatisticsCache

FRECHET_PROTOCOL = "float64; covariance with divisor n - 1; square root by eigenvalues"
KERNEL_PROTOCOL = "unbiased MMD² over all pictures; kernel (x·y / d + 1)³"

E = TypeVar("E", bound=Extractor)


class OnFeatures(Metric, Generic[E]):
    """A metric on the features of a network, whose weights are read when they are first needed.

    So listing metrics costs nothing, and works where an extra is not installed. The features of
    the real pictures are taken once and kept in the user's cache.

    Args:
        load: Makes the extractor.
        cache: Where features of real pictures are kept; None takes the user's cache.
    """

    higher_is_better: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    convention: ClassVar[str]

    def __init__(self, load: Callable[[], E], cache: StatisticsCache | None = None) -> None:
        self._load = load
        self._cache = cache or StatisticsCache()

    @property
    def fewest(self) -> int:
        """A distribution of features has a spread from two pictures on."""
        return 2

    @cached_property
    def features(self) -> E:
        """The extractor."""
        return self._load()

    def protocol(self) -> dict[str, Any]:
        """Return the distance's convention and the extractor's."""
        return {"distance": self.convention, "features": self.features.protocol()}

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the distance between two sets of pictures.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1], C of 1 or 3.
            references: ``(M, C, H, W)`` in [-1, 1].
        """
        extract = self.features.extract
        return self.distance_to(extract(references))(extract(outputs))

    def against(self, data: Sequence[Batch]) -> Ruler:
        """Take the features of the targets, or find them in the cache.

        Args:
            data: The batches that pictures are drawn for; their order matters to the cache alone.
        """
        real = self.statistics(targets_of(data))
        distance = self.distance_to(real.features)
        return Ruler(
            lambda outputs: Measurement(distance(self.features.extract(outputs))),
            len(real.features),
            real.sha256,
            self._floor(real.features),
            tuple(filter(None, (self.warning(len(real.features)), real.note))),
        )

    def statistics(self, pictures: Tensor) -> RealStatistics:
        """Return the features of real pictures, and where they are kept.

        Args:
            pictures: ``(N, C, H, W)`` in [-1, 1].
        """
        return self._cache.look_up(pictures, self.features)

    @abstractmethod
    def distance_to(self, real: Tensor) -> Callable[[Tensor], float]:
        """Return what measures features ``(n, d)`` against real ones ``(m, d)``."""

    def warning(self, count: int) -> str:
        """Return what must be said of figures on so few pictures; empty for nothing."""
        del count
        return ""

    def _floor(self, real: Tensor) -> float | None:
        """Return the distance of one half of the real pictures from the other.

        No generator that draws as well as the camera gets below it at that number of pictures.
        """
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
        first, second = real[order].tensor_split(2)
        try:
            return self.distance_to(first)(second)
        except DataError:  # halves that are too small
            return None


def few_for_a_covariance(name: str, pictures: int, dimension: int, instead: str) -> str:
    """Say that a covariance of features is singular, where it is; else return an empty string.

    Args:
        name: Name of the metric.
        pictures: How many pictures there are.
        dimension: How many features a picture has.
        instead: The metric to read beside it.
    """
    if pictures > dimension:
        return ""
    return (
        f"'{name}' on {pictures} pictures is biased upwards: its {dimension} features need more "
        f"than {dimension} pictures; compare only figures of equally many, and read '{instead}' "
        "beside it"
    )


class OnLite0(OnFeatures[Lite0Features]):
    """A distance on EfficientNet-Lite0 features.

    Args:
        load: Makes the extractor, on first use.
        cache: Where features of real pictures are kept; None takes the user's cache.
    """

    def __init__(
        self,
        load: Callable[[], Lite0Features] = Lite0Features,
        cache: StatisticsCache | None = None,
    ) -> None:
        super().__init__(load, cache)


class FrechetLite0(OnLite0):
    """Fréchet distance on EfficientNet-Lite0 features; not comparable with Inception's FID."""

    name: ClassVar[str] = "frechet-lite0"
    convention: ClassVar[str] = FRECHET_PROTOCOL

    def distance_to(self, real: Tensor) -> Callable[[Tensor], float]:
        """Fit a Gaussian to real features, once.

        Args:
            real: ``(m, d)``.
        """
        gaussian = Gaussian.fit(real, "targets")
        return lambda made: frechet_between(Gaussian.fit(made, "outputs"), gaussian)

    def warning(self, count: int) -> str:
        """Say so where the covariance is singular.

        Args:
            count: Number of pictures.
        """
        return few_for_a_covariance(self.name, count, self.features.dimension, "kid-lite0")


class KernelLite0(OnLite0):
    """Kernel distance (KID) on EfficientNet-Lite0 features."""

    name: ClassVar[str] = "kid-lite0"
    convention: ClassVar[str] = KERNEL_PROTOCOL

    def distance_to(self, real: Tensor) -> Callable[[Tensor], float]:
        """Return the kernel distance to real features.

        Args:
            real: ``(m, d)``.
        """
        return lambda made: kernel_distance(made, real)
