"""Idioms that once were traced, tied or counted wrongly: every narrow net of them agrees."""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.elastic import SearchSpace, Supernet
from gancompress.graph import ChannelGraph, analyse, trace
from gancompress.graph.verify import failing_groups


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def picture() -> tuple[Tensor]:
    return (torch.rand(1, 3, 8, 8) - 0.5,)


class Net(nn.Module):
    """conv a (3 → 8) · a function of the net, its features and the input; conv o (→ 3) at hand."""

    def __init__(
        self, function: Callable[[Any, Tensor, Tensor], Any], last: int = 8, **parts: Any
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.o, self.function = conv(3, 8), conv(last, 3), function
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, torch.relu(self.a(x)), x)


def sound(net: nn.Module, args: tuple[Any, ...]) -> ChannelGraph:
    """Check by numbers, and that every narrow net runs, alone as in the supernet."""
    traced = trace(net.eval(), args)
    graph = analyse(traced)
    assert failing_groups(traced, graph) == {}
    supernet = Supernet(traced, SearchSpace.multiples_of(1))
    rng = random.Random(0)  # noqa: S311 - repeatable, not secret
    with torch.no_grad():
        want = net(*copy.deepcopy(args))
        assert torch.equal(supernet(*copy.deepcopy(args)), want)
        for config in [supernet.space.smallest(), *(supernet.sample(rng) for _ in range(8))]:
            found = supernet.activate(config)(*copy.deepcopy(args))
            assert found.shape == want.shape
            assert torch.equal(found, supernet.materialise(config)(*copy.deepcopy(args)))
    return graph


def test_flip_and_reshape() -> None:
    """flip copies the expanded ids: strides no longer tell what was expanded."""
    sound(Net(lambda s, y, x: s.o(y.flip(-1).reshape(x.shape[0], -1, *x.shape[2:]))), picture())


def test_flip_and_view() -> None:
    sound(
        Net(lambda s, y, x: s.o((y * y.flip(-1)).view(x.shape[0], 4, 2, 8, 8).mean(2)), last=4),
        picture(),
    )


def test_grid_sample_grid() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        grid = torch.tanh(s.g(y)).permute(0, 2, 3, 1)
        return s.o(F.grid_sample(y, grid, align_corners=False))

    sound(Net(fwd, g=conv(8, 2)), picture())


def test_layer_norm_shared_with_input() -> None:
    """A LayerNorm that also normalises a tensor without channels is not frozen."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.n, self.l, self.o = nn.LayerNorm(8), nn.Linear(8, 8), nn.Linear(8, 4)

        def forward(self, x):
            return self.o(self.n(self.l(self.n(x))))

    sound(Shared(), (torch.randn(2, 5, 8),))


def test_view_as_foreign() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        z = s.b(x)
        return s.o(y.flatten(2).view_as(z)) + z.mean(1, keepdim=True)

    sound(Net(fwd, b=conv(3, 8)), picture())


def test_expand_as_foreign() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        z = s.b(x)
        return s.o(y.mean((2, 3), keepdim=True).expand_as(z)) + z.mean(1, keepdim=True)

    sound(Net(fwd, b=conv(3, 8)), picture())


def test_view_to_the_shape_of_another_tensor() -> None:
    """`y.view(z.shape)` freezes y, not z, whose number then decides on y's shape."""

    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        z = s.b(x)
        return s.o(y.view(z.shape)) + z.mean(1, keepdim=True)

    sound(Net(fwd, b=conv(3, 8)), picture())


def test_reshape_to_shape_after_attention() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        q, k, v = s.q(y).flatten(2), s.k(y).flatten(2), s.v(y).flatten(2)
        return s.o(
            y + s.p((v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)).reshape(y.shape))
        )

    sound(Net(fwd, q=conv(8, 8, 1), k=conv(8, 8, 1), v=conv(8, 8, 1), p=conv(8, 8, 1)), picture())


def test_zeros_of_counted_channels() -> None:
    """A state of as many zeros as a tensor has channels, as recurrent cells begin with."""

    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        state = torch.zeros(y.shape[0], y.shape[1], *y.shape[2:])
        return s.o(torch.cat([y, state], 1))

    sound(Net(fwd, last=16), picture())


