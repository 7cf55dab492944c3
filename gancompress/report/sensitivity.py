"""What `gancompress sensitivity` shows: layers and groups in the order of the net."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gancompress.report.units import MISSING, percent


class LayerView(Protocol):
    """What is shown of a `gancompress.sensitivity.LayerEffect`."""

    @property
    def layer(self) -> str:
        """Path of the layer."""

    @property
    def kind(self) -> str:
        """Its class."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layer."""

    @property
    def macs_saved(self) -> int:
        """How many of them are saved."""

    @property
    def losses(self) -> Mapping[str, float | None]:
        """Loss by metric."""


class GroupView(Protocol):
    """What is shown of a `gancompress.sensitivity.GroupEffect`."""

    @property
    def group(self) -> str:
        """Key of the group."""

    @property
    def width(self) -> int:
        """Units that are kept."""

    @property
    def units(self) -> int:
        """Units at full width."""

    @property
    def macs_saved(self) -> int:
        """Multiply-accumulates that are saved."""

    @property
    def losses(self) -> Mapping[str, float | None]:
        """Loss by metric."""


class ReportView(Protocol):
    """What is shown of a `gancompress.sensitivity.SensitivityReport`."""

    @property
    def metric(self) -> str:
        """The metric that choices are made by."""

    @property
    def metrics(self) -> Sequence[str]:
        """All metrics."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the teacher."""

    @property
    def samples(self) -> int:
        """Pictures that were compared."""

    @property
    def layers(self) -> Sequence[LayerView]:
        """Layers in the order of the net."""

    @property
    def groups(self) -> Sequence[GroupView]:
        """Groups in the order of the net."""

    @property
    def skipped(self) -> Mapping[str, str]:
        """What was not tried, and why."""


def loss_rate(loss: float | None, saved: int, macs: int) -> float | None:
    """Return the loss for each per cent of the teacher's MACs that is saved.

    Args:
        loss: The loss of one change.
        saved: The MACs that it saves.
        macs: Those of the teacher.

    Returns:
        The rate; None where nothing is saved or the loss is not finite.
    """
    return None if loss is None or saved <= 0 else loss / (100 * saved / macs)


def sensitivity_table(report: ReportView) -> Group:
    """Lay out what each change saves and costs.

    Args:
        report: The measurements.

    Returns:
        One table for layers, one for groups, and what was not tried; nothing is left out.
    """
    parts: list[RenderableType] = [
        Text(
            f"every change alone, nothing trained; losses are distances to the teacher's pictures, "
            f"on {report.samples} held-out ones"
        ),
        Text(
            f"saved: share of the teacher's MACs; per 1 % of MACs: {report.metric} by what is saved"
        ),
        Text(),
        _layers(report),
        Text(),
        _groups(report),
    ]
    parts += [Text(f"not tried: {name}: {reason}") for name, reason in report.skipped.items()]
    return Group(*parts)


def _layers(report: ReportView) -> RenderableType:
    if not report.layers:
        return Text("no layer can be decomposed")
    table = _table(f"decomposing, {len(report.layers)} layers", "layer")
    table.add_column("class", no_wrap=True)
    _figures(table, report, "MACs")
    for effect in report.layers:
        table.add_row(
            Text(effect.layer),
            effect.kind,
            percent(effect.macs / report.macs if report.macs else None),
            *_cells(report, effect),
        )
    return table


def _groups(report: ReportView) -> RenderableType:
    if not report.groups:
        return Text("no group was narrowed")
    count = len({effect.group for effect in report.groups})
    table = _table(f"narrowing, {count} groups", "group")
    _figures(table, report, "width")
    before = ""
    for effect in report.groups:
        name = Text(effect.group if effect.group != before else "")
        table.add_row(name, f"{effect.width} of {effect.units}", *_cells(report, effect))
        before = effect.group
    return table


def _table(title: str, first: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="bold",
    )
    table.add_column(first, overflow="fold", ratio=3)
    return table


def _figures(table: Table, report: ReportView, third: str) -> None:
    for name in (third, "saved", *report.metrics):
        table.add_column(name.replace("-", "-\n"), justify="right", no_wrap=True)
    table.add_column("per 1 %\nof MACs", justify="right", no_wrap=True)


def _cells(report: ReportView, effect: LayerView | GroupView) -> list[str]:
    rate = loss_rate(effect.losses[report.metric], effect.macs_saved, report.macs)
    return [
        percent(effect.macs_saved / report.macs if report.macs else None),
        *(_short(effect.losses[name], "∞") for name in report.metrics),
        _short(rate),
    ]


def _short(value: float | None, missing: str = MISSING) -> str:
    if value is None:
        return missing
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")
