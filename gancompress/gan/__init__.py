"""The kit for plugin authors: families, objectives, generators, critics and data."""

from gancompress.config import Recipe, parse, read_toml
from gancompress.gan.architecture import (
    ResNetChoice,
    ResNetName,
    build_resnet,
    check_config,
)
from gancompress.gan.family import (
    REAL,
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
from gancompress.gan.mobile import MobileResNetGenerator, SeparableBlock, SeparableConvolution
from gancompress.gan.multiscale import FeaturePatchDiscriminator, MultiScaleDiscriminator
from gancompress.gan.objective import (
    GanMode,
    PairedObjective,
    UnpairedObjective,
    discriminator_loss,
    generator_loss,
)
from gancompress.gan.official import official_state
from gancompress.gan.official_critic import official_critic
from gancompress.gan.options import ResNetOptions
from gancompress.gan.paired import PairedFiles, PairedPictures
from gancompress.gan.pairs import FolderPairs, read_pairs
from gancompress.gan.patchgan import PatchDiscriminator, PixelDiscriminator
from gancompress.gan.perceptual import (
    Lite0Perceptual,
    PerceptualLoss,
    PerceptualName,
    VggPerceptual,
    perceptual_loss,
)
from gancompress.gan.pictures import (
    find_pictures,
    read_picture,
    refuse_all,
    shown,
    to_tensor,
    with_channels,
)
from gancompress.gan.pool import PicturePool
from gancompress.gan.prepare import Preparer, Sample, carve, prepare_data
from gancompress.gan.recipes import read_recipes
from gancompress.gan.resnet import (
    NormName,
    ResidualBlock,
    ResNetGenerator,
    initialise_normal,
    norm_layer,
)
from gancompress.gan.source import Source, fetch_source
from gancompress.gan.teacher import Drawn, TeacherObjective
from gancompress.gan.unaligned import UnalignedPictures, read_domain
from gancompress.gan.unet import UNetGenerator
from gancompress.gan.widths import ResNetWidths

__all__ = [
    "REAL",
    "AnyFamily",
    "Augmentation",
    "Batch",
    "Drawn",
    "FamilyOptions",
    "FeaturePatchDiscriminator",
    "FolderPairs",
    "GanFamily",
    "GanMode",
    "LabelArrays",
    "LabelFolder",
    "LabelMaps",
    "Labelled",
    "LabelledPictures",
    "Lite0",
    "Lite0Perceptual",
    "MobileResNetGenerator",
    "MultiScaleDiscriminator",
    "NormName",
    "Objective",
    "PairedFiles",
    "PairedObjective",
    "PairedPictures",
    "Part",
    "PatchDiscriminator",
    "PerceptualLoss",
    "PerceptualName",
    "PicturePool",
    "PixelDiscriminator",
    "Preparer",
    "Recipe",
    "ResNetChoice",
    "ResNetGenerator",
    "ResNetName",
    "ResNetOptions",
    "ResNetWidths",
    "ResidualBlock",
    "Sample",
    "SeparableBlock",
    "SeparableConvolution",
    "Source",
    "SplitFolders",
    "TeacherObjective",
    "UNetGenerator",
    "UnalignedPictures",
    "UnpairedObjective",
    "VggPerceptual",
    "build_resnet",
    "carve",
    "check_config",
    "collate",
    "discriminator_loss",
    "fetch_source",
    "find_pictures",
    "generator_loss",
    "initialise_normal",
    "instance_edges",
    "nearest",
    "norm_layer",
    "official_critic",
    "official_state",
    "one_hot",
    "parse",
    "perceptual_loss",
    "prepare_data",
    "read_domain",
    "read_labels",
    "read_pairs",
    "read_picture",
    "read_recipes",
    "read_toml",
    "refuse_all",
    "scene_of",
    "shown",
    "stem_of",
    "to_tensor",
    "with_channels",
]
