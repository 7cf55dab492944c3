"""Operators that take channels apart: equal parts become pairs of one unit, others freeze."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from gancompress.graph.layout import Channels, Ids, Layout, Place, constant, joined
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, specs
from gancompress.graph.rules.sizes import Origin, counts_behind, ids_along, origin


def tie_parts(ids: Ids, axis: int, parts: int, channels: Channels) -> None:
    """Tie the k-th channels of all parts of an axis.

    Args:
        ids: Ids; ``parts`` divides the axis's length.
        axis: The axis.
        parts: Number of equal parts.
        channels: The ids' keeper.
    """
    axis %= ids.ndim
    shape = (*ids.shape[:axis], parts, -1, *ids.shape[axis + 1 :])
    channels.unite_along(ids.reshape(shape), axis)


class SplitRule(OpRule):
    """Chunk and split: equal parts narrow together, parts of stated sizes each by itself."""

    sizes = True
    functions = frozenset({torch.chunk, torch.split, torch.tensor_split})
    methods = frozenset({"chunk", "split", "tensor_split"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Cut the layout as the tensor is cut."""
        layout = call.layouts[0]
        axis = call.argument(2, "dim", default=0) % len(layout.shape)
        shapes = [spec.shape for spec in specs(call.value)]
        lengths = [shape[axis] for shape in shapes]
        if not layout.varies(axis):
            return tuple(Layout(layout.ids, shape) for shape in shapes)
        cuts = pairwise(accumulate(lengths, initial=0))
        before = (slice(None),) * axis
        parts = tuple(
            Layout(layout.ids[(*before, slice(a, b))], shape)
            for (a, b), shape in zip(cuts, shapes, strict=True)
        )
        refused = self._count(call, layout, axis, parts)
        return call.freeze(refused) if refused else parts

    @staticmethod
    def _count(call: OpCall, layout: Layout, axis: int, parts: Sequence[Layout]) -> str:
        """Let the parts follow their channels; return why they cannot, or nothing."""
        names = ("split_size", "split_size_or_sections", "chunks", "indices_or_sections")
        name = call.target if isinstance(call.target, str) else call.target.__name__
        raw, place = call.raw(1, *names), call.place(1, *names)
        equal = len({part.shape[axis] for part in parts}) == 1
        if isinstance(raw, tuple | list) and name == "split":
            for k, (size, part) in enumerate(zip(raw, parts, strict=True)):
                line = ids_along(part, axis)
                call.channels.cut(part.ids, f"{call.node.name}[{k}]")
                if origin(call, size, line) is not Origin.OWN:
                    call.resize((*place, k), line)
            return ""
        if not equal or isinstance(raw, tuple | list):
            return "it cuts channels into unequal parts"
        if name != "split" and counts_behind([raw], call):
            return "it cuts as many parts as there are channels"
        tie_parts(layout.ids, axis, len(parts), call.channels)
        line = ids_along(parts[0], axis)
        if name == "split" and origin(call, raw, line) is not Origin.OWN:
            call.resize(place, line)
        return ""


