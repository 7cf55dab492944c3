"""Which channel id sits where in a tensor, and which ids must stay together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

NONE: Final = -1
"""The id of a position that belongs to no channel; ids below it are fixed with a reason."""


@dataclass(frozen=True, eq=False)
class Layout:
    """An integer array of a tensor's rank: the channel id at every position.

    Args:
        ids: The ids; an axis along which they are constant has length 1.
        shape: The tensor's shape.
    """

    ids: Ids
    shape: tuple[int, ...]

    def varies(self, axis: int) -> bool:
        """Whether the ids differ along an axis.

        Args:
            axis: The axis, from either end.
        """
        return bool(self.ids.shape[axis] > 1)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which the ids differ."""
        return tuple(k for k, n in enumerate(self.ids.shape) if n > 1)


def constant(shape: Sequence[int], value: int = NONE) -> Layout:
    """Return a layout with one id everywhere.

    Args:
        shape: The tensor's shape.
        value: The id.
    """
    return Layout(np.full((1,) * len(shape), value, dtype=np.int64), tuple(shape))


def along(ids: Ids, axis: int, shape: Sequence[int]) -> Layout:
    """Return a layout whose ids differ along one axis.

    Args:
        ids: One id per position of the axis.
        axis: The axis, from either end.
        shape: The tensor's shape.
    """
    compressed = [1] * len(shape)
    compressed[axis] = len(ids)
    return Layout(ids.reshape(compressed), tuple(shape))


class Channels:
    """The ids made so far, what ties them together, and why some are fixed.

    Ids from 0 are channels of some producer. Negative ids are positions that no producer made:
    `NONE`, or one number per reason; whatever is tied to such a position is frozen with its
    reason.
    """

    def __init__(self) -> None:
        self.count = 0
        self.coupled: set[int] = set()
        self._union: Any = nx.utils.UnionFind()
        self._reasons: list[str] = ["it is tied to a tensor without channels"]
        self._frozen: dict[int, str] = {}

    def fresh(self, count: int) -> Ids:
        """Return new ids, one per channel of a producer.

        Args:
            count: Number of channels.
        """
        first, self.count = self.count, self.count + count
        return np.arange(first, self.count, dtype=np.int64)

    def fixed(self, reason: str) -> int:
        """Return the id of positions that cannot be sliced.

        Args:
            reason: Why; what is tied to them is frozen with it.
        """
        if reason not in self._reasons:
            self._reasons.append(reason)
        return NONE - self._reasons.index(reason)

    def reason_of(self, fixed: int) -> str:
        """Return the reason of a negative id.

        Args:
            fixed: An id below zero.
        """
        return self._reasons[NONE - fixed]

    def freeze(self, ids: Ids, reason: str) -> None:
        """Keep channels as they are.

        Args:
            ids: The channels, of any shape; negative ids are passed over.
            reason: Why; a channel keeps the first one that it gets.
        """
        for one in np.unique(ids[ids >= 0]).tolist():
            self._frozen.setdefault(one, reason)

    def couple(self, ids: Ids) -> None:
        """Note that a statistic over these channels depends on all of them.

        Args:
            ids: The channels, of any shape; negative ids are passed over.
        """
        self.coupled.update(np.unique(ids[ids >= 0]).tolist())

    def unite(self, left: Ids, right: Ids) -> Ids:
        """Tie the channels at equal positions, and return what stands there now.

        Args:
            left: Ids.
            right: Ids whose shape broadcasts with the other one's.

        Returns:
            The ids of the left side where they are channels, of the right side elsewhere.
        """
        left, right = np.broadcast_arrays(left, right)
        both = (left >= 0) & (right >= 0) & (left != right)
        pairs = np.unique(np.stack([left[both], right[both]], axis=1), axis=0)
        for a, b in pairs.tolist():
            self._union.union(a, b)
        for channels, other in ((left, right), (right, left)):
            mixed = (channels >= 0) & (other < 0)
            for fixed in np.unique(other[mixed]).tolist():
                self.freeze(channels[mixed & (other == fixed)], self.reason_of(fixed))
        united: Ids = np.where(left >= 0, left, right)
        return united

    def unite_along(self, ids: Ids, axis: int) -> Ids:
        """Tie all ids along one axis, and return the first of each row with the axis kept.

        Args:
            ids: Ids.
            axis: The axis.
        """
        first = np.take(ids, [0], axis=axis)
        if ids.shape[axis] > 1:
            self.unite(np.broadcast_to(first, ids.shape), ids)
            # A channel must not hide behind a fixed id that happens to come first.
            first = ids.max(axis=axis, keepdims=True)
        return first

    def root(self, one: int) -> int:
        """Return the id that stands for all those tied to this one.

        Args:
            one: A channel.
        """
        return int(self._union[one])

    def frozen_roots(self) -> dict[int, str]:
        """Return the reason of each set of tied channels that is frozen."""
        reasons: dict[int, str] = {}
        for one, reason in self._frozen.items():
            reasons.setdefault(self.root(one), reason)
        return reasons


def channel_ids(layout: Layout, axis: int, channels: Channels) -> Ids:
    """Return one id per position of an axis, tying what differs along all other axes.

    Args:
        layout: The tensor's layout.
        axis: The axis, from either end.
        channels: The ids.
    """
    ids = layout.ids
    for other in range(ids.ndim):
        if other != axis % ids.ndim:
            ids = channels.unite_along(ids, other)
    return np.broadcast_to(ids.reshape(-1), (layout.shape[axis],))


def concatenated(layouts: Iterable[Layout], axis: int, shape: Sequence[int]) -> Layout:
    """Return the layout of tensors put together along an axis.

    Args:
        layouts: The parts.
        axis: The axis, from either end.
        shape: The shape of the whole.
    """
    axis %= len(shape)
    parts = [one.ids for one in layouts]
    lengths = [one.shape[axis] for one in layouts]
    common = np.broadcast_shapes(*((*p.shape[:axis], 1, *p.shape[axis + 1 :]) for p in parts))
    full = [
        np.broadcast_to(p, (*common[:axis], n, *common[axis + 1 :]))
        for p, n in zip(parts, lengths, strict=True)
    ]
    return squeezed(np.concatenate(full, axis=axis), shape)


def squeezed(ids: Ids, shape: Sequence[int]) -> Layout:
    """Return a layout from ids that may be constant along some axes.

    Args:
        ids: Ids; each axis has the tensor's length or 1.
        shape: The tensor's shape.
    """
    for axis in range(ids.ndim):
        first = np.take(ids, [0], axis=axis) if ids.shape[axis] else ids
        if ids.shape[axis] > 1 and (ids == first).all():
            ids = first
    return Layout(ids, tuple(shape))
