"""Metrics that compare pictures with their counterparts value by value."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar, Final

from torch import Tensor

from gancompress.errors import DataError, MissingExtraError
from gancompress.gan.family import Batch
from gancompress.metrics.metric import Metric, targets_of
from gancompress.metrics.pixel import DATA_RANGE, check_pair, l1, psnr

_WINDOW: Final = 11
_SIGMA: Final = 1.5


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


class StructuralSimilarity(Metric):
    """SSIM (Wang, Bovik, Sheikh, Simoncelli, 2004), by torchmetrics, averaged over pictures."""

    name: ClassVar[str] = "ssim"
    higher_is_better: ClassVar[bool] = True

    def protocol(self) -> dict[str, Any]:
        """Return the window, the data range and the library."""
        library = import_torchmetrics()
        return {
            "window": f"Gaussian, {_WINDOW} pixels, sigma {_SIGMA}",
            "data_range": DATA_RANGE,
            "constants": "k1 0.01, k2 0.03",
            "average": "over channels and pictures, in float64",
            "library": f"torchmetrics {library.__version__}",
        }

    def rehearse(self, data: Sequence[Batch]) -> None:
        """Find out whether the pictures are large enough.

        Args:
            data: Batches of the data.
        """
        real = targets_of(data)
        self.compute(real, real)

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the mean similarity, at most 1.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1], at least 11 pixels high and wide.
            references: ``(N, C, H, W)`` in [-1, 1], in the same order.

        Raises:
            MissingExtraError: If torchmetrics is not installed.
            DataError: If the shapes differ, there is no picture, or it is smaller than the window.
        """
        first, second = check_pair(outputs, references)
        if min(first.shape[-2:]) < _WINDOW:
            raise DataError(
                f"'ssim' needs pictures of {_WINDOW} x {_WINDOW} pixels, and these have "
                f"{first.shape[-2]} x {first.shape[-1]}",
                hint="compare larger pictures, or use psnr",
            )
        import_torchmetrics()
        image: Any = import_module("torchmetrics.functional.image")
        found = image.structural_similarity_index_measure(
            first, second, data_range=DATA_RANGE, sigma=_SIGMA, kernel_size=_WINDOW
        )
        return float(found)


def import_torchmetrics() -> Any:
    """Return the library torchmetrics.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return import_module("torchmetrics")
    except ImportError:
        raise MissingExtraError("torchmetrics", "similarity") from None
