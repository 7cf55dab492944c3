"""The kit for plugin authors: families, objectives, generators, critics and data."""

from gancompress.config import Recipe, parse, read_toml
from gancompress.gan.data import PairedPictures, find_pictures, read_pairs, read_picture, to_tensor
from gancompress.gan.family import (
    REAL,
    AnyFamily,
    Batch,
    FamilyOptions,
    GanFamily,
    Objective,
    collate,
)
from gancompress.gan.objective import (
    GanMode,
    PairedObjective,
    UnpairedObjective,
    discriminator_loss,
    generator_loss,
)
from gancompress.gan.patchgan import PatchDiscriminator
from gancompress.gan.pool import PicturePool
from gancompress.gan.resnet import (
    NormName,
    ResidualBlock,
    ResNetGenerator,
    initialise_normal,
    norm_layer,
)
from gancompress.gan.teacher import Drawn, TeacherObjective
from gancompress.gan.unaligned import UnalignedPictures, read_domain

__all__ = [
    "REAL",
    "AnyFamily",
    "Batch",
    "Drawn",
    "FamilyOptions",
    "GanFamily",
    "GanMode",
    "NormName",
    "Objective",
    "PairedObjective",
    "PairedPictures",
    "PatchDiscriminator",
    "PicturePool",
    "Recipe",
    "ResNetGenerator",
    "ResidualBlock",
    "TeacherObjective",
    "UnalignedPictures",
    "UnpairedObjective",
    "collate",
    "discriminator_loss",
    "find_pictures",
    "generator_loss",
    "initialise_normal",
    "norm_layer",
    "parse",
    "read_domain",
    "read_pairs",
    "read_picture",
    "read_toml",
    "to_tensor",
]
