import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from gancompress.errors import DataError
from gancompress.metrics import Gaussian, frechet_between, frechet_distance


def features(seed: int, n: int, d: int, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return scale * (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d))


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 12), scale=st.floats(0.01, 100))
def test_equals_the_general_matrix_square_root(seed: int, d: int, scale: float) -> None:
    a, b = features(seed, 60, d, scale), features(seed + 1, 50, d)
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    root = linalg.sqrtm(cov_a @ cov_b)
    difference = a.mean(0) - b.mean(0)
    expected = difference @ difference + np.trace(cov_a + cov_b - 2 * root.real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.floats(0, 9)] * 2, *[st.floats(-5, 5)] * 2), min_size=1, max_size=8
    )
)
def test_closed_form_for_diagonal_covariances(values: list[tuple[float, ...]]) -> None:
    var_a, var_b, mean_a, mean_b = np.array(values).T
    expected = np.sum((mean_a - mean_b) ** 2) + np.sum((np.sqrt(var_a) - np.sqrt(var_b)) ** 2)
    a, b = Gaussian(mean_a, np.diag(var_a)), Gaussian(mean_b, np.diag(var_b))
    assert frechet_between(a, b) == pytest.approx(expected, abs=1e-5)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30), d=st.integers(1, 20))
def test_symmetric_and_zero_on_itself_even_where_singular(seed: int, n: int, d: int) -> None:
    a, b = features(seed, n, d), features(seed + 1, n + 3, d)
    scale = max(1.0, float(a.var() + b.var()) * d)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), abs=1e-6 * scale)
    assert 0 <= frechet_distance(a, a) <= 1e-6 * scale


def test_a_shift_costs_its_square() -> None:
    a = torch.from_numpy(features(3, 40, 5))
    assert frechet_distance(a, a + 2) == pytest.approx(5 * 4.0, rel=1e-9)


def test_float32_tensors_are_computed_in_float64() -> None:
    a, b = features(1, 40, 6).astype(np.float32), features(2, 40, 6).astype(np.float32)
    exact = frechet_distance(a.astype(np.float64), b.astype(np.float64))
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == exact


@pytest.mark.parametrize(
    ("a", "words"),
    [
        (np.zeros((1, 4)), "1 picture(s) of 4 features, and a distribution needs at least 2"),
        (np.zeros((0, 4)), "0 picture(s)"),
        (np.zeros(4), "(4,)"),
        (np.zeros((4, 0)), "(4, 0)"),
        (np.full((3, 4), np.nan), "not finite"),
        (np.zeros((3, 5)), "5 features a picture"),
    ],
)
def test_refuses_what_is_no_feature_set(a: np.ndarray, words: str) -> None:
    with pytest.raises(DataError) as caught:
        frechet_distance(a, np.zeros((3, 4)))
    assert words in caught.value.message
    assert "'features_a'" in caught.value.message
    assert caught.value.hint
