"""Adversarial losses, and the objective of paired data."""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancompress.gan.family import REAL, Batch, Objective

GanMode: TypeAlias = Literal["hinge", "lsgan", "vanilla"]


def discriminator_loss(logits: Tensor, *, real: bool, mode: GanMode) -> Tensor:
    """Return what a discriminator pays for its verdict.

    Args:
        logits: Verdicts of any shape.
        real: Whether the pictures were real.
        mode: ``hinge`` (arXiv 1705.02894), ``lsgan`` (arXiv 1611.04076) or ``vanilla``.

    Returns:
        A scalar.
    """
    if mode == "hinge":
        return F.relu(1 - logits if real else 1 + logits).mean()
    goal = torch.ones_like(logits) if real else torch.zeros_like(logits)
    if mode == "lsgan":
        return F.mse_loss(logits, goal)
    return F.binary_cross_entropy_with_logits(logits, goal)


def generator_loss(logits: Tensor, *, mode: GanMode) -> Tensor:
    """Return what a generator pays for the discriminator's verdict on its pictures.

    Args:
        logits: Verdicts of any shape.
        mode: As in `discriminator_loss`.

    Returns:
        A scalar.
    """
    if mode == "hinge":
        return -logits.mean()
    return discriminator_loss(logits, real=True, mode=mode)


class PairedObjective(Objective):
    """The discriminator sees the condition beside the picture, real or generated (pix2pix).

    Args:
        discriminator: Maps ``(N, C_in + C_out, H, W)`` to logits.
        mode: ``hinge``, ``lsgan`` or ``vanilla``.
    """

    def __init__(self, discriminator: nn.Module, mode: GanMode = "hinge") -> None:
        self._discriminators = nn.ModuleDict({"discriminator": discriminator})
        self.mode = mode

    @property
    def discriminators(self) -> nn.ModuleDict:
        """The one discriminator, under ``discriminator``."""
        return self._discriminators

    def _judge(self, batch: Batch, picture: Tensor) -> Tensor:
        verdict: Tensor = self._discriminators["discriminator"](
            torch.cat([*batch.inputs, picture], dim=1)
        )
        return verdict.float()

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the adversarial term under ``gan``."""
        return {"gan": generator_loss(self._judge(batch, output), mode=self.mode)}

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return half of the two terms, as pix2pix does to slow the discriminator down.

        Raises:
            ValueError: If the batch has no target.
        """
        if batch.target is None:
            raise ValueError("a paired objective needs a target")
        fake = discriminator_loss(self._judge(batch, output), real=False, mode=self.mode)
        real = discriminator_loss(self._judge(batch, batch.target), real=True, mode=self.mode)
        return {"d_fake": 0.5 * fake, "d_real": 0.5 * real}


class UnpairedObjective(Objective):
    """The discriminator sees the picture alone: there is no condition that it would belong to.

    Args:
        discriminator: Maps ``(N, C_out, H, W)`` to logits.
        mode: ``hinge``, ``lsgan`` or ``vanilla``.
    """

    def __init__(self, discriminator: nn.Module, mode: GanMode = "lsgan") -> None:
        self._discriminators = nn.ModuleDict({"discriminator": discriminator})
        self.mode = mode

    @property
    def discriminators(self) -> nn.ModuleDict:
        """The one discriminator, under ``discriminator``."""
        return self._discriminators

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return the adversarial term under ``gan``."""
        del batch
        return {"gan": generator_loss(self._judge(output), mode=self.mode)}

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return half of the two terms, as CycleGAN does to slow the discriminator down.

        Raises:
            ValueError: If the batch has no real picture.
        """
        if batch.real is None:
            raise ValueError(f"an unpaired objective needs a picture under '{REAL}'")
        fake = discriminator_loss(self._judge(output), real=False, mode=self.mode)
        real = discriminator_loss(self._judge(batch.real), real=True, mode=self.mode)
        return {"d_fake": 0.5 * fake, "d_real": 0.5 * real}

    def _judge(self, picture: Tensor) -> Tensor:
        verdict: Tensor = self._discriminators["discriminator"](picture)
        return verdict.float()
