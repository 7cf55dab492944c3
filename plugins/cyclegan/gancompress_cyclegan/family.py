"""The family itself: what builds the generators, the data and the objectives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.gan import (
    Batch,
    GanFamily,
    Objective,
    PatchDiscriminator,
    PicturePool,
    Recipe,
    Source,
    SplitFolders,
    TeacherObjective,
    UnalignedPictures,
    UnpairedObjective,
    build_resnet,
    initialise_normal,
    official_critic,
    official_state,
    read_domain,
    read_recipes,
)
from gancompress_cyclegan.earth import earth_domain
from gancompress_cyclegan.folders import domain_folders
from gancompress_cyclegan.objective import CycleObjective, CycleWeights, Side
from gancompress_cyclegan.options import CycleGanOptions
from gancompress_cyclegan.sources import published_sources

Pixels = npt.NDArray[np.uint8]


class CycleGan(GanFamily[CycleGanOptions]):
    """Image-to-image translation without pairs (Zhu et al., arXiv 1703.10593)."""

    name = "cyclegan"
    options = CycleGanOptions

    def generator(self, options: CycleGanOptions) -> nn.Module:
        """Build the generator of the direction that is kept, weights drawn from N(0, 0.02²)."""
        return _generator(options, options.channels_in, options.channels_out)

    def dataset(self, options: CycleGanOptions, split: str) -> Dataset[Batch]:
        """Open one split; in ``train`` partners are drawn at random, and pictures augmented."""
        train = split == "train"
        a, b = _domain(options, "A", split), _domain(options, "B", split)
        inputs, reals = (a, b) if options.direction == "AtoB" else (b, a)
        return UnalignedPictures(
            inputs,
            reals,
            train=train,
            size=options.size,
            flip=options.flip,
            flip_vertical=options.flip_vertical,
        )

    def objective(self, options: CycleGanOptions) -> Objective:
        """Build what a student is trained with: one critic, of the domain that is drawn."""
        return UnpairedObjective(_critic(options, options.channels_out), options.gan_mode)

    def teacher_objective(self, options: CycleGanOptions) -> TeacherObjective:
        """Build the cycle: the way back, a critic of each domain, and their histories."""
        there, back = options.lambda_a, options.lambda_b
        if options.direction == "BtoA":
            there, back = back, there
        return CycleObjective(
            _generator(options, options.channels_out, options.channels_in),
            drawn=_side(options, options.channels_out),
            given=_side(options, options.channels_in),
            weights=CycleWeights(there, back, options.lambda_identity),
            mode=options.gan_mode,
        )

    def baseline(self, options: CycleGanOptions, batch: Batch) -> Tensor:
        """Return the untouched input, its channels averaged where the other domain has others."""
        picture = batch.inputs[0]
        if options.channels_in == options.channels_out:
            return picture
        return picture.mean(1, keepdim=True).expand(-1, options.channels_out, -1, -1)

    def recipes(self) -> Mapping[str, Recipe]:
        """Read the TOML files beside this module; a teacher's path starts at this package."""
        return read_recipes("gancompress_cyclegan")

    def sources(self) -> Mapping[str, Source]:
        """Return the published sets and checkpoints."""
        return published_sources()

    def folders(self, options: CycleGanOptions) -> Sequence[SplitFolders]:
        """Return a folder for each domain and split."""
        return () if options.data == "earth" else domain_folders(options)

    def import_checkpoint(
        self, options: CycleGanOptions, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor] | None:
        """Translate a published checkpoint; one of a supernet is cut to the widths given."""
        del path
        with torch.device("meta"):  # only names and shapes are looked at
            net = _generator(options, options.channels_in, options.channels_out)
        return official_state(net, state, slices=options.config_str is not None)

    def import_discriminators(
        self, options: CycleGanOptions, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Translate a published discriminator of the domain that is drawn."""
        del path
        with torch.device("meta"):
            net = _critic(options, options.channels_out)
        return official_critic(net, state)


def _generator(options: CycleGanOptions, channels_in: int, channels_out: int) -> nn.Module:
    return initialise_normal(build_resnet(options, channels_in, channels_out))


def _critic(options: CycleGanOptions, channels: int) -> nn.Module:
    return initialise_normal(
        PatchDiscriminator(
            channels,
            options.discriminator_width,
            options.discriminator_layers,
            options.discriminator_norm,
        )
    )


def _side(options: CycleGanOptions, channels: int) -> Side:
    return Side(_critic(options, channels), PicturePool(options.pool, channels, options.size))


def _domain(options: CycleGanOptions, domain: Literal["A", "B"], split: str) -> Pixels:
    size = options.load_size if split == "train" and options.load_size else options.size
    if options.data == "earth":
        return earth_domain(domain, split, size)
    channels = options.channels_a if domain == "A" else options.channels_b
    return read_domain(Path(options.data), domain, split, size=size, channels=channels)
