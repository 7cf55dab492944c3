"""How each contestant makes its small net, all with the same data, losses and steps."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import torch
from benchmarks.quality.students import alone, narrow, prune, published, reaching
from benchmarks.quality.work import Work
from torch import nn

from gancompress.compress import (
    Project,
    distill_supernet,
    finetune_subnet,
    prepare,
    read_summary,
    search_subnet,
)
from gancompress.compress.choice import calibration_inputs
from gancompress.compress.configure import override
from gancompress.compress.pictures import batches_of
from gancompress.compress.scoring import CALIBRATION_PICTURES
from gancompress.config import DistillConfig, RunConfig
from gancompress.distill import DistillLoss, TeacherTask, distill, fit
from gancompress.distill.loss import Comparison
from gancompress.distill.losses.adapter_mse import AdapterMse
from gancompress.elastic import SearchSpace, Supernet, calibrate_batch_norm
from gancompress.events import Notice, RunEvent
from gancompress.export import CompressedModel
from gancompress.gan import TeacherObjective
from gancompress.passes import Decompose, run_passes
from gancompress.store import RunDirectory


class UnmatchedAdapters(AdapterMse):
    """The paper's loss with adapters that start at random, as published."""

    def match(self, seen: Comparison, trainable: nn.ModuleDict) -> None:
        """Leave the adapters as they are."""


PAPER_LOSSES: Final[Mapping[str, DistillLoss]] = {AdapterMse.name: UnmatchedAdapters()}
# Reconstruction is against the target where there is one, equation 2 of arXiv 2003.08936.
PAPER: Final[Mapping[str, Any]] = {
    "lambda_distill": 1.0,
    "losses": {AdapterMse.name: 1.0},
    "points": 4,
    "recon_target": "auto",
    "sampling": "uniform",
    "teacher": "frozen",
    "discriminator": "inherited",
}


@dataclass
class Made:
    """What a contestant ends with.

    Args:
        model: Its net, batch norms calibrated.
        steps: Optimiser steps of the generator, of all stages together.
        seconds: By stage, of the processor and on the clock.
        notes: What was noticed on the way.
    """

    model: CompressedModel
    steps: int
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()


@dataclass
class Watch:
    """Adds up what stages take, and keeps what they say."""

    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def over(self, stage: str) -> Iterator[None]:
        """Add the time of the body to a stage."""
        clock, processor = time.perf_counter(), time.process_time()
        yield
        for name, spent in (
            (stage, time.process_time() - processor),
            (f"{stage} (clock)", time.perf_counter() - clock),
        ):
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 2)

    def hear(self, event: RunEvent) -> None:
        """Keep a notice."""
        if isinstance(event, Notice):
            self.notes.append(event.text)


def narrow_from_scratch(work: Work, budget: int, seed: int) -> Made:
    """(a) The narrow net learns as a teacher of its family does, and knows no teacher.

    Its discriminators start from scratch, and so do the networks that a family trains beside a
    generator, such as the one of the way back, which has the teacher's size.
    """
    watch = Watch()
    with watch.over("search"):
        net = work.randomise(narrow(work, budget), seed)
    settings = work.config.finetune.model_copy(update=_single(work))
    torch.manual_seed(seed)
    joint: TeacherObjective | None = work.family.teacher_objective(work.options)
    objective = work.family.objective(work.options) if joint is None else joint
    task = TeacherTask(net, objective, settings.lambda_recon)
    with watch.over("train"):
        result = fit(task, work.data["train"], settings, seed=seed, emit=watch.hear)
    return _finished(work, result.generator, result.steps, watch)


def narrow_distilled(work: Work, budget: int, seed: int) -> Made:
    """(b) The same net learns from the teacher, with the paper's losses and random adapters."""
    watch = Watch()
    with watch.over("search"):
        net = work.randomise(narrow(work, budget), seed)
    settings = work.config.finetune.model_copy(update={**_single(work), **PAPER})
    return _distilled(work, net, settings, seed, watch=watch, losses=PAPER_LOSSES)


def pruned(work: Work, budget: int, seed: int) -> Made:
    """(c) Torch-Pruning's net of the teacher's weights, fine-tuned with the losses of (e)."""
    watch = Watch()
    with watch.over("search"):
        net = prune(work, budget)
    settings = work.config.finetune.model_copy(update=_single(work))
    return _distilled(work, net, settings, seed, watch=watch)


def paper_pipeline(work: Work, budget: int, seed: int) -> Made:
    """(d) The published pipeline: random weights, uniform sampling, random adapters, evolution."""
    space = {"divisor": 8, "smallest": 0.25, "largest": 1.0}
    config = override(
        published(work.config),
        {"space": space, "distill": PAPER, "finetune": PAPER, "search": {"sampler": "evolution"}},
    )

    def reshape(_: Work, project: Project) -> Project:
        return replace(randomised(work, project), losses=PAPER_LOSSES)

    return pipeline(work, config, budget, seed, reshape)


def ours(work: Work, budget: int, seed: int) -> Made:
    """(e) What `gancompress` does by itself with the recipe."""
    return pipeline(work, work.config, budget, seed)


Reshape = Callable[[Work, Project], Project]
Make = Callable[[Work, int, int], Made]


