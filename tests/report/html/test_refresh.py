"""The report that follows a run, and never stands in its way."""

from pathlib import Path

import pytest

from gancompress.events import Notice, StageFinished, StageProgress, StageStarted
from gancompress.report import REPORT, Refresher
from gancompress.store import RunDirectory


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_is_written_at_the_ends_of_stages_and_now_and_then(tmp_path: Path, clock: Clock) -> None:
    run, said = RunDirectory(tmp_path / "run"), []
    refresh, page = Refresher(run, said.append, clock=clock), tmp_path / "run" / REPORT

    def written(event: object) -> bool:
        page.unlink(missing_ok=True)
        refresh(event)  # type: ignore[arg-type]
        return page.is_file()

    refresh(StageStarted("distill"))
    assert not page.parent.exists()
    with run.open({"family": "any"}):
        assert not written(Notice("distill", "text"))
        assert written(StageStarted("distill"))
        assert not written(StageProgress("distill", 1))
        clock.now += 21
        assert written(StageProgress("distill", 2))
        assert written(StageFinished("distill", 1.0))
        assert not written(StageFinished("search", 0.0, skipped=True))
    assert not written(StageFinished("distill", 1.0))
    refresh.close()
    assert page.is_file()
    assert said == []


def test_a_run_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.open({"family": "any"}):
        pass
    Refresher(run, pytest.fail).close()
    assert not run.path(REPORT).exists()


def test_the_work_goes_on_where_it_cannot_be_written(tmp_path: Path, clock: Clock) -> None:
    run, said = RunDirectory(tmp_path / "run"), []
    refresh = Refresher(run, said.append, clock=clock)
    with run.open({"family": "any"}):
        run.path(REPORT).mkdir()
        refresh(StageStarted("distill"))
        refresh(StageFinished("distill", 1.0))
    refresh.close()
    (sentence,) = said
    assert sentence.startswith("the report is not written, and the work goes on: ")
    assert REPORT in sentence
