"""What `gancompress bench` shows: costs by net, and times, memory and size by runtime."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gancompress.report.units import MISSING, count, figure, size

_NARROW: Final = 80
_WIDE: Final = 160


def bench_width(columns: int) -> int:
    """Return how wide the tables are drawn.

    Args:
        columns: Of the terminal.
    """
    return min(max(columns, _NARROW), _WIDE)


def bench_tables(report: Mapping[str, Any]) -> RenderableType:
    """Lay a comparison out.

    Args:
        report: What `gancompress.bench.compare` gives.

    Returns:
        Tables that fit 80 columns and say everything in words and figures.
    """
    parts: list[RenderableType] = [_costs(report["nets"]), Text(), _rows(report)]
    if len(report["batches"]) > 1:
        parts += [Text(), _throughput(report)]
    return Group(*parts)


def bench_lines(report: Mapping[str, Any]) -> list[str]:
    """Say how it was measured, and what could not be.

    Args:
        report: What `gancompress.bench.compare` gives.
    """
    bound = "bound to as many processors" if report["pinned"] else "not bound to processors"
    threads = report["threads"]
    how = (
        f"{report['runs']} runs of each in turns after {report['warmup']} to warm up, "
        f"{threads} thread{'' if threads == 1 else 's'} {bound}"
    )
    energy = f"energy: {report['energy'] or 'of the whole processor, by RAPL'}"
    return [how, energy, *(f"not timed: {line}" for line in report["missing"])]


def runtime_name(row: Mapping[str, Any]) -> str:
    """Return runtime and precision of a row as one name."""
    precision = "" if row["precision"] == "fp32" else f" {row['precision']}"
    return f"{row['runtime']}{precision}"


def _table(title: str) -> Table:
    return Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1),
        title=title,
        title_justify="left",
        title_style="bold",
        collapse_padding=True,
    )


def _costs(nets: Mapping[str, Mapping[str, Any] | None]) -> Table:
    table = _table("generators")
    table.add_column("generator", overflow="fold")
    for name in ("parameters", "MACs, true", "MACs, published"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, cost in nets.items():
        known = cost or {}
        keys = ("params", "macs", "macs_published")
        table.add_row(Text(name), *(count(known.get(key)) for key in keys))
    return table


def _rows(report: Mapping[str, Any]) -> Table:
    first = report["batches"][0]
    table = _table(f"milliseconds a call of {first} {_pictures(first)}")
    table.add_column("generator", overflow="fold")
    table.add_column("runtime", overflow="fold")
    names = ["p50", "p90", "p99", "images/s", "memory", "file"]
    if report["energy"] is None:
        names.append("J/image")
    for name in [*names, "speed"]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in report["rows"]:
        latency = row["latency_ms"]
        cells = [
            *(_short(latency[key]) for key in ("p50", "p90", "p99")),
            _short(row["images_per_second"][str(first)]),
            size(row["peak_memory_bytes"]),
            size(row["file_bytes"]),
        ]
        if report["energy"] is None:
            cells.append(figure(row["joules_per_image"], 2))
        table.add_row(Text(row["net"]), runtime_name(row), *cells, f"{_short(row['speed_up'])}x")
    return table


def _throughput(report: Mapping[str, Any]) -> Table:
    table = _table("images a second, by batch size")
    table.add_column("generator", overflow="fold")
    table.add_column("runtime", overflow="fold")
    sizes: Sequence[int] = report["batches"]
    for batch in sizes:
        table.add_column(str(batch), justify="right", no_wrap=True)
    for row in report["rows"]:
        found = row["images_per_second"]
        cells = [_short(found[str(b)]) if str(b) in found else MISSING for b in sizes]
        table.add_row(Text(row["net"]), runtime_name(row), *cells)
    return table


def _short(value: float) -> str:
    """Return a number with three figures, so that a column stays narrow."""
    return figure(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _pictures(number: int) -> str:
    return "image" if number == 1 else "images"
