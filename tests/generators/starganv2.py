"""Blocks of StarGAN v2 (Choi et al. 2020): adaptive norms, resizing where a flag says so."""

import math

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class ResBlock(nn.Module):
    """Encoder block."""

    def __init__(self, inputs: int, outputs: int, *, normalise: bool, downsample: bool) -> None:
        super().__init__()
        self.normalise, self.downsample = normalise, downsample
        self.learned = inputs != outputs
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        if normalise:
            self.norm1 = nn.InstanceNorm2d(inputs, affine=True)
            self.norm2 = nn.InstanceNorm2d(inputs, affine=True)
        if self.learned:
            self.conv1x1 = nn.Conv2d(inputs, outputs, 1, bias=False)

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.learned:
            x = self.conv1x1(x)
        return F.avg_pool2d(x, 2) if self.downsample else x

    def _residual(self, x: Tensor) -> Tensor:
        if self.normalise:
            x = self.norm1(x)
        x = self.conv1(F.leaky_relu(x, 0.2))
        if self.downsample:
            x = F.avg_pool2d(x, 2)
        if self.normalise:
            x = self.norm2(x)
        result: Tensor = self.conv2(F.leaky_relu(x, 0.2))
        return result

    def forward(self, x: Tensor) -> Tensor:
        return (self._shortcut(x) + self._residual(x)) / math.sqrt(2)


class AdaIN(nn.Module):
    """Instance norm with scale and shift from a style."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=False)
        self.fc = nn.Linear(style, channels * 2)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        h = self.fc(s)
        h = h.view(h.size(0), h.size(1), 1, 1)
        gamma, beta = torch.chunk(h, chunks=2, dim=1)
        result: Tensor = (1 + gamma) * self.norm(x) + beta
        return result


class AdaINBlock(nn.Module):
    """Decoder block."""

    def __init__(self, inputs: int, outputs: int, style: int, *, upsample: bool) -> None:
        super().__init__()
        self.upsample = upsample
        self.learned = inputs != outputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm1, self.norm2 = AdaIN(style, inputs), AdaIN(style, outputs)
        if self.learned:
            self.conv1x1 = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        y = F.leaky_relu(self.norm1(x, s), 0.2)
        if self.upsample:
            y = F.interpolate(y, scale_factor=2, mode="nearest")
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        y = self.conv1(y)
        y = self.conv2(F.leaky_relu(self.norm2(y, s), 0.2))
        if self.learned:
            x = self.conv1x1(x)
        result: Tensor = (y + x) / math.sqrt(2)
        return result


class Mapping(nn.Module):
    """A style for the domain that is asked for: one head per domain."""

    def __init__(self, latent: int, style: int, domains: int) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(latent, 16), nn.ReLU())
        self.unshared = nn.ModuleList(nn.Linear(16, style) for _ in range(domains))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        h = self.shared(z)
        out = torch.stack([layer(h) for layer in self.unshared], dim=1)
        index = torch.arange(y.size(0), device=y.device)
        return out[index, y]


class StarGANv2(nn.Module):
    """Encoder, bottleneck and styled decoder."""

    def __init__(self, width: int = 8, style: int = 8) -> None:
        super().__init__()
        self.mapping = Mapping(6, style, domains=3)
        self.from_rgb = nn.Conv2d(3, width, 3, 1, 1)
        self.encode = nn.ModuleList(
            [
                ResBlock(width, 2 * width, normalise=True, downsample=True),
                ResBlock(2 * width, 2 * width, normalise=True, downsample=False),
            ]
        )
        self.decode = nn.ModuleList(
            [
                AdaINBlock(2 * width, 2 * width, style, upsample=False),
                AdaINBlock(2 * width, width, style, upsample=True),
            ]
        )
        self.to_rgb = nn.Sequential(
            nn.InstanceNorm2d(width, affine=True), nn.LeakyReLU(0.2), nn.Conv2d(width, 3, 1)
        )

    def forward(self, x: Tensor, z: Tensor, y: Tensor) -> Tensor:
        s = self.mapping(z, y)
        x = self.from_rgb(x)
        for block in self.encode:
            x = block(x)
        for block in self.decode:
            x = block(x, s)
        result: Tensor = self.to_rgb(x)
        return result


CASES = (
    Case(
        "stargan v2",
        StarGANv2,
        args=lambda: (torch.randn(1, 3, 16, 16), torch.randn(1, 6), torch.tensor([2])),
        elastic=0.99,
        why="the style is picked out of a stack by a tensor of domains",
    ),
)
