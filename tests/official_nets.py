"""Nets of the published codes, written here from the papers alone, with the published names.

They are rows of torch layers in the published order, so their state dicts have the names of the
published files without being written by the kit.
"""

import itertools
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from gancompress.gan import ResNetWidths

Norm = Callable[[int], nn.Module]
relu = partial(nn.ReLU, inplace=True)
leaky = partial(nn.LeakyReLU, 0.2, inplace=True)


class Sum(nn.Module):
    """A residual block of the published name."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.conv_block(x)
        return result


class Separable(nn.Module):
    """Depthwise, norm, pointwise, under the published name."""

    def __init__(self, channels: int, out: int, *, padding: int = 0) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=padding, groups=channels),
            nn.InstanceNorm2d(channels),
            nn.Conv2d(channels, out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


class Model(nn.Module):
    """Everything lies under ``model``."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x)
        return result


class Skip(Model):
    """A level of a U-Net: in-place activation, so that the skip is what it has left."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)


def resnet(
    widths: ResNetWidths, norm: Norm, *, bias: bool, dropout: bool, separable: bool = False
) -> nn.Module:
    def conv(a: int, b: int) -> nn.Module:
        return Separable(a, b) if separable else nn.Conv2d(a, b, 3, bias=bias)

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, widths.first, 7, bias=bias)]
    layers += [norm(widths.first), relu()]
    for a, b in ((widths.first, widths.down), (widths.down, widths.stream)):
        layers += [nn.Conv2d(a, b, 3, 2, 1, bias=bias), norm(b), relu()]
    for inside in widths.inside:
        block = [
            nn.ReflectionPad2d(1),
            conv(widths.stream, inside),
            norm(inside),
            relu(),
        ]
        block += [nn.Dropout(0.5)] if dropout else []
        block += [nn.ReflectionPad2d(1), conv(inside, widths.stream), norm(widths.stream)]
        layers.append(Sum(block))
    for a, b in ((widths.stream, widths.up), (widths.up, widths.last)):
        up = nn.ConvTranspose2d(a, b, 3, 2, 1, output_padding=1, bias=bias)
        layers += [up, norm(b), relu()]
    layers += [nn.ReflectionPad2d(3), nn.Conv2d(widths.last, 3, 7), nn.Tanh()]
    return Model(layers)


def unet(depth: int, width: int, norm: Norm, *, bias: bool, dropout: bool) -> nn.Module:
    wide = 8 * width
    net: nn.Module = Skip(
        [
            *(leaky(), nn.Conv2d(wide, wide, 4, 2, 1, bias=bias)),
            *(
                relu(),
                nn.ConvTranspose2d(wide, wide, 4, 2, 1, bias=bias),
                norm(wide),
            ),
        ]
    )
    steps = [(8, 8)] * (depth - 5) + [(4, 8), (2, 4), (1, 2)]
    for outer, inner in ((a * width, b * width) for a, b in steps):
        layers = [
            *(
                leaky(),
                nn.Conv2d(outer, inner, 4, 2, 1, bias=bias),
                norm(inner),
            ),
            net,
            *(
                relu(),
                nn.ConvTranspose2d(2 * inner, outer, 4, 2, 1, bias=bias),
                norm(outer),
            ),
        ]
        net = Skip([*layers, *([nn.Dropout(0.5)] if dropout and outer == wide else [])])
    outermost = [nn.Conv2d(3, width, 4, 2, 1, bias=bias), net, relu()]
    return Model2([*outermost, nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh()])


class Model2(nn.Module):
    """The outermost level lies under ``model.model``."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.model = Model(layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(x)
        return result


def patch_critic(channels: int, width: int, layers: int, norm: Norm, *, bias: bool) -> nn.Module:
    row: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), leaky()]
    wide = [width * min(2**depth, 8) for depth in range(layers + 1)]
    for depth, (a, b) in enumerate(itertools.pairwise(wide), 1):
        stride = 2 if depth < layers else 1
        row += [nn.Conv2d(a, b, 4, stride, 1, bias=bias), norm(b), leaky()]
    return Model([*row, nn.Conv2d(wide[-1], 1, 4, 1, 1)])


