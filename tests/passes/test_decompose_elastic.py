"""Generators with decomposed layers are as elastic as before, whatever the decomposition."""

import random
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.elastic import SearchSpace, Supernet
from gancompress.graph import TracedGenerator, analyse, trace
from gancompress.passes import Decompose, SortChannels, decomposable, run_passes


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 3, 2, 1, 1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.wider = nn.ConvTranspose2d(8, 8, 3, 2, 1, 1, groups=2)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        for layer in (self.down, self.up, self.grouped, self.wider):
            x = torch.relu(layer(x))
        result: Tensor = self.last(x)
        return result


def picture() -> tuple[Tensor]:
    return (torch.randn(2, 3, 8, 8, dtype=torch.float64),)


@cache
def original() -> TracedGenerator:
    torch.manual_seed(0)
    return trace(Net().double().eval(), picture())


OPTIONS: dict[str, dict[str, Any]] = {
    "separable": {},
    "two filters": {"multiplier": 2},
    "all filters, fitted": {"multiplier": 9, "calibration": True},
    "low rank": {"method": "low_rank", "max_error": 0.97},
    "with a norm": {"norm_between": True, "multiplier": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_decomposed_layers_stay_elastic(name: str) -> None:
    options = dict(OPTIONS[name])
    if options.pop("calibration", False):
        options["calibration"] = [picture()]
    traced = original()
    paths = decomposable(traced)
    assert paths == ("down", "up", "grouped", "wider")
    student = run_passes(traced, [Decompose(paths, **options), SortChannels()])
    graph = analyse(student, verify=True)
    coverage = graph.coverage()
    # Only the biases of the picture's three channels are nobody's to narrow.
    assert (coverage.frozen.params, coverage.frozen.macs, coverage.coupled.macs) == (3, 0, 0)

    supernet = Supernet(student, SearchSpace.multiples_of(2, smallest=0.2))
    (x,) = picture()
    rng = random.Random(0)  # noqa: S311 - repeatable, not secret
    for config in [supernet.space.smallest(), *(supernet.sample(rng) for _ in range(8))]:
        supernet.activate(config)
        assert torch.equal(supernet(x), supernet.materialise(config)(x))


def test_groups_stay_apart() -> None:
    (x,) = picture()
    for kind in (nn.Conv2d, nn.ConvTranspose2d):
        layer: Any = kind(4, 6, 3, padding=1, groups=2).double()
        x = torch.randn(1, 4, 8, 8, dtype=torch.float64)
        traced = trace(nn.Sequential(layer).eval(), (x,))
        for options in ({"multiplier": 2}, {"method": "low_rank", "max_error": 0.97}):
            module = Decompose(["0"], **options).apply(traced).module  # type: ignore[arg-type]
            other = x.clone()
            other[:, 2:] += 1.0
            assert torch.equal(module(x)[:, :3], module(other)[:, :3])
            assert not torch.equal(module(x)[:, 3:], module(other)[:, 3:])
