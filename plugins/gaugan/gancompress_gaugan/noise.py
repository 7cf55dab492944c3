"""Samples with noise as a second input, for generators that start from it."""

from typing import Any

import torch
from torch.utils.data import Dataset

from gancompress.gan import Batch


class WithNoise(Dataset[Batch]):
    """Adds noise ``(length,)``, uniform in [-1, 1] as every input of a family is.

    Args:
        data: The samples.
        length: How many numbers a sample gets.
        fixed: Whether a sample has the same noise every time, as those of evaluations must.
    """

    def __init__(self, data: Any, length: int, *, fixed: bool) -> None:
        self.data, self.length, self.fixed = data, length, fixed

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Batch:
        sample: Batch = self.data[index]
        generator = torch.Generator().manual_seed(index) if self.fixed else None
        noise = 2 * torch.rand(self.length, generator=generator) - 1
        return Batch((*sample.inputs, noise), sample.target, sample.extras)
