"""A comparison of speed as a picture: a bar for each generator in each runtime."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from gancompress.errors import ConfigError
from gancompress.report.bench import runtime_name
from gancompress.report.sensitivity_plot import check_plot
from gancompress.store import write_atomic

_COLOURS: Final = ("#0072B2", "#D55E00")  # of Okabe and Ito
_FORMATS: Final = (".png", ".svg")
_ROW: Final = 0.32  # inches a bar
_DPI: Final = 110


def check_bench_plot(path: Path) -> None:
    """Make sure that a plot can be drawn, before any work.

    Args:
        path: Where to.

    Raises:
        ConfigError: If its name ends in something else than ``.png`` or ``.svg``.
        MissingExtraError: If matplotlib is not installed.
    """
    if path.suffix not in _FORMATS:
        raise ConfigError(
            f"'{path}' of --plot is no picture that can be drawn", hint="name it .svg or .png"
        )
    check_plot()


def save_bench_plot(path: Path, report: Mapping[str, Any]) -> None:
    """Draw medians, with a line to the 90th percentile.

    Args:
        path: The PNG or SVG file to write.
        report: What `gancompress.bench.compare` gives.

    Raises:
        ConfigError: See `check_bench_plot`.
        MissingExtraError: If matplotlib is not installed.
        StorageError: If the file cannot be written.
    """
    check_bench_plot(path)
    from matplotlib.figure import Figure  # noqa: PLC0415 - an optional library

    rows, names = report["rows"], list(report["nets"])
    figure = Figure(figsize=(9, 1.4 + _ROW * max(len(rows), 3)), layout="constrained", dpi=_DPI)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        latency = row["latency_ms"]
        p50, p90 = latency["p50"], latency["p90"]
        colour = _COLOURS[names.index(row["net"]) % len(_COLOURS)]
        axes.barh(place, p50, xerr=[[0], [max(0.0, p90 - p50)]], color=colour, height=0.72)
        axes.text(max(p50, p90), place, f"  {p50:.3g} ms, {row['speed_up']:.3g}x", va="center")
    labels = [f"{row['net']}, {runtime_name(row)}" for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.3)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"milliseconds a call, batch {report['batches'][0]}: median, line to p90")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    sink = BytesIO()
    figure.savefig(sink, format=path.suffix.removeprefix("."))
    write_atomic(path, sink.getvalue())
