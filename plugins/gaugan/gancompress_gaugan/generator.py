"""The GauGAN generator (Park et al., arXiv 1903.07291)."""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress_gaugan.spade import SLOPE, FreeNormName, SpadeBlock, free_norm
from gancompress_gaugan.widths import BlockWidths, SpadeWidths

Upsampling: TypeAlias = Literal["normal", "more", "most"]
HALVINGS: dict[Upsampling, int] = {"normal": 5, "more": 6, "most": 7}


class SpadeGenerator(nn.Module):
    """Residual blocks from a small picture up to the whole one, each told the label map.

    It starts from the label map at 1/32 of the size (``normal``), 1/64 (``more``) or 1/128
    (``most``), or from noise. With 36 labels, width 64 and ``more`` it has 93,048,003 parameters,
    as published for Cityscapes. The attributes have the names of the published checkpoints.

    Args:
        labels: Channels of the label map, the one of instance edges included.
        width: Channels of the seventh block (``ngf``); the first ones have 16 times as many.
        widest: No block has more than this many times `width`; 16 as published.
        hidden: Channels between the label map and a norm's scale and shift; 128 as published.
        upsampling: ``normal``, ``more`` or ``most``: 5, 6 or 7 doublings.
        norm: Which norm without weights: ``batch``, ``syncbatch`` or ``instance``.
        spectral: Whether the blocks' convolutions have spectral norm.
        latent: Length of the noise that the generator starts from; 0 starts from the label map.
        size: Height and width of the pictures; with noise no others can be made.
        widths: Channels of every layer, such as of `SpadeWidths.parse`, in place of `width`,
            `widest` and `hidden`.
        mobile: Whether what computes scale and shift is separable, as in GAN Compression's mobile
            nets (arXiv 2003.08936).
    """

    def __init__(
        self,
        labels: int,
        width: int = 64,
        *,
        widest: int = 16,
        hidden: int = 128,
        upsampling: Upsampling = "normal",
        norm: FreeNormName = "batch",
        spectral: bool = True,
        latent: int = 0,
        size: tuple[int, int] = (256, 256),
        widths: SpadeWidths | None = None,
        mobile: bool = False,
    ) -> None:
        super().__init__()

        def block(its: BlockWidths) -> SpadeBlock:
            return SpadeBlock(
                its, labels=labels, norm=free_norm(norm), spectral=spectral, mobile=mobile
            )

        ups = 5 if upsampling == "most" else 4
        widths = widths or SpadeWidths.full(width, widest=widest, hidden=hidden, ups=ups)
        head, middle_0, middle_1, up_0, up_1, up_2, up_3, *up_4 = widths.blocks
        self.latent = latent
        self.upsampling = upsampling
        self.step = 2 ** HALVINGS[upsampling]
        self.start = (size[0] // self.step, size[1] // self.step)
        self.fc: nn.Module
        if latent:
            self.fc = nn.Linear(latent, widths.first * self.start[0] * self.start[1])
        else:
            self.fc = nn.Conv2d(labels, widths.first, 3, padding=1)
        self.head_0 = block(head)
        self.G_middle_0 = block(middle_0)
        self.G_middle_1 = block(middle_1)
        self.up_0 = block(up_0)
        self.up_1 = block(up_1)
        self.up_2 = block(up_2)
        self.up_3 = block(up_3)
        if upsampling == "most":
            self.up_4 = block(up_4[0])
        self.conv_img = nn.Conv2d(widths.last, 3, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)

    def forward(self, labels: Tensor, noise: Tensor | None = None) -> Tensor:
        """Paint pictures.

        Args:
            labels: One-hot label maps ``(N, labels, H, W)``; H and W are multiples of 32, 64 or
                128, as the up-sampling asks for.
            noise: ``(N, latent)``, uniform in [-1, 1]; drawn where it is asked for and missing.

        Returns:
            Pictures ``(N, 3, H, W)`` in [-1, 1].
        """
        x = self.head_0(self._begin(labels, noise), labels)
        x = self.G_middle_0(self.up(x), labels)
        if self.upsampling != "normal":
            x = self.up(x)
        x = self.G_middle_1(x, labels)
        x = self.up_0(self.up(x), labels)
        x = self.up_1(self.up(x), labels)
        x = self.up_2(self.up(x), labels)
        x = self.up_3(self.up(x), labels)
        if self.upsampling == "most":
            x = self.up_4(self.up(x), labels)
        return torch.tanh(self.conv_img(F.leaky_relu(x, SLOPE)))

    def _begin(self, labels: Tensor, noise: Tensor | None) -> Tensor:
        if not self.latent:
            size = (labels.shape[2] // self.step, labels.shape[3] // self.step)
            result: Tensor = self.fc(F.interpolate(labels, size=size, mode="nearest"))
            return result
        if noise is None:
            noise = 2 * torch.rand(labels.shape[0], self.latent, device=labels.device) - 1
        first: Tensor = self.fc(noise)
        return first.view(first.shape[0], -1, *self.start)


def initialise_xavier(module: nn.Module, gain: float = 0.02) -> nn.Module:
    """Draw convolution and linear weights as Glorot and Bengio do, and zero their biases.

    Args:
        module: Changed in place; weights behind a spectral norm are drawn too.
        gain: Factor of the weights, 0.02 as published.

    Returns:
        The same module.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            # Behind a parametrisation `layer.weight` is computed anew at each access.
            weight = getattr(layer, "parametrizations", {"weight": None})["weight"]
            nn.init.xavier_normal_(layer.weight if weight is None else weight.original, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module
