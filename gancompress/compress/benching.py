"""Run directories in a comparison of speed: what is timed of them, and where the result goes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from torch import Tensor, fx, nn

from gancompress.bench import EAGER, Pictures, Runtime, Settings, Subject, compare, exported_file
from gancompress.bench import saved_model as open_model
from gancompress.compress.prepare import Project
from gancompress.compress.pricing import teacher_cost
from gancompress.compress.records import read_summary
from gancompress.compress.stage import Stopwatch, require
from gancompress.compress.stages import compressed_net
from gancompress.elastic import SubnetConfig
from gancompress.errors import CheckpointError, ExportError
from gancompress.events import Emit, discard
from gancompress.export import CompressedModel, ExportTarget
from gancompress.export.graph import spelt_out
from gancompress.store import RunDirectory, write_json

AGAINST: Final = "bench-against.json"
_CONFIG: Final = "config.json"
_MODEL: Final = "model.json"


def is_run(path: Path) -> bool:
    """Say whether a path is a run directory."""
    return (path / _CONFIG).is_file()


def open_subject(
    path: Path, *, targets: Sequence[ExportTarget], trust: bool = False, name: str | None = None
) -> Subject:
    """Open a run directory's compressed generator, a saved model or an exported file.

    Args:
        path: Any of them.
        targets: All export targets.
        trust: Whether a file that runs code when it is loaded may be loaded.
        name: What the table calls it; None takes the path's last part.

    Raises:
        CheckpointError: If it is none of these, damaged, was changed, or is not trusted.
        RunError: If the run has no compressed generator yet.
        ExportError: If no target writes such files.
        MissingExtraError: If the runtime of a file is not installed.
    """
    called = name or path.resolve().name
    if is_run(path):
        run = RunDirectory(path)
        require(run, "bench", "finetune")
        compressed_net(run)  # a damaged one is named with what makes it again
        return open_model(run.path("model"), called)
    if path.name == _MODEL or (path / _MODEL).is_file():
        return open_model(path if path.is_dir() else path.parent, called)
    if path.is_dir() or not path.exists():
        raise CheckpointError(
            f"'{path}' is neither a run directory nor an exported file",
            hint="give a folder that `gancompress compress` wrote, or a file of `gancompress "
            "export` such as model.json, x.onnx or x.xml",
        )
    return exported_file(path, called, targets=targets, trust=trust)


def open_pair(
    path: Path, against: Path, *, targets: Sequence[ExportTarget], trust: bool = False
) -> tuple[Subject, Subject]:
    """Open what is compared, the one before first, under names that differ.

    Args:
        path: The one after.
        against: The one before.
        targets: All export targets.
        trust: See `open_subject`.

    Raises:
        GancompressError: See `open_subject`.
    """
    names = [against.resolve().name, path.resolve().name]
    if names[0] == names[1]:
        names = [str(against), str(path)]
    if names[0] == names[1]:  # compared with itself, which shows how far figures scatter
        names = [f"{names[0]} (before)", f"{names[1]} (after)"]
    before = open_subject(against, targets=targets, trust=trust, name=names[0])
    return before, open_subject(path, targets=targets, trust=trust, name=names[1])


def compare_with_teacher(
    run: RunDirectory,
    project: Project,
    runtimes: Sequence[Runtime] | None = None,
    settings: Settings | None = None,
    *,
    targets: Sequence[ExportTarget] = (),
    missing: Sequence[str] = (),
    emit: Emit = discard,
) -> dict[str, Any]:
    """Time a run's compressed generator against its teacher; see `gancompress.bench.compare`.

    Args:
        run: An open run directory.
        project: Gives the teacher, and pictures to write other formats with.
        runtimes: What runs them; None takes PyTorch as it is.
        settings: Threads, batch sizes, runs.
        targets: All export targets.
        missing: Lines about runtimes that are not here.
        emit: Receives events.

    Returns:
        The summary of ``bench``: what `compare` gives, and ``latency_ms`` of both in the first
        runtime.

    Raises:
        RunError: If no subnet is fine-tuned yet.
        ExportError: If the teacher holds what a file cannot describe, or no runtime runs both.
    """
    require(run, "bench", "finetune")
    watch = Stopwatch(run, "bench")
    with _teacher(project) as teacher:
        after = open_subject(run.root, targets=targets, name="compressed")
        report = compare(
            (teacher, after),
            runtimes,
            settings,
            pictures=_pictures(project, runtimes or [EAGER]),
            targets=targets,
            missing=missing,
            emit=emit,
        )
    watch.finish({**_first_of_each(report), **report}, emit)
    return read_summary(run, "bench")


def keep_comparison(run: RunDirectory, report: dict[str, Any]) -> None:
    """Write a comparison with something else than the run's teacher into the run.

    Args:
        run: An open run directory.
        report: What `compare` gave.

    Raises:
        StorageError: If it cannot be written.
    """
    write_json(run.path(AGAINST), report)


@contextmanager
def _teacher(project: Project) -> Iterator[Subject]:
    """Save the teacher as a model, so that another process can run it."""
    traced = project.teacher
    inputs = tuple(x for x in traced.example_inputs if isinstance(x, Tensor))
    module: nn.Module = traced.module
    if isinstance(module, fx.GraphModule):
        module = spelt_out(module, traced.example_inputs, {})
    specs = [{"shape": list(x.shape), "dtype": str(x.dtype).removeprefix("torch.")} for x in inputs]
    model = CompressedModel(module, SubnetConfig({}), teacher_cost(project), {"inputs": specs})
    with TemporaryDirectory() as folder:
        yield open_model(model.save(folder), "teacher")


def _pictures(project: Project, runtimes: Sequence[Runtime]) -> Pictures | None:
    """Take what an export of the run would take; PyTorch needs no files."""
    settings = project.config.export
    if all(runtime.name in {"eager", "compiled"} for runtime in runtimes):
        return None
    calibrated = any(runtime.precision == "int8" for runtime in runtimes)
    batches = project.batches("train", most=settings.calibration) if calibrated else []
    return Pictures(
        tuple(project.samples("test", settings.samples).inputs),
        [tuple(batch.inputs) for batch in batches],
        settings.min_psnr,
    )


def _first_of_each(report: dict[str, Any]) -> dict[str, Any]:
    """Return the first runtime that has run both nets, and the percentiles there."""
    by_runtime: dict[str, dict[str, Any]] = {}
    for row in report["rows"]:
        runtime = str(Runtime(row["runtime"], row["precision"]))
        by_runtime.setdefault(runtime, {})[row["net"]] = row["latency_ms"]
    for runtime, both in by_runtime.items():
        if len(both) == 2:
            return {"latency_ms": both, "runtime": runtime}
    raise ExportError(
        f"no runtime has run both generators: {'; '.join(report['missing'])}",
        hint="choose another with --on",
    )
