"""Latency of several runners, measured in turns."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gancompress.cost.turns import time_in_turns
from gancompress.errors import ConfigError


@dataclass(frozen=True)
class Latency:
    """Percentiles of the wall-clock time of one call.

    Args:
        p50: Median, in milliseconds.
        p90: 90th percentile, in milliseconds.
        p99: 99th percentile, in milliseconds.
    """

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Take the percentiles of single calls.

        Args:
            seconds: Of each call; at least one.
        """
        p50, p90, p99 = np.percentile([1000 * value for value in seconds], [50, 90, 99])
        return cls(p50=float(p50), p90=float(p90), p99=float(p99))


def measure_latency_in_turns(
    runners: Mapping[str, Callable[[], Any]],
    *,
    runs: int = 50,
    warmup: int = 5,
    synchronise: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Time runners in turns and take percentiles; see `gancompress.cost.turns.time_in_turns`.

    Args:
        runners: Functions without arguments, by name.
        runs: Timed calls of each.
        warmup: Calls of each before the clock counts.
        synchronise: Waits for the device, such as ``torch.cuda.synchronize``; None for the CPU.
        clock: Gives seconds.

    Returns:
        Percentiles in milliseconds, by name.

    Raises:
        ConfigError: If ``runs`` is not positive or ``warmup`` is negative.
    """
    if runs < 1 or warmup < 0:
        raise ConfigError(
            f"'runs={runs}, warmup={warmup}' cannot be used", hint="give at least one run"
        )
    times = time_in_turns(runners, runs=runs, warmup=warmup, synchronise=synchronise, clock=clock)
    return {name: Latency.of(values) for name, values in times.items()}


def measure_latency_against(
    runner: Callable[[], Any],
    reference: Callable[[], Any],
    *,
    reference_ms: float,
    runs: int = 20,
    warmup: int = 3,
) -> float:
    """Time a runner in turns with a reference whose own time is known.

    What slows the machine down meanwhile slows both down, so their ratio is what counts.

    Args:
        runner: Function without arguments.
        reference: Another, which is always the same.
        reference_ms: Milliseconds of the reference, measured once.
        runs: Timed calls of each.
        warmup: Calls of each before the clock counts.

    Returns:
        Median milliseconds of the runner, at the speed that the machine had when the reference was
        measured.

    Raises:
        ConfigError: As `measure_latency_in_turns`.
    """
    found = measure_latency_in_turns(
        {"runner": runner, "reference": reference}, runs=runs, warmup=warmup
    )
    return reference_ms * found["runner"].p50 / found["reference"].p50
