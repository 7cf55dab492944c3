"""The headline: what the teacher and the compressed generator cost, and how good they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from gancompress.errors import GancompressError
from gancompress.report.html.record import Record
from gancompress.report.html.source import RunSource
from gancompress.report.units import count, figure, percent, size

_MODELS: Final = ("teacher", "compressed")


@dataclass(frozen=True)
class Row:
    """One figure of both generators.

    Args:
        label: What it is.
        note: Unit and protocol, in words.
        teacher: Of the teacher, as text.
        compressed: Of the compressed one, as text.
        baseline: Of the picture that costs nothing; empty where that has no such figure.
        ratio: How the two compare, in words; empty where a ratio means nothing.
        times: The same as a number of at least 1 where it is a gain; None else.
        direction: Which way is better; empty where it is plain.
    """

    label: str
    note: str
    teacher: str
    compressed: str
    baseline: str = ""
    ratio: str = ""
    times: float | None = None
    direction: str = ""


@dataclass(frozen=True)
class Headline:
    """What stands on top of a run's report.

    Args:
        rows: The figures that were measured.
        cards: The few that matter most.
        protocols: How they were measured: a name and pairs of key and value.
        problems: Files that are damaged, where others have figures.
    """

    rows: tuple[Row, ...]
    cards: tuple[Row, ...]
    protocols: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = field(default=())
    problems: tuple[str, ...] = ()

    @property
    def has_baseline(self) -> bool:
        """Whether any figure of the baseline is known."""
        return any(row.baseline for row in self.rows)


def headline(source: RunSource) -> Headline | None:
    """Gather the figures of the stages that are done.

    Args:
        source: The run.

    Returns:
        The headline; None where no stage has measured anything yet.

    Raises:
        RunError: If files are damaged, and nothing else is known.
    """
    rows: list[Row] = []
    protocols: list[tuple[str, tuple[tuple[str, str], ...]]] = []
    failed: list[GancompressError] = []
    for read in (_costs, _sizes, _latencies, _scores):
        try:
            rows += read(source)
        except GancompressError as error:
            failed.append(error)
    try:
        protocols += _protocols(source)
    except GancompressError as error:
        failed.append(error)
    if failed and not rows:
        raise failed[0]
    if not rows:
        return None
    problems = tuple(dict.fromkeys(error.message for error in failed))
    return Headline(tuple(rows), tuple(_cards(rows)), tuple(protocols), problems)


def _costs(source: RunSource) -> Iterator[Row]:
    costs = _part(source.stage("finetune"), "costs")
    if costs is None:
        return
    shape = _shape(source)
    for key, label, note, render, less in (
        ("macs", "MACs, true", f"multiply-accumulates of one forward pass{shape}", count, "fewer"),
        (
            "macs_published",
            "MACs, published convention",
            f"as torchprofile 0.0.1 counts them in the published tables{shape}",
            count,
            "fewer",
        ),
        ("params", "parameters", "each once, however many layers share it", count, "fewer"),
        ("activation_bytes", "activation memory", f"most bytes alive at once{shape}", size, "less"),
    ):
        yield from _row(costs, label, note, key, render=render, words=(less, "more"))


def _sizes(source: RunSource) -> Iterator[Row]:
    export = source.stage("export")
    if export is None:
        return
    precision = " and ".join(
        dict.fromkeys(
            x for name in _MODELS if (x := export.text("files", name, "precision")) is not None
        )
    )
    note = ", ".join(x for x in (export.text("target"), precision) if x)
    files = export.at("files")
    if files is not None:
        words = ("smaller", "larger")
        yield from _row(files, "file size", note, "bytes", render=size, words=words)


def _latencies(source: RunSource) -> Iterator[Row]:
    bench = source.stage("bench")
    if bench is not None:
        yield from _timed(bench, bench, "")


def _timed(found: Record, bench: Record, name: str) -> Iterator[Row]:
    """Find every pair of times, however deep: one for each runtime that was timed."""
    value = found.value
    if isinstance(value, list):
        for part in found.items():
            yield from _timed(part, bench, name)
        return
    if not isinstance(value, dict):
        return
    if isinstance(value.get("latency_ms"), dict):
        yield from _latency(found, bench, name)
    for key, part in found.entries():
        if key != "latency_ms":
            yield from _timed(part, bench, key)


def _latency(found: Record, bench: Record, name: str) -> Iterator[Row]:
    def words(*keys: str) -> Iterator[str]:
        for key in keys:
            if isinstance(value := found.value.get(key), str):
                yield value

    runtime = next(words("runtime", "target", "name"), name) or "one runtime"
    facts = [*words("precision", "device")]
    for key in ("threads", "runs"):
        value = found.value.get(key, bench.value.get(key))
        if isinstance(value, int):
            facts.append(f"{value} {key if value != 1 else key.rstrip('s')}")
    times = found.at("latency_ms")
    assert times is not None  # noqa: S101 - it was looked at just now
    spread = [
        f"{model} p90 {figure(p90, 2)}, p99 {figure(p99, 2)}"
        for model in _MODELS
        if (p90 := times.number(model, "p90")) is not None
        and (p99 := times.number(model, "p99")) is not None
    ]
    note = "; ".join([", ".join(["median", *facts]), *spread])
    words_of = ("faster", "slower")
    yield from _row(times, f"latency, {runtime}", note, "p50", render=_milliseconds, words=words_of)


def _scores(source: RunSource) -> Iterator[Row]:
    found = source.stage("evaluate")
    if found is None:
        return
    pictures = found.count("pictures")
    on = "" if pictures is None else f", {pictures:,} held-out pictures"
    for key, label, note, digits in (
        ("frechet", "Fréchet distance", f"frechet-lite0: EfficientNet-Lite0 features{on}", 2),
        ("kid", "KID", f"kid-lite0: kernel distance on the same features{on}", 4),
        ("l1_to_target", "L1 to target", f"mean absolute difference in [-1, 1]{on}", 4),
    ):
        render = partial(_decimals, digits=digits)
        more = _of_halves(found, key, digits)
        yield from _row(
            found,
            label,
            note + more,
            key,
            render=render,
            words=("lower", "higher"),
            direction="lower is better",
        )
    for name, one in found.entries("metrics"):
        yield from _further(name, one, on)
    if (likeness := found.number("psnr_to_teacher")) is not None:
        yield Row("PSNR to teacher", f"dB{on}", "", f"{figure(likeness, 2)} dB", direction="higher")
    for key, of in (("recovery", "Fréchet"), ("recovery_kid", "KID")):
        if (share := found.number(key)) is not None:
            note = "share of the teacher's gain over the baseline that is kept"
            yield Row(f"recovery, {of}", note, "100 %", percent(share), direction="higher")


def _of_halves(found: Record, key: str, digits: int) -> str:
    if found.at("real_against_real") is None:
        return ""
    real, many = (found.number("real_against_real", name) for name in (key, "pictures"))
    if real is None:
        return ""
    on = "" if many is None else f" of {many:,.0f}"
    return f"; one half of the real pictures against the other{on}: {_decimals(real, digits)}"


def _further(name: str, found: Record, on: str) -> Iterator[Row]:
    higher = found.value.get("higher_is_better") is True
    values = {x: found.number(x) for x in (*_MODELS, "baseline")}
    if values["teacher"] is None and values["compressed"] is None:
        return
    real = found.number("real_against_real")
    notes = [f"metric '{name}'{on}"]
    notes += [] if real is None else [f"real against real {figure(real, 4)}"]
    kept = found.number("recovery")
    notes += [] if kept is None else [f"recovery {percent(kept)}"]
    texts = ["" if x is None else figure(x, 4) for x in values.values()]
    better = "higher is better" if higher else "lower is better"
    yield Row(name, "; ".join(notes), texts[0], texts[1], texts[2], direction=better)


def _row(
    found: Record,
    label: str,
    note: str,
    key: str,
    *,
    render: Callable[[float | None], str],
    words: tuple[str, str],
    direction: str = "",
) -> Iterator[Row]:
    before, after = (found.number(model, key) for model in _MODELS)
    if before is None and after is None:
        return
    costless = found.number("baseline", key)
    texts = ["" if x is None else render(x) for x in (before, after, costless)]
    ratio, times = "", None
    # A kernel distance may be zero or negative, and then no ratio means anything.
    if before is not None and after is not None and before > 0 and after > 0:
        times = before / after
        ratio = _ratio(times, words)
    yield Row(label, note, texts[0], texts[1], texts[2], ratio, times, direction)


def _ratio(times: float, words: tuple[str, str]) -> str:
    word = words[0] if times >= 1 else words[1]
    large = max(times, 1 / times)
    shown = f"{large:.2f}" if large < 10 else f"{large:,.1f}"
    return "equal" if shown == "1.00" else f"{shown}× {word}"


def _cards(rows: list[Row]) -> Iterator[Row]:
    wanted = ("MACs, true", "parameters", "file size", "latency", "recovery, Fréchet")
    for label in wanted:
        found = next((row for row in rows if row.label.startswith(label)), None)
        if found is not None:
            yield found


def _protocols(source: RunSource) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    evaluate, search = source.stage("evaluate"), source.record("score.json")
    if evaluate is not None:
        if evaluate.at("protocol") is not None:
            yield "Fréchet, KID and L1", _flat(evaluate.at("protocol"))
        for name, one in evaluate.entries("metrics"):
            if one.at("protocol") is not None:
                yield name, _flat(one.at("protocol"))
    if search is not None and search.at("protocol") is not None:
        yield f"score of the search, {search.text('metric') or ''}", _flat(search.at("protocol"))


def _flat(found: Record | None, before: str = "") -> tuple[tuple[str, str], ...]:
    """Write a nested object as lines."""
    value: Any = None if found is None else found.value
    if not isinstance(value, dict) or found is None:
        return ((before or "protocol", str(value)),)
    parts: list[tuple[str, str]] = []
    for key, one in found.entries():
        name = f"{before} {key}".strip().replace("_", " ")
        parts += _flat(one, name) if isinstance(one.value, dict) else [(name, str(one.value))]
    return tuple(parts)


def _part(found: Record | None, *keys: str) -> Record | None:
    return None if found is None else found.at(*keys)


def _shape(source: RunSource) -> str:
    """Say what one forward pass takes in, where the model's card knows."""
    model = source.record("model/model.json")
    shapes = [] if model is None else [one.at("shape") for one in model.items("card", "inputs")]
    texts = ["×".join(map(str, x.value)) for x in shapes if x is not None]
    return f" on {' and '.join(texts)}" if texts else ""


def _decimals(value: float | None, digits: int) -> str:
    # Five digits before the point need none behind it.
    return figure(value, digits if value is None or abs(value) < 10_000 else 0)


def _milliseconds(value: float | None) -> str:
    return f"{figure(value, 2)} ms"
