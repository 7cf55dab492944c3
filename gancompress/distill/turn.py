"""One network's turn in a step: its backward, its gradients over all processes, its optimiser."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Adam

from gancompress.config import OptimiserConfig
from gancompress.distill.processes import Team
from gancompress.errors import TrainingError


class Turn:
    """Generator and discriminators have one each, so no gradient scaler sees both half-way.

    Args:
        parameters: What its optimiser moves.
        team: The processes; gradients are averaged over them.
        rate: Learning rate.
        betas: Adam's.
        clip: Largest gradient norm, after averaging; None for no clipping.
        scaler: Scales losses so that half-precision gradients do not vanish; it may be off.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        team: Team,
        *,
        rate: float,
        betas: tuple[float, float],
        clip: float | None = None,
        scaler: GradScaler,
    ) -> None:
        self.parameters = list(parameters)
        self.team, self.rate, self.clip, self.scaler = team, rate, clip, scaler
        self.optimiser = Adam(self.parameters, rate, betas)
        self.optimiser.zero_grad()  # of whoever has used them before

    def backward(self, losses: Mapping[str, Tensor], share: float = 1.0) -> None:
        """Add the gradient of the sum of some losses.

        Args:
            losses: Scalars by name.
            share: What this micro-batch weighs in the step, in (0, 1].

        Raises:
            TrainingError: If there is no loss.
        """
        scaled: Tensor = self.scaler.scale(share * _total(losses))
        # A method of tensors that torch has not annotated.
        scaled.backward()  # type: ignore[no-untyped-call]

    def step(self, factor: float = 1.0) -> None:
        """Move the parameters by the gradients that have been added up, and forget those.

        Args:
            factor: What the schedule makes of the learning rate.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * factor
        self.team.average(p.grad for p in self.parameters if p.grad is not None)
        if self.clip is not None:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()

    @property
    def state(self) -> dict[str, Any]:
        """What is no tensor of the optimiser: the scaler's scale, as JSON values."""
        return dict(self.scaler.state_dict())

    @state.setter
    def state(self, values: Mapping[str, Any]) -> None:
        if values and self.scaler.is_enabled():
            self.scaler.load_state_dict(dict(values))


def rate_factor(config: OptimiserConfig, step: int, steps: int) -> float:
    """Return what the schedule multiplies the learning rates by.

    Args:
        config: The schedule.
        step: Steps taken so far.
        steps: Steps in all.

    Returns:
        A number in [0, 1]; 1 until `decay_from`.
    """
    begin = config.decay_from * steps
    rest = max(steps - begin, 1.0)
    gone = max((step - begin) / rest, 0.0)
    match config.schedule:
        case "linear":
            return 1.0 - gone
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * gone))
        case "step":
            # The first fall comes with the first step after `decay_from`.
            falls = 1 + math.floor((step - begin) / (config.decay_every * steps))
            return config.decay_factor ** max(falls, 0)
        case "constant":
            return 1.0


def _total(losses: Mapping[str, Tensor]) -> Tensor:
    if not losses:
        raise TrainingError(
            "no loss is left: every weight is zero", hint="set lambda_recon or lambda_gan above 0"
        )
    return torch.stack([loss.float() for loss in losses.values()]).sum()
