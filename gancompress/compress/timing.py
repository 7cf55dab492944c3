"""Milliseconds of a subnet on a named target, measured while a search goes on."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import nn

from gancompress.compress.prepare import Project
from gancompress.cost import measure_latency_against
from gancompress.errors import ExportError, GancompressError, RunError
from gancompress.export import ExportTarget, Wanted, clean_up, find_target
from gancompress.store import RunDirectory, read_json, write_json

EAGER: Final = "torch"
RUNS: Final = 20
_FILE: Final = "latency.json"


class SubnetTimer:
    """Times subnets on one picture, each in turns with the teacher on the same target.

    Args:
        project: Gives the teacher, the inputs and the target's name.
        teacher_ms: The teacher's own median, measured before; None measures it.

    Attributes:
        teacher_ms: The same.
    """

    def __init__(self, project: Project, teacher_ms: float | None = None) -> None:
        on = project.config.search.on
        self._target = None if on == EAGER else find_target(on, project.targets)
        self._teacher = project.teacher.module.eval()
        self._inputs: tuple[Any, ...] = project.teacher.example_inputs
        if teacher_ms is None:
            with self._running(self._teacher) as run:
                teacher_ms = _median(run)
        self.teacher_ms = teacher_ms

    def __call__(self, net: nn.Module) -> float:
        """Time a subnet.

        Args:
            net: In eval mode.

        Returns:
            Median milliseconds, at the speed that the machine had when the teacher was timed.

        Raises:
            ExportError: If the target cannot run it.
        """
        with self._running(net) as run, self._running(self._teacher) as reference:
            return measure_latency_against(run, reference, reference_ms=self.teacher_ms, runs=RUNS)

    @contextmanager
    def _running(self, net: nn.Module) -> Iterator[Callable[[], Any]]:
        if self._target is None:
            with torch.inference_mode():
                yield lambda: net(*self._inputs)
            return
        with TemporaryDirectory() as folder:
            place = Path(folder) / self._target.file_name("subnet")
            yield _written(self._target, net, place, self._inputs)


def subnet_timer(run: RunDirectory, project: Project) -> SubnetTimer:
    """Return what times subnets, with the teacher's time that the run has found before.

    Args:
        run: An open run directory; ``latency.json`` is written.
        project: Gives the teacher and the settings.

    Raises:
        RunError: If the file is damaged.
    """
    place, on = run.path(_FILE), project.config.search.on
    if place.is_file():
        known = read_json(place, hint="remove it, and the teacher is timed again")
        if isinstance(known, Mapping) and known.get("on") == on:
            return SubnetTimer(project, _positive(known.get("teacher_ms"), place))
    timer = SubnetTimer(project)
    write_json(place, {"on": on, "teacher_ms": timer.teacher_ms})
    return timer


def _written(
    target: ExportTarget, net: nn.Module, place: Path, inputs: tuple[Any, ...]
) -> Callable[[], Any]:
    """Write a network, and return what runs the file."""
    try:
        # Cleaned up as an export is, so that it is the file's own time.
        ready = clean_up(net, inputs).module if target.cleans else net
        run = target.load(place, "cpu", target.write(ready, place, inputs, Wanted()))
        arrays = [x.numpy() for x in inputs]
        run(arrays)
    except GancompressError:
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise ExportError(
            f"target '{target.name}' cannot run a subnet: {type(error).__name__}: {first}",
            hint="limit the latency on another target, such as --on torch",
        ) from error
    return lambda: run(arrays)


def _positive(value: Any, place: Path) -> float:
    if isinstance(value, (int, float)) and math.isfinite(value) and value > 0:
        return float(value)
    raise RunError(
        f"'{place}' is damaged: 'teacher_ms' is '{value}'",
        hint="remove it, and the teacher is timed again",
    )


def _median(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(3 + RUNS):
        began = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[3:])
