"""Pictures of several sizes in, and padding by reflection: as a layer and as a convolution's mode
(after MIMO-UNet, Cho et al. 2021, and SinGAN, Shaham et al. 2019)."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


def reflected(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(inputs, outputs, kernel, stride),
        nn.InstanceNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Pyramid(nn.Module):
    """Half the size enters half-way down, and is one of the two outputs."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.large = reflected(3, width)
        self.small = reflected(3, width * 2)
        self.down = reflected(width, width * 2, stride=2)
        self.fuse = nn.Conv2d(width * 4, width * 2, 3, padding=1, padding_mode="reflect")
        self.body = nn.Conv2d(width * 2, width * 2, 3, padding=1, padding_mode="reflect")
        self.out_small = nn.Conv2d(width * 2, 3, 3, padding=1, padding_mode="replicate")
        self.up = nn.ConvTranspose2d(width * 2, width, 4, 2, 1)
        self.out_large = nn.Conv2d(width * 2, 3, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
        large = self.large(x)
        y = torch.relu(self.fuse(torch.cat([self.down(large), self.small(half)], dim=1)))
        y = y + self.body(y)
        up = torch.cat([large, F.relu(self.up(y))], dim=1)
        return self.out_large(up) + x, self.out_small(y) + half


class Stages(nn.Module):
    """A list of sizes, coarse to fine; every stage adds to the enlarged picture before it."""

    def __init__(self, width: int = 8, stages: int = 2) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, width, 3, padding=1, padding_mode="reflect"),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
                nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(width, 3, 3, padding=1, padding_mode="reflect"),
                nn.Tanh(),
            )
            for _ in range(stages)
        )

    def forward(self, noises: list[Tensor]) -> Tensor:
        y = torch.zeros_like(noises[0])
        for stage, noise in zip(self.stages, noises, strict=True):
            y = F.interpolate(y, size=noise.shape[-2:], mode="bilinear", align_corners=True)
            y = y + stage(y + noise)
        return y


def sizes() -> tuple[Tensor, Tensor]:
    return torch.randn(1, 3, 16, 16), torch.randn(1, 3, 8, 8)


CASES = (
    Case("multi-scale", Pyramid, sizes, elastic=0.99),
    Case(
        "multi-scale-stages",
        Stages,
        lambda: ([torch.randn(1, 3, 8, 8), torch.randn(1, 3, 12, 12)],),
        elastic=0.99,
    ),
)
