"""Modulated convolution: StyleGAN2 (Karras et al. 2020), weights computed for each sample."""

import math

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class ModulatedConv(nn.Module):
    """One grouped convolution over the batch, reshaped to channels."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, *, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.outputs, self.kernel, self.demodulate = outputs, kernel, demodulate
        self.scale = 1 / math.sqrt(inputs * kernel**2)
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.modulation = nn.Linear(style, inputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        batch, inputs, height, width = x.shape
        modulation = self.modulation(style).view(batch, 1, inputs, 1, 1)
        weight = self.scale * self.weight * modulation
        if self.demodulate:
            demod = torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8)
            weight = weight * demod.view(batch, self.outputs, 1, 1, 1)
        weight = weight.view(batch * self.outputs, inputs, self.kernel, self.kernel)
        x = x.view(1, batch * inputs, height, width)
        out = F.conv2d(x, weight, padding=self.kernel // 2, groups=batch)
        return out.view(batch, self.outputs, height, width)


class StyledConv(nn.Module):
    """Modulated convolution, noise, activation."""

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, style)
        self.noise = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        out = self.conv(x, style)
        batch, _, height, width = out.shape
        out = out + self.noise * out.new_empty(batch, 1, height, width).normal_()
        return F.leaky_relu(out + self.bias, 0.2) * math.sqrt(2)


class StyleGAN2(nn.Module):
    """Mapping network, a learned constant, styled convolutions, an image at each scale."""

    def __init__(self, latent: int = 6, width: int = 8, style: int = 16) -> None:
        super().__init__()
        self.mapping = nn.Sequential(
            nn.Linear(latent, 16), nn.LeakyReLU(0.2), nn.Linear(16, style), nn.LeakyReLU(0.2)
        )
        self.constant = nn.Parameter(torch.randn(1, 2 * width, 4, 4))
        self.conv1 = StyledConv(2 * width, 2 * width, style)
        self.conv2 = StyledConv(2 * width, width, style)
        self.to_rgb1 = ModulatedConv(2 * width, 3, 1, style, demodulate=False)
        self.to_rgb2 = ModulatedConv(width, 3, 1, style, demodulate=False)

    def forward(self, z: Tensor) -> Tensor:
        z = z * torch.rsqrt(z.pow(2).mean(dim=1, keepdim=True) + 1e-8)
        style = self.mapping(z)
        x = self.conv1(self.constant.repeat(z.shape[0], 1, 1, 1), style)
        skip = self.to_rgb1(x, style)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        skip = F.interpolate(skip, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.conv2(x, style)
        return skip + self.to_rgb2(x, style)


CASES = (
    Case(
        "stylegan2",
        StyleGAN2,
        args=lambda: (torch.randn(1, 6),),
        elastic=1.0,
        size=False,
    ),
)
