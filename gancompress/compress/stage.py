"""What every stage does at its ends: ask for the ones before it, keep the time, say it is done."""

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from gancompress.errors import RunError
from gancompress.events import Emit, StageFinished
from gancompress.store import RunDirectory

STAGES: Final = ("distill", "search", "finetune", "export", "evaluate", "bench")


def pending(run: RunDirectory, stages: Iterable[str]) -> tuple[str, ...]:
    """Return those of some stages that are not done.

    Args:
        run: The run directory.
        stages: Names of stages, in the order in which they are done.
    """
    return tuple(stage for stage in stages if not run.stage_done(stage))


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
        if not run.stage_done(name):
            command = f"{name} FAMILY --out" if name == "distill" else name
            raise RunError(
                f"'{stage}' goes on from '{name}', which is not done in '{run.root}'",
                hint=f"run `gancompress {command} {run.root}` first",
            )


def skip(run: RunDirectory, stage: str, emit: Emit) -> bool:
    """Say whether a stage is done already, and tell the observers if so.

    Args:
        run: The run directory.
        stage: Name of the stage.
        emit: Receives events.
    """
    done = run.stage_done(stage)
    if done:
        emit(StageFinished(stage, 0.0, skipped=True))
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
        if event.get("stage") != stage:
            continue
        now = datetime.fromisoformat(event["time"])
        if event.get("event") == "StageStarted":
            total += (last - began).total_seconds() if began and last else 0.0
            began = now
        last = now
    return total + ((last - began).total_seconds() if began and last else 0.0)
