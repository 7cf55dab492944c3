"""Super-resolution by pixel shuffle: SRGAN (2017), EDSR (2017), RCAN (2018), RRDB (ESRGAN 2018)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


class Residual(nn.Module):
    """A body whose output is scaled and added."""

    def __init__(self, body: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.body, self.scale = body, scale

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x).mul(self.scale)
        result += x
        return result


class MeanShift(nn.Conv2d):
    """Subtracts or adds the mean colour by a fixed 1×1 convolution, as EDSR does."""

    def __init__(self, sign: int) -> None:
        super().__init__(3, 3, kernel_size=1)
        self.weight.data = torch.eye(3).view(3, 3, 1, 1)
        self.bias.data = sign * torch.tensor([0.45, 0.44, 0.40])  # type: ignore[union-attr]
        for parameter in self.parameters():
            parameter.requires_grad = False


class EDSR(nn.Module):
    """Residual blocks without norms."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.sub_mean, self.add_mean = MeanShift(-1), MeanShift(1)
        self.head = conv(3, width)
        blocks = [
            Residual(
                nn.Sequential(conv(width, width), nn.ReLU(inplace=True), conv(width, width)), 0.1
            )
            for _ in range(2)
        ]
        self.body = nn.Sequential(*blocks, conv(width, width))
        self.tail = nn.Sequential(conv(width, 4 * width), nn.PixelShuffle(2), conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.sub_mean(x))
        result: Tensor = self.add_mean(self.tail(self.body(x) + x))
        return result


class SRGAN(nn.Module):
    """Batch norms and PReLUs, with one slope per channel and with one for all."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.head = nn.Sequential(conv(3, width, 9), nn.PReLU())
        body = nn.Sequential(
            *(conv(width, width), nn.BatchNorm2d(width), nn.PReLU(width)),
            *(conv(width, width), nn.BatchNorm2d(width)),
        )
        self.body = nn.Sequential(Residual(body), conv(width, width), nn.BatchNorm2d(width))
        self.tail = nn.Sequential(
            conv(width, 4 * width), nn.PixelShuffle(2), nn.PReLU(), conv(width, 3, 9)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return (torch.tanh(self.tail(x + self.body(x))) + 1) / 2


class ChannelAttention(nn.Module):
    """A gate for each channel from the pooled features."""

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Sequential(
            *(nn.Conv2d(width, width // reduction, 1), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width // reduction, width, 1), nn.Sigmoid()),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x * self.gate(self.pool(x))
        return result


class RCAN(nn.Module):
    """Residual groups of residual blocks with channel attention."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.head = conv(3, width)
        groups = []
        for _ in range(2):
            body = nn.Sequential(
                *(conv(width, width), nn.ReLU(inplace=True), conv(width, width)),
                ChannelAttention(width),
            )
            groups.append(Residual(nn.Sequential(Residual(body), conv(width, width))))
        self.body = Residual(nn.Sequential(*groups, conv(width, width)))
        self.tail = nn.Sequential(conv(width, 4 * width), nn.PixelShuffle(2), conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.tail(self.body(self.head(x)))
        return result


class DenseBlock(nn.Module):
    """Each convolution reads everything before it."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            conv(width + k * growth, growth if k < 4 else width) for k in range(5)
        )

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.convs[:-1]:
            features.append(F.leaky_relu(layer(torch.cat(features, 1)), 0.2, inplace=True))
        result: Tensor = self.convs[-1](torch.cat(features, 1)) * 0.2 + x
        return result


class RRDB(nn.Module):
    """Residual in residual dense blocks; the image is enlarged by interpolation."""

    def __init__(self, width: int = 16, growth: int = 8) -> None:
        super().__init__()
        self.conv_first = conv(3, width)
        self.trunk = Residual(nn.Sequential(*(DenseBlock(width, growth) for _ in range(2))), 0.2)
        self.trunk_conv = conv(width, width)
        self.upconv, self.hr_conv, self.conv_last = (
            conv(width, width),
            conv(width, width),
            conv(width, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_first(x)
        x = x + self.trunk_conv(self.trunk(x))
        x = F.leaky_relu(self.upconv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        result: Tensor = self.conv_last(F.leaky_relu(self.hr_conv(x), 0.2))
        return result


def _picture() -> tuple[Tensor]:
    return (torch.rand(1, 3, 8, 8),)


CASES = (
    Case("edsr", EDSR, _picture, elastic=0.99, why="the fixed mean shifts are not searchable"),
    Case("srgan", SRGAN, _picture, elastic=1.0),
    Case("rcan", RCAN, _picture, elastic=1.0),
    Case("rrdb", RRDB, _picture, elastic=1.0),
)
