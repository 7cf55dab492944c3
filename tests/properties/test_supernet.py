"""Invariants of the supernet, over generators of many kinds and subnets drawn at random."""

import random
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from gancompress.elastic import SearchSpace, SubnetConfig, Supernet
from gancompress.gan import ResNetGenerator
from gancompress.graph import TracedGenerator, trace
from gancompress.passes import Decompose, FoldReparametrisation, SortChannels, run_passes

SUBNETS = 20


class UNet(nn.Module):
    """Skips by concatenation, group norm, PReLU, pixel shuffle, grouped convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.group_norm = nn.GroupNorm(4, 8)
        self.down = nn.Conv2d(8, 16, 4, stride=2, padding=1)
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=2)
        self.prelu = nn.PReLU(16)
        self.expand = nn.Conv2d(16, 32, 1)
        self.shuffle = nn.PixelShuffle(2)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.last = nn.Conv2d(24, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = torch.relu(self.group_norm(self.first(x)))
        down = self.prelu(self.grouped(self.down(first)))
        both = torch.cat([first, self.shuffle(self.expand(down)), self.up(down)], dim=1)
        result: Tensor = torch.tanh(self.last(both))
        return result


class Styled(nn.Module):
    """Two inputs: a linear layer makes scales and shifts; attention; a layer norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.style = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 32))
        self.query = nn.Conv2d(16, 8, 1)
        self.key = nn.Conv2d(16, 8, 1)
        self.value = nn.Conv2d(16, 16, 1)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 12)
        self.last = nn.Conv2d(12, 3, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        scale, shift = self.style(z).chunk(2, dim=1)
        y = self.first(x)
        y = torch.relu(y * (1 + scale[:, :, None, None]) + shift[:, :, None, None])
        query, key = self.query(y).flatten(2), self.key(y).flatten(2)
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=-1)
        y = y + (self.value(y).flatten(2) @ weights.transpose(1, 2)).view_as(y)
        y = self.head(self.norm(y.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        result: Tensor = self.last(torch.relu(y))
        return result


class Volume(nn.Module):
    """Convolutions over three dimensions and over one."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv3d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm3d(8)
        self.b = nn.ConvTranspose3d(8, 8, 2, stride=2)
        self.c = nn.Conv1d(8, 8, 3, padding=1)
        self.d = nn.ConvTranspose1d(8, 3, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(torch.relu(self.norm(self.a(x)))).mean((3, 4))
        result: Tensor = self.d(torch.relu(self.c(y)))
        return result


def _spectral() -> nn.Module:
    net = ResNetGenerator(width=8, blocks=1)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            parametrizations.spectral_norm(layer)
    return net


PICTURE = ((2, 3, 16, 16),)
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...]]] = {
    "resnet, instance norm": (lambda: ResNetGenerator(width=8, blocks=2), PICTURE),
    "resnet, batch norm": (lambda: ResNetGenerator(width=8, blocks=1, norm="batch"), PICTURE),
    "resnet, spectral norm": (_spectral, PICTURE),
    "unet": (UNet, PICTURE),
    "styled": (Styled, ((2, 3, 8, 8), (2, 5))),
    "volume": (Volume, ((2, 3, 4, 4, 4),)),
}


@cache
def traced_net(name: str, *, dtype: torch.dtype = torch.float32) -> TracedGenerator:
    torch.manual_seed(0)
    make, shapes = NETS[name]
    net = make().to(dtype)
    inputs = tuple(torch.randn(shape, dtype=dtype) for shape in shapes)
    net.train()(*inputs)  # running statistics of its own for each channel
    return run_passes(trace(net.eval(), inputs), [FoldReparametrisation()])


@cache
def supernet(name: str, *, decomposed: bool = False) -> Supernet:
    passes = [Decompose("resblocks"), SortChannels()] if decomposed else [SortChannels()]
    traced = run_passes(traced_net(name), passes)
    return Supernet(traced, SearchSpace.multiples_of(2, smallest=0.2))


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


CASES = [*((name, False) for name in NETS), ("resnet, instance norm", True)]


@pytest.mark.parametrize(("name", "decomposed"), CASES)
def test_materialised_subnets_equal_activated_ones_bit_for_bit(name: str, decomposed: bool) -> None:
    net = supernet(name, decomposed=decomposed)
    assert net.space.size >= SUBNETS
    rng = seeded(0)
    for config in [net.space.smallest(), *(net.sample(rng) for _ in range(SUBNETS))]:
        inputs = tuple(torch.randn(1, *x.shape[1:]) for x in net.traced.example_inputs)
        with torch.no_grad():
            assert torch.equal(net.activate(config)(*inputs), net.materialise(config)(*inputs))


@pytest.mark.parametrize("name", [name for name, (_, shapes) in NETS.items() if shapes == PICTURE])
def test_in_channels_last_too(name: str) -> None:
    traced = traced_net(name)
    net = Supernet(traced, SearchSpace.multiples_of(2))
    net.to(memory_format=torch.channels_last)
    x = traced.example_inputs[0].to(memory_format=torch.channels_last)
    with torch.no_grad():
        config = net.space.smallest()
        assert torch.equal(net.activate(config)(x), net.materialise(config)(x))


@pytest.mark.parametrize("name", NETS)
def test_the_widest_subnet_is_the_generator(name: str) -> None:
    traced = traced_net(name)
    net = Supernet(traced)
    widest = net.space.largest()
    with torch.no_grad():
        expected = traced.module(*traced.example_inputs)
        assert torch.equal(net.activate(widest)(*traced.example_inputs), expected)
        assert torch.equal(net.materialise(widest)(*traced.example_inputs), expected)


@pytest.mark.parametrize("name", NETS)
def test_sorting_changes_the_output_by_less_than_1e_10(name: str) -> None:
    traced = traced_net(name, dtype=torch.float64)
    sorted_net = SortChannels().apply(traced)
    with torch.no_grad():
        expected = traced.module(*traced.example_inputs)
        found = sorted_net.module(*traced.example_inputs)
    assert (found - expected).abs().max() < 1e-10


def _active_size(axes: Any, tensor: Tensor, active: set[int]) -> int:
    """Number of a tensor's elements that stay, from the analysis alone."""
    sizes = [
        size if ids is None else sum(unit < 0 or unit in active for unit in ids.tolist())
        for ids, size in zip(axes or (None,) * tensor.ndim, tensor.shape, strict=True)
    ]
    return prod(sizes)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 999))
