"""Style by adaptive instance norm: MUNIT (Huang et al. 2018), whose parameters an MLP makes."""

import torch
import torch.nn.functional as F
from generators.case import Case
from torch import Tensor, nn


class AdaIN(nn.Module):
    """Instance norm whose scale and shift are assigned before it is called."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, channels: int, *, functional: bool) -> None:
        super().__init__()
        self.channels, self.functional = channels, functional
        self.weight = None
        self.bias = None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        assert self.weight is not None, "assign weight and bias first"
        assert self.bias is not None
        if not self.functional:
            scale, shift = self.weight[:, :, None, None], self.bias[:, :, None, None]
            return F.instance_norm(x) * scale + shift
        # As the paper's authors wrote it: one batch norm over all instances' channels.
        b, c = x.size(0), x.size(1)
        mean, var = self.running_mean.repeat(b), self.running_var.repeat(b)
        flat = x.contiguous().view(1, b * c, *x.size()[2:])
        out = F.batch_norm(
            flat, mean, var, self.weight.reshape(-1), self.bias.reshape(-1), training=True
        )
        return out.view(b, c, *x.size()[2:])


class Block(nn.Module):
    """Residual block with adaptive norms."""

    def __init__(self, channels: int, *, functional: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm1 = AdaIN(channels, functional=functional)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm2 = AdaIN(channels, functional=functional)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        result: Tensor = x + self.norm2(self.conv2(y))
        return result


class Munit(nn.Module):
    """Content encoder, an MLP from style to norm parameters, and a decoder."""

    def __init__(self, *, width: int = 8, style: int = 5, functional: bool) -> None:
        super().__init__()
        wide = 2 * width
        self.encoder = nn.Sequential(
            *(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU()),
            *(nn.ReflectionPad2d(1), nn.Conv2d(width, wide, 4, stride=2), nn.InstanceNorm2d(wide)),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(*(Block(wide, functional=functional) for _ in range(2)))
        self.decoder = nn.Sequential(
            *(nn.Upsample(scale_factor=2), nn.Conv2d(wide, width, 5, padding=2)),
            *(nn.GroupNorm(1, width), nn.ReLU()),
            *(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()),
        )
        total = sum(2 * m.channels for m in self.modules() if isinstance(m, AdaIN))
        self.mlp = nn.Sequential(nn.Linear(style, 16), nn.ReLU(), nn.Linear(16, total))

    def assign(self, parameters: Tensor) -> None:
        """Give each adaptive norm its slice."""
        for layer in self.modules():
            if isinstance(layer, AdaIN):
                count = layer.channels
                layer.bias = parameters[:, :count]
                layer.weight = parameters[:, count : 2 * count]
                if parameters.size(1) > 2 * count:
                    parameters = parameters[:, 2 * count :]

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        content = self.encoder(x)
        self.assign(self.mlp(style))
        result: Tensor = self.decoder(self.blocks(content))
        return result


class WholeNorm(nn.Module):
    """A norm over all of a picture's features, with a scale and a shift of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.view(x.size(0), -1)
        mean, std = (one.view(-1, 1, 1, 1) for one in (flat.mean(1), flat.std(1)))
        normal = (x - mean) / (std + 1e-5)
        return normal * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


def bordered(before: int, after: int, kernel: int, stride: int, padding: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(padding), nn.Conv2d(before, after, kernel, stride)]


class PlainBlock(nn.Module):
    """Residual block with instance norms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            *(*bordered(channels, channels, 3, 1, 1), nn.InstanceNorm2d(channels), nn.ReLU()),
            *(*bordered(channels, channels, 3, 1, 1), nn.InstanceNorm2d(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.model(x)
        return result


class PublishedMunit(Munit):
    """The generator of one domain as published (arXiv 1804.04732, appendix B.1).

    Args:
        width: Channels of the first convolutions; 64 as published.
        style: Length of the style; 8 as published.
        mlp: Width of the MLP; 256 as published.
        blocks: Residual blocks of encoder and decoder each; 4 as published.
        encodes_style: Whether it has a style encoder, and takes the style from the picture.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        style: int = 8,
        mlp: int = 256,
        blocks: int = 4,
        encodes_style: bool = False,
    ) -> None:
        nn.Module.__init__(self)
        wide, widest = 2 * width, 4 * width
        if encodes_style:
            steps = ((width, wide), (wide, widest), (widest, widest), (widest, widest))
            self.style_encoder = nn.Sequential(
                *(*bordered(3, width, 7, 1, 3), nn.ReLU()),
                *(layer for a, b in steps for layer in (*bordered(a, b, 4, 2, 1), nn.ReLU())),
                *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(widest, style, 1)),
            )
        self.encoder = nn.Sequential(
            *(*bordered(3, width, 7, 1, 3), nn.InstanceNorm2d(width), nn.ReLU()),
            *(*bordered(width, wide, 4, 2, 1), nn.InstanceNorm2d(wide), nn.ReLU()),
            *(*bordered(wide, widest, 4, 2, 1), nn.InstanceNorm2d(widest), nn.ReLU()),
            *(PlainBlock(widest) for _ in range(blocks)),
        )
        self.blocks = nn.Sequential(*(Block(widest, functional=True) for _ in range(blocks)))
        self.decoder = nn.Sequential(
            *(nn.Upsample(scale_factor=2), *bordered(widest, wide, 5, 1, 2), WholeNorm(wide)),
            *(nn.ReLU(), nn.Upsample(scale_factor=2), *bordered(wide, width, 5, 1, 2)),
            *(WholeNorm(width), nn.ReLU(), *bordered(width, 3, 7, 1, 3), nn.Tanh()),
        )
        total = sum(2 * m.channels for m in self.modules() if isinstance(m, AdaIN))
        self.mlp = nn.Sequential(
            *(nn.Linear(style, mlp), nn.ReLU(), nn.Linear(mlp, mlp), nn.ReLU()),
            nn.Linear(mlp, total),
        )

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        if style is None:
            style = self.style_encoder(x).flatten(1)
        result: Tensor = super().forward(x, style)
        return result


CASES = tuple(
    Case(
        name,
        make=make,
        args=lambda: (torch.randn(1, 3, 16, 16), torch.randn(1, 5)),
        elastic=1.0,
    )
    for name, make in (
        ("munit", lambda: Munit(functional=False)),
        ("munit, by batch norm", lambda: Munit(functional=True)),
    )
)
