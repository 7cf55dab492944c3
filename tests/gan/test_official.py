"""Checkpoints in the published layouts, against nets written here from the papers alone.

The nets of this file are rows of torch layers in the published order, so their state dicts have
the published names without being written by the kit.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.gan import (
    MobileResNetGenerator,
    ResNetGenerator,
    ResNetWidths,
    UNetGenerator,
    norm_layer,
    official_state,
)

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

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, groups=channels),
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


def stirred(net: nn.Module) -> nn.Module:
    """Give a net weights and statistics that hide nothing, large enough for clear pictures."""
    torch.manual_seed(0)
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value) * 0.2)
            if name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
                value.abs_().add_(0.5)
    return net.eval()


def loaded(ours: nn.Module, state: dict[str, Tensor], *, slices: bool = False) -> nn.Module:
    ours.load_state_dict(official_state(ours, state, slices=slices), strict=True)
    return ours.eval()


def assert_same(ours: nn.Module, theirs: nn.Module, size: int = 32) -> None:
    torch.manual_seed(1)
    picture = torch.rand(2, 3, size, size) * 2 - 1
    with torch.no_grad():
        expected = theirs(picture.clone())
        assert expected.std() > 0.05
        torch.testing.assert_close(ours(picture), expected, rtol=0, atol=1e-5)


def old_statistics(state: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Add what instance norms before PyTorch 0.4 kept and never read."""
    return {
        **state,
        "model.2.running_mean": torch.ones(channels),
        "model.2.running_var": torch.ones(channels),
        "model.11.conv_block.2.running_mean": torch.ones(4 * channels),
    }


@pytest.mark.parametrize("theirs_drops", [False, True])
@pytest.mark.parametrize("ours_drops", [False, True])
def test_resnets_with_and_without_dropout(*, theirs_drops: bool, ours_drops: bool) -> None:
    widths, norm = ResNetWidths.full(4, 2), norm_layer("instance")
    theirs = stirred(resnet(widths, norm, bias=True, dropout=theirs_drops))
    state = {f"module.{k}": v for k, v in old_statistics(theirs.state_dict(), 4).items()}
    second = f"module.model.10.conv_block.{6 if theirs_drops else 5}.weight"
    assert second in state
    assert_same(loaded(ResNetGenerator(3, 3, 4, 2, dropout=ours_drops), state), theirs)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_resnets_without_bias(norm: Any) -> None:
    theirs = stirred(resnet(ResNetWidths.full(4, 2), norm_layer(norm), bias=False, dropout=False))
    state = dict(theirs.state_dict())
    assert "model.1.bias" not in state
    assert ("model.2.running_mean" in state) == (norm == "batch")
    assert_same(loaded(ResNetGenerator(3, 3, 4, 2, norm), state), theirs)


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("dropout", [False, True])
def test_unets(norm: Any, *, dropout: bool) -> None:
    theirs = stirred(unet(6, 2, norm_layer(norm), bias=norm == "instance", dropout=dropout))
    state = dict(theirs.state_dict())
    assert "model.model.1.model.3.model.3.model.3.model.5.weight" in state
    assert_same(loaded(UNetGenerator(3, 3, 2, 6, norm, dropout=dropout), state), theirs, 64)


@pytest.mark.parametrize("config", ["4_4_8_4_12_8_4_4", "4_8_4_12_8_4"])
def test_compressed_checkpoints_have_their_widths_in_the_config(config: str) -> None:
    widths = ResNetWidths.parse(config, 3)
    theirs = stirred(resnet(widths, nn.InstanceNorm2d, bias=True, dropout=True, separable=True))
    state = dict(theirs.state_dict())
    assert "model.12.conv_block.6.conv.2.bias" in state
    assert_same(loaded(MobileResNetGenerator(widths), state), theirs)


def test_a_supernets_checkpoint_is_cut_to_the_first_channels() -> None:
    full = stirred(
        resnet(ResNetWidths.full(12, 3), nn.InstanceNorm2d, bias=True, dropout=True, separable=True)
    )
    widths = ResNetWidths.parse("4_12_8_4_12_8_4_8", 3)
    theirs = resnet(widths, nn.InstanceNorm2d, bias=True, dropout=True, separable=True).eval()
    # A weight-sharing layer computes with the first channels of its weight, by hand here.
    for name, small in theirs.state_dict().items():
        small.copy_(full.state_dict()[name][tuple(slice(n) for n in small.shape)])
    ours = loaded(MobileResNetGenerator(widths), dict(full.state_dict()), slices=True)
    assert_same(ours, theirs)
    assert_same(loaded(MobileResNetGenerator(ResNetWidths.full(12, 3)), full.state_dict()), full)


def test_pictures_channels_and_kernels_are_never_cut() -> None:
    widths = ResNetWidths.parse("4_4_4_4_4_4", 3)
    state = dict(MobileResNetGenerator(ResNetWidths.full(8, 3)).state_dict())
    grey = MobileResNetGenerator(widths, channels_in=1, channels_out=1)
    cut = official_state(grey, state, slices=True)
    unlike = {k for k, v in grey.state_dict().items() if v.shape != cut[k].shape}
    assert unlike == {"model.1.weight", "model.20.weight", "model.20.bias"}
    state["model.4.weight"] = torch.zeros(16, 8, 5, 5)
    assert official_state(grey, state, slices=True)["model.4.weight"].shape == (16, 8, 5, 5)


def spectral(net: nn.Sequential, wrap: Any) -> nn.Sequential:
    for layer in net:
        if hasattr(layer, "weight"):
            wrap(layer)
    return net


def two_layers() -> nn.Sequential:
    # As many channels in as out: only the kind of layer tells which axis is which.
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.ConvTranspose2d(6, 6, 3))


@pytest.mark.parametrize("api", ["old", "before 1.0", "new"])
@pytest.mark.parametrize("ours", ["plain", "parametrised"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*|.*spectral_norm.* is deprecated")
def test_spectral_norm_of_every_release(api: str, ours: str) -> None:
    torch.manual_seed(0)
    theirs = spectral(two_layers(), nn.utils.spectral_norm).train()
    for _ in range(30):  # its vectors move with every call, and have to be taken as they are
        theirs(torch.rand(1, 3, 8, 8))
    theirs.eval()
    state: dict[str, Tensor] = dict(theirs.state_dict())
    assert {"0.weight_orig", "0.weight_u", "0.weight_v", "0.bias"} <= state.keys()
    if api == "before 1.0":
        state = {k: v for k, v in state.items() if not k.endswith("_v")}
        state["0.weight"] = torch.zeros(6, 3, 3, 3)
    if api == "new":
        state = renamed(state)
    net = two_layers()
    if ours == "parametrised":
        net = spectral(net, nn.utils.parametrizations.spectral_norm)
    picture = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        found = loaded(net, state)(picture)
        torch.testing.assert_close(found, theirs(picture), rtol=0, atol=1e-5)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for old, new in (("orig", "original"), ("u", "0._u"), ("v", "0._v")):
        state = {k.replace(f"weight_{old}", f"parametrizations.weight.{new}"): v
                 for k, v in state.items()}  # fmt: skip
    return state


def test_what_fits_is_not_touched_and_what_does_not_stays_to_be_named() -> None:
    net = ResNetGenerator(width=4, blocks=1)
    state = OrderedDict(net.state_dict())
    assert all(official_state(net, state)[k] is v for k, v in state.items())
    odd = official_state(net, {**state, "model.99.weight": torch.zeros(3)})
    assert "model.99.weight" in odd
    del state["model.1.weight"]
    assert "model.1.weight" not in official_state(net, state)
    assert official_state(net, {}) == {}
