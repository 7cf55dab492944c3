"""The published SPADE sub-generators as subnets, by config strings (`SpadeWidths.parse`)."""

import re

from torch import nn

from gancompress import ChannelGraph, ChannelGroup, Decompose, SubnetConfig, SubnetError
from gancompress_gaugan.widths import BLOCKS, HIDDEN_UNITS, UNITS, config_numbers

# The layer that makes the channels which a number counts.
_PARTS = tuple(
    block if block == "fc" else f"{block}.conv_{1 if block.startswith('up') else 0}"
    for block in BLOCKS
)
_MODULATION = frozenset({"mlp_gamma", "mlp_beta"})
_HIDDEN = re.compile(r"(\w+)\.norm_\w\.mlp_shared\.0")


def published_decomposition(generator: nn.Module) -> Decompose:
    """Return the pass that makes a generator mobile as published.

    Only the convolutions that compute scale and shift become separable: depthwise 3×3, non-affine
    instance norm, pointwise, and a bias in both halves.

    Args:
        generator: A `SpadeGenerator`, traced or not.

    Raises:
        SubnetError: If it has no such convolutions.
    """
    layers = [
        path
        for path, module in generator.named_modules()
        if isinstance(module, nn.Conv2d) and path.rpartition(".")[2] in _MODULATION
    ]
    if not layers:
        raise _unlike("none of its norms is computed from a label map")
    return Decompose(layers, norm_between=True, depthwise_bias=True)


def published_subnet(graph: ChannelGraph, config: str) -> SubnetConfig:
    """Translate a published config string into the widths of a SPADE generator's groups.

    Args:
        graph: Channel groups of a traced `SpadeGenerator`, decomposed or not: `Supernet.graph`.
            It may be wider than the net that the string was published for.
        config: Eight whole numbers joined by ``_``.

    Returns:
        A width for every searchable group, in channels.

    Raises:
        SubnetError: If the string is none, or the generator is of another shape or narrower.
    """
    numbers = dict(zip(BLOCKS, config_numbers(config), strict=True))
    groups = graph.searchable()
    base = _base(groups)
    widths: dict[str, int] = {}
    for group in groups:
        block, factor = _part(group, base)
        widths[group.key] = numbers[block] * factor
        if widths[group.key] > group.units:
            raise SubnetError(
                f"the config '{config}' asks for {widths[group.key]} channels of '{group.key}', "
                f"which has {group.units}",
                hint=f"no number is above {group.units // factor} there; take a wider generator",
            )
    return SubnetConfig(widths)


def _base(groups: tuple[ChannelGroup, ...]) -> int:
    """Return the width that all others are multiples of."""
    last = [group for group in groups if "up_3.conv_1" in group.producers]
    if len(last) != 1:
        raise _unlike("it has no block 'up_3'")
    return last[0].units


def _part(group: ChannelGroup, base: int) -> tuple[str, int]:
    """Return the block whose number a group follows, and the channels of one unit."""
    hidden = _HIDDEN.fullmatch(group.producers[0])
    if hidden is not None and hidden[1] in BLOCKS:
        return hidden[1], HIDDEN_UNITS
    for block, part, factor in zip(BLOCKS, _PARTS, UNITS, strict=True):
        # The first convolution of an up-sampling block is as wide as the block.
        if part in group.producers or f"{block}.conv_0" in group.producers:
            if group.units != base * factor:
                raise _unlike(
                    f"'{group.key}' has {group.units} channels, not {factor} times {base}"
                )
            return block, factor
    raise _unlike(f"the configs have no number for '{group.key}'")


def _unlike(reason: str) -> SubnetError:
    return SubnetError(
        f"the generator is no 'SPADE' that published configs describe: {reason}",
        hint="trace a SpadeGenerator with the up-sampling 'normal' or 'more', as wide as it comes, "
        "and ignore none of its layers",
    )
