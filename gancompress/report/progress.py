"""Progress of a run, on stderr: bars on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from gancompress.events import Notice, RunEvent, StageFinished, StageProgress, StageStarted
from gancompress.report.units import duration


@dataclass
class _Stage:
    total: int | None
    done: int
    step: int
    since: float
    printed: float
    task: TaskID | None = None


class ProgressObserver:
    """Shows run events to a person; an `Emit`, and a context manager that puts the terminal back.

    Args:
        console: Where to write; by default stderr, so that stdout carries only results.
        quiet: Whether to show nothing at all.
        interval: Seconds between two plain lines of a stage, where there is no terminal.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        quiet: bool = False,
        interval: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._quiet = quiet
        self._interval = interval
        self._clock = clock
        self._stages: dict[str, _Stage] = {}
        self._bars: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bars away and show the cursor again; doing so twice does no harm."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._stages.clear()

    def __call__(self, event: RunEvent) -> None:
        """Show one event.

        Args:
            event: Any run event.
        """
        if self._quiet:
            return
        match event:
            case StageStarted():
                self._start(event)
            case StageProgress():
                self._advance(event)
            case StageFinished():
                self._finish(event)
            case Notice():
                self._say(f"{event.stage}: {event.text}")

    def _start(self, event: StageStarted) -> None:
        now = self._clock()
        self._forget(event.stage)
        stage = _Stage(event.total, event.done, event.done, since=now, printed=now)
        self._stages[event.stage] = stage
        if self._console.is_interactive:
            stage.task = self._open_bars().add_task(
                event.stage, total=event.total, completed=event.done, metrics=""
            )
            return
        resumed = f", {event.done} already done" if event.done else ""
        steps = "" if event.total is None else f" ({event.total} steps{resumed})"
        self._say(f"{event.stage}: started{steps}")

    def _advance(self, event: StageProgress) -> None:
        if event.stage not in self._stages:  # a plugin may report without having begun
            self._start(StageStarted(event.stage))
        stage = self._stages[event.stage]
        stage.step = event.step
        if self._bars is not None and stage.task is not None:
            self._bars.update(stage.task, completed=event.step, metrics=_metrics(event))
            return
        now = self._clock()
        if now - stage.printed >= self._interval:
            stage.printed = now
            self._say(_line(event, stage, now))

    def _finish(self, event: StageFinished) -> None:
        self._forget(event.stage)
        end = "already done" if event.skipped else f"done in {duration(event.seconds)}"
        self._say(f"{event.stage}: {end}")

    def _forget(self, name: str) -> None:
        stage = self._stages.pop(name, None)
        if stage is not None and stage.task is not None and self._bars is not None:
            self._bars.remove_task(stage.task)

    def _open_bars(self) -> Progress:
        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=16),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True),
                TextColumn(
                    "{task.fields[metrics]}",
                    markup=False,
                    table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
                ),
                console=self._console,
                expand=True,
                transient=True,
                redirect_stdout=False,  # what goes to stdout is a result and stays there
            )
            self._bars.start()
        return self._bars

    def _say(self, text: str) -> None:
        # Text and soft wrap: names in brackets are no markup, and a log line stays one line.
        # While bars are shown, rich prints above them.
        self._console.print(Text(text), soft_wrap=True)


def _line(event: StageProgress, stage: _Stage, now: float) -> str:
    of = "" if stage.total is None else f"/{stage.total}"
    parts = [f"{event.stage}: step {event.step}{of}"]
    taken = stage.step - stage.done
    if stage.total is not None and taken > 0:
        left = max(stage.total - stage.step, 0) * (now - stage.since) / taken
        parts.append(f"{duration(left)} left")
    shown = _metrics(event)
    return ", ".join([*parts, shown] if shown else parts)


def _metrics(event: StageProgress) -> str:
    speed = [] if event.speed is None else [f"{event.speed:.3g} images/s"]
    return ", ".join([*speed, *(f"{name} {value:.4g}" for name, value in event.metrics.items())])
