"""The widths of published ResNet generators, by config strings such as ``16_16_32_16_32_32_16_16``.

GAN Compression (Li et al., arXiv 2003.08936) writes a sub-generator as a row of numbers, each in
units of one width of the net. Six numbers stand for

    first 7×7 · down 1 (×2) · down 2 and the residual stream (×4) · inside blocks (×4) ·
    up 1 (×2) · up 2 (×1)

and eight have one number for the inside of each third of the blocks in place of one for all.
"""

import re
from dataclasses import dataclass

from gancompress.errors import SubnetError

_LAYOUTS = "first, down 1, down 2, one or three for the blocks, up 1, up 2"


@dataclass(frozen=True)
class ResNetWidths:
    """Channels of every layer of a ResNet generator that can be narrow.

    Args:
        first: Of the first 7×7 convolution.
        down: Of the first strided convolution.
        stream: Of the second one, and of the residual stream.
        inside: Inside each block, between its two convolutions.
        up: Of the first transposed convolution.
        last: Of the second one.
    """

    first: int
    down: int
    stream: int
    inside: tuple[int, ...]
    up: int
    last: int

    @classmethod
    def full(cls, width: int, blocks: int) -> "ResNetWidths":
        """Return the widths of a net that nothing was cut from.

        Args:
            width: Channels of the first convolution (``ngf``).
            blocks: Number of residual blocks.
        """
        return cls(width, 2 * width, 4 * width, (4 * width,) * blocks, 2 * width, width)

    @classmethod
    def parse(cls, config: str, blocks: int, *, legacy: bool = False) -> "ResNetWidths":
        """Read a published config string.

        Args:
            config: Six or eight whole numbers joined by ``_``.
            blocks: Number of residual blocks of the generator.
            legacy: Read six numbers as the first release's class does: of each three blocks the
                first has the width of its own, and the others are as wide inside as the stream.

        Raises:
            SubnetError: If the string is none, or eight numbers cannot be shared among the blocks.
        """
        numbers = _numbers(config)
        if legacy and len(numbers) != 6:
            raise SubnetError(
                f"the config '{config}' has {len(numbers)} numbers, and no legacy class reads so "
                "many",
                hint="give six numbers, or leave out legacy",
            )
        first, down, stream, *thirds, up, last = numbers
        inside = _inside_blocks(config, thirds, blocks)
        if legacy:
            inside = [n if place % 3 == 0 else stream for place, n in enumerate(inside)]
        return cls(first, 2 * down, 4 * stream, tuple(4 * n for n in inside), 2 * up, last)

    def in_order(self) -> tuple[int, ...]:
        """Return all of them from the first layer to the last."""
        return (self.first, self.down, self.stream, *self.inside, self.up, self.last)


def _numbers(config: str) -> list[int]:
    if not re.fullmatch(r"[1-9][0-9]*(_[1-9][0-9]*)*", config, re.ASCII):
        raise SubnetError(
            f"the config '{config}' is no row of positive whole numbers joined by '_'",
            hint=f"it looks like 16_16_32_16_32_32_16_16: {_LAYOUTS}",
        )
    numbers = [int(word) for word in config.split("_")]
    if len(numbers) not in {6, 8}:
        raise SubnetError(
            f"the config '{config}' has {len(numbers)} numbers",
            hint=f"give 6 or 8: {_LAYOUTS}",
        )
    return numbers


def _inside_blocks(config: str, inside: list[int], blocks: int) -> list[int]:
    """Return a number for each block out of one for all, or one for each third."""
    if blocks % len(inside):
        raise SubnetError(
            f"the config '{config}' has numbers for thirds of the blocks, "
            f"and the generator has '{blocks}'",
            hint="give six numbers, or a generator of 3, 6 or 9 blocks",
        )
    return [number for number in inside for _ in range(blocks // len(inside))]
