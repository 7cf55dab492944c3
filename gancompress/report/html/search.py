"""The search as a plot of MACs and score, and the check of its ranking."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

from gancompress.errors import RunError
from gancompress.report.html.plot import Plot, Point, Series, draw
from gancompress.report.html.record import HINT, Record
from gancompress.report.html.source import RunSource
from gancompress.report.units import count, figure

_STORAGE: Final = "search.sqlite3"
# What the search writes beside each trial, in Optuna's storage.
_TRIALS: Final = (
    "SELECT value_json FROM trial_user_attributes "
    "JOIN trials USING (trial_id) WHERE key = 'trial' AND state = 'COMPLETE'"
)
_LIMITS: Final = {
    "macs": "MACs",
    "params": "parameters",
    "macs_published": "published MACs",
    "memory": "activation memory",
    "latency_ms": "latency in ms",
}


@dataclass(frozen=True)
class Trial:
    """A scored subnet.

    Args:
        number: Its number.
        macs: True MACs.
        params: Parameters; None where unknown.
        latency_ms: Median milliseconds; None where it was not timed.
        score: Lower is better; None where it is no number.
        widths: By group.
        best: Whether it is the best.
        front: Whether no other is better in both.
    """

    number: int
    macs: int
    params: int | None
    latency_ms: float | None
    score: float | None
    widths: Mapping[str, int]
    best: bool = False
    front: bool = False

    @property
    def label(self) -> str:
        """What it is, in words."""
        parts = [f"{'best, ' if self.best else ''}subnet {self.number}", f"{count(self.macs)} MACs"]
        parts += [] if self.params is None else [f"{count(self.params)} parameters"]
        parts += [] if self.latency_ms is None else [f"{figure(self.latency_ms, 2)} ms"]
        parts += [] if self.score is None else [f"score {self.score:.4g}"]
        return " · ".join([*parts, f"widths {self.shape}"])

    @property
    def shape(self) -> str:
        """Its widths in the order of the net."""
        return "-".join(map(str, self.widths.values()))


@dataclass(frozen=True)
class Search:
    """What a search has found.

    Args:
        trials: Every subnet, best first.
        metric: What they are scored by.
        facts: How it was searched, as pairs of name and text.
        plots: Wide and narrow.
        finished: Whether the search is done.
        unscored: Subnets whose score is no number, which the plot leaves out.
    """

    trials: tuple[Trial, ...]
    metric: str
    facts: tuple[tuple[str, str], ...]
    plots: tuple[Plot, Plot]
    finished: bool
    unscored: int

    @property
    def front(self) -> list[Trial]:
        """Those that no other one beats in both, by MACs."""
        return sorted((t for t in self.trials if t.front), key=lambda t: t.macs)


@dataclass(frozen=True)
class Ranking:
    """Whether the search's ranking holds after fine-tuning.

    Args:
        rows: Number, MACs, score, and score after fine-tuning.
        steps: Steps of each fine-tuning.
        tau: Kendall's τ; None where nothing is ordered.
        p_value: Of τ.
        plots: Wide and narrow.
    """

    rows: tuple[tuple[int, str, str, str], ...]
    steps: int
    tau: float | None
    p_value: float | None
    plots: tuple[Plot, Plot]


def search(source: RunSource) -> Search | None:
    """Read the subnets that were scored so far.

    Args:
        source: The run.

    Returns:
        The search; None where no subnet is scored yet.

    Raises:
        RunError: If a file is damaged.
    """
    finished = source.record("trials.json")
    found = stored(source) if finished is None else [*map(_trial, finished.items("trials"))]
    if not found:
        return None
    trials = judged(found, None if finished is None else finished.count("best"))
    score = source.record("score.json")
    metric = "score" if score is None else score.text("metric") or "score"
    config = source.record("config.json")
    scored = [t for t in trials if t.score is not None]
    return Search(
        tuple(trials),
        metric,
        tuple(_facts(config, len(trials))),
        (_pareto(scored, metric, 720, 380), _pareto(scored, metric, 350, 330)),
        finished is not None,
        len(trials) - len(scored),
    )


def ranking(source: RunSource) -> Ranking | None:
    """Read the check of the ranking.

    Args:
        source: The run.

    Returns:
        The check; None where none was asked for.

    Raises:
        RunError: If the file is damaged.
    """
    record = source.record("ranking.json")
    if record is None:
        return None
    rows, points = [], []
    for one in record.items("subnets"):
        number, macs = one.need_count("number"), one.need_count("macs")
        before, after = one.number("score"), one.number("finetuned")
        if before is None or after is None:
            continue
        rows.append((number, count(macs), f"{before:.4g}", f"{after:.4g}"))
        text = f"subnet {number} · {count(macs)} MACs · score {before:.4g} · tuned {after:.4g}"
        points.append(Point(before, after, text, "front"))
    labels = ("score with shared weights", "score after fine-tuning")
    wide, narrow = (
        draw([], *labels, points=points, width=w, height=h) for w, h in ((560, 320), (350, 300))
    )
    return Ranking(
        tuple(rows),
        record.need_count("steps"),
        record.number("kendall_tau"),
        record.number("p_value"),
        (wide, narrow),
    )


def judged(trials: Iterable[Trial], best: int | None = None) -> list[Trial]:
    """Find the front and the best one, and put the best first.

    Args:
        trials: Scored subnets.
        best: Number of the best one; None takes the lowest score.
    """
    ordered = sorted(trials, key=lambda t: (t.score is None, t.score or 0.0, t.macs, t.number))
    if best is None and ordered and ordered[0].score is not None:
        best = ordered[0].number
    front, least = set(), float("inf")
    for one in sorted(ordered, key=lambda t: (t.macs, t.score is None, t.score or 0.0)):
        if one.score is not None and one.score < least:
            front.add(one.number)
            least = one.score
    return [
        Trial(
            t.number, t.macs, t.params, t.latency_ms, t.score, t.widths,
            best=t.number == best, front=t.number in front,
        )
        for t in ordered
    ]  # fmt: skip


def stored(source: RunSource) -> list[Trial]:
    """Read the trials of a search that is not finished, from its storage.

    Args:
        source: The run.

    Raises:
        RunError: If the storage is damaged.
    """
    place = source.root / _STORAGE
    if not place.is_file():
        return []
    try:
        # Read only, and without a lock that would stop the search.
        address = f"{place.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=0.5)) as opened:
            texts = [row[0] for row in opened.execute(_TRIALS)]
        values = [json.loads(text) for text in texts]
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "no such table" in str(error):
            return []  # it is being written at this moment: the next look sees it
        raise RunError(f"'{place}' is damaged: {error}", hint=HINT) from None
    except (sqlite3.DatabaseError, ValueError) as error:
        raise RunError(f"'{place}' is damaged: {error}", hint=HINT) from None
    return [_trial(Record(_scored(value), str(place))) for value in values]


def _scored(value: Any) -> Any:
    """Turn the score, which travels as text there, into a number; infinity is none."""
    if isinstance(value, dict) and isinstance(value.get("score"), str):
        try:
            return {**value, "score": float(value["score"])}
        except ValueError:
            return value
    return value


def _trial(found: Record) -> Trial:
    return Trial(
        found.need_count("number"),
        found.need_count("cost", "macs"),
        found.count("cost", "params"),
        found.number("cost", "latency_ms"),
        found.number("score"),
        found.counts("widths"),
    )


def _pareto(trials: Sequence[Trial], metric: str, width: int, height: int) -> Plot:
    front = sorted((t.macs, t.score or 0.0) for t in trials if t.front)
    edge = Series("Pareto front", tuple((float(x), y) for x, y in front), "edge", stepped=True)
    points = [
        Point(
            float(t.macs),
            t.score or 0.0,
            t.label,
            "best" if t.best else "front" if t.front else "other",
        )
        for t in sorted(trials, key=lambda t: (t.best, t.front))
    ]
    labels = ("MACs of one picture", f"{metric}, lower is better")
    return draw([edge], *labels, points=points, width=width, height=height)


def _facts(config: Record | None, trials: int) -> Iterator[tuple[str, str]]:
    yield "subnets scored", f"{trials:,}"
    if config is None:
        return
    for key, name in _LIMITS.items():
        limit = config.at("search", key)
        if limit is not None:
            yield f"limit of {name}", str(limit.value)
    for key, name in (("sampler", "sampler"), ("pictures", "validation pictures")):
        value = config.at("search", key)
        if value is not None:
            yield name, str(value.value)
