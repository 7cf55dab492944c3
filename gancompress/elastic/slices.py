"""Which positions of a tensor's axis a subnet keeps, and how to take them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class AxisSlice:
    """Some positions of one axis, in ascending order.

    Args:
        length: Number of positions kept.
        positions: The positions, or None where they are the first ``length``: then taking them
            is a view, and copies nothing.
    """

    length: int
    positions: tuple[int, ...] | None = None

    def take(self, tensor: Tensor, axis: int) -> Tensor:
        """Return the kept positions: a view of a prefix, a copy of anything else.

        Args:
            tensor: Tensor of any shape.
            axis: The axis to slice.
        """
        if self.positions is None:
            return tensor.narrow(axis, 0, self.length)
        return tensor.index_select(axis, self.index(tensor.device))

    def index(self, device: torch.device) -> Tensor:
        """Return the positions as an int64 tensor.

        Args:
            device: Where it shall lie.
        """
        return torch.from_numpy(self._array).to(device)

    @cached_property
    def _array(self) -> Ids:
        # No tensor is kept: one that was made on the way of an export or in inference mode would
        # not serve afterwards.
        kept = range(self.length) if self.positions is None else self.positions
        return np.array(kept, dtype=np.int64)


AxisSlices = tuple[AxisSlice | None, ...]


def active_positions(ids: Ids, active: Mask) -> Ids:
    """Return the positions that stay: those of active units and those of no unit.

    Args:
        ids: Unit id of each position, -1 where it belongs to none.
        active: For each unit id whether it is active.

    Returns:
        Positions in ascending order.
    """
    kept: Ids = np.flatnonzero((ids < 0) | active[np.maximum(ids, 0)])
    return kept


def axis_slice(ids: Ids | None, active: Mask) -> AxisSlice | None:
    """Return how to slice one axis; None where all of it stays.

    Args:
        ids: Unit id of each position; None for an axis without channels.
        active: For each unit id whether it is active.
    """
    if ids is None:
        return None
    kept = active_positions(ids, active)
    if len(kept) == len(ids):
        return None
    if np.array_equal(kept, np.arange(len(kept))):
        return AxisSlice(len(kept))
    return AxisSlice(len(kept), tuple(kept.tolist()))


def take(tensor: Tensor, slices: AxisSlices) -> Tensor:
    """Slice a tensor along each axis that has a slice.

    Args:
        tensor: Tensor with ``len(slices)`` axes.
        slices: One entry per axis, None where all of it stays.

    Returns:
        The tensor itself, a view of its first rows, or a copy in the same memory format: dense
        in any case, since matrix products round differently when rows lie further apart.
    """
    part = tensor
    dense = True
    for axis, one in enumerate(slices):
        if one is not None:
            part = one.take(part, axis)
            dense = dense and axis == 0 and one.positions is None
    if not dense:
        part = part.contiguous(memory_format=_memory_format(tensor))
    if tensor.requires_grad and not part.requires_grad and not torch.is_inference_mode_enabled():
        # Without gradients, too, torch multiplies a parameter and a constant in different ways.
        part.requires_grad_()
    return part


def _memory_format(tensor: Tensor) -> torch.memory_format:
    """Return the format that a tensor lies in; the usual one where several fit."""
    if not tensor.is_contiguous():
        for ndim, layout in ((4, torch.channels_last), (5, torch.channels_last_3d)):
            if tensor.ndim == ndim and tensor.is_contiguous(memory_format=layout):
                return layout
    return torch.contiguous_format


def put_back(tensor: Tensor, slices: AxisSlices, part: Tensor) -> None:
    """Write a part that `take` copied back to where it came from; views need no writing.

    Args:
        tensor: The whole, changed in place; at most one of its axes is sliced, as in statistics.
        slices: What `take` was given.
        part: What `take` returned, changed since.
    """
    for axis, one in enumerate(slices):
        if one is not None and one.positions is not None:
            tensor.index_copy_(axis, one.index(tensor.device), part)


def slices_of(axes: Sequence[Ids | None], active: Mask) -> AxisSlices:
    """Return how to slice a tensor.

    Args:
        axes: Per axis the unit ids of its positions, None for an axis without channels.
        active: For each unit id whether it is active.
    """
    return tuple(axis_slice(ids, active) for ids in axes)
