"""Operators that regroup axes: reshape, flatten, pixel shuffle, channel shuffle."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx, nn

from gancompress.graph.layout import Ids, Layout, Place, along, channel_ids, joined
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule
from gancompress.graph.rules.sizes import Origin, counts_behind, ids_along, origin
from gancompress.graph.rules.split import tie_parts
from gancompress.graph.rules.views import sequence, sequence_places, tie_alike

_MERGES = frozenset({"flatten", "view_as", "reshape_as", "ravel"})


@dataclass(frozen=True)
class _Size:
    """A size of the new shape.

    Args:
        raw: A number, or a node where it is symbolic.
        place: Where it stands in the call; None where it cannot be replaced by itself.
    """

    raw: Any
    place: Place | None


class ReshapeRule(OpRule):
    """View, reshape, flatten and unflatten.

    Axes that are merged or kept carry their ids along. Where an axis of channels is split, one
    of the new axes counts the units, and each unit holds what stands along the other ones: the
    axis whose size is symbolic or inferred; else the second axis, where channels usually lie,
    or the largest. Sizes that are constants, or computed from other channels, are counted anew.
    """

    sizes = True
    sets = "all"
    functions = frozenset({torch.reshape, torch.flatten, torch.unflatten, torch.ravel})
    methods = frozenset({"view", "reshape", "unflatten"}) | _MERGES
    modules = (nn.Flatten,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Regroup the ids block of axes by block of axes."""
        layout = call.layouts[0]
        sizes = _sizes(call, layout)
        planes = [_regrouped(call, one, sizes) for one in layout.split()]
        found = [ids for ids in planes if ids is not None]
        result = joined(found, call.shape) if len(found) == len(planes) else None
        if result is None:
            return call.freeze("it regroups channels in more than one way")
        merged = {
            axis
            for ins, outs in _blocks(layout.shape, call.shape)
            for axis in _large(outs, call.shape)
            if len(_large(outs, call.shape)) == 1
            and any(layout.shape[k] > 1 and not layout.varies(k) for k in ins)
        }
        if call.target in {"view_as", "reshape_as"} and len(call.layouts) > 1:
            tie_alike(call, result, call.layouts[1])
        return _counted(call, result, sizes, merged)


def _regrouped(call: OpCall, layout: Layout, sizes: Mapping[int, _Size]) -> Ids | None:
    """Regroup one set of channels; None where it is not clear how."""
    blocks = [
        (ins, outs)
        for ins, outs in _blocks(layout.shape, call.shape)
        if any(layout.varies(axis) for axis in ins)
    ]
    ids, shape = layout.ids, [1] * len(call.shape)
    for ins, outs in blocks:
        ids = _full_along(ids, ins, layout.shape)
        for axis in outs:
            shape[axis] = call.shape[axis]
    ids = ids.reshape(shape)
    for ins, outs in blocks:
        keep = _unit_axis(ids, outs, sizes)
        moved = [axis for axis in outs if axis != keep and _differs(ids, axis)]
        if keep is None or (moved and len(_large(ins, layout.shape)) > 1):
            return None
        for axis in outs:
            if axis != keep:
                ids = call.channels.unite_along(ids, axis)
            elif len(_large(outs, call.shape)) > 1 and not _differs(ids, axis):
                ids = ids.take([0], axis)  # one unit alone: no axis of these counts it
    return ids


def _sizes(call: OpCall, layout: Layout) -> Mapping[int, _Size]:
    """Return the sizes that the call states, by axis of the result; others follow the tensor."""
    name = call.target if isinstance(call.target, str) else getattr(call.target, "__name__", "")
    if call.module is not None or name in _MERGES:
        return {}
    if name == "unflatten":
        before = call.argument(1, "dim") % len(layout.shape)
        raws = sequence(call, 2, "sizes", "unflattened_size")
        places = sequence_places(call, 2, "sizes", "unflattened_size")
    else:
        before = 0
        raws = sequence(call, 1, "shape", "size")
        places = sequence_places(call, 1, "shape", "size")
    return {before + k: _Size(*pair) for k, pair in enumerate(zip(raws, places, strict=True))}


def _unit_axis(ids: Ids, outs: range, sizes: Mapping[int, _Size]) -> int | None:
    """Return the new axis that counts the units of a block; None where several could."""
    moving = [axis for axis in outs if _differs(ids, axis)]
    if len(moving) < 2:
        return (moving or [axis for axis in outs if ids.shape[axis] > 1] or [outs[0]])[0]
    free = [
        axis
        for axis in moving
        if axis not in sizes or isinstance(sizes[axis].raw, fx.Node) or sizes[axis].raw == -1
    ]
    if len(free) > 1:
        return None
    if free:
        return free[0]
    picture = moving[0] == 1 and moving[-1] == ids.ndim - 1  # as after a layer of latent features
    return 1 if picture else max(moving, key=lambda axis: (ids.shape[axis], axis))


def _differs(ids: Ids, axis: int) -> bool:
    return bool((ids != ids.take([0], axis)).any())


def _large(axes: range, shape: Sequence[int]) -> list[int]:
    return [axis for axis in axes if shape[axis] > 1]


def _counted(
    call: OpCall, result: Layout, sizes: Mapping[int, _Size], merged: set[int]
) -> LayoutTree:
    """Count anew the sizes that would not follow their channels."""
    inferred = sum(isinstance(size.raw, int) and size.raw == -1 for size in sizes.values())
    changed: list[tuple[Place, Ids | None]] = []
    for axis, size in sizes.items():
        if not result.varies(axis):
            others = counts_behind([size.raw], call)
            if others:
                return _refuse_foreign(call, others)
            continue
        ids = ids_along(result, axis)
        if _follows(call, size, ids, axis):
            continue
        inferred += axis in merged
        if size.place is None or inferred > 1:
            return call.freeze("its shape states a number of channels")
        changed.append((size.place, None if axis in merged else ids))
    for place, counted in changed:
        call.resize(place, counted)
    return result


def _follows(call: OpCall, size: _Size, ids: Ids, axis: int) -> bool:
    """Whether a size changes with the channels along its axis by itself."""
    raw = size.raw
    if not isinstance(raw, fx.Node):
        return bool(raw == -1)
    source = call.known.get(first) if isinstance(first := (*raw.args, None)[0], fx.Node) else None
    if size.place is None and raw.target in {getattr, "size"} and isinstance(source, Layout):
        tie_alike(call, along(ids, axis, call.shape), source)
        return True
    return origin(call, raw, ids) is Origin.OWN


def _refuse_foreign(call: OpCall, others: list[Ids]) -> LayoutTree:
    """Freeze all whose number decides on the length of an axis without channels."""
    reason = "a size is computed from the number of another tensor's channels"
    for ids in others:
        call.channels.freeze(ids, f"{call.where}: {reason}")
    return call.freeze(reason)


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
