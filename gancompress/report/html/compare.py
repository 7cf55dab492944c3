"""Two or more runs beside one another: figures, settings, searches, pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from gancompress.errors import GancompressError
from gancompress.report.html import headline, samples
from gancompress.report.html import search as searching
from gancompress.report.html.plot import Plot, Point, Series, draw
from gancompress.report.html.source import RunSource

# Where a run lies, and what is only watched, makes no difference to what it computes.
_PASSED_OVER: Final = ("sample_every", "trackers")


@dataclass(frozen=True)
class FigureRow:
    """One figure of all runs.

    Args:
        label: What it is.
        teachers: Of each run's teacher, as text.
        compressed: Of each run's compressed generator, as text.
        ratios: How each run's two compare.
        shared: Whether all teachers have the same figure.
    """

    label: str
    teachers: tuple[str, ...]
    compressed: tuple[str, ...]
    ratios: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Whether all teachers have the same figure."""
        return len({*self.teachers}) == 1


@dataclass(frozen=True)
class Comparison:
    """What is shown of several runs together.

    Args:
        names: Of the runs.
        rows: The figures.
        settings: Keys that differ, with each run's value.
        plots: The searches in one plot, wide and narrow; None where their scores are no common
            measure.
        pairs: Pictures that the first two runs' generators draw of the same input.
        caveats: What makes figures hard to compare.
    """

    names: tuple[str, ...]
    rows: tuple[FigureRow, ...]
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    plots: tuple[Plot, Plot] | None
    pairs: tuple[samples.Sample, ...]
    caveats: tuple[str, ...]


def compare(sources: Sequence[RunSource], most: int) -> Comparison:
    """Put runs beside one another; what is damaged is left out, as its run's own part names it.

    Args:
        sources: The runs, at least two.
        most: Pictures at most.
    """
    return Comparison(
        tuple(source.name for source in sources),
        tuple(_rows(sources)),
        tuple(_settings(sources)),
        _plots(sources),
        tuple(_pairs(sources[0], sources[1], most)),
        tuple(_caveats(sources)),
    )


def _rows(sources: Sequence[RunSource]) -> Iterator[FigureRow]:
    found = [_tried(headline.headline, source) for source in sources]
    tables = [{} if x is None else {row.label: row for row in x.rows} for x in found]
    for label in dict.fromkeys(label for table in tables for label in table):
        rows = [table.get(label) for table in tables]
        yield FigureRow(
            label,
            *(
                tuple("" if row is None else str(getattr(row, name)) for row in rows)
                for name in ("teacher", "compressed", "ratio")
            ),
        )


def _settings(sources: Sequence[RunSource]) -> Iterator[tuple[str, tuple[str, ...]]]:
    flat = [dict(_flattened(_value(source, "config.json"))) for source in sources]
    for key in dict.fromkeys(key for one in flat for key in one):
        values = tuple(one.get(key, "") for one in flat)
        if len({*values}) > 1 and key.rpartition(".")[2] not in _PASSED_OVER:
            yield key, values


def _plots(sources: Sequence[RunSource]) -> tuple[Plot, Plot] | None:
    found = [_tried(searching.search, source) for source in sources]
    protocols = [_value(source, "score.json") for source in sources]
    if None in found or any(one != protocols[0] for one in protocols):
        return None
    lines, points = [], []
    for number, (source, one) in enumerate(zip(sources, found, strict=True)):
        if one is None:  # pragma: no cover - looked at above
            continue
        kind = f"run{number % 4}"
        front = tuple((float(t.macs), t.score or 0.0) for t in one.front)
        lines.append(Series(source.name, front, f"edge {kind}", stepped=True))
        points += [
            Point(float(t.macs), t.score, f"{source.name}: {t.label}", kind)
            for t in one.trials
            if t.score is not None
        ]
    metric = next(one.metric for one in found if one is not None)
    labels = ("MACs of one picture", f"{metric}, lower is better")
    wide, narrow = (
        draw(lines, *labels, points=points, width=w, height=h) for w, h in ((720, 380), (350, 330))
    )
    return wide, narrow


def _pairs(one: RunSource, other: RunSource, most: int) -> Iterator[samples.Sample]:
    """Find the pictures of both that were drawn of the same input, byte for byte."""
    folders = [source.root / samples.FOLDER for source in (one, other)]
    inputs = sorted(folders[0].glob("*-input.png"))[:most]
    for path in inputs:
        twin = folders[1] / path.name
        if not twin.is_file() or twin.read_bytes() != path.read_bytes():
            continue
        ends = [folder / path.name.replace("-input", "-compressed") for folder in folders]
        if all(end.is_file() for end in ends):
            made = _tried(samples.pair, ends)
            if made is not None:
                yield replace(made, number=int(path.name.split("-")[0]) + 1)


def _caveats(sources: Sequence[RunSource]) -> Iterator[str]:
    for key, text in (
        ("family", "the runs are of different families"),
        ("teacher_sha256", "the runs have different teachers"),
        ("options", "the data or the generator differ: see the settings"),
    ):
        values = [(_value(source, "config.json") or {}).get(key) for source in sources]
        if any(value != values[0] for value in values):
            yield text
    protocols = [(_value(s, "stages/evaluate.json") or {}).get("protocol") for s in sources]
    known = [x for x in protocols if x is not None]
    if any(x != known[0] for x in known):
        yield "scores were measured by different protocols, or on different pictures"
    machines = [
        next((r.get("machine") for r in s.events.rows[::-1] if r.get("event") == "Called"), None)
        for s in sources
    ]
    if None in machines:
        yield "not every run says on which machine its latencies were taken"
    elif any(one != machines[0] for one in machines):
        yield "latencies were taken on different machines"


def _value(source: RunSource, name: str) -> Any:
    record = _tried(source.record, name)
    return None if record is None else record.value


def _flattened(value: Any, before: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from _flattened(one, f"{before}.{key}".lstrip("."))
    elif value is not None or before:
        yield before, "none" if value is None else str(value)


def _tried(read: Any, argument: RunSource | str | list[Path]) -> Any:
    try:
        return read(argument)
    except GancompressError:
        return None
