"""Multi-domain translation: StarGAN (Choi et al. 2018); the label is a map beside the image."""

import torch
from generators.case import Case
from torch import Tensor, nn


class Block(nn.Module):
    """Two convolutions with tracked, affine instance norms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True, track_running_stats=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.InstanceNorm2d(channels, affine=True, track_running_stats=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.main(x)
        return result


class StarGAN(nn.Module):
    """Down, residual blocks, up."""

    def __init__(self, width: int = 8, domains: int = 4) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3 + domains, width, 7, padding=3, bias=False),
            nn.InstanceNorm2d(width, affine=True, track_running_stats=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(2 * width, affine=True, track_running_stats=True),
            nn.ReLU(inplace=True),
            *(Block(2 * width) for _ in range(2)),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(width, affine=True, track_running_stats=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 3, 7, padding=3, bias=False),
            nn.Tanh(),
        )

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        c = c.view(c.size(0), c.size(1), 1, 1)
        c = c.repeat(1, 1, x.size(2), x.size(3))
        result: Tensor = self.main(torch.cat([x, c], dim=1))
        return result


CASES = (
    Case(
        "stargan",
        StarGAN,
        args=lambda: (torch.randn(1, 3, 16, 16), torch.tensor([[0.0, 1.0, 0.0, 1.0]])),
        elastic=1.0,
        compile=True,
    ),
)
