"""What the channel analysis finds: groups of units, where they sit, and how much is elastic."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from torch import nn

from gancompress.errors import AnalysisError
from gancompress.graph.sizes import Size

UnitIds = NDArray[np.int64]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that have the same producers and consumers, counted in units.

    A unit is what must be kept or dropped as a whole. A subnet of width w keeps the first w of
    ``unit_ids``.

    Args:
        key: Name, after the first producer (``model.4``), with the range of its channels where
            it starts several groups (``mlp.2[0:64]``).
        units: Number of units.
        width: Channels of the first producer that belong to the group.
        producers: Paths of the layers that make the channels.
        consumers: Paths of the layers that read them.
        frozen: Why the group cannot be narrowed; None where it can.
        unit_ids: The units, in the order of their first channels in the first producer.
        statistics_coupled: Whether a statistic is taken over the channels, so that dropping one
            changes the others.
    """

    key: str
    units: int
    width: int
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    frozen: str | None
    unit_ids: tuple[int, ...]
    statistics_coupled: bool = False


@dataclass(frozen=True, eq=False)
class Member:
    """Where units sit in the tensors of one layer.

    Args:
        module: Path of the layer.
        kind: ``conv``, ``conv_transpose``, ``linear``, ``embedding``, ``norm``, ``group_norm``,
            ``layer_norm`` or ``prelu``; rules of plugins may give other words.
        axes: For each parameter and buffer the unit ids along each axis, -1 where a position
            belongs to no searchable unit, None for an axis without channels.
        inputs: Unit ids along the layer's input channels.
        outputs: Unit ids along the layer's output channels.
        depthwise: Whether outputs follow inputs group by group.
        produces: Whether the outputs are channels of its own.
        consumes: Whether the inputs end here.
        sizes: Attributes of the layer that count channels, and the unit ids that each counts.
    """

    module: str
    kind: str
    axes: Mapping[str, tuple[UnitIds | None, ...]]
    inputs: UnitIds
    outputs: UnitIds
    depthwise: bool = False
    produces: bool = False
    consumes: bool = False
    sizes: Mapping[str, UnitIds | tuple[UnitIds, ...]] = field(default_factory=dict)

    @property
    def follows(self) -> bool:
        """Whether the layer only follows channels that others make and read, as a norm does."""
        return not (self.produces or self.consumes or self.depthwise)


def set_sizes(
    layer: nn.Module,
    sizes: Mapping[str, UnitIds | tuple[UnitIds, ...]],
    count: Callable[[UnitIds], int],
) -> None:
    """Set the attributes of a layer that count channels.

    Args:
        layer: The layer to change.
        sizes: Those of its `Member`.
        count: Says how many of some positions stay.
    """
    for name, ids in sizes.items():
        many = isinstance(ids, tuple)
        setattr(layer, name, tuple(map(count, ids)) if many else count(ids))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Share:
    """An amount of work and weights.

    Args:
        params: Number of parameters.
        macs: Multiply-accumulates for the example inputs.
    """

    params: int = 0
    macs: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(self.params + other.params, self.macs + other.macs)


@dataclass(frozen=True)
class Coverage:
    """How much of the generator can be narrowed; the three shares sum to the total.

    Args:
        elastic: Layers with at least one searchable axis.
        coupled: What only follows a group: norms, slopes, products without weights.
        frozen: The rest.
        total: Everything.
        reasons: The frozen share, by reason.
    """

    elastic: Share
    coupled: Share
    frozen: Share
    total: Share
    reasons: Mapping[str, Share] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ChannelGraph:
    """The result of the channel analysis.

    Args:
        groups: All groups, in the order of their first producers.
        layouts: For each tensor-valued node the unit id at every position, -1 where there is no
            searchable unit. The arrays are read-only views that hold no copies; their batch
            axis has at least length 2 where the generator allows it.
        members: The layers that carry channels, by path, in the order of execution.
        shares: Shares of the generator by class (``elastic``, ``coupled``, or the reason).
        tensors: Parameters and buffers that the generator uses outside its layers, by name, with
            the unit ids along each axis.
        sizes: Numbers of the graph's code that count channels.
        planes: Where a node's value carries several sets of channels, the unit ids of each of
            them; ``layouts`` has the first.
    """

    groups: tuple[ChannelGroup, ...]
    layouts: Mapping[str, UnitIds]
    members: Mapping[str, Member]
    shares: tuple[tuple[str, str, Share], ...] = ()
    tensors: Mapping[str, tuple[UnitIds | None, ...]] = field(default_factory=dict)
    sizes: tuple[Size, ...] = ()
    planes: Mapping[str, tuple[UnitIds, ...]] = field(default_factory=dict)

    def searchable(self) -> tuple[ChannelGroup, ...]:
        """Return the groups that can be narrowed."""
        return tuple(group for group in self.groups if group.frozen is None)

    def group(self, key: str) -> ChannelGroup:
        """Return a group by its key.

        Args:
            key: The key.

        Raises:
            AnalysisError: If there is no such group.
        """
        for group in self.groups:
            if group.key == key:
                return group
        known = ", ".join(f"'{group.key}'" for group in self.groups[:8])
        raise AnalysisError(f"there is no channel group '{key}'", hint=f"the groups are {known}, …")

    def coverage(self) -> Coverage:
        """Return how much of the generator is elastic, coupled and frozen."""
        sums = {name: Share() for name in ("elastic", "coupled", "frozen")}
        reasons: dict[str, Share] = {}
        for kind, reason, share in self.shares:
            sums[kind] += share
            if kind == "frozen":
                reasons[reason] = reasons.get(reason, Share()) + share
        total = sums["elastic"] + sums["coupled"] + sums["frozen"]
        return Coverage(sums["elastic"], sums["coupled"], sums["frozen"], total, reasons)

    def to_networkx(self) -> "nx.DiGraph[str]":
        """Return layers and groups as a graph: producer → group → consumer.

        Nodes carry ``kind`` (``layer`` or ``group``); groups also ``units`` and ``frozen``.
        """
        graph: nx.DiGraph[str] = nx.DiGraph()
        for group in self.groups:
            name = f"group {group.key}"
            graph.add_node(name, kind="group", units=group.units, frozen=group.frozen)
            for layers, edge in ((group.producers, -1), (group.consumers, 1)):
                for layer in layers:
                    graph.add_node(layer, kind="layer")
                    graph.add_edge(*(name, layer)[::edge])
        return graph

    def to_dot(self) -> str:
        """Return the same graph in Graphviz's language: groups as ellipses, frozen ones dashed."""
        lines = ["digraph channels {", "  rankdir=LR;"]
        graph = self.to_networkx()
        for name, data in graph.nodes(data=True):
            if data["kind"] == "layer":
                lines.append(f"  {_quoted(name)} [shape=box];")
                continue
            style = "solid" if data["frozen"] is None else "dashed"
            label = f"{name.removeprefix('group ')}\n{data['units']} units"
            lines.append(f"  {_quoted(name)} [style={style}, label={_quoted(label)}];")
        lines += [f"  {_quoted(a)} -> {_quoted(b)};" for a, b in graph.edges]
        return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
