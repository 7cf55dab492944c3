"""The teacher: trained from scratch into a run directory."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gancompress.compress.generator import check_fit
from gancompress.compress.stage import Stopwatch, skip
from gancompress.config import RunConfig
from gancompress.distill import TeacherTask, fit
from gancompress.events import Emit, discard
from gancompress.gan import AnyFamily
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


def train_teacher(
    run: RunDirectory,
    family: AnyFamily,
    config: RunConfig,
    *,
    generator: nn.Module | None = None,
    emit: Emit = discard,
) -> Teacher:
    """Train a teacher, or go on with one that was interrupted.

    Args:
        run: An open run directory.
        family: The GAN family.
        config: The configuration; `config.train` and `config.options` are used.
        generator: The user's own generator, with fresh weights; None builds the family's.
        emit: Receives events.

    Returns:
        Where the weights lie, float32.

    Raises:
        ConfigError: If the generator does not fit the data.
        DataError: If the data cannot be read.
        TrainingError: If a loss is not finite.
    """
    teacher = Teacher(run.path("teacher"))
    if skip(run, STAGE, emit):
        return teacher
    watch = Stopwatch(run, STAGE)
    options = family.options.model_validate(config.options)
    data = family.dataset(options, "train")
    torch.manual_seed(config.seed)
    objective = family.objective(options)
    # The family's generator draws its weights after the objective's, as it always has: a run that
    # began with an earlier release goes on with the same numbers.
    net = family.generator(options) if generator is None else generator
    check_fit(net, data[0], config)
    task = TeacherTask(net, objective, config.train.lambda_recon)
    result = fit(
        task,
        data,
        config.train,
        folder=run.path("checkpoints/train"),
        seed=config.seed,
        stage=STAGE,
        emit=emit,
    )
    _write(result.generator, teacher.generator, config)
    _write(objective.discriminators, teacher.discriminators, config)
    watch.finish({"steps": result.steps, "metrics": dict(result.metrics)})
    return teacher


def _write(module: nn.Module, path: Path, config: RunConfig) -> None:
    about = {"family": config.family, "recipe": config.recipe or ""}
    save_tensors(path, {k: v.contiguous() for k, v in module.state_dict().items()}, about)
