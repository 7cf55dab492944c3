"""ResNet generators: Johnson et al., Perceptual Losses (2016), as CycleGAN (2017) uses them."""

from collections.abc import Callable

import torch
from generators.case import Case
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return result


class Block(nn.Module):
    """Two convolutions and a skip."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels)),
            *(nn.ReLU(inplace=True), nn.Dropout(0.5)),
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


class ResNet(nn.Module):
    """Down twice, residual blocks, up twice."""

    def __init__(self, norm: Norm, width: int = 8, blocks: int = 2) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), norm(width), nn.ReLU(inplace=True)
        )
        downs: list[nn.Module] = []
        for k in (1, 2):
            conv = nn.Conv2d(k * width, 2 * k * width, 3, stride=2, padding=1)
            downs += [conv, norm(2 * k * width), nn.ReLU(inplace=True)]
        self.down = nn.Sequential(*downs)
        self.blocks = nn.Sequential(*(Block(4 * width, norm) for _ in range(blocks)))
        ups: list[nn.Module] = []
        for k in (2, 1):
            conv_up = nn.ConvTranspose2d(
                2 * k * width, k * width, 3, stride=2, padding=1, output_padding=1
            )
            ups += [conv_up, norm(k * width), nn.ReLU(inplace=True)]
        self.up = nn.Sequential(*ups)
        self.last = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(self.up(self.blocks(self.down(self.first(x)))))
        return result


NORMS: dict[str, Norm] = {
    "instance": nn.InstanceNorm2d,
    "instance, affine": lambda n: nn.InstanceNorm2d(n, affine=True),
    "instance, tracked": lambda n: nn.InstanceNorm2d(n, track_running_stats=True),
    "instance, affine and tracked": lambda n: nn.InstanceNorm2d(
        n, affine=True, track_running_stats=True
    ),
    "batch": nn.BatchNorm2d,
    "group": lambda n: nn.GroupNorm(4, n),
    "group of all": lambda n: nn.GroupNorm(1, n),
    "layer": LayerNorm2d,
}


def _case(name: str, norm: Norm) -> Case:
    return Case(
        f"resnet, {name} norm",
        make=lambda: ResNet(norm),
        args=lambda: (torch.randn(1, 3, 16, 16),),
        elastic=1.0,
        compile=name == "instance",
    )


CASES = tuple(_case(name, norm) for name, norm in NORMS.items())
