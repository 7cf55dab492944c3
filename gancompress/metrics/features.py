"""What every distance between feature sets asks of its two arguments."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gancompress.errors import DataError

Float64: TypeAlias = npt.NDArray[np.float64]
FeatureSet: TypeAlias = Tensor | npt.NDArray[Any]


def as_features(features: FeatureSet, name: str) -> Float64:
    """Check a feature set and return it in float64 on the CPU.

    Args:
        features: ``(n, d)``, one row a picture.
        name: What to call it in an error.

    Returns:
        The same numbers as a float64 array ``(n, d)``.

    Raises:
        DataError: If it is not a matrix, has fewer than two rows, or is not finite.
    """
    values = features.detach().cpu().numpy() if isinstance(features, Tensor) else features
    matrix: Float64 = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DataError(
            f"'{name}' has shape {matrix.shape}, not (pictures, features)",
            hint="pass one row of features for each picture",
        )
    if len(matrix) < 2:
        raise DataError(
            f"'{name}' holds {len(matrix)} picture(s) of {matrix.shape[1]} features, "
            "and a distribution needs at least 2",
            hint=f"evaluate on more pictures, best on more than {matrix.shape[1]}",
        )
    if not np.isfinite(matrix).all():
        raise DataError(
            f"'{name}' holds features that are not finite",
            hint="look at the pictures they come from: some value in them is nan or infinite",
        )
    return matrix


def check_same_width(a: Float64, b: Float64) -> None:
    """Refuse two feature sets of different extractors.

    Args:
        a: ``(n, d)``.
        b: ``(m, d)``.

    Raises:
        DataError: If their widths differ.
    """
    if a.shape[-1] != b.shape[-1]:
        raise DataError(
            f"'features_a' has {a.shape[-1]} features a picture and 'features_b' {b.shape[-1]}",
            hint="take both from the same extractor and block",
        )
