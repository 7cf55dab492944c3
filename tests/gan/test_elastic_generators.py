"""The kit's generators go through every step: trace, decompose, sort, and be elastic."""

import random
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gancompress.elastic import SearchSpace, Supernet
from gancompress.gan import MobileResNetGenerator, ResNetWidths, UNetGenerator
from gancompress.graph import trace
from gancompress.passes import Decompose, SortChannels, run_passes

NETS: dict[str, tuple[Callable[[], nn.Module], Decompose]] = {
    "unet, batch norm": (
        partial(UNetGenerator, 1, 4, width=2, depth=5, norm="batch", dropout=True),
        Decompose(["model.model.1.model.1", "model.model.1.model.5"]),
    ),
    "unet, instance norm": (
        partial(UNetGenerator, 3, 3, width=2, depth=5, norm="instance"),
        Decompose(["model.model.1.model.3.model.5"]),
    ),
    "mobile resnet": (
        partial(MobileResNetGenerator, ResNetWidths.parse("4_4_8_12_4_8", 1)),
        Decompose("none"),
    ),
}


def trained(make: Callable[[], nn.Module]) -> nn.Module:
    """Make a net whose statistics hide nothing by being 0 or 1."""
    torch.manual_seed(0)
    net = make().eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.2)
            nn.init.normal_(layer.bias, 0, 0.2)
            layer.running_mean = torch.randn_like(layer.bias) / 10
            layer.running_var = torch.rand_like(layer.bias) + 0.5
    return net


@pytest.mark.parametrize("name", NETS)
def test_twenty_subnets_are_equal_bit_for_bit_and_nothing_is_frozen(name: str) -> None:
    make, decompose = NETS[name]
    net = trained(make)
    picture = torch.randn(1, next(net.parameters()).shape[1], 32, 32)
    student = run_passes(trace(net, (picture,)), [decompose, SortChannels()])
    supernet = Supernet(student, SearchSpace.multiples_of(1))
    cover = supernet.graph.coverage()
    assert cover.elastic.macs == cover.total.macs
    rng = random.Random(0)  # noqa: S311 - repeatable, not secret
    subnets = [supernet.space.smallest(), *(supernet.sample(rng) for _ in range(19))]
    with torch.no_grad():
        for subnet in subnets:
            activated = supernet.activate(subnet)(picture)
            assert torch.equal(supernet.materialise(subnet)(picture), activated)


@pytest.mark.parametrize("name", NETS)
def test_sorting_keeps_what_is_computed(name: str) -> None:
    net = trained(NETS[name][0]).double()
    picture = torch.randn(1, next(net.parameters()).shape[1], 32, 32, dtype=torch.float64)
    traced = trace(net, (picture,))
    with torch.no_grad():
        assert torch.equal(traced.module(picture), net(picture))
        in_order = SortChannels().apply(traced).module(picture)
        torch.testing.assert_close(in_order, net(picture), rtol=0, atol=1e-10)
