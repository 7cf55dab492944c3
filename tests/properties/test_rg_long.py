"""Graphs of supported operators, drawn at random, keep the invariants of the generators' table."""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gancompress.cost.macs import count_macs
from gancompress.elastic import SearchSpace, Supernet
from gancompress.elastic.slices import slices_of, take
from gancompress.graph import TracedGenerator, trace
from gancompress.graph.verify import failing_groups
from gancompress.passes import SortChannels, run_passes

SUBNETS = 3
SIZE = 8  # pixels of the input; nothing is made smaller than a quarter of it, or larger than twice
WIDTHS = (4, 6, 8, 12)


@dataclass(frozen=True)
class Spot:
    """A tensor of the net under construction: its number, channels and size."""

    number: int
    channels: int
    size: int


Step = tuple[Callable[..., Any], tuple[int, ...]]


class RandomNet(nn.Module):
    """Runs its steps one by one; what no step has read is resized, stacked and mixed at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.steps: list[Step] = []
        self.spots = [Spot(0, 3, SIZE)]
        self.last: nn.Module = nn.Identity()

    def __repr__(self) -> str:
        lines = [f"{k}: {what} of {sources}" for k, (what, sources) in enumerate(self.steps, 1)]
        return "\n".join(["RandomNet", *lines, *map(repr, self.layers), repr(self.last)])

    def add(self, what: Callable[..., Any], sources: list[Spot], channels: int, size: int) -> Spot:
        """Append a step that makes one tensor."""
        if isinstance(what, nn.Module):
            self.layers.append(what)
        self.steps.append((what, tuple(one.number for one in sources)))
        self.spots.append(Spot(len(self.spots), channels, size))
        return self.spots[-1]

    def loose(self) -> list[Spot]:
        """Return what nothing has read yet."""
        read = {number for _, sources in self.steps for number in sources}
        return [spot for spot in self.spots if spot.number not in read]

    def finish(self) -> None:
        """Let everything have an influence on the output."""
        self.last = nn.Conv2d(sum(spot.channels for spot in self.loose()), 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for what, sources in self.steps:
            found.append(what(*(found[number] for number in sources)))
        ends = [F.interpolate(found[spot.number], size=x.shape[2:]) for spot in self.loose()]
        result: Tensor = self.last(torch.cat(ends, dim=1))
        return torch.tanh(result)


def chunk_and_gate(x: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=1)
    return left * torch.sigmoid(right)


def half(x: Tensor, *, which: int) -> Tensor:
    return x.chunk(2, dim=1)[which]


def cat(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors, dim=1)


def like(x: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(x, size=other.shape[2:], mode="bilinear")


def _divisors(*numbers: int) -> list[int]:
    return [k for k in (1, 2, 3) if all(n % k == 0 for n in numbers)]


def _conv(draw: Any, net: RandomNet, at: Spot) -> None:
    out, kernel = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from((1, 3)))
    stride = draw(st.sampled_from((1, 2))) if at.size > SIZE // 4 else 1
    groups = draw(st.sampled_from(_divisors(at.channels, out)))
    bias = draw(st.booleans())
    conv = nn.Conv2d(at.channels, out, kernel, stride, kernel // 2, groups=groups, bias=bias)
    net.add(conv, [at], out, at.size // stride)


def _transposed(draw: Any, net: RandomNet, at: Spot) -> None:
    out = draw(st.sampled_from(WIDTHS))
    groups = draw(st.sampled_from(_divisors(at.channels, out)))
    if at.size <= SIZE:
        layer = nn.ConvTranspose2d(at.channels, out, 4, 2, 1, groups=groups)
        net.add(layer, [at], out, at.size * 2)
    else:
        layer = nn.ConvTranspose2d(at.channels, out, 3, 1, 1, groups=groups)
        net.add(layer, [at], out, at.size)


def _depthwise(draw: Any, net: RandomNet, at: Spot) -> None:
    many = draw(st.sampled_from((1, 2))) if at.channels <= 12 else 1
    layer: nn.Module
    if draw(st.booleans()):
        layer = nn.Conv2d(at.channels, at.channels * many, 3, padding=1, groups=at.channels)
    else:
        layer = nn.ConvTranspose2d(at.channels, at.channels * many, 3, 1, 1, groups=at.channels)
    net.add(layer, [at], at.channels * many, at.size)


def _norm(draw: Any, net: RandomNet, at: Spot) -> None:
    makers: list[Callable[[int], nn.Module]] = [
        nn.BatchNorm2d,
        nn.InstanceNorm2d,
        partial(nn.InstanceNorm2d, affine=True),
        partial(nn.InstanceNorm2d, affine=True, track_running_stats=True),
        *(partial(nn.GroupNorm, groups) for groups in _divisors(at.channels)),
    ]
    net.add(draw(st.sampled_from(makers))(at.channels), [at], at.channels, at.size)


def _activation(draw: Any, net: RandomNet, at: Spot) -> None:
    functions = [torch.relu, F.leaky_relu, torch.sigmoid, nn.SiLU(), nn.PReLU(at.channels)]
    net.add(draw(st.sampled_from(functions)), [at], at.channels, at.size)


def _add(draw: Any, net: RandomNet, at: Spot) -> None:
    """Add a tensor of the same shape; make one by a shortcut where there is none."""
    alike = [o for o in net.spots[1:-1] if (o.channels, o.size) == (at.channels, at.size)]
    if alike:
        other = draw(st.sampled_from(alike))
    else:
        source = draw(st.sampled_from([o for o in net.spots if o.size == at.size]))
        shortcut = nn.Conv2d(source.channels, at.channels, 1)
        other = net.add(shortcut, [source], at.channels, at.size)
    net.add(draw(st.sampled_from((torch.add, torch.mul))), [at, other], at.channels, at.size)


def _cat(draw: Any, net: RandomNet, at: Spot) -> None:
    others = [o for o in net.spots if o.size == at.size and o.channels + at.channels <= 24]
    if others:
        other = draw(st.sampled_from(others))
        net.add(cat, [at, other], at.channels + other.channels, at.size)


def _chunk(draw: Any, net: RandomNet, at: Spot) -> None:
    if at.channels % 2 or at.channels < 4:
        return
    if draw(st.booleans()):
        net.add(chunk_and_gate, [at], at.channels // 2, at.size)
    else:
        for which in draw(st.permutations((0, 1))):
            net.add(partial(half, which=which), [at], at.channels // 2, at.size)


def _shuffle(draw: Any, net: RandomNet, at: Spot) -> None:
    if at.channels % 4 == 0 and at.size <= SIZE:
        layer = draw(
            st.sampled_from((nn.PixelShuffle(2), partial(F.pixel_shuffle, upscale_factor=2)))
        )
        net.add(layer, [at], at.channels // 4, at.size * 2)
    elif at.channels <= 6 and at.size > SIZE // 4:
        net.add(nn.PixelUnshuffle(2), [at], at.channels * 4, at.size // 2)


def _pool(draw: Any, net: RandomNet, at: Spot) -> None:
    if at.size > SIZE // 4:
        pool = draw(
            st.sampled_from(
                (nn.MaxPool2d(2), nn.AvgPool2d(2), partial(F.max_pool2d, kernel_size=2))
            )
        )
        net.add(pool, [at], at.channels, at.size // 2)


def _resize(draw: Any, net: RandomNet, at: Spot) -> None:
    if draw(st.booleans()) or at.size > SIZE:
        other = draw(st.sampled_from(net.spots))
        net.add(like, [at, other], at.channels, other.size)
    else:
        net.add(nn.Upsample(scale_factor=2), [at], at.channels, at.size * 2)


class Scaled(nn.Module):
    """A parameter outside the layers, laid along the channels by a stated or a read size."""

    def __init__(self, channels: int, form: int) -> None:
        super().__init__()
        self.channels, self.form = channels, form
        shape = (1, channels, 1, 1) if form == 0 else (channels,)
        self.gamma = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        if self.form == 1:
            return x * self.gamma.view(1, self.channels, 1, 1)
        if self.form == 2:
            return x + self.gamma.view(-1, 1, 1).expand(x.size(1), x.size(2), x.size(3))
        return x * self.gamma.expand(x.shape[0], -1, -1, -1)


class Own(nn.Module):
    """A convolution, or a product, whose weight is a parameter of the generator's own."""

    def __init__(self, inputs: int, outputs: int, form: str) -> None:
        super().__init__()
        self.form = form
        shapes = {
            "conv": (outputs, inputs, 3, 3),
            "transposed": (inputs, outputs, 3, 3),
            "einsum": (inputs, outputs),
            "linear": (outputs, inputs),
        }
        self.weight = nn.Parameter(torch.randn(shapes[form]) * 0.1)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        if self.form == "conv":
            return F.conv2d(x, self.weight * 0.5, self.bias, padding=1)
        if self.form == "transposed":
            return F.conv_transpose2d(x, self.weight, self.bias, padding=1)
        if self.form == "linear":
            return F.linear(x.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)
        return torch.einsum("bchw,cd->bdhw", x, self.weight) + self.bias[:, None, None]


