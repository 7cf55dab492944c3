"""Fréchet distance of two feature sets, each taken as a Gaussian (FID, arXiv 1706.08500)."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from gancompress.metrics.features import FeatureSet, Float64, as_features, check_same_width


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean and covariance of a feature set.

    Args:
        mean: ``(d,)``, float64.
        covariance: ``(d, d)``, float64, with the unbiased divisor n - 1.
    """

    mean: Float64
    covariance: Float64

    @classmethod
    def fit(cls, features: FeatureSet, name: str = "features") -> "Gaussian":
        """Fit a Gaussian to features.

        Args:
            features: ``(n, d)``, one row a picture; n of at least 2.
            name: What to call them in an error.

        Returns:
            Their mean and covariance. With n of at most d the covariance is singular, which the
            distance bears, though it is then biased upwards.

        Raises:
            DataError: If there are fewer than two rows, or a value is not finite.
        """
        matrix = as_features(features, name)
        covariance = np.atleast_2d(np.cov(matrix, rowvar=False))
        return cls(matrix.mean(axis=0), np.asarray(covariance, dtype=np.float64))


def frechet_distance(features_a: FeatureSet, features_b: FeatureSet) -> float:
    """Return the Fréchet distance between two feature sets.

    Args:
        features_a: ``(n, d)``, one row a picture.
        features_b: ``(m, d)``, of the same extractor.

    Returns:
        ``|μa - μb|² + tr(A + B - 2 (A B)^½)``, at least 0; lower is better.

    Raises:
        DataError: If a set has fewer than two rows, is not finite, or the widths differ.
    """
    return frechet_between(
        Gaussian.fit(features_a, "features_a"), Gaussian.fit(features_b, "features_b")
    )


def frechet_between(a: Gaussian, b: Gaussian) -> float:
    """Return the Fréchet distance between two fitted Gaussians.

    Args:
        a: Of dimension d.
        b: Of dimension d.

    Returns:
        The squared 2-Wasserstein distance, at least 0.

    Raises:
        DataError: If the dimensions differ.
    """
    check_same_width(a.mean, b.mean)
    difference = a.mean - b.mean
    spread = np.trace(a.covariance) + np.trace(b.covariance)
    distance = difference @ difference + spread - 2 * _trace_of_root(a.covariance, b.covariance)
    return max(float(distance), 0.0)  # two equal sets come out at minus a rounding error


def _trace_of_root(a: Float64, b: Float64) -> float:
    # A B is not symmetric and its general square root turns complex on singular covariances.
    # √A B √A has the same eigenvalues, is symmetric and positive semi-definite.
    values, vectors = linalg.eigh(a)
    root = (vectors * np.sqrt(_without_rounding(values))) @ vectors.T
    product = root @ b @ root
    eigenvalues = linalg.eigvalsh((product + product.T) / 2).astype(np.float64)
    return float(np.sqrt(_without_rounding(eigenvalues)).sum())


def _without_rounding(eigenvalues: Float64) -> Float64:
    # The root would blow an eigenvalue of 1e-16, which is a rounded zero, up to 1e-8.
    tolerance = len(eigenvalues) * np.finfo(np.float64).eps * np.abs(eigenvalues).max()
    return np.where(eigenvalues > tolerance, eigenvalues, 0.0)
