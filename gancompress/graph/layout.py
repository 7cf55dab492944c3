"""Which channel id sits where in a tensor, and which ids must stay together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

Place = tuple[int | str, ...]
"""Where an argument sits in a call: position or name, then indices, or an end of a slice."""

NONE: Final = -1
"""The id of a position that belongs to no channel; ids below it are fixed with a reason."""


@dataclass(frozen=True, eq=False)
class Layout:
    """An integer array of a tensor's rank: the channel id at every position.

    Most tensors carry one set of channels. A weight, or an outer product, carries several, each
    along axes of its own: a position is there if its channel of every set is.

    Args:
        ids: The ids; an axis along which they are constant has length 1.
        shape: The tensor's shape.
        others: The ids of further sets, which vary along other axes.
    """

    ids: Ids
    shape: tuple[int, ...]
    others: tuple[Ids, ...] = ()

    @property
    def planes(self) -> tuple[Ids, ...]:
        """The ids of all sets of channels."""
        return (self.ids, *self.others)

    def varies(self, axis: int) -> bool:
        """Whether the ids differ along an axis.

        Args:
            axis: The axis, from either end.
        """
        return any(ids.shape[axis] > 1 for ids in self.planes)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes along which the ids differ."""
        return tuple(axis for ids in self.planes for axis in varying(ids))

    def split(self) -> tuple["Layout", ...]:
        """Return one layout per set of channels."""
        return tuple(Layout(ids, self.shape) for ids in self.planes)


def varying(ids: Ids) -> tuple[int, ...]:
    """Return the axes along which ids differ.

    Args:
        ids: Ids; an axis along which they are constant has length 1.
    """
    return tuple(axis for axis, length in enumerate(ids.shape) if length > 1)


def joined(planes: Iterable[Ids], shape: Sequence[int]) -> Layout | None:
    """Return the layout of a tensor that carries several sets of channels.

    Args:
        planes: The ids of each set; those that vary nowhere are left out where others vary.
        shape: The tensor's shape.

    Returns:
        The layout; None if two sets vary along one axis.
    """
    found = list(planes)
    varied = [ids for ids in found if varying(ids)]
    first, *others = varied or found[:1]
    axes = [axis for ids in varied for axis in varying(ids)]
    return Layout(first, tuple(shape), tuple(others)) if len(axes) == len(set(axes)) else None


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
        self.cuts: dict[int, set[str]] = {}
        self.weighed: set[int] = set()
        self.sizes: dict[tuple[str, Place], Ids | None] = {}
        self.numbers: dict[tuple[str, Place], float] = {}
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

    def cut(self, ids: Ids, where: str) -> None:
        """Note that these channels are cut out: some of them must always be left.

        Args:
            ids: The channels, of any shape; negative ids are passed over.
            where: A name of the cut; the channels of different cuts are in different groups.
        """
        for one in np.unique(ids[ids >= 0]).tolist():
            self.cuts.setdefault(one, set()).add(where)

    def multiply(self, ids: Ids) -> None:
        """Note that a product reads or makes these channels, as a layer does.

        Args:
            ids: The channels, of any shape; negative ids are passed over.
        """
        self.weighed.update(np.unique(ids[ids >= 0]).tolist())

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

    def roots(self, ids: Ids) -> set[int]:
        """Return the ids that stand for those of an array.

        Args:
            ids: Ids of any shape; negative ones are passed over.
        """
        return {self.root(one) for one in np.unique(ids[ids >= 0]).tolist()}

    def root(self, one: int) -> int:
        """Return the id that stands for all those tied to this one.

        Args:
            one: A channel.
        """
        return int(self._union[one])

    def is_frozen(self, ids: Ids) -> bool:
        """Whether all channels of an array are frozen by now.

        Args:
            ids: Ids of any shape.
        """
        return self.roots(ids) <= self.frozen_roots().keys()

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
    if layout.others:
        found = [one for one in layout.planes if one.shape[axis] > 1]
        ids = found[0] if found else constant(layout.shape).ids
    for other in range(ids.ndim):
        if other != axis % ids.ndim:
            ids = channels.unite_along(ids, other)
    return np.broadcast_to(ids.reshape(-1), (layout.shape[axis],))


def line(layout: Layout, axis: int, channels: Channels) -> Ids:
    """Return one id per position of an axis, of the set of channels that lies along it.

    Args:
        layout: The tensor's layout.
        axis: The axis, from either end.
        channels: The ids.

    Returns:
        The ids; fixed ones where no set lies along the axis.
    """
    found = [ids for ids in layout.planes if ids.shape[axis] > 1]
    still = [ids for ids in layout.planes if not varying(ids)]
    first = (found or still or [constant(layout.shape).ids])[0]
    return channel_ids(Layout(first, layout.shape), axis, channels)


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
