"""How far two pictures of a pair are apart, to a network that knows real ones (LPIPS-like).

The distance is that of LPIPS (arXiv 1801.03924) without its learned weights, on EfficientNet-Lite0.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from gancompress.errors import DataError
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.metric import Metric

# The last blocks at a quarter, an eighth and a sixteenth of the resolution.
BLOCKS: Final = (2, 4, 9)
_CHUNK: Final = 32  # pictures in one forward pass, to bound the memory


@torch.no_grad()
def perceptual_distance(features: Lite0Features, a: Tensor, b: Tensor) -> float:
    """Return the mean squared distance of unit-normalised features, picture by picture.

    Args:
        features: The extractor.
        a: ``(N, C, H, W)`` in [-1, 1], C of 1 or 3.
        b: Pictures of the same shape.

    Returns:
        The mean over positions, blocks and pictures, in [0, 4]; 0 for equal pictures.

    Raises:
        DataError: If the shapes differ or there is no picture.
    """
    if a.shape != b.shape or not len(a):
        raise DataError(
            f"'a' has shape {tuple(a.shape)} and 'b' {tuple(b.shape)}",
            hint="compare at least one pair of pictures of one size",
        )
    total = 0.0
    for x, y in zip(torch.split(a, _CHUNK), torch.split(b, _CHUNK), strict=True):
        total += float(_distances(features, x, y).sum())
    return total / len(a)


def _distances(features: Lite0Features, a: Tensor, b: Tensor) -> Tensor:
    """Return one distance a picture."""
    weight = next(features.parameters())
    pair = torch.cat([a, b]).to(weight.device, weight.dtype)
    found = []
    for index, maps in enumerate(features.maps(pair)):
        if index in BLOCKS:
            x, y = F.normalize(maps, dim=1, eps=1e-8).double().chunk(2)
            found.append((x - y).square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(found).mean(dim=0)


class LpipsLite0(Metric):
    """Mean squared distance of unit-normalised EfficientNet-Lite0 features, LPIPS-like.

    Not comparable with published LPIPS: another network, and no learned weights.

    Args:
        load: Makes the extractor, on first use.
    """

    name: ClassVar[str] = "lpips-lite0"
    higher_is_better: ClassVar[bool] = False

    def __init__(self, load: Callable[[], Lite0Features] = Lite0Features) -> None:
        self._load = load

    @cached_property
    def features(self) -> Lite0Features:
        """The extractor, whose weights are read when they are first needed."""
        return self._load()

    def protocol(self) -> dict[str, Any]:
        """Return the blocks that are compared, and the extractor's protocol."""
        return {
            "distance": "squared, of unit-normalised features; mean over positions and blocks",
            "blocks": list(BLOCKS),
            "features": self.features.protocol(),
        }

    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the mean distance.

        Args:
            outputs: ``(N, C, H, W)`` in [-1, 1].
            references: ``(N, C, H, W)`` in [-1, 1], in the same order.
        """
        return perceptual_distance(self.features, outputs, references)
