"""Invariants 2 and 4 on random networks: shares sum up, and rules agree with the numbers."""

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gancompress.graph import analyse, trace
from gancompress.graph.verify import failing_groups

Step = tuple[str, int]


class Random(nn.Module):
    """A network grown from a list of steps: each works on the last tensor and an earlier one."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleDict()
        self.stem = nn.Conv2d(3, 8, 1)
        channels = [8]
        for k, (kind, other) in enumerate(steps):
            layer, count = grow(kind, channels[-1], channels[other % len(channels)])
            if layer is not None:
                self.layers[str(k)] = layer
            channels.append(count)
        self.out = nn.Conv2d(channels[-1], 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = [self.stem(x)]
        for k, (kind, other) in enumerate(self.steps):
            made.append(self.step(k, kind, made[-1], made[other % len(made)]))
        result: Tensor = self.out(made[-1])
        return result

    def step(self, k: int, kind: str, left: Tensor, right: Tensor) -> Tensor:
        if str(k) in self.layers:
            return self.layers[str(k)](left)
        same, even = left.shape[1] == right.shape[1], left.shape[1] % 2 == 0
        acts: dict[str, Any] = {
            "gate": lambda: left * torch.sigmoid(right.mean(1, keepdim=True)),
            "cat": lambda: torch.cat([left, right], 1),
            "flip": lambda: left.flip(1),
            "add": lambda: left + right if same else left,
            "halves": lambda: halves(left) if even else left,
            "mix": lambda: mixed(left) if even else left,
        }
        return acts.get(kind, lambda: torch.relu(left))()  # type: ignore[no-any-return]


def halves(x: Tensor) -> Tensor:
    a, b = x.chunk(2, 1)
    return a * torch.tanh(b)


def mixed(x: Tensor) -> Tensor:
    b, c, h, w = x.shape
    return x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, -1, h, w)


def grow(kind: str, left: int, right: int) -> tuple[nn.Module | None, int]:
    layers: dict[str, Any] = {
        "conv": lambda: (nn.Conv2d(left, 4, 3, padding=1), 4),
        "wide": lambda: (nn.Conv2d(left, 8, 1), 8),
        "up-down": lambda: (nn.Sequential(nn.ConvTranspose2d(left, 6, 2, 2), nn.AvgPool2d(2)), 6),
        "depthwise": lambda: (nn.Conv2d(left, 2 * left, 3, padding=1, groups=left), 2 * left),
        "batch-norm": lambda: (nn.BatchNorm2d(left), left),
    }
    if kind == "grouped" and left % 2 == 0:
        return nn.Conv2d(left, 6, 1, groups=2), 6
    if kind == "group-norm" and left % 2 == 0:
        return nn.GroupNorm(2, left), left
    if kind == "shuffle" and left % 4 == 0:
        return nn.Sequential(nn.PixelShuffle(2), nn.AvgPool2d(2)), left // 4
    if kind in layers:
        return layers[kind]()  # type: ignore[no-any-return]
    counts = {"cat": left + right, "halves": left // 2 if left % 2 == 0 else left}
    return None, counts.get(kind, left)


KINDS = (
    *("conv", "wide", "up-down", "depthwise", "grouped", "batch-norm", "group-norm", "shuffle"),
    *("add", "add", "add", "wide", "gate", "cat", "halves", "flip", "mix", "relu"),
)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), min_size=2, max_size=8)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(STEPS)
def test_rules_agree_with_the_numbers(steps: list[Step]) -> None:
    torch.manual_seed(0)
    net = Random(steps).eval()
    traced = trace(net, (torch.zeros(1, 3, 4, 4),))
    graph = analyse(traced)
    assert failing_groups(traced, graph) == {}
    coverage = graph.coverage()
    assert coverage.elastic + coverage.coupled + coverage.frozen == coverage.total
    assert coverage.total.params == sum(p.numel() for p in traced.module.parameters())


@settings(max_examples=80, deadline=None, derandomize=True)
@given(STEPS)
def test_every_unit_belongs_to_one_group_and_layouts_show_searchable_ones(
    steps: list[Step],
) -> None:
    traced = trace(Random(steps).eval(), (torch.zeros(1, 3, 4, 4),))
    graph = analyse(traced)
    units = [unit for group in graph.groups for unit in group.unit_ids]
    assert sorted(units) == list(range(len(units)))
    keys = [group.key for group in graph.groups]
    assert len(set(keys)) == len(keys)
    searchable = {unit for group in graph.searchable() for unit in group.unit_ids}
    for name, layout in graph.layouts.items():
        assert layout.shape[1:] == traced.shapes[name][1:]
        assert set(np.unique(layout).tolist()) - {-1} <= searchable
    for member in graph.members.values():
        for axes in member.axes.values():
            for ids in axes:
                assert ids is None or set(ids.tolist()) - {-1} <= searchable
