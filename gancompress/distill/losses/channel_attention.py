"""Which channels are active, and where."""

from typing import ClassVar, Final

import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.distill.adapters import AdaptedLoss
from gancompress.distill.loss import Comparison, total

TEMPERATURE: Final = 4.0


class ChannelAttention(AdaptedLoss):
    """``Σ_k MSE(mean_hw f_k(G_k(x)), mean_hw T_k(x))``: each channel's mean (OMGD, 2108.06908).

    The means ``(N, C)`` are the attention that a channel gets. It says nothing about where; behind
    an instance norm all means are equal, and so is the loss.
    """

    name: ClassVar[str] = "channel-attention"

    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Compare the means over the positions."""
        terms = [
            F.mse_loss(made.mean((2, 3)), goal.mean((2, 3)))
            for made, goal in self.adapted(seen, trainable)
        ]
        return total(terms, seen)


class ChannelDistribution(AdaptedLoss):
    """``Σ_k T²/C · Σ_c KL(softmax_hw(T_kc/T) ‖ softmax_hw(f_k(G_k)_c/T))`` (2011.13256).

    Channel-wise knowledge distillation: each channel's map ``(h·w)`` is a distribution over the
    positions, and those where the teacher is active count most. A channel's level does not count;
    on a map of one position the loss is zero. T is 4, as published.
    """

    name: ClassVar[str] = "channel-distribution"

    def __call__(self, seen: Comparison, trainable: nn.ModuleDict) -> Tensor:
        """Compare the distributions, averaged over pictures."""
        terms = [_divergence(made, goal) for made, goal in self.adapted(seen, trainable)]
        return total(terms, seen)


def _divergence(made: Tensor, goal: Tensor) -> Tensor:
    own, theirs = (F.log_softmax(maps.flatten(2) / TEMPERATURE, -1) for maps in (made, goal))
    divergence = F.kl_div(own, theirs, reduction="sum", log_target=True)
    return TEMPERATURE**2 * divergence / (made.shape[0] * made.shape[1])
