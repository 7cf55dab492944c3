"""What `gancompress inspect` shows: each channel group, and the coverage that sums to 100 %."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gancompress.report.advice import PAGE, advice, without_module
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

    @property
    def reasons(self) -> Mapping[str, ShareView]:
        """The frozen share, by reason."""


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
    """Lay out the groups, the coverage, and what is frozen and why.

    Args:
        graph: The analysed generator.

    Returns:
        Tables that fit 80 columns; long names and reasons wrap, and nothing is left out.
    """
    coverage = graph.coverage()
    tables: list[RenderableType] = [_groups(graph.groups), Text(), _coverage(coverage)]
    reasons = frozen_reasons(graph)
    if reasons:
        more = Text(f"how to read this: {PAGE}")
        tables += [Text(), _frozen(graph.groups, coverage, reasons), more]
    return Group(*tables)


def frozen_reasons(graph: GraphView) -> tuple[str, ...]:
    """Return every reason that keeps channels or weights as they are, once each.

    Args:
        graph: The analysed generator.
    """
    of_groups = (group.frozen for group in graph.groups if group.frozen is not None)
    return tuple(dict.fromkeys([*of_groups, *graph.coverage().reasons]))


def _table(title: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="bold",
    )


def _groups(groups: Sequence[GroupView]) -> Table:
    searchable = sum(group.frozen is None for group in groups)
    table = _table(f"{len(groups)} channel groups, {searchable} searchable")
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
    table = _table("coverage")
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


def _frozen(groups: Sequence[GroupView], coverage: CoverageView, reasons: Sequence[str]) -> Table:
    """Add up what is frozen by reason; one operator in many blocks is one line."""
    table = _table("frozen, and what you can do")
    table.add_column("reason", overflow="fold", ratio=4)
    for name in ("groups", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what you can do", overflow="fold", ratio=4)
    many = Counter(without_module(group.frozen) for group in groups if group.frozen is not None)
    params: Counter[str] = Counter()
    for reason, share in coverage.reasons.items():
        params[without_module(reason)] += share.params
    for reason in dict.fromkeys(map(without_module, reasons)):
        table.add_row(Text(reason), str(many[reason]), count(params[reason]), Text(advice(reason)))
    return table
