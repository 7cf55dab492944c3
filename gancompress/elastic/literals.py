"""Numbers of channels that are written out in a graph, and what they are in a narrow subnet.

A traced generator may say ``x.view(n, 64, -1)``, ``h.split(128, 1)`` or ``h[:, :64]``. Where such
a number counts channels, a subnet needs the number of active ones.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import fx
from torch.nn import functional as F

from gancompress.elastic.slices import Ids, Mask


class Call(NamedTuple):
    """What a node calls, and with which arguments.

    Args:
        target: A function, or the name of a method.
        args: Positional arguments; operands are nodes.
        kwargs: Arguments by name.
    """

    target: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class _Context(NamedTuple):
    """One node, and which positions of its operand's and its own axes are active."""

    node: fx.Node
    layouts: Mapping[str, Ids]
    active: Mask

    def line(self, name: str, axis: int) -> Mask | None:
        """Return which positions of one axis are active; None where it carries no channels."""
        layout = self.layouts.get(name)
        if layout is None or layout.ndim == 0:
            return None
        kept = (layout < 0) | self.active[np.maximum(layout, 0)]
        axis %= layout.ndim
        line: Mask = kept.any(axis=tuple(k for k in range(layout.ndim) if k != axis))
        return line

    def operand(self, axis: int) -> Mask | None:
        """Return the active positions of one axis of the first operand."""
        first = self.node.args[0] if self.node.args else self.node.kwargs.get("input")
        return self.line(first.name, axis) if isinstance(first, fx.Node) else None


_Rule: TypeAlias = Callable[[_Context], Call | None]


def narrowed_calls(graph: fx.Graph, layouts: Mapping[str, Ids], active: Mask) -> dict[str, Call]:
    """Return the calls whose literals differ in a subnet.

    Args:
        graph: The traced graph.
        layouts: For each tensor-valued node the unit id of every position, -1 for none; axes
            without channels may have size 1.
        active: For each unit id whether it is active.

    Returns:
        Calls by the node's name, without those that stay as they are.
    """
    if active.all():
        return {}
    calls: dict[str, Call] = {}
    for node in graph.nodes:
        rule = _RULES.get(node.target) if isinstance(node.target, str | Callable) else None
        call = rule(_Context(node, layouts, active)) if rule and node.op != "call_module" else None
        if call is not None and call != Call(node.target, node.args, node.kwargs):
            calls[node.name] = call
    return calls


def _with_argument(node: fx.Node, place: int, names: Sequence[str], value: Any) -> Call:
    """Return the node's call with one argument replaced, wherever it was given."""
    for name in names:
        if name in node.kwargs:
            return Call(node.target, node.args, {**node.kwargs, name: value})
    args = (*node.args[:place], value, *node.args[place + 1 :])
    return Call(node.target, args, dict(node.kwargs))


def _argument(node: fx.Node, place: int, names: Sequence[str], default: Any = None) -> Any:
    for name in names:
        if name in node.kwargs:
            return node.kwargs[name]
    return node.args[place] if len(node.args) > place else default


_SHAPE = ("shape", "size")
_SIZES = ("split_size_or_sections", "split_size")


def _reshape(context: _Context) -> Call | None:
    """``view``, ``reshape`` and ``expand``: sizes are those of the result."""
    node = context.node
    spread = len(node.args) > 1 and not isinstance(node.args[1], tuple | list)
    sizes = list(node.args[1:]) if spread else _argument(node, 1, _SHAPE)
    if not isinstance(sizes, list | tuple):
        return None
    new = [_size(context, axis, size) for axis, size in enumerate(sizes)]
    if spread:
        return Call(node.target, (node.args[0], *new), dict(node.kwargs))
    return _with_argument(node, 1, _SHAPE, type(sizes)(new))


def _size(context: _Context, axis: int, size: Any) -> Any:
    line = context.line(context.node.name, axis)
    counts = line is not None and isinstance(size, int) and size == len(line)
    return int(line.sum()) if counts and line is not None else size


def _unflatten(context: _Context) -> Call | None:
    node = context.node
    first, sizes = _argument(node, 1, ("dim",)), _argument(node, 2, ("sizes", "unflattened_size"))
    layout = context.layouts.get(node.name)
    if layout is None or not isinstance(first, int):
        return None
    if first < 0:
        first += layout.ndim - len(sizes) + 1
    new = [_size(context, first + k, size) for k, size in enumerate(sizes)]
    return _with_argument(node, 2, ("sizes", "unflattened_size"), type(sizes)(new))


