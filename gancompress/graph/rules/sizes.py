"""Where a size comes from: a constant, the channels of a tensor, or what is free at run time."""

import operator
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any

import numpy as np
from torch import fx

from gancompress.graph.layout import Ids, Layout, Place, varying
from gancompress.graph.rules.base import OpCall


class Origin(Enum):
    """What a size that an operator is given follows."""

    CONSTANT = auto()
    """Nothing: a number in the code, or one computed from numbers in the code."""
    OWN = auto()
    """The number of the channels in question."""
    FOREIGN = auto()
    """The number of other channels, which happens to be the same at full width."""
    FREE = auto()
    """Batch size or resolution, or it is inferred (-1)."""


def origin(call: OpCall, size: Any, own: Ids) -> Origin:
    """Say what a size follows.

    Args:
        call: The call that is given the size.
        size: The size as the graph holds it: a number, or a node.
        own: The channels that are counted, of any shape.
    """
    if not isinstance(size, fx.Node):
        return Origin.FREE if size == -1 else Origin.CONSTANT
    counts = counts_behind([size], call)
    if not counts:
        return Origin.FREE
    mine = call.channels.roots(own)
    same = all(call.channels.roots(ids) == mine for ids in counts)
    return Origin.OWN if same and _in_proportion(size, call) else Origin.FOREIGN


def _in_proportion(size: fx.Node, call: OpCall) -> bool:
    """Whether a size grows as the channels do: ``c // 2`` does, ``c - 4`` does not."""
    try:
        one, three = (_valued(size, call, times) for times in (1, 3))
    except Exception:  # noqa: BLE001 - whatever cannot be computed again is no plain number
        return False
    return bool(three == 3 * one)


def _valued(size: Any, call: OpCall, times: int) -> Any:
    """Compute a size as if there were some times as many channels."""
    if not isinstance(size, fx.Node):
        return size
    ids = counted(size, call.known)
    if ids is not None and len(ids) and not call.channels.is_frozen(ids):
        return times * len(ids)
    if any(isinstance(call.known.get(n), Layout) for n in size.all_input_nodes) or ids is not None:
        return call.known[size]
    if size.op not in {"call_function", "call_method"}:
        return call.known[size]
    args, kwargs = fx.node.map_arg((size.args, size.kwargs), lambda n: _valued(n, call, times))
    if callable(size.target):
        return size.target(*args, **kwargs)
    return getattr(args[0], str(size.target))(*args[1:], **kwargs)


def keep_numbers(call: OpCall, *, freeze: bool) -> None:
    """Keep numbers as they are at full width that a call is given and that count channels.

    So ``q @ k * c ** -0.5`` means the same in a narrow net. A number that depends on the
    resolution too cannot be kept: the channels are frozen.

    Args:
        call: A call whose rule does not look at numbers.
        freeze: Whether to freeze the channels in any case, since nothing is known of the call.
    """
    for place, node in _numbers(call):
        counts = counts_behind([node], call)
        if not counts or (call.node.name, place) in call.channels.sizes:
            continue
        lengths = _lengths_behind([node], call.known)
        if freeze or not all(len(ids) for ids in lengths):
            for ids in counts:
                call.channels.freeze(ids, f"{call.where}: it is given how many there are")
        else:
            call.channels.numbers[call.node.name, place] = call.known[node]


def _numbers(call: OpCall) -> Iterable[tuple[Place, fx.Node]]:
    """Yield the symbolic numbers among the arguments of a call."""
    named = [((k,), v) for k, v in enumerate(call.node.args)]
    queue: list[tuple[Place, Any]] = [*named, *(((k,), v) for k, v in call.node.kwargs.items())]
    while queue:
        place, value = queue.pop()
        if isinstance(value, tuple | list):
            queue += [((*place, k), v) for k, v in enumerate(value)]
        elif isinstance(value, fx.Node) and isinstance(call.known.get(value), int | float):
            yield place, value


def count_channels(call: OpCall, place: Place, size: Any, ids: Ids) -> None:
    """Count channels anew in a narrow net where a size would not follow them by itself.

    Args:
        call: The call that is given the size.
        place: Where.
        size: The size as the graph holds it.
        ids: The channels that it counts.
    """
    if origin(call, size, ids) in {Origin.CONSTANT, Origin.FOREIGN}:
        call.resize(place, ids)


def counts_behind(nodes: Iterable[Any], call: OpCall) -> list[Ids]:
    """Return the ids along each axis whose length enters a computation, and may change.

    Args:
        nodes: What is computed, such as ``c // 2``; numbers are passed over.
        call: The call that uses it.

    Returns:
        One array for each number of channels that is read, unless all of them are frozen by now.
    """
    lengths = _lengths_behind([n for n in nodes if isinstance(n, fx.Node)], call.known)
    return [ids for ids in lengths if len(ids) and not call.channels.is_frozen(ids)]


def _lengths_behind(nodes: Iterable[fx.Node], known: Mapping[fx.Node, Any]) -> list[Ids]:
    found: list[Ids] = []
    queue = list(nodes)
    seen: set[fx.Node] = set()
    while queue:
        node = queue.pop()
        if node in seen or isinstance(known.get(node), Layout):
            continue
        seen.add(node)
        ids = counted(node, known)
        if ids is None:
            queue.extend(node.all_input_nodes)
        else:
            found.append(ids)
    return found


def counted(node: fx.Node, known: Mapping[fx.Node, Any]) -> Ids | None:
    """Return the ids along the axis whose length a node is; None if it is no such length.

    Args:
        node: A node that may be ``x.size(1)``, ``x.shape[1]`` or ``x.size()[1]``.
        known: The layouts of all nodes so far.
    """
    source, axis = (*node.args, None)[:2] if node.args else (None, None)
    if node.target is operator.getitem and isinstance(source, fx.Node):
        source, axis = _through_slice(source, axis, known)
        source = source.args[0] if source.target in {getattr, "size"} else None
    elif node.target != "size":
        return None
    layout = known.get(source) if isinstance(source, fx.Node) else None
    if not isinstance(layout, Layout) or not isinstance(axis, int):
        return None
    return ids_along(layout, axis)


def _through_slice(source: fx.Node, axis: Any, known: Mapping[fx.Node, Any]) -> tuple[fx.Node, Any]:
    """Return the shape, and the place in it, of what is read from a part such as ``shape[2:]``."""
    part = source.args[1] if len(source.args) > 1 else None
    before = source.args[0] if source.args else None
    if source.target is not operator.getitem or not isinstance(before, fx.Node):
        return source, axis
    shape = known.get(before)
    if not isinstance(part, slice) or not isinstance(shape, tuple) or not isinstance(axis, int):
        return source, axis
    return before, range(len(shape))[part][axis]


def ids_along(layout: Layout, axis: int) -> Ids:
    """Return one id per position of an axis, for counting; empty where it carries no channels.

    Args:
        layout: The tensor's layout.
        axis: The axis, from either end.
    """
    axis %= len(layout.shape)
    for ids in layout.planes:
        if axis in varying(ids):
            line: Ids = np.moveaxis(ids, axis, 0).reshape(ids.shape[axis], -1)[:, 0]
            return line
    return np.empty(0, dtype=np.int64)