class Modulated(nn.Module):
    """A convolution whose weights are computed for each sample from its mean (StyleGAN2)."""

    def __init__(self, inputs: int, outputs: int, *, demodulate: bool) -> None:
        super().__init__()
        self.outputs, self.demodulate = outputs, demodulate
        self.style = nn.Linear(inputs, inputs)
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, 3, 3) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        weight = self.weight * self.style(x.mean((2, 3))).view(b, 1, c, 1, 1)
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-2)
        flat = weight.view(b * self.outputs, c, 3, 3)
        y = F.conv2d(x.reshape(1, b * c, h, w), flat, padding=1, groups=b)
        return y.view(b, self.outputs, h, w)


class Blurred(nn.Module):
    """A fixed kernel, repeated for each channel."""

    kernel: Tensor

    def __init__(self, channels: int, form: int) -> None:
        super().__init__()
        self.form, self.channels = form, channels
        times = channels if form == 0 else 1
        self.register_buffer("kernel", torch.full((times, 1, 3, 3), 1 / 9))

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel
        if self.form == 1:
            kernel = kernel.repeat(x.size(1), 1, 1, 1)
        if self.form == 2:
            kernel = kernel.expand(self.channels, -1, -1, -1)
        return F.conv2d(x, kernel, padding=1, groups=self.channels)


