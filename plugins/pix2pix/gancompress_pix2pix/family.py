"""The family itself: what builds generators, data and objective, and reads checkpoints."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.gan import (
    Batch,
    FolderPairs,
    GanFamily,
    Objective,
    PairedFiles,
    PairedObjective,
    PairedPictures,
    PatchDiscriminator,
    PixelDiscriminator,
    Preparer,
    Recipe,
    Source,
    SplitFolders,
    UNetGenerator,
    build_resnet,
    initialise_normal,
    official_critic,
    official_state,
    read_recipes,
    with_channels,
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
        """Build the generator, weights drawn from N(0, 0.02²)."""
        return initialise_normal(_generator(options))

    def dataset(self, options: Pix2PixOptions, split: str) -> Dataset[Batch]:
        """Open one split; ``train`` is augmented as the options say."""
        train = split == "train"
        size = options.load_size if train and options.load_size is not None else options.size
        flip, shift = train and options.flip, options.shift if train else 0
        crop = options.size if size != options.size else None
        if options.data == "openmoji":
            inputs, targets = openmoji_pairs(options, size, split)
            return PairedPictures(inputs, targets, flip=flip, shift=shift, crop=crop)
        pairs = FolderPairs(
            Path(options.data) / split,
            size=size,
            swap=options.direction == "BtoA",
            channels_in=options.input_channels,
            channels_out=options.output_channels,
        )
        if not options.in_memory:
            pairs.check()
            return PairedFiles(pairs, flip=flip, shift=shift, crop=crop)
        return PairedPictures(*pairs.read_all(), flip=flip, shift=shift, crop=crop)

    def objective(self, options: Pix2PixOptions) -> Objective:
        """Build the conditional PatchGAN objective, of patches or of pixels."""
        return PairedObjective(initialise_normal(_critic(options)), options.gan_mode)

    def baseline(self, options: Pix2PixOptions, batch: Batch) -> Tensor:
        """Return the untouched input, in as many channels as the output has."""
        return _with_channels(batch.inputs[0], options.output_channels)

    def import_checkpoint(
        self, options: Pix2PixOptions, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Translate a published checkpoint; one of a supernet is cut to the widths given."""
        del path
        with torch.device("meta"):
            net = _generator(options)
        return official_state(net, state, slices=options.config_str is not None)

    def import_discriminators(
        self, options: Pix2PixOptions, path: Path, state: Mapping[str, Tensor]
    ) -> Mapping[str, Tensor]:
        """Translate a published discriminator, of patches or of pixels."""
        del path
        with torch.device("meta"):
            net = _critic(options)
        return official_critic(net, state)

    def recipes(self) -> Mapping[str, Recipe]:
        """Read the TOML files beside this module; a teacher's path starts at this package."""
        return read_recipes("gancompress_pix2pix")

    def sources(self) -> Mapping[str, Source]:
        """Return the published sets and checkpoints."""
        return published_sources()

    def preparers(self) -> Sequence[Preparer]:
        """Return what makes pairs of two folders."""
        return (PAIRS,)

    def folders(self, options: Pix2PixOptions) -> Sequence[SplitFolders]:
        """Return the three splits, each side by side or in ``A`` and ``B``."""
        return () if options.data == "openmoji" else pair_folders(options)


def _generator(options: Pix2PixOptions) -> nn.Module:
    channels = options.input_channels, options.output_channels
    if options.architecture == "unet":
        return UNetGenerator(
            *channels,
            options.generator_width,
            options.unet_depth,
            options.norm,
            dropout=options.dropout,
        )
    return build_resnet(options, *channels)


def _critic(options: Pix2PixOptions) -> nn.Module:
    channels = options.input_channels + options.output_channels
    width, norm = options.discriminator_width, options.discriminator_norm
    if options.discriminator == "pixel":
        return PixelDiscriminator(channels, width, norm)
    return PatchDiscriminator(channels, width, options.discriminator_layers, norm)


def _with_channels(pictures: Tensor, channels: int) -> Tensor:
    """Give pictures ``(N, C, H, W)`` another number of channels; transparency is opaque."""
    have = pictures.shape[1]
    if have == channels:
        return pictures
    colours = pictures[:, : have - (have % 2 == 0)]
    wanted = channels - (channels % 2 == 0)
    if colours.shape[1] != wanted:
        colours = colours.mean(1, keepdim=True).expand(-1, wanted, -1, -1)
    opaque = torch.ones_like(pictures[:, : channels - wanted])
    return torch.cat([colours, opaque], dim=1)


@lru_cache(maxsize=1)
def _rendered(size: int) -> tuple[tuple[str, ...], Pixels, Pixels]:
    return render_pairs(size)


def openmoji_pairs(options: Pix2PixOptions, size: int, split: str) -> tuple[Pixels, Pixels]:
    """Return inputs and targets of one split, in the direction and channels of the options.

    Args:
        options: The options.
        size: Pixels a side.
        split: ``train``, ``val`` or ``test``.

    Returns:
        Inputs ``(N, size, size, input_channels)`` and targets of bytes.
    """
    pairs = openmoji_split(size, split)
    inputs, targets = pairs[::-1] if options.direction == "BtoA" else pairs
    return _recoloured(inputs, options.input_channels), _recoloured(
        targets, options.output_channels
    )


def _recoloured(pictures: Pixels, channels: int) -> Pixels:
    if channels == pictures.shape[3]:
        return pictures
    return np.stack([with_channels(picture, channels) for picture in pictures])


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
