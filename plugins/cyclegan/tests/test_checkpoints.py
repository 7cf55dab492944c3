"""Published checkpoints of CycleGAN and of GAN Compression's nets, by their own names."""

from pathlib import Path
from typing import Any

import pytest
import torch
from official_nets import patch_critic, resnet, stirred
from pydantic import ValidationError
from torch import Tensor, nn

from gancompress.gan import ResNetWidths
from gancompress_cyclegan.family import CycleGan
from gancompress_cyclegan.options import CycleGanOptions

FILE = Path("latest_net_G_A.pth")
SMALL = {"size": 32, "generator_width": 12, "blocks": 3, "discriminator_layers": 2}
MOBILE = {**SMALL, "architecture": "mobile_resnet", "discriminator_width": 4}


def published(widths: ResNetWidths, *, mobile: bool = True) -> nn.Module:
    return stirred(resnet(widths, nn.InstanceNorm2d, bias=True, dropout=True, separable=mobile))


def loaded(values: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    family, options = CycleGan(), CycleGanOptions.model_validate(values)
    net = family.generator(options)
    translated = family.import_checkpoint(options, FILE, state)
    assert translated is not None
    net.load_state_dict(translated, strict=True)
    return net.eval()


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    picture = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        expected = theirs(picture.clone())
        assert expected.std() > 0.05
        torch.testing.assert_close(ours(picture), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mobile", [False, True])
def test_full_nets(*, mobile: bool) -> None:
    theirs = published(ResNetWidths.full(12, 3), mobile=mobile)
    state = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    assert_same(loaded(MOBILE if mobile else SMALL, state), theirs)


@pytest.mark.parametrize(
    ("config", "legacy"),
    [("4_4_8_4_12_8_4_4", False), ("4_8_4_12_8_4", False), ("4_8_4_12_8_4", True)],
)
def test_compressed_nets_have_their_widths_in_the_config(config: str, *, legacy: bool) -> None:
    theirs = published(ResNetWidths.parse(config, 3, legacy=legacy))
    values = {**MOBILE, "config_str": config, "legacy": legacy}
    assert_same(loaded(values, theirs.state_dict()), theirs)


def test_a_supernets_checkpoint_is_cut_to_the_first_channels() -> None:
    full, config = published(ResNetWidths.full(12, 3)), "4_12_8_4_12_8_4_8"
    theirs = published(ResNetWidths.parse(config, 3))
    for name, small in theirs.state_dict().items():
        small.copy_(full.state_dict()[name][tuple(slice(n) for n in small.shape)])
    assert_same(loaded({**MOBILE, "config_str": config}, full.state_dict()), theirs)


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_both_ways_of_a_cycle_are_mobile(direction: str) -> None:
    options = CycleGanOptions.model_validate({**MOBILE, "direction": direction})
    objective = CycleGan().teacher_objective(options)
    names = dict(objective.helpers["back"].named_parameters())
    assert any(name.endswith("depthwise.weight") for name in names)


def test_the_critic_of_the_domain_that_is_drawn_is_read() -> None:
    grey = {"data": "pictures", "channels_b": 1, "lambda_identity": 0}
    options = CycleGanOptions.model_validate({**MOBILE, **grey})
    theirs = stirred(patch_critic(1, 4, 2, nn.InstanceNorm2d, bias=True))
    critics = CycleGan().objective(options).discriminators
    critics.load_state_dict(CycleGan().import_discriminators(options, FILE, theirs.state_dict()))
    pictures = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        ours = critics["discriminator"](pictures)
        torch.testing.assert_close(ours, theirs(pictures), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"architecture": "resnet", "config_str": "4_4_4_4_4_4"}, "only the architecture 'mobile"),
        ({"config_str": "4_4_4"}, "has 3 numbers"),
        ({"config_str": "4_4_4_4_4_4_4_4", "legacy": True}, "no legacy class"),
        ({"dropout": True}, "a mobile_resnet has no dropout"),
    ],
)
def test_options_that_fit_no_net(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        CycleGanOptions.model_validate({**MOBILE, **values})
