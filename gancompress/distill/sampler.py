"""Which pictures a step sees: computed from the seed and the step, so nothing need be saved."""

from collections.abc import Sized

import numpy as np
import torch


def step_indices(data: Sized, *, seed: int, step: int, batch_size: int) -> list[int]:
    """Return the pictures of one step: every epoch is a fresh permutation, its tail is dropped.

    Args:
        data: The data set.
        seed: Seed of the run.
        step: Steps taken so far.
        batch_size: Pictures a step; more than there are pictures are drawn with repetition.

    Returns:
        ``batch_size`` indices.
    """
    size = len(data)
    per_epoch = size // batch_size
    if per_epoch == 0:
        generator = torch.Generator().manual_seed(step_seed(seed, step))
        return torch.randint(size, (batch_size,), generator=generator).tolist()
    epoch, place = divmod(step, per_epoch)
    generator = torch.Generator().manual_seed(step_seed(seed, epoch))
    order = torch.randperm(size, generator=generator)
    return order[place * batch_size : (place + 1) * batch_size].tolist()


def step_seed(seed: int, step: int) -> int:
    """Return a seed for everything random within one step.

    Args:
        seed: Seed of the run.
        step: Steps taken so far.

    Returns:
        A number that differs for every step of every run of up to a billion steps.
    """
    return seed * 1_000_000_007 + step


def derived_seed(seed: int, step: int, place: int) -> int:
    """Return a seed for one place of a step, such as one picture of its batch.

    Args:
        seed: Seed of the run.
        step: Steps taken so far.
        place: At least 0.

    Returns:
        A number of 63 bits, hashed: neighbouring places share nothing.
    """
    words = np.random.SeedSequence((seed, step, place)).generate_state(1, np.uint64)
    return int(words[0]) >> 1
