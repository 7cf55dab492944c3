"""The pictures of a split, in order and the same ones every time."""

from typing import Any

import torch

from gancompress.gan import Batch, collate


def batches_of(data: Any, seed: int, *, size: int = 32, most: int | None = None) -> list[Batch]:
    """Return pictures of a split in order.

    Args:
        data: The split.
        seed: Training pictures are augmented at random: the same way for the same seed.
        size: Pictures a batch.
        most: Pictures at most, spread evenly over the split: the first ones may be all of one kind,
            where files are sorted by city or by latitude. None takes all.
    """
    count = len(data) if most is None else min(most, len(data))
    places = [i * len(data) // count for i in range(count)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [
            collate([data[i] for i in places[start : start + size]])
            for start in range(0, count, size)
        ]
