"""Every stage after the teacher in one call, resumable at any point."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from gancompress.compress.configure import configure
from gancompress.compress.job import Job
from gancompress.compress.prepare import Project
from gancompress.compress.records import read_summary
from gancompress.compress.results import Draw, bench_models, evaluate_models, export_models
from gancompress.compress.searching import search_subnet
from gancompress.compress.stage import STAGES, skip
from gancompress.compress.stages import distill_supernet, finetune_subnet
from gancompress.compress.summary import summarise, write_summary
from gancompress.compress.workers import Workers
from gancompress.cost import QUANTITIES, Budget
from gancompress.distill import Team
from gancompress.events import Emit, discard
from gancompress.export import CompressedModel
from gancompress.gan import AnyFamily
from gancompress.plugins import PluginHost
from gancompress.store import RunDirectory


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the whole job gives.

    Args:
        run: The run directory.
        model: The compressed generator.
        figures: ``{"teacher": {…}, "compressed": {…}, "baseline": {…}}``.
        exported: The compressed generator's exported file.
    """

    run: RunDirectory
    model: CompressedModel
    figures: Mapping[str, Mapping[str, Any]]
    exported: Path


def compress(
    generator: nn.Module | None = None,
    *,
    family: str | AnyFamily,
    options: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
    recipe: str | None = None,
    settings: Mapping[str, Any] | None = None,
    teacher: Path | str | None = None,
    out: Path | str = "runs/compress",
    host: PluginHost | None = None,
    draw: Draw | None = None,
    trust: bool = False,
    device: str | None = None,
    workers: Workers | int | None = None,
    emit: Emit = discard,
) -> Outcome:
    """Make a trained generator small: decompose, distil, search, fine-tune, export, evaluate.

    The same call again goes on where it was; a finished run is only read.

    Args:
        generator: Your own trained generator, which draws what the family's data show; None takes
            the family's with the weights of `teacher`.
        family: A GAN family or its name: it brings data, losses and critics.
        options: The family's options.
        budget: The most that the compressed generator may cost; None takes the recipe's.
        recipe: One of the family's recipes to begin with.
        settings: Nested keys of `RunConfig`, such as ``{"distill": {"steps": 500}}``.
        teacher: Weights as `TeacherWeights.read` finds them; None takes those that the generator
            holds, and critics from scratch.
        out: The run directory.
        host: The plugins; None finds those that are installed.
        draw: Writes the grid of held-out samples, and those that a training draws.
        trust: Whether files that run code when they are loaded, and that the options of metrics
            name, may be loaded.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``: where it trains and scores; None takes what
            there is.
        workers: Who scores the subnets of the search: a number of processes on this machine, or
            `gancompress.compress.Workers` for a cluster; None for this process.
        emit: Receives events.

    Returns:
        The compressed generator and its figures; everything else is in the run directory.

    Raises:
        GancompressError: What the stages raise: see `gancompress.errors`.
    """
    crew = Workers(workers) if isinstance(workers, int) else workers
    if crew is not None:
        crew.check()
    host = host or PluginHost.discover()
    chosen = host.family(family) if isinstance(family, str) else family
    given: dict[str, Any] = {**(settings or {}), "options": dict(options or {})}
    if budget is not None:
        limits = {name: getattr(budget, name) for name in QUANTITIES}
        given["search"] = {**given.get("search", {}), **limits}
    if generator is not None:
        # A record of what it was; as a reference it serves where the class needs no arguments.
        given["generator"] = f"{type(generator).__module__}:{type(generator).__qualname__}"
    config = configure(chosen, recipe=recipe, overrides=given)
    place = None if teacher is None else Path(teacher)
    job = Job.begin(
        Path(out),
        chosen,
        config,
        host,
        teacher=place,
        generator=generator,
        trust=trust,
        device=device,
    )
    run = job.run
    with job.open(STAGES, emit) as project:
        figures = run_stages(run, project, draw=draw, workers=crew, emit=emit)
    return Outcome(run, CompressedModel.load(run.path("model")), figures, exported_file(run))


def run_stages(
    run: RunDirectory,
    project: Project | None,
    *,
    draw: Draw | None = None,
    workers: Workers | None = None,
    emit: Emit = discard,
) -> dict[str, dict[str, Any]]:
    """Do every stage that is not done.

    Several processes train together; process 0 alone does the other stages and writes.

    Args:
        run: An open run directory.
        project: What they work on; None where all are done.
        draw: Writes the grid of held-out samples, and those that a training draws.
        workers: Who scores the subnets of the search; None for this process.
        emit: Receives events.

    Returns:
        The figures, which are written to ``summary.json`` too.

    Raises:
        GancompressError: What the stages raise.
    """
    team = Team.join()
    if project is not None:
        distill_supernet(run, project, draw=draw, emit=emit)
        search_subnet(run, project, workers=workers, emit=emit)
        finetune_subnet(run, project, draw=draw, emit=emit)
        with team.first():
            export_models(run, project, emit=emit)
            evaluate_models(run, project, draw=draw, emit=emit)
            bench_models(run, project, emit=emit)
    else:
        for stage in STAGES:
            skip(run, stage, emit)
    return write_summary(run) if team.leads else summarise(run)


def exported_file(run: RunDirectory) -> Path:
    """Return where the compressed generator was exported to.

    Args:
        run: A run directory in which ``export`` is done.
    """
    path: str = read_summary(run, "export")["files"]["compressed"]["path"]
    return run.path(path)
