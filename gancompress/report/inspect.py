"""What `gancompress inspect` shows: each channel group, and the coverage that sums to 100 %."""

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gancompress.report.units import MISSING, count, percent


class ShareView(Protocol):
    """A share of the generator: parameters, and MACs of one picture."""

    @property
    def params(self) -> int:
        """Number of parameters."""

    @property
    def macs(self) -> int:
        """Number of multiply-accumulates."""


class CoverageView(Protocol):
    """The generator divided into what can shrink, what follows, and what stays."""

    @property
    def elastic(self) -> ShareView:
        """What has a searchable axis."""

    @property
    def coupled(self) -> ShareView:
        """What only follows a group, such as a norm's scale."""

    @property
    def frozen(self) -> ShareView:
        """What stays, for a reason that its group names."""

    @property
    def total(self) -> ShareView:
        """The whole generator."""


class GroupView(Protocol):
    """What is shown of a `gancompress.graph.ChannelGroup`."""

    @property
    def key(self) -> str:
        """Name, after the first producer."""

    @property
    def units(self) -> int:
        """Number of units that can be taken away."""

    @property
    def width(self) -> int:
        """Channels of the first producer that belong to the group."""

    @property
    def producers(self) -> Sequence[str]:
        """Module paths that make the channels."""

    @property
    def consumers(self) -> Sequence[str]:
        """Module paths that read them."""

    @property
    def frozen(self) -> str | None:
        """Why it can't shrink; None where it can."""

    @property
    def statistics_coupled(self) -> bool:
        """Whether a norm's statistics cross its channels."""


class GraphView(Protocol):
    """What is shown of a `gancompress.graph.ChannelGraph`."""

    @property
    def groups(self) -> Sequence[GroupView]:
        """All groups, frozen ones too."""

    def coverage(self) -> CoverageView:
        """Divide parameters and MACs."""


def inspection(graph: GraphView) -> Group:
    """Lay out the groups and the coverage.

    Args:
        graph: The analysed generator.

    Returns:
        Two tables that fit 80 columns; long names and reasons wrap, and nothing is left out.
    """
    return Group(_groups(graph.groups), Text(), _coverage(graph.coverage()))


def _groups(groups: Sequence[GroupView]) -> Table:
    searchable = sum(group.frozen is None for group in groups)
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=f"{len(groups)} channel groups, {searchable} searchable",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("group", overflow="fold", ratio=3)
    for name in ("units", "width", "made by", "read by"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", overflow="fold", ratio=4)
    for group in groups:
        # Text, because a key such as m[a] would otherwise be read as markup
        table.add_row(
            Text(group.key),
            str(group.units),
            str(group.width),
            str(len(group.producers)),
            str(len(group.consumers)),
            Text(_state(group)),
        )
    return table


def _state(group: GroupView) -> str:
    if group.frozen is not None:
        return f"frozen: {group.frozen}"
    return "elastic, statistics-coupled" if group.statistics_coupled else "elastic"


def _coverage(coverage: CoverageView) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title="coverage",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("")
    for name in ("parameters", "share", "MACs", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    total = coverage.total
    parts = {
        "elastic": coverage.elastic,
        "coupled": coverage.coupled,
        "frozen": coverage.frozen,
        "total": total,
    }
    for name, part in parts.items():
        table.add_row(
            name,
            count(part.params),
            _share(part.params, total.params),
            count(part.macs),
            _share(part.macs, total.macs),
            end_section=name == "frozen",
        )
    return table


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else MISSING
