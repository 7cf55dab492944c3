"""How far a run is: its stages, and the losses along the steps of a training."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from gancompress.report.html.plot import Plot, Point, Series, draw
from gancompress.report.html.source import LAST, STAGES, RunSource
from gancompress.report.units import duration

TRAININGS: Final = ("train", "distill", "finetune")
_MOST_POINTS: Final = 240


@dataclass(frozen=True)
class StageState:
    """Where one stage stands.

    Args:
        name: Its name.
        state: ``done``, ``begun`` or ``open``.
        detail: Time it took, or how far it is.
        share: How much of its steps is done, in [0, 1].
    """

    name: str
    state: str
    detail: str
    share: float


@dataclass(frozen=True)
class Curve:
    """The course of one loss.

    Args:
        name: The loss.
        first: Its first value.
        last: Its last one.
        plot: The picture.
    """

    name: str
    first: float
    last: float
    plot: Plot


@dataclass(frozen=True)
class Training:
    """The losses of one training.

    Args:
        stage: Its name.
        steps: Steps that were logged.
        curves: By loss.
        speed: Median of the pictures a second; None where none was logged.
    """

    stage: str
    steps: int
    curves: tuple[Curve, ...]
    speed: float | None


@dataclass
class _Progress:
    total: int | None = None
    step: int = 0
    finished: bool = False
    last: str = ""
    points: dict[int, Mapping[str, float]] = field(default_factory=dict)
    speeds: list[float] = field(default_factory=list)


def stage_states(source: RunSource) -> list[StageState]:
    """Say of each stage whether it is done, begun or open.

    Args:
        source: The run.
    """
    logged = _follow(source.events.rows)
    teacher_run = (source.root / "stages/train.json").is_file() or "train" in logged
    names = [
        name
        for name in (*STAGES, LAST)
        # A run either trains a teacher or compresses one; the sensitivity is measured on request.
        if _has_begun(source, name, logged) or not (teacher_run or name in {"train", "sensitivity"})
    ]
    return [_state(source, name, logged.get(name)) for name in names]


def last_heard(source: RunSource) -> str:
    """Return the time of the last event, to the second; empty where there is none.

    Args:
        source: The run.
    """
    times = (_time(row) for row in reversed(source.events.rows))
    return next((f"{x:%Y-%m-%d %H:%M:%S %Z}" for x in times if x is not None), "")


def trainings(source: RunSource) -> list[Training]:
    """Return the losses of every training that has logged some.

    Args:
        source: The run.
    """
    logged = _follow(source.events.rows)
    return [
        _training(name, logged[name])
        for name in TRAININGS
        if name in logged and any(logged[name].points.values())
    ]


def _has_begun(source: RunSource, name: str, logged: Mapping[str, _Progress]) -> bool:
    return name in logged or (source.root / f"stages/{name}.json").is_file()


def _state(source: RunSource, name: str, found: _Progress | None) -> StageState:
    place = source.root / f"stages/{name}.json"
    if place.is_file():
        try:
            summary = source.stage(name)
            seconds = None if summary is None else summary.number("seconds")
        except Exception:  # noqa: BLE001 - the section about the stage names what is wrong with it
            seconds = None
        return StageState(name, "done", "" if seconds is None else duration(seconds), 1.0)
    if found is None:
        return StageState(name, "open", "", 0.0)
    of = "" if found.total is None else f" of {found.total:,}"
    share = found.step / found.total if found.total else 0.0
    return StageState(name, "begun", f"{found.step:,}{of}", min(share, 1.0))


def _follow(rows: Iterable[Mapping[str, Any]]) -> dict[str, _Progress]:
    """Put together what the events say of each stage; a step that was done again counts once."""
    found: dict[str, _Progress] = {}
    for row in rows:
        name, kind = row.get("stage"), row.get("event")
        if not isinstance(name, str):
            continue
        if kind == "StageStarted":
            begun = found.setdefault(name, _Progress())
            begun.total, begun.step = _whole(row.get("total")), _whole(row.get("done")) or 0
            begun.points = {at: x for at, x in begun.points.items() if at <= begun.step}
        elif kind == "StageProgress" and (step := _whole(row.get("step"))) is not None:
            stage = found.setdefault(name, _Progress())
            stage.step = step
            stage.points[step] = _numbers(row.get("metrics"))
            speed = row.get("speed")
            if isinstance(speed, int | float):
                stage.speeds.append(float(speed))
    return found


def _training(name: str, found: _Progress) -> Training:
    losses: dict[str, list[tuple[float, float]]] = {}
    for step in sorted(found.points):
        for loss, value in found.points[step].items():
            losses.setdefault(loss, []).append((step, value))
    curves = tuple(
        Curve(loss, points[0][1], points[-1][1], _curve(loss, points))
        for loss, points in losses.items()
    )
    speeds = sorted(found.speeds)
    return Training(name, max(found.points), curves, speeds[len(speeds) // 2] if speeds else None)


def _curve(loss: str, points: list[tuple[float, float]]) -> Plot:
    line = Series(loss, tuple(thinned(points)))
    # One value makes no line.
    alone = [Point(*points[0], loss, "front")] if len(points) == 1 else []
    return draw([line], "step", "", points=alone, width=340, height=170, zero=True)


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average neighbours, so that a long training is as small a picture as a short one.

    Args:
        points: Any number, by step.
    """
    if len(points) <= _MOST_POINTS:
        return points
    edges = [i * len(points) // _MOST_POINTS for i in range(_MOST_POINTS + 1)]
    parts = [points[a:b] for a, b in pairwise(edges)]
    return [(part[-1][0], sum(y for _, y in part) / len(part)) for part in parts]


def _numbers(value: Any) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {
        name: float(x)
        for name, x in pairs
        if isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < float("inf")
    }


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(row: Mapping[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(row["time"])
    except (KeyError, TypeError, ValueError):
        return None
