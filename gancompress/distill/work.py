"""What a subnet's layers multiply, from the channel analysis alone: quick enough for every step."""

import math
from collections.abc import Mapping, Sequence

from torch import fx, nn
from torch.nn.modules.conv import _ConvTransposeNd

from gancompress.elastic import SubnetConfig, Supernet

# An axis of a weight as a linear function of the widths: fixed positions, and those of a group.
_Axis = tuple[int, Mapping[str, int]]


class Work:
    """Multiply-accumulates of any subnet.

    A layer's are its weight's elements times the positions at which they are used, and an axis of
    the weight grows with the widths. Products of two feature maps, as in attention, are left out,
    so this orders and compares subnets; what a subnet costs says `measure_cost`.

    Args:
        supernet: Gives graph, groups and shapes.
    """

    def __init__(self, supernet: Supernet) -> None:
        owners = {
            unit: group.key for group in supernet.graph.searchable() for unit in group.unit_ids
        }
        self._units = {group.key: group.units for group in supernet.graph.searchable()}
        self._layers = [
            (positions, _axes(supernet, str(node.target), owners))
            for node in supernet.traced.module.graph.nodes
            if (positions := _positions(supernet, node))
        ]

    def macs(self, config: SubnetConfig) -> int:
        """Count the layers' multiply-accumulates for the example inputs.

        Args:
            config: The subnet.
        """
        widths = {**self._units, **config.widths}
        return sum(
            positions * math.prod(_length(axis, widths) for axis in axes)
            for positions, axes in self._layers
        )


def _positions(supernet: Supernet, node: fx.Node) -> int:
    """Return how often each element of a layer's weight is used; 0 where nothing is multiplied."""
    if node.op != "call_module":
        return 0
    layer = supernet.net.get_submodule(str(node.target))
    shapes = supernet.traced.shapes
    if isinstance(layer, _ConvTransposeNd):
        shape = shapes.get(node.all_input_nodes[0].name, ())
        return math.prod(_spatial(shape, layer))
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return math.prod(_spatial(shapes.get(node.name, ()), layer))
    if isinstance(layer, nn.Linear):
        return math.prod(shapes.get(node.name, (0,))[:-1])
    return 0


def _spatial(shape: Sequence[int], layer: nn.Module) -> tuple[int, ...]:
    """Return batch and positions of a map."""
    kernel = getattr(layer, "kernel_size", ())
    return (math.prod(shape[: -len(kernel) - 1]), *shape[-len(kernel) :]) if shape else (0,)


def _axes(supernet: Supernet, path: str, owners: Mapping[int, str]) -> tuple[_Axis, ...]:
    """Return the axes of a layer's weight, each as a function of the widths."""
    weight = supernet.net.get_submodule(path).weight
    shape: Sequence[int] = weight.shape  # type: ignore[assignment]
    member = supernet.graph.members.get(path)
    ids = (None,) * len(shape) if member is None else member.axes.get("weight", ())
    ids = ids or (None,) * len(shape)
    axes: list[_Axis] = []
    for length, units in zip(shape, ids, strict=True):
        counts: dict[str, int] = {}
        for unit in () if units is None else units.tolist():
            if unit in owners:
                counts[owners[unit]] = counts.get(owners[unit], 0) + 1
        per_unit = {key: count // supernet.graph.group(key).units for key, count in counts.items()}
        axes.append((length - sum(counts.values()), per_unit))
    return tuple(axes)


def _length(axis: _Axis, widths: Mapping[str, int]) -> int:
    fixed, groups = axis
    return fixed + sum(count * widths[key] for key, count in groups.items())
