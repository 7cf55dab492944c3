import pytest
import torch

from gancompress.errors import DataError
from gancompress.metrics import Lite0Features, LpipsLite0, perceptual_distance
from gancompress.metrics.lpips_lite0 import BLOCKS


@pytest.fixture(scope="module")
def deep() -> Lite0Features:
    return Lite0Features(block=max(BLOCKS))


def pictures(seed: int, count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_equal_pictures_are_at_no_distance_and_others_are(deep: Lite0Features) -> None:
    a, b = pictures(0), pictures(1)

    assert perceptual_distance(deep, a, a) == 0.0
    near = perceptual_distance(deep, a, 0.9 * a + 0.1 * b)
    assert 0 < near < perceptual_distance(deep, a, b) <= 4


def test_it_is_the_mean_over_pictures_and_the_order_of_two_does_not_matter(
    deep: Lite0Features,
) -> None:
    a, b = pictures(0, 40), pictures(1, 40)  # more than one forward pass

    singles = [perceptual_distance(deep, a[i : i + 1], b[i : i + 1]) for i in range(40)]

    assert perceptual_distance(deep, a, b) == pytest.approx(sum(singles) / 40, rel=1e-4)
    assert perceptual_distance(deep, b, a) == pytest.approx(sum(singles) / 40, rel=1e-4)


def test_pictures_that_are_no_pairs_are_refused(deep: Lite0Features) -> None:
    for a, b in ((pictures(0), pictures(0, 2)), (pictures(0)[:0], pictures(0)[:0])):
        with pytest.raises(DataError, match=r"'a' has shape"):
            perceptual_distance(deep, a, b)


def test_the_metric_names_what_it_compares(deep: Lite0Features) -> None:
    metric = LpipsLite0(lambda: deep)

    assert metric.protocol()["blocks"] == [2, 4, 9]
    assert metric.compute(pictures(0), pictures(1)) == perceptual_distance(
        deep, pictures(0), pictures(1)
    )
