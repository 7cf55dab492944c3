"""The options of the CycleGAN family."""

from math import log2
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gancompress.gan import FamilyOptions, GanMode, NormName


class CycleGanOptions(FamilyOptions):
    """What can be chosen; the defaults are those of the paper (arXiv 1703.10593).

    Args:
        data: ``earth`` for deserts (A) and forests (B) from above, or a folder with ``trainA``,
            ``trainB``, ``testA``, ``testB`` and maybe ``valA`` and ``valB``.
        direction: From which domain to which the generator translates that is kept and
            compressed.
        size: Pictures are size × size pixels; a multiple of 4.
        load_size: Training pictures are read at this size and cropped at random; None for `size`.
        channels_a: Channels of A: 1 grey, 2 grey with alpha, 3 colour, 4 colour with alpha.
        channels_b: Channels of B.
        generator_width: Channels of the generators' first convolution (``ngf``).
        blocks: Residual blocks of the generators; the paper has 6 up to 128 pixels, 9 from 256.
        norm: Norm of the generators.
        dropout: Whether residual blocks drop half of their values in training.
        discriminator_width: Channels of the discriminators' first convolution (``ndf``).
        discriminator_layers: Strided convolutions of the discriminators.
        discriminator_norm: Norm of the discriminators.
        gan_mode: Adversarial loss.
        lambda_a: Weight of the way from A to B and back.
        lambda_b: Weight of the way from B to A and back.
        lambda_identity: Weight, relative to those two, of leaving a picture alone that is of the
            target domain already; above 0 both domains need the same channels.
        pool: Generated pictures that each discriminator remembers in the teacher's training.
        flip: Whether training pictures are mirrored left and right at random.
        flip_vertical: Whether they are mirrored up and down, for pictures seen from above.
    """

    data: Literal["earth"] | Path = "earth"
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    size: int = Field(256, ge=32, multiple_of=4)
    load_size: int | None = Field(None, ge=32)
    channels_a: int = Field(3, ge=1, le=4)
    channels_b: int = Field(3, ge=1, le=4)
    generator_width: int = Field(64, ge=1)
    blocks: int = Field(9, ge=0)
    norm: NormName = "instance"
    dropout: bool = False
    discriminator_width: int = Field(64, ge=1)
    discriminator_layers: int = Field(3, ge=1)
    discriminator_norm: NormName = "instance"
    gan_mode: GanMode = "lsgan"
    lambda_a: float = Field(10.0, ge=0)
    lambda_b: float = Field(10.0, ge=0)
    lambda_identity: float = Field(0.5, ge=0)
    pool: int = Field(50, ge=0)
    flip: bool = True
    flip_vertical: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.load_size is not None and self.load_size < self.size:
            raise ValueError(
                f"a load_size of {self.load_size} is smaller than the size {self.size}"
            )
        # Each strided layer halves the picture, and the last two take off one pixel each.
        most = int(log2(self.size / 3))
        if self.discriminator_layers > most:
            raise ValueError(
                f"{self.discriminator_layers} discriminator_layers leave nothing of a picture of"
                f" {self.size} pixels, take at most {most}"
            )
        if self.lambda_identity and self.channels_a != self.channels_b:
            raise ValueError(
                f"A has {self.channels_a} channels and B {self.channels_b}, so a picture of one"
                " cannot pass for the other: set lambda_identity to 0"
            )
        if self.data == "earth" and (self.channels_a, self.channels_b) != (3, 3):
            raise ValueError("the pictures of 'earth' have 3 channels")
        return self

    @property
    def channels_in(self) -> int:
        """Channels of the domain that is translated."""
        return self.channels_a if self.direction == "AtoB" else self.channels_b

    @property
    def channels_out(self) -> int:
        """Channels of the domain that is drawn."""
        return self.channels_b if self.direction == "AtoB" else self.channels_a
