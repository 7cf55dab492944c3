"""GauGAN's generator at the size that its paper trains on Cityscapes (Park et al. 2019)."""

from typing import Final

import torch
import torch.nn.functional as F
from generators.spade import Block, Wrap
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

LABELS: Final = 36
"""35 classes of Cityscapes and the map of instance edges."""

HEIGHT, WIDTH = 256, 512

PARAMETERS: Final = 93_048_003
"""Counted in the published code; its paper rounds to 93.0 M (Li et al. 2020, GAN Compression,
arXiv 2003.08936, table 1)."""

MACS: Final = 281_276_612_608
"""For one label map, of the convolutions; the same table rounds to 281 G."""


def spectral(conv: nn.Conv2d) -> nn.Module:
    """Divide a convolution's weight by its largest singular value, by torch's hooks."""
    layer: nn.Module = spectral_norm(conv)
    return layer


class GauGan(nn.Module):
    """Seven residual blocks from 1/64 of the size up to all of it, each told the labels.

    Args:
        wrap: What reparametrises the convolutions of the residual blocks.
        width: Channels of the last block (``ngf``); the first has 16 times as many.
        hidden: Channels between the labels and a norm's scale and shift.
    """

    def __init__(self, wrap: Wrap = spectral, width: int = 64, hidden: int = 128) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> Block:
            return Block(inputs * width, outputs * width, wrap, hidden, LABELS)

        self.fc = nn.Conv2d(LABELS, 16 * width, 3, padding=1)
        self.head_0 = block(16, 16)
        self.middle_0, self.middle_1 = block(16, 16), block(16, 16)
        self.up_0, self.up_1 = block(16, 8), block(8, 4)
        self.up_2, self.up_3 = block(4, 2), block(2, 1)
        self.conv_img = nn.Conv2d(width, 3, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, labels: Tensor) -> Tensor:
        """Map one-hot labels ``(N, 36, H, W)`` to pictures ``(N, 3, H, W)``.

        H and W are multiples of 64: six of the seven blocks are followed by a doubling.
        """
        size = (labels.size(2) // 64, labels.size(3) // 64)
        x = self.head_0(self.fc(F.interpolate(labels, size=size)), labels)
        x = self.middle_0(self.up(x), labels)
        x = self.middle_1(self.up(x), labels)
        for block in (self.up_0, self.up_1, self.up_2, self.up_3):
            x = block(self.up(x), labels)
        return torch.tanh(self.conv_img(F.leaky_relu(x, 2e-1)))


def labels() -> Tensor:
    """Draw one label map ``(1, 36, 256, 512)``."""
    classes = torch.randint(LABELS, (1, HEIGHT, WIDTH))
    return F.one_hot(classes, LABELS).permute(0, 3, 1, 2).float().contiguous()
