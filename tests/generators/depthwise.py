"""Depthwise convolutions with a multiplier and transposed ones, as in Xception and MobileNet
(Chollet 2017, Howard et al. 2017) and MobileStyleGAN (Belousov 2021)."""

import torch
from generators.case import Case
from torch import Tensor, nn


class Separable(nn.Module):
    """Several depthwise kernels per channel, then 1×1."""

    def __init__(self, inputs: int, outputs: int, multiplier: int) -> None:
        super().__init__()
        inner = inputs * multiplier
        self.depthwise = nn.Conv2d(inputs, inner, 3, padding=1, groups=inputs)
        self.norm = nn.BatchNorm2d(inner)
        self.pointwise = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(torch.relu(self.norm(self.depthwise(x))))
        return y


class Depthwise(nn.Module):
    """Depthwise with multipliers 2 and 3, a residual; up by depthwise transposed layers."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, width, 3, padding=1)
        self.input = nn.Conv2d(3, 6, 3, padding=1, groups=3)
        self.mix = nn.Conv2d(6, 4, 1)
        self.down = nn.Conv2d(width, width * 2, 3, stride=2, padding=1, groups=width)
        self.one = Separable(width * 2, width * 2, 2)
        self.two = Separable(width * 2, width * 2, 3)
        self.up1 = nn.ConvTranspose2d(width * 2, width * 2, 4, 2, 1, groups=width * 2)
        self.up2 = nn.ConvTranspose2d(width * 2, width * 4, 2, 2, groups=width * 2)
        self.last = nn.Conv2d(width * 4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(self.mix(self.input(x))))
        x = torch.relu(self.down(x))
        x = x + self.two(torch.relu(self.one(x)))
        return torch.tanh(self.last(torch.relu(self.up2(torch.relu(self.up1(x))))))


CASES = (Case("depthwise", Depthwise, lambda: (torch.randn(1, 3, 16, 16),), elastic=0.96),)
