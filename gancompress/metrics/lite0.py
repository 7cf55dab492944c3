"""EfficientNet-Lite0 as a small feature extractor."""

from collections import deque
from typing import Any, Final

import torch
from torch import Tensor

from gancompress.gan.lite0 import Lite0

_CHUNK: Final = 32  # pictures in one forward pass, to bound the memory


class Lite0Features(Lite0):
    """Pictures to features: the spatial mean after one block of EfficientNet-Lite0.

    Args:
        block: Index of the last block that runs, 0 to 15; 9 gives 112 features.

    Raises:
        ConfigError: If there is no such block.
        MissingExtraError: If the package with the weights is not installed.
        CheckpointError: If the weights are missing, damaged or of another architecture.
    """

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the features of a batch.

        Args:
            pictures: ``(N, C, H, W)`` in [-1, 1], of 1 to 4 channels as in `shown`.

        Returns:
            ``(N, dimension)``.

        Raises:
            DataError: If the shape is not that of pictures.
        """
        return deque(self.maps(pictures), maxlen=1).pop().mean(dim=(2, 3))

    @torch.no_grad()
    def extract(self, pictures: Tensor) -> Tensor:
        """Return the features of any number of pictures, in chunks.

        Args:
            pictures: ``(N, C, H, W)`` in [-1, 1], of 1 to 4 channels as in `shown`, on any device.

        Returns:
            ``(N, dimension)`` in float64 on the CPU.

        Raises:
            DataError: If the shape is not that of pictures.
        """
        weight = self._conv_stem.weight
        chunks = torch.split(pictures.detach(), _CHUNK)
        return torch.cat([self(c.to(weight.device, weight.dtype)).double().cpu() for c in chunks])

    def protocol(self) -> dict[str, Any]:
        """Return what makes two feature sets comparable, as JSON-able values."""
        return {
            "extractor": "efficientnet-lite0",
            "weights_sha256": self.weights_sha256,
            "block": self.block,
            "dimension": self.dimension,
            "pooling": "spatial mean",
            "input": "(255 (x + 1) / 2 - 127) / 128, native size, not rounded",
        }
