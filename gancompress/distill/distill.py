"""Distillation in one call: a supernet in, the trained supernet out."""

import copy
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset

from gancompress.config import DistillConfig
from gancompress.distill.critics import PictureObjective, begin_critics, shape_critics
from gancompress.distill.loop import Draw, FitResult, fit
from gancompress.distill.loss import DistillLoss
from gancompress.distill.losses import find_losses
from gancompress.distill.sampler import step_indices
from gancompress.distill.student import StudentTask
from gancompress.elastic import SubnetConfig, Supernet
from gancompress.errors import ConfigError
from gancompress.events import Emit, Notice, discard
from gancompress.gan import Batch, Objective, collate
from gancompress.graph import TracedGenerator, trace


def distill(
    supernet: Supernet,
    *,
    teacher: nn.Module | TracedGenerator,
    data: Dataset[Batch],
    objective: Objective | None = None,
    steps: int | None = None,
    config: DistillConfig | None = None,
    subnet: SubnetConfig | None = None,
    losses: Mapping[str, DistillLoss] = MappingProxyType({}),
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
            trains without. What the configuration makes of the discriminators happens in place.
        steps: Optimiser steps; None takes those of `config`.
        config: Weights and schedule.
        subnet: Trains this subnet alone, as fine-tuning does.
        losses: The distillation losses that there are, by name; empty for the core's own.
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
        ConfigError: If the device, or what the configuration asks of it, is not to be had; there is
            no distillation loss of a name, `config.sampling` lacks its budget, or an online
            teacher its targets.
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
    first = _first_batch(data, config.batch_size, seed)
    _check(config, first, losses)
    given = objective or PictureObjective()
    kept = config.discriminator in {"inherited", "none"}
    critics = given if kept else copy.deepcopy(given)
    judging = begin_critics(given, config, supernet, first)
    condition = shape_critics(judging, config, supernet, first)
    task = StudentTask(
        supernet,
        teacher,
        judging,
        config,
        subnet,
        losses=losses,
        critics=critics,
        condition=condition,
    )
    if task.lost:
        emit(
            Notice(
                stage, f"{task.lost} of {config.points} distillation points are not in the graph"
            )
        )
    task.match_adapters(first)
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


def _check(config: DistillConfig, batch: Batch, losses: Mapping[str, DistillLoss]) -> None:
    for loss in find_losses(config.losses if config.lambda_distill else {}, losses).values():
        loss.check()
    if config.teacher == "online" and batch.target is None:
        raise ConfigError(
            "'teacher' is 'online', and the data have no targets that it could go on learning from",
            hint="set it to 'frozen', or give paired data",
        )


def _first_batch(data: Any, size: int, seed: int) -> Batch:
    return collate([data[i] for i in step_indices(data, seed=seed, step=0, batch_size=size)])
