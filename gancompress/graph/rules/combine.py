"""Operators that combine tensors position by position: equal positions become one unit."""

import operator
from typing import Any, ClassVar, Final

import numpy as np
import torch

from gancompress.graph.layout import NONE, Channels, Ids, Layout, joined, varying
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, words
from gancompress.graph.rules.views import with_rank

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

    sets = "all"
    functions: ClassVar[frozenset[Any]] = frozenset(
        getattr(torch, n) for n in _NAMES if hasattr(torch, n)
    ) | {getattr(operator, n) for n in _OPERATORS}
    methods = frozenset([*_NAMES, *(f"{n}_" for n in _NAMES), "copy_"])

    def apply(self, call: OpCall) -> LayoutTree:
        """Tie the ids at equal positions; a broadcast axis ties nothing."""
        rank = len(call.shape)
        layouts = [with_rank(one, rank) for one in call.layouts]
        planes = _united([ids for one in layouts for ids in one.planes], call.channels)
        for layout in layouts:
            for ids in planes:
                _tie_full(ids, layout, call.channels)
        found = joined(planes, call.shape)
        return call.freeze("it mixes channels of several axes") if found is None else found


def _united(planes: list[Ids], channels: Channels) -> list[Ids]:
    """Unite the ids that vary along the same axes; those that vary nowhere, with each other."""
    found: list[Ids] = []
    for ids in planes:
        axes = set(varying(ids))
        same = [one for one in found if axes & set(varying(one)) or not (axes or varying(one))]
        for one in same:
            ids = channels.unite(one, ids)  # noqa: PLW2901 - what stands there now
        found = [one for one in found if not any(one is other for other in same)] + [ids]
    return found


def _tie_full(ids: Ids, layout: Layout, channels: Channels) -> None:
    """Tie channels to a tensor that is as long as they are, but does not vary with them."""
    if any(set(varying(ids)) & set(varying(one)) for one in layout.planes):
        return  # they are united already
    for axis in varying(ids):
        if layout.shape[axis] > 1 and not layout.varies(axis):
            still = [one for one in layout.planes if not varying(one)]
            channels.unite(ids, still[0] if still else _NO_CHANNELS.reshape((1,) * ids.ndim))


_NO_CHANNELS: Final = np.array([NONE], dtype=np.int64)
