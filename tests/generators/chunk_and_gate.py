"""Gated linear units: language modelling (Dauphin et al. 2017), gated inpainting (Yu et al. 2019),
restoration (NAFNet, Chen et al. 2022)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class GatedConv(nn.Module):
    """Half of the output gates the other half."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs * 2, 3, stride, 1)
        self.norm = nn.InstanceNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        features, gate = torch.chunk(self.conv(x), 2, dim=1)
        y: Tensor = self.norm(F.elu(features) * torch.sigmoid(gate))
        return y


class SimpleGate(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1)
        return left * right


class LayerNorm2d(nn.Module):
    """A layer norm over the channels at each place, its scale a layer's own parameter."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y


class NAFBlock(nn.Module):
    """Two gated halves, each added to the trunk with a learned scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm2d(width), LayerNorm2d(width)
        self.conv1 = nn.Conv2d(width, width * 2, 1)
        self.conv2 = nn.Conv2d(width * 2, width * 2, 3, padding=1, groups=width * 2)
        self.gate = SimpleGate()
        self.attend = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1))
        self.conv3 = nn.Conv2d(width, width, 1)
        self.conv4 = nn.Conv2d(width, width * 2, 1)
        self.conv5 = nn.Conv2d(width, width, 1)
        self.beta = nn.Parameter(torch.full((1, width, 1, 1), 0.5))
        self.gamma = nn.Parameter(torch.full((1, width, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.gate(self.conv2(self.conv1(self.norm1(x))))
        y = x + self.conv3(y * self.attend(y)) * self.beta
        return y + self.conv5(self.gate(self.conv4(self.norm2(y)))) * self.gamma


class Inpainting(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down = GatedConv(4, width, stride=2)
        self.middle = GatedConv(width, width)
        self.functional = nn.Conv2d(width, width * 2, 3, padding=1)
        self.glu = nn.GLU(dim=1)
        self.wide = nn.Conv2d(width, width * 2, 3, padding=1)
        self.up = GatedConv(width, width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        x = torch.cat([image * (1 - mask), mask], dim=1)
        x = self.middle(self.down(x))
        x = F.glu(self.functional(x), dim=1)
        x = self.glu(self.wide(x))
        return torch.tanh(self.last(self.up(F.interpolate(x, scale_factor=2))))


class NAFNet(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.block = NAFBlock(width)
        self.ending = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.ending(self.block(self.intro(x))) + x


CASES = (
    Case(
        "chunk-and-gate",
        Inpainting,
        lambda: (torch.randn(1, 3, 16, 16), torch.rand(1, 1, 16, 16)),
        elastic=0.99,
    ),
    Case(
        "chunk-and-gate-nafnet",
        NAFNet,
        lambda: (torch.randn(1, 3, 16, 16),),
        elastic=0.99,
    ),
)
