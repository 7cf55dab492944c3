"""What happens during a run, as values: the loop emits them, faces and plugins observe them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class StageStarted:
    """A stage of the pipeline begins.

    Args:
        stage: Name such as ``distill``.
        total: Number of steps (or trials) that the stage will take; None where it is not known.
        done: Steps that an earlier, interrupted run has already taken.
    """

    stage: str
    total: int | None = None
    done: int = 0


@dataclass(frozen=True)
class StageProgress:
    """A stage took some steps.

    Args:
        stage: Name of the stage.
        step: Steps taken so far, counted from 1.
        metrics: Averages since the last event, such as ``{"reconstruction": 0.07}``.
        speed: Pictures a second since the last event; None where that says nothing.
    """

    stage: str
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    speed: float | None = None


@dataclass(frozen=True)
class StageFinished:
    """A stage ended well.

    Args:
        stage: Name of the stage.
        seconds: Wall-clock seconds that this process spent on it.
        skipped: Whether an earlier run had already finished it.
    """

    stage: str
    seconds: float
    skipped: bool = False


@dataclass(frozen=True)
class Notice:
    """Something that the user should read: what was frozen, clipped, skipped or calibrated.

    Args:
        stage: Name of the stage it concerns.
        text: One sentence.
    """

    stage: str
    text: str


RunEvent: TypeAlias = StageStarted | StageProgress | StageFinished | Notice
Emit: TypeAlias = Callable[[RunEvent], None]


def discard(event: RunEvent) -> None:
    """Take an event and do nothing: the default of every function that emits."""
    del event
