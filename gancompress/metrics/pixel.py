"""Errors pixel by pixel, of pictures in [-1, 1]."""

import math

import torch
from torch import Tensor

from gancompress.errors import DataError

DATA_RANGE = 2.0


def l1(a: Tensor, b: Tensor) -> float:
    """Return the mean absolute difference.

    Args:
        a: Pictures ``(N, C, H, W)`` in [-1, 1].
        b: Pictures of the same shape.

    Returns:
        The mean over everything, in the pictures' units, in [0, 2]; lower is better.

    Raises:
        DataError: If the shapes differ or there is no picture.
    """
    first, second = check_pair(a, b)
    return float((first - second).abs().mean())


def psnr(a: Tensor, b: Tensor) -> float:
    """Return the peak signal-to-noise ratio, with a data range of 2.

    Args:
        a: Pictures ``(N, C, H, W)`` in [-1, 1].
        b: Pictures of the same shape.

    Returns:
        The mean over the pictures of each one's ratio, in dB; higher is better. It is infinite
        where one of the pictures equals its counterpart exactly.

    Raises:
        DataError: If the shapes differ or there is no picture.
    """
    first, second = check_pair(a, b)
    squared = (first - second).square().flatten(1).mean(dim=1)
    return float((20 * math.log10(DATA_RANGE) - 10 * torch.log10(squared)).mean())


def check_pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Make sure that two batches of pictures can be compared picture by picture.

    Args:
        a: Pictures ``(N, C, H, W)``.
        b: Pictures of the same shape.

    Returns:
        Both in float64 on the CPU.

    Raises:
        DataError: If the shapes differ or there is no picture.
    """
    if a.shape != b.shape or a.ndim < 2:
        raise DataError(
            f"'a' has shape {tuple(a.shape)} and 'b' {tuple(b.shape)}",
            hint="compare batches of pictures of one size",
        )
    if a.numel() == 0:
        raise DataError("'a' and 'b' hold no pictures", hint="compare at least one pair")
    # float64, so that the mean over a large batch does not depend on how it is summed
    return a.detach().double().cpu(), b.detach().double().cpu()
