"""FID (arXiv 1706.08500) and KID (arXiv 1801.01401) on Inception features, by torch-fidelity."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field
from torch import Tensor

from gancompress.config import Model, parse
from gancompress.errors import DataError
from gancompress.metrics.distances import OnFeatures, few_for_a_covariance
from gancompress.metrics.features import as_features
from gancompress.metrics.inception import DOWNLOAD, InceptionFeatures
from gancompress.metrics.statistics import StatisticsCache


class FidOptions(Model):
    """Options of ``fid``.

    Args:
        weights: ``download``, ``inception-fid-helper``, or the path of a state dict; see
            `InceptionFeatures`.
    """

    weights: str = DOWNLOAD


class KidOptions(FidOptions):
    """Options of ``kid``.

    Args:
        subset_size: Pictures in a subset.
        subsets: Subsets whose estimates are averaged.
        seed: Seed of the subsets.
    """

    subset_size: int = Field(1000, ge=2)
    subsets: int = Field(100, ge=1)
    seed: int = Field(2020, ge=0, lt=2**32)


Options = TypeVar("Options", bound=FidOptions)


class _OnInception(OnFeatures[InceptionFeatures], Generic[Options]):
    """A distance on Inception v3.

    Args:
        options: Where the weights come from, and what else the metric can be told; None takes the
            defaults.
        load: Makes the extractor, on first use; None makes it with those weights.
        cache: Where features of real pictures are kept; None takes the user's cache.
    """

    model: type[Options]

    def __init__(
        self,
        options: Options | None = None,
        load: Callable[[], InceptionFeatures] | None = None,
        cache: StatisticsCache | None = None,
    ) -> None:
        chosen = self._options = options or self.model()
        super().__init__(load or (lambda: InceptionFeatures(chosen.weights)), cache)
        self._given = (load, cache)

    def configure(self, options: Mapping[str, Any], *, trust: bool = False) -> Self:
        """Return the metric with weights and settings of the user's choice.

        Args:
            options: See the options of the metric.
            trust: Has no meaning here: no code is loaded.
        """
        del trust
        parsed = parse(self.model, dict(options), source=f"[metrics.{self.name}]")
        return type(self)(parsed, *self._given)


class InceptionFrechet(_OnInception[FidOptions]):
    """FID: the Fréchet distance on Inception v3, as torch-fidelity computes it.

    Its options are `FidOptions`.
    """

    name: ClassVar[str] = "fid"
    model = FidOptions
    convention: ClassVar[str] = (
        "torch-fidelity's: float32 means, float64 covariances with divisor n - 1"
    )

    def distance_to(self, real: Tensor) -> Callable[[Tensor], float]:
        """Take the statistics of real features, once.

        Args:
            real: ``(m, 2048)``.
        """
        library: Any = import_module("torch_fidelity.metric_fid")

        def statistics(features: Tensor, name: str) -> Any:
            as_features(features, name)  # says what is wrong in our words
            return library.fid_features_to_statistics(features.float())

        known = statistics(real, "targets")

        def distance(made: Tensor) -> float:
            found = library.fid_statistics_to_metric(
                statistics(made, "outputs"), known, verbose=False
            )
            return float(found["frechet_inception_distance"])

        return distance

    def warning(self, count: int) -> str:
        """Say so where the covariance is singular.

        Args:
            count: Number of pictures.
        """
        return few_for_a_covariance(self.name, count, self.features.dimension, "kid")


class InceptionKernel(_OnInception[KidOptions]):
    """KID: the kernel distance on Inception v3, averaged over subsets by torch-fidelity.

    Its options are `KidOptions`.
    """

    name: ClassVar[str] = "kid"
    model = KidOptions
    convention: ClassVar[str] = "torch-fidelity's: unbiased MMD²; kernel (x·y / d + 1)³"

    @property
    def fewest(self) -> int:
        """As many as a subset has."""
        return self._options.subset_size

    def protocol(self) -> dict[str, Any]:
        """Return the distance's convention, the subsets and the extractor's protocol."""
        subsets = self._options.model_dump(exclude={"weights"})
        return {**super().protocol(), "subsets": subsets}

    def distance_to(self, real: Tensor) -> Callable[[Tensor], float]:
        """Return the kernel distance to real features.

        Args:
            real: ``(m, 2048)``.
        """
        library: Any = import_module("torch_fidelity.metric_kid")
        self._check_size(real, "targets")
        settings = {
            "kid_subset_size": self._options.subset_size,
            "kid_subsets": self._options.subsets,
            "rng_seed": self._options.seed,
            "verbose": False,
        }

        def distance(made: Tensor) -> float:
            self._check_size(made, "outputs")
            found = library.kid_features_to_metric(made.float(), real.float(), **settings)
            return float(found["kernel_inception_distance_mean"])

        return distance

    def _check_size(self, features: Tensor, name: str) -> None:
        as_features(features, name)
        size, count = self._options.subset_size, len(features)
        if count < size:
            raise DataError(
                f"'kid' compares subsets of {size} pictures, and '{name}' holds {count}",
                hint=f"give --metric-option kid.subset_size={count}, or more pictures; figures of "
                "other subsets cannot be compared with it",
            )
