"""Operators that move channels: run on the ids themselves, they need no knowledge of shapes."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import fx

from gancompress.graph.layout import Ids, Layout, Place, along, concatenated, constant, joined
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, words
from gancompress.graph.rules.sizes import Origin, counts_behind, ids_along, origin

_NAMES = words(
    "permute transpose swapaxes swapdims movedim moveaxis t unsqueeze squeeze flip adjoint"
)


class ViewRule(OpRule):
    """Permutations and new axes: the operator itself is run on the ids."""

    sets = "each"
    functions = frozenset(getattr(torch, n) for n in _NAMES if hasattr(torch, n)) | {getattr}
    methods = frozenset(_NAMES)

    def apply(self, call: OpCall) -> LayoutTree:
        """Run the operator on the tensor of ids, and read the layout off the result."""
        layout = call.layouts[0]
        name = call.target if isinstance(call.target, str) else call.target.__name__
        if name == "flip":
            dims = call.args[1] if isinstance(call.args[1], tuple | list) else call.args[1:]
            turned = [d % layout.ids.ndim for d in call.kwargs.get("dims", dims)]
            kept = [d for d in turned if layout.ids.shape[d] > 1]
            return Layout(np.flip(layout.ids, tuple(kept)), call.shape)
        shown = torch.from_numpy(layout.ids.copy()).expand(layout.shape)
        args = tuple(shown if a is layout else _stand_in(a) for a in call.args)
        if isinstance(call.target, str):
            moved = getattr(args[0], call.target)(*args[1:], **call.kwargs)
        else:
            moved = call.target(*args, **call.kwargs)
        return _compressed(moved)


class ExpandRule(OpRule):
    """Expansion: a new axis whose length is a number of channels carries those channels."""

    sizes = True
    sets = "all"
    functions = frozenset({torch.broadcast_to})
    methods = frozenset({"expand", "broadcast_to", "expand_as"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the ids, and follow the channels that an axis is repeated for."""
        layout = with_rank(call.layouts[0], len(call.shape))
        if call.target == "expand_as":
            other = call.layouts[1]
            tie_alike(call, layout, other)
            new = [along(line, k, call.shape).ids for k, line in _repeated(layout, other)]
        else:
            raws, places = (
                sequence(call, 1, "size", "shape"),
                sequence_places(call, 1, "size", "shape"),
            )
            new = []
            for axis, (raw, place) in enumerate(zip(raws, places, strict=True)):
                if layout.varies(axis):
                    line = ids_along(layout, axis)
                    if raw != -1 and place and origin(call, raw, line) is not Origin.OWN:
                        call.resize(place, line)
                elif layout.shape[axis] == 1 < call.shape[axis]:
                    own = repeated_ids(call, raw, place, call.shape[axis])
                    new += [] if own is None else [along(own, axis, call.shape).ids]
        return joined([*layout.planes, *new], call.shape) or call.freeze()


def tie_alike(call: OpCall, layout: Layout, other: Layout) -> None:
    """Tie the channels of two tensors that must have the same shape.

    Args:
        call: The call that wants it so.
        layout: One of them, of the other's rank.
        other: The other one.
    """
    for axis in layout.axes:
        if layout.shape[axis] == other.shape[axis]:
            own, theirs = ids_along(layout, axis), ids_along(other, axis)
            call.channels.unite(own, theirs if len(theirs) else constant((1,)).ids)


def _repeated(layout: Layout, other: Layout) -> Iterator[tuple[int, Ids]]:
    """Yield the axes that are repeated for another tensor's channels, with those."""
    for axis in other.axes:
        if layout.shape[axis] == 1:
            yield axis, ids_along(other, axis)


def repeated_ids(call: OpCall, raw: Any, place: Place | None, times: int) -> Ids | None:
    """Return ids for a new axis on which a tensor is repeated.

    The axis is as long as some tensor has channels, or of constant length: it then gets ids of its
    own, which whatever it is combined with may narrow. None where its length is free.

    Args:
        call: The call.
        raw: The number of repetitions as the graph holds it.
        place: Where it stands in the call; None where it cannot be replaced.
        times: The number in the example.
    """
    if isinstance(raw, fx.Node):
        found = [ids for ids in counts_behind([raw], call) if len(ids) == times]
        return found[0] if len(found) == 1 else None
    if place is None:
        return None
    ids = call.channels.fresh(times)
    call.resize(place, ids)
    return ids


def with_rank(layout: Layout, rank: int) -> Layout:
    """Return a layout with leading axes of length 1, as broadcasting adds them.

    Args:
        layout: The layout.
        rank: The number of axes that it gets.
    """
    missing = (1,) * (rank - len(layout.shape))
    ids, *others = (plane.reshape(missing + plane.shape) for plane in layout.planes)
    return Layout(ids, missing + layout.shape, tuple(others))


def _stand_in(value: Any) -> Any:
    return torch.empty(value.shape, device="meta") if isinstance(value, Layout) else value


