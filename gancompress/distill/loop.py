"""The training loop of every stage, on accelerate: discriminator and generator step in turn."""

import random
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.utils.data import Dataset

from gancompress.config import LoopConfig
from gancompress.distill.average import MovingAverage
from gancompress.distill.loading import BatchLoader
from gancompress.distill.precision import resolve_precision
from gancompress.distill.sampler import step_seed
from gancompress.distill.snapshot import restore, snapshot
from gancompress.distill.task import TrainingTask
from gancompress.errors import TrainingError
from gancompress.events import Emit, Notice, StageFinished, StageProgress, StageStarted, discard
from gancompress.gan import Batch
from gancompress.store import load_latest_checkpoint, save_checkpoint

REPORT_EVERY = 20


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
    seed: int = 0,
    stage: str = "train",
    emit: Emit = discard,
) -> FitResult:
    """Train until `config.steps`, going on from the newest checkpoint.

    Everything random is seeded by the run's seed and the step, so a run that was interrupted
    equals one that was not, bit for bit on one machine.

    Args:
        task: What is trained.
        data: A map-style data set of samples.
        config: Steps, batch, optimiser, precision, average.
        folder: Where checkpoints are kept; None for none.
        seed: Seed of everything random.
        stage: Name for events.
        emit: Receives events.

    Returns:
        The trained generator.

    Raises:
        TrainingError: If a loss is not finite; the last good checkpoint stays.
    """
    return _Loop(task, data, config, folder=folder, seed=seed, stage=stage, emit=emit).run()


