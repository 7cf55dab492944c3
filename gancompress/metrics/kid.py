"""Kernel distance of two feature sets (KID, arXiv 1801.01401)."""

from gancompress.metrics.features import FeatureSet, Float64, as_features, check_same_width


def kernel_distance(features_a: FeatureSet, features_b: FeatureSet) -> float:
    """Return the unbiased squared maximum mean discrepancy under ``(x·y / d + 1)³``.

    All pictures are compared at once, not subsets of them, so the figure has no randomness.

    Args:
        features_a: ``(n, d)``, one row a picture.
        features_b: ``(m, d)``, of the same extractor.

    Returns:
        The estimate; lower is better. It has no bias, so it may be slightly negative for sets of
        one distribution.

    Raises:
        DataError: If a set has fewer than two rows, is not finite, or the widths differ.
    """
    a = as_features(features_a, "features_a")
    b = as_features(features_b, "features_b")
    check_same_width(a, b)
    return _mean_off_diagonal(a) + _mean_off_diagonal(b) - 2 * float(_kernel(a, b).mean())


def _kernel(a: Float64, b: Float64) -> Float64:
    kernel: Float64 = (a @ b.T / a.shape[1] + 1.0) ** 3
    return kernel


def _mean_off_diagonal(a: Float64) -> float:
    # A picture is not compared with itself: that is what makes the estimate unbiased.
    kernel, count = _kernel(a, a), len(a)
    return float((kernel.sum() - kernel.trace()) / (count * (count - 1)))
