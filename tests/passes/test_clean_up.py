"""Passes before an export: each leaves the output and does what it is for."""

import operator
from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancompress.gan import ResNetGenerator
from gancompress.graph import TracedGenerator, trace
from gancompress.passes import (
    DropIdle,
    FoldBatchNorm,
    GraphPass,
    MergePads,
    MergePairs,
    MergeRepeats,
    SplitPhases,
    run_passes,
)

PICTURE = torch.rand(2, 4, 12, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def unlike_new(net: nn.Module) -> nn.Module:
    """Give norms the statistics and weights of trained ones, and go to eval mode."""
    torch.manual_seed(0)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                nn.init.normal_(layer.weight)
                nn.init.normal_(layer.bias)
    return net.eval()


def applied(net: nn.Module, one: GraphPass, *, atol: float = 1e-5) -> Counter[str]:
    """Apply a pass, compare at two sizes, and count what is left by name."""
    traced = trace(net, (PICTURE,))
    done = run_passes(traced, [one])
    assert done is not traced
    for x in (PICTURE, PICTURE.repeat(1, 1, 2, 2)):
        with torch.no_grad():
            torch.testing.assert_close(done.module(x), net(x), rtol=0, atol=atol)
    return names(done)


def names(traced: TracedGenerator) -> Counter[str]:
    module = traced.module
    return Counter(
        type(module.get_submodule(str(node.target))).__name__
        if node.op == "call_module"
        else getattr(node.target, "__name__", str(node.target))
        for node in module.graph.nodes
        if node.op not in {"placeholder", "output"}
    )


@pytest.mark.parametrize(
    "convolution",
    [
        lambda: nn.Conv2d(4, 6, 3),
        lambda: nn.Conv2d(4, 6, 3, bias=False),
        lambda: nn.Conv2d(4, 8, 3, groups=4, padding=1),
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2),
        lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, groups=2, bias=False),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norms_are_folded(convolution: Callable[[], nn.Conv2d], affine: bool) -> None:
    torch.manual_seed(3)
    layer = convolution()
    net = nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels, affine=affine), nn.ReLU())
    left = applied(unlike_new(net), FoldBatchNorm())
    assert left == {type(layer).__name__: 1, "ReLU": 1}


def test_a_norm_whose_statistics_are_the_batchs_stays() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    assert applied(net, FoldBatchNorm())["BatchNorm2d"] == 1
    traced = trace(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).train(), (PICTURE,))
    assert names(run_passes(traced, [FoldBatchNorm()]))["BatchNorm2d"] == 1


class ReadTwice(nn.Module):
    """A convolution that more than the norm reads, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.shared, self.other = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y + self.other(self.shared(x)) * self.shared(y)


def test_what_others_read_is_not_folded() -> None:
    assert applied(unlike_new(ReadTwice()), FoldBatchNorm())["BatchNorm2d"] == 2


class Idle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop, self.same = nn.Dropout2d(0.5), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.drop(self.same(x)), 0.5, self.training)
        return F.dropout2d(x, training=False).relu() + F.alpha_dropout(x, 0.3, training=False)


def test_what_does_nothing_is_dropped() -> None:
    assert applied(Idle().eval(), DropIdle(), atol=0) == {"relu": 1, "add": 1}


def test_dropout_that_is_on_stays() -> None:
    class On(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x, 0.0) + 1

    assert applied(On().eval(), DropIdle())["dropout"] == 1
    traced = trace(nn.Sequential(nn.Dropout(0.5), nn.ReLU()).train(), (PICTURE,))
    assert names(run_passes(traced, [DropIdle()]))["Dropout"] == 1


class Bordered(nn.Module):
    def __init__(self, border: nn.Module | Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.border, self.conv = border, nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(self.border(x))
        return result


@pytest.mark.parametrize(
    ("border", "merged"),
    [
        (nn.ZeroPad2d(2), True),
        (nn.ConstantPad2d((1, 1, 3, 3), 0.0), True),
        (lambda x: F.pad(x, (2, 2, 1, 1)), True),
        (nn.ConstantPad2d(2, 0.5), False),
        (nn.ZeroPad2d((1, 2, 0, 0)), False),
        (nn.ReflectionPad2d(2), False),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), False),
        (lambda x: F.pad(x, (1, 1)), False),
    ],
)
def test_borders_of_zeros_are_the_convolutions(border: nn.Module, merged: bool) -> None:
    left = applied(Bordered(border).eval(), MergePads())
    assert sum(left.values()) == (1 if merged else 2)


class Labelled(nn.Module):
    """Every block resizes the same map, to a size that it reads from another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.down = nn.Conv2d(4, 4, 3, stride=2, padding=1)

    def resized(self, x: Tensor, labels: Tensor) -> Tensor:
        return F.interpolate(labels, size=x.shape[2:], mode="nearest")

    def forward(self, labels: Tensor) -> Tensor:
        x = self.down(labels)
        y = F.leaky_relu(self.a(x), 0.2) * (1 + self.resized(x, labels))
        y = self.b(y + self.resized(y, labels)) + x
        z = self.resized(y, labels)
        z.add_(1)  # a copy of its own
        return y * z + self.resized(labels, labels)[:, :, : y.shape[2], : y.shape[3]]