class Heads(nn.Module):
    """Attention over places in two heads, whose width is stated or read."""

    def __init__(self, channels: int, *, stated: bool) -> None:
        super().__init__()
        self.channels, self.stated = channels, stated
        self.qkv = nn.Conv2d(channels, channels * 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        width = self.channels // 2 if self.stated else c // 2
        qkv = self.qkv(x).flatten(2).transpose(1, 2).reshape(b, h * w, 3, 2, width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        return y.transpose(1, 2).reshape(b, h * w, c).transpose(1, 2).view(b, c, h, w)


def _loose(draw: Any, net: RandomNet, at: Spot) -> None:
    net.add(Scaled(at.channels, draw(st.integers(0, 2))), [at], at.channels, at.size)


def _own(draw: Any, net: RandomNet, at: Spot) -> None:
    out = draw(st.sampled_from(WIDTHS))
    form = draw(st.sampled_from(("conv", "transposed", "einsum", "linear")))
    net.add(Own(at.channels, out, form), [at], out, at.size)


def _modulated(draw: Any, net: RandomNet, at: Spot) -> None:
    out = draw(st.sampled_from(WIDTHS))
    layer = Modulated(at.channels, out, demodulate=draw(st.booleans()))
    net.add(layer, [at], out, at.size)


def _blur(draw: Any, net: RandomNet, at: Spot) -> None:
    net.add(Blurred(at.channels, draw(st.integers(0, 2))), [at], at.channels, at.size)


def _attend(draw: Any, net: RandomNet, at: Spot) -> None:
    if at.channels % 2 == 0 and at.size <= SIZE:
        layer = Heads(at.channels, stated=draw(st.booleans()))
        net.add(layer, [at], at.channels, at.size)


def swapped(x: Tensor, *, sizes: list[int]) -> Tensor:
    left, right = torch.split(x, sizes, dim=1)
    return torch.cat([right, left], dim=1)


def sliced(x: Tensor, *, start: int, stop: int) -> Tensor:
    return x[:, start:stop]


def _cut(draw: Any, net: RandomNet, at: Spot) -> None:
    if at.channels < 4:
        return
    start = draw(st.integers(0, at.channels - 2))
    stop = draw(st.integers(start + 1, at.channels))
    if draw(st.booleans()) and start:
        step = partial(swapped, sizes=[start, at.channels - start])
        net.add(step, [at], at.channels, at.size)
    else:
        net.add(partial(sliced, start=start, stop=stop), [at], stop - start, at.size)


OPERATORS = (
    *(_conv, _conv, _transposed, _depthwise, _norm, _activation, _add, _cat, _chunk, _shuffle),
    *(_pool, _resize, _loose, _own, _modulated, _blur, _attend, _cut),
)


@st.composite
def networks(draw: Any) -> RandomNet:
    """Draw up to ten operators, each mostly on the newest tensor, sometimes on an older one."""
    torch.manual_seed(0)
    net = RandomNet()
    net.add(nn.Conv2d(3, draw(st.sampled_from(WIDTHS)), 3, padding=1), [net.spots[0]], 0, SIZE)
    net.spots[-1] = Spot(1, net.layers[0].out_channels, SIZE)  # type: ignore[arg-type]
    for _ in range(draw(st.integers(2, 10))):
        older = draw(st.integers(0, 3)) == 0
        at = draw(st.sampled_from(net.spots[1:])) if older else net.spots[-1]
        draw(st.sampled_from(OPERATORS))(draw, net, at)
    net.finish()
    return _stirred(net).eval()


def _stirred(net: RandomNet) -> RandomNet:
    """Move scales and statistics off 0 and 1, which hide what goes wrong."""
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor), alpha=0.2)
    return net


