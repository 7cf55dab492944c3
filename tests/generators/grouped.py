"""Grouped convolutions, also transposed, as in ResNeXt (Xie et al. 2017)."""

import torch
from generators.case import Case
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1×1, grouped 3×3, 1×1, added to the input."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.layers(x))


class Grouped(nn.Module):
    """Grouped both ways: down by a grouped convolution, up by grouped transposed ones."""

    def __init__(self, width: int = 16, groups: int = 4) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width * 2, 3, stride=2, padding=1, groups=groups),
            nn.GroupNorm(groups, width * 2),
            nn.ReLU(),
            Bottleneck(width * 2, groups),
            nn.ConvTranspose2d(width * 2, width, 4, stride=2, padding=1, groups=groups),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 3, padding=1, groups=groups // 2),
            nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class Chained(nn.Module):
    """Grouped layers that follow each other with different numbers of groups, and residuals."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 24, 1)
        self.two = nn.Conv2d(24, 24, 3, padding=1, groups=2)
        self.three = nn.Conv2d(24, 24, 3, padding=1, groups=3)
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2, groups=3)
        self.last = nn.Conv2d(12, 3, 3, padding=1, groups=3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(x + self.two(x))
        x = torch.relu(x + self.three(x))
        return torch.tanh(self.last(torch.relu(self.up(x))))


def picture() -> tuple[Tensor]:
    return (torch.randn(1, 3, 16, 16),)


CASES = (
    Case("grouped", Grouped, picture, elastic=0.99),
    Case("grouped-chained", Chained, picture, elastic=0.99),
)
