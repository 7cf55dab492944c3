"""Layers and functions of one's own: kept whole, analysed by a rule, spelt out where asked."""

import copy
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from gancompress.cost.macs import count_macs
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import AnalysisError, TraceError
from gancompress.graph import (
    Layout,
    OpCall,
    OpRule,
    Part,
    add_part,
    along,
    analyse,
    channel_ids,
    trace,
)
from gancompress.graph.functions import WholeFunction
from gancompress.passes import FoldReparametrisation, SortChannels, run_passes

X = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Round(torch.autograd.Function):
    """Rounds, and lets the gradient pass as if it had not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.mark_non_differentiable()
        return x.round() if ctx.needs_input_grad[0] in {True, False} else x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Scale(torch.autograd.Function):
    """Written in the newer style, with the context apart."""

    @staticmethod
    def forward(x: Tensor, factor: float) -> Tensor:
        return x * factor

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass


class Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv2d(x, weight, padding=1)


round_of = Round.apply


def by_helper(x: Tensor) -> Tensor:
    result: Tensor = round_of(x)
    return result


class Net(nn.Module):
    """enter (3 → 8) · a function of the net and the tensor · leave (8 → 3)."""

    def __init__(self, function: Any, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.enter, self.leave = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 3)
        self.function = function
        self.inner = inner or nn.Identity()
        self.held = Round.apply
        self.weight = nn.Parameter(torch.randn(8, 8, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.leave(self.function(self, self.enter(x)))
        return result


WAYS: dict[str, Any] = {
    "class": lambda m, y: Round.apply(y),
    "alias": lambda m, y: round_of(y),
    "attribute": lambda m, y: m.held(y),
    "helper": lambda m, y: by_helper(y),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_an_autograd_function_is_one_operator(way: str) -> None:
    net = Net(WAYS[way])
    traced = trace(net, (X,))
    assert not traced.opaque
    targets = [
        node.target
        for node in traced.module.graph.find_nodes(op="call_function", target=WholeFunction(Round))
    ]
    assert len(targets) == 1
    assert torch.equal(traced.module(X), net(X))
    assert torch.equal(copy.deepcopy(traced.module)(X), net(X))
    # The gradient is the function's own, not that of rounding, which is 0.
    (gradient,) = torch.autograd.grad(traced.module(X).sum(), traced.module.enter.weight)
    assert gradient.abs().sum() > 0
    frozen = {group.key: group.frozen for group in analyse(traced).groups}
    assert str(frozen["enter"]).startswith("Round at test_own_operators.py:")


def test_a_helper_of_another_file_is_seen_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_ops.py").write_text(
        "import torch\n"
        "class Twice(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        return x * 2\n"
        "twice = Twice.apply\n"
        "def twice_of(x):\n"
        "    return twice(x)\n"
    )
    (tmp_path / "my_twice_net.py").write_text(
        "from torch import nn\n"
        "import my_ops\n"
        "from my_ops import twice_of\n"
        "class Net(nn.Module):\n"
        "    def forward(self, x):\n"
        "        return twice_of(x) + my_ops.twice(x)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    net = import_module("my_twice_net").Net()
    try:
        traced = trace(net, (X,))
    finally:
        for name in ("my_ops", "my_twice_net"):
            monkeypatch.delitem(sys.modules, name)
    names = [getattr(n.target, "__name__", "") for n in traced.module.graph.nodes]
    assert names.count("Twice") == 2
    assert torch.equal(traced.module(X), 4 * X)


def test_parameters_and_numbers_go_in_and_several_functions_stay_apart() -> None:
    def function(m: Any, y: Tensor) -> Tensor:
        y = Convolve.apply(y, next(m.parameters(recurse=False)))  # type: ignore[no-untyped-call]
        result: Tensor = Scale.apply(Round.apply(y), 0.5)  # type: ignore[no-untyped-call]
        return result

    net = Net(function)
    traced = trace(net, (X,))
    assert torch.equal(traced.module(X), net(X))
    assert "weight" in dict(traced.module.named_parameters())
    names = [
        n.target.__name__
        for n in traced.module.graph.find_nodes(op="call_function", target=WholeFunction(Scale))
    ]
    assert names == ["Scale"]
    assert trace(net, (X,)).fingerprint == traced.fingerprint
    other = trace(Net(lambda m, y: Round.apply(y)), (X,))  # type: ignore[no-untyped-call]
    assert other.fingerprint != trace(Net(lambda m, y: Mark.apply(y)), (X,)).fingerprint


class Mark(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()


def test_an_autograd_function_equals_its_apply() -> None:
    whole = WholeFunction(Round)
    listed = frozenset({Round.apply})
    assert whole in listed
    assert whole == WholeFunction(Round)
    assert whole not in frozenset({Mark.apply, WholeFunction(Mark)})
    assert whole != "Round"
    assert torch.equal(whole(X), X.round())


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_are_traced_through(reentrant: bool) -> None:
    def function(m: Any, y: Tensor) -> Any:
        return checkpoint(lambda z: torch.relu(m.inner(z)), y, use_reentrant=reentrant)

    net = Net(function, nn.Conv2d(8, 8, 1))
    traced = trace(net, (X,))
    # The original warns where nothing that goes in wants a gradient.
    assert torch.equal(traced.module(X), net(X.clone().requires_grad_()))
    assert [group.key for group in analyse(traced).searchable()] == ["enter", "inner"]


def test_through_spells_functions_out() -> None:
    def function(m: Any, y: Tensor) -> Any:
        return Scale.apply(round_of(Convolve.apply(y, m.weight)), 0.5)  # type: ignore[no-untyped-call]

    net = Net(function)
    whole = trace(net, (X,))
    for spelt in (trace(net, (X,), through=True), trace(whole.module, (X,), through=True)):
        assert torch.equal(spelt.module(X), net(X))
        assert not any(isinstance(n.target, WholeFunction) for n in spelt.module.graph.nodes)
    # Another counter agrees, whichever way the functions are written.
    assert count_macs(net, (X,)).true == count_macs(whole.module, (X,)).true
    assert analyse(whole).coverage().total.macs == count_macs(net, (X,)).true


def test_nothing_stays_replaced() -> None:
    def failing(m: Any, y: Tensor) -> Any:
        by_helper(y)
        raise RuntimeError("no luck")

    net = Net(failing)
    before = (torch.autograd.Function.__dict__["apply"], round_of, net.held, by_helper)
    with pytest.raises(TraceError, match="no luck"):
        trace(net, (X,), rules=[HelperRule()])
    count_macs(net.enter, (X,))
    after = (torch.autograd.Function.__dict__["apply"], round_of, net.held, by_helper)
    assert all(a is b for a, b in zip(before, after, strict=True))


class HelperRule(OpRule):
    functions = frozenset({by_helper, torch.relu})

    def apply(self, call: OpCall) -> Any:
        return Layout(call.layouts[0].ids, call.shape)


def test_a_function_that_a_rule_lists_is_kept_whole() -> None:
    net = Net(lambda m, y: by_helper(torch.relu(y)))
    targets = {n.target for n in trace(net, (X,), rules=[HelperRule()]).module.graph.nodes}
    assert {by_helper, torch.relu} <= targets
    assert by_helper not in {n.target for n in trace(net, (X,)).module.graph.nodes}
    # A call that has nothing to do with the input stays a call.
    plain = trace(Net(lambda m, y: y + by_helper(torch.ones(1))), (X,), rules=[HelperRule()])
    assert by_helper not in {n.target for n in plain.module.graph.nodes}


class Gain(nn.Module):
    """One factor per channel, with a count beside it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels, self.shape = channels, (channels, 1)
        self.gain = nn.Parameter(torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        assert len(self.gain) == self.channels == self.shape[0]
        return x * self.gain[:, None, None]


class GainRule(OpRule):
    modules = (Gain,)

    def apply(self, call: OpCall) -> Layout:
        ids = channel_ids(call.layouts[0], 1, call.channels)
        one = np.full(1, -1)
        sizes: Any = {"channels": ids, "shape": (ids, one)}
        part = add_part(call, Part("gain", {"gain": (ids,)}, ids, ids, sizes=sizes))
        return along(part.outputs, 1, call.shape)


class Named(Gain):
    """The same under another name."""


class Loud(Gain):
    """Computes something else."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


class Nested(Gain):
    """Keeps a tensor in a module inside it."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.more = nn.Conv2d(channels, channels, 1)


RULES = [GainRule()]


@pytest.mark.parametrize("kind", [Gain, Named])
def test_a_layer_that_a_rule_lists_is_elastic(kind: type[Gain]) -> None:
    net = Net(lambda m, y: m.inner(y), kind(8))
    traced = trace(net, (X,), rules=RULES)
    assert traced.module.graph.find_nodes(op="call_module", target="inner")
    prepared = run_passes(traced, [FoldReparametrisation(), SortChannels()])
    assert list(prepared.rules) == RULES  # passes keep them
    net_of_all = Supernet(prepared, SearchSpace.multiples_of(1))
    assert set(net_of_all.space.choices) == {"enter"}
    torch.testing.assert_close(net_of_all(X), net(X))
    narrow = net_of_all.materialise(net_of_all.space.smallest())
    inner = narrow.get_submodule("inner")
    assert isinstance(inner, kind)
    assert (inner.channels, inner.shape, tuple(inner.gain.shape)) == (2, (2, 1), (2,))
    assert net.inner.channels == 8
    coverage = analyse(traced).coverage()
    assert coverage.coupled.params == 8  # it makes no channels, and reads none


def test_a_layer_that_no_rule_lists_is_traced_through() -> None:
    for rules, kind in (([], Gain), (RULES, Loud)):
        traced = trace(Net(lambda m, y: m.inner(y), kind(8)), (X,), rules=rules)
        assert not traced.module.graph.find_nodes(op="call_module", target="inner")


def test_a_rule_for_a_layer_has_to_be_there_when_it_is_traced() -> None:
    traced = trace(Net(lambda m, y: m.inner(y), Gain(8)), (X,))
    with pytest.raises(
        AnalysisError, match="'inner' was traced through, so 'GainRule' cannot"
    ) as e:
        analyse(traced, rules=RULES)
    assert "trace(..., rules=[GainRule()])" in e.value.hint
    # What the rule does not stand for does not matter, nor do rules of functions.
    analyse(trace(Net(lambda m, y: m.inner(y), Loud(8)), (X,)), rules=[*RULES, HelperRule()])


def test_tensors_of_modules_inside_are_not_sliced_so_the_layer_is_frozen() -> None:
    class NestedRule(GainRule):
        modules = (Nested,)

    traced = trace(Net(lambda m, y: m.inner(y), Nested(8)), (X,), rules=[NestedRule()])
    graph = analyse(traced)
    reason = next(group.frozen for group in graph.groups if group.key == "enter")
    assert str(reason).startswith("Nested 'inner' at test_own_operators.py:")
    assert str(reason).endswith("its tensor 'more.weight' belongs to a module inside it")
    assert graph.coverage().reasons[str(reason)].params >= 8 + 72


def test_a_parametrised_layer_of_ones_own_is_folded_first() -> None:
    layer = parametrizations.weight_norm(Gain(8), "gain", dim=None)
    traced = trace(Net(lambda m, y: m.inner(y), layer).eval(), (X,), rules=RULES)
    assert [group.key for group in analyse(traced).searchable()] == []
    folded = run_passes(traced, [FoldReparametrisation()])
    assert [group.key for group in analyse(folded).searchable()] == ["enter"]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 1), nn.LocalResponseNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(torch.sinc(x))
        return self.norm(y) if x.ndim == 4 else y


def test_a_reason_names_operator_module_and_line() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), Block(), nn.LocalResponseNorm(2), nn.Conv2d(8, 3, 1))
    frozen = {group.key: str(group.frozen) for group in analyse(trace(net, (X,))).groups}
    line = Block.forward.__code__.co_firstlineno
    assert frozen["0"] == f"sinc in '1' at test_own_operators.py:{line + 1}"
    assert frozen["1.conv"] == f"LocalResponseNorm '1.norm' at test_own_operators.py:{line + 2}"
    # A container of torch has no line that tells anything.
    bare = nn.Sequential(nn.Conv2d(3, 8, 1), nn.LocalResponseNorm(2), nn.Conv2d(8, 3, 1))
    assert analyse(trace(bare, (X,))).group("0").frozen == "LocalResponseNorm '1'"


def test_a_shared_layer_ties_its_calls() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.gain = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), Gain(8)
            self.leave = nn.Conv2d(16, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            both = torch.cat([self.gain(self.a(x)), self.gain(self.b(x))], 1)
            result: Tensor = self.leave(both)
            return result

    graph = analyse(trace(Twice(), (X,), rules=RULES), verify=True)
    assert [(group.key, group.producers) for group in graph.searchable()] == [("a", ("a", "b"))]
