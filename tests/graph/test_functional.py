"""Layers written as functions: their channels become narrower, or are frozen with a reason."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.cost import measure_cost
from gancompress.elastic import SearchSpace, Supernet
from gancompress.graph import analyse, trace
from gancompress.graph.verify import failing_groups

Call = Callable[[nn.Module, Tensor], Tensor]


class Between(nn.Module):
    """A function with weights of the generator's own, between two layers."""

    def __init__(self, call: Call, shapes: dict[str, tuple[int, ...]], leaving: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.call = call
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.rand(shape) + 0.1))
        self.enter, self.leave = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(leaving, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.call(self, self.enter(x)).relu())


def rows(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def maps(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def by_sample(net: nn.Module, x: Tensor) -> Tensor:
    """StyleGAN2's modulated convolution: one group a sample."""
    batch, channels, height, width = x.shape
    style = x.mean((2, 3))
    weight = net.w.unsqueeze(0) * style.reshape(batch, 1, channels, 1, 1)
    outputs = net.w.shape[0]
    y = F.conv2d(
        x.reshape(1, batch * channels, height, width),
        weight.reshape(batch * outputs, channels, 3, 3),
        padding=1,
        groups=batch,
    )
    return y.reshape(batch, outputs, height, width)


CASES: dict[str, tuple[Call, dict[str, tuple[int, ...]], int, set[str]]] = {
    "conv": (
        lambda net, x: F.conv2d(x, net.w, net.b, padding=1),
        {"w": (12, 8, 3, 3), "b": (12,)},
        12,
        {"enter", "w"},
    ),
    "grouped conv": (
        lambda net, x: F.conv2d(x, net.w, padding=1, groups=2),
        {"w": (12, 4, 3, 3)},
        12,
        {"enter", "w"},
    ),
    "depthwise conv": (
        lambda net, x: F.conv2d(x, net.w, net.b, padding=1, groups=x.shape[1]),
        {"w": (8, 1, 3, 3), "b": (8,)},
        8,
        {"enter"},
    ),
    "depthwise conv of two outputs a channel": (
        lambda net, x: F.conv2d(x, net.w, padding=1, groups=x.shape[1]),
        {"w": (16, 1, 3, 3)},
        16,
        {"enter"},
    ),
    "transposed conv": (
        lambda net, x: F.conv_transpose2d(x, net.w, net.b, stride=2),
        {"w": (8, 12, 2, 2), "b": (12,)},
        12,
        {"enter", "w.axis1"},
    ),
    "grouped transposed conv": (
        lambda net, x: F.conv_transpose2d(x, net.w, stride=2, groups=2),
        {"w": (8, 6, 2, 2)},
        12,
        {"enter", "w.axis1"},
    ),
    "depthwise transposed conv": (
        lambda net, x: F.conv_transpose2d(x, net.w, stride=2, groups=x.shape[1]),
        {"w": (8, 1, 2, 2)},
        8,
        {"enter"},
    ),
    "conv of its own for each sample": (by_sample, {"w": (12, 8, 3, 3)}, 12, {"enter", "w"}),
    "linear": (
        lambda net, x: maps(F.linear(rows(x), net.w, net.b)),
        {"w": (12, 8), "b": (12,)},
        12,
        {"enter", "w"},
    ),
    "linear without a bias": (
        lambda net, x: maps(F.linear(rows(x), net.w)),
        {"w": (12, 8)},
        12,
        {"enter", "w"},
    ),
    "linear over places": (lambda net, x: F.linear(x, net.w), {"w": (16, 16)}, 8, set()),
    "batch norm": (
        lambda net, x: F.batch_norm(x, None, None, net.w, net.b, training=True),
        {"w": (8,), "b": (8,)},
        8,
        {"enter"},
    ),
    # In training it writes into its statistics, and what is written into cannot be sliced.
    "batch norm that keeps statistics": (
        lambda net, x: F.batch_norm(x, net.m, net.v, net.w, net.b),
        {"m": (8,), "v": (8,), "w": (8,), "b": (8,)},
        8,
        set(),
    ),
    "batch norm over places": (
        lambda net, x: maps(F.batch_norm(rows(x), net.m, net.v)),
        {"m": (16,), "v": (16,)},
        8,
        set(),
    ),
    "instance norm": (lambda _, x: F.instance_norm(x), {}, 8, {"enter"}),
    "group norm": (
        lambda net, x: F.group_norm(x, 2, net.w, net.b),
        {"w": (8,), "b": (8,)},
        8,
        {"enter"},
    ),
    "group norm of one group": (lambda _, x: F.group_norm(x, 1), {}, 8, {"enter"}),
    "layer norm": (
        lambda net, x: maps(F.layer_norm(rows(x), rows(x).shape[-1:], net.w, net.b)),
        {"w": (8,), "b": (8,)},
        8,
        {"enter"},
    ),
    "layer norm over places": (
        lambda _, x: F.layer_norm(x, x.shape[-2:]),
        {},
        8,
        {"enter"},
    ),
    "layer norm over channels and places": (
        lambda _, x: F.layer_norm(x, x.shape[1:]),
        {},
        8,
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_channels_around_a_function_are_searched_or_frozen(case: str) -> None:
    call, shapes, leaving, searched = CASES[case]
    x = torch.rand(1, 3, 16, 16)
    net = Between(call, shapes, leaving).eval()
    traced = trace(net, (x,))
    graph = analyse(traced)
    assert {group.key for group in graph.searchable()} == searched
    assert all(group.frozen for group in graph.groups if group.key not in searched)
    assert failing_groups(traced, graph) == {}
    cover = graph.coverage()
    assert cover.total.macs == measure_cost(traced.module, (x,)).macs

    supernet = Supernet(traced, SearchSpace.multiples_of(2)).eval()
    with torch.no_grad():
        assert torch.equal(supernet(x), net(x))
        for config in (supernet.space.smallest(), supernet.space.largest()):
            small = supernet.materialise(config)
            assert torch.equal(supernet.activate(config)(x), small(x))
            assert small(x.repeat(3, 1, 1, 1)).shape[0] == 3
