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
