"""The sensitivity as a picture: bars by layer along the net, curves by group."""

import math
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from gancompress.errors import MissingExtraError
from gancompress.report.sensitivity import ReportView
from gancompress.store import write_atomic

_PACKAGE: Final = "matplotlib"
# Okabe and Ito's colours, which people tell apart who see few of them.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES: Final = ("-", "--", ":")
_ROW: Final = 0.24  # inches a bar
_DPI: Final = 110


def check_plot() -> None:
    """Make sure that plots can be drawn.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    try:
        import_module(_PACKAGE)
    except ImportError:
        raise MissingExtraError(_PACKAGE, "plot") from None


def save_sensitivity_plot(path: Path, report: ReportView) -> None:
    """Draw a report.

    Args:
        path: The PNG file to write.
        report: The measurements.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        StorageError: If the file cannot be written.
    """
    check_plot()
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional library

    names = {effect.group for effect in report.groups}
    rows = max(len(report.layers), len(names), 8)
    figure = Figure(figsize=(14, 2.0 + _ROW * rows), layout="constrained", dpi=_DPI)
    bars, curves = figure.subplots(1, 2, width_ratios=(6, 5))
    _draw_layers(bars, report)
    _draw_groups(curves, report)
    figure.suptitle(
        "One change at a time, nothing trained: distance to the teacher's pictures "
        f"({report.metric}, {report.samples} held-out pictures)",
        fontsize=11,
    )
    sink = BytesIO()
    figure.savefig(sink, format="png")
    write_atomic(path, sink.getvalue())


def _draw_layers(axes: Any, report: ReportView) -> None:
    axes.set_title("decomposing one layer", fontsize=10)
    kinds = list(dict.fromkeys(effect.kind for effect in report.layers))
    losses = [effect.losses[report.metric] for effect in report.layers]
    highest = max([loss for loss in losses if loss is not None], default=0.0) or 1.0
    for row, (effect, loss) in enumerate(zip(report.layers, losses, strict=True)):
        colour = _COLOURS[kinds.index(effect.kind) % len(_COLOURS)]
        axes.barh(row, highest if loss is None else loss, color=colour, height=0.72)
        saved = 100 * effect.macs_saved / report.macs if report.macs else 0.0
        end = highest if loss is None else max(loss, 0.0)
        text = f"{'not finite' if loss is None else f'{loss:#.2g}'}, saves {saved:.1f} %"
        axes.text(end + 0.01 * highest, row, text, va="center", fontsize=7)
    axes.set_yticks(range(len(report.layers)), [e.layer for e in report.layers], fontsize=8)
    axes.set_ylim(max(len(report.layers), 1) - 0.4, -0.6)  # input at the top
    axes.set_xlim(min([0.0, *(x for x in losses if x is not None)]), 1.22 * highest)
    axes.set_xlabel(f"{report.metric}; at each bar the teacher's MACs that it saves", fontsize=9)
    _finish(axes)
    if kinds:
        from matplotlib.patches import Patch  # noqa: PLC0415 - an optional library

        handles = [Patch(color=_COLOURS[k % len(_COLOURS)], label=x) for k, x in enumerate(kinds)]
        axes.legend(handles=handles, fontsize=8, loc="best")
    else:
        _say(axes, "no layer can be decomposed")


def _draw_groups(axes: Any, report: ReportView) -> None:
    axes.set_title("narrowing one channel group", fontsize=10)
    names = list(dict.fromkeys(effect.group for effect in report.groups))
    for index, name in enumerate(names):
        effects = [e for e in report.groups if e.group == name]
        points = [(e.width / e.units, e.losses[report.metric]) for e in effects]
        shares, losses = zip(*points, (1.0, 0.0), strict=True)
        axes.plot(
            shares,
            [math.nan if loss is None else loss for loss in losses],
            color=_COLOURS[index % len(_COLOURS)],
            linestyle=_STYLES[index // len(_COLOURS) % len(_STYLES)],
            marker="o",
            markersize=3.5,
            linewidth=1.4,
            label=name,
        )
    axes.set_xlabel("share of the channels that is kept", fontsize=9)
    axes.set_ylabel(f"{report.metric} (logarithmic, but near 0)", fontsize=9)
    _finish(axes)
    smallest = min((x for e in report.groups if (x := e.losses[report.metric] or 0) > 0), default=0)
    if smallest > 0:
        # Most curves lie close together near zero, and the zero at full width has no logarithm.
        axes.set_yscale("symlog", linthresh=smallest, linscale=0.4)
        axes.set_ylim(bottom=0)
    if names:
        axes.legend(
            fontsize=7,
            ncols=1 + len(names) // 24,
            title="in the order of the net",
            title_fontsize=7,
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
        )
    else:
        _say(axes, "no group was narrowed")


def _finish(axes: Any) -> None:
    axes.tick_params(labelsize=8)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _say(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", fontsize=10)
