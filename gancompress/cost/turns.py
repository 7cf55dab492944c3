"""Calls in turns, by a clock; needs nothing but Python, so that any process can run it."""

import time
from collections.abc import Callable, Mapping
from typing import Any


def time_in_turns(
    runners: Mapping[str, Callable[[], Any]],
    *,
    runs: int,
    warmup: int,
    synchronise: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time runners in turns, so that a slower or busier minute of the machine meets all of them.

    Each round calls every runner once, and each round starts with the next one, so that none
    always runs on another's warm caches.

    Args:
        runners: Functions without arguments, by name.
        runs: Timed calls of each.
        warmup: Calls of each before the clock counts.
        synchronise: Waits for the device; None for the CPU.
        clock: Gives seconds.

    Returns:
        Seconds of each call, by name.
    """
    names = list(runners)
    times: dict[str, list[float]] = {name: [] for name in names}
    wait = synchronise or (lambda: None)
    for round_ in range(warmup + runs):
        first = round_ % len(names) if names else 0
        for name in names[first:] + names[:first]:
            wait()
            start = clock()
            runners[name]()
            wait()
            if round_ >= warmup:
                times[name].append(clock() - start)
    return times
