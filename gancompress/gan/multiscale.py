"""Discriminators at several resolutions, which show what they see on the way.

As in pix2pixHD (arXiv 1711.11585), with spectral norm (arXiv 1802.05957) as in GauGAN
(arXiv 1903.07291).
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gancompress.gan.resnet import NormName, norm_layer

_WIDEST = 512


class FeaturePatchDiscriminator(nn.Module):
    """4×4 convolutions that judge overlapping patches, and return every layer's output.

    Borders are padded by two pixels, so that pictures of any size leave something to judge.

    Args:
        channels: Channels of the picture and of the condition beside it.
        width: Channels of the first convolution (``ndf``); no layer has more than 512.
        layers: Convolutions before the one that gives the verdict; all but the last have stride 2.
        norm: Norm of all of them but the first.
        spectral: Whether these have spectral norm too.
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        layers: int = 4,
        norm: NormName = "instance",
        *,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        make = norm_layer(norm)
        first = nn.Conv2d(channels, width, 4, stride=2, padding=2)
        stages: list[nn.Module] = [nn.Sequential(first, nn.LeakyReLU(0.2))]
        before = width
        for depth in range(1, layers):
            after = min(2 * before, _WIDEST)
            stride = 1 if depth == layers - 1 else 2
            # A norm takes the mean out again, and a bias with it.
            conv: nn.Module = nn.Conv2d(
                before, after, 4, stride=stride, padding=2, bias=norm == "none"
            )
            if spectral:
                conv = spectral_norm(conv)
            stages.append(nn.Sequential(conv, make(after), nn.LeakyReLU(0.2)))
            before = after
        stages.append(nn.Conv2d(before, 1, 4, padding=2))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Judge patches.

        Args:
            x: ``(N, channels, H, W)`` in [-1, 1].

        Returns:
            The output of every layer, ``(N, C, h, w)``; the last one is one logit a patch.
        """
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return tuple(outputs)


class MultiScaleDiscriminator(nn.Module):
    """The same discriminator at the full, the halved, … resolution, each with own weights.

    Args:
        channels: Channels of the picture and of the condition beside it.
        width: Channels of the first convolution of each.
        layers: Convolutions of each before the verdict.
        scales: How many there are.
        norm: Norm of each.
        spectral: Whether their convolutions have spectral norm.
    """

    def __init__(
        self,
        channels: int,
        width: int = 64,
        layers: int = 4,
        scales: int = 2,
        norm: NormName = "instance",
        *,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            FeaturePatchDiscriminator(channels, width, layers, norm, spectral=spectral)
            for _ in range(scales)
        )

    def forward(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """Judge pictures at every scale.

        Args:
            x: ``(N, channels, H, W)`` in [-1, 1].

        Returns:
            For each scale, from the full one on, the output of every layer; the last of them is
            one logit a patch.
        """
        outputs = []
        for place, scale in enumerate(self.scales):
            if place:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            outputs.append(scale(x))
        return tuple(outputs)
