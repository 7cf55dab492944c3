"""Sort the units of every group by importance, so that a narrow subnet keeps the best ones."""

import copy
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gancompress.graph import (
    ChannelGraph,
    ChannelGroup,
    IgnoredScope,
    OpRule,
    TracedGenerator,
    analyse,
)
from gancompress.passes.base import GraphPass

Ids = NDArray[np.int64]


class SortChannels(GraphPass):
    """Permute every searchable group's units by descending importance.

    Requires plain weights (fold first). A subnet of width w keeps the first w units of a group,
    hence after this pass the w most important ones. Every tensor that carries the group is
    permuted alike, so the widest net computes the same up to rounding (1e-10 in float64).

    Args:
        rules: Operator rules for the channel analysis, asked before the built-in ones.
        ignored: Layers that are left alone: their channels keep their order.
    """

    name: ClassVar[str] = "sort"

    def __init__(
        self, rules: Sequence[OpRule] = (), *, ignored: IgnoredScope | None = None
    ) -> None:
        self.rules = tuple(rules)
        self.ignored = ignored

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator with sorted channels.

        Args:
            traced: The generator; it is left as it is.

        Raises:
            AnalysisError: If an entry of `ignored` selects no module.
        """
        graph = analyse(traced, rules=self.rules, ignored=self.ignored)
        module = copy.deepcopy(traced.module)
        sources = _sources(graph, module)
        done: set[int] = set()
        for name, axes in graph.tensors.items():
            tensor = attrgetter(name)(module)
            if id(tensor) not in done:
                done.add(id(tensor))
                _permute(tensor, axes, sources)
        for path, member in graph.members.items():
            layer = module.get_submodule(path)
            for name, axes in member.axes.items():
                tensor = getattr(layer, name)
                # A parameter that two layers share carries the same ids in both.
                if tensor is not None and id(tensor) not in done:
                    done.add(id(tensor))
                    _permute(tensor, axes, sources)
        return traced.with_module(module)


def unit_importance(
    graph: ChannelGraph, group: ChannelGroup, module: nn.Module
) -> NDArray[np.float64]:
    """Score a group's units: L1 norm of the weights of all its producers and consumers.

    Args:
        graph: The analysis that the group belongs to.
        group: The group.
        module: The traced module, or one with the same paths.

    Returns:
        One score per unit, in the order of ``group.unit_ids``.
    """
    place = {unit: k for k, unit in enumerate(group.unit_ids)}
    scores = np.zeros(len(place))
    for path in dict.fromkeys((*group.producers, *group.consumers)):
        if path in graph.tensors:
            axes = graph.tensors[path]
            if sum(ids is not None for ids in axes) > 1:  # scales and shifts say nothing
                _add_importance(scores, place, attrgetter(path)(module), axes)
            continue
        layer = module.get_submodule(path)
        parameters = dict(layer.named_parameters(recurse=False))
        for name, axes in graph.members[path].axes.items():
            if name in parameters and "bias" not in name:
                _add_importance(scores, place, parameters[name], axes)
    return scores


def _add_importance(
    scores: NDArray[np.float64],
    place: Mapping[int, int],
    weight: Tensor,
    axes: Sequence[Ids | None],
) -> None:
    """Add to each unit's score the absolute weights in its rows, along every axis that has any."""
    for axis, ids in enumerate(axes):
        if ids is None:
            continue
        others = [k for k in range(weight.ndim) if k != axis]
        totals = weight.detach().abs().double()
        sums = (totals.sum(others) if others else totals).cpu().numpy()
        known = np.array([place.get(int(unit), -1) for unit in ids], dtype=np.int64)
        np.add.at(scores, known[known >= 0], sums[known >= 0])


def _sources(graph: ChannelGraph, module: nn.Module) -> dict[int, int]:
    """Map each unit id of a searchable group to the id whose weights move to its place."""
    sources: dict[int, int] = {}
    for group in graph.searchable():
        order = np.argsort(-unit_importance(graph, group, module), kind="stable")
        sources |= {group.unit_ids[k]: group.unit_ids[int(j)] for k, j in enumerate(order)}
    return sources


def _permute(tensor: Tensor, axes: Sequence[Ids | None], sources: Mapping[int, int]) -> None:
    """Permute a parameter or buffer in place, along each axis that carries sorted units."""
    with torch.no_grad():
        for axis, ids in enumerate(axes):
            if ids is None or not any(int(unit) in sources for unit in ids):
                continue
            index = torch.as_tensor(source_positions(ids, sources), device=tensor.device)
            tensor.copy_(tensor.index_select(axis, index))


def source_positions(ids: Ids, sources: Mapping[int, int]) -> Ids:
    """Say for each position of an axis from which position its content comes.

    A unit may own several positions of one axis; its j-th goes where the j-th of the unit was
    whose place it takes.

    Args:
        ids: Unit id of each position, -1 where the position belongs to none.
        sources: For each id that moves, the id whose content takes its place.

    Returns:
        Positions, a permutation of ``range(len(ids))``.
    """
    places: dict[int, list[int]] = {}
    for position, unit in enumerate(ids.tolist()):
        places.setdefault(unit, []).append(position)
    result = np.arange(len(ids))
    for unit, positions in places.items():
        if unit in sources:
            result[positions] = places[sources[unit]]
    return result
