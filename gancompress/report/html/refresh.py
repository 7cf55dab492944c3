"""Keeps the report of a run that is being worked on fresh, and never in the way of the work."""

import time
from collections.abc import Callable
from typing import Final

from gancompress.events import RunEvent, StageFinished, StageProgress, StageStarted
from gancompress.report.html.page import REPORT, write_report
from gancompress.store import RunDirectory

_PAUSE: Final = 20.0  # seconds between two reports while a stage goes on
_MOST: Final = 0.02  # share of the time that reports may take


class Refresher:
    """Writes a run's ``report.html`` at the ends of its stages and now and then; an `Emit`.

    Only what this process works on is written: a run that it does not hold is left alone.

    Args:
        run: The run directory.
        warn: Told once in a sentence where the report cannot be written; the work goes on.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        run: RunDirectory,
        warn: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._warn, self._clock = run, warn, clock
        self._touched = self._warned = False
        self._written = self._took = 0.0

    def __call__(self, event: RunEvent) -> None:
        """Write the report where an event makes it worth it.

        Args:
            event: Any run event.
        """
        if not self._run.held:
            return
        self._touched = True
        ended = isinstance(event, StageFinished) and not event.skipped
        between = isinstance(event, StageStarted | StageProgress)
        if ended or (between and self._clock() - self._written >= self._pause):
            self.write()

    def close(self) -> None:
        """Write the last one, if anything was worked on."""
        if self._touched:
            self.write()

    def write(self) -> None:
        """Write the report, or say why that cannot be done."""
        began = self._clock()
        try:
            write_report([self._run.root], self._run.path(REPORT))
        except Exception as error:  # noqa: BLE001 - a view of the work must not end the work
            if not self._warned:
                first = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self._warn(f"the report is not written, and the work goes on: {first}")
            self._warned = True
        self._written = self._clock()
        self._took = self._written - began

    @property
    def _pause(self) -> float:
        return max(_PAUSE, self._took / _MOST) if self._written else 0.0
