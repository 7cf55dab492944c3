"""What a look at the data found, and what can be downloaded, as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from gancompress.report.units import MISSING

_LISTED = 20


def data_table(figures: Sequence[Mapping[str, Any]]) -> Table:
    """Show what each folder of each split holds.

    Args:
        figures: Rows with ``split``, ``part``, ``pictures``, ``smallest``, ``largest``, ``modes``.
    """
    table = _table("split", "part", "pictures", "smallest", "largest", "modes")
    for row in figures:
        modes = ", ".join(f"{mode} {count:,}" for mode, count in row["modes"].items())
        sizes = (_size(row[name]) for name in ("smallest", "largest"))
        table.add_row(row["split"], row["part"], f"{row['pictures']:,}", *sizes, modes or MISSING)
    return table


def problem_lines(problems: Sequence[Mapping[str, str]]) -> list[str]:
    """Show problems a line each, and how many more there are.

    Args:
        problems: Rows with ``severity``, ``path`` and ``text``.
    """
    lines = []
    for row in problems[:_LISTED]:
        # Sentences of errors begin with the file that stands before them here.
        text = row["text"].removeprefix(f"'{row['path']}' ")
        lines.append(f"{row['severity']}: {row['path']}: {text}")
    more = len(problems) - len(lines)
    return [*lines, f"… and {more:,} more; --json lists them all"] if more > 0 else lines


def source_lines(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Show what can be downloaded, a line each, so that it can be searched.

    Args:
        sources: Rows with ``id``, ``kind``, ``megabytes``, ``url``, ``layout``.
    """
    width = max((len(row["id"]) for row in sources), default=0)
    return [
        f"{row['id']:<{width}}  {row['kind']:<10}  {_megabytes(row['megabytes']):>9}  "
        + ("" if row["url"] else "by hand; ")
        + row["layout"]
        for row in sources
    ]


def _megabytes(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f} MB"


def _size(size: Sequence[int] | None) -> str:
    return MISSING if size is None else f"{size[0]}x{size[1]}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name == "pictures" else "left")
    return table
