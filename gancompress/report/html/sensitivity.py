"""What single changes cost without training: bars by layer, dots by group."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log10

from gancompress.report.html.record import Record
from gancompress.report.html.source import RunSource
from gancompress.report.units import percent


@dataclass(frozen=True)
class LayerBar:
    """What decomposing one layer does.

    Args:
        layer: Its path.
        kind: Its class.
        loss: Distance to the teacher's pictures, as text.
        share: Of the largest loss, in per cent.
        saved: Share of the teacher's MACs that it saves, as text.
        chosen: Whether the run decomposes it.
    """

    layer: str
    kind: str
    loss: str
    share: float
    saved: str
    chosen: bool


@dataclass(frozen=True)
class Dot:
    """What one width of a group does.

    Args:
        at: Place on the logarithmic axis, in per cent.
        rank: Of the widths of the group, from 0 for the narrowest.
        text: What it is, in words.
    """

    at: float
    rank: int
    text: str


@dataclass(frozen=True)
class GroupDots:
    """The widths that one group was tried at.

    Args:
        group: Its key.
        dots: One a width.
        worst: The largest loss of the group, as text.
    """

    group: str
    dots: tuple[Dot, ...]
    worst: str


@dataclass(frozen=True)
class Sensitivity:
    """All that was measured.

    Args:
        metric: The metric that choices are made by.
        samples: Held-out pictures that were compared.
        layers: In the order of the net.
        groups: In the order of the net.
        axis: The ends of the axis of the dots, as text.
        skipped: What was not tried, and why.
        choice: What ``auto`` has chosen, in words; empty where a run does not choose.
        measured: Changes so far, of a measurement that is not finished; 0 else.
    """

    metric: str = ""
    samples: int | None = None
    layers: tuple[LayerBar, ...] = ()
    groups: tuple[GroupDots, ...] = ()
    axis: tuple[str, str] = ("", "")
    skipped: tuple[tuple[str, str], ...] = ()
    choice: str = ""
    measured: int = 0


def sensitivity(source: RunSource) -> Sensitivity | None:
    """Read the measurements.

    Args:
        source: The run.

    Returns:
        What was measured; None where nothing was.

    Raises:
        RunError: If a file is damaged.
    """
    record, choice = source.record("sensitivity.json"), source.record("decompose.json")
    chosen = _choice(choice)
    if record is None:
        begun = _lines(source)
        return Sensitivity(choice=chosen, measured=begun) if begun or chosen else None
    metric, macs = record.need_text("metric"), record.count("macs") or 0
    taken = _taken(source, choice)
    layers = tuple(_layers(record, metric, macs, taken))
    groups, axis = _groups(record, metric, macs)
    skipped = tuple((name, str(one.value)) for name, one in record.entries("skipped"))
    samples = record.count("samples")
    return Sensitivity(metric, samples, layers, groups, axis, skipped, chosen)


def _layers(record: Record, metric: str, macs: int, taken: set[str]) -> Iterator[LayerBar]:
    rows = [*record.items("layers")]
    losses = [one.number("losses", metric) for one in rows]
    most = max([x for x in losses if x is not None], default=0.0) or 1.0
    for one, loss in zip(rows, losses, strict=True):
        layer = one.need_text("layer")
        yield LayerBar(
            layer,
            one.text("kind") or "",
            _short(loss),
            100.0 if loss is None else max(0.0, 100 * loss / most),
            _saved(one, macs),
            layer in taken,
        )


def _groups(
    record: Record, metric: str, macs: int
) -> tuple[tuple[GroupDots, ...], tuple[str, str]]:
    rows: dict[str, list[tuple[Record, float | None]]] = {}
    for one in record.items("groups"):
        loss = one.number("losses", metric)
        rows.setdefault(one.need_text("group"), []).append((one, loss))
    known = [x for group in rows.values() for _, x in group if x is not None and x > 0]
    low, high = min(known, default=0.1), max(known, default=1.0)
    span = (log10(high) - log10(low)) or 1.0

    def place(loss: float | None) -> float:
        if loss is None:
            return 100.0
        return 100 * (log10(loss) - log10(low)) / span if loss > 0 else 0.0

    def dots(group: list[tuple[Record, float | None]]) -> Iterator[Dot]:
        ordered = sorted(group, key=lambda pair: pair[0].need_count("width"))
        for rank, (one, loss) in enumerate(ordered):
            width = f"{one.need_count('width')} of {one.need_count('units')} channels"
            yield Dot(place(loss), rank, f"{width}: {_short(loss)}, saves {_saved(one, macs)}")

    return tuple(
        GroupDots(name, tuple(dots(group)), _worst(x for _, x in group))
        for name, group in rows.items()
    ), (_short(low), _short(high))


def _worst(losses: Iterable[float | None]) -> str:
    every = list(losses)
    return "not finite" if None in every else _short(max(x for x in every if x is not None))


def _saved(found: Record, macs: int) -> str:
    saved = found.count("macs_saved")
    return "" if saved is None or not macs else f"{percent(saved / macs)} of the MACs"


def _short(loss: float | None) -> str:
    return "not finite" if loss is None else f"{loss:.3g}"


def _choice(choice: Record | None) -> str:
    if choice is None:
        return ""
    layers = len([*choice.items("layers")])
    metric = choice.text("metric") or "loss"
    measured, predicted = choice.number("measured_loss"), choice.number("predicted_loss")
    parts = [f"'auto' decomposes {layers} layers"]
    parts += [] if measured is None else [f"{metric} {measured:.3g} with all of them, untrained"]
    parts += [] if predicted is None else [f"sum of single ones {predicted:.3g}"]
    return ": ".join([parts[0], ", ".join(parts[1:])]) if parts[1:] else parts[0]


def _taken(source: RunSource, choice: Record | None) -> set[str]:
    if choice is not None:
        return {one.need_text() for one in choice.items("layers")}
    record = source.record("architecture.json")
    if record is None:
        return set()
    return {one.need_text("layer") for one in record.items("decomposed")}


def _lines(source: RunSource) -> int:
    """Count the changes that a measurement has written down so far."""
    place = source.root / "sensitivity.jsonl"
    if not place.is_file():
        return 0
    rows = []
    for line in place.read_bytes().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue  # cut short
    return sum(isinstance(row, dict) and "losses" in row for row in rows)
