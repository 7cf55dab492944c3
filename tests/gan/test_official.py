"""Checkpoints in the published layouts, against nets with the published names."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from official_nets import PixelCritic, ScaleCritic, patch_critic, resnet, stirred, unet
from torch import Tensor, nn

from gancompress.gan import (
    MobileResNetGenerator,
    MultiScaleDiscriminator,
    PatchDiscriminator,
    PixelDiscriminator,
    ResNetGenerator,
    ResNetWidths,
    UNetGenerator,
    norm_layer,
    official_critic,
    official_state,
)


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


def test_statistics_from_before_batches_were_counted_get_a_counter() -> None:
    widths, norm = ResNetWidths.full(4, 1), norm_layer("batch")
    theirs = stirred(resnet(widths, norm, bias=False, dropout=False))
    state = {k: v for k, v in theirs.state_dict().items() if not k.endswith("batches_tracked")}
    assert_same(loaded(ResNetGenerator(3, 3, 4, 1, "batch"), state), theirs)
    # Statistics that are lacking altogether stay to be named.
    bare = {k: v for k, v in state.items() if "running" not in k}
    lacking = ResNetGenerator(3, 3, 4, 1, "batch").state_dict().keys()
    assert "model.2.num_batches_tracked" in lacking - official_state(ResNetGenerator(
        3, 3, 4, 1, "batch"), bare).keys()  # fmt: skip


@pytest.mark.parametrize("kind", ["patch", "pixel"])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_critics_of_patches_and_pixels(kind: str, norm: Any) -> None:
    make, bias = norm_layer(norm), norm == "instance"
    theirs = stirred(
        patch_critic(6, 4, 2, make, bias=bias)
        if kind == "patch"
        else PixelCritic(6, 4, make, bias=bias)
    )
    ours = PatchDiscriminator(6, 4, 2, norm) if kind == "patch" else PixelDiscriminator(6, 4, norm)
    state = {f"module.{k}": v for k, v in theirs.state_dict().items()}
    critics = nn.ModuleDict({"discriminator": ours})
    critics.load_state_dict(official_critic(ours, state))
    pictures = torch.rand(2, 6, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(pictures), theirs(pictures), rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.filterwarnings("ignore:.*spectral_norm.* is deprecated")
def test_critics_at_several_resolutions(norm: Any) -> None:
    torch.manual_seed(0)
    theirs = ScaleCritic(5, 4, 3, None if norm == "none" else norm_layer(norm))
    for _ in range(3):
        theirs(torch.rand(2, 5, 32, 32))  # the singular vectors settle
    theirs.eval()
    state = theirs.state_dict()
    inner = "discriminator_1.model1.0" if norm == "none" else "discriminator_1.model1.0.0"
    assert f"{inner}.weight_orig" in state
    ours = MultiScaleDiscriminator(5, 4, 3, 2, norm)
    critics = nn.ModuleDict({"discriminator": ours})
    critics.load_state_dict(official_critic(ours, state))
    pictures = torch.rand(2, 5, 32, 32)
    with torch.no_grad():
        for found, expected in zip(ours.eval()(pictures), theirs(pictures), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    narrow = official_critic(MultiScaleDiscriminator(5, 4, 2, 1, norm), state)
    assert "discriminator.scales.1.stages.3.0.weight" in narrow  # left to be named
