"""Distillation in one call: a supernet in, the trained supernet out."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.config import DistillConfig
from gancompress.distill.loop import Draw, FitResult, fit
from gancompress.distill.sampler import step_indices
from gancompress.distill.student import StudentTask
from gancompress.elastic import SubnetConfig, Supernet
from gancompress.events import Emit, Notice, discard
from gancompress.gan import Batch, Objective, collate
from gancompress.graph import TracedGenerator, trace


class PictureObjective(Objective):
    """No discriminator: only reconstruction and distillation train the student."""

    def __init__(self) -> None:
        self._none = nn.ModuleDict()

    @property
    def discriminators(self) -> nn.ModuleDict:
        """Empty."""
        return self._none

    def generator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return nothing."""
        del batch, output
        return {}

    def discriminator_losses(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Return nothing."""
        del batch, output
        return {}


def distill(
    supernet: Supernet,
    *,
    teacher: nn.Module | TracedGenerator,
    data: Dataset[Batch],
    objective: Objective | None = None,
    steps: int | None = None,
    config: DistillConfig | None = None,
    subnet: SubnetConfig | None = None,
    folder: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    stage: str = "distill",
    device: str | torch.device | None = None,
    draw: Draw | None = None,
    emit: Emit = discard,
) -> FitResult:
    """Train every subnet of a supernet at once, or one of them, from a teacher.

    Args:
        supernet: Trained in place; with a moving average it ends with the averaged weights.
        teacher: The pre-trained generator.
        data: Samples; where they have no target the teacher's picture stands in for it.
        objective: Discriminators (start them from the teacher's) and adversarial losses; None
            trains without.
        steps: Optimiser steps; None takes those of `config`.
        config: Weights and schedule.
        subnet: Trains this subnet alone, as fine-tuning does.
        folder: Where checkpoints are kept; an interrupted call goes on from the newest.
        out: Where sample pictures and the logs of trackers go; None takes `folder`.
        seed: Seed of everything random.
        stage: Name for events.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; None takes what there is.
        draw: Writes sample pictures; None draws none.
        emit: Receives events.

    Returns:
        Steps taken and the last losses.

    Raises:
        ConfigError: If the device, or what the configuration asks of it, is not to be had.
        TrainingError: If the training has diverged twice.
        SubnetError: If the subnet is not in the space.
    """
    config = config or DistillConfig()
    if steps is not None:
        config = config.model_copy(update={"steps": steps})
    if not isinstance(teacher, TracedGenerator):
        traced = supernet.traced
        # With the same rules, so that what is whole here is whole there.
        example = (traced.example_inputs, traced.example_kwargs)
        teacher = trace(teacher, *example, rules=traced.rules)
    task = StudentTask(supernet, teacher, objective or PictureObjective(), config, subnet)
    lost = config.points - len(task.points) if config.lambda_distill else 0
    if lost:
        emit(Notice(stage, f"{lost} of {config.points} distillation points are not in the graph"))
    task.match_adapters(_first_batch(data, config.batch_size, seed))
    result = fit(
        task,
        data,
        config,
        folder=folder,
        out=out,
        seed=seed,
        stage=stage,
        device=device,
        draw=draw,
        emit=emit,
    )
    if result.generator is not supernet:
        supernet.load_state_dict(result.generator.state_dict())
    return result


def _first_batch(data: Any, size: int, seed: int) -> Batch:
    return collate([data[i] for i in step_indices(data, seed=seed, step=0, batch_size=size)])
