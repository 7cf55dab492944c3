import pytest
import torch
from torch import nn
from torch.amp import GradScaler

from gancompress.config import OptimiserConfig
from gancompress.distill.processes import Team
from gancompress.distill.turn import Turn, rate_factor


def turn(net: nn.Module, *, half: bool = False, clip: float | None = None) -> Turn:
    scaler = GradScaler("cpu", enabled=half)
    return Turn(net.parameters(), Team(), rate=0.1, betas=(0.5, 0.999), clip=clip, scaler=scaler)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("linear", [1.0, 1.0, 1.0, 0.5, 0.0]),
        ("cosine", [1.0, 1.0, 1.0, 0.5, 0.0]),
        ("step", [1.0, 1.0, 0.5, 0.25, 0.125]),
        ("constant", [1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_schedules_fall_from_where_they_are_told(schedule: str, factors: list[float]) -> None:
    config = OptimiserConfig.model_validate({"schedule": schedule, "decay_every": 0.25})
    assert [rate_factor(config, step, 100) for step in (0, 49, 50, 75, 100)] == pytest.approx(
        factors, abs=1e-12
    )


def test_a_cosine_falls_slowly_at_first() -> None:
    linear, cosine = (
        OptimiserConfig.model_validate({"schedule": name, "decay_from": 0.0})
        for name in ("linear", "cosine")
    )
    assert rate_factor(cosine, 10, 100) > rate_factor(linear, 10, 100)
    assert rate_factor(cosine, 90, 100) < rate_factor(linear, 90, 100)


def test_a_gradient_is_clipped_after_it_was_unscaled() -> None:
    # Two nets of equal weights: what the scaler does must not be seen in the step.
    torch.manual_seed(0)
    nets = [nn.Linear(3, 1), nn.Linear(3, 1)]
    nets[1].load_state_dict(nets[0].state_dict())
    for net, half in zip(nets, (False, True), strict=True):
        one = turn(net, half=half, clip=1e-3)
        one.backward({"loss": net(torch.ones(2, 3)).square().mean()})
        one.step()
    assert torch.allclose(nets[0].weight, nets[1].weight, atol=1e-6)
    assert nets[0].weight.grad is None


def test_a_gradient_that_overflows_is_skipped_and_halves_the_scale() -> None:
    net = nn.Linear(2, 1)
    before = net.weight.detach().clone()
    one = turn(net, half=True)
    scale = one.scaler.get_scale()
    one.backward({"loss": net(torch.ones(1, 2)).sum() * 1e38})
    one.step()
    assert torch.equal(net.weight, before)
    assert one.scaler.get_scale() == scale / 2
    again = turn(net, half=True)
    again.state = one.state
    assert again.scaler.get_scale() == scale / 2
    assert again.state == one.state


def test_the_scaler_of_one_network_does_not_hear_of_the_other() -> None:
    nets = [nn.Linear(2, 1), nn.Linear(2, 1)]
    turns = [turn(net, half=True) for net in nets]
    turns[0].backward({"loss": nets[0](torch.ones(1, 2)).sum() * 1e38})
    turns[0].step()
    assert turns[1].scaler.get_scale() == 2 * turns[0].scaler.get_scale()


def test_without_half_precision_there_is_no_state() -> None:
    one = turn(nn.Linear(2, 1))
    one.state = {"scale": 2.0}
    assert one.state == {}
