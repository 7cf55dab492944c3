"""Operators that move channels: run on the ids themselves, they need no knowledge of shapes."""

import operator
from typing import Any

import numpy as np
import torch
from torch import fx

from gancompress.graph.layout import Ids, Layout, concatenated
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, words

_NAMES = words(
    "permute transpose swapaxes swapdims movedim moveaxis t unsqueeze squeeze flip expand_as "
    "broadcast_to expand adjoint"
)


class ViewRule(OpRule):
    """Permutations and new axes: the operator itself is run on the ids."""

    functions = frozenset(getattr(torch, n) for n in _NAMES if hasattr(torch, n)) | {getattr}
    methods = frozenset(_NAMES)

    def apply(self, call: OpCall) -> LayoutTree:
        """Run the operator on the tensor of ids, and read the layout off the result."""
        layout = call.layouts[0]
        name = call.target if isinstance(call.target, str) else call.target.__name__
        if name in {"expand", "broadcast_to"} and _fixes_channels(call, layout):
            return call.freeze("its size is a constant")
        shown = torch.from_numpy(layout.ids.copy()).expand(layout.shape)
        args = tuple(shown if a is layout else _stand_in(a) for a in call.args)
        if isinstance(call.target, str):
            moved = getattr(args[0], call.target)(*args[1:], **call.kwargs)
        else:
            moved = call.target(*args, **call.kwargs)
        return _compressed(moved)


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


def _fixes_channels(call: OpCall, layout: Layout) -> bool:
    """Whether an expansion states the number of channels as a constant."""
    sizes = sequence(call, 1, "size", "sizes")
    shift = len(sizes) - len(layout.shape)
    stated = (sizes[axis + shift] for axis in layout.axes)
    return any(isinstance(size, int) and size != -1 for size in stated)


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

    functions = frozenset({torch.tile, torch.repeat_interleave})
    methods = frozenset({"repeat", "tile", "repeat_interleave"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Repeat the ids along the axes that carry them."""
        layout = call.layouts[0]
        name = call.target if isinstance(call.target, str) else call.target.__name__
        if name == "repeat_interleave":
            count, axis = call.argument(1, "repeats"), call.argument(2, "dim")
            if not isinstance(count, int) or axis is None:
                return call.freeze()
            ids = np.repeat(layout.ids, count, axis) if layout.varies(axis) else layout.ids
            return Layout(ids, call.shape)
        counts = sequence(call, 1, "dims", "repeats")
        missing = (1,) * (len(call.shape) - len(layout.shape))
        ids = layout.ids.reshape(missing + layout.ids.shape)
        times = [
            full // length if varied > 1 else 1
            for full, length, varied in zip(
                call.shape, missing + layout.shape, ids.shape, strict=True
            )
        ]
        symbolic = [isinstance(count, fx.Node) for count in counts]
        if any(s and n > 1 for s, n in zip(symbolic, times, strict=False)):
            return call.freeze()
        return Layout(np.tile(ids, times), call.shape)


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
