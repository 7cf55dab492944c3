from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gancompress.errors import AnalysisError
from gancompress.gan.resnet import ResNetGenerator
from gancompress.graph import (
    ChannelGraph,
    OpCall,
    OpRule,
    Share,
    TracedGenerator,
    analyse,
    trace,
)
from gancompress.graph.verify import failing_groups


def picture(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


class UNet(nn.Module):
    """Nested skips: each level concatenates what enters it with what comes back from below."""

    def __init__(self, widths: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        outer, inner, *rest = widths
        self.down = nn.Conv2d(outer, inner, 4, 2, 1)
        self.norm = nn.BatchNorm2d(inner)
        self.below = UNet(widths[1:], inner) if rest else None
        self.up = nn.ConvTranspose2d(2 * inner if rest else inner, outputs, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.down(x)))
        if self.below is not None:
            y = self.below(y)
        return torch.cat([x, self.up(y)], 1)


class Own(nn.Module):
    """A layer that core knows nothing of: it doubles every channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x * float(2 + 0 * x.detach().numpy().sum())


class OwnRule(OpRule):
    modules = (Own,)

    def apply(self, call: OpCall) -> Any:
        return call.layouts[0]

    def macs(self, call: OpCall) -> int:
        return call.layouts[0].shape[1]


class BrokenRule(OwnRule):
    def apply(self, call: OpCall) -> Any:
        return call.args[7]

    def macs(self, call: OpCall) -> int:
        return call.args[7]


class WrongRule(OwnRule):
    def apply(self, call: OpCall) -> Any:
        return call.args[0].ids


def resnet(**options: Any) -> TracedGenerator:
    generator = ResNetGenerator(width=4, blocks=9, **options).eval()
    return trace(generator, (picture(1, 3, 16, 16),))


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_residual_stream_of_a_resnet_is_one_group(norm: Any) -> None:
    graph = analyse(resnet(norm=norm), verify=True)
    stream = graph.group("model.7")
    blocks = range(10, 19)
    assert stream.producers == ("model.7", *(f"model.{k}.conv_block.5" for k in blocks))
    assert stream.consumers == (*(f"model.{k}.conv_block.1" for k in blocks), "model.19")
    assert stream.units == stream.width == 16
    for k in blocks:
        inside = graph.group(f"model.{k}.conv_block.1")
        assert inside.producers == (inside.key,)
        assert inside.consumers == (f"model.{k}.conv_block.5",)
    assert len(graph.groups) == 4 + 9 + 2
    assert [g.key for g in graph.groups if g.frozen] == ["model.26"]
    assert graph.group("model.26").frozen == "network output"


def test_members_layouts_and_units_agree() -> None:
    graph = analyse(resnet(norm="batch"))
    stream = np.array(graph.group("model.7").unit_ids)
    inside = np.array(graph.group("model.10.conv_block.1").unit_ids)
    member = graph.members["model.10.conv_block.1"]
    rows, columns, *kernel = member.axes["weight"]
    assert rows is not None
    assert columns is not None
    assert rows.tolist() == member.outputs.tolist() == inside.tolist()
    assert columns.tolist() == member.inputs.tolist() == stream.tolist()
    assert kernel == [None, None]
    norm = graph.members["model.10.conv_block.2"]
    assert norm.kind == "norm"
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert np.array_equal(norm.axes[name][0], inside)
    first, last = graph.members["model.1"], graph.members["model.26"]
    assert (first.inputs == -1).all()
    assert (last.outputs == -1).all()
    layout = graph.layouts["model_7"]
    assert layout.shape == (2, 16, 4, 4)
    assert (layout == stream[:, None, None]).all()
    assert layout.strides[0] == layout.strides[2] == 0
    every = [unit for group in graph.groups for unit in group.unit_ids]
    assert sorted(every) == list(range(len(every)))


def test_coverage_of_a_resnet_with_batch_norm() -> None:
    generator = ResNetGenerator(width=4, blocks=1, norm="batch").eval()
    coverage = analyse(trace(generator, (picture(1, 3, 16, 16),))).coverage()
    norms = [m for m in generator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert coverage.coupled == Share(sum(p.numel() for n in norms for p in n.parameters()), 0)
    assert coverage.frozen == Share(3, 0)
    assert dict(coverage.reasons) == {"network output": Share(3, 0)}
    assert coverage.total.params == sum(p.numel() for p in generator.parameters())


def test_the_published_size_of_a_resnet_9() -> None:
    with torch.device("cpu"):
        traced = trace(ResNetGenerator().eval(), (torch.zeros(1, 3, 64, 64),))
    total = analyse(traced).coverage().total
    assert total == Share(11_378_179, 49_551_507_456 // 16)


def test_nested_skips_split_a_consumers_input_among_groups() -> None:
    net = nn.Sequential(UNet((3, 8, 12, 16), 8), nn.Conv2d(11, 3, 1)).eval()
    graph = analyse(trace(net, (picture(1, 3, 16, 16),)), verify=True)
    down, lower = graph.group("0.down"), graph.group("0.below.up")
    assert down.consumers == ("0.below.down", "0.up")
    assert lower.consumers == ("0.up",)
    assert graph.members["0.up"].inputs.tolist() == [*down.unit_ids, *lower.unit_ids]
    assert graph.members["1"].inputs.tolist() == [-1] * 3 + list(graph.group("0.up").unit_ids)
    assert {group.key for group in graph.groups if group.frozen} == {"1"}


def test_a_producer_of_several_groups_gives_them_ranges() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 8, 1)
            self.g, self.out = nn.Conv2d(4, 4, 1), nn.Conv2d(12, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            # Part of the sum is tied to g, the rest is not.
            wide = self.b(x)
            wide = wide + torch.cat([self.a(x), self.g(self.a(x))], 1)
            return self.out(torch.cat([wide, self.a(x)], 1))

    graph = analyse(trace(Split(), (picture(1, 3, 8, 8),)), verify=True)
    assert [group.key for group in graph.searchable()] == ["b[0:4]", "b[4:8]"]
    assert graph.group("b[0:4]").producers == ("b", "a")
    assert graph.group("b[4:8]").producers == ("b", "g")


def test_a_plugins_rule_is_asked_first() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), Own(), nn.Conv2d(8, 3, 1)).eval()
    traced = trace(net, (picture(1, 3, 4, 4),))
    assert list(traced.opaque) == ["1"]
    assert analyse(traced).group("0").frozen == "Own '1': it is opaque (" + traced.opaque["1"] + ")"
    known = analyse(traced, rules=[OwnRule()])
    assert known.group("0").frozen is None
    assert known.coverage().total.macs == analyse(traced).coverage().total.macs + 8
    broken = analyse(traced, rules=[BrokenRule()]).group("0").frozen
    assert broken is not None
    assert "BrokenRule cannot read the call" in broken
    wrong = analyse(traced, rules=[WrongRule()]).group("0").frozen
    assert wrong is not None
    assert "WrongRule laid out another shape" in wrong


def test_tied_weights_tie_their_layers() -> None:
    net = nn.Sequential(*(nn.Conv2d(6, 6, 1) for _ in range(3)), nn.Conv2d(6, 3, 1))
    net[2].weight = net[1].weight
    graph = analyse(trace(net, (picture(1, 6, 4, 4),)), verify=True)
    assert graph.group("0").producers == ("0", "1", "2")
    assert graph.coverage().total.params == sum(p.numel() for p in net.parameters())


def test_weights_that_are_read_in_two_ways_freeze() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)
            self.d = nn.Embedding(6, 6)
            self.d.weight = self.b.weight

        def forward(self, x: Tensor) -> Tensor:
            y = self.b(self.a(x)) @ self.b.weight
            return self.c(y) + self.d(torch.zeros(1, dtype=torch.long, device=x.device)).sum()

    traced = trace(Tied(), (picture(1, 5),))
    graph = analyse(traced)
    assert failing_groups(traced, graph) == {}
    assert [group.key for group in graph.searchable()] == ["a"]
    assert "is shared by layers that read it differently" in str(graph.group("b").frozen)

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 4), nn.Linear(4, 3)
            self.d = nn.Embedding(4, 6)
            self.d.weight = self.b.weight

        def forward(self, x: Tensor) -> Tensor:
            columns = self.d(torch.zeros(1, dtype=torch.long))
            return self.c(self.b(torch.relu(self.a(x)) * columns))

    graph = analyse(trace(Mixed(), (picture(1, 5),)), verify=True)
    assert graph.group("d").producers == ("d", "a")
    assert graph.group("d").frozen is None
    reason = graph.group("b").frozen
    assert reason is not None
    assert "read it differently" in reason


def test_a_generator_that_fixes_its_batch_is_analysed_at_that_batch() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(torch.relu(self.a(x.view(1, 3, 4, 4))))

    graph = analyse(trace(Fixed(), (picture(1, 3, 4, 4),)))
    assert graph.layouts["a"].shape == (1, 8, 4, 4)
    assert graph.group("a").frozen is None


def test_generators_without_tensor_inputs_and_without_channels() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.start = nn.Parameter(torch.ones(1, 4))
            self.map = nn.Linear(4, 8)
            self.out = nn.Linear(8, 3)

        def forward(self) -> Tensor:
            return self.out(torch.relu(self.map(self.start)))

    assert analyse(trace(Constant()), verify=True).group("map").frozen is None
    empty = analyse(trace(nn.ReLU(), (picture(1, 3, 4, 4),)), verify=True)
    assert empty.groups == ()
    assert empty.coverage().total == Share()
    assert (empty.layouts["x"] == -1).all() if "x" in empty.layouts else True


def test_lookups_graphs_and_dot() -> None:
    graph: ChannelGraph = analyse(resnet())
    with pytest.raises(AnalysisError, match=r"there is no channel group 'model\.99'"):
        graph.group("model.99")
    network = graph.to_networkx()
    assert nx.is_directed_acyclic_graph(network) is False  # the residual stream reads itself
    assert network.nodes["group model.7"] == {"kind": "group", "units": 16, "frozen": None}
    assert network.has_edge("model.1", "group model.1")
    assert network.has_edge("group model.1", "model.4")
    dot = graph.to_dot()
    assert dot.startswith("digraph channels {")
    assert '"group model.26" [style=dashed, label="model.26\\n3 units"];' in dot
    assert '"model.1" -> "group model.1";' in dot


class Sized(nn.Module):
    """Regroups one layer's channels by sizes that were read from another's."""

    def __init__(self, sizes: Callable[[Tensor], tuple[Any, ...]]) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1)
        self.out = nn.Conv2d(8, 3, 1)
        self.sizes = sizes

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a(x))
        result: Tensor = self.out(self.b(y).view(*self.sizes(y)).view(*y.shape))
        return result


@pytest.mark.parametrize(
    ("sizes", "units"),
    [
        (lambda y: (y.shape[0], y.shape[1], -1), 8),
        (lambda y: (y.size(0), y.size(1), y.size(2) * y.size(3)), 8),
        (lambda y: (y.shape[0], -1, y.shape[2], y.shape[3]), 8),
        (lambda y: (y.shape[0], 2, y.shape[1] // 2, -1), 4),
        (lambda y: (y.shape[0], 8, -1), 8),
    ],
)
def test_sizes_read_from_another_tensor_are_counted_anew(
    sizes: Callable[[Tensor], tuple[Any, ...]], units: int
) -> None:
    # Narrowed apart, the regrouping would fail or take the wrong channels.
    traced = trace(Sized(sizes), (picture(1, 3, 4, 4),))
    graph = analyse(traced)
    assert failing_groups(traced, graph) == {}
    assert [(group.key, group.units) for group in graph.searchable()] == [("a", 8), ("b", units)]
    assert graph.sizes


def test_a_size_computed_from_other_channels_is_counted_although_its_own_are_frozen() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(6, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            heads = self.b(y).view(x.shape[0], 2, y.shape[1] // 2)
            return self.c(torch.cumsum(heads, 1).flatten(1))

    traced = trace(Heads(), (picture(2, 5),))
    graph = analyse(traced)
    assert [group.key for group in graph.searchable()] == ["a"]
    assert "cumsum" in str(graph.group("b").frozen)
    assert failing_groups(traced, graph) == {}


def test_units_of_which_a_cut_takes_different_channels_are_apart() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1, groups=2)
            self.out = nn.Conv2d(4 + 4, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            return self.out(torch.cat([self.b(y), y[:, 2:6]], 1))

    # The groups of b tie 1 to 5 and 2 to 6; of these pairs the slice takes the second and the
    # first. Exchanging them, as sorting might, would mix up what it takes.
    keys = [group.key for group in analyse(trace(Cut(), (picture(1, 3, 4, 4),))).searchable()]
    assert keys == ["a[0:2,4:6]", "a[2:4,6:8]", "b"]