def test_repetitions_are_computed_once() -> None:
    left = applied(Labelled().eval(), MergeRepeats(), atol=0)
    # At half the size once, once for what is written in place, and once at the size of the labels.
    assert left["interpolate"] == 3


def pair(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.ReLU(), *layers).eval()


@pytest.mark.parametrize(
    ("net", "merged"),
    [
        (pair(nn.Conv2d(4, 64, 1), nn.Conv2d(64, 4, 1)), True),
        (pair(nn.Conv2d(4, 64, 3, padding=1, stride=2), nn.Conv2d(64, 4, 1, bias=False)), True),
        (pair(nn.Conv2d(4, 32, 3, groups=4, bias=False), nn.Conv2d(32, 2, 1)), True),
        (pair(nn.Conv2d(4, 32, 1, bias=False), nn.Conv2d(32, 2, 3, padding=1)), True),
        # Less work apart.
        (pair(nn.Conv2d(4, 4, 5, groups=4), nn.Conv2d(4, 64, 1)), False),
        # The border of the second is one of zeros, and not of the first's bias.
        (pair(nn.Conv2d(4, 32, 1), nn.Conv2d(32, 2, 3, padding=1)), False),
        (pair(nn.Conv2d(4, 64, 3, padding="same"), nn.Conv2d(64, 4, 1)), False),
        (pair(nn.Conv2d(4, 64, 1), nn.ReLU(), nn.Conv2d(64, 4, 1)), False),
    ],
)
def test_pairs_become_one_where_that_is_less_work(net: nn.Module, merged: bool) -> None:
    before = sum(isinstance(layer, nn.Conv2d) for layer in net)
    assert applied(net, MergePairs())["Conv2d"] == (1 if merged else before)


@pytest.mark.parametrize(
    ("up", "split"),
    [
        (nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1), True),
        (nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1), True),
        (nn.Upsample(scale_factor=2), True),
        (nn.Sequential(nn.Conv2d(4, 16, 1), nn.PixelShuffle(2)), True),
        (nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1), False),  # odd
        (nn.Conv2d(4, 4, 1), False),  # as the input is
    ],
)
@pytest.mark.parametrize("padding", [0, 3])
def test_four_positions_at_a_time_where_there_are_always_four(
    up: nn.Module, split: bool, padding: int
) -> None:
    border = [nn.ReflectionPad2d(3)] if not padding else []
    net = nn.Sequential(
        up, nn.InstanceNorm2d(4), nn.ReLU(), *border, nn.Conv2d(4, 3, 7, padding=padding), nn.Tanh()
    )
    left = applied(net.eval(), SplitPhases())
    assert left["pixel_shuffle"] == split


@pytest.mark.parametrize(
    "last", [nn.Conv2d(4, 8, 7), nn.Conv2d(4, 3, 3), nn.Conv2d(4, 3, 7, stride=2)]
)
def test_other_convolutions_are_not_split(last: nn.Module) -> None:
    net = nn.Sequential(nn.Upsample(scale_factor=2), last).eval()
    assert "pixel_shuffle" not in applied(net, SplitPhases())


def test_the_original_is_left_as_it_is() -> None:
    net = ResNetGenerator(4, 3, width=8, blocks=1, norm="batch", dropout=True).eval()
    traced = trace(net, (PICTURE,))
    before = traced.module.code
    everything = [DropIdle(), MergeRepeats(), MergePads(), FoldBatchNorm(), MergePairs()]
    done = run_passes(traced, [*everything, SplitPhases()])
    assert traced.module.code == before
    assert not {"BatchNorm2d", "Dropout"} & set(names(done))
    assert names(done)["pixel_shuffle"] == 1
    assert names(done)["pixel_shuffle"] == 1
    with torch.no_grad():
        torch.testing.assert_close(done.module(PICTURE), net(PICTURE), rtol=0, atol=1e-5)
    assert operator.add in {node.target for node in done.module.graph.nodes}
