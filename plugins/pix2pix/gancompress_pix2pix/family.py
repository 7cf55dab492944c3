"""The family itself: what builds the generator, the data and the objective."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from torch import nn
from torch.utils.data import Dataset

from gancompress.gan import (
    Batch,
    GanFamily,
    Objective,
    PairedObjective,
    PairedPictures,
    PatchDiscriminator,
    Preparer,
    Recipe,
    ResNetGenerator,
    Source,
    SplitFolders,
    initialise_normal,
    parse,
    read_pairs,
    read_toml,
)
from gancompress_pix2pix.openmoji import Pixels, render_pairs, split_of
from gancompress_pix2pix.options import Pix2PixOptions
from gancompress_pix2pix.prepare import PAIRS, pair_folders
from gancompress_pix2pix.sources import published_sources


class Pix2Pix(GanFamily[Pix2PixOptions]):
    """Image-to-image translation with paired data (Isola et al., arXiv 1611.07004)."""

    name = "pix2pix"
    options = Pix2PixOptions

    def generator(self, options: Pix2PixOptions) -> nn.Module:
        """Build the ResNet generator, weights drawn from N(0, 0.02²)."""
        return initialise_normal(
            ResNetGenerator(3, 3, options.generator_width, options.blocks, options.norm)
        )

    def dataset(self, options: Pix2PixOptions, split: str) -> Dataset[Batch]:
        """Open one split; ``train`` is augmented as the options say."""
        if options.data == "openmoji":
            inputs, targets = openmoji_split(options.size, split)
            if options.direction == "BtoA":
                inputs, targets = targets, inputs
        else:
            inputs, targets = read_pairs(
                Path(options.data) / split, size=options.size, swap=options.direction == "BtoA"
            )
        train = split == "train"
        return PairedPictures(
            inputs, targets, flip=train and options.flip, shift=options.shift if train else 0
        )

    def objective(self, options: Pix2PixOptions) -> Objective:
        """Build the conditional PatchGAN objective."""
        discriminator = PatchDiscriminator(
            6,
            options.discriminator_width,
            options.discriminator_layers,
            options.discriminator_norm,
        )
        return PairedObjective(initialise_normal(discriminator), options.gan_mode)

    def recipes(self) -> Mapping[str, Recipe]:
        """Read the TOML files beside this module; a teacher's path starts at this package."""
        package = Path(str(resources.files("gancompress_pix2pix")))
        return {
            path.stem: _recipe(path, package)
            for path in sorted((package / "recipes").glob("*.toml"))
        }

    def sources(self) -> Mapping[str, Source]:
        """Return the published sets and checkpoints."""
        return published_sources()

    def preparers(self) -> Sequence[Preparer]:
        """Return what makes pairs of two folders."""
        return (PAIRS,)

    def folders(self, options: Pix2PixOptions) -> Sequence[SplitFolders]:
        """Return the three splits, each side by side or in ``A`` and ``B``."""
        return () if options.data == "openmoji" else pair_folders(Path(options.data))


def _recipe(path: Path, package: Path) -> Recipe:
    values = read_toml(path)
    if "teacher" in values:
        values["teacher"] = str(package / values["teacher"])
    recipe: Recipe = parse(Recipe, values, source=path.name)
    return recipe


@lru_cache(maxsize=1)
def _rendered(size: int) -> tuple[tuple[str, ...], Pixels, Pixels]:
    return render_pairs(size)


def openmoji_split(size: int, split: str) -> tuple[Pixels, Pixels]:
    """Return the drawings and coloured pictures of one split.

    Args:
        size: Pixels a side.
        split: ``train``, ``val`` or ``test``.

    Returns:
        Two arrays ``(N, size, size, 3)`` of bytes.
    """
    names, lines, colours = _rendered(size)
    chosen = np.array([split_of(name) == split for name in names])
    return lines[chosen], colours[chosen]
