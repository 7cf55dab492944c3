"""The high frequencies of the teacher's picture."""

from typing import ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from gancompress.distill.loss import PictureLoss

LEVELS: Final = 3


class Wavelet(PictureLoss):
    """``Σ_l L1(ψ_l(G(x)), ψ_l(T(x)))`` over the high bands ψ_l (arXiv 2203.06321).

    The bands are those of the Haar transform, at three levels or as many as the picture has: in
    each the three that hold edges, not the smooth one. What both pictures lack, such as a common
    colour, costs nothing, so a loss of the low frequencies has to stand beside it.
    """

    name: ClassVar[str] = "wavelet"

    def compare(self, output: Tensor, goal: Tensor) -> Tensor:
        """Compare the bands of ``(N, C, H, W)``, of at least 2×2 pixels."""
        # The transform is linear: that of the difference is the difference of those.
        low = output - goal
        terms = []
        for _ in range(LEVELS):
            if min(low.shape[2:]) < 2:
                break
            low, high = _haar(low)
            terms.append(high.abs().mean())
        return torch.stack(terms).sum()


def _haar(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the low band ``(N, C, h/2, w/2)`` and the three high ones ``(N, 3, C, h/2, w/2)``."""
    x = F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), mode="replicate")
    a, b, c, d = (x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1))
    high = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], dim=1)
    return (a + b + c + d) / 2, high / 2
