"""Operators that regroup axes: reshape, flatten, pixel shuffle, channel shuffle."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from gancompress.graph.layout import Ids, Layout, along, channel_ids
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule
from gancompress.graph.rules.split import tie_parts
from gancompress.graph.rules.views import sequence

_MERGES = frozenset({"flatten", "view_as", "reshape_as", "ravel"})


class ReshapeRule(OpRule):
    """View, reshape, flatten and unflatten.

    Axes that are merged or kept carry their ids along. Where an axis of channels is split, one
    of the new axes must be symbolic: it counts the units, and each holds what stands along the
    other ones. A number of channels that is written as a constant freezes them.
    """

    functions = frozenset({torch.reshape, torch.flatten, torch.unflatten, torch.ravel})
    methods = frozenset({"view", "reshape", "unflatten"}) | _MERGES
    modules = (nn.Flatten, nn.Unflatten)

    def apply(self, call: OpCall) -> LayoutTree:
        """Regroup the ids block of axes by block of axes."""
        layout = call.layouts[0]
        free = self._free(call, layout)
        ids = layout.ids
        _tie_renamed(call, layout)
        others = _counted_elsewhere(call, ids)
        if others:
            reason = "a size is computed from the number of another tensor's channels"
            for other in others:
                call.channels.freeze(other, f"{call.where}: {reason}")
            return call.freeze(reason)
        sizes: list[int] = []
        ties: list[int] = []
        for ins, outs in _blocks(layout.shape, call.shape):
            varied = [axis for axis in ins if layout.varies(axis)]
            if not varied:
                sizes += [1] * len(outs)
                continue
            reason, keep = _unit_axis(layout.shape, ins, call.shape, outs, free)
            if reason:
                return call.freeze(reason)
            ids = _full_along(ids, ins, layout.shape)
            sizes += [call.shape[axis] for axis in outs]
            ties += [axis for axis in outs if axis != keep]
        ids = ids.reshape(sizes)
        for axis in ties:
            ids = call.channels.unite_along(ids, axis)
        return Layout(ids, call.shape)

    @staticmethod
    def _free(call: OpCall, layout: Layout) -> list[bool]:
        """Say for each new axis whether its size follows the tensor."""
        rank = len(call.shape)
        name = call.target if isinstance(call.target, str) else call.target.__name__
        if isinstance(call.module, nn.Flatten) or name in _MERGES:
            return [True] * rank
        if isinstance(call.module, nn.Unflatten):
            dim, sizes = call.module.dim, list(call.module.unflattened_size)
        elif name == "unflatten":
            dim, sizes = call.argument(1, "dim"), sequence(call, 2, "sizes", "unflattened_size")
        else:
            return [_is_free(size) for size in sequence(call, 1, "shape", "size")]
        before = dim % len(layout.shape)
        after = rank - before - len(sizes)
        return [True] * before + [_is_free(size) for size in sizes] + [True] * after


def _is_free(size: Any) -> bool:
    return isinstance(size, fx.Node) or size == -1


def _tie_renamed(call: OpCall, layout: Layout) -> None:
    """Tie channels that keep their axis to those of the tensor that its size was read from.

    So it is where attention over ``b, c, h, w = x.shape`` ends with ``.view(b, c, h, w)``.
    """
    if not isinstance(call.target, str) or call.target not in {"view", "reshape"}:
        return
    sizes = sequence(call, 1, "shape", "size")
    for ins, outs in _blocks(layout.shape, call.shape):
        varied = [axis for axis in ins if layout.varies(axis)]
        large = [axis for axis in outs if call.shape[axis] > 1]
        if len(varied) != 1 or len(large) != 1 or not isinstance(sizes[large[0]], fx.Node):
            continue
        other = _counted(sizes[large[0]], call.known)
        if other is not None and other.size == call.shape[large[0]]:
            own = channel_ids(layout, varied[0], call.channels)
            call.channels.unite(own, other.reshape(-1))


def _counted_elsewhere(call: OpCall, own: Ids) -> list[Ids]:
    """Return the channels of other groups whose number one of the sizes is computed from.

    Such a size changes with a group that is not the one being regrouped.
    """
    found: list[Ids] = []
    mine = {call.channels.root(one) for one in np.unique(own[own >= 0]).tolist()}
    first = call.node.args[0] if call.node.args else None
    queue = [n for n in call.node.all_input_nodes if n is not first]
    seen: set[fx.Node] = set()
    while queue:
        node = queue.pop()
        if node in seen or isinstance(call.known.get(node), Layout):
            continue
        seen.add(node)
        ids = _counted(node, call.known)
        if ids is None:
            queue.extend(node.all_input_nodes)
        elif {call.channels.root(one) for one in np.unique(ids[ids >= 0]).tolist()} - mine:
            found.append(ids)
    return found


def _counted(node: fx.Node, known: Mapping[fx.Node, Any]) -> Ids | None:
    """Return the ids along the axis whose length a node is; None if it is no such length."""
    source, axis = (*node.args, None)[:2] if node.args else (None, None)
    if node.target is operator.getitem and isinstance(source, fx.Node):
        # ``x.shape[axis]`` and ``x.size()[axis]``.
        source = source.args[0] if source.target in {getattr, "size"} else None
    elif node.target != "size":
        return None
    layout = known.get(source) if isinstance(source, fx.Node) else None
    if not isinstance(layout, Layout) or not isinstance(axis, int):
        return None
    return layout.ids if layout.varies(axis) else np.empty(0, dtype=np.int64)


def _blocks(old: Sequence[int], new: Sequence[int]) -> Iterator[tuple[range, range]]:
    """Pair up the smallest runs of old and new axes that hold equally many elements."""
    i = j = 0
    while i < len(old) or j < len(new):
        first_i, first_j = i, j
        left = right = 1
        if i < len(old):
            left, i = old[i], i + 1
        if j < len(new):
            right, j = new[j], j + 1
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        yield range(first_i, i), range(first_j, j)


def _unit_axis(
    old: Sequence[int], ins: range, new: Sequence[int], outs: range, free: Sequence[bool]
) -> tuple[str, int]:
    """Return why a block cannot be narrowed, or the new axis that counts its units."""
    large = [axis for axis in outs if new[axis] > 1]
    counts = [axis for axis in large if free[axis]]
    if not counts:
        return f"its shape states {[new[axis] for axis in large]} channels as constants", 0
    if len(counts) > 1 or (len(large) > 1 and sum(old[axis] > 1 for axis in ins) > 1):
        return "it regroups channels in more than one way", 0
    return "", counts[0]


def _full_along(ids: Any, axes: range, shape: Sequence[int]) -> Any:
    """Return ids at full length along some axes."""
    lengths = [shape[k] if k in axes else n for k, n in enumerate(ids.shape)]
    return np.broadcast_to(ids, lengths)


class PixelShuffleRule(OpRule):
    """Pixel shuffle: the r² channels of one output channel are a unit."""

    functions = frozenset({F.pixel_shuffle, torch.pixel_shuffle})
    modules = (nn.PixelShuffle,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie r² channels each."""
        factor = getattr(call.module, "upscale_factor", None) or call.argument(1, "upscale_factor")
        ids = channel_ids(call.layouts[0], -3, call.channels)
        tied = call.channels.unite_along(ids.reshape(-1, factor**2), 1)
        return along(tied.reshape(-1), -3, call.shape)


class PixelUnshuffleRule(OpRule):
    """Pixel unshuffle: each channel becomes r² channels of one unit."""

    functions = frozenset({F.pixel_unshuffle, torch.pixel_unshuffle})
    modules = (nn.PixelUnshuffle,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Repeat each id."""
        factor = getattr(call.module, "downscale_factor", None) or call.argument(
            1, "downscale_factor"
        )
        ids = channel_ids(call.layouts[0], -3, call.channels)
        return along(np.repeat(ids, factor**2), -3, call.shape)


class ChannelShuffleRule(OpRule):
    """Channel shuffle: the k-th channels of all groups are a unit."""

    functions = frozenset({F.channel_shuffle, torch.channel_shuffle})
    modules = (nn.ChannelShuffle,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie the groups, then interleave them."""
        groups = getattr(call.module, "groups", None) or call.argument(1, "groups")
        ids = channel_ids(call.layouts[0], 1, call.channels)
        tie_parts(ids, 0, groups, call.channels)
        return along(ids.reshape(groups, -1).T.reshape(-1), 1, call.shape)
