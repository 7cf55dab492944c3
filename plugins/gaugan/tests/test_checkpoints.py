"""Published checkpoints of SPADE and of GAN Compression's mobile nets, by their own names."""

from pathlib import Path
from typing import Any

import pytest
import torch
from official_nets import LabelGenerator, ScaleCritic
from pydantic import ValidationError
from torch import Tensor, nn

from gancompress.gan import norm_layer
from gancompress_gaugan.family import GauGan
from gancompress_gaugan.options import GauGanOptions

FILE = Path("latest_net_G.pth")
OPTIONS = {"size": 64, "generator_width": 4, "hidden": 8, "discriminator_width": 4}
MOBILE = {**OPTIONS, "architecture": "mobile_spade", "spectral": False}
NUMBERS = (2, 3, 4, 1, 4, 2, 3, 2)
CONFIG = "_".join(map(str, NUMBERS))

pytestmark = pytest.mark.filterwarnings("ignore:.*spectral_norm.* is deprecated")


def stirred(net: nn.Module) -> nn.Module:
    """Let statistics and singular vectors be those of a net that was trained."""
    torch.manual_seed(1)
    for name, value in net.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    maps = labels()
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items() if "running" in k}
    for _ in range(2):
        net(maps)
    net.load_state_dict(before, strict=False)
    return net.eval()


def labels() -> Tensor:
    return nn.functional.one_hot(torch.randint(17, (2, 64, 64)), 17).permute(0, 3, 1, 2).float()


def loaded(values: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    family, options = GauGan(), GauGanOptions.model_validate(values)
    net = family.generator(options)
    net.load_state_dict(family.import_checkpoint(options, FILE, state), strict=True)
    return net.eval()


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    maps = labels()
    with torch.no_grad():
        expected = theirs(maps)
        assert expected.std() > 1e-3
        torch.testing.assert_close(ours(maps), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("before_0_4_1", [False, True])
@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("mobile", [False, True])
def test_full_nets(*, mobile: bool, spectral: bool, before_0_4_1: bool) -> None:
    torch.manual_seed(0)
    theirs = stirred(LabelGenerator(17, 4, separable=mobile, spectral=True, hidden=8))
    state = {f"module.{k}": v for k, v in theirs.state_dict().items()}
    assert "module.up_0.conv_s.weight_orig" in state
    assert ("module.up_0.norm_s.mlp_beta.conv.2.bias" in state) == mobile
    if before_0_4_1:
        state = {k: v for k, v in state.items() if not k.endswith("batches_tracked")}
    values = {**(MOBILE if mobile else OPTIONS), "spectral": spectral}
    assert_same(loaded(values, state), theirs)


def test_compressed_nets_keep_the_norm_of_the_full_width() -> None:
    torch.manual_seed(0)
    theirs = stirred(LabelGenerator(17, 4, NUMBERS))
    state = theirs.state_dict()
    assert state["head_0.conv_0.weight"].shape == (48, 32, 3, 3)
    assert state["head_0.norm_0.param_free_norm.running_mean"].shape == (64,)
    assert_same(loaded({**MOBILE, "config_str": CONFIG}, state), theirs)


def test_a_supernets_checkpoint_is_cut_to_the_first_channels() -> None:
    torch.manual_seed(0)
    full, theirs = stirred(LabelGenerator(17, 4)), LabelGenerator(17, 4, NUMBERS).eval()
    # A weight-sharing layer computes with the first channels of its weight, by hand here.
    for name, small in theirs.state_dict().items():
        small.copy_(full.state_dict()[name][tuple(slice(n) for n in small.shape)])
    assert_same(loaded({**MOBILE, "config_str": CONFIG}, full.state_dict()), theirs)
    assert_same(loaded(MOBILE, full.state_dict()), full)


def test_a_narrow_block_keeps_the_shortcut_that_the_full_net_has() -> None:
    # 16 times 1 channels go into up_0, and 8 times 2 come out of it.
    numbers = (1, 1, 1, 1, 2, 4, 4, 4)
    torch.manual_seed(0)
    theirs = stirred(LabelGenerator(17, 4, numbers))
    values = {**MOBILE, "config_str": "_".join(map(str, numbers))}
    assert_same(loaded(values, theirs.state_dict()), theirs)


def test_a_label_map_of_other_classes_is_never_cut() -> None:
    values = {**MOBILE, "config_str": CONFIG}
    family, options = GauGan(), GauGanOptions.model_validate(values)
    found = family.import_checkpoint(options, FILE, LabelGenerator(20, 4).state_dict())
    assert found["fc.weight"].shape[1] == 20


def test_own_checkpoints_stay_as_they_are() -> None:
    family, options = GauGan(), GauGanOptions.model_validate(OPTIONS)
    state = family.generator(options).state_dict()
    found = family.import_checkpoint(options, FILE, state)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) for name, value in state.items())


def test_the_critic_of_several_resolutions_is_read() -> None:
    torch.manual_seed(0)
    family, options = GauGan(), GauGanOptions.model_validate(OPTIONS)
    theirs = ScaleCritic(20, 4, 4, norm_layer("instance"))
    pictures = torch.rand(2, 20, 64, 64)
    for _ in range(3):
        theirs(pictures)
    critics = family.objective(options).discriminators
    critics.load_state_dict(family.import_discriminators(options, FILE, theirs.state_dict()))
    with torch.no_grad():
        ours = critics["discriminator"].eval()(pictures)
        for found, expected in zip(ours, theirs.eval()(pictures), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"config_str": CONFIG, "architecture": "spade"}, "only the architecture 'mobile_spade'"),
        ({"config_str": "1_2_3"}, "has 3 numbers"),
        ({"config_str": "a"}, "no row of positive whole numbers"),
        ({"config_str": CONFIG, "upsampling": "most", "data": "x", "size": 128}, "'most' has a"),
    ],
)
def test_configs_that_fit_no_net(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        GauGanOptions.model_validate({**MOBILE, **values})
