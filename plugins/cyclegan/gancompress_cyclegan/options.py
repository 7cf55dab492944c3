"""The options of the CycleGAN family."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gancompress.gan import GanMode, NormName, ResNetName, ResNetOptions


class CycleGanOptions(ResNetOptions):
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
        architecture: ``resnet``, or ``mobile_resnet`` (separable residual blocks), of both ways.
        generator_width: Channels of the generators' first convolution (``ngf``).
        blocks: Residual blocks of the generators; the paper has 6 up to 128 pixels, 9 from 256.
        norm: Norm of the generators.
        dropout: Whether residual blocks drop half of their values in training.
        legacy: Whether six numbers are read as the first release's class reads them: of each three
            blocks the first has the width of its own, the others that of the residual stream.
        config_str: Widths of a ``mobile_resnet`` as GAN Compression writes them (arXiv
            2003.08936), six or eight numbers such as ``16_16_32_16_32_32_16_16``.
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
    architecture: ResNetName = "resnet"
    generator_width: int = Field(64, ge=1)
    blocks: int = Field(9, ge=0)
    norm: NormName = "instance"
    dropout: bool = False
    legacy: bool = False
    config_str: str | None = None
    discriminator_width: int = Field(64, ge=1)
    discriminator_layers: int = Field(3, ge=1, validate_default=True)
    discriminator_norm: NormName = "instance"
    gan_mode: GanMode = "lsgan"
    lambda_a: float = Field(10.0, ge=0)
    lambda_b: float = Field(10.0, ge=0)
    lambda_identity: float = Field(0.5, ge=0, validate_default=True)
    pool: int = Field(50, ge=0)
    flip: bool = True
    flip_vertical: bool = False

    # A value that another one rules out is refused even where it is the default.
    @field_validator("load_size")
    @classmethod
    def _leaves_room_for_the_crop(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value < info.data.get("size", 0):
            raise ValueError(f"{value} is smaller than the size {info.data['size']}")
        return value

    @field_validator("channels_a", "channels_b")
    @classmethod
    def _are_those_of_the_data(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("data") == "earth" and value != 3:
            raise ValueError(f"the pictures of 'earth' have 3 channels, not {value}")
        return value

    @field_validator("lambda_identity")
    @classmethod
    def _a_picture_can_pass_for_the_other(cls, value: float, info: ValidationInfo) -> float:
        a, b = (info.data.get(f"channels_{domain}") for domain in "ab")
        if value and a != b:
            raise ValueError(
                f"{value} wants pictures of one domain to pass for the other's, and they have {a}"
                f" and {b} channels: set it to 0"
            )
        return value

    @property
    def channels_in(self) -> int:
        """Channels of the domain that is translated."""
        return self.channels_a if self.direction == "AtoB" else self.channels_b

    @property
    def channels_out(self) -> int:
        """Channels of the domain that is drawn."""
        return self.channels_b if self.direction == "AtoB" else self.channels_a
