"""Reductions: over other axes they keep the channels, over channels they couple them."""

from typing import Any, ClassVar

import torch

from gancompress.graph.layout import Ids, Layout, constant
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, outputs_like, words

_SMOOTH = words("mean sum var std norm logsumexp nanmean nansum")
_CHOOSING = words("amax amin max min argmax argmin prod any all median")


class ReduceRule(OpRule):
    """Sums, means, norms and extremes over axes.

    A sum or mean over channels couples their statistics; an extreme over channels freezes them.
    """

    sets = "each"
    functions: ClassVar[frozenset[Any]] = frozenset(
        getattr(torch, n) for n in _SMOOTH + _CHOOSING
    ) | {torch.linalg.vector_norm}
    methods = frozenset(_SMOOTH + _CHOOSING)

    def matches(self, call: OpCall) -> bool:
        """Whether one tensor is reduced; ``max`` of two tensors is another operator."""
        return super().matches(call) and len(call.layouts) == 1

    def apply(self, call: OpCall) -> LayoutTree:
        """Drop the axes that are reduced."""
        layout = call.layouts[0]
        name = call.target if isinstance(call.target, str) else call.target.__name__
        axes = _axes(call, len(layout.shape), 2 if "norm" in name else 1)
        if any(layout.varies(axis) for axis in axes):
            if name in _CHOOSING:
                return call.freeze("it reduces channels")
            if set(layout.axes) > set(axes):
                return self._added_up(call, layout, axes)
            call.channels.couple(layout.ids)
            reason = call.channels.fixed(f"it is tied to the result of {call.where}")
            return outputs_like(call.value, lambda spec: constant(spec.shape, reason))

        return _without(call, layout.ids, axes)

    @staticmethod
    def _added_up(call: OpCall, layout: Layout, axes: tuple[int, ...]) -> LayoutTree:
        """Tie what is added up position by position, as after a stack."""
        ids = layout.ids
        for axis in axes:
            ids = call.channels.unite_along(ids, axis)
        return _without(call, ids, axes)


def _without(call: OpCall, ids: Ids, axes: tuple[int, ...]) -> LayoutTree:
    """Lay out results that lack some axes, or hold them at length 1."""

    def reduced(shape: tuple[int, ...]) -> Layout:
        return Layout(ids if len(shape) == ids.ndim else ids.squeeze(axes), shape)

    return outputs_like(call.value, lambda spec: reduced(spec.shape))


def _axes(call: OpCall, rank: int, position: int) -> tuple[int, ...]:
    """Return the axes that are reduced; all of them where none is named."""
    dims = call.argument(position, "dim", "axis")
    if isinstance(dims, int) and not isinstance(dims, bool):
        dims = (dims,)
    if not isinstance(dims, tuple | list):
        return tuple(range(rank))
    return tuple(dim % rank for dim in dims)
