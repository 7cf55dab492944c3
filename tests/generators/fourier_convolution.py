"""Fast Fourier convolution, as in LaMa (Suvorov et al. 2022) after Chi et al. 2020."""

from typing import Any

import torch
from generators.case import Case
from torch import Tensor, nn


class FourierUnit(nn.Module):
    """A 1×1 convolution over the spectrum, whose real and imaginary parts are channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs * 2, outputs * 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs * 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[0]
        spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        parts = torch.stack((spectrum.real, spectrum.imag), dim=-1)
        parts = parts.permute(0, 1, 4, 2, 3).contiguous()
        parts = parts.view((batch, -1, *parts.size()[3:]))
        parts = self.relu(self.norm(self.conv(parts)))
        parts = parts.view((batch, -1, 2, *parts.size()[2:])).permute(0, 1, 3, 4, 2).contiguous()
        spectrum = torch.complex(parts[..., 0], parts[..., 1])
        return torch.fft.irfftn(spectrum, s=x.shape[-2:], dim=(-2, -1), norm="ortho")


class SpectralTransform(nn.Module):
    """A Fourier unit at half the width, with a second one on quarters of the picture."""

    def __init__(self, inputs: int, outputs: int, *, local: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1 = nn.Sequential(
            nn.Conv2d(inputs, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True)
        )
        self.fu = FourierUnit(half, half)
        self.lfu = FourierUnit(half, half) if local else None
        self.conv2 = nn.Conv2d(half, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        result = x + self.fu(x)
        if self.lfu is not None:
            _, c, h, _ = x.shape
            rows = torch.cat(torch.split(x[:, : c // 4], h // 2, dim=-2), dim=1).contiguous()
            quarters = torch.cat(torch.split(rows, h // 2, dim=-1), dim=1).contiguous()
            result = result + self.lfu(quarters).repeat(1, 1, 2, 2).contiguous()
        y: Tensor = self.conv2(result)
        return y


class FFC(nn.Module):
    """Local and global channels, each made from both."""

    def __init__(self, inputs: int, outputs: int, *, into: float, out: float, local: bool) -> None:
        super().__init__()
        a, b = int(inputs * into), int(outputs * out)
        self.out = out
        options = {"padding": 1, "bias": False, "padding_mode": "reflect"}
        self.l2l = nn.Conv2d(inputs - a, outputs - b, 3, **options) if out < 1 else nn.Identity()
        self.l2g = nn.Conv2d(inputs - a, b, 3, **options) if b else nn.Identity()
        self.g2l = nn.Conv2d(a, outputs - b, 3, **options) if a else nn.Identity()
        self.g2g = SpectralTransform(a, b, local=local) if a and b else nn.Identity()
        self.norm_l = nn.BatchNorm2d(outputs - b)
        self.norm_g = nn.BatchNorm2d(b) if b else nn.Identity()

    def forward(self, x: Any) -> tuple[Any, Any]:
        local, wide = x if isinstance(x, tuple) else (x, 0)
        new_local = self.l2l(local) + self.g2l(wide)
        new_wide = self.l2g(local) + self.g2g(wide) if self.out else 0
        new_local = torch.relu(self.norm_l(new_local))
        if isinstance(new_wide, Tensor):
            new_wide = torch.relu(self.norm_g(new_wide))
        return new_local, new_wide


class Residual(nn.Module):
    def __init__(self, width: int, ratio: float, *, local: bool) -> None:
        super().__init__()
        self.conv1 = FFC(width, width, into=ratio, out=ratio, local=local)
        self.conv2 = FFC(width, width, into=ratio, out=ratio, local=local)

    def forward(self, x: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        local, wide = self.conv2(self.conv1(x))
        return x[0] + local, x[1] + wide


class Joined(nn.Module):
    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        return torch.cat(x, dim=1)


class LaMa(nn.Module):
    """Inpainting: picture and mask in, one Fourier residual block at a quarter of the size."""

    def __init__(self, width: int = 8, *, local: bool = False) -> None:
        super().__init__()
        ratio = 0.5
        self.pad = nn.ReflectionPad2d(1)
        self.model = nn.Sequential(
            FFC(4, width, into=0, out=0, local=False),
            FFC(width, width * 4, into=0, out=ratio, local=False),
            Residual(width * 4, ratio, local=local),
            Joined(),
            nn.ConvTranspose2d(width * 4, width, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, 3, 3, stride=2),
            nn.Sigmoid(),
        )

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        predicted = self.model(torch.cat([image * (1 - mask), mask], dim=1))
        return mask * predicted + (1 - mask) * image


def pictures() -> tuple[Tensor, Tensor]:
    return torch.randn(1, 3, 16, 16), (torch.rand(1, 1, 16, 16) > 0.5).float()


CASES = (
    Case("fourier-convolution", LaMa, pictures, elastic=0.98),
    # Quarters are cut by the height alone: the original takes square pictures only.
    Case(
        "fourier-convolution-local",
        lambda: LaMa(local=True),
        pictures,
        elastic=0.98,
        size=False,
    ),
)
