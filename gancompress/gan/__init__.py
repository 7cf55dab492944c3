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
from gancompress.gan.label_folder import LabelFolder, read_labels
from gancompress.gan.labels import (
    Augmentation,
    LabelArrays,
    Labelled,
    LabelledPictures,
    LabelMaps,
    instance_edges,
    one_hot,
)
from gancompress.gan.lite0 import Lite0
from gancompress.gan.multiscale import FeaturePatchDiscriminator, MultiScaleDiscriminator
from gancompress.gan.objective import (
    GanMode,
    PairedObjective,
    UnpairedObjective,
    discriminator_loss,
    generator_loss,
)
from gancompress.gan.patchgan import PatchDiscriminator
from gancompress.gan.perceptual import (
    Lite0Perceptual,
    PerceptualLoss,
    PerceptualName,
    VggPerceptual,
    perceptual_loss,
)
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
    "Augmentation",
    "Batch",
    "Drawn",
    "FamilyOptions",
    "FeaturePatchDiscriminator",
    "GanFamily",
    "GanMode",
    "LabelArrays",
    "LabelFolder",
    "LabelMaps",
    "Labelled",
    "LabelledPictures",
    "Lite0",
    "Lite0Perceptual",
    "MultiScaleDiscriminator",
    "NormName",
    "Objective",
    "PairedObjective",
    "PairedPictures",
    "PatchDiscriminator",
    "PerceptualLoss",
    "PerceptualName",
    "PicturePool",
    "Recipe",
    "ResNetGenerator",
    "ResidualBlock",
    "TeacherObjective",
    "UnalignedPictures",
    "UnpairedObjective",
    "VggPerceptual",
    "collate",
    "discriminator_loss",
    "find_pictures",
    "generator_loss",
    "initialise_normal",
    "instance_edges",
    "norm_layer",
    "one_hot",
    "parse",
    "perceptual_loss",
    "read_domain",
    "read_labels",
    "read_pairs",
    "read_picture",
    "read_toml",
    "to_tensor",
]
