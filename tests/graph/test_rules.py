"""One row per operator: the groups it leads to, checked by numbers and by another MAC counter."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gancompress.graph import analyse, trace
from gancompress.graph.verify import failing_groups


class Net(nn.Module):
    def __init__(self, function: Callable[[Any, Tensor], Any], **layers: Any) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def conv(inputs: int, outputs: int, kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


@dataclass
class Row:
    """A net that ends in layer ``o``, and its other groups: units, width, and what is special."""

    function: Callable[[Any, Any], Any]
    layers: dict[str, nn.Module | nn.Parameter]
    groups: dict[str, str]
    shape: tuple[int, ...] = (1, 3, 8, 8)
    uncounted: int = 0  # multiplications that torch's own counter passes over


def after(
    function: Callable[[Tensor], Any], groups: str, channels: int = 8, uncounted: int = 0
) -> Row:
    """conv a (3 → 8) · function · conv o (channels → 3)."""
    layers = {"a": conv(3, 8), "o": conv(channels, 3)}
    return Row(lambda m, x: m.o(function(m.a(x))), layers, {"a": groups}, uncounted=uncounted)


def gated(m: Any, x: Tensor) -> Tensor:
    left, right = m.a(x).chunk(2, 1)
    return m.o(left * torch.sigmoid(right))


def parted(m: Any, x: Tensor) -> Tensor:
    left, right = m.a(x).split(4, 1)
    return m.o(left + right)


def halves(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    c = y.size(1) // 2
    left, right = y.split(c, dim=1)
    return m.o(left + right) + m.o(y[:, :c] * y[:, c:]) + m.o(y.narrow(1, 0, c))


def attention(m: Any, x: Tensor) -> Tensor:
    x = m.a(x)
    b, _, h, w = x.shape
    q, k, v = (f(x).view(b, -1, h * w) for f in (m.q, m.k, m.v))
    scores = torch.softmax(torch.bmm(q.permute(0, 2, 1), k), -1)
    return m.o((v @ scores.mT).view(b, -1, h, w) + x)


def heads(m: Any, x: Tensor) -> Tensor:
    x = m.a(x)
    b, n, _ = x.shape
    q, k, v = m.qkv(m.norm(x)).chunk(3, dim=-1)
    q, k, v = (t.view(b, n, 2, -1).transpose(1, 2) for t in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, -1)
    return m.o(x + m.p(y))


def excited(m: Any, x: Tensor) -> Tensor:
    x = m.a(x)
    gate = F.adaptive_avg_pool2d(x, 1).flatten(1)
    return m.o(x * torch.sigmoid(m.f(F.relu(m.e(gate))))[:, :, None, None])


def shuffled(m: Any, x: Tensor) -> Tensor:
    y = m.a(x)
    b, c, h, w = y.shape
    return m.o(y.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, -1, h, w))


def assigned(y: Tensor) -> Tensor:
    y[:, 0] = 1
    return y


def two(name: str, layer: nn.Module, outputs: int, groups: dict[str, str]) -> Row:
    """conv a (3 → 8) · layer · conv o."""
    layers = {"a": conv(3, 8), name: layer, "o": conv(outputs, 3)}
    return Row(lambda m, x: m.o(getattr(m, name)(m.a(x))), layers, groups)


linear = {"l": nn.Linear(6, 128), "t": nn.ConvTranspose2d(8, 4, 2, 2), "o": conv(4, 3)}

ROWS: dict[str, Row] = {
    # keep
    "relu": after(F.relu, "8/8"),
    "in-place": after(lambda y: y.relu_().mul_(2), "8/8"),
    "prelu": two("p", nn.PReLU(8), 8, {"a": "8/8"}),
    "prelu-one": two("p", nn.PReLU(), 8, {"a": "8/8"}),
    "pool": after(lambda y: F.max_pool2d(F.avg_pool2d(y, 2), 2), "8/8"),
    "pool-indices": after(lambda y: F.max_pool2d(y, 2, return_indices=True)[0], "8/8"),
    "pad": after(lambda y: F.pad(y, (1, 1, 0, 1), mode="reflect"), "8/8"),
    "pad-channels": after(lambda y: F.pad(y, (0, 0, 0, 0, 1, 1)), "8/8 pads channels", 10),
    "upsample": two("u", nn.Upsample(scale_factor=2), 8, {"a": "8/8"}),
    "interpolate": after(lambda y: F.interpolate(y, size=y.shape[2:], mode="bilinear"), "8/8"),
    "instance-norm": two("n", nn.InstanceNorm2d(8, affine=True), 8, {"a": "8/8"}),
    "functional-norm": after(F.instance_norm, "8/8"),
    "functional-norm-weight": Row(
        lambda m, x: m.o(F.instance_norm(m.a(x), weight=m.s)),
        {"a": conv(3, 8), "s": nn.Parameter(torch.ones(8)), "o": conv(8, 3)},
        {"a": "8/8"},
    ),
    "batch-norm": two("n", nn.BatchNorm2d(8), 8, {"a": "8/8"}),
    "group-norm": two("n", nn.GroupNorm(2, 8), 8, {"a": "2/8"}),
    "group-norm-one": two("n", nn.GroupNorm(1, 8), 8, {"a": "8/8 ~"}),
    "layer-norm-space": two("n", nn.LayerNorm(8), 8, {"a": "8/8"}),
    "layer-norm-all": two("n", nn.LayerNorm((8, 8, 8)), 8, {"a": "8/8 ~"}),
    "layer-norm-bare": two(
        "n", nn.LayerNorm((8, 8, 8), elementwise_affine=False), 8, {"a": "8/8 LayerNorm"}
    ),
    "softmax": after(lambda y: torch.softmax(y, 1), "8/8 ~"),
    "softmax-module": two("s", nn.Softmax(dim=2), 8, {"a": "8/8"}),
    "softmax-2d": two("s", nn.Softmax2d(), 8, {"a": "8/8 ~"}),
    "normalize": after(F.normalize, "8/8 ~"),
    "pixel-norm": after(lambda y: y * torch.rsqrt((y**2).mean(1, keepdim=True) + 1), "8/8 ~"),
    # combine
    "noise": after(lambda y: y + torch.randn_like(y), "8/8"),
    "new-zeros": after(lambda y: y + y.new_zeros(1, 1, 8, 8) + 1, "8/8"),
    "new-zeros-stated": after(lambda y: y + y.new_zeros(1, 8, 1, 1), "8/8"),
    "noise-stated": after(lambda y: y + torch.randn(1, 8, 1, 1), "8/8"),
    "dropout": after(lambda y: F.dropout(y, 0.5, training=True), "8/8"),
    "scalar-tensor": after(lambda y: torch.where(y > 0, y, y * 0.1), "8/8"),
    "scale": Row(
        lambda m, x: m.o(m.a(x) * m.s),
        {"a": conv(3, 8), "s": nn.Parameter(torch.ones(1, 8, 1, 1)), "o": conv(8, 3)},
        {"a": "8/8"},
    ),
    "skip-to-input": Row(
        lambda m, x: m.o(m.a(x) + x), {"a": conv(3, 3), "o": conv(3, 3)}, {"a": "3/3 network input"}
    ),
    "mask": Row(
        lambda m, x: m.o(m.a(x) * torch.sigmoid(m.k(x))),
        {"a": conv(3, 8), "k": conv(3, 1), "o": conv(8, 3)},
        {"a": "8/8", "k": "1/1 single unit"},
    ),
    "excitation": Row(
        excited,
        {"a": conv(3, 8), "e": nn.Linear(8, 4), "f": nn.Linear(4, 8), "o": conv(8, 3)},
        {"a": "8/8", "e": "4/4"},
    ),
    "outer": Row(
        lambda m, x: m.o(m.a(x).unsqueeze(2).mul(m.b(x).unsqueeze(1)).flatten(1, 2)),
        {"a": conv(3, 4), "b": conv(3, 5), "o": conv(20, 3)},
        {"a": "4/4 more than one way", "b": "5/5 more than one way"},
    ),
    "shared": Row(
        lambda m, x: m.o(m.b(m.b(m.a(x)))),
        {"a": conv(3, 8), "b": conv(8, 8), "o": conv(8, 3)},
        {"a": "8/8"},
    ),
    "residual": Row(
        lambda m, x: m.o((y := m.a(x)) + m.c(F.relu(m.b(y)))),
        {"a": conv(3, 8), "b": conv(8, 6), "c": conv(6, 8), "o": conv(8, 3)},
        {"a": "8/8", "b": "6/6"},
    ),
    # move
    "cat": Row(
        lambda m, x: m.o(torch.cat([m.a(x), x, m.b(x)], dim=1)),
        {"a": conv(3, 8), "b": conv(3, 4), "o": conv(15, 3)},
        {"a": "8/8", "b": "4/4"},
    ),
    "stack": Row(
        lambda m, x: m.o(torch.stack([m.a(x), m.b(x)]).sum(0)),
        {"a": conv(3, 8), "b": conv(3, 8), "o": conv(8, 3)},
        {"a": "8/8"},
    ),
    "permute": after(lambda y: y.permute(0, 2, 3, 1).transpose(1, -1).transpose(2, 3), "8/8"),
    "flip": after(lambda y: torch.flip(y, (1,)) + y.flip(1, 2), "8/8"),
    "flip-tie": after(lambda y: torch.flip(y, (1,)) + y, "4/8"),
    "expand": after(lambda y: y.mean((2, 3), keepdim=True).expand(-1, -1, 8, 8), "8/8"),
    "expand-stated": after(lambda y: y.mean((2, 3), keepdim=True).expand(-1, 8, 8, 8), "8/8"),
    "repeat": after(lambda y: y.repeat(1, 2, 1, 1), "8/8", 16),
    "repeat-symbolic": after(lambda y: y.repeat(1, y.size(0) + 1, 1, 1)[:, :8], "8/8"),
    "tile": after(lambda y: torch.repeat_interleave(y, 2, dim=1), "8/8", 16),
    "interleave-space": after(lambda y: y.repeat_interleave(2, 3), "8/8"),
    "interleave-flat": after(
        lambda y: y.repeat_interleave(2).view_as(y.repeat(2, 1, 1, 1)), "8/8 repeat"
    ),
    "roll": after(lambda y: y.roll(2, 3), "8/8"),
    "roll-channels": after(lambda y: torch.roll(y, 2, 1), "8/8 rolls"),
    "index": after(lambda y: y[:, :, ::2, 1:] + y[..., :4, None, 1:].squeeze(3), "8/8"),
    "index-constant": Row(
        lambda m, x: m.o(m.a(x)[:, 2:6]),
        {"a": conv(3, 8), "o": conv(4, 3)},
        {"a[0:2,6:8]": "4/4", "a[2:6]": "4/4"},
    ),
    "index-one": Row(
        lambda m, x: m.o(m.a(x)[:, :1] * m.a(x)),
        {"a": conv(3, 8), "o": conv(8, 3)},
        {"a[0:1]": "1/1 single", "a[1:8]": "7/7"},
    ),
    "index-list": after(lambda y: y[:, [0, 2, 4]], "8/8 indexed by a tensor", 3),
    "select": after(lambda y: y.select(2, 0).unsqueeze(2), "8/8"),
    "unbind": after(lambda y: torch.stack(y.unbind(2), 2), "8/8"),
    "unbind-channels": after(lambda y: torch.stack(y.unbind(1), 1), "8/8 one by one"),
    "assign": after(assigned, "8/8 setitem"),
    "chunk": Row(gated, {"a": conv(3, 16), "o": conv(8, 3)}, {"a": "8/16"}),
    "chunk-space": after(lambda y: sum(y.chunk(2, 2)), "8/8"),
    "chunk-uneven": after(lambda y: torch.cat(y.chunk(3, 1), 1), "8/8 unequal parts"),
    "split-stated": Row(parted, {"a": conv(3, 8), "o": conv(4, 3)}, {"a": "4/8"}),
    "halves": Row(halves, {"a": conv(3, 16), "o": conv(8, 3)}, {"a": "8/16"}),
    "pixel-shuffle": after(lambda y: F.pixel_shuffle(y, 2), "2/8", 2),
    "pixel-unshuffle": after(lambda y: F.pixel_unshuffle(y, 2), "8/8", 32),
    "pixel-modules": two(
        "s", nn.Sequential(nn.PixelShuffle(2), nn.PixelUnshuffle(2)), 8, {"a": "2/8"}
    ),
    "channel-shuffle": two("s", nn.ChannelShuffle(2), 8, {"a": "4/8"}),
    "channel-shuffle-by-view": Row(shuffled, {"a": conv(3, 8), "o": conv(8, 3)}, {"a": "4/8"}),
    "view": Row(
        lambda m, x: m.o(m.t(m.l(x).view(x.size(0), -1, 4, 4))),
        linear,
        {"l": "8/128", "t": "4/4"},
        (1, 6),
    ),
    "view-stated": Row(
        lambda m, x: m.o(m.t(m.l(x).view(-1, 8, 4, 4))),
        linear,
        {"l": "8/128", "t": "4/4"},
        (1, 6),
    ),
    "view-regroup": after(
        lambda y: y.view(y.size(0), y.size(1) // 4, -1, 8, 8).flatten(1, 2),
        "8/8 more than one way",
    ),
    "unflatten": Row(
        lambda m, x: m.o(m.t(m.u(m.l(x)).unflatten(1, (-1, 1)).flatten(1, 2))),
        {**linear, "u": nn.Unflatten(1, (-1, 4, 4))},
        {"l": "8/128", "t": "4/4"},
        (1, 6),
    ),
    "flatten": Row(
        lambda m, x: m.o(m.f(m.a(x)))[:, :, None, None],
        {"a": conv(3, 8), "f": nn.Flatten(), "o": nn.Linear(512, 3)},
        {"a": "8/8"},
    ),
    # produce
    "depthwise": two("d", conv(8, 16, groups=8), 16, {"a": "8/8"}),
    "depthwise-transposed": two("d", nn.ConvTranspose2d(8, 8, 2, 2, groups=8), 8, {"a": "8/8"}),
    "depthwise-gathering": two("d", nn.ConvTranspose2d(8, 4, 2, 2, groups=4), 4, {"a": "4/8"}),
    "depthwise-shared": Row(
        lambda m, x: m.o(m.d(m.b(m.d(m.a(x))))),
        {"a": conv(3, 8), "d": conv(8, 8, groups=8), "b": conv(8, 8), "o": conv(8, 3)},
        {"a": "8/8"},
    ),
    "grouped": two("g", conv(8, 12, groups=2), 12, {"a": "4/8", "g": "6/12"}),
    "grouped-transposed": two(
        "g", nn.ConvTranspose2d(8, 12, 2, groups=2), 12, {"a": "4/8", "g": "6/12"}
    ),
    "1d": Row(
        lambda m, x: m.o(F.leaky_relu(m.a(x))),
        {"a": nn.Conv1d(3, 8, 3), "o": nn.Conv1d(8, 3, 1, bias=False)},
        {"a": "8/8"},
        (1, 3, 9),
    ),
    "3d": Row(
        lambda m, x: m.o(m.n(m.a(x))),
        {"a": nn.Conv3d(3, 8, 1), "n": nn.InstanceNorm3d(8), "o": nn.ConvTranspose3d(8, 3, 2)},
        {"a": "8/8"},
        (1, 3, 3, 3, 3),
    ),
    "reparametrised": Row(
        lambda m, x: m.o(m.b(m.a(x))),
        {
            "a": conv(3, 8),
            "b": nn.utils.parametrizations.weight_norm(conv(8, 8)),
            "o": conv(8, 3),
        },
        {"a": "8/8 FoldReparametrisation"},
    ),
    "reparametrised-linear": Row(
        lambda m, x: m.o(m.b(m.a(x))),
        {
            "a": nn.Linear(6, 8),
            "b": nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)),
            "o": nn.Linear(8, 3),
        },
        {"a": "8/8 FoldReparametrisation"},
        (1, 6),
    ),
    "reparametrised-slopes": two(
        "p", nn.utils.parametrizations.weight_norm(nn.PReLU(8)), 8, {"a": "8/8 FoldRep"}
    ),
    "functional": Row(
        lambda m, x: m.o(F.conv2d(m.a(x), m.w)),
        {"a": conv(3, 8), "w": nn.Parameter(torch.ones(6, 8, 1, 1)), "o": conv(6, 3)},
        {"a": "8/8", "w": "6/6"},
    ),
    "functional-transposed": Row(
        lambda m, x: m.o(F.conv_transpose2d(m.a(x), m.w)),
        {"a": conv(3, 8), "w": nn.Parameter(torch.ones(8, 6, 2, 2)), "o": conv(6, 3)},
        {"a": "8/8", "w.axis1": "6/6"},
    ),
    # contract
    "attention": Row(
        attention,
        {"a": conv(3, 8), **{n: conv(8, 4, 1) for n in "qk"}, "v": conv(8, 8, 1), "o": conv(8, 3)},
        {"a": "8/8", "q": "4/4"},
    ),
    "heads": Row(
        heads,
        {
            "a": nn.Linear(6, 8),
            "norm": nn.LayerNorm(8),
            "qkv": nn.Linear(8, 24),
            "p": nn.Linear(8, 8),
            "o": nn.Linear(8, 3),
        },
        {"a": "8/8 ~", "qkv": "4/24 ~"},
        (1, 5, 6),
        uncounted=400,
    ),
    "einsum": Row(
        lambda m, x: m.o(torch.einsum("bchw,bchw->bhw", m.a(x), m.b(x))[:, None]),
        {"a": conv(3, 8), "b": conv(3, 8), "o": conv(1, 3)},
        {"a": "8/8"},
    ),
    "einsum-plane": Row(
        lambda m, x: m.o(torch.einsum("bchw,bdhw", m.a(x), m.b(x))[None, :, :, None]),
        {"a": conv(3, 8), "b": conv(3, 4), "o": conv(8, 3)},
        {"a": "8/8", "b": "4/4 along one axis"},
    ),
    "einsum-one-sided": Row(
        lambda m, x: m.o(torch.einsum("bchw,cd->bdhw", m.a(x), torch.ones(8, 1))),
        {"a": conv(3, 8), "o": conv(1, 3)},
        {"a": "8/8"},
    ),
    "einsum-diagonal": after(
        lambda y: torch.einsum("bchh,bchw->bchw", y, y), "8/8 einsum", uncounted=512
    ),
    "matrix-vector": Row(
        lambda m, x: m.o(torch.matmul(m.a(x), m.w)[..., None]),
        {"a": conv(3, 8), "w": nn.Parameter(torch.ones(8)), "o": conv(8, 3)},
        {"a": "8/8"},
        uncounted=512,
    ),
    # reduce
    "mean": after(lambda y: y.mean(dim=(2, 3), keepdim=True) + y.sum(3).unsqueeze(-1), "8/8"),
    "max-two": after(lambda y: torch.max(y, y.flip(3)), "8/8"),
    "max-space": after(lambda y: torch.max(y, dim=3, keepdim=True)[0], "8/8"),
    "max-channels": after(lambda y: y * y.amax(1, keepdim=True), "8/8 reduces channels"),
    "mean-all": after(lambda y: y * y.mean(), "8/8 ~"),
    "norm": after(lambda y: y / y.norm(dim=1, keepdim=True), "8/8 ~"),
    "item": after(lambda y: y * y.sum().item(), "8/8 ~"),
    "item-of-channel": after(lambda y: y * y.cumsum(1).mean(), "8/8 cumsum"),
    # unknown
    "unknown": after(lambda y: torch.cumsum(y, 1), "8/8 cumsum at test_rules.py:"),
    "lstm": Row(
        lambda m, x: m.o(m.r(m.a(x))[0]),
        {"a": nn.Linear(6, 8), "r": nn.LSTM(8, 5, batch_first=True), "o": nn.Linear(5, 3)},
        {"a": "8/8 LSTM 'r'"},
        (1, 5, 6),
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_operator(name: str) -> None:
    row = ROWS[name]
    net = Net(row.function, **row.layers).eval()
    example = torch.zeros(row.shape)
    traced = trace(net, (example,))
    assert not traced.opaque
    graph = analyse(traced)
    found = {}
    for group in graph.groups:
        special = group.frozen or ("~" if group.statistics_coupled else "")
        found[group.key] = (f"{group.units}/{group.width}", special)
        assert len(group.unit_ids) == group.units
    expected = {"o": "3/3 network output", **row.groups}
    assert set(found) == set(expected)
    for key, text in expected.items():
        size, _, special = text.partition(" ")
        assert found[key][0] == size
        assert special in found[key][1]
        assert bool(special) == bool(found[key][1])
    assert failing_groups(traced, graph) == {}
    check_sums(net, example, graph, row.uncounted)


def check_sums(net: nn.Module, example: Tensor, graph: Any, uncounted: int) -> None:
    coverage = graph.coverage()
    assert coverage.total.params == sum(p.numel() for p in net.parameters())
    assert coverage.elastic + coverage.coupled + coverage.frozen == coverage.total
    assert sum(share.params for share in coverage.reasons.values()) == coverage.frozen.params
    assert sum(share.macs for share in coverage.reasons.values()) == coverage.frozen.macs
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        net(example)
    assert coverage.total.macs == counter.get_total_flops() // 2 + uncounted


def test_embedding_columns_are_channels() -> None:
    net = Net(lambda m, x: m.o(m.e(x)), e=nn.Embedding(5, 8, padding_idx=0), o=nn.Linear(8, 3))
    graph = analyse(trace(net, (torch.zeros(1, 4, dtype=torch.long),)), verify=True)
    assert graph.group("e").frozen is None
    rows, columns = graph.members["e"].axes["weight"]
    assert rows is None
    assert columns is not None
    assert np.array_equal(columns, graph.members["o"].inputs)


def test_an_embedding_that_renormalises_its_rows_is_frozen() -> None:
    net = Net(lambda m, x: m.o(m.e(x)), e=nn.Embedding(5, 8, max_norm=1.0), o=nn.Linear(8, 3))
    graph = analyse(trace(net, (torch.zeros(1, 4, dtype=torch.long),)))
    assert {group.key for group in graph.groups} == {"o"}
    assert graph.coverage().frozen.params == 5 * 8 + 8 * 3 + 3
