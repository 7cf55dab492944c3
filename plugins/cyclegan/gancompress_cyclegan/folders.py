"""How pictures without partners lie in folders."""

from pathlib import Path

from gancompress.gan import Part, SplitFolders


def domain_folders(folder: Path) -> tuple[SplitFolders, ...]:
    """Return how a folder of two domains is read, in the layout of CycleGAN.

    Args:
        folder: Has ``trainA``, ``trainB``, ``testA`` and ``testB``; where it has neither ``valA``
            nor ``valB``, a part of the training pictures takes their place.
    """
    own_val = any((folder / f"val{domain}").is_dir() for domain in "AB")
    splits = ("train", "val", "test") if own_val else ("train", "test")
    return tuple(
        SplitFolders(
            split,
            tuple(Part(domain, folder / f"{split}{domain}") for domain in "AB"),
            paired=False,
        )
        for split in splits
    )
