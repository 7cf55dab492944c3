"""Export, evaluate, bench: what a compressed generator is worth, written into its run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from gancompress.compress.metrics import compare, find_metrics
from gancompress.compress.prepare import Project
from gancompress.compress.pricing import teacher_cost
from gancompress.compress.records import read_summary
from gancompress.compress.stage import Stopwatch, is_done, require, skip
from gancompress.compress.stages import compressed_net
from gancompress.compress.tiles import COUNT, FOLDER, save_tiles
from gancompress.config import RunConfig
from gancompress.cost import Cost, measure_cost, measure_latency_in_turns
from gancompress.distill import Team, find_device
from gancompress.events import Emit, Notice, StageProgress, StageStarted, discard
from gancompress.export import CompressedModel, ExportReport, export, find_target
from gancompress.gan import Batch
from gancompress.metrics import Evaluation, Lite0Features, evaluate, pictures_of, recovery
from gancompress.store import RunDirectory

SHOWN: Final = 8
RUNS: Final = 50
_PICTURE_CHANNELS: Final = (1, 2, 3, 4)  # grey or colour, with or without opacity

Draw = Callable[[Path, Mapping[str, Tensor]], object]
"""Writes a picture grid: a path, and pictures ``(N, C, H, W)`` in [-1, 1] by column."""


def export_models(run: RunDirectory, project: Project, *, emit: Emit = discard) -> dict[str, Any]:
    """Write teacher and compressed generator as files, each re-run and compared.

    Args:
        run: An open run directory; ``export/teacher.*`` and ``export/compressed.*`` are written,
            each with its card.
        project: Gives the teacher, held-out pictures to compare on, and the settings.
        emit: Receives events.

    Returns:
        The summary: of each file the path, bytes, digest, precision, largest difference and PSNR.

    Raises:
        RunError: If no subnet is fine-tuned yet.
        ExportError: If the target is unknown or fails, or a file computes something else.
    """
    if skip(run, "export", emit):
        return read_summary(run, "export")
    require(run, "export", "finetune")
    watch = Stopwatch(run, "export")
    settings = project.config.export
    target = find_target(settings.target, project.targets)
    pictures = project.samples("test", settings.samples).inputs
    batches = project.batches("train", most=settings.calibration)
    calibration = [b.inputs for b in batches] if settings.precision == "int8" else []
    compressed_net(run)  # a damaged one is named with what makes it again
    nets: dict[str, Any] = {
        "teacher": project.teacher.module,
        "compressed": CompressedModel.load(run.path("model")),
    }
    emit(StageStarted("export", len(nets)))
    files: dict[str, Any] = {}
    for name, net in nets.items():
        report = export(
            net,
            run.path(f"export/{target.file_name(name)}"),
            target,
            settings.device,
            settings.tolerance,
            # The teacher's is there to be compared with.
            precision="fp32" if name == "teacher" else settings.precision,
            min_psnr=settings.min_psnr,
            inputs=pictures,
            calibration=calibration,
        )
        for note in report.notes:
            emit(Notice("export", f"{name}: {note}"))
        files[name] = _file_values(run, report)
        emit(StageProgress("export", len(files), {"largest difference": report.max_abs_error}))
    watch.finish({"target": settings.target, "files": files}, emit)
    return read_summary(run, "export")


def evaluate_models(
    run: RunDirectory, project: Project, *, draw: Draw | None = None, emit: Emit = discard
) -> dict[str, Any]:
    """Score teacher, compressed generator and baseline on held-out pictures.

    Args:
        run: An open run directory; ``samples.png`` and, picture by picture,
            ``samples/evaluate/`` are written.
        project: Gives teacher and data.
        draw: Writes the grid of samples; None draws none.
        emit: Receives events.

    Returns:
        The summary: scores of each, recovery, the number of pictures, the protocol, and under
        ``metrics`` the figures of further metrics.

    Raises:
        RunError: If no subnet is fine-tuned yet.
        DataError: If the pictures cannot be compared.
    """
    if is_evaluated(run, project.config):
        skip(run, "evaluate", emit)
        return read_summary(run, "evaluate")
    require(run, "evaluate", "finetune")
    watch = Stopwatch(run, "evaluate")
    net = compressed_net(run)
    evaluation, _, _ = evaluate_pair(project, net, emit=emit)
    further = _further(project, net)
    for note in dict.fromkeys(note for row in further.values() for note in row["notes"]):
        emit(Notice("evaluate", note))
    pictures = _samples(project, net)
    save_tiles(run.path(FOLDER), pictures)
    if draw is not None:
        shares = {name: _spread(column) for name, column in pictures.items()}
        draw(run.path("samples.png"), shares)
    watch.finish({**_evaluation_values(evaluation), "metrics": further}, emit)
    return read_summary(run, "evaluate")


def is_evaluated(run: RunDirectory, config: RunConfig) -> bool:
    """Say whether all that a configuration asks for has been measured.

    Args:
        run: The run directory.
        config: Names the further metrics.
    """
    if not is_done(run, "evaluate"):
        return False
    measured = read_summary(run, "evaluate").get("metrics", {})
    return all(
        name in measured and measured[name].get("options", {}) == config.metrics.get(name, {})
        for name in config.evaluate.metrics
    )


def bench_models(
    run: RunDirectory, project: Project, *, again: bool = False, emit: Emit = discard
) -> dict[str, Any]:
    """Time teacher and compressed generator in turns, in PyTorch eager on one picture.

    Args:
        run: An open run directory.
        project: Gives the teacher and the shape of a picture.
        again: Whether a bench that is done is repeated.
        emit: Receives events.

    Returns:
        The summary: percentiles in milliseconds, runs and threads.

    Raises:
        RunError: If no subnet is fine-tuned yet.
    """
    if not again and skip(run, "bench", emit):
        return read_summary(run, "bench")
    require(run, "bench", "finetune")
    watch = Stopwatch(run, "bench")
    inputs = project.teacher.example_inputs
    teacher, compressed = project.teacher.module.eval(), compressed_net(run)
    emit(StageStarted("bench"))
    with torch.no_grad():
        latency = measure_latency_in_turns(
            {"teacher": lambda: teacher(*inputs), "compressed": lambda: compressed(*inputs)},
            runs=RUNS,
        )
    summary = {
        "latency_ms": {name: asdict(value) for name, value in latency.items()},
        "inputs": [list(x.shape) for x in inputs],
        "runs": RUNS,
        "threads": torch.get_num_threads(),
        "runtime": "torch, eager, on the CPU",
    }
    watch.finish(summary, emit)
    return read_summary(run, "bench")


def evaluate_pair(
    project: Project, compressed: nn.Module, *, emit: Emit = discard
) -> tuple[Evaluation, Cost, Cost]:
    """Measure teacher and compressed generator on held-out pictures.

    Args:
        project: Gives teacher and data.
        compressed: The compressed generator.
        emit: Told of every batch that is drawn.

    Returns:
        The evaluation, which holds the teacher's scores too, and the costs of both.
    """
    teacher, batches = project.teacher.module, project.batches("test")
    nets = (teacher, compressed)
    with _placed(nets, project), _counted(nets, 2 * len(batches), emit):
        evaluation = evaluate(
            compressed,
            batches,
            teacher=teacher,
            features=Lite0Features(),
            baseline=project.baseline,
        )
    cost = measure_cost(compressed, project.teacher.example_inputs)
    return evaluation, teacher_cost(project), cost


@contextmanager
def _placed(nets: Sequence[nn.Module], project: Project) -> Iterator[None]:
    """Have nets draw on the device that the project scores on, and bring them back."""
    device = find_device(project.device, Team())
    try:
        for net in nets:
            net.to(device)
        yield
    finally:
        for net in nets:
            net.cpu()


@contextmanager
def _counted(nets: Sequence[nn.Module], total: int, emit: Emit) -> Iterator[None]:
    """Report every forward pass of some nets as a step of ``evaluate``."""
    done = 0

    def tick(*_: Any) -> None:
        nonlocal done
        done += 1
        emit(StageProgress("evaluate", done))

    emit(StageStarted("evaluate", total))
    handles = [net.register_forward_hook(tick) for net in nets]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _further(project: Project, compressed: nn.Module) -> dict[str, dict[str, Any]]:
    """Measure by the metrics that the configuration names."""
    chosen = find_metrics(project.config.evaluate.metrics, project.metrics)
    batches = project.batches("test")
    sources = {
        "teacher": pictures_of(project.teacher.module, batches, "teacher"),
        "compressed": pictures_of(compressed, batches, "compressed"),
        "baseline": (project.baseline(batch) for batch in batches),
    }
    options = project.config.metrics
    with _placed((project.teacher.module, compressed), project):
        rows = compare(chosen, sources, batches)
    return {name: {**row, "options": options.get(name, {})} for name, row in rows.items()}


@torch.no_grad()
def _samples(project: Project, net: nn.Module) -> dict[str, Tensor]:
    batch: Batch = project.samples("test", COUNT)
    given = batch.inputs[0]
    pictures = {
        # A label map of many channels is no picture; what costs nothing shows what it says.
        "input": given if given.shape[1] in _PICTURE_CHANNELS else project.baseline(batch),
        "target": batch.target,
        "teacher": project.teacher.module.eval()(*batch.inputs),
        "compressed": net(*batch.inputs),
    }
    return {name: value for name, value in pictures.items() if value is not None}


def _spread(pictures: Tensor) -> Tensor:
    """Take as many as a grid has, spread evenly."""
    count = min(SHOWN, len(pictures))
    return pictures[[i * len(pictures) // count for i in range(count)]]


def _file_values(run: RunDirectory, report: ExportReport) -> dict[str, Any]:
    return {
        "path": str(report.path.relative_to(run.root)),
        "bytes": report.path.stat().st_size,
        "sha256": report.sha256,
        "max_abs_error": report.max_abs_error,
        "mean_abs_error": report.mean_abs_error,
        "psnr": report.psnr if isfinite(report.psnr) else None,
        "precision": report.precision,
        "kept_in_fp32": list(report.kept),
        "dynamic": report.dynamic,
        "notes": list(report.notes),
    }


def _evaluation_values(evaluation: Evaluation) -> dict[str, Any]:
    teacher, baseline = evaluation.teacher, evaluation.baseline
    likeness = evaluation.psnr_to_teacher
    kid = None
    if teacher is not None and teacher.kid < baseline.kid:
        kid = recovery(baseline.kid, teacher.kid, evaluation.kid)
    scores = ("frechet", "kid", "l1_to_target")
    return {
        "teacher": None if teacher is None else asdict(teacher),
        "compressed": {name: getattr(evaluation, name) for name in scores},
        "baseline": asdict(baseline),
        "real_against_real": evaluation.real_against_real,
        "psnr_to_teacher": likeness if likeness is not None and isfinite(likeness) else None,
        "recovery": evaluation.recovery,
        "recovery_kid": kid,
        "pictures": evaluation.pictures,
        "protocol": dict(evaluation.protocol),
    }