def test_parameters_and_macs_are_those_that_the_analysis_predicts(
    case: tuple[str, bool], seed: int
) -> None:
    net = supernet(case[0], decomposed=case[1])
    config = net.sample(seeded(seed))
    active = {
        unit
        for group in net.graph.groups
        for unit in group.unit_ids[: config.widths.get(group.key, group.units)]
    }
    modules = dict(net.traced.module.named_modules())
    members = net.graph.members
    predicted = {
        f"{path}.{name}".lstrip("."): _active_size(
            members[path].axes.get(name) if path in members else None, parameter, active
        )
        for path, layer in modules.items()
        for name, parameter in layer.named_parameters(recurse=False)
    }
    small = net.materialise(config)
    assert {name: p.numel() for name, p in small.named_parameters()} == predicted

    inputs = net.traced.example_inputs
    for path, (weight, positions) in _multiplications(small, inputs).items():
        assert weight == predicted[f"{path}.weight"]
        assert positions == _multiplications(net.traced.module, inputs)[path][1]


def _multiplications(net: nn.Module, inputs: tuple[Any, ...]) -> dict[str, tuple[int, int]]:
    """Weights of each convolution or linear layer, and how often each is used per sample."""
    found: dict[str, tuple[int, int]] = {}
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    for path, layer in net.named_modules():
        if isinstance(layer, kinds):

            def note(module: Any, args: Any, output: Tensor, path: str = path) -> None:
                shape = args[0].shape if getattr(module, "transposed", False) else output.shape
                where = shape[:-1] if isinstance(module, nn.Linear) else shape[2:]
                found[path] = (module.weight.numel(), prod(where))

            layer.register_forward_hook(note)
    with torch.no_grad():
        net(*inputs)
    for layer in net.modules():
        layer._forward_hooks.clear()
    return found


@pytest.mark.parametrize("name", NETS)
def test_active_units_are_the_channels_that_a_tap_hears(name: str) -> None:
    net = supernet(name)
    net.activate(net.sample(seeded(5)))
    with torch.no_grad():
        names = [n for n, s in net.traced.shapes.items() if len(s) == 4]
        _, heard = net.tap(names)(*net.traced.example_inputs)
        for node, value in heard.items():
            full = net.traced.shapes[node]
            positions = net.active_units(node)
            narrowed = [n for n, whole in zip(value.shape, full, strict=True) if n != whole]
            assert narrowed in ([len(positions)], [])
            assert len(positions) in value.shape
            assert np.all(np.diff(positions.numpy()) > 0)
            assert int(positions.max()) < max(full)


def test_configs_of_every_space_survive_json() -> None:
    for name in NETS:
        net = supernet(name)
        config = net.sample(seeded(2))
        assert SubnetConfig.from_json(config.to_json()) == config
