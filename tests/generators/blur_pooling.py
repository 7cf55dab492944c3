"""Anti-aliased pooling by a fixed kernel, repeated for each channel (Zhang 2019; CUT, Park et al.
2020)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


def binomial() -> Tensor:
    row = torch.tensor([1.0, 2.0, 1.0])
    kernel = row[:, None] * row[None, :]
    return kernel / kernel.sum()


class Downsample(nn.Module):
    """Blur and take every second pixel; the kernel stands in a buffer, once per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial()[None, None].repeat(channels, 1, 1, 1))
        self.pad = nn.ReflectionPad2d([1, 1, 1, 1])

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(self.pad(x), self.kernel, stride=2, groups=x.shape[1])


class Upsample(nn.Module):
    """The same kernel, transposed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("kernel", binomial()[None, None].repeat(channels, 1, 1, 1) * 4)
        self.pad = nn.ReplicationPad2d([1, 1, 1, 1])

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv_transpose2d(self.pad(x), self.kernel, stride=2, padding=2, groups=x.shape[1])
        return x[:, :, 1:, 1:]


class Blur(nn.Module):
    """One kernel in a buffer, repeated for each channel where it is used."""

    def __init__(self, *, expand: bool) -> None:
        super().__init__()
        self.expand = expand
        self.register_buffer("kernel", binomial()[None, None])

    def forward(self, x: Tensor) -> Tensor:
        channels = x.size(1)
        if self.expand:
            kernel = self.kernel.expand(channels, -1, -1, -1)
        else:
            kernel = self.kernel.repeat(channels, 1, 1, 1)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, groups=channels)


def block(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.InstanceNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class Smooth(nn.Module):
    """CUT's generator in little: blur down, blur up."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *block(3, width),
            Downsample(width),
            *block(width, width * 2),
            Upsample(width * 2),
            *block(width * 2, width),
            nn.Conv2d(width, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y


class Repeated(nn.Module):
    """The kernel is repeated in the forward pass."""

    def __init__(self, width: int = 8, *, expand: bool) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *block(3, width),
            Blur(expand=expand),
            nn.AvgPool2d(2),
            *block(width, width * 2),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            Blur(expand=expand),
            nn.Conv2d(width * 2, 3, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.model(x))


def picture() -> tuple[Tensor]:
    return (torch.randn(1, 3, 16, 16),)


CASES = (
    Case(
        "blur-pooling",
        Smooth,
        picture,
        elastic=0.99,
    ),
    Case(
        "blur-pooling-repeat",
        lambda: Repeated(expand=False),
        picture,
        elastic=0.99,
    ),
    Case(
        "blur-pooling-expand",
        lambda: Repeated(expand=True),
        picture,
        elastic=0.99,
    ),
)