class _Loop:
    def __init__(
        self,
        task: TrainingTask,
        data: Dataset[Batch],
        config: LoopConfig,
        *,
        folder: Path | None,
        seed: int,
        stage: str,
        emit: Emit,
    ) -> None:
        self.task, self.data, self.config = task, data, config
        self.folder, self.seed, self.stage, self.emit = folder, seed, stage, emit
        self.accelerator = Accelerator()
        device = self.accelerator.device
        self.loader = BatchLoader(
            data,
            seed=seed,
            steps=config.steps,
            batch_size=config.batch_size,
            place=(self.accelerator.process_index, self.accelerator.num_processes),
        )
        self.precision = resolve_precision(config.precision, device)
        task.to(device)
        self.discriminators = task.objective.discriminators
        optimiser = config.optimiser
        self.optimisers: dict[str, Optimizer] = {
            "generator": Adam(task.trained.parameters(), optimiser.lr, optimiser.betas)
        }
        if config.lambda_gan and any(True for _ in self.discriminators.parameters()):
            self.optimisers["discriminators"] = Adam(
                self.discriminators.parameters(), optimiser.lr_discriminator, optimiser.betas
            )
        self.average = MovingAverage(task.generator, config.ema) if config.ema else None

    def run(self) -> FitResult:
        started = time.perf_counter()
        step, metrics = self._resume()
        self.emit(StageStarted(self.stage, self.config.steps, step))
        if self.config.precision == "auto" and self.precision == "bf16":
            self.emit(Notice(self.stage, "the networks compute in bfloat16, as this device does"))
        sums: dict[str, float] = {}
        count = 0
        self.task.trained.train()
        self.discriminators.train()
        while step < self.config.steps:
            for name, value in self._step(step).items():
                sums[name] = sums.get(name, 0.0) + value
            step, count = step + 1, count + 1
            last = step == self.config.steps
            if step % REPORT_EVERY == 0 or last:
                metrics = {name: value / count for name, value in sums.items()}
                self.emit(StageProgress(self.stage, step, metrics))
                sums, count = {}, 0
            if step % self.config.checkpoint_every == 0 or last:
                self._save(step, metrics)
        self.loader.close()
        self.emit(StageFinished(self.stage, time.perf_counter() - started))
        kept = self.task.generator if self.average is None else self.average.module
        # The stages that follow work on the CPU, whichever device has trained.
        cpu = torch.device("cpu")
        self.task.to(cpu)
        return FitResult(kept.to(cpu).eval(), step, metrics)

    def _step(self, step: int) -> dict[str, float]:
        torch.manual_seed(step_seed(self.seed, step))
        self._set_rates(step)
        self.task.begin_step(step, random.Random(step_seed(self.seed, step)))  # noqa: S311
        batch = self._batch(step)
        with self._autocast():
            drawn = self.task.generate(batch)
        batch = replace(batch, extras={**batch.extras, **drawn.extras})
        losses = self._train_discriminators(batch.detached(), drawn.output.detach())
        losses |= self._train_generator(batch, drawn.output, drawn.terms)
        values = {name: float(value.detach()) for name, value in losses.items()}
        for name, value in values.items():
            if not torch.isfinite(torch.tensor(value)):
                raise TrainingError(
                    f"the loss '{name}' of stage '{self.stage}' is {value} at step {step + 1}",
                    hint="lower the learning rate; the last good checkpoint is kept",
                )
        return values

    def _batch(self, step: int) -> Batch:
        return self.loader.load(step).to(self.accelerator.device)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "no":
            return nullcontext()
        return torch.autocast(self.accelerator.device.type, torch.bfloat16)

    def _set_rates(self, step: int) -> None:
        config = self.config.optimiser
        rates = {"generator": config.lr, "discriminators": config.lr_discriminator}
        begin = config.decay_from * self.config.steps
        rest = max(self.config.steps - begin, 1.0)
        factor = min(1.0, 1.0 - (step - begin) / rest)
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = rates[name] * factor

    def _train_discriminators(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        if "discriminators" not in self.optimisers:
            return {}
        with self._autocast():
            losses = self.task.objective.discriminator_losses(batch, output.float())
        self.optimisers["discriminators"].zero_grad()
        self.accelerator.backward(_total(losses))
        self.optimisers["discriminators"].step()
        return losses

    def _train_generator(
        self, batch: Batch, output: Tensor, terms: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        losses = dict(terms)
        if "discriminators" in self.optimisers:
            # The verdict needs a gradient for the picture, not for the discriminators.
            self.discriminators.requires_grad_(requires_grad=False)
            with self._autocast():
                adversarial = self.task.objective.generator_losses(batch, output)
            losses |= {name: self.config.lambda_gan * loss for name, loss in adversarial.items()}
        self.optimisers["generator"].zero_grad()
        self.accelerator.backward(_total(losses))
        self.discriminators.requires_grad_(requires_grad=True)
        if self.config.optimiser.clip_grad_norm is not None:
            self.accelerator.clip_grad_norm_(
                self.task.trained.parameters(), self.config.optimiser.clip_grad_norm
            )
        self.optimisers["generator"].step()
        if self.average is not None:
            self.average.update_parameters(self.task.generator)
        return losses

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {
            "trained": self.task.trained,
            "discriminators": self.discriminators,
        }
        return modules if self.average is None else modules | {"average": self.average}

    def _save(self, step: int, metrics: Mapping[str, float]) -> None:
        if self.folder is not None and self.accelerator.is_main_process:
            tensors = snapshot(self._modules(), self.optimisers)
            save_checkpoint(self.folder, step, tensors, {"metrics": dict(metrics)})

    def _resume(self) -> tuple[int, dict[str, float]]:
        checkpoint = None if self.folder is None else load_latest_checkpoint(self.folder)
        if checkpoint is None:
            return 0, {}
        for sentence in checkpoint.skipped:
            self.emit(Notice(self.stage, sentence))
        restore(checkpoint.tensors, self._modules(), self.optimisers)
        return checkpoint.step, dict(checkpoint.state.get("metrics", {}))


def _total(losses: Mapping[str, Tensor]) -> Tensor:
    if not losses:
        raise TrainingError(
            "no loss is left: every weight is zero", hint="set lambda_recon or lambda_gan above 0"
        )
    return torch.stack([loss.float() for loss in losses.values()]).sum()
