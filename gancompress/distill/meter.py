"""Averages of losses between two reports, and how fast the training goes."""

import time
from collections.abc import Callable, Mapping
from typing import Any


class Meter:
    """Adds losses up; its state is in every checkpoint, so that a resumed run reports the same.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.last: dict[str, float] = {}
        self._sums: dict[str, float] = {}
        self._count = 0
        self._clock = clock
        self._since, self._step = clock(), 0

    def add(self, losses: Mapping[str, float]) -> None:
        """Take in the losses of a step."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def read(self) -> dict[str, float]:
        """Return the averages since the last reading, and begin anew."""
        self.last = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        return self.last

    def start(self, step: int) -> None:
        """Begin to take the time.

        Args:
            step: Steps taken so far.
        """
        self._since, self._step = self._clock(), step

    def speed(self, step: int, pictures: int) -> float | None:
        """Return pictures a second since the last call; None where no time has passed.

        Args:
            step: Steps taken so far.
            pictures: Pictures a step.
        """
        seconds, steps = self._clock() - self._since, step - self._step
        self.start(step)
        return steps * pictures / seconds if seconds > 0 else None

    @property
    def state(self) -> dict[str, Any]:
        """What has been added up, as JSON values."""
        return {"last": self.last, "sums": dict(self._sums), "count": self._count}

    @state.setter
    def state(self, values: Mapping[str, Any]) -> None:
        self.last = dict(values.get("last", {}))
        self._sums, self._count = dict(values.get("sums", {})), int(values.get("count", 0))
