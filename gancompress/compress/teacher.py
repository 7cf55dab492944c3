"""The teacher: trained from scratch into a run directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gancompress.compress.generator import (
    Resolve,
    build_generator,
    check_fit,
    check_losses,
    first_line,
)
from gancompress.compress.opening import open_teacher_run
from gancompress.compress.prepare import open_split
from gancompress.compress.stage import Stopwatch, is_done, skip
from gancompress.config import RunConfig
from gancompress.distill import (
    Draw,
    TeacherTask,
    Team,
    check_loop,
    check_trackers,
    find_device,
    fit,
)
from gancompress.errors import ConfigError, GancompressError
from gancompress.events import Emit, discard
from gancompress.gan import AnyFamily, Batch, Objective, TeacherObjective, collate
from gancompress.store import RunDirectory, save_tensors

STAGE = "train"


@dataclass(frozen=True)
class Teacher:
    """Where a trained teacher lies.

    Args:
        folder: Holds the two files.
        generator: ``generator.safetensors``.
        discriminators: ``discriminators.safetensors``.
    """

    folder: Path

    @property
    def generator(self) -> Path:
        """The generator's weights."""
        return self.folder / "generator.safetensors"

    @property
    def discriminators(self) -> Path:
        """The discriminators' weights, from which the student's start."""
        return self.folder / "discriminators.safetensors"


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a teacher is trained with, before the first step.

    Args:
        generator: The generator, with fresh weights.
        objective: Its discriminators and losses, with fresh weights.
        data: The training pictures.
    """

    generator: nn.Module
    objective: Objective
    data: Any

    @classmethod
    def prepare(
        cls, family: AnyFamily, config: RunConfig, generator: nn.Module | None = None
    ) -> "Lesson":
        """Open the data, build the nets, and find out whether they fit together.

        Args:
            family: The GAN family.
            config: The configuration; `config.train` and `config.options` are used.
            generator: The user's own generator, with fresh weights; None builds the family's.

        Raises:
            ConfigError: If the generator or the discriminators do not fit the data.
            DataError: If the data cannot be read.
        """
        options = family.options.model_validate(config.options)
        data = open_split(family, options, "train")
        torch.manual_seed(config.seed)
        joint = family.teacher_objective(options)
        objective = family.objective(options) if joint is None else joint
        # The family's generator draws its weights after the objective's, as it always has: a run
        # that began with an earlier release goes on with the same numbers.
        net = family.generator(options) if generator is None else generator
        picture = check_fit(net, data[0], config)
        check_losses(family, options, data[0], picture, config.train)
        if joint is not None:
            _check_draw(joint, net, data[0], family.name)
        return cls(net, objective, data)


def begin_teacher(
    run: RunDirectory,
    family: AnyFamily,
    config: RunConfig,
    *,
    resolve: Resolve | None = None,
    device: str | torch.device | None = None,
    draw: Draw | None = None,
    emit: Emit = discard,
) -> Teacher:
    """Train a teacher in a run directory, which is made once everything is known to fit.

    Args:
        run: The run directory.
        family: The GAN family.
        config: The configuration.
        resolve: Turns the reference of the user's own generator into one.
        device: See `find_device`.
        draw: Writes sample pictures.
        emit: Receives events.

    Returns:
        Where the weights lie, float32.

    Raises:
        RunError: If the directory is in use, or of another configuration.
        GancompressError: What `Lesson.prepare` and `train_teacher` raise.
    """
    lessons: list[Lesson] = []
    team = Team.join()
    done = team.share(is_done(run, STAGE))

    def check() -> None:
        if done:
            return
        check_loop(config.train, team, find_device(device, team))
        check_trackers(config.train.trackers)
        with team.first():  # what is downloaded is then there
            own = None if config.generator is None else build_generator(family, config, resolve)
            lessons.append(Lesson.prepare(family, config, own))

    with open_teacher_run(run, config, check):
        lesson = next(iter(lessons), None)
        return train_teacher(
            run, family, config, lesson=lesson, device=device, draw=draw, emit=emit
        )


def train_teacher(
    run: RunDirectory,
    family: AnyFamily,
    config: RunConfig,
    *,
    lesson: Lesson | None = None,
    device: str | torch.device | None = None,
    draw: Draw | None = None,
    emit: Emit = discard,
) -> Teacher:
    """Train a teacher, or go on with one that was interrupted.

    Args:
        run: An open run directory.
        family: The GAN family.
        config: The configuration; `config.train` and `config.options` are used.
        lesson: What it is trained with; None prepares it from the family and the configuration.
        device: See `find_device`.
        draw: Writes sample pictures.
        emit: Receives events.

    Returns:
        Where the weights lie, float32.

    Raises:
        ConfigError: If the generator does not fit the data.
        DataError: If the data cannot be read.
        TrainingError: If the training has diverged twice.
    """
    teacher = Teacher(run.path("teacher"))
    team = Team.join()
    if team.share(skip(run, STAGE, emit)):
        return teacher
    watch = Stopwatch(run, STAGE)
    lesson = lesson or Lesson.prepare(family, config)
    task = TeacherTask(lesson.generator, lesson.objective, config.train.lambda_recon)
    result = fit(
        task,
        lesson.data,
        config.train,
        folder=run.path("checkpoints/train"),
        out=run.root,
        seed=config.seed,
        stage=STAGE,
        device=device,
        draw=draw,
        emit=emit,
    )
    if team.leads:
        _write(result.generator, teacher.generator, config)
        _write(_kept(lesson.objective), teacher.discriminators, config)
        watch.finish({"steps": result.steps, "metrics": dict(result.metrics)})
    return teacher


def _check_draw(objective: TeacherObjective, net: nn.Module, sample: Batch, name: str) -> None:
    """Let the networks beside the teacher draw once, as every step of the training will.

    Raises:
        ConfigError: If they do not fit the pictures, or each other.
    """
    modules = (net, objective.helpers)
    modes = [module.training for module in modules]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for module in modules:
                module.eval()  # a batch norm does not count this picture
            objective.draw(net, collate([sample]))
    except GancompressError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the networks of '{name}' do not fit together: {first_line(error)}",
            hint="give the pictures of both domains the channels and the size of the generator",
        ) from error
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.train(mode)


def _kept(objective: Objective) -> nn.Module:
    return objective.kept if isinstance(objective, TeacherObjective) else objective.discriminators


def _write(module: nn.Module, path: Path, config: RunConfig) -> None:
    about = {"family": config.family, "recipe": config.recipe or ""}
    save_tensors(path, {k: v.contiguous() for k, v in module.state_dict().items()}, about)
