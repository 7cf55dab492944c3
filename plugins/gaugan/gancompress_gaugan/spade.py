"""Spatially-adaptive normalisation, SPADE (Park et al., arXiv 1903.07291)."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

FreeNormName: TypeAlias = Literal["batch", "syncbatch", "instance"]
SLOPE = 0.2


def free_norm(name: FreeNormName) -> Callable[[int], nn.Module]:
    """Return the constructor of a norm without weights, by channels.

    Args:
        name: ``batch``, ``syncbatch`` (statistics over all processes), or ``instance``.

    Returns:
        A function from the number of channels to a module.
    """
    norms: dict[FreeNormName, Callable[[int], nn.Module]] = {
        "batch": partial(nn.BatchNorm2d, affine=False),
        "syncbatch": partial(nn.SyncBatchNorm, affine=False),
        "instance": partial(nn.InstanceNorm2d, affine=False),
    }
    return norms[name]


class Spade(nn.Module):
    """A norm without weights, whose scale and shift are computed from the label map.

    The attributes have the names of the published checkpoints.

    Args:
        channels: Channels that are normalised.
        labels: Channels of the label map.
        hidden: Channels between the label map and scale and shift.
        norm: Constructor of the norm.
    """

    def __init__(
        self, channels: int, labels: int, hidden: int, norm: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        self.param_free_norm = norm(channels)
        self.mlp_shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Normalise, scale and shift.

        Args:
            x: ``(N, channels, h, w)``.
            labels: ``(N, labels, H, W)``, one-hot; brought to the size of `x`.

        Returns:
            The shape of `x`.
        """
        hidden = self.mlp_shared(F.interpolate(labels, size=x.shape[2:], mode="nearest"))
        normalised: Tensor = self.param_free_norm(x)
        result: Tensor = normalised * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return result


class SpadeBlock(nn.Module):
    """A residual block of two 3×3 convolutions, each after a `Spade` and a leaky ReLU.

    Where the number of channels changes, the shortcut is a `Spade` and a pointwise convolution.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        labels: Channels of the label map.
        hidden: Channels between the label map and scale and shift.
        norm: Constructor of the norm.
        spectral: Whether the convolutions' weights are divided by their largest singular value
            (arXiv 1802.05957).
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        labels: int,
        hidden: int,
        norm: Callable[[int], nn.Module],
        spectral: bool,
    ) -> None:
        super().__init__()
        middle = min(channels_in, channels_out)
        wrap: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else lambda layer: layer
        self.conv_0 = wrap(nn.Conv2d(channels_in, middle, 3, padding=1))
        self.conv_1 = wrap(nn.Conv2d(middle, channels_out, 3, padding=1))
        self.norm_0 = Spade(channels_in, labels, hidden, norm)
        self.norm_1 = Spade(middle, labels, hidden, norm)
        self.learned_shortcut = channels_in != channels_out
        if self.learned_shortcut:
            self.conv_s = wrap(nn.Conv2d(channels_in, channels_out, 1, bias=False))
            self.norm_s = Spade(channels_in, labels, hidden, norm)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Map ``(N, channels_in, h, w)`` to ``(N, channels_out, h, w)``."""
        inside = self.conv_0(F.leaky_relu(self.norm_0(x, labels), SLOPE))
        inside = self.conv_1(F.leaky_relu(self.norm_1(inside, labels), SLOPE))
        shortcut = self.conv_s(self.norm_s(x, labels)) if self.learned_shortcut else x
        result: Tensor = shortcut + inside
        return result
