"""U-Net generators: pix2pix (Isola et al. 2017), nested, with concatenation and dropout."""

import torch
from generators.case import Case
from torch import Tensor, nn


class Level(nn.Module):
    """Down, the next level, up; what entered is put beside what comes out."""

    def __init__(
        self, outer: int, inner: int, below: nn.Module | None, *, inputs: int = 0, dropout: bool
    ) -> None:
        super().__init__()
        self.outermost = inputs > 0
        down = nn.Conv2d(inputs or outer, inner, 4, stride=2, padding=1)
        up = nn.ConvTranspose2d(inner * (2 if below else 1), outer, 4, stride=2, padding=1)
        layers: list[nn.Module] = (
            [down] if self.outermost else [nn.LeakyReLU(0.2, inplace=True), down]
        )
        if below is not None:
            layers += [*([] if self.outermost else [nn.BatchNorm2d(inner)]), below]
        layers += [nn.ReLU(inplace=True), up]
        layers += [nn.Tanh()] if self.outermost else [nn.BatchNorm2d(outer)]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x)
        return result if self.outermost else torch.cat([x, result], 1)


class UNet(nn.Module):
    """Four levels, built from the inside."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        net = Level(4 * width, 4 * width, None, dropout=False)
        net = Level(2 * width, 4 * width, net, dropout=True)
        net = Level(width, 2 * width, net, dropout=True)
        self.net = Level(3, width, net, inputs=3, dropout=False)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result


CASES = (
    Case(
        "unet",
        UNet,
        args=lambda: (torch.randn(1, 3, 32, 32),),
        elastic=1.0,
        compile=True,
    ),
)