def _compressed(moved: torch.Tensor) -> Layout:
    """Read a layout off an id tensor; what was expanded has stride 0."""
    index = tuple(
        slice(None) if step and length > 1 else slice(0, 1)
        for step, length in zip(moved.stride(), moved.shape, strict=True)
    )
    ids: Ids = moved[index].contiguous().numpy()
    return Layout(ids, tuple(moved.shape))


def sequence(call: OpCall, position: int, *names: str) -> list[Any]:
    """Return sizes that may be given one by one or as a sequence; a symbolic one is a node.

    Args:
        call: The call.
        position: Position of the first size.
        *names: Names that torch gives the argument.
    """
    raw = call.raw(position, *names)
    if isinstance(raw, tuple | list):
        return list(raw)
    value = call.argument(position, *names)
    if isinstance(value, tuple | list):  # a symbolic shape as a whole
        return [raw] * len(value)
    return list(call.node.args[position:])


def sequence_places(call: OpCall, position: int, *names: str) -> list[Place | None]:
    """Return where each of the sizes that `sequence` returns stands; None inside a symbolic shape.

    Args:
        call: The call.
        position: Position of the first size.
        *names: Names that torch gives the argument.
    """
    raw = call.raw(position, *names)
    name = next((one for one in names if one in call.node.kwargs), "")
    head: Place = (position,) if position < len(call.node.args) else (name,)
    if isinstance(raw, tuple | list):
        return [(*head, k) for k in range(len(raw))]
    value = call.argument(position, *names)
    if isinstance(value, tuple | list):
        return [None] * len(value)
    return [(k,) for k in range(position, len(call.node.args))]


class CatRule(OpRule):
    """Concatenation and stacking: the ids stand one after the other."""

    functions = frozenset({torch.cat, torch.concat, torch.concatenate, torch.stack})

    def apply(self, call: OpCall) -> LayoutTree:
        """Put the layouts together along the axis."""
        axis = call.argument(1, "dim", "axis", default=0) % len(call.shape)
        parts = [one for one in call.layouts if one.shape != (0,)]
        if call.target is torch.stack:
            parts = [_unsqueezed(one, axis) for one in parts]
        return concatenated(parts, axis, call.shape)


def _unsqueezed(layout: Layout, axis: int) -> Layout:
    shape = (*layout.shape[:axis], 1, *layout.shape[axis:])
    return Layout(np.expand_dims(layout.ids, axis), shape)


class RepeatRule(OpRule):
    """Tiling: the ids come again."""

    sizes = True
    sets = "all"
    functions = frozenset({torch.tile, torch.repeat_interleave})
    methods = frozenset({"repeat", "tile", "repeat_interleave"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Repeat the ids along the axes that carry them."""
        layout = call.layouts[0]
        name = call.target if isinstance(call.target, str) else call.target.__name__
        if name == "repeat_interleave":
            if layout.others:
                return call.freeze()
            count, axis = call.argument(1, "repeats"), call.argument(2, "dim")
            if not isinstance(count, int) or axis is None:
                return call.freeze()
            ids = np.repeat(layout.ids, count, axis) if layout.varies(axis) else layout.ids
            return Layout(ids, call.shape)
        raws, places = (f(call, 1, "dims", "repeats") for f in (sequence, sequence_places))
        layout = with_rank(layout, len(call.shape))
        times = [full // length for full, length in zip(call.shape, layout.shape, strict=True)]
        planes = [
            np.tile(ids, [n if ids.shape[k] > 1 else 1 for k, n in enumerate(times)])
            for ids in layout.planes
        ]
        for axis, (raw, place) in enumerate(zip(raws, places, strict=True)):
            if times[axis] == 1:
                continue
            if layout.shape[axis] == 1:
                line = repeated_ids(call, raw, place, times[axis])
                planes += [] if line is None else [along(line, axis, call.shape).ids]
            elif counts_behind([raw], call):
                return call.freeze("it is repeated once per channel of another tensor")
        return joined(planes, call.shape) or call.freeze()


class RollRule(OpRule):
    """Rolling: channels must not be rolled, since a narrow subnet rolls others."""

    functions = frozenset({torch.roll})
    methods = frozenset({"roll"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the layout."""
        layout = call.layouts[0]
        dims = call.argument(2, "dims")
        dims = (dims,) if isinstance(dims, int) else dims
        if not dims or any(layout.varies(axis) for axis in dims):
            return call.freeze("it rolls channels")
        return layout


class TupleRule(OpRule):
    """Picking one of several results."""

    functions = frozenset({operator.getitem})

    def matches(self, call: OpCall) -> bool:
        """Whether a tuple, list or dict is indexed, not a tensor."""
        return super().matches(call) and not isinstance(call.args[0], Layout)

    def apply(self, call: OpCall) -> LayoutTree:
        """Pick the layout."""
        return call.args[0][call.args[1]]