class GLURule(OpRule):
    """Gated linear units: the k-th channels of both halves are a unit."""

    functions = frozenset({F.glu})
    modules = (nn.GLU,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie the halves, keep the first."""
        layout = call.layouts[0]
        stated = call.argument(1, "dim", default=-1)
        dim = call.module.dim if isinstance(call.module, nn.GLU) else stated
        axis = dim % len(layout.shape)
        if not layout.varies(axis):
            return Layout(layout.ids, call.shape)
        tie_parts(layout.ids, axis, 2, call.channels)
        before = (slice(None),) * axis
        return Layout(layout.ids[(*before, slice(0, layout.shape[axis] // 2))], call.shape)


class UnbindRule(OpRule):
    """Unbinding an axis: it must not carry channels."""

    functions = frozenset({torch.unbind})
    methods = frozenset({"unbind"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Drop the axis."""
        layout = call.layouts[0]
        axis = call.argument(1, "dim", default=0) % len(layout.shape)
        if layout.varies(axis):
            return call.freeze("it takes channels one by one")
        ids = layout.ids.squeeze(axis)
        return tuple(Layout(ids, spec.shape) for spec in specs(call.value))


class IndexRule(OpRule):
    """Indexing and slicing a tensor, also by ``narrow`` and ``select``."""

    sizes = True
    sets = "all"
    functions = frozenset({operator.getitem, torch.narrow, torch.select})
    methods = frozenset({"narrow", "select"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Cut the layout; a narrow net cuts the channels of that part that are left."""
        layout = call.args[0]
        items = _items(call, layout)
        if not all(_is_plain(item.value) for item in items):
            return self._picked(call, layout, items)
        index: list[Any] = []
        axis = 0
        for item in items:
            if item.value is None:
                index.append(None)
                continue
            reason = self._count(call, layout, axis, item) if layout.varies(axis) else ""
            if reason:
                return call.freeze(reason)
            index.append(item.value)
            axis += 1
        planes = [_indexed(ids, index) for ids in layout.planes]
        return joined(planes, call.shape) or call.freeze()

    @staticmethod
    def _count(call: OpCall, layout: Layout, axis: int, item: "_Item") -> str:
        """Let a cut through channels follow them; return why it cannot, or nothing."""
        line, length = ids_along(layout, axis), layout.shape[axis]
        if not isinstance(item.value, slice):
            return "it takes a single channel"
        start, stop, step = item.value.indices(length)
        if step != 1 or start >= stop:
            return "it takes channels by a step"
        if any(ids.shape[axis] > 1 and ids.size > length for ids in layout.planes):
            return "it cuts channels that lie along several axes"
        if not item.counts and _in_equal_parts(call, item, line, (start, stop)):
            tie_parts(line, 0, length // (stop - start), call.channels)
            return ""
        if stop - start < length:
            call.channels.cut(line[start:stop], f"{call.node.name}.{axis}")
        if start and item.start is not None:
            call.resize(item.start_place, line[:start])
        if item.stop is not None:
            call.resize(item.stop_place, line[start if item.counts else 0 : stop])
        return ""

    @staticmethod
    def _picked(call: OpCall, layout: Layout, items: Sequence["_Item"]) -> LayoutTree:
        """Look rows of a table up: its other axes keep their channels."""
        picks = [k for k, item in enumerate(items) if isinstance(item.value, Layout)]
        whole = all(k in picks or item.value == slice(None) for k, item in enumerate(items))
        if len(picks) != 1 or not whole or items[picks[0]].value.axes:
            return call.freeze("it is indexed by a tensor or a list")
        axis = picks[0]
        rank = len(items[axis].value.shape)
        planes: list[Ids] = []
        for ids in layout.planes:
            if ids.shape[axis] > 1:
                call.channels.freeze(ids, f"{call.where}: it is looked up by a tensor")
                continue
            planes.append(ids.reshape(*ids.shape[:axis], *(1,) * rank, *ids.shape[axis + 1 :]))
        fixed = call.channels.fixed(f"it is tied to the result of {call.where}")
        return joined(planes or [constant(call.shape, fixed).ids], call.shape) or call.freeze()


@dataclass(frozen=True)
class _Item:
    """One item of an index.

    Args:
        value: The item as it was in the example.
        start: Where a slice starts, as the graph holds it.
        stop: Where it stops.
        start_place: Where the start stands in the call.
        stop_place: Where the stop, or the number of positions, stands.
        counts: Whether ``stop`` is a number of positions, as in ``narrow``.
    """

    value: Any
    start: Any = None
    stop: Any = None
    start_place: Place = ()
    stop_place: Place = ()
    counts: bool = False


def _is_plain(item: Any) -> bool:
    return item is None or isinstance(item, int | slice)


def _indexed(ids: Ids, index: Sequence[Any]) -> Ids:
    """Index ids, passing over the axes along which they are constant."""
    axes = iter(ids.shape)
    wanted: list[Any] = []
    for item in index:
        if item is None:
            wanted.append(None)
        elif next(axes) > 1:
            wanted.append(item)
        else:
            wanted.append(slice(None) if isinstance(item, slice) else 0)
    found: Ids = ids[tuple(wanted)]
    return found


def _in_equal_parts(call: OpCall, item: _Item, line: Ids, ends: tuple[int, int]) -> bool:
    """Whether a slice such as ``[:c // 2]`` takes one of equal parts, and follows by itself."""
    raws = [raw for raw in (item.start, item.stop) if raw is not None and raw != 0]
    follows = raws and all(origin(call, raw, line) is Origin.OWN for raw in raws)
    part = ends[1] - ends[0]
    return bool(follows) and len(line) % part == 0 and ends[0] % part == 0


def _items(call: OpCall, layout: Layout) -> list[_Item]:
    """Return what each axis is indexed by, in the order of the axes."""
    if call.target is not operator.getitem:
        return _along_dim(call, layout)
    values, raws = _as_tuple(call.args[1]), _as_tuple(call.node.args[1])
    tuples = isinstance(call.node.args[1], tuple | list)
    items = []
    for k, (value, raw) in enumerate(zip(values, raws, strict=True)):
        place: Place = (1, k) if tuples else (1,)
        if isinstance(value, slice):
            ends = (raw.start, raw.stop) if isinstance(raw, slice) else (raw, raw)
            items.append(_Item(value, *ends, (*place, "start"), (*place, "stop")))
        else:
            items.append(_Item(value))
    used = sum(item.value is not None and item.value is not Ellipsis for item in items)
    full = [_Item(slice(None))] * (len(layout.shape) - used)
    at = next((k for k, item in enumerate(items) if item.value is Ellipsis), None)
    return [*items, *full] if at is None else [*items[:at], *full, *items[at + 1 :]]


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return tuple(index) if isinstance(index, tuple) else (index,)


def _along_dim(call: OpCall, layout: Layout) -> list[_Item]:
    """Write ``narrow`` and ``select`` as an index."""
    axis = call.argument(1, "dim") % len(layout.shape)
    name = call.target if isinstance(call.target, str) else call.target.__name__
    if name == "select":
        item = _Item(call.argument(2, "index"))
    else:
        start, length = int(call.argument(2, "start")), int(call.argument(3, "length"))
        start %= layout.shape[axis]
        item = _Item(
            slice(start, start + length),
            *(call.raw(2, "start"), call.raw(3, "length")),
            *(call.place(2, "start"), call.place(3, "length")),
            counts=True,
        )
    after = len(layout.shape) - axis - 1
    return [_Item(slice(None))] * axis + [item] + [_Item(slice(None))] * after
