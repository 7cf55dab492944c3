"""The smallest plugin: discs to be turned into rings, drawn here, so that it needs no data."""

from collections.abc import Iterable

import numpy as np
from torch import nn
from torch.utils.data import Dataset

from gancompress import hookimpl
from gancompress.gan import (
    AnyFamily,
    Batch,
    FamilyOptions,
    GanFamily,
    Objective,
    PairedObjective,
    PairedPictures,
    PatchDiscriminator,
    ResNetGenerator,
)


class MinimalOptions(FamilyOptions):
    size: int = 32
    pictures: int = 64
    width: int = 16
    blocks: int = 3


class Minimal(GanFamily[MinimalOptions]):
    name = "minimal"
    options = MinimalOptions

    def generator(self, options: MinimalOptions) -> nn.Module:
        return ResNetGenerator(1, 1, options.width, options.blocks)

    def dataset(self, options: MinimalOptions, split: str) -> Dataset[Batch]:
        rng = np.random.default_rng(["train", "val", "test"].index(split))
        centre = rng.uniform(0.3, 0.7, (2, options.pictures, 1, 1))
        radius = rng.uniform(0.1, 0.3, (options.pictures, 1, 1))
        y, x = np.mgrid[0 : options.size, 0 : options.size] / options.size
        distance = np.hypot(y - centre[0], x - centre[1])
        disc, ring = distance < radius, abs(distance - radius) < 0.05
        pictures = [np.uint8(255) * shape[..., None] for shape in (disc, ring)]
        return PairedPictures(*pictures, flip=split == "train")

    def objective(self, options: MinimalOptions) -> Objective:
        return PairedObjective(PatchDiscriminator(2, options.width, layers=2))


@hookimpl
def gancompress_families() -> Iterable[AnyFamily]:
    return [Minimal()]
