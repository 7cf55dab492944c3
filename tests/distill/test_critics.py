from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.config import DistillConfig
from gancompress.distill import PictureObjective, distill
from gancompress.distill.critics import (
    FrozenCritics,
    begin_critics,
    reinitialise,
    shape_critics,
)
from gancompress.distill.film import Film, condition_on_widths
from gancompress.distill.narrowing import narrow
from gancompress.errors import ConfigError
from gancompress.gan import MultiScaleDiscriminator, Objective, PairedObjective, PatchDiscriminator
from gancompress_gaugan.objective import GauGanObjective
from tests.distill.test_student import first, objective, pictures, student, teacher

KINDS = ("inherited", "fresh", "scaled", "conditioned", "none")


def state(of: Objective) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.discriminators.state_dict().items()}


def config(kind: str, **settings: Any) -> DistillConfig:
    return DistillConfig.model_validate(
        {"steps": 2, "batch_size": 2, "discriminator": kind} | settings
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_start_trains(kind: str) -> None:
    traced, judges = teacher(), objective()
    before = state(judges)
    result = distill(
        student(traced), teacher=traced, data=pictures(), objective=judges, config=config(kind)
    )
    assert ("gan" in result.metrics) == (kind != "none")
    after = state(judges)
    unchanged = before.keys() == after.keys() and all(
        map(torch.equal, before.values(), after.values())
    )
    assert unchanged == (kind == "none")


def test_inherited_ones_are_left_and_fresh_ones_are_drawn_anew() -> None:
    net, judges = student(teacher()), objective()
    before = state(judges)
    assert begin_critics(judges, config("inherited"), net, first()) is judges
    assert all(map(torch.equal, before.values(), state(judges).values()))
    begin_critics(judges, config("fresh"), net, first())
    weights = {k: v for k, v in state(judges).items() if v.dim() > 1}
    assert not any(torch.equal(before[name], value) for name, value in weights.items())
    assert isinstance(begin_critics(judges, config("none"), net, first()), PictureObjective)


def test_what_no_layer_draws_is_drawn_too() -> None:
    net = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))
    before = {name: value.clone() for name, value in net.named_parameters()}
    reinitialise(net)
    kernel = "parametrizations.weight.original"
    assert not torch.equal(before[kernel], dict(net.named_parameters())[kernel])


def test_scaled_ones_keep_a_share_of_the_channels_and_judge_much_the_same() -> None:
    judges = objective()
    batch = first()
    assert batch.target is not None
    whole = judges.generator_losses(batch, batch.target)
    narrow(judges, 1.0, batch)
    assert torch.allclose(
        judges.generator_losses(batch, batch.target)["gan"], whole["gan"], atol=1e-4
    )
    narrowed = objective()
    net = student(teacher())
    assert shape_critics(narrowed, config("scaled", critic_width=0.5), net, batch) is None
    sizes = {name: tuple(v.shape) for name, v in state(objective()).items()}
    small = {name: tuple(v.shape) for name, v in state(narrowed).items()}
    assert small["discriminator.model.2.weight"] == (4, 2, 4, 4)
    assert sizes["discriminator.model.2.weight"] == (8, 4, 4, 4)
    again = state(narrowed)
    shape_critics(narrowed, config("scaled", critic_width=0.5), net, batch)
    assert all(map(torch.equal, again.values(), state(narrowed).values()))


def test_discriminators_that_show_their_features_are_narrowed_as_well() -> None:
    torch.manual_seed(0)
    judges = GauGanObjective(MultiScaleDiscriminator(6, 8, scales=2, layers=2))
    before = sum(p.numel() for p in judges.discriminators.parameters())
    narrow(judges, 0.5, first())
    assert sum(p.numel() for p in judges.discriminators.parameters()) < 0.5 * before
    losses = judges.generator_losses(first(), first().inputs[0].requires_grad_())
    assert {"gan", "feature_matching"} == set(losses)


def test_discriminators_that_are_made_anew_cannot_be_replaced() -> None:
    class Fleeting(PairedObjective):
        @property
        def discriminators(self) -> nn.ModuleDict:
            return nn.ModuleDict({"discriminator": PatchDiscriminator(6, 4, 2)})

    with pytest.raises(ConfigError, match="makes its discriminators anew"):
        narrow(Fleeting(PatchDiscriminator(6, 4, 2)), 0.5, first())


def test_conditioned_ones_begin_as_they_were_and_learn_to_tell_subnets_apart() -> None:
    judges, net = objective(), student(teacher())
    batch = first()
    assert batch.target is not None
    before = judges.generator_losses(batch, batch.target)["gan"]
    condition = shape_critics(judges, config("conditioned"), net, batch)
    assert condition is not None
    assert condition is shape_critics(judges, config("conditioned"), net, batch)
    condition.set(net.space.smallest())
    assert torch.equal(judges.generator_losses(batch, batch.target)["gan"], before)
    films = [module for module in judges.discriminators.modules() if isinstance(module, Film)]
    assert films
    with torch.no_grad():
        for film in films:
            film.scale_shift.weight.normal_(std=0.1)
    narrow_loss = judges.generator_losses(batch, batch.target)["gan"]
    condition.set(net.space.largest())
    assert not torch.equal(judges.generator_losses(batch, batch.target)["gan"], narrow_loss)


def test_the_condition_is_told_every_subnet_and_is_saved_with_the_discriminators() -> None:
    traced, judges = teacher(), objective()
    net = student(traced)
    distill(
        net,
        teacher=traced,
        data=pictures(),
        objective=judges,
        config=config("conditioned", sampling="sandwich"),
    )
    names = [name for name in state(judges) if ".film." in name]
    # Of the second step, which is the smallest subnet's: relative widths of a half.
    films = [m for m in judges.discriminators.modules() if isinstance(m, Film)]
    assert set(films[0].condition.values.tolist()) == {0.5}
    assert names
    other = objective()
    condition_on_widths(other.discriminators, films[0].condition.units)
    other.discriminators.load_state_dict(state(judges))
    assert any(bool(v.abs().max() > 0) for k, v in state(other).items() if ".film." in k)


def test_frozen_critics_give_a_map_for_every_convolution_and_a_gradient_to_the_picture() -> None:
    judges = objective()
    frozen = FrozenCritics(judges)
    picture = first().inputs[0].requires_grad_()
    maps = frozen(first(), picture)
    assert len(maps) == 4
    maps[-1].sum().backward()  # type: ignore[no-untyped-call]
    assert picture.grad is not None
    frozen.to(torch.device("cpu"))
    assert all(p.grad is None for p in judges.discriminators.parameters())
    assert len(frozen(first(), picture)) == 4
