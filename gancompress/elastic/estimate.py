"""The MACs of a subnet from the channel analysis alone: quick enough for every step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import fx, nn
from torch.nn.modules.conv import _ConvTransposeNd

from gancompress.elastic.config import SubnetConfig
from gancompress.elastic.supernet import Supernet
from gancompress.graph import ChannelGraph


@dataclass(frozen=True)
class _Axis:
    """One axis of a weight: positions that are always there, and those by width of each group."""

    fixed: int
    by_group: Mapping[str, Sequence[int]]

    def length(self, config: SubnetConfig) -> int:
        return self.fixed + sum(
            counts[min(config.widths.get(key, len(counts) - 1), len(counts) - 1)]
            for key, counts in self.by_group.items()
        )


class MacEstimate:
    """Predicts the multiply-accumulates of any subnet, for the example inputs.

    A layer's are its weight's elements times the positions at which they are used, and an axis of
    the weight grows with the widths. That is exact for convolutions and linear layers. Products of
    two feature maps, as in attention, are left out, so this orders and compares subnets; what a
    subnet costs says `measure_cost`.

    Args:
        supernet: Gives graph, groups and shapes.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._layers = [
            (positions, _axes(supernet, str(node.target)))
            for node in supernet.traced.module.graph.nodes
            if (positions := _positions(supernet, node))
        ]

    def __call__(self, config: SubnetConfig) -> int:
        """Predict the MACs of a subnet.

        Args:
            config: The subnet; groups that it does not name have their full width.
        """
        return sum(
            positions * prod(axis.length(config) for axis in axes)
            for positions, axes in self._layers
        )


def _positions(supernet: Supernet, node: fx.Node) -> int:
    """Return how often each element of a layer's weight is used; 0 where nothing is multiplied."""
    if node.op != "call_module":
        return 0
    layer = supernet.net.get_submodule(str(node.target))
    shapes = supernet.traced.shapes
    if isinstance(layer, _ConvTransposeNd):
        return _places(shapes.get(node.all_input_nodes[0].name, ()), layer)
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return _places(shapes.get(node.name, ()), layer)
    if isinstance(layer, nn.Linear):
        return prod(shapes.get(node.name, (0,))[:-1])
    return 0


def _places(shape: Sequence[int], layer: nn.Module) -> int:
    """Return the batch times the positions of a map."""
    kernel = getattr(layer, "kernel_size", ())
    return prod(shape[: -len(kernel) - 1]) * prod(shape[-len(kernel) :]) if shape else 0


def _axes(supernet: Supernet, path: str) -> tuple[_Axis, ...]:
    """Return the axes of a layer's weight, each as a function of the widths."""
    shape: Sequence[int] = supernet.net.get_submodule(path).weight.shape  # type: ignore[assignment]
    member = supernet.graph.members.get(path)
    ids = member.axes.get("weight", ()) if member is not None else ()
    return tuple(
        _Axis(size, {}) if units is None else _axis(supernet.graph, units)
        for size, units in zip(shape, ids or (None,) * len(shape), strict=True)
    )


def _axis(graph: ChannelGraph, ids: NDArray[np.int64]) -> _Axis:
    by_group: dict[str, Sequence[int]] = {}
    found = 0
    for group in graph.searchable():
        places = {unit: place for place, unit in enumerate(group.unit_ids)}
        mine = [places[unit] for unit in ids.tolist() if unit in places]
        if mine:
            # How many positions belong to the first w units, for every w.
            counts = np.bincount(mine, minlength=group.units).cumsum()
            by_group[group.key] = [0, *counts.tolist()]
            found += len(mine)
    return _Axis(len(ids) - found, by_group)
