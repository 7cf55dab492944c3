"""What every stage does at its ends: ask for the ones before it, keep the time, say it is done."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gancompress.compress.records import read_summary
from gancompress.errors import RunError
from gancompress.events import Emit, Notice, StageFinished
from gancompress.store import RunDirectory

STAGES: Final = ("distill", "search", "finetune", "export", "evaluate", "bench")
# Without these a stage's summary is worth nothing; what an export wrote stands in its summary.
_PRODUCTS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("teacher/generator.safetensors", "teacher/discriminators.safetensors"),
    "distill": ("distill.safetensors", "distill-discriminators.safetensors"),
    "search": ("trials.json",),
    "sensitivity": ("sensitivity.json",),
    "finetune": ("model/model.json", "model/weights.safetensors"),
}


def is_done(run: RunDirectory, stage: str) -> bool:
    """Say whether a stage has finished, and what it wrote is there wherever it is still needed.

    Args:
        run: The run directory.
        stage: Name of the stage.
    """
    if not run.stage_done(stage):
        return False
    if stage == "distill" and is_done(run, "search") and is_done(run, "finetune"):
        return True  # nothing asks for the supernet any more
    return missing(run, stage) is None


def missing(run: RunDirectory, stage: str) -> Path | None:
    """Return the first file of a stage that is not there.

    Args:
        run: A run directory in which the stage has finished.
        stage: Name of the stage.
    """
    names: Iterable[str] = _PRODUCTS.get(stage, ())
    if stage == "export":
        names = (file["path"] for file in read_summary(run, stage)["files"].values())
    return next((run.path(name) for name in names if not run.path(name).is_file()), None)


def pending(run: RunDirectory, stages: Iterable[str]) -> tuple[str, ...]:
    """Return those of some stages that are not done.

    Args:
        run: The run directory.
        stages: Names of stages, in the order in which they are done.
    """
    return tuple(stage for stage in stages if not is_done(run, stage))


def require(run: RunDirectory, stage: str, *needed: str) -> None:
    """Make sure that the stages a stage builds on are done.

    Args:
        run: The run directory.
        stage: The stage that is about to begin.
        needed: Names of earlier ones.

    Raises:
        RunError: If one is not done; the hint is the command that does it.
    """
    for name in needed:
        if is_done(run, name):
            continue
        lacking = f", which is not done in '{run.root}'"
        if run.stage_done(name):
            lacking = f", and '{missing(run, name)}' is missing"
        raise RunError(
            f"'{stage}' goes on from '{name}'{lacking}", hint=f"run `{command(run, name)}` first"
        )


def command(run: RunDirectory, stage: str) -> str:
    """Return the command that does a stage.

    Args:
        run: The run directory.
        stage: Name of the stage.
    """
    return f"gancompress {stage} {'FAMILY --out ' if stage == 'distill' else ''}{run.root}"


def skip(run: RunDirectory, stage: str, emit: Emit) -> bool:
    """Say whether a stage is done already, and tell the observers if so, or what is missing.

    Args:
        run: The run directory.
        stage: Name of the stage.
        emit: Receives events.
    """
    done = is_done(run, stage)
    if done:
        emit(StageFinished(stage, 0.0, skipped=True))
    elif run.stage_done(stage):
        emit(Notice(stage, f"'{missing(run, stage)}' is missing: the stage is done again"))
    return done


class Stopwatch:
    """The wall-clock time of a stage, with that of earlier processes that were interrupted.

    Args:
        run: The run directory, whose events say how long those worked.
        stage: Name of the stage.
    """

    def __init__(self, run: RunDirectory, stage: str) -> None:
        self._run, self._stage = run, stage
        # A stage that is done and measured again, as a bench may be, begins its time anew.
        self._earlier = 0.0 if run.stage_done(stage) else seconds_spent(run.events(), stage)
        self._began = time.monotonic()

    def finish(self, summary: Mapping[str, Any], emit: Emit | None = None) -> None:
        """Record the stage as done; whatever it wrote must be on the disk.

        Args:
            summary: What later stages and the report want to know; ``seconds`` is added.
            emit: Told that the stage has finished; None where its loop has said so.
        """
        own = time.monotonic() - self._began
        seconds = round(self._earlier + own, 1)
        self._run.finish_stage(self._stage, {**summary, "seconds": seconds})
        if emit is not None:
            emit(StageFinished(self._stage, own))


def seconds_spent(events: Iterable[Mapping[str, Any]], stage: str) -> float:
    """Add up how long earlier processes worked on a stage.

    Args:
        events: Logged events, oldest first.
        stage: Name of the stage.

    Returns:
        Seconds from each start to the last event before the next start.
    """
    total = 0.0
    began = last = None
    for event in events:
        now = _time(event)
        if event.get("stage") != stage or now is None:
            continue
        if event.get("event") == "StageStarted":
            total += (last - began).total_seconds() if began and last else 0.0
            began = now
        last = now
    return total + ((last - began).total_seconds() if began and last else 0.0)


def _time(event: Mapping[str, Any]) -> datetime | None:
    try:
        when = datetime.fromisoformat(event["time"])
    except (KeyError, TypeError, ValueError):  # a line that somebody else has written
        return None
    return when if when.tzinfo is not None else None
