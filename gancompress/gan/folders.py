"""How a family's data lie in folders, as values that a check can go through."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


def stem_of(path: Path) -> str:
    """Return a file's name without its ending, by which pictures are paired."""
    return path.stem


@dataclass(frozen=True)
class Part:
    """One folder of a split.

    Args:
        name: What it holds, such as ``A`` or ``label``.
        folder: Where it lies.
        kind: ``picture``; ``pair`` for two side by side; or ``labels`` for whole numbers.
        labels: Of label maps the ids that may occur; None allows any.
        channels: Channels that pictures are read with; None leaves it open.
        size: Width and height that a picture, or each of a pair, is brought to; None leaves it
            open.
    """

    name: str
    folder: Path
    kind: Literal["picture", "pair", "labels"] = "picture"
    labels: frozenset[int] | None = None
    channels: int | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class SplitFolders:
    """The folders of one split.

    Args:
        split: ``train``, ``val`` or ``test``.
        parts: The folders.
        paired: Whether a file in one belongs to a file in each other.
        key: Which files belong together: those with an equal key.
    """

    split: str
    parts: tuple[Part, ...]
    paired: bool = True
    key: Callable[[Path], str] = stem_of
