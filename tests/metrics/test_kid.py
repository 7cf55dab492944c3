import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gancompress.errors import DataError
from gancompress.metrics import kernel_distance


def naive(a: np.ndarray, b: np.ndarray) -> float:
    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    def within(z: np.ndarray) -> float:
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
        return float(np.mean([k(z[i], z[j]) for i, j in pairs]))

    return within(a) + within(b) - 2 * float(np.mean([k(x, y) for x in a for y in b]))


@settings(derandomize=True, max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6), m=st.integers(2, 6), d=st.integers(1, 5))
def test_equals_the_definition_and_is_symmetric(seed: int, n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    assert kernel_distance(a, b) == pytest.approx(naive(a, b), abs=1e-9)
    assert kernel_distance(a, b) == pytest.approx(kernel_distance(b, a), abs=1e-9)


def test_has_no_bias() -> None:
    rng = np.random.default_rng(0)
    draws = [kernel_distance(*rng.normal(size=(2, 10, 4))) for _ in range(400)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 3 * error
    assert min(draws) < 0 < max(draws)


def test_grows_with_the_distance() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 100, 4))
    distances = [kernel_distance(a, b + shift) for shift in (0, 1, 2)]
    assert distances == sorted(distances)


def test_refuses_one_picture_and_other_widths() -> None:
    with pytest.raises(DataError, match="'features_b' holds 1 picture"):
        kernel_distance(np.zeros((2, 3)), np.zeros((1, 3)))
    with pytest.raises(DataError, match="3 features a picture and 'features_b' 4"):
        kernel_distance(np.zeros((2, 3)), np.zeros((2, 4)))