def pipeline(
    work: Work, config: RunConfig, budget: int, seed: int, reshape: Reshape | None = None
) -> Made:
    """Distil, search and fine-tune as a run does.

    Args:
        work: The work.
        config: Settings, without budget and seed.
        budget: By how much fewer MACs than the teacher's.
        seed: Seed of everything random.
        reshape: Changes the project before the first stage.
    """
    watch = Watch()
    changes = {"seed": seed, "search": {"macs": f"{budget}x"}, "teacher": None}
    with watch.over("prepare"):
        config = override(reaching(work, config, budget), changes)
        project = prepare(
            work.family, config, work.weights, generator=work.fresh(), emit=watch.hear
        )
        project = reshape(work, project) if reshape is not None else project
    with TemporaryDirectory() as folder:
        run = RunDirectory(folder)
        model, steps = _stages(run, project, watch)
    return Made(model, steps, watch.seconds, tuple(watch.notes))


def _stages(run: RunDirectory, project: Project, watch: Watch) -> tuple[CompressedModel, int]:
    with run.open(project.config.model_dump(mode="json")):
        with watch.over("train"):
            distill_supernet(run, project, emit=watch.hear)
        with watch.over("search"):
            search_subnet(run, project, emit=watch.hear)
        with watch.over("train"):
            finetune_subnet(run, project, emit=watch.hear)
        steps = sum(int(read_summary(run, stage)["steps"]) for stage in ("distill", "finetune"))
        return CompressedModel.load(run.path("model")), steps


def randomised(work: Work, project: Project) -> Project:
    """Let a supernet begin with random weights.

    Args:
        work: Says how they are drawn.
        project: Its supernet changes in place.
    """
    work.randomise(project.supernet.net, project.config.seed)
    return project


def unsorted(work: Work, project: Project) -> Project:
    """Leave the channels of a supernet in the teacher's order.

    Args:
        work: Gives the teacher.
        project: Is left as it is.
    """
    config = project.config
    layers = config.decompose.layers
    assert layers != "auto"
    change = Decompose(layers, calibration=calibration_inputs(project.data, config))
    space = config.space
    rule = SearchSpace.multiples_of(space.divisor, smallest=space.smallest, largest=space.largest)
    return replace(project, supernet=Supernet(run_passes(work.folded, [change]), rule))


@dataclass(frozen=True)
class Arm:
    """One of our defaults, switched off.

    Args:
        changes: Settings that do it.
        reshape: What does it where no setting does.
        applies: Whether a work with these settings has that default.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    reshape: Reshape | None = None
    applies: Callable[[RunConfig], bool] = lambda _: True

    def run(self, work: Work, budget: int, seed: int) -> Made:
        """Make the net."""
        return pipeline(work, override(work.config, self.changes), budget, seed, self.reshape)


def _both(**changes: Any) -> Mapping[str, Any]:
    return {"distill": changes, "finetune": changes}


def _towards_teacher(config: RunConfig) -> bool:
    return config.finetune.recon_target == "teacher"


def _averages(config: RunConfig) -> bool:
    return config.finetune.ema > 0


def _with_random_adapters(_: Work, project: Project) -> Project:
    return replace(project, losses=PAPER_LOSSES)


ARMS: Final[Mapping[str, Arm]] = {
    "e, random weights": Arm(reshape=randomised),
    "e, unsorted channels": Arm(reshape=unsorted),
    "e, unfitted halves": Arm({"decompose": {"fit": 0}}),
    "e, norm between halves": Arm({"decompose": {"norm_between": True, "fit": 0}}),
    "e, nothing decomposed": Arm({"decompose": {"layers": "none"}}),
    "e, random adapters": Arm(reshape=_with_random_adapters),
    "e, no feature loss": Arm(_both(lambda_distill=0.0)),
    "e, towards the target": Arm(_both(recon_target="paired"), applies=_towards_teacher),
    "e, fresh critics": Arm(_both(discriminator="fresh")),
    "e, no moving average": Arm(_both(ema=0.0), applies=_averages),
    "e, random search": Arm({"search": {"sampler": "random"}}),
    "e, no search": Arm({"search": {"trials": 1}}),
}
MAKERS: Final[Mapping[str, Make]] = {
    "a": narrow_from_scratch,
    "b": narrow_distilled,
    "c": pruned,
    "d": paper_pipeline,
    "e": ours,
    **{name: arm.run for name, arm in ARMS.items()},
}


def _single(work: Work) -> dict[str, Any]:
    """Return the settings of a training in one stage: fine-tuning's, for all steps of a run."""
    settings = work.config.finetune
    steps = work.config.distill.steps + settings.steps
    return {
        "steps": steps,
        "ema": settings.ema ** (settings.steps / steps),
        "checkpoint_every": steps,
    }


def _distilled(
    work: Work,
    net: nn.Module,
    settings: DistillConfig,
    seed: int,
    *,
    watch: Watch,
    losses: Mapping[str, DistillLoss] = MappingProxyType({}),
) -> Made:
    student = alone(work, net)
    torch.manual_seed(seed)  # the adapters' first weights
    with watch.over("train"):
        result = distill(
            student,
            teacher=work.teacher,
            data=work.data["train"],
            objective=work.critics(),
            config=settings,
            losses=losses,
            seed=seed,
            emit=watch.hear,
        )
    net = student.materialise(student.space.largest())
    return _finished(work, net, result.steps, watch)


def _finished(work: Work, net: nn.Module, steps: int, watch: Watch) -> Made:
    student = alone(work, net)
    model = CompressedModel.from_supernet(student, student.space.largest())
    pictures = batches_of(work.data["train"], work.config.seed, most=CALIBRATION_PICTURES)
    calibrate_batch_norm(model.module, [batch.inputs for batch in pictures])
    return Made(model, steps, watch.seconds, tuple(watch.notes))