def test_new_zeros_in_a_recurrent_cell() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        b, c, h, w = y.shape
        state = y.new_zeros(b, c, h, w)
        for _ in range(2):
            i, g = torch.chunk(s.i(y) + s.h(state), 2, 1)
            state = torch.sigmoid(i) * torch.tanh(g)
        return s.o(state)

    sound(Net(fwd, i=conv(8, 16), h=conv(8, 16)), picture())


def test_zeros_of_foreign_channels() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        z = s.b(x)
        return s.o(y + torch.zeros(z.shape[0], z.shape[1], 1, 1)) + z.mean(1, keepdim=True)

    sound(Net(fwd, b=conv(3, 8)), picture())


def test_parameter_expanded_to_foreign_channels() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        z = s.b(x)
        b, c = z.shape[:2]
        return s.o(y * s.p.expand(b, c, 1, 1)) + z.mean(1, keepdim=True)

    sound(Net(fwd, b=conv(3, 8), p=nn.Parameter(torch.randn(1, 1, 1, 1))), picture())


def test_slice_by_channels_minus_a_constant() -> None:
    sound(Net(lambda s, y, x: s.o(y[:, y.shape[1] - 4 :]), last=4), picture())


def test_scale_computed_from_channels() -> None:
    """`c ** -0.5` changes with the width: the group must be coupled (or the number kept)."""

    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        b, c, h, w = y.shape
        q, k = s.q(y).flatten(2), s.k(y).flatten(2)
        att = (q.transpose(1, 2) @ k * q.shape[1] ** -0.5).softmax(-1)
        return s.o((y.flatten(2) @ att.transpose(1, 2)).view(b, c, h, w))

    sound(Net(fwd, q=conv(8, 8, 1), k=conv(8, 8, 1)), picture())


def test_equalised_rate_computed_from_channels() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        return s.o(F.conv2d(y, s.w * (2 / (s.w.shape[1] * 9)) ** 0.5, padding=1))

    sound(Net(fwd, w=nn.Parameter(torch.randn(8, 8, 3, 3))), picture())


def test_counts_read_through_a_slice_of_the_shape() -> None:
    """`b, c = z.shape[:2]` is taken for a size that is free (`z.shape[1]` works here)."""

    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        z = s.b(y)
        c = z.shape[:2][1]
        return s.o(torch.cat([F.conv2d(y, s.k, padding=1, groups=c)[:, :4], z[:, 4:]], 1))

    sound(Net(fwd, b=conv(8, 8), k=torch.rand(8, 1, 3, 3)), picture())


def test_split_by_channels_minus_a_constant() -> None:
    def fwd(s: Any, y: Tensor, x: Tensor) -> Any:
        p, q = y.split(y.shape[1] - 4, 1)
        return s.o(p + q)

    sound(Net(fwd, last=4), picture())


def test_chunk_into_symbolic_parts() -> None:
    """As many chunks as there are channels by two: fewer in a narrow net."""
    sound(Net(lambda s, y, x: s.o(sum(y.chunk(y.shape[1] // 2, 1))), last=2), picture())


def test_output_in_a_dataclass() -> None:
    @dataclass
    class Out:
        img: torch.Tensor

    net = Net(lambda s, y, x: Out(s.o(y))).eval()
    t = trace(net, picture())
    graph = analyse(t)
    assert graph.group("o").frozen, "the output channels of a dataclass can be narrowed"


def test_buffer_assigned_in_forward() -> None:
    class Ema(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("m", torch.zeros(8))
            self.l = nn.Linear(4, 8)

        def forward(self, z):
            w = self.l(z)
            self.m = self.m * 0.5 + w.detach().mean(0) * 0.5
            return w - self.m

    net, z = Ema().eval(), torch.randn(2, 4)
    t = trace(net, (z,))
    want = copy.deepcopy(net)(z)
    assert torch.allclose(t.module(z), want), "the graph reads the old buffer, and drops the update"


def test_verification_of_float_constants() -> None:
    """Code that asks for single precision is verified in double precision all the same."""

    class Timed(nn.Module):
        def __init__(self):
            super().__init__()
            self.l, self.o = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, t):
            return self.o(torch.relu(self.l(t[:, None].float() * torch.arange(4))))

    graph = analyse(trace(Timed().eval(), (torch.tensor([5]),)), verify=True)
    assert [group.key for group in graph.searchable()] == ["l"]
