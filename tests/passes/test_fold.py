import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from gancompress.graph import trace
from gancompress.passes import FoldReparametrisation, run_passes


def _old_weight_norm(layer: nn.Conv2d) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return weight_norm(layer)


def _pruned(layer: nn.Conv2d) -> nn.Module:
    return prune.l1_unstructured(layer, "weight", amount=0.3)


REPARAMETRISATIONS: dict[str, Callable[[nn.Conv2d], nn.Module]] = {
    "spectral_norm, hooks": spectral_norm,
    "spectral_norm, parametrization": parametrizations.spectral_norm,
    "weight_norm, hooks": _old_weight_norm,
    "weight_norm, parametrization": parametrizations.weight_norm,
    "orthogonal": parametrizations.orthogonal,
    "prune": _pruned,
}


class Net(nn.Module):
    def __init__(self, wrap: Callable[[nn.Conv2d], nn.Module]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = wrap(nn.Conv2d(3, 8, 3, padding=1))
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(torch.relu(self.first(x)))
        return result


@pytest.mark.parametrize("mode", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", REPARAMETRISATIONS)
def test_folding_leaves_the_output_and_plain_weights(name: str, mode: bool) -> None:
    net = Net(REPARAMETRISATIONS[name])
    x = torch.randn(2, 3, 6, 6)
    net.eval()
    expected = net(x)
    traced = trace(net.train(mode), (x,))

    folded = run_passes(traced, [FoldReparametrisation()])

    assert folded.module.training is mode
    torch.testing.assert_close(folded.module.eval()(x), expected, atol=1e-6, rtol=1e-6)
    assert set(folded.module.state_dict()) == set(
        Net(nn.Identity).last.state_dict(prefix="last.")
    ) | {
        "first.weight",
        "first.bias",
    }
    assert isinstance(folded.module.get_parameter("first.weight"), nn.Parameter)


def test_the_input_keeps_its_parametrisation() -> None:
    traced = trace(Net(parametrizations.weight_norm).eval(), (torch.randn(1, 3, 4, 4),))
    before = set(traced.module.state_dict())
    FoldReparametrisation().apply(traced)
    assert set(traced.module.state_dict()) == before


def test_frozen_weights_stay_frozen_parameters() -> None:
    net = Net(parametrizations.weight_norm).requires_grad_(requires_grad=False)
    folded = FoldReparametrisation().apply(trace(net.eval(), (torch.randn(1, 3, 4, 4),)))
    assert not folded.module.get_parameter("first.weight").requires_grad


def test_names_that_merely_end_alike_are_left_alone() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale_orig = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale_orig

    traced = trace(Odd().eval(), (torch.randn(1, 3, 4, 4),))
    folded = FoldReparametrisation().apply(traced)
    assert set(folded.module.state_dict()) == {"scale_orig"}
