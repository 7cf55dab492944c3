"""Operators that take channels apart: equal parts become pairs of one unit, others freeze."""

import operator
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import fx

from gancompress.graph.layout import Channels, Ids, Layout
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, specs


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
    """Chunk and split: equal parts of a symbolic size narrow together."""

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
        if len(set(lengths)) > 1 or self._is_fixed(call):
            return call.freeze("it cuts at constant channels")
        tie_parts(layout.ids, axis, len(shapes), call.channels)
        cuts = pairwise(accumulate(lengths, initial=0))
        before = (slice(None),) * axis
        return tuple(
            Layout(layout.ids[(*before, slice(a, b))], shape)
            for (a, b), shape in zip(cuts, shapes, strict=True)
        )

    @staticmethod
    def _is_fixed(call: OpCall) -> bool:
        """Whether sizes are stated as constants, rather than a number of parts."""
        name = call.target if isinstance(call.target, str) else call.target.__name__
        sizes = call.raw(1, "split_size", "split_size_or_sections", "chunks", "indices_or_sections")
        if name == "split":
            given = sizes if isinstance(sizes, tuple | list) else [sizes]
            return any(isinstance(size, int) for size in given)
        return not isinstance(sizes, int)


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

    functions = frozenset({operator.getitem, torch.narrow, torch.select})
    methods = frozenset({"narrow", "select"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Cut the layout; channels may be cut in equal symbolic parts only."""
        layout = call.args[0]
        if call.target is operator.getitem:
            items, raws = _as_tuple(call.args[1]), _as_tuple(call.node.args[1])
        else:
            items, raws = _along_dim(call, layout)
        if not all(isinstance(i, int | slice) or i is None or i is Ellipsis for i in items):
            return call.freeze("it is indexed by a tensor or a list")
        used = sum(i is not None and i is not Ellipsis for i in items)
        items, raws = (_without_ellipsis(t, len(layout.shape) - used) for t in (items, raws))
        index: list[Any] = []
        axis = 0
        for item, raw in zip(items, raws, strict=True):
            if item is None:
                index.append(None)
                continue
            kept = self._on_axis(layout, axis, item, raw, call.channels)
            if kept is _REFUSED:
                return call.freeze("it takes channels by constant positions")
            index.append(kept)
            axis += 1
        return Layout(layout.ids[tuple(index)], call.shape)

    @staticmethod
    def _on_axis(layout: Layout, axis: int, item: Any, raw: Any, channels: Channels) -> Any:
        """Return what to index the compressed axis by."""
        if not layout.varies(axis):
            return slice(None) if isinstance(item, slice) else 0
        if not isinstance(item, slice):
            return _REFUSED
        length = layout.shape[axis]
        start, stop, step = item.indices(length)
        if (start, stop, step) == (0, length, 1) and not isinstance(raw.stop, int):
            return slice(None)
        symbolic = not any(isinstance(v, int) and v for v in (raw.start, raw.stop))
        part = stop - start
        if step != 1 or not symbolic or part < 1 or length % part or start % part:
            return _REFUSED
        tie_parts(layout.ids, axis, length // part, channels)
        return item


_REFUSED = object()


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _without_ellipsis(items: tuple[Any, ...], missing: int) -> tuple[Any, ...]:
    """Replace an ellipsis by full slices, or append them."""
    full = (slice(None),) * missing
    place = next((k for k, item in enumerate(items) if item is Ellipsis), None)
    if place is None:
        return items + full
    return items[:place] + full + items[place + 1 :]


def _along_dim(call: OpCall, layout: Layout) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Write ``narrow`` and ``select`` as an index of values and one of what the graph holds."""
    axis = call.argument(1, "dim") % len(layout.shape)
    before = (slice(None),) * axis
    name = call.target if isinstance(call.target, str) else call.target.__name__
    if name == "select":
        return (*before, call.argument(2, "index")), (*before, call.raw(2, "index"))
    start, length = call.argument(2, "start"), call.argument(3, "length")
    raw = call.raw(3, "length")
    stop = raw if isinstance(raw, fx.Node) else start + length
    item = (*before, slice(start, start + length))
    return item, (*before, slice(call.raw(2, "start"), stop))
