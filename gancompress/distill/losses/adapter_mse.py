"""Mean squared error through 1×1 adapters."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.distill.adapters import AdaptedLoss
from gancompress.distill.loss import Comparison, total


class AdapterMse(AdaptedLoss):
    """``Σ_k MSE(f_k(G_k(x)), T_k(x))`` with 1×1 convolutions f_k (GAN Compression, 2003.08936).

    Equation 3 of the paper. An adapter's input side follows the active channels, so one serves
    every subnet. Features of a large scale dominate the sum: nothing is normalised.
    """

    name: ClassVar[str] = "adapter-mse"

    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Compare every point, student ``(N, c, h, w)`` with teacher ``(N, C, h, w)``."""
        terms = [F.mse_loss(made, goal) for made, goal in self.adapted(seen, trainable)]
        return total(terms, seen)
