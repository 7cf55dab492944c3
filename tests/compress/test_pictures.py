"""Which pictures of a split are looked at where not all of them are."""

import pytest
import torch

from gancompress.compress.pictures import batches_of
from gancompress.gan import Batch

DATA = [Batch((torch.full((1, 2, 2), float(place)),)) for place in range(10)]


@pytest.mark.parametrize(
    ("most", "places"),
    [
        (None, list(range(10))),
        (20, list(range(10))),
        (5, [0, 2, 4, 6, 8]),  # not the first five: files may be sorted by kind
        (3, [0, 3, 6]),
        (1, [0]),
    ],
)
def test_pictures_are_spread_over_the_split(most: int | None, places: list[int]) -> None:
    batches = batches_of(DATA, 0, size=2, most=most)
    assert [len(batch) for batch in batches[:-1]] == [2] * (len(batches) - 1)
    found = torch.cat([batch.inputs[0][:, 0, 0, 0] for batch in batches])
    assert found.tolist() == places
