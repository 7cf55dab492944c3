"""The widths of SPADE generators, in full or by config strings as ``32_32_48_32_32_32_32_24``.

GAN Compression (Li et al., arXiv 2003.08936) writes a sub-generator as eight numbers, each in
units of one width of the net:

    fc and the residual stream (×16) · inside head_0, G_middle_0, G_middle_1 (×16) ·
    up_0 (×8) · up_1 (×4) · up_2 (×2) · up_3 (×1)

The number of a block also says how many channels lie between the label map and the scale and
shift of its norms: twice as many.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from gancompress import SubnetError

BLOCKS: Final = ("fc", "head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")
"""What each number of a config string is of."""
UNITS: Final = (16, 16, 16, 16, 8, 4, 2, 1)
"""What each of them multiplies."""
HIDDEN_UNITS: Final = 2
"""What a block's number multiplies between the label map and scale and shift."""
_MIDDLE: Final = 3


@dataclass(frozen=True)
class BlockWidths:
    """Channels of one residual block.

    Args:
        before: Of its input.
        inside: Between its two convolutions.
        after: Of its output.
        hidden: Between the label map and scale and shift of its norms.
        shortcut: Whether the shortcut is a convolution; it is one wherever the full net's width
            changes, even where a narrow net's does not.
    """

    before: int
    inside: int
    after: int
    hidden: int
    shortcut: bool


@dataclass(frozen=True)
class SpadeWidths:
    """Channels of all blocks, from ``head_0`` on.

    Args:
        blocks: Three of one width, and four or five that get narrower.
    """

    blocks: tuple[BlockWidths, ...]

    @property
    def first(self) -> int:
        """Channels that the first block gets."""
        return self.blocks[0].before

    @property
    def last(self) -> int:
        """Channels that the last convolution gets."""
        return self.blocks[-1].after

    @classmethod
    def full(
        cls, width: int, *, widest: int = 16, hidden: int = 128, ups: int = 4
    ) -> "SpadeWidths":
        """Return the widths of a net that nothing was cut from.

        Args:
            width: Channels of the seventh block (``ngf``).
            widest: No block has more than this many times `width`.
            hidden: Channels between the label map and scale and shift.
            ups: Blocks that get narrower: 4, or 5 with the up-sampling ``most``.
        """
        top, *narrower = (width * min(times, widest) for times in (16, 8, 4, 2, 1))
        if ups > len(narrower):
            narrower.append(narrower[-1] // 2)
        middle = BlockWidths(top, top, top, hidden, shortcut=False)
        steps = pairwise((top, *narrower))
        return cls(
            (
                *[middle] * _MIDDLE,
                *(BlockWidths(a, min(a, b), b, hidden, shortcut=a != b) for a, b in steps),
            )
        )

    @classmethod
    def parse(cls, config: str) -> "SpadeWidths":
        """Read a published config string.

        Args:
            config: Eight whole numbers joined by ``_``.

        Raises:
            SubnetError: If the string is none.
        """
        numbers = config_numbers(config)
        hidden = [HIDDEN_UNITS * number for number in numbers[1:]]
        stream, *channels = (n * unit for n, unit in zip(numbers, UNITS, strict=True))
        inside, narrower = channels[:_MIDDLE], channels[_MIDDLE:]
        middle = [
            BlockWidths(stream, n, stream, h, shortcut=False)
            for n, h in zip(inside, hidden[:_MIDDLE], strict=True)
        ]
        steps = zip(pairwise((stream, *narrower)), hidden[_MIDDLE:], strict=True)
        return cls((*middle, *(BlockWidths(a, b, b, h, shortcut=True) for (a, b), h in steps)))


def config_numbers(config: str) -> list[int]:
    """Read the eight numbers of a config string.

    Args:
        config: Eight whole numbers joined by ``_``.

    Raises:
        SubnetError: If the string is none.
    """
    if not re.fullmatch(r"[1-9][0-9]*(_[1-9][0-9]*)*", config, re.ASCII):
        raise SubnetError(
            f"the config '{config}' is no row of positive whole numbers joined by '_'",
            hint=f"it looks like 32_32_48_32_32_32_32_24: {', '.join(BLOCKS)}",
        )
    numbers = [int(word) for word in config.split("_")]
    if len(numbers) != len(BLOCKS):
        raise SubnetError(
            f"the config '{config}' has {len(numbers)} numbers",
            hint=f"give {len(BLOCKS)}: {', '.join(BLOCKS)}",
        )
    return numbers
