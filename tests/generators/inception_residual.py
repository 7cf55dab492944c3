"""Inception-residual blocks: parallel kernel sizes, then sum (Szegedy et al. 2017; as the block of
a generator, Jin et al. 2021)."""

import torch
from generators.case import Case
from torch import Tensor, nn

KERNELS = (1, 3, 5)


def branch(width: int, inner: int, kernel: int, *, depthwise: bool) -> nn.Sequential:
    """Into ``inner`` channels by one kernel size, and back to the trunk's width."""
    layers: list[nn.Module] = []
    if depthwise:
        layers += [
            nn.Conv2d(width, inner, 1),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner),
        ]
    else:
        layers += [nn.Conv2d(width, inner, kernel, padding=kernel // 2)]
    return nn.Sequential(
        *layers, nn.BatchNorm2d(inner), nn.ReLU(inplace=True), nn.Conv2d(inner, width, 1)
    )


class Inception(nn.Module):
    """Six branches, plain and depthwise, summed and added to the input."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            branch(width, inner, kernel, depthwise=depthwise)
            for depthwise in (False, True)
            for kernel in KERNELS
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(sum(layer(x) for layer in self.branches))


class Concatenated(nn.Module):
    """The other form: branches of different widths are concatenated and mixed by a 1×1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.b0 = nn.Conv2d(width, 8, 1)
        self.b1 = nn.Sequential(nn.Conv2d(width, 8, 1), nn.Conv2d(8, 12, (1, 7), padding=(0, 3)))
        self.b2 = nn.Sequential(nn.Conv2d(width, 4, 1), nn.Conv2d(4, 8, 3, padding=1))
        self.mix = nn.Conv2d(28, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.mix(torch.cat([self.b0(x), self.b1(x), self.b2(x)], dim=1))
        return torch.relu(x + 0.17 * mixed)


class InceptionGenerator(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, width, 7),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.ReLU(),
            Inception(width, 8),
            Concatenated(width),
            nn.ConvTranspose2d(width, width, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, 3, 7),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


CASES = (
    Case(
        "inception-residual", InceptionGenerator, lambda: (torch.randn(1, 3, 16, 16),), elastic=0.99
    ),
)