def _split(context: _Context) -> Call | None:
    """``split``: sections by the number of active positions in each."""
    node = context.node
    line = context.operand(_argument(node, 2, ("dim",), 0))
    sizes = _argument(node, 1, _SIZES)
    if line is None or not isinstance(sizes, int | tuple | list):
        return None
    if isinstance(sizes, int):
        sizes = [min(sizes, len(line) - start) for start in range(0, len(line), sizes)]
    return None if len(line) < sum(sizes) else _with_argument(node, 1, _SIZES, _counts(line, sizes))


def _chunk(context: _Context) -> Call | None:
    """``chunk``: its parts may be narrowed differently, which only ``split`` can say."""
    node = context.node
    dim = _argument(node, 2, ("dim",), 0)
    line = context.operand(dim)
    parts = _argument(node, 1, ("chunks",))
    if line is None or len(line) == 1 or line.all():
        return None
    sizes = [len(part) for part in torch.arange(len(line)).chunk(parts)]
    target = "split" if node.op == "call_method" else torch.split
    first = node.args[0] if node.args else node.kwargs["input"]
    return Call(target, (first, _counts(line, sizes), dim), {})


def _counts(line: Mask, sizes: Sequence[int]) -> list[int]:
    """Return how many positions are active in each of several consecutive parts."""
    return [int(part.sum()) for part in np.split(line, np.cumsum(sizes)[:-1])]


def _narrow(context: _Context) -> Call | None:
    node = context.node
    dim, start, length = (
        _argument(node, k, (name,)) for k, name in enumerate(("dim", "start", "length"), 1)
    )
    line = context.operand(dim)
    if line is None or len(line) == 1 or not (isinstance(start, int) and isinstance(length, int)):
        return None
    kept = slice(start, start + length)
    moved = _moved(line, kept)
    first = node.args[0] if node.args else node.kwargs["input"]
    return Call(node.target, (first, dim, moved.start, moved.stop - moved.start), {})


def _getitem(context: _Context) -> Call | None:
    """``x[:, a:b]``: bounds move to the number of active positions before them."""
    node = context.node
    first, index = node.args
    layout = context.layouts.get(first.name) if isinstance(first, fx.Node) else None
    items = list(index) if isinstance(index, tuple) else [index]
    if layout is None:
        return None
    new, axis = [], 0
    for item in items:
        if item is Ellipsis:
            axis = layout.ndim - sum(one is not None for one in items[items.index(item) + 1 :])
        line = context.operand(axis) if isinstance(item, slice) else None
        new.append(item if line is None or not isinstance(item, slice) else _moved(line, item))
        axis += item is not None and item is not Ellipsis
    moved = tuple(new) if isinstance(index, tuple) else new[0]
    return Call(node.target, (first, moved), {})


def _moved(line: Mask, bounds: slice) -> slice:
    """Return a slice over the active positions that takes what ``bounds`` takes of all of them."""
    literal = all(one is None or isinstance(one, int) for one in (bounds.start, bounds.stop))
    if not literal or bounds.step not in {None, 1} or len(line) == 1 or line.all():
        return bounds
    start, stop, _ = bounds.indices(len(line))
    return slice(int(line[:start].sum()), int(line[:stop].sum()))


def _group_norm(context: _Context) -> Call | None:
    """``F.group_norm``: units are whole norm groups, so the channels per norm group stay."""
    line = context.operand(1)
    groups = _argument(context.node, 1, ("num_groups",))
    if line is None or not isinstance(groups, int):
        return None
    per_group = len(line) // groups
    return _with_argument(context.node, 1, ("num_groups",), int(line.sum()) // per_group)


def _layer_norm(context: _Context) -> Call | None:
    node = context.node
    shape = _argument(node, 1, ("normalized_shape",))
    if not isinstance(shape, tuple | list):
        return None
    new = [_size(context, k - len(shape), size) for k, size in enumerate(shape)]
    return _with_argument(node, 1, ("normalized_shape",), type(shape)(new))


_RULES: Mapping[Any, _Rule] = {
    **dict.fromkeys(("view", "reshape", "expand", torch.reshape), _reshape),
    **dict.fromkeys(("unflatten", torch.unflatten), _unflatten),
    **dict.fromkeys(("split", torch.split, torch.functional.split), _split),
    **dict.fromkeys(("chunk", torch.chunk), _chunk),
    **dict.fromkeys(("narrow", torch.narrow), _narrow),
    operator.getitem: _getitem,
    F.group_norm: _group_norm,
    F.layer_norm: _layer_norm,
}
