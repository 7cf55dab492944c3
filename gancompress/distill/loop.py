"""The training loop of every stage: discriminator and generator step in turn."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from gancompress.config import LoopConfig
from gancompress.distill.alarm import Alarm, Diverged
from gancompress.distill.average import MovingAverage
from gancompress.distill.keeper import Keeper
from gancompress.distill.learner import Learner, check_loop
from gancompress.distill.meter import Meter
from gancompress.distill.observe import sample_batch, tracking
from gancompress.distill.processes import Team, find_device
from gancompress.distill.task import TrainingTask
from gancompress.errors import TrainingError
from gancompress.events import Emit, Notice, StageFinished, StageProgress, StageStarted, discard
from gancompress.gan import Batch

REPORT_EVERY = 20
Draw: TypeAlias = Callable[[Path, Mapping[str, Tensor]], object]
"""Writes a grid: a path, and pictures ``(N, C, H, W)`` in [-1, 1] by column."""


@dataclass(frozen=True)
class FitResult:
    """What a stage ended with.

    Args:
        generator: The trained generator, or its moving average where the configuration has one.
        steps: Optimiser steps in all, earlier runs included.
        metrics: Averages of the losses over the last steps.
    """

    generator: nn.Module
    steps: int
    metrics: Mapping[str, float]


def fit(
    task: TrainingTask,
    data: Dataset[Batch],
    config: LoopConfig,
    *,
    folder: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    stage: str = "train",
    device: str | torch.device | None = None,
    draw: Draw | None = None,
    emit: Emit = discard,
) -> FitResult:
    """Train until `config.steps`, going on from the newest checkpoint.

    Everything random is seeded by the run's seed and the step, so a run that was interrupted
    equals one that was not, bit for bit on one machine. Started in several processes, by
    ``torchrun`` or ``accelerate launch``, each takes its share of every batch and process 0 alone
    writes and reports; all return the same weights.

    Where a loss is not finite or explodes, the training goes back to the last good checkpoint
    once, with `config.retry_rate` of its learning rates.

    Args:
        task: What is trained.
        data: A map-style data set of samples.
        config: Steps, batch, optimiser, precision, average.
        folder: Where checkpoints are kept; None for none.
        out: Where sample pictures (``samples/STAGE``) and the logs of trackers
            (``trackers/STAGE``) go; None takes `folder`.
        seed: Seed of everything random.
        stage: Name for events.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; None takes what there is.
        draw: Writes sample pictures every `config.sample_every` steps; None draws none.
        emit: Receives events.

    Returns:
        The trained generator.

    Raises:
        ConfigError: If the batch cannot be shared out, or the device, the precision or compiling
            is not to be had here.
        MissingExtraError: If a tracker's library is not installed.
        TrainingError: If the training has diverged twice; the last good checkpoint stays.
    """
    loop = _Loop(task, data, config, folder, seed=seed, stage=stage, device=device)
    return loop.run(folder if out is None else out, draw, emit)


class _Loop:
    def __init__(
        self,
        task: TrainingTask,
        data: Dataset[Batch],
        config: LoopConfig,
        folder: Path | None,
        *,
        seed: int,
        stage: str,
        device: str | torch.device | None,
    ) -> None:
        self.data, self.config, self.folder, self.stage = data, config, folder, stage
        self.team = Team.join()
        self.device = find_device(device, self.team)
        check_loop(config, self.team, self.device)
        self.average = MovingAverage(task.generator, config.ema) if config.ema else None
        self.learner = Learner(
            task, data, config, self.team, self.device, seed=seed, average=self.average
        )
        self.alarm = Alarm(config.explodes_at, stage)
        self.meter = Meter()
        self.keeper = Keeper(self.learner, self.alarm, self.meter, folder)
        self.step = 0

    def run(self, out: Path | None, draw: Draw | None, emit: Emit) -> FitResult:
        started = time.perf_counter()
        self.emit = emit if self.team.leads else discard
        self.out, self.draw = out, draw if self.team.leads else None
        names = self.config.trackers if self.team.leads else ()
        with tracking(names, out, self.stage) as trackers:
            self.trackers = trackers
            self.step = self.keeper.begin(self.emit, self.stage)
            self.emit(StageStarted(self.stage, self.config.steps, self.step))
            if self.config.precision == "auto" and self.learner.precision == "bf16":
                text = "the networks compute in bfloat16, as this device does"
                self.emit(Notice(self.stage, text))
            self.meter.start(self.step)
            while self.step < self.config.steps:
                try:
                    self._advance()
                except Diverged as found:
                    self._go_back(found)
        self.emit(StageFinished(self.stage, time.perf_counter() - started))
        return FitResult(self.learner.finish(), self.step, self.meter.last)

    def _advance(self) -> None:
        losses, total = self.learner.step(self.step)
        self.step += 1
        self.alarm.check(self.step, losses, total)
        self.meter.add(losses)
        last = self.step == self.config.steps
        if self.step % REPORT_EVERY == 0 or last:
            metrics = self.meter.read()
            speed = self.meter.speed(self.step, self.config.batch_size)
            self.trackers.log(metrics, self.step)
            self.emit(StageProgress(self.stage, self.step, metrics, speed))
        if self.step % self.config.checkpoint_every == 0 or last:
            self.keeper.keep(self.step)
        if self.config.sample_every and (self.step % self.config.sample_every == 0 or last):
            self._sample()

    def _go_back(self, found: Diverged) -> None:
        rate, good = self.config.retry_rate, self.keeper.good
        if not rate or self.learner.factor < 1.0 or not self.keeper.is_sound:
            again = ", after a second attempt" if self.learner.factor < 1.0 else ""
            kept = f"; the checkpoint of step {good.step} is kept" if good.step else ""
            raise TrainingError(
                f"{found.reason}{again}",
                hint=f"begin in another folder with a lower learning rate{kept}",
            )
        self.step = self.keeper.go_back(rate)
        self.meter.start(self.step)
        text = f"the training goes on from step {self.step} with {rate:g} of its learning rates"
        self.emit(Notice(self.stage, f"{found.reason}: {text}"))

    def _sample(self) -> None:
        if self.draw is not None and self.out is not None:
            batch = sample_batch(self.data).to(self.device)
            place = self.out / "samples" / self.stage / f"step-{self.step:08d}.png"
            self.draw(place, self.learner.pictures(batch))
