"""Latency in turns, with a clock of our own."""

import pytest

from gancompress.cost import measure_latency_in_turns
from gancompress.errors import ConfigError


class Clock:
    """Time passes only where a runner says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def runner(self, name: str, *milliseconds: float) -> object:
        left = list(milliseconds)

        def run() -> None:
            self.calls.append(name)
            self.now += (left.pop(0) if len(left) > 1 else left[0]) / 1000

        return run


def test_percentiles_leave_the_warmup_out() -> None:
    clock = Clock()
    runners = {"a": clock.runner("a", 1000, *range(1, 101)), "b": clock.runner("b", 5)}
    found = measure_latency_in_turns(
        runners,  # type: ignore[arg-type]
        runs=100,
        warmup=1,
        clock=lambda: clock.now,
    )
    assert found["a"].p50 == pytest.approx(50.5)
    assert found["a"].p90 == pytest.approx(90.1)
    assert found["a"].p99 == pytest.approx(99.01)
    assert found["b"].p50 == found["b"].p99 == pytest.approx(5)


def test_turns_rotate() -> None:
    clock = Clock()
    runners = {name: clock.runner(name, 1) for name in "abc"}
    waits: list[int] = []
    measure_latency_in_turns(
        runners,  # type: ignore[arg-type]
        runs=3,
        warmup=0,
        synchronise=lambda: waits.append(1),
        clock=lambda: clock.now,
    )
    assert "".join(clock.calls) == "abcbcacab"
    assert len(waits) == 2 * 9


def test_a_real_clock_and_no_runners() -> None:
    assert measure_latency_in_turns({"a": lambda: None}, runs=2)["a"].p50 >= 0
    assert measure_latency_in_turns({}, runs=2) == {}


@pytest.mark.parametrize(("runs", "warmup"), [(0, 1), (1, -1)])
def test_no_runs_is_a_mistake(runs: int, warmup: int) -> None:
    with pytest.raises(ConfigError, match=f"runs={runs}"):
        measure_latency_in_turns({}, runs=runs, warmup=warmup)
