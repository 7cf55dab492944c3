import re
import sys
from io import StringIO

import pytest
from rich.console import Console

from gancompress.events import Notice, RunEvent, StageFinished, StageProgress, StageStarted
from gancompress.report import ProgressObserver


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def plain(interval: float = 10.0) -> tuple[ProgressObserver, StringIO, Clock]:
    sink, clock = StringIO(), Clock()
    console = Console(file=sink, force_terminal=False, width=40)
    return ProgressObserver(console, interval=interval, clock=clock), sink, clock


def terminal() -> tuple[ProgressObserver, StringIO]:
    sink = StringIO()
    console = Console(
        file=sink, force_terminal=True, width=80, legacy_windows=False, _environ={"TERM": "xterm"}
    )
    return ProgressObserver(console), sink


def without_codes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_plain_lines_come_once_in_a_while_with_metrics_and_time_left() -> None:
    observer, sink, clock = plain()
    with observer:
        observer(StageStarted("distill", total=100, done=20))
        for step in range(21, 61):
            clock.now += 1.0
            observer(StageProgress("distill", step, {"reconstruction": 0.0712, "gan": 1.5}))
        observer(Notice("distill", "the loss of [bold]point[/bold] 'model.4' was clipped at 1.0"))
        observer(StageFinished("distill", 123.0))
    assert sink.getvalue().splitlines() == [
        "distill: started (100 steps, 20 already done)",
        "distill: step 30/100, 1 min 10 s left, reconstruction 0.0712, gan 1.5",
        "distill: step 40/100, 1 min 0 s left, reconstruction 0.0712, gan 1.5",
        "distill: step 50/100, 50 s left, reconstruction 0.0712, gan 1.5",
        "distill: step 60/100, 40 s left, reconstruction 0.0712, gan 1.5",
        "distill: the loss of [bold]point[/bold] 'model.4' was clipped at 1.0",
        "distill: done in 2 min 3 s",
    ]
    assert "\x1b" not in sink.getvalue()
    assert "\r" not in sink.getvalue()


def test_a_training_says_how_fast_it_goes() -> None:
    observer, sink, _ = plain(interval=0.0)
    observer(StageProgress("train", 3, {"gan": 1.0}, 51.26))
    assert sink.getvalue().splitlines()[-1] == "train: step 3, 51.3 images/s, gan 1"


def test_plain_lines_of_a_stage_of_unknown_length_and_of_a_skipped_one() -> None:
    observer, sink, clock = plain(interval=0.0)
    observer(StageStarted("search"))
    clock.now = 5
    observer(StageProgress("search", 3))
    observer(StageFinished("train", 0.0, skipped=True))
    assert sink.getvalue().splitlines() == [
        "search: started",
        "search: step 3",
        "train: already done",
    ]


def test_progress_without_a_start_is_shown() -> None:
    observer, sink, _ = plain(interval=0.0)
    observer(StageProgress("plugin", 1, {"loss": 2.0}))
    assert "plugin: step 1, loss 2" in sink.getvalue()


def test_a_step_that_went_back_gives_no_negative_time() -> None:
    observer, sink, clock = plain(interval=0.0)
    observer(StageStarted("train", total=10, done=5))
    clock.now = 1
    observer(StageProgress("train", 4))
    observer(StageProgress("train", 12))
    assert sink.getvalue().splitlines()[1:] == [
        "train: step 4/10",
        "train: step 12/10, 0.0 s left",
    ]


def test_bars_on_a_terminal() -> None:
    observer, sink = terminal()
    with observer:
        observer(StageStarted("distill", total=100))
        observer(StageProgress("distill", 40, {"recon[x]": 0.5}))
        assert observer._bars is not None
        observer._bars.refresh()
        shown = without_codes(sink.getvalue())
        assert "40/100" in shown
        assert "recon[x] 0.5" in shown
        observer(Notice("distill", "model.1 is frozen"))
        observer(StageFinished("distill", 5.0))
        assert observer._bars.tasks == []
    text = sink.getvalue()
    shown = without_codes(text)
    assert "distill: model.1 is frozen" in shown
    assert "distill: done in 5.0 s" in shown
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back


def test_bars_fit_the_terminal_however_many_metrics() -> None:
    observer, sink = terminal()
    with observer:
        observer(StageStarted("distill", total=20_000))
        observer(StageProgress("distill", 12_345, {f"metric_{i}": i / 7 for i in range(20)}))
        assert observer._bars is not None
        observer._bars.refresh()
    lines = re.split(r"[\r\n]", without_codes(sink.getvalue()))
    assert max(map(len, lines)) <= 80
    assert any("12345/20000" in line and "…" in line for line in lines)


def test_stages_follow_one_another_and_a_restart_replaces_its_bar() -> None:
    observer, _ = terminal()
    with observer:
        observer(StageStarted("train", total=10))
        observer(StageStarted("train", total=20, done=3))
        observer(StageStarted("search", total=5))
        assert observer._bars is not None
        assert [(t.description, t.total) for t in observer._bars.tasks] == [
            ("train", 20),
            ("search", 5),
        ]


def test_the_terminal_is_put_back_after_an_error_and_stdout_is_left_alone() -> None:
    observer, sink = terminal()
    before = sys.stdout

    def fail() -> None:
        with observer:
            observer(StageStarted("train", total=10))
            assert sys.stdout is before
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert sink.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in sink.getvalue()
    observer.close()


EVENTS: list[RunEvent] = [
    StageStarted("train", total=3),
    StageProgress("train", 1, {"loss": 1.0}),
    Notice("train", "something"),
    StageFinished("train", 1.0),
]


def test_quiet_shows_nothing() -> None:
    sink = StringIO()
    with ProgressObserver(Console(file=sink, force_terminal=True), quiet=True) as observer:
        for event in EVENTS:
            observer(event)
    assert sink.getvalue() == ""


def test_it_writes_to_stderr_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressObserver() as observer:
        for event in EVENTS:
            observer(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "train: done in 1.0 s" in captured.err