def picture(count: int = 1, width: int = SIZE, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(
        (count, 3, SIZE, width), generator=torch.Generator().manual_seed(1), dtype=dtype
    )


def check_trace(net: RandomNet, traced: TracedGenerator) -> None:
    assert not traced.opaque
    for x in (picture(), picture(3), picture(1, 2 * SIZE)):
        assert torch.equal(traced.module(x), net(x))


def check_coverage(supernet: Supernet) -> None:
    module = supernet.traced.module
    cover = supernet.graph.coverage()
    assert cover.total.params == sum(p.numel() for p in module.parameters())
    assert cover.total.macs == count_macs(module, (picture(),), {}).true
    assert sum(share.macs for share in cover.reasons.values()) == cover.frozen.macs
    assert all(cover.reasons)
    # The first layer's own channels can always be narrowed, unless it ties with nothing else.
    assert cover.elastic.macs > 0 or not supernet.graph.searchable()


def check_sorting(net: RandomNet) -> None:
    double = copy.deepcopy(net).double()
    x = picture(2, dtype=torch.float64)
    traced = trace(double, (x,))
    sorted_ = run_passes(traced, [SortChannels()])
    torch.testing.assert_close(sorted_.module(x), double(x), rtol=0, atol=1e-10)


def check_subnets(supernet: Supernet) -> None:
    rng = random.Random(0)  # noqa: S311 - repeatable, not secret
    drawn = (supernet.sample(rng) for _ in range(SUBNETS))
    for config in (supernet.space.smallest(), *drawn):
        narrow = supernet.materialise(config)
        state = {name: value.clone() for name, value in narrow.state_dict().items()}
        again = copy.deepcopy(narrow)
        again.load_state_dict(state)
        for x in (picture(), picture(2, 2 * SIZE)):
            found = supernet.activate(config)(x)
            assert torch.equal(narrow(x), found)
            assert torch.equal(again(x), found)


def check_one_step(supernet: Supernet) -> None:
    """Every active weight whose reference gradient is not negligible moves, and no other."""
    config = supernet.sample(random.Random(1))  # noqa: S311 - repeatable, not secret
    narrow = supernet.materialise(config)
    weight = picture(2).roll(1)
    (narrow(picture(2)) * weight).sum().backward()
    before = {name: p.detach().clone() for name, p in supernet.net.named_parameters()}
    (supernet.activate(config)(picture(2)) * weight).sum().backward()
    torch.optim.Adam(supernet.parameters(), lr=0.01).step()
    active = supernet._active(config)
    for (name, parameter), small in zip(
        supernet.net.named_parameters(), narrow.parameters(), strict=True
    ):
        path, _, own = name.rpartition(".")
        member = supernet.graph.members.get(path)
        axes = member.axes.get(own) if member else supernet.graph.tensors.get(name)
        moved = parameter.detach() != before[name]
        kept = take(moved, slices_of(axes or (None,) * parameter.ndim, active))
        if small.grad is None:  # only the size of what it makes is read
            assert not moved.any(), name
            continue
        assert kept.shape == small.shape
        assert kept[small.grad.abs() > 1e-6].all(), name
        assert int(moved.sum()) == int(kept.sum()), name


@settings(
    max_examples=400,
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(net=networks())
def test_random_generators_keep_the_invariants(net: RandomNet) -> None:
    with torch.no_grad():
        traced = trace(net, (picture(),))
        check_trace(net, traced)
        check_sorting(net)
        prepared = run_passes(traced, [SortChannels()])
        supernet = Supernet(prepared, SearchSpace.multiples_of(1))
        check_coverage(supernet)
        assert failing_groups(prepared, supernet.graph) == {}
        plain = Supernet(traced)
        assert torch.equal(plain(picture()), net(picture()))
        check_subnets(supernet)
    check_one_step(supernet)
