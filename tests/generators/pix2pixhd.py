"""Coarse-to-fine generator: pix2pixHD (Wang et al. 2018); the enhancer adds two scales."""

import torch
from generators.case import Case
from generators.resnet import Block
from torch import Tensor, nn


def _conv(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
    return [conv, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [conv, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


class LocalEnhancer(nn.Module):
    """A global network at half the size, and an enhancer around it at full size."""

    def __init__(self, inputs: int = 5, width: int = 8) -> None:
        super().__init__()
        wide = 2 * width
        self.global_net = nn.Sequential(
            *_conv(inputs, wide), *_conv(wide, 2 * wide, 2), Block(2 * wide, nn.InstanceNorm2d),
            *_up(2 * wide, wide),
        )  # fmt: skip
        self.local_down = nn.Sequential(*_conv(inputs, width), *_conv(width, wide, 2))
        self.local_up = nn.Sequential(
            Block(wide, nn.InstanceNorm2d), *_up(wide, width),
            nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh(),
        )  # fmt: skip
        self.downsample = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        pyramid = [x]
        for _ in range(1):
            pyramid.append(self.downsample(pyramid[-1]))
        coarse = self.global_net(pyramid[-1])
        for finer in pyramid[-2::-1]:
            coarse = self.local_up(self.local_down(finer) + coarse)
        return coarse


CASES = (
    Case(
        "pix2pixhd, local enhancer",
        LocalEnhancer,
        args=lambda: (torch.randn(1, 5, 16, 16),),
        elastic=1.0,
    ),
)
