"""Channel shuffle, as in ShuffleNet (Zhang et al. 2018) and ShuffleNet v2 (Ma et al. 2018)."""

import torch
from generators.case import Case
from torch import Tensor, nn


def shuffled(x: Tensor, groups: int) -> Tensor:
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


class Grouped(nn.Module):
    """1×1 in groups, shuffle, depthwise, 1×1 in groups; the input is added."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        inner = width // 2
        self.groups = groups
        self.squeeze = nn.Conv2d(width, inner, 1, groups=groups, bias=False)
        self.norm1 = nn.BatchNorm2d(inner)
        self.spatial = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.expand = nn.Conv2d(inner, width, 1, groups=groups, bias=False)
        self.norm3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.squeeze(x)))
        y = self.norm2(self.spatial(shuffled(y, self.groups)))
        return torch.relu(x + self.norm3(self.expand(y)))


class Halved(nn.Module):
    """Half of the channels pass by, the other half is worked on, then both are shuffled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1)
        return shuffled(torch.cat((left, self.branch(right)), dim=1), 2)


class Shuffled(nn.Module):
    """Down, two blocks, up."""

    def __init__(self, blocks: nn.Module, width: int) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, width, 3, stride=2, padding=1), nn.ReLU())
        self.blocks = blocks
        self.tail = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.tail(self.blocks(self.head(x))))


def grouped(groups: int = 2, width: int = 32) -> nn.Module:
    return Shuffled(nn.Sequential(Grouped(width, groups), Grouped(width, groups)), width)


def halved() -> nn.Module:
    return Shuffled(nn.Sequential(Halved(16), Halved(16)), 16)


def picture() -> tuple[Tensor]:
    return (torch.randn(1, 3, 16, 16),)


CASES = (
    Case("channel-shuffle", grouped, picture, elastic=0.99),
    Case(
        "channel-shuffle-odd",
        lambda: grouped(3, 24),
        picture,
        elastic=0.9,
        why="4 channels in each of 3 groups: the shuffle ties them all, so the inner width stays",
    ),
    Case("channel-shuffle-v2", halved, picture, elastic=0.99),
)
