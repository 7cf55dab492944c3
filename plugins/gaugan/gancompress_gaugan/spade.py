"""Spatially-adaptive normalisation, SPADE (Park et al., arXiv 1903.07291)."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gancompress.gan import SeparableConvolution
from gancompress_gaugan.widths import BlockWidths

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
        mobile: Whether what computes scale and shift is separable, as in GAN Compression's mobile
            nets (arXiv 2003.08936).
    """

    def __init__(
        self,
        channels: int,
        labels: int,
        hidden: int,
        norm: Callable[[int], nn.Module],
        *,
        mobile: bool = False,
    ) -> None:
        super().__init__()
        last: Callable[[], nn.Module] = (
            partial(SeparableConvolution, hidden, channels, padding=1)
            if mobile
            else partial(nn.Conv2d, hidden, channels, 3, padding=1)
        )
        self.param_free_norm = norm(channels)
        self.mlp_shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = last()
        self.mlp_beta = last()

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
        widths: Channels of its layers.
        labels: Channels of the label map.
        norm: Constructor of the norm.
        spectral: Whether the convolutions' weights are divided by their largest singular value
            (arXiv 1802.05957).
        mobile: See `Spade`.
    """

    def __init__(
        self,
        widths: BlockWidths,
        *,
        labels: int,
        norm: Callable[[int], nn.Module],
        spectral: bool,
        mobile: bool = False,
    ) -> None:
        super().__init__()
        wrap: Callable[[nn.Module], nn.Module] = spectral_norm if spectral else lambda layer: layer
        spade = partial(Spade, labels=labels, hidden=widths.hidden, norm=norm, mobile=mobile)
        self.conv_0 = wrap(nn.Conv2d(widths.before, widths.inside, 3, padding=1))
        self.conv_1 = wrap(nn.Conv2d(widths.inside, widths.after, 3, padding=1))
        self.norm_0 = spade(widths.before)
        self.norm_1 = spade(widths.inside)
        self.learned_shortcut = widths.shortcut
        if self.learned_shortcut:
            self.conv_s = wrap(nn.Conv2d(widths.before, widths.after, 1, bias=False))
            self.norm_s = spade(widths.before)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Map ``(N, before, h, w)`` to ``(N, after, h, w)``."""
        inside = self.conv_0(F.leaky_relu(self.norm_0(x, labels), SLOPE))
        inside = self.conv_1(F.leaky_relu(self.norm_1(inside, labels), SLOPE))
        shortcut = self.conv_s(self.norm_s(x, labels)) if self.learned_shortcut else x
        result: Tensor = shortcut + inside
        return result
