"""The core's own metrics, as values that a hook can return."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor

from gancompress.metrics.frechet import frechet_distance
from gancompress.metrics.kid import kernel_distance
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.metric import Metric
from gancompress.metrics.pixel import DATA_RANGE, l1, psnr

FRECHET_PROTOCOL = "float64; covariance with divisor n - 1; square root by eigenvalues"
KERNEL_PROTOCOL = "unbiased MMD² over all pictures; kernel (x·y / d + 1)³"


class OnLite0(Metric):
    """A metric on EfficientNet-Lite0 features, whose weights are read when they are first needed.

    So listing metrics costs nothing, and works where the extra is not installed.

    Args:
        load: Makes the extractor.
    """

    def __init__(self, load: Callable[[], Lite0Features] = Lite0Features) -> None:
        self._load = load

    @cached_property
    def features(self) -> Lite0Features:
        """The extractor."""
        return self._load()


class FrechetLite0(OnLite0):
    """Fréchet distance on EfficientNet-Lite0 features; not comparable with Inception's FID.

    Args:
        load: Makes the extractor, on first use.
    """

    name: ClassVar[str] = "frechet-lite0"
    higher_is_better: ClassVar[bool] = False
    paired: ClassVar[bool] = False

    def protocol(self) -> dict[str, Any]:
        """Return the distance's convention and the extractor's."""
        return {"distance": FRECHET_PROTOCOL, "features": self.features.protocol()}

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the Fréchet distance between two sets of pictures.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1], C of 1 or 3.
            references: ``(M, C, H, W)`` in [-1, 1].
        """
        return frechet_distance(self.features.extract(outputs), self.features.extract(references))


class KernelLite0(OnLite0):
    """Kernel distance (KID) on EfficientNet-Lite0 features.

    Args:
        load: Makes the extractor, on first use.
    """

    name: ClassVar[str] = "kid-lite0"
    higher_is_better: ClassVar[bool] = False
    paired: ClassVar[bool] = False

    def protocol(self) -> dict[str, Any]:
        """Return the distance's convention and the extractor's."""
        return {"distance": KERNEL_PROTOCOL, "features": self.features.protocol()}

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the kernel distance between two sets of pictures.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1], C of 1 or 3.
            references: ``(M, C, H, W)`` in [-1, 1].
        """
        return kernel_distance(self.features.extract(outputs), self.features.extract(references))


class MeanAbsoluteError(Metric):
    """Mean absolute difference, picture by picture."""

    name: ClassVar[str] = "l1"
    higher_is_better: ClassVar[bool] = False

    def protocol(self) -> dict[str, Any]:
        """Return the convention."""
        return {"units": "pictures in [-1, 1]"}

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the mean absolute difference.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1].
            references: ``(N, C, H, W)`` in [-1, 1], in the same order.
        """
        return l1(outputs, references)


class PeakSignal(Metric):
    """Peak signal-to-noise ratio in dB, averaged over pictures."""

    name: ClassVar[str] = "psnr"
    higher_is_better: ClassVar[bool] = True

    def protocol(self) -> dict[str, Any]:
        """Return the convention."""
        return {"data_range": DATA_RANGE, "average": "over pictures, in dB"}

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the mean ratio.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1].
            references: ``(N, C, H, W)`` in [-1, 1], in the same order.
        """
        return psnr(outputs, references)
