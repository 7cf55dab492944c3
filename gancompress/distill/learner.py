"""What a training moves: one step of generator and discriminators, over all processes."""

import random
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.utils.data import Dataset

from gancompress.config import LoopConfig
from gancompress.distill.average import STATISTICS, MovingAverage
from gancompress.distill.loading import BatchLoader
from gancompress.distill.precision import resolve_precision
from gancompress.distill.processes import Team
from gancompress.distill.sampler import derived_seed, step_seed
from gancompress.distill.task import TrainingTask
from gancompress.distill.turn import Turn, rate_factor
from gancompress.errors import ConfigError
from gancompress.gan import Batch, Drawn

_HALVES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}
_CPU: Final = torch.device("cpu")


class Learner:
    """The networks of a task with their optimisers, and how they take a step.

    Discriminators step as soon as their gradient is whole, so that the generator hears the new
    verdict, as in pix2pix. Where gradients are accumulated that is so in the last micro-batch; in
    those before, it hears the verdict of the step before.

    Batch norms normalise by this process's share of a micro-batch, and their running statistics
    are averaged over the processes after every step.

    Args:
        task: What is trained; it is moved to the device.
        data: A map-style data set of samples.
        config: Steps, batch, optimiser, precision.
        team: The processes.
        device: Where this one trains.
        seed: Seed of everything random.
        average: The generator's moving average; None for none.
    """

    def __init__(
        self,
        task: TrainingTask,
        data: Dataset[Batch],
        config: LoopConfig,
        team: Team,
        device: torch.device,
        *,
        seed: int,
        average: MovingAverage | None,
    ) -> None:
        self.task, self.config, self.team, self.device = task, config, team, device
        self.seed, self.average = seed, average
        self.precision = resolve_precision(config.precision, device)
        self.factor = 1.0
        """What the learning rates are multiplied by since the training has diverged."""
        self.loader = BatchLoader(
            data,
            seed=seed,
            steps=config.steps,
            batch_size=config.batch_size,
            place=(team.index, team.count),
            accumulate=config.accumulate,
        )
        self.discriminators = task.objective.discriminators
        self._place(device, torch.channels_last)
        rates = config.optimiser
        self.turns = {"generator": self._turn(task.trained, rates.lr, rates.clip_grad_norm)}
        if config.lambda_gan and any(True for _ in self.discriminators.parameters()):
            self.turns["discriminators"] = self._turn(
                self.discriminators, rates.lr_discriminator, rates.clip_grad_norm_discriminator
            )
        self._statistics = [
            buffer
            for module in (task.trained, self.discriminators)
            for name, buffer in module.named_buffers()
            if name.endswith(STATISTICS)
        ]
        task.trained.train()
        self.discriminators.train()
        if config.compile:
            task.compile()

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What training changes, by name."""
        modules: dict[str, nn.Module] = {
            "trained": self.task.trained,
            "discriminators": self.discriminators,
        }
        return modules if self.average is None else modules | {"average": self.average}

    def step(self, step: int) -> tuple[dict[str, float], float]:
        """Take one optimiser step.

        Args:
            step: Steps taken so far.

        Returns:
            The losses, averaged over micro-batches and processes, and the sum of the generator's.

        Raises:
            TrainingError: If there is no loss, or another process has ended.
        """
        count = self.config.accumulate
        judged: list[dict[str, Tensor]] = []
        made: list[dict[str, Tensor]] = []
        factor = self.factor * rate_factor(self.config.optimiser, step, self.config.steps)
        for micro in range(step * count, (step + 1) * count):
            batch, drawn = self._draw(micro)
            judged.append(self._judge(batch.detached(), drawn.output.detach()))
            if micro + 1 == (step + 1) * count and "discriminators" in self.turns:
                self.turns["discriminators"].step(factor)
            made.append(self._please(batch, drawn))
        self.turns["generator"].step(factor)
        own, theirs = _mean(made), _mean(judged)
        values = torch.stack([*theirs.values(), *own.values()])
        self.team.average([values, *self._statistics])
        if self.average is not None:
            self.average.update_parameters(self.task.generator)
        losses = dict(zip([*theirs, *own], values.tolist(), strict=True))
        return losses, sum(losses[name] for name in own)

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Draw sample pictures in eval mode, and leave everything as it was.

        Args:
            batch: Inputs ``(N, C, H, W)`` in [-1, 1] on the device.
        """
        modes = [(module, module.training) for module in self.task.trained.modules()]
        try:
            self.task.trained.eval()
            with torch.no_grad(), self._autocast():
                drawn = self.task.pictures(batch)
        finally:
            for module, mode in modes:
                module.training = mode
        return {label: pictures.float().cpu() for label, pictures in drawn.items()}

    def finish(self) -> nn.Module:
        """End the loader, and bring everything back to where later stages work.

        Returns:
            The generator, or its moving average, in eval mode on the CPU.
        """
        self.loader.close()
        if self.config.compile:
            self.task.compile(undo=True)
        self._place(_CPU, torch.contiguous_format)
        kept = self.task.generator if self.average is None else self.average.module
        return kept.eval()

    def _turn(self, module: nn.Module, rate: float, clip: float | None) -> Turn:
        scaler = GradScaler(self.device.type, enabled=self.precision == "fp16")
        return Turn(
            module.parameters(),
            self.team,
            rate=rate,
            betas=self.config.optimiser.betas,
            clip=clip,
            scaler=scaler,
        )

    def _place(self, device: torch.device, layout: torch.memory_format) -> None:
        self.task.to(device)
        if self.average is not None:
            self.average.to(device)
        if self.config.channels_last:
            for module in self.modules.values():
                module.to(memory_format=layout)

    def _draw(self, micro: int) -> tuple[Batch, Drawn]:
        """Make a batch, and let the generator draw."""
        batch = self.loader.load(micro).to(self.device)
        if self.config.channels_last:
            batch = replace(batch, inputs=tuple(_channels_last(x) for x in batch.inputs))
        own = step_seed(self.seed, micro)
        # What is drawn in the step differs by process, and process 0 draws what one alone would.
        torch.manual_seed(
            own if self.team.leads else derived_seed(self.seed, micro, self.team.index)
        )
        self.task.begin_step(micro, random.Random(own))  # noqa: S311
        with self._autocast():
            drawn = self.task.generate(batch)
        return replace(batch, extras={**batch.extras, **drawn.extras}), drawn

    def _judge(self, batch: Batch, output: Tensor) -> dict[str, Tensor]:
        """Add the discriminators' gradient."""
        if "discriminators" not in self.turns:
            return {}
        with self._autocast():
            losses = self.task.objective.discriminator_losses(batch, output.float())
        self.turns["discriminators"].backward(losses, 1 / self.config.accumulate)
        return losses

    def _please(self, batch: Batch, drawn: Drawn) -> dict[str, Tensor]:
        """Add the generator's gradient."""
        losses = dict(drawn.terms)
        if "discriminators" in self.turns:
            # The verdict needs a gradient for the picture, not for the discriminators.
            self.discriminators.requires_grad_(requires_grad=False)
            with self._autocast():
                adversarial = self.task.objective.generator_losses(batch, drawn.output)
            losses |= {name: self.config.lambda_gan * loss for name, loss in adversarial.items()}
        self.turns["generator"].backward(losses, 1 / self.config.accumulate)
        self.discriminators.requires_grad_(requires_grad=True)
        return losses

    def _autocast(self) -> AbstractContextManager[object]:
        half = _HALVES.get(self.precision)
        return nullcontext() if half is None else torch.autocast(self.device.type, half)


