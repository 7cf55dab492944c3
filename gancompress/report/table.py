"""The summary that a compression ends with: teacher beside compressed, line by line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import Any, Final, NamedTuple

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from gancompress.report.units import MISSING, count, figure, percent, size

_BASELINE: Final = "baseline: the untouched input, or what the family puts in its place"


@dataclass(frozen=True)
class ModelFigures:
    """Everything about one generator that the summary shows; None where it was not measured.

    Args:
        params: Number of parameters.
        macs: True multiply-accumulates of one picture.
        macs_published: The same by the convention of the published tables.
        file_bytes: Size of the exported file.
        frechet: Fréchet distance on EfficientNet-Lite0 features; lower is better.
        kid: Kernel distance on the same features; lower is better.
        l1_to_target: Mean absolute difference from the targets, in the units of [-1, 1].
        psnr_to_teacher: Likeness to the teacher's pictures in dB.
        latency_ms: Median latency in milliseconds.
        recovery: Share of the teacher's gain in Fréchet distance that is kept; 1 for the teacher
            itself.
        recovery_kid: The same in kernel distance.
    """

    params: int | None = None
    macs: int | None = None
    macs_published: int | None = None
    file_bytes: int | None = None
    frechet: float | None = None
    kid: float | None = None
    l1_to_target: float | None = None
    psnr_to_teacher: float | None = None
    latency_ms: float | None = None
    recovery: float | None = None
    recovery_kid: float | None = None


class _Row(NamedTuple):
    label: str
    value: Callable[[ModelFigures], float | None]
    render: Callable[[float | None], str]
    # the words for "the compressed one is this many times ..."; none where a ratio means nothing
    less: str = ""
    more: str = ""


def _decimals(digits: int) -> Callable[[float | None], str]:
    # Five digits before the point need none behind it, and would not fit the column.
    return lambda value: figure(value, digits if value is None or abs(value) < 10_000 else 0)


def _rows() -> tuple[_Row, ...]:
    return (
        _Row("parameters", lambda f: f.params, count, "fewer", "more"),
        _Row("MACs, true", lambda f: f.macs, count, "fewer", "more"),
        _Row("MACs, published", lambda f: f.macs_published, count, "fewer", "more"),
        _Row("file size", lambda f: f.file_bytes, size, "smaller", "larger"),
        _Row("Fréchet (frechet-lite0)", lambda f: f.frechet, _decimals(2), "lower", "higher"),
        _Row("KID (kid-lite0)", lambda f: f.kid, _decimals(4), "lower", "higher"),
        _Row("L1 to target", lambda f: f.l1_to_target, _decimals(4), "lower", "higher"),
        _Row("PSNR to teacher, dB", lambda f: f.psnr_to_teacher, _decimals(2)),
        _Row("latency, ms (median)", lambda f: f.latency_ms, _decimals(2), "faster", "slower"),
        _Row("recovery (Fréchet)", lambda f: f.recovery, percent),
        _Row("recovery (KID)", lambda f: f.recovery_kid, percent),
    )


def summary_table(
    teacher: ModelFigures, compressed: ModelFigures, baseline: ModelFigures | None = None
) -> Table:
    """Lay the teacher's figures beside the compressed generator's.

    Args:
        teacher: Of the full generator.
        compressed: Of the compressed one, measured the same way.
        baseline: Of the picture that costs nothing, from which recovery is counted; None leaves
            its column out.

    Returns:
        A table of at most 80 columns that says in words which way each ratio goes.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        caption=None if baseline is None else _BASELINE,
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for name in ("teacher", "compressed", "ratio", *([] if baseline is None else ["baseline"])):
        table.add_column(name, justify="right", no_wrap=True)
    for row in _rows():
        before, after = row.value(teacher), row.value(compressed)
        cells = [row.render(before), row.render(after), _ratio(row, before, after)]
        if baseline is not None:
            cells.append(row.render(row.value(baseline)))
        table.add_row(row.label, *cells)
    return table


def figures_table(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    """Lay out the figures that `gancompress.compress` gives, as its ``Outcome.figures``.

    Args:
        figures: ``teacher``, ``compressed`` and ``baseline``, each a value by name.

    Returns:
        What `summary_table` gives; a notebook shows it as it is.
    """
    teacher, compressed, baseline = (
        ModelFigures(**figures[name]) for name in ("teacher", "compressed", "baseline")
    )
    return summary_table(teacher, compressed, baseline)


def metric_lines(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Show the figures of further metrics, a line each.

    Args:
        metrics: By name: ``teacher``, ``compressed`` and ``baseline``, each a number or None,
            ``higher_is_better``, and where they were measured ``recovery`` and
            ``real_against_real``.

    Returns:
        Lines of text.
    """
    return [
        f"{name}: "
        + ", ".join(f"{x} {figure(row[x], 4)}" for x in ("teacher", "compressed", "baseline"))
        + f" ({'higher' if row['higher_is_better'] else 'lower'} is better)"
        + _known(", recovery ", percent, row.get("recovery"))
        + _known(", real against real ", partial(figure, digits=4), row.get("real_against_real"))
        for name, row in metrics.items()
    ]


def plain_text(renderable: RenderableType, *, width: int = 80) -> str:
    """Render something of rich's as text, without colour or control codes.

    Args:
        renderable: A table, for one.
        width: Columns.

    Returns:
        Its lines, without trailing blanks.
    """
    sink = StringIO()
    console = Console(
        file=sink, width=width, no_color=True, force_terminal=False, legacy_windows=False
    )
    console.print(renderable)
    return "\n".join(line.rstrip() for line in sink.getvalue().splitlines()) + "\n"


def _known(words: str, render: Callable[[float], str], value: float | None) -> str:
    return "" if value is None else words + render(value)


def _ratio(row: _Row, before: float | None, after: float | None) -> str:
    # A kernel distance may be zero or negative, and then no ratio means anything.
    if not row.less or before is None or after is None or not (before > 0 and after > 0):
        return MISSING
    times = before / after
    word = row.less if times >= 1 else row.more
    times = max(times, 1 / times)
    shown = f"{times:.2f}" if times < 10 else f"{times:,.1f}"
    return "equal" if shown == "1.00" else f"{shown}x {word}"
