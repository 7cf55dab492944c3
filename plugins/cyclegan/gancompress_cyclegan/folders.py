"""How pictures without partners lie in folders."""

from pathlib import Path

from gancompress.gan import Part, SplitFolders
from gancompress_cyclegan.options import CycleGanOptions


def domain_folders(options: CycleGanOptions) -> tuple[SplitFolders, ...]:
    """Return how a folder of two domains is read, in the layout of CycleGAN.

    Args:
        options: Names a folder with ``trainA``, ``trainB``, ``testA`` and ``testB``; where it has
            neither ``valA`` nor ``valB``, a part of the training pictures takes their place.
    """
    folder, channels = Path(options.data), {"A": options.channels_a, "B": options.channels_b}
    own_val = any((folder / f"val{domain}").is_dir() for domain in "AB")
    splits = ("train", "val", "test") if own_val else ("train", "test")
    return tuple(
        SplitFolders(
            split,
            tuple(
                Part(
                    domain,
                    folder / f"{split}{domain}",
                    channels=channels[domain],
                    size=(options.size, options.size),
                )
                for domain in "AB"
            ),
            paired=False,
        )
        for split in splits
    )
