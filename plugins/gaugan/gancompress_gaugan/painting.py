"""Label maps as pictures: what can be had without a generator."""

import colorsys

import torch
from torch import Tensor

_GOLDEN = 0.618_034


def distinct_colours(classes: int) -> Tensor:
    """Return colours that neighbouring classes are told apart by.

    Args:
        classes: How many.

    Returns:
        ``(classes, 3)`` in [-1, 1].
    """
    # Steps of the golden ratio never come back to a hue, however many there are.
    colours = [
        colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.45 + 0.2 * (index % 3), 0.9 - 0.2 * (index % 2))
        for index in range(classes)
    ]
    return 2 * torch.tensor(colours) - 1


def paint(labels: Tensor, colours: Tensor) -> Tensor:
    """Paint every class in its colour.

    Args:
        labels: One-hot label maps ``(N, C, H, W)``; channels after the colours' are left out.
        colours: ``(classes, 3)`` in [-1, 1].

    Returns:
        Pictures ``(N, 3, H, W)`` in [-1, 1].
    """
    chosen = labels[:, : len(colours)].argmax(dim=1)
    return colours.to(labels)[chosen].permute(0, 3, 1, 2).contiguous()
