"""Best separable convolution for a dense one, in the least-squares sense, by rank-1 SVD."""

from typing import NamedTuple

import torch
from torch import Tensor


class Separated(NamedTuple):
    """Weights of a depthwise and a pointwise convolution.

    Args:
        depthwise: ``(channels, 1, *kernel)``.
        pointwise: ``(out, in, 1, ...)``, laid out for a plain convolution.
    """

    depthwise: Tensor
    pointwise: Tensor


def separate(weight: Tensor) -> Separated:
    """Split a convolution into depthwise k×k, then pointwise.

    For each input channel the matrix (output channel × kernel position) is replaced by its best
    rank-1 approximation (Eckart-Young), so kernels that are already of rank 1 come back exactly.
    The singular value is shared evenly between both factors.

    Args:
        weight: ``(out, in, *kernel)``.

    Returns:
        Depthwise ``(in, 1, *kernel)`` and pointwise ``(out, in, 1, ...)``, in the weight's dtype.
    """
    kernel = weight.shape[2:]
    columns, rows = _rank_one(weight.flatten(2).transpose(0, 1))  # in × out × positions
    ones = (1,) * len(kernel)
    return Separated(
        rows.reshape(-1, 1, *kernel).contiguous(),
        columns.transpose(0, 1).reshape(*weight.shape[:2], *ones).contiguous(),
    )


def separate_transposed(weight: Tensor) -> Separated:
    """Split a transposed convolution into pointwise, then depthwise transposed k×k.

    For each *output* channel the matrix (input channel × kernel position) is replaced by its best
    rank-1 approximation. With the pointwise half first, it works at the lower resolution.

    Args:
        weight: ``(in, out, *kernel)``, as transposed convolutions keep it.

    Returns:
        Depthwise ``(out, 1, *kernel)`` and pointwise ``(out, in, 1, ...)``, in the weight's dtype.
    """
    kernel = weight.shape[2:]
    columns, rows = _rank_one(weight.flatten(2).transpose(0, 1))  # out × in × positions
    ones = (1,) * len(kernel)
    return Separated(
        rows.reshape(-1, 1, *kernel).contiguous(),
        columns.reshape(weight.shape[1], weight.shape[0], *ones).contiguous(),
    )


def _rank_one(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return columns ``(b, m)`` and rows ``(b, n)`` whose outer products are the best rank 1."""
    # Half precision has no SVD, and float32 would lose digits in the square root below.
    left, values, right = torch.linalg.svd(matrices.detach().double(), full_matrices=False)
    scale = values[:, :1].sqrt()
    columns, rows = left[:, :, 0] * scale, right[:, 0, :] * scale
    return columns.to(matrices.dtype), rows.to(matrices.dtype)
