"""The published ResNet sub-generators as subnets, by config strings (`ResNetWidths.parse`)."""

from dataclasses import dataclass

from gancompress import ChannelGraph, ChannelGroup, Decompose, SubnetConfig, SubnetError
from gancompress.gan import ResNetWidths


def published_decomposition() -> Decompose:
    """Return the pass that makes residual blocks separable as the published mobile nets are.

    Depthwise 3×3, non-affine instance norm, pointwise, and a bias in both halves.
    """
    return Decompose("resblocks", norm_between=True, depthwise_bias=True)


def published_subnet(graph: ChannelGraph, config: str, *, legacy: bool = False) -> SubnetConfig:
    """Translate a published config string into the widths of a ResNet generator's groups.

    Args:
        graph: Channel groups of a traced `gancompress.gan.ResNetGenerator`, decomposed or not:
            `Supernet.graph`. It may be wider than the net that the string was published for.
        config: Six or eight whole numbers joined by ``_``.
        legacy: Read six numbers as the first release's class does: of each three blocks the first
            has the width of its own, and the others are as wide inside as the residual stream.

    Returns:
        A width for every searchable group, in channels.

    Raises:
        SubnetError: If the string is none, the generator is no such ResNet, is narrower, or has
            a number of blocks that eight numbers cannot be shared among.
    """
    groups = _Groups.of(graph)
    widths = ResNetWidths.parse(config, len(groups.inside), legacy=legacy).in_order()
    for group, width in zip(groups.in_order, widths, strict=True):
        if width > group.units:
            raise SubnetError(
                f"the config '{config}' asks for {width} channels of '{group.key}', "
                f"which has {group.units}",
                hint=f"no number is above {groups.base} here; take a wider generator",
            )
    return SubnetConfig({g.key: w for g, w in zip(groups.in_order, widths, strict=True)})


@dataclass(frozen=True)
class _Groups:
    """The channel groups of a ResNet generator by what they are.

    Args:
        before: Of the first convolution and the first strided one.
        stream: Of the second strided one and of all blocks' ends.
        inside: Between both convolutions of each block.
        after: Of both transposed convolutions.
    """

    before: tuple[ChannelGroup, ...]
    stream: ChannelGroup
    inside: tuple[ChannelGroup, ...]
    after: tuple[ChannelGroup, ...]

    @property
    def in_order(self) -> tuple[ChannelGroup, ...]:
        return (*self.before, self.stream, *self.inside, *self.after)

    @property
    def base(self) -> int:
        """Channels of the first convolution."""
        return self.before[0].units

    @classmethod
    def of(cls, graph: ChannelGraph) -> "_Groups":
        """Find them by who makes and who reads their channels, whatever the layers are called.

        Args:
            graph: The channel groups.

        Raises:
            SubnetError: If the generator is no ResNet of the published shape.
        """
        groups = graph.searchable()
        streams = [place for place, group in enumerate(groups) if len(group.producers) > 1]
        if len(streams) != 1:
            raise _no_resnet(f"{len(streams)} of its groups are a residual stream")
        stream, rest = groups[streams[0]], groups[streams[0] + 1 :]
        ends = set(stream.producers)
        blocks = len(ends) - 1  # the stream begins at a strided convolution
        found = cls(groups[: streams[0]], stream, rest[:blocks], rest[blocks:])
        if not all(set(group.consumers) <= ends for group in found.inside):
            raise _no_resnet("what follows its residual stream are not the insides of blocks")
        if (len(found.before), len(found.after)) != (2, 2):
            raise _no_resnet(
                f"{len(found.before)} groups come before its residual stream "
                f"and {len(found.after)} after its blocks"
            )
        shares = (1, 2, 4, *[4] * blocks, 2, 1)
        if [group.units for group in found.in_order] != [found.base * share for share in shares]:
            raise _no_resnet("its full widths are not 1, 2, 4, 2 and 1 times that of the first")
        return found


def _no_resnet(reason: str) -> SubnetError:
    return SubnetError(
        f"the generator is no 'ResNet' that published configs describe: {reason}",
        hint="trace a gancompress.gan.ResNetGenerator, and ignore none of its layers",
    )
