from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.errors import AnalysisError
from gancompress.gan import Batch
from gancompress.graph import IgnoredScope, trace
from gancompress.passes import Decompose, Patches, collect_activations, decomposable
from gancompress.passes.activations import MOST_BYTES


class Net(nn.Module):
    """Noise, dropout, a batch norm, a layer that is called twice and one that works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 3, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.point = nn.Conv2d(4, 4, 1)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.drop = nn.Dropout(0.5)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.up(x))
        x = self.twice(self.act(self.twice(self.drop(x + torch.randn_like(x)))))
        result: Tensor = self.depthwise(self.point(x))
        return result


def batches(count: int = 2) -> list[tuple[Tensor]]:
    rng = torch.Generator().manual_seed(0)
    return [(torch.randn(2, 3, 6, 6, generator=rng),) for _ in range(count)]


def traced_net() -> Any:
    torch.manual_seed(0)
    return trace(Net().train(), batches(1)[0])


def test_decomposable_layers_come_in_the_order_of_execution() -> None:
    traced = traced_net()
    assert decomposable(traced) == ("up", "twice")
    assert decomposable(traced, IgnoredScope(names=["up"])) == ("twice",)
    assert decomposable(Decompose(["up", "twice"]).apply(traced)) == ()
    with pytest.raises(AnalysisError, match="'upp'"):
        decomposable(traced, IgnoredScope(names=["upp"]))


def test_what_is_collected_is_repeatable_and_leaves_the_generator_alone() -> None:
    traced = traced_net()
    before = {name: value.clone() for name, value in traced.module.state_dict().items()}
    state = torch.random.get_rng_state()
    found = collect_activations(traced, batches(), ["up", "twice"], positions=60)
    assert torch.equal(state, torch.random.get_rng_state())
    assert traced.module.training
    for name, value in traced.module.state_dict().items():
        assert torch.equal(value, before[name])
    # Evenly from both batches, and from both calls of the one that is called twice.
    assert found["up"].values.shape == (60, 3, 9)
    assert found["twice"].values.shape == (60, 4, 9)
    again = collect_activations(
        traced, [Batch(one) for one in batches()], ["up", "twice"], positions=60
    )
    assert all(torch.equal(found[path].values, again[path].values) for path in found)
    other = collect_activations(traced, batches(), ["up"], positions=60, seed=1)
    assert not torch.equal(found["up"].values, other["up"].values)


def test_memory_is_bounded_for_wide_layers() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2048, 1, 5, padding=2, bias=False)
    traced = trace(nn.Sequential(layer).eval(), (torch.zeros(1, 2048, 32, 32),))
    (found,) = collect_activations(traced, [(torch.randn(1, 2048, 32, 32),)], ["0"]).values()
    assert found.values.nbytes <= MOST_BYTES
    assert len(found.values) == MOST_BYTES // (2048 * 25 * 4)


def test_a_layer_that_nothing_reaches_keeps_its_weights() -> None:
    torch.manual_seed(0)
    for layer in (nn.Conv2d(4, 6, 3).double(), nn.ConvTranspose2d(4, 6, 3).double()):
        x = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
        traced = trace(nn.Sequential(layer).eval(), (x,))
        fitted = Decompose(["0"], calibration=[(x,)]).apply(traced).module.state_dict()
        for name, value in Decompose(["0"]).apply(traced).module.state_dict().items():
            torch.testing.assert_close(fitted[name], value)


def test_float32_and_half_precision_are_kept() -> None:
    layer = nn.Conv2d(8, 8, 3, padding=1).bfloat16()
    x = torch.randn(1, 8, 8, 8).bfloat16()
    traced = trace(nn.Sequential(layer).eval(), (x,))
    result = Decompose(["0"], calibration=[(x,)]).apply(traced)
    assert {value.dtype for value in result.module.state_dict().values()} == {torch.bfloat16}
    assert result.module(x).isfinite().all()


WRONG: dict[str, tuple[Any, str]] = {
    "too many inputs": ([(torch.zeros(1, 3, 6, 6), 1)], "does not fit the generator"),
    "too many channels": ([(torch.zeros(1, 9, 6, 6),)], "does not fit the generator: .*channels"),
    "not finite": ([(torch.full((1, 3, 6, 6), torch.inf),)], "what reaches 'up' is not finite"),
    "another layer": ({"twice": Patches(torch.zeros(1, 4, 9))}, "'up' were not collected"),
}


@pytest.mark.parametrize("name", WRONG)
def test_batches_that_cannot_be_used_are_refused(name: str) -> None:
    calibration, sentence = WRONG[name]
    with pytest.raises(AnalysisError, match=sentence) as caught:
        Decompose(["up"], calibration=calibration).apply(traced_net())
    assert caught.value.hint


def test_collecting_from_nothing_and_from_unknown_layers_is_refused() -> None:
    with pytest.raises(AnalysisError, match="no batch"):
        collect_activations(traced_net(), [], ["up"])
    with pytest.raises(AnalysisError, match=r"'point'.*1×1"):
        collect_activations(traced_net(), batches(), ["point"])
