from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gancompress.compress.stage import Stopwatch, require, seconds_spent, skip
from gancompress.errors import RunError
from gancompress.events import Notice, RunEvent, StageFinished
from gancompress.store import RunDirectory

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(seconds: float, kind: str, stage: str = "distill") -> dict[str, Any]:
    time = (START + timedelta(seconds=seconds)).isoformat()
    return {"time": time, "event": kind, "stage": stage}


@pytest.mark.parametrize(
    ("events", "seconds"),
    [
        ([], 0),
        ([event(0, "StageStarted")], 0),
        ([event(0, "StageStarted"), event(7, "StageProgress")], 7),
        # Killed at 7, begun again at 100 and killed at 105: the break does not count.
        (
            [
                event(0, "StageStarted"),
                event(7, "StageProgress"),
                event(8, "StageProgress", "search"),
                event(100, "StageStarted"),
                event(105, "StageProgress"),
            ],
            12,
        ),
        ([event(3, "Notice"), event(5, "StageStarted"), event(6, "StageProgress")], 1),
    ],
)
def test_time_is_added_up_over_processes(events: list[dict[str, Any]], seconds: float) -> None:
    assert seconds_spent(events, "distill") == seconds


def test_a_stopwatch_goes_on_and_begins_anew_where_the_stage_was_done(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.open({}):
        for entry in (event(0, "StageStarted"), event(50, "StageProgress")):
            run.log({key: value for key, value in entry.items() if key != "time"})
    told: list[RunEvent] = []
    earlier = seconds_spent(run.events(), "distill")
    Stopwatch(run, "distill").finish({"steps": 3}, told.append)
    summary = run.summary("distill")
    assert summary["steps"] == 3
    assert summary["seconds"] >= round(earlier, 1)
    assert [type(e) for e in told] == [StageFinished]
    Stopwatch(run, "distill").finish({})
    assert run.summary("distill")["seconds"] < 1


def test_skip_and_require(tmp_path: Path) -> None:
    run, told = RunDirectory(tmp_path), list[RunEvent]()
    assert not skip(run, "search", told.append)
    with pytest.raises(RunError, match="'finetune' goes on from 'search'") as caught:
        require(run, "finetune", "search")
    assert caught.value.hint == f"run `gancompress search {tmp_path}` first"
    run.finish_stage("search", {})
    place = tmp_path / "trials.json"
    assert not skip(run, "search", told.append)
    assert told == [Notice("search", f"'{place}' is missing: the stage is done again")]
    with pytest.raises(RunError, match=r"and '.*trials.json' is missing"):
        require(run, "finetune", "search")
    place.touch()
    require(run, "finetune", "search")
    assert skip(run, "search", told.append)
    assert told[1:] == [StageFinished("search", 0.0, skipped=True)]
