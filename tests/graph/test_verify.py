from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.graph import Layout, OpCall, OpRule, analyse, trace
from gancompress.graph.verify import failing_groups


class Mixer(nn.Module):
    """Three convolutions with something between them that a wrong rule says nothing of."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 8, 1)
        self.c, self.out = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 3, 1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.out(self.c(self.function(self.b(self.a(x)))))
        return result


class Careless(OpRule):
    """Claims that these operators keep every channel."""

    functions = frozenset({torch.cumsum, torch.roll, torch.reshape, torch.narrow})
    methods = frozenset({"view"})

    def apply(self, call: OpCall) -> Any:
        return Layout(call.layouts[0].ids, call.shape)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda y: torch.cumsum(y, 1), "differs by"),
        (lambda y: torch.roll(y, 3, 1), "differs by"),
        (lambda y: torch.reshape(y, (-1, 8, 4, 4)), "fails|changes its shape"),
    ],
)
def test_a_wrong_rule_is_found_out(function: Callable[[Tensor], Tensor], reason: str) -> None:
    traced = trace(Mixer(function), (torch.zeros(1, 3, 4, 4),))
    believed = analyse(traced, rules=[Careless()])
    assert believed.group("b").frozen is None
    failures = failing_groups(traced, believed)
    assert list(failures) == ["b"]
    graph = analyse(traced, rules=[Careless()], verify=True)
    assert graph.group("b").frozen == failures["b"]
    assert failures["b"].startswith("verification: ")
    assert any(text in failures["b"] for text in reason.split("|"))
    assert {group.key for group in graph.searchable()} == {"a", "c"}
    assert (graph.members["b"].outputs == -1).all()
    assert failures["b"] in graph.coverage().reasons


def test_a_changed_output_shape_is_a_failure() -> None:
    class Leaks(OpRule):
        functions = frozenset({torch.relu})

        def apply(self, call: OpCall) -> Any:
            from gancompress.graph.layout import constant

            return constant(call.shape)

    class Open(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(3, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.a(x))

    traced = trace(Open(), (torch.zeros(1, 3, 4, 4),))
    failures = failing_groups(traced, analyse(traced, rules=[Leaks()]))
    assert failures == {"a": "verification: the output changes its shape without a unit"}


def test_weights_of_zero_hide_nothing() -> None:
    net = Mixer(lambda y: torch.roll(y, 3, 1))
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    traced = trace(net, (torch.zeros(1, 3, 4, 4),))
    assert "b" in failing_groups(traced, analyse(traced, rules=[Careless()]))


def test_statistics_that_are_coupled_are_exempt() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    graph = analyse(trace(net, (torch.zeros(1, 5, 4),)), verify=True)
    assert graph.group("0").statistics_coupled
    assert graph.group("0").frozen is None


def test_the_weights_are_left_alone() -> None:
    net = Mixer(torch.relu)
    traced = trace(net, (torch.zeros(1, 3, 4, 4),))
    before = {name: p.clone() for name, p in traced.module.named_parameters()}
    analyse(traced, verify=True)
    for name, parameter in traced.module.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.dtype == torch.float32


def test_noise_is_levelled_in_the_precision_of_the_check() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.out = nn.Linear(5, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.out(torch.relu(self.a(torch.randn(x.shape[0], 5))))
            return result

    traced = trace(Noisy(), (torch.ones(1, 5),))
    assert failing_groups(traced, analyse(traced)) == {}
