"""The options of the GauGAN family."""

from math import log2
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gancompress import SubnetError
from gancompress.gan import FamilyOptions, GanMode, NormName, PerceptualName
from gancompress_gaugan.generator import HALVINGS, Upsampling
from gancompress_gaugan.spade import FreeNormName
from gancompress_gaugan.widths import SpadeWidths

LAND_COVER_CLASSES = 17


class GauGanOptions(FamilyOptions):
    """What can be chosen; the defaults of nets and losses are those of arXiv 1903.07291.

    Args:
        data: ``landcover`` for land cover and satellite pictures of the Earth, or a folder with
            the sub-folders ``train``, ``val`` and ``test``, each with ``label`` and ``image``.
        classes: How many classes the label maps have.
        dont_care: Whether 255 means that the class is not known; it gets a channel of its own.
        edges: Whether the edges of instances are an input too; each split has ``instance`` then.
        size: Width of the pictures in pixels.
        aspect: Width over height.
        load_size: Width that training pictures are read at, to cut `size` out of them at random;
            None reads them at `size`.
        flip: Whether training samples are mirrored at random.
        flip_vertical: Whether they are also turned upside down at random.
        architecture: ``spade``, or ``mobile_spade``: what computes scale and shift is separable.
        config_str: Widths of a ``mobile_spade`` as GAN Compression writes them (arXiv 2003.08936),
            eight numbers such as ``32_32_48_32_32_32_32_24``; `generator_width`, `widest` and
            `hidden` are not read then.
        generator_width: Channels of the generator's seventh block (``ngf``).
        widest: No block of the generator has more than this many times `generator_width`.
        hidden: Channels between the label map and scale and shift of a norm.
        upsampling: ``normal``, ``more`` or ``most``: the generator starts at 1/32, 1/64 or 1/128.
        norm: The generator's norm without weights.
        spectral: Whether the convolutions of the generator's blocks have spectral norm.
        latent: Length of the noise that the generator starts from; 0 starts from the label map.
        discriminator_width: Channels of the discriminators' first convolutions (``ndf``).
        discriminator_layers: Convolutions of each discriminator before its verdict.
        discriminators: How many there are, each at half the resolution of the one before.
        discriminator_norm: Norm of the discriminators.
        discriminator_spectral: Whether the discriminators have spectral norm too.
        gan_mode: Adversarial loss.
        lambda_feature: Weight of the feature matching.
        perceptual: ``vgg`` (VGG19, from `vgg_weights` or downloaded), ``lite0``
            (EfficientNet-Lite0, from a pip package) or ``none``.
        lambda_perceptual: Weight of the perceptual loss.
        vgg_weights: File with torchvision's weights of VGG19; None downloads them.
    """

    data: Literal["landcover"] | Path = "landcover"
    classes: int = Field(LAND_COVER_CLASSES, ge=1, le=65_535)
    dont_care: bool = False
    edges: bool = False
    size: int = Field(64, ge=32)
    aspect: float = Field(1.0, gt=0)
    load_size: int | None = Field(None, ge=32)
    flip: bool = True
    flip_vertical: bool = False
    architecture: Literal["spade", "mobile_spade"] = "spade"
    config_str: str | None = None
    generator_width: int = Field(64, ge=2)
    widest: int = Field(16, ge=1)
    hidden: int = Field(128, ge=1)
    upsampling: Upsampling = "normal"
    norm: FreeNormName = "batch"
    spectral: bool = True
    latent: int = Field(0, ge=0)
    discriminator_width: int = Field(64, ge=1)
    discriminator_layers: int = Field(4, ge=2)
    discriminators: int = Field(2, ge=1)
    discriminator_norm: NormName = "instance"
    discriminator_spectral: bool = True
    gan_mode: GanMode = "hinge"
    lambda_feature: float = Field(10.0, ge=0)
    perceptual: PerceptualName = "lite0"
    lambda_perceptual: float = Field(10.0, ge=0)
    vgg_weights: Path | None = None

    @property
    def channels(self) -> int:
        """Channels of the generator's input."""
        return self.classes + int(self.dont_care) + int(self.edges)

    @property
    def widths(self) -> SpadeWidths | None:
        """Widths of a ``mobile_spade`` by its config string."""
        return None if self.config_str is None else SpadeWidths.parse(self.config_str)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return round(self.size / self.aspect), self.size

    @property
    def loaded(self) -> tuple[int, int]:
        """Height and width that training pictures are read at."""
        width = self.load_size or self.size
        return round(width / self.aspect), width

    @model_validator(mode="after")
    def _it_is_a_config_of_a_mobile_net(self) -> Self:
        if self.config_str is None:
            return self
        if self.architecture != "mobile_spade":
            raise ValueError("only the architecture 'mobile_spade' takes widths of its layers")
        if self.upsampling == "most":
            raise ValueError("the upsampling 'most' has a block that no config_str has a width for")
        try:
            SpadeWidths.parse(self.config_str)
        except SubnetError as error:
            raise ValueError(error.message) from None
        return self

    @model_validator(mode="after")
    def _the_generator_starts_from_whole_pixels(self) -> Self:
        step = 2 ** HALVINGS[self.upsampling]
        height, width = self.shape
        if abs(height * self.aspect - width) > 1e-6 * width:
            raise ValueError(
                f"a width of {width} at the aspect {self.aspect:g} has no whole height"
            )
        if width % step or height % step:
            raise ValueError(
                f"pictures of {width}x{height} pixels cannot be halved "
                f"{HALVINGS[self.upsampling]} times, as the upsampling '{self.upsampling}' does; "
                f"take multiples of {step}"
            )
        return self

    @model_validator(mode="after")
    def _something_is_cut(self) -> Self:
        if self.load_size is not None and self.load_size < self.size:
            raise ValueError(f"load_size is {self.load_size}, below the size {self.size}")
        return self

    @model_validator(mode="after")
    def _every_discriminator_sees_something(self) -> Self:
        # Each is at half the resolution of the one before, which goes down to a few pixels.
        most = int(log2(min(self.shape))) - 2
        if self.discriminators > most:
            raise ValueError(
                f"{self.discriminators} discriminators are too many for pictures of "
                f"{self.shape[1]}x{self.shape[0]} pixels, take at most {most}"
            )
        return self

    @model_validator(mode="after")
    def _land_cover_is_what_it_is(self) -> Self:
        if self.data != "landcover":
            return self
        if self.classes != LAND_COVER_CLASSES or self.dont_care or self.edges:
            raise ValueError(
                f"the land cover has {LAND_COVER_CLASSES} classes, all known, and no instances"
            )
        if self.aspect != 1 or self.load_size is not None or self.size > 128:
            raise ValueError("tiles of the land cover are square, of at most 128 pixels, and whole")
        return self
