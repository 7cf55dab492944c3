"""When a training has gone wrong: losses that are not finite, or that have exploded."""

import math
from collections import deque
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Final

WINDOW: Final = 200
"""Steps whose median a loss is compared with."""
NEEDED: Final = 50
"""Steps after which that median is trusted."""
ROW: Final = 5
"""Steps one after the other that make an explosion: a single bad batch is none."""


class Diverged(Exception):  # noqa: N818 - says what has happened, and never reaches the user
    """A step's losses, or what it left behind, cannot be gone on with.

    Args:
        reason: A sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Alarm:
    """Watches the losses of a training.

    The generator's total of ordinary GAN training moves within a small factor of its median;
    where every step draws another subnet it moves more. So the limit is far, it is compared with
    a median, which a few bad steps do not move, and it must be passed in `ROW` steps in a row.
    Steps beyond the limit do not count towards the median.

    Args:
        factor: How many times the median; None looks for values that are not finite alone.
        stage: Name for sentences.
    """

    def __init__(self, factor: float | None, stage: str) -> None:
        self.factor, self.stage = factor, stage
        self._totals: deque[float] = deque(maxlen=WINDOW)
        self._row = 0

    def check(self, step: int, losses: Mapping[str, float], total: float) -> None:
        """Look at the losses of a step.

        Args:
            step: Number of the step, from 1.
            losses: All losses by name.
            total: The sum of the generator's.

        Raises:
            Diverged: If one is not finite, or the total has exploded.
        """
        for name, value in losses.items():
            if not math.isfinite(value):
                raise Diverged(
                    f"the loss '{name}' of stage '{self.stage}' is {value} at step {step}"
                )
        usual = median(self._totals) if len(self._totals) >= NEEDED else 0.0
        # Adversarial totals may be negative, so it is their size that is compared.
        if self.factor is not None and usual and abs(total) > self.factor * usual:
            self._row += 1
        else:
            self._row = 0
            self._totals.append(abs(total))
        if self._row >= ROW:
            raise Diverged(
                f"the generator's loss of stage '{self.stage}' is {total:.3g} at step {step}, "
                f"and was about {usual:.3g} before"
            )

    @property
    def state(self) -> list[float]:
        """The totals that it remembers, and how many steps in a row are beyond the limit."""
        return [float(self._row), *self._totals]

    @state.setter
    def state(self, values: Iterable[float]) -> None:
        row, *totals = [*values] or [0.0]
        self._row = int(row)
        self._totals = deque(totals, maxlen=WINDOW)
