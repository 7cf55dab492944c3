"""Structural similarity to the teacher's picture, and smoothness."""

from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from gancompress.distill.loss import PictureLoss

_WINDOW: Final = 11
_SIGMA: Final = 1.5
# (0.01·L)² and (0.03·L)² for pictures whose range L is 2.
_C1, _C2 = 0.02**2, 0.06**2


class Structure(PictureLoss):
    """``1 − SSIM(G(x), T(x))`` (Wang, Bovik, Sheikh, Simoncelli, 2004; OMGD, 2108.06908).

    Means, variances and covariance are taken under a Gaussian window of 11 pixels, σ = 1.5, or as
    many as a smaller picture has. Where both are flat the contrast term is constant.
    """

    name: ClassVar[str] = "ssim"

    def compare(self, output: Tensor, goal: Tensor) -> Tensor:
        """Return 1 − SSIM of ``(N, C, H, W)``, in [0, 2]."""
        window = _window(output)

        def mean(x: Tensor) -> Tensor:
            return F.conv2d(x, window, groups=x.shape[1])

        a, b = mean(output), mean(goal)
        spread_a = mean(output * output) - a * a
        spread_b = mean(goal * goal) - b * b
        shared = mean(output * goal) - a * b
        light = (2 * a * b + _C1) / (a * a + b * b + _C1)
        return 1 - (light * (2 * shared + _C2) / (spread_a + spread_b + _C2)).mean()


class TotalVariation(PictureLoss):
    """``mean|∂_h G(x)| + mean|∂_w G(x)|``, which knows no teacher (OMGD, 2108.06908).

    It only smooths: with a large weight it blurs, and a flat picture has no gradient.
    """

    name: ClassVar[str] = "total-variation"

    def compare(self, output: Tensor, goal: Tensor) -> Tensor:
        """Return the mean step between neighbours of ``(N, C, H, W)``."""
        del goal
        return output.diff(dim=2).abs().mean() + output.diff(dim=3).abs().mean()


def _window(pictures: Tensor) -> Tensor:
    """Return a Gaussian for every channel, ``(C, 1, h, w)``, of sum 1."""
    sides = []
    for size in pictures.shape[2:]:
        place = torch.arange(min(_WINDOW, size), device=pictures.device, dtype=pictures.dtype)
        side = torch.exp(-((place - place.mean()) ** 2) / (2 * _SIGMA**2))
        sides.append(side / side.sum())
    return torch.outer(*sides).expand(pictures.shape[1], 1, -1, -1)