class PixelCritic(nn.Module):
    """Everything lies under ``net``."""

    def __init__(self, channels: int, width: int, norm: Norm, *, bias: bool) -> None:
        super().__init__()
        self.net = nn.Sequential(
            *(nn.Conv2d(channels, width, 1), leaky(), nn.Conv2d(width, 2 * width, 1, bias=bias)),
            *(norm(2 * width), leaky(), nn.Conv2d(2 * width, 1, 1, bias=bias)),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result


class Scale(nn.Module):
    """One resolution of a discriminator: ``model0``, ``model1``, …"""

    def __init__(self, channels: int, width: int, layers: int, norm: Norm | None) -> None:
        super().__init__()
        self.model0 = nn.Sequential(nn.Conv2d(channels, width, 4, 2, 2), nn.LeakyReLU(0.2))
        for depth in range(1, layers):
            stride = 1 if depth == layers - 1 else 2
            conv = nn.Conv2d(width, 2 * width, 4, stride, 2, bias=norm is None)
            width *= 2
            layer: nn.Module = spectral_norm(conv)
            layer = layer if norm is None else nn.Sequential(layer, norm(width))
            self.add_module(f"model{depth}", nn.Sequential(layer, nn.LeakyReLU(0.2)))
        self.add_module(f"model{layers}", nn.Sequential(nn.Conv2d(width, 1, 4, 1, 2)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outputs = []
        for stage in self.children():
            x = stage(x)
            outputs.append(x)
        return tuple(outputs)


class ScaleCritic(nn.Module):
    """Discriminators at several resolutions: ``discriminator_0``, …"""

    def __init__(self, channels: int, width: int, layers: int, norm: Norm | None) -> None:
        super().__init__()
        for scale in range(2):
            self.add_module(f"discriminator_{scale}", Scale(channels, width, layers, norm))

    def forward(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        outputs = []
        for scale in self.children():
            outputs.append(scale(x))
            x = F.avg_pool2d(x, 3, 2, [1, 1], count_include_pad=False)
        return tuple(outputs)


class LabelNorm(nn.Module):
    """A norm by the label map; a compressed net keeps the norm of the full width."""

    def __init__(
        self, channels: int, full: int, labels: int, hidden: int, *, separable: bool
    ) -> None:
        super().__init__()
        self.param_free_norm = nn.BatchNorm2d(full, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        for name in ("mlp_gamma", "mlp_beta"):
            kind = Separable if separable else partial(nn.Conv2d, kernel_size=3)
            self.add_module(name, kind(hidden, channels, padding=1))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        count = x.shape[1]
        padded = F.pad(x, (0, 0, 0, 0, 0, self.param_free_norm.num_features - count))
        normal = self.param_free_norm(padded)[:, :count]
        hidden = self.mlp_shared(F.interpolate(labels, size=x.shape[2:], mode="nearest"))
        result: Tensor = normal * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return result


class LabelBlock(nn.Module):
    """A residual block whose norms see the label map."""

    def __init__(
        self,
        widths: tuple[int, int, int],
        full: tuple[int, int],
        labels: int,
        hidden: int,
        *,
        separable: bool,
        spectral: bool,
    ) -> None:
        super().__init__()
        before, inside, after = widths
        make = partial(LabelNorm, labels=labels, hidden=hidden, separable=separable)
        self.conv_0 = nn.Conv2d(before, inside, 3, padding=1)
        self.conv_1 = nn.Conv2d(inside, after, 3, padding=1)
        self.norm_0, self.norm_1 = make(before, full[0]), make(inside, min(full))
        self.learned = full[0] != full[1]
        if self.learned:
            self.conv_s = nn.Conv2d(before, after, 1, bias=False)
            self.norm_s = make(before, full[0])
        if spectral:
            for name in ("conv_0", "conv_1", *(["conv_s"] if self.learned else [])):
                spectral_norm(getattr(self, name))

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        y = self.conv_0(F.leaky_relu(self.norm_0(x, labels), 0.2))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, labels), 0.2))
        result: Tensor = (self.conv_s(self.norm_s(x, labels)) if self.learned else x) + y
        return result


BLOCK_NAMES = ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")


class LabelGenerator(nn.Module):
    """SPADE at 1/32: with eight numbers a compressed one, else one of the full width.

    Args:
        labels: Channels of the label map.
        width: Channels of the last block of the full net (``ngf``).
        numbers: A config of GAN Compression.
        separable: Whether it is mobile.
        spectral: Whether its blocks have spectral norm.
        hidden: Between label map and norm, for the full width.
    """

    def __init__(
        self,
        labels: int,
        width: int,
        numbers: tuple[int, ...] | None = None,
        *,
        separable: bool = True,
        spectral: bool = False,
        hidden: int | None = None,
    ) -> None:
        super().__init__()
        numbers = numbers or (width,) * 8
        fulls = [width * n for n in (16, 16, 16, 16, 8, 4, 2, 1)]
        before = 16 * numbers[0]
        self.fc = nn.Conv2d(labels, before, 3, padding=1)
        for place, name in enumerate(BLOCK_NAMES, 1):
            inside = numbers[place] * fulls[place] // width
            after = inside if name.startswith("up") else before
            block = LabelBlock(
                (before, inside, after),
                (fulls[place - 1], fulls[place]),
                labels,
                hidden or 2 * numbers[place],
                separable=separable,
                spectral=spectral,
            )
            self.add_module(name, block)
            before = after
        self.conv_img = nn.Conv2d(before, 3, 3, padding=1)

    def forward(self, labels: Tensor) -> Tensor:
        size = (labels.shape[2] // 32, labels.shape[3] // 32)
        x = self.head_0(self.fc(F.interpolate(labels, size=size)), labels)
        x = self.G_middle_0(F.interpolate(x, scale_factor=2), labels)
        x = self.G_middle_1(x, labels)
        for name in BLOCK_NAMES[3:]:
            x = self.get_submodule(name)(F.interpolate(x, scale_factor=2), labels)
        return torch.tanh(self.conv_img(F.leaky_relu(x, 0.2)))


def stirred(net: nn.Module) -> nn.Module:
    """Give a net weights and statistics that hide nothing, large enough for clear pictures."""
    torch.manual_seed(0)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value) * 0.2)
            if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
                value.abs_().add_(0.5)
    return net.eval()
