"""The family itself: what builds the generator, the data and the objective."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.gan import (
    Augmentation,
    Batch,
    GanFamily,
    LabelFolder,
    LabelledPictures,
    LabelMaps,
    MultiScaleDiscriminator,
    Objective,
    Preparer,
    Recipe,
    Source,
    SplitFolders,
    official_critic,
    official_state,
    perceptual_loss,
    read_recipes,
)
from gancompress_gaugan.cityscapes import CITYSCAPES
from gancompress_gaugan.coco import COCO
from gancompress_gaugan.folders import label_folders
from gancompress_gaugan.generator import SpadeGenerator, initialise_xavier
from gancompress_gaugan.landcover import landcover_colours, landcover_split
from gancompress_gaugan.noise import WithNoise
from gancompress_gaugan.objective import GauGanObjective
from gancompress_gaugan.options import GauGanOptions
from gancompress_gaugan.painting import distinct_colours, paint
from gancompress_gaugan.sources import published_sources


class GauGan(GanFamily[GauGanOptions]):
    """Pictures from label maps (Park et al., arXiv 1903.07291)."""

    name = "gaugan"
    options = GauGanOptions

    def generator(self, options: GauGanOptions) -> nn.Module:
        """Build the generator; a label map enters, and noise where `latent` is not 0."""
        net = SpadeGenerator(
            options.channels,
            options.generator_width,
            widest=options.widest,
            hidden=options.hidden,
            upsampling=options.upsampling,
            norm=options.norm,
            spectral=options.spectral,
            latent=options.latent,
            size=options.shape,
            widths=options.widths,
            mobile=options.architecture == "mobile_spade",
        )
        return initialise_xavier(net)

    def dataset(self, options: GauGanOptions, split: str) -> Dataset[Batch]:
        """Open one split; ``train`` is augmented as the options say."""
        train = split == "train"
        crop = options.shape if train and options.load_size is not None else None
        data = LabelMaps(
            _samples(options, split),
            options.classes,
            dont_care=options.dont_care,
            edges=options.edges,
            augmentation=Augmentation(options.flip, options.flip_vertical, crop) if train else None,
        )
        return WithNoise(data, options.latent, fixed=not train) if options.latent else data

    def objective(self, options: GauGanOptions) -> Objective:
        """Build the discriminators and losses."""
        wanted = options.perceptual if options.lambda_perceptual else "none"
        critic = _critic(options)
        initialise_xavier(critic)
        return GauGanObjective(
            critic,
            options.gan_mode,
            lambda_feature=options.lambda_feature,
            perceptual=perceptual_loss(wanted, options.vgg_weights),
            lambda_perceptual=options.lambda_perceptual,
        )

    def baseline(self, options: GauGanOptions, batch: Batch) -> Tensor:
        """Paint every class in one colour: of the land cover its mean one, else any."""
        if options.data == "landcover":
            colours = landcover_colours(options.size)
        else:
            colours = distinct_colours(options.classes + int(options.dont_care))
        return paint(batch.inputs[0], colours)

    def recipes(self) -> Mapping[str, Recipe]:
        """Read the TOML files beside this module; a teacher's path starts at this package."""
        return read_recipes("gancompress_gaugan")

    def import_checkpoint(
        self, options: GauGanOptions, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Translate a published checkpoint; one of a supernet is cut to the widths given."""
        del path
        with torch.device("meta"):  # only names and shapes are looked at
            net = self.generator(options)
        return official_state(net, state, slices=options.config_str is not None)

    def import_discriminators(
        self, options: GauGanOptions, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Translate a published discriminator of several scales."""
        del path
        with torch.device("meta"):
            net = _critic(options)
        return official_critic(net, state)

    def sources(self) -> Mapping[str, Source]:
        """Return the published sets and checkpoints."""
        return published_sources()

    def preparers(self) -> Sequence[Preparer]:
        """Return what makes label folders of Cityscapes and of COCO-Stuff."""
        return (CITYSCAPES, COCO)

    def folders(self, options: GauGanOptions) -> Sequence[SplitFolders]:
        """Return the three splits, each with label maps, pictures and maybe instance maps."""
        return () if options.data == "landcover" else label_folders(options)


def _critic(options: GauGanOptions) -> MultiScaleDiscriminator:
    return MultiScaleDiscriminator(
        options.channels + 3,
        options.discriminator_width,
        options.discriminator_layers,
        options.discriminators,
        options.discriminator_norm,
        spectral=options.discriminator_spectral,
    )


def _samples(options: GauGanOptions, split: str) -> LabelledPictures:
    if options.data == "landcover":
        return landcover_split(split, options.size)
    size = options.loaded if split == "train" else options.shape
    return LabelFolder(Path(options.data) / split, size, instances=options.edges)
