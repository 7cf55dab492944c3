"""The MACs of a subnet in no time, from those of each layer at full width."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gancompress.elastic import SubnetConfig, Supernet
from gancompress.graph import ChannelGraph
from gancompress.sensitivity import layer_macs

_KINDS: Final = ("conv", "conv_transpose", "linear")


@dataclass(frozen=True)
class _Axis:
    """One axis of a weight: positions that are always there, and those by width of each group."""

    fixed: int
    by_group: dict[str, Sequence[int]]

    def length(self, config: SubnetConfig) -> int:
        return self.fixed + sum(
            counts[min(config.widths.get(key, len(counts) - 1), len(counts) - 1)]
            for key, counts in self.by_group.items()
        )


class MacEstimate:
    """Predicts MACs: a layer's are proportional to the elements of its weight.

    That is exact for convolutions and linear layers. Products without weights, such as attention,
    are left out, so what fits by this estimate is measured before it counts.

    Args:
        supernet: The supernet.
    """

    def __init__(self, supernet: Supernet) -> None:
        graph = supernet.graph
        layers = {path: one for path, one in graph.members.items() if one.kind in _KINDS}
        macs = layer_macs(supernet.traced, tuple(layers))
        self._layers: list[tuple[float, list[_Axis]]] = []
        for path, member in layers.items():
            weight = supernet.traced.module.get_parameter(f"{path}.weight")
            axes = [
                _axis(graph, ids) if ids is not None else _Axis(size, {})
                for ids, size in zip(member.axes["weight"], weight.shape, strict=True)
            ]
            self._layers.append((macs[path] / weight.numel(), axes))

    def __call__(self, config: SubnetConfig) -> float:
        """Predict the MACs of a subnet, for the example inputs.

        Args:
            config: The subnet.
        """
        return sum(each * prod(axis.length(config) for axis in axes) for each, axes in self._layers)


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
