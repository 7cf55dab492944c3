"""Operators that combine tensors position by position: equal positions become one unit."""

import operator
from functools import reduce
from typing import Any, ClassVar

import numpy as np
import torch

from gancompress.graph.layout import Channels, Ids, Layout
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, words

_NAMES = words(
    "add sub subtract mul multiply div divide true_divide floor_divide pow "
    "fmod remainder maximum max min minimum where lerp addcmul addcdiv clamp clip clamp_min "
    "clamp_max rsub atan2 hypot eq ne lt le gt ge logical_and logical_or "
    "logical_xor logaddexp copysign masked_fill float_power"
)
_OPERATORS = words(
    "add sub mul truediv floordiv pow mod iadd isub imul itruediv ipow eq ne lt le gt ge and_ or_ "
    "xor"
)


class CombineRule(OpRule):
    """Sums, products and choices of tensors that broadcast against each other."""

    functions: ClassVar[frozenset[Any]] = frozenset(
        getattr(torch, n) for n in _NAMES if hasattr(torch, n)
    ) | {getattr(operator, n) for n in _OPERATORS}
    methods = frozenset([*_NAMES, *(f"{n}_" for n in _NAMES), "copy_"])

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie the ids at equal positions; a broadcast axis ties nothing."""
        rank = len(call.shape)
        layouts = [_with_rank(one, rank) for one in call.layouts]
        if any(_crosses(a, b) for a in layouts for b in layouts):
            return call.freeze("it spans a plane of two sets of channels")
        total = reduce(lambda a, b: _combine(a, b, call.channels), layouts)
        return Layout(total.ids, call.shape)


def _with_rank(layout: Layout, rank: int) -> Layout:
    missing = (1,) * (rank - len(layout.shape))
    return Layout(layout.ids.reshape(missing + layout.ids.shape), missing + layout.shape)


def _broadcast_over(small: Layout, large: Layout) -> bool:
    """Whether one tensor is repeated along an axis that carries channels of the other."""
    return any(small.shape[axis] == 1 < large.shape[axis] for axis in large.axes)


def _crosses(left: Layout, right: Layout) -> bool:
    """Whether each side is repeated along channels of the other, as in an outer product."""
    spread = _broadcast_over(left, right) and _broadcast_over(right, left)
    return spread or bool(_broadcast_over(left, right) and set(left.axes) - set(right.axes))


def _combine(left: Layout, right: Layout, channels: Channels) -> Layout:
    shape = tuple(np.broadcast_shapes(left.shape, right.shape))
    if _broadcast_over(left, right):
        return Layout(right.ids, shape)
    if _broadcast_over(right, left):
        return Layout(left.ids, shape)
    ids: Ids = channels.unite(left.ids, right.ids)
    return Layout(ids, shape)
