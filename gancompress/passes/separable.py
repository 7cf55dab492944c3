"""Best separable convolution for a dense one, in the least-squares sense, by truncated SVD."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gancompress.passes.convolutions import arrange


class Separated(NamedTuple):
    """Weights of a depthwise and a pointwise convolution, as torch keeps them.

    Args:
        depthwise: ``(channels · multiplier, 1, *kernel)``.
        pointwise: ``(out, in / groups · multiplier, 1, ...)``; where it comes first, before a
            transposed half, ``(out · multiplier, in / groups, 1, ...)``.
    """

    depthwise: Tensor
    pointwise: Tensor


@dataclass(frozen=True)
class Separable:
    """A separable convolution in the layout of `kernels_of`.

    Args:
        pointwise: ``(groups, out / groups, in / groups, multiplier)``.
        depthwise: ``(groups, channels / groups, multiplier, positions)``, of the input channels;
            of the output channels if transposed.
        transposed: Whether the depthwise half is transposed and comes last.
    """

    pointwise: Tensor
    depthwise: Tensor
    transposed: bool

    @property
    def multiplier(self) -> int:
        """Depthwise filters for each channel."""
        return self.pointwise.shape[3]

    def kernels(self) -> Tensor:
        """Return the dense kernels that both halves together compute with."""
        equation = "goir,gork->goik" if self.transposed else "goir,girk->goik"
        return torch.einsum(equation, self.pointwise, self.depthwise)

    def weights(self, kernel: tuple[int, ...]) -> Separated:
        """Return the weights as torch keeps them.

        Args:
            kernel: Sides of the kernel.
        """
        groups, out, inputs, multiplier = self.pointwise.shape
        ones = (1,) * len(kernel)
        if self.transposed:
            turned = self.pointwise.transpose(2, 3)
            pointwise = turned.reshape(groups * out * multiplier, inputs, *ones)
        else:
            pointwise = self.pointwise.reshape(groups * out, inputs * multiplier, *ones)
        depthwise = self.depthwise.reshape(-1, 1, *kernel)
        return Separated(depthwise.contiguous(), pointwise.contiguous())


def largest_multiplier(kernels: Tensor, *, transposed: bool) -> int:
    """Return the multiplier with which a separable convolution is exact for any weights.

    Args:
        kernels: In the layout of `kernels_of`.
        transposed: Whether the convolution is.
    """
    _, out, inputs, positions = kernels.shape
    return min(inputs if transposed else out, positions)


def separate_kernels(kernels: Tensor, multiplier: int, *, transposed: bool) -> Separable:
    """Split kernels into a pointwise and a depthwise half, with the smallest squared error.

    For each input channel the matrix (output channel × kernel position) is replaced by its best
    approximation of rank ``multiplier`` (Eckart-Young); for each output channel that of (input
    channel × kernel position) if transposed. Singular values are shared evenly between both.

    Args:
        kernels: In the layout of `kernels_of`.
        multiplier: Depthwise filters for each channel, 1 to `largest_multiplier`.
        transposed: Whether the convolution is.
    """
    matrices = kernels if transposed else kernels.transpose(1, 2)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    scale = values[..., :multiplier].sqrt()
    columns = left[..., :multiplier] * scale[..., None, :]
    rows = right[..., :multiplier, :] * scale[..., None]
    return Separable(columns if transposed else columns.transpose(1, 2), rows, transposed)


def separate(weight: Tensor, multiplier: int = 1, groups: int = 1) -> Separated:
    """Split a convolution into depthwise k×k, then pointwise.

    For each input channel the matrix (output channel × kernel position) is replaced by its best
    approximation of rank ``multiplier`` (Eckart-Young), so kernels that are already of that rank
    come back exactly. Singular values are shared evenly between both factors.

    Args:
        weight: ``(out, in / groups, *kernel)``.
        multiplier: Depthwise filters for each input channel, at most min(out / groups, k²).
        groups: Groups of the convolution; the pointwise half has as many.

    Returns:
        Depthwise ``(in · multiplier, 1, *kernel)`` and pointwise
        ``(out, in / groups · multiplier, 1, ...)``, in the weight's dtype.
    """
    return _separate(weight, multiplier, groups, transposed=False)


def separate_transposed(weight: Tensor, multiplier: int = 1, groups: int = 1) -> Separated:
    """Split a transposed convolution into pointwise, then depthwise transposed k×k.

    For each *output* channel the matrix (input channel × kernel position) is replaced by its best
    approximation of rank ``multiplier``. With the pointwise half first, it works at the lower
    resolution.

    Args:
        weight: ``(in, out / groups, *kernel)``, as transposed convolutions keep it.
        multiplier: Depthwise filters for each output channel, at most min(in / groups, k²).
        groups: Groups of the convolution; the pointwise half has as many.

    Returns:
        Depthwise ``(out · multiplier, 1, *kernel)`` and pointwise
        ``(out · multiplier, in / groups, 1, ...)``, in the weight's dtype.
    """
    return _separate(weight, multiplier, groups, transposed=True)


def _separate(weight: Tensor, multiplier: int, groups: int, *, transposed: bool) -> Separated:
    kernels = arrange(weight, groups, transposed=transposed)
    found = separate_kernels(kernels, multiplier, transposed=transposed)
    halves = found.weights(tuple(weight.shape[2:]))
    return Separated(halves.depthwise.to(weight.dtype), halves.pointwise.to(weight.dtype))
