"""The kit for plugin authors: families, objectives, generators, critics and data."""

from gancompress.config import Recipe, parse, read_toml
from gancompress.gan.data import PairedPictures, find_pictures, read_pairs, read_picture, to_tensor
from gancompress.gan.family import (
    AnyFamily,
    Batch,
    FamilyOptions,
    GanFamily,
    Objective,
    collate,
)
from gancompress.gan.folders import Part, SplitFolders, stem_of
from gancompress.gan.label_folder import LabelFolder, nearest, read_labels, scene_of
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
from gancompress.gan.prepare import Preparer, Sample, carve, prepare_data
from gancompress.gan.resnet import (
    NormName,
    ResidualBlock,
    ResNetGenerator,
    initialise_normal,
    norm_layer,
)
from gancompress.gan.source import Source, SourceKind, fetch_source

__all__ = [
    "AnyFamily",
    "Augmentation",
    "Batch",
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
    "Part",
    "PatchDiscriminator",
    "PerceptualLoss",
    "PerceptualName",
    "Preparer",
    "Recipe",
    "ResNetGenerator",
    "ResidualBlock",
    "Sample",
    "Source",
    "SourceKind",
    "SplitFolders",
    "VggPerceptual",
    "carve",
    "collate",
    "discriminator_loss",
    "fetch_source",
    "find_pictures",
    "generator_loss",
    "initialise_normal",
    "instance_edges",
    "nearest",
    "norm_layer",
    "one_hot",
    "parse",
    "perceptual_loss",
    "prepare_data",
    "read_labels",
    "read_pairs",
    "read_picture",
    "read_toml",
    "scene_of",
    "stem_of",
    "to_tensor",
]
