"""The kit for plugin authors: families, objectives, generators, critics and data."""

from gancompress.config import Recipe, parse, read_toml
from gancompress.gan.family import (
    AnyFamily,
    Batch,
    FamilyOptions,
    GanFamily,
    Objective,
    collate,
)
from gancompress.gan.mobile import MobileResNetGenerator, SeparableBlock, SeparableConvolution
from gancompress.gan.objective import (
    GanMode,
    PairedObjective,
    discriminator_loss,
    generator_loss,
)
from gancompress.gan.official import official_state
from gancompress.gan.paired import PairedFiles, PairedPictures
from gancompress.gan.pairs import FolderPairs, read_pairs
from gancompress.gan.patchgan import PatchDiscriminator, PixelDiscriminator
from gancompress.gan.pictures import (
    find_pictures,
    read_picture,
    refuse_all,
    shown,
    to_tensor,
    with_channels,
)
from gancompress.gan.resnet import (
    NormName,
    ResidualBlock,
    ResNetGenerator,
    initialise_normal,
    norm_layer,
)
from gancompress.gan.unet import UNetGenerator
from gancompress.gan.widths import ResNetWidths

__all__ = [
    "AnyFamily",
    "Batch",
    "FamilyOptions",
    "FolderPairs",
    "GanFamily",
    "GanMode",
    "MobileResNetGenerator",
    "NormName",
    "Objective",
    "PairedFiles",
    "PairedObjective",
    "PairedPictures",
    "PatchDiscriminator",
    "PixelDiscriminator",
    "Recipe",
    "ResNetGenerator",
    "ResNetWidths",
    "ResidualBlock",
    "SeparableBlock",
    "SeparableConvolution",
    "UNetGenerator",
    "collate",
    "discriminator_loss",
    "find_pictures",
    "generator_loss",
    "initialise_normal",
    "norm_layer",
    "official_state",
    "parse",
    "read_pairs",
    "read_picture",
    "read_toml",
    "refuse_all",
    "shown",
    "to_tensor",
    "with_channels",
]
