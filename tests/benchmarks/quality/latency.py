"""Time the models that `run.py` has kept, each as an exported file; for an idle machine.

Run it with: python tests/benchmarks/quality/run.py --latency

A model is written for every runtime that is here and timed in turns with its teacher in the same
runtime, one picture at a time. The best one counts. What is done is appended to a file of JSON
lines, and a second call goes on.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from benchmarks.quality.protocol import TEACHER, Key, Row, append_row, read_rows
from benchmarks.quality.work import Work
from torch import nn

import gancompress
from gancompress.cost import measure_latency_in_turns
from gancompress.errors import GancompressError
from gancompress.export import CompressedModel, export, find_target

LATENCIES: Final = "latency.jsonl"
RUNTIMES: Final = ("onnx", "openvino")
RUNS: Final = 50


def model_folder(out: Path, work: Work, key: Key) -> Path:
    """Return where the net of a run is kept.

    Args:
        out: Where results are.
        work: The work.
        key: The run.
    """
    return out / "models" / work.protocol / key.folder


def time_models(
    out: Path, works: Mapping[str, Work], keys: Iterable[Key], threads: int, runs: int = RUNS
) -> None:
    """Time what has not been timed yet.

    Args:
        out: Where results are.
        works: The works by name.
        keys: Runs; those without a model are left out.
        threads: Threads of every runtime.
        runs: Timed calls of each file.
    """
    done = {Key.of(row) for row in _lines(out, works, threads)}
    with tempfile.TemporaryDirectory() as folder:
        timer = _Timer(Path(folder), threads, runs)
        for key in keys:
            work = works[key.family]
            place = model_folder(out, work, key)
            if key in done or not place.is_dir():
                continue
            net = CompressedModel.load(place).module
            times = {name: timer.time(work, net, name) for name in RUNTIMES}
            values = {"protocol": work.protocol, "threads": threads, "milliseconds": times}
            append_row(out / LATENCIES, key, values)


def read_latencies(out: Path, rows: Sequence[Row]) -> dict[Key, float]:
    """Return the milliseconds of each model's best export.

    Args:
        out: Where results are.
        rows: The results that count.
    """
    protocols = {Key.of(row): row["protocol"] for row in rows}
    found: dict[Key, float] = {}
    for row in read_rows(out / LATENCIES):
        key = Key.of(row)
        times = [one["model"] for one in row["milliseconds"].values() if one]
        if protocols.get(key) == row["protocol"] and times:
            found[key] = min(times)
    return found


def _lines(out: Path, works: Mapping[str, Work], threads: int) -> list[Row]:
    return [
        row
        for row in read_rows(out / LATENCIES)
        if row["family"] in works
        and row["protocol"] == works[row["family"]].protocol
        and row["threads"] == threads
    ]


class _Timer:
    """Times nets in turns with their teachers, whose files are written once."""

    def __init__(self, folder: Path, threads: int, runs: int) -> None:
        self._folder, self._threads, self._runs = folder, threads, runs
        self._teachers: dict[tuple[str, str], Callable[[], Any]] = {}

    def time(self, work: Work, net: nn.Module, runtime: str) -> dict[str, float] | None:
        """Return both medians; None where the runtime cannot have one of the nets."""
        which = (work.spec.name, runtime)
        try:
            if which not in self._teachers:
                self._teachers[which] = self._runner(work, work.folded.module, runtime, "teacher")
            model = self._runner(work, net, runtime, "model")
        except GancompressError as error:
            sys.stderr.write(f"{work.spec.name} in {runtime}: {error.message}\n")
            return None
        runners = {"model": model, TEACHER: self._teachers[which]}
        with torch.inference_mode():
            found = measure_latency_in_turns(runners, runs=self._runs)
        return {name: latency.p50 for name, latency in found.items()}

    def _runner(self, work: Work, net: nn.Module, runtime: str, name: str) -> Callable[[], Any]:
        inputs = tuple(x[:1] for x in work.judge.batches[0].inputs)
        # A name of its own for each file: one that is open must not be written again.
        place = Path(tempfile.mkdtemp(dir=self._folder)) / find_target(runtime).file_name(name)
        export(net, place, runtime, inputs=inputs)
        opened = gancompress.load(place, trust=True, threads=self._threads)
        return lambda: opened(*inputs)
