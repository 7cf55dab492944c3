from dataclasses import FrozenInstanceError, is_dataclass
from typing import get_args

import pytest

from gancompress.events import (
    Emit,
    Notice,
    RunEvent,
    StageFinished,
    StageProgress,
    StageStarted,
    discard,
)

EVENTS: list[RunEvent] = [
    StageStarted("train", total=10),
    StageProgress("train", 5, {"l1": 0.1}),
    StageFinished("train", seconds=1.5),
    Notice("train", "the norm was calibrated"),
]


def test_the_examples_are_all_the_kinds() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(RunEvent))
    assert all(is_dataclass(event) for event in EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_events_are_values(event: RunEvent) -> None:
    with pytest.raises(FrozenInstanceError):
        event.stage = "other"  # type: ignore[misc]
    assert event == type(event)(**vars(event))


def test_the_defaults_are_those_of_a_fresh_stage() -> None:
    assert (StageStarted("a").total, StageStarted("a").done) == (None, 0)
    assert StageProgress("a", 1).metrics == {}
    assert not StageFinished("a", 0.0).skipped


def test_discard_takes_every_event() -> None:
    emit: Emit = discard
    for event in EVENTS:
        emit(event)