def check_loop(config: LoopConfig, team: Team, device: torch.device) -> None:
    """Refuse what a training could not do here, before it begins.

    Args:
        config: The configuration.
        team: The processes.
        device: Where this one trains.

    Raises:
        ConfigError: If the batch cannot be shared out evenly, half precision needs a GPU, or
            nothing can be compiled.
    """
    parts = team.count * config.accumulate
    if config.batch_size % parts:
        raise ConfigError(
            f"'batch_size' is {config.batch_size}, which {team.count} process(es) with "
            f"{config.accumulate} micro-batch(es) each cannot share evenly",
            hint=f"give a multiple of {parts}: it counts the pictures of all processes together",
        )
    if config.precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "'precision' is 'fp16', which needs a GPU",
            hint="set it to 'bf16' or 'no', or train on a GPU",
        )
    if config.compile:
        _check_compiler(device)


def _check_compiler(device: torch.device) -> None:
    """Compile something small, as only that tells whether the compiler works.

    Raises:
        ConfigError: If it does not.
    """
    try:
        torch.compile(lambda x: torch.relu(x) + 1.0)(torch.ones(4, device=device))
    except Exception as error:  # whatever a compiler, or its absence, raises
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"'compile' is set, and nothing can be compiled here: {lines[0]}",
            hint="install a C++ compiler (for a GPU also triton), or leave 'compile' out",
        ) from error


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def _mean(losses: list[dict[str, Tensor]]) -> Mapping[str, Tensor]:
    """Average losses over micro-batches, in float32."""
    return {
        name: torch.stack([loss[name].detach().float() for loss in losses]).mean()
        for name in losses[0]
    }
