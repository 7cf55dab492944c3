"""Before and after in one table: each runtime in a fresh process, the nets in turns in it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from gancompress.bench.energy import Counters, find_counters
from gancompress.bench.runtimes import COMPILED, EAGER, Runtime
from gancompress.bench.settings import Settings
from gancompress.bench.subject import Subject, check_alike, check_batches
from gancompress.cost import Latency
from gancompress.errors import ExportError, GancompressError
from gancompress.events import Emit, Notice, StageProgress, StageStarted, discard
from gancompress.export import ExportTarget, export

_HERE: Final = Path(__file__).parent
_PLAYER: Final = _HERE / "saved_model.py"
_TURNS: Final = _HERE.parent / "cost" / "turns.py"
# What a process imports before it measures the memory of a net.
_MODULES: Final[Mapping[str, str]] = {
    "saved_model": "gancompress.export",
    "onnx_file": "onnxruntime",
    "openvino_file": "openvino",
    "executorch_file": "executorch.runtime",
}
_NO_LIMIT: Final = 1.0  # dB


@dataclass(frozen=True, eq=False)
class Pictures:
    """What networks are written with, where a runtime wants a file.

    Args:
        inputs: Compared on; none takes random ones, on which quality means nothing.
        calibration: Inputs that ``int8`` is fitted to; none takes `inputs`.
        min_psnr: Smallest PSNR of what is no ``fp32``, in dB.
    """

    inputs: tuple[Tensor, ...] | None = None
    calibration: Sequence[tuple[Tensor, ...]] = ()
    min_psnr: float = _NO_LIMIT


@dataclass(frozen=True)
class _Run:
    """A subject in a runtime, ready to be timed."""

    subject: Subject
    file: Path
    player: Path
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]


def compare(
    subjects: Sequence[Subject],
    runtimes: Sequence[Runtime] | None = None,
    settings: Settings | None = None,
    *,
    pictures: Pictures | None = None,
    targets: Sequence[ExportTarget] = (),
    missing: Sequence[str] = (),
    counters: Counters | None = None,
    emit: Emit = discard,
) -> dict[str, Any]:
    """Time generators.

    Args:
        subjects: The one before first; names differ.
        runtimes: What runs networks; None takes PyTorch as it is. A file has its own.
        settings: Threads, batch sizes, runs.
        pictures: What networks are written with.
        targets: All export targets.
        missing: Lines about runtimes that are not here, to be kept with the result.
        counters: Of energy; None looks for the machine's.
        emit: Receives events.

    Returns:
        JSON: ``rows`` (``net``, ``runtime``, ``precision``, ``latency_ms`` with percentiles of the
        first batch size, ``images_per_second`` by batch size, ``speed_up`` against the first row,
        ``peak_memory_bytes``, ``joules_per_image``, ``file_bytes``, and of a file that was written
        for this ``psnr`` and ``kept_in_fp32``), ``nets`` with the costs of each, ``inputs``,
        ``threads``, ``pinned``, ``runs``, ``batches``, ``energy`` (why there is none, or null) and
        ``missing`` (what could not be timed, a line each).

    Raises:
        DataError: If they take different inputs.
        ConfigError: If a file does not take one of the batch sizes.
    """
    settings = settings or Settings()
    check_alike(subjects)
    check_batches(subjects, settings.batches)
    counters = counters or find_counters()
    lines, rows = list(missing), []
    groups = list(_groups(subjects, runtimes or [EAGER]))
    emit(StageStarted("bench", len(groups)))
    for number, (runtime, group) in enumerate(groups, 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ready = []
            for subject in group:
                try:
                    ready.append(_ready(subject, runtime, folder, pictures, targets))
                except GancompressError as error:
                    lines.append(f"{runtime}, {subject.name}: {error.message}")
            rows += _timed(runtime, ready, folder, settings, counters=counters, lines=lines)
        emit(StageProgress("bench", number))
    for line in lines[len(missing) :]:
        emit(Notice("bench", line))
    first = rows[0]["latency_ms"]["p50"] if rows else None
    for row in rows:
        row["speed_up"] = first / row["latency_ms"]["p50"]
    return {
        "rows": rows,
        "nets": {s.name: None if s.cost is None else asdict(s.cost) for s in subjects},
        "inputs": [list(x["shape"]) for x in subjects[0].inputs],
        "threads": settings.threads,
        "pinned": settings.cpus is not None,
        "runs": settings.runs,
        "warmup": settings.warmup,
        "batches": list(settings.batches),
        "energy": counters.reason,
        "missing": lines,
    }


def _groups(
    subjects: Sequence[Subject], runtimes: Sequence[Runtime]
) -> Iterator[tuple[Runtime, list[Subject]]]:
    """Put together what one process times."""
    wanted = list(runtimes) if any(s.runtime is None for s in subjects) else []
    order: list[Runtime] = []  # the first row is that of the one before
    for subject in subjects:
        order += wanted if subject.runtime is None else [subject.runtime]
    for runtime in dict.fromkeys(order):
        able = {None, runtime} if runtime in wanted else {runtime}
        yield runtime, [s for s in subjects if s.runtime in able]


def _ready(
    subject: Subject,
    runtime: Runtime,
    folder: Path,
    pictures: Pictures | None,
    targets: Sequence[ExportTarget],
) -> _Run:
    """Write a network for its runtime, where that wants a file.

    Raises:
        GancompressError: If it cannot be written, or not be run in a process of its own.
    """
    if runtime in {EAGER, COMPILED}:
        how = {"compile": runtime == COMPILED}
        return _Run(subject, subject.place, _PLAYER, how, {"file_bytes": subject.file_bytes})
    target = subject.target or next(one for one in targets if one.name == runtime.name)
    if target.player is None:
        raise ExportError(f"target '{target.name}' has no player for a process of its own")
    if subject.target is not None:
        return _of_file(subject, target.player, subject.settings, {})
    given = pictures or Pictures()
    number = len(list(folder.iterdir()))
    file = folder / f"{number}" / target.file_name("net")
    file.parent.mkdir()
    assert subject.model is not None  # noqa: S101 - what is no file is a network
    report = export(
        subject.model,
        file,
        target,
        precision=runtime.precision,
        min_psnr=given.min_psnr,
        inputs=given.inputs,
        calibration=given.calibration,
    )
    card = json.loads(file.with_name(f"{file.name}.json").read_text(encoding="utf-8"))
    facts = {
        "psnr": report.psnr if np.isfinite(report.psnr) else None,
        "kept_in_fp32": list(report.kept),
    }
    written = replace(subject, place=file, target=target)
    return _of_file(written, target.player, card["settings"], facts)


def _of_file(
    subject: Subject, player: Path, settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> _Run:
    facts = {**facts, "file_bytes": subject.file_bytes}
    return _Run(subject, subject.place, player, settings, facts)


def _timed(
    runtime: Runtime,
    ready: Sequence[_Run],
    folder: Path,
    settings: Settings,
    *,
    counters: Counters,
    lines: list[str],
) -> list[dict[str, Any]]:
    """Run a process, and lay out what it found; what failed goes into lines."""
    if not ready:
        return []
    found, last = _answer(ready, folder, settings, counters)
    rows = []
    for run in ready:
        name = run.subject.name
        own = found.get(name)
        if own is None:
            lines.append(f"{runtime}, {name}: its process ended: {last}")
            continue
        failed = own["errors"]
        for text in dict.fromkeys(failed.values()):
            sizes = ", ".join(batch for batch in failed if failed[batch] == text)
            lines.append(f"{runtime}, {name}, batch {sizes}: {text}")
        first = str(settings.batches[0])
        if first in own["times"]:
            rows.append(_row(runtime, run, own, first))
    return rows


def _row(runtime: Runtime, run: _Run, own: Mapping[str, Any], first: str) -> dict[str, Any]:
    latency = {batch: Latency.of(seconds) for batch, seconds in own["times"].items()}
    energy = own["energy"].get(first)
    return {
        "net": run.subject.name,
        "runtime": runtime.name,
        "precision": runtime.precision,
        "latency_ms": asdict(latency[first]),
        "images_per_second": {b: 1000 * int(b) / value.p50 for b, value in latency.items()},
        "peak_memory_bytes": own["memory"],
        "joules_per_image": None if energy is None else energy / int(first),
        **run.facts,
    }


def _answer(
    ready: Sequence[_Run], folder: Path, settings: Settings, counters: Counters
) -> tuple[dict[str, Any], str]:
    specs = ready[0].subject.inputs
    arrays = {
        f"{batch}_{k}": _array(x, batch) for batch in settings.batches for k, x in enumerate(specs)
    }
    np.savez(folder / "inputs.npz", **arrays)
    player = ready[0].player
    job = {
        # Isolated from the current folder; only what needs this package finds it.
        "path": [str(_HERE.parents[1])] if player == _PLAYER else [],
        "import": _MODULES.get(player.stem, "torch"),
        "player": str(player),
        "turns": str(_TURNS),
        "cpus": settings.cpus,
        "nets": [
            {
                "name": run.subject.name,
                "file": str(run.file.resolve()),
                "settings": {**run.settings, "threads": settings.threads},
            }
            for run in ready
        ],
        "inputs": str(folder / "inputs.npz"),
        "batches": {str(b): [f"{b}_{k}" for k in range(len(specs))] for b in settings.batches},
        "runs": settings.runs,
        "warmup": settings.warmup,
        "counters": [str(counter) for counter in counters.folders],
        "answer": str(folder / "answer.json"),
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    words = [sys.executable, "-I", str(_HERE / "child.py"), str(folder / "job.json")]
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(  # noqa: S603 - our own script
        words,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **dict.fromkeys(pools, str(settings.threads))},
    )
    answer = folder / "answer.json"
    if done.returncode == 0 and answer.is_file():
        return json.loads(answer.read_text(encoding="utf-8")), ""
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return {}, said[-1]


def _array(spec: Mapping[str, Any], batch: int) -> Any:
    """Make an input: noise in its range, or zeros where it holds no fractions."""
    shape, dtype = list(spec["shape"]), np.dtype(spec["dtype"])
    if len(shape) > 1:
        shape[0] = batch
    if dtype.kind != "f":
        return np.zeros(shape, dtype)
    low, high = spec.get("range", (-1.0, 1.0))
    return np.random.default_rng(0).uniform(low, high, shape).astype(dtype)
