"""What judges a student: the discriminators that a distillation begins with."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from gancompress.config import DistillConfig
from gancompress.distill.film import Condition, condition_of, condition_on_widths
from gancompress.distill.narrowing import narrow
from gancompress.elastic import Supernet
from gancompress.gan import Batch, Objective


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


class FrozenCritics:
    """A copy of an objective's discriminators, as a metric of pictures.

    Args:
        objective: Is copied, with its discriminators.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = copy.deepcopy(objective)
        self._networks = self._objective.discriminators
        self._networks.requires_grad_(requires_grad=False).eval()
        self._maps: list[Tensor] = []
        for module in self._networks.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
                module.register_forward_hook(self._keep)

    def to(self, device: torch.device) -> None:
        """Move the discriminators."""
        self._networks.to(device)

    def __call__(self, batch: Batch, picture: Tensor) -> list[Tensor]:
        """Return what every convolution of every discriminator makes of pictures.

        Args:
            batch: The batch that they belong to.
            picture: ``(N, C, H, W)`` in [-1, 1].
        """
        self._maps = []
        self._objective.generator_losses(batch, picture)
        maps, self._maps = self._maps, []
        return maps

    def _keep(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        del module, inputs
        # An activation behind it may work in place.
        self._maps.append(output.clone())


def begin_critics(
    objective: Objective, config: DistillConfig, supernet: Supernet, batch: Batch
) -> Objective:
    """Give a student's training the discriminators that the configuration asks for.

    Args:
        objective: Has the teacher's; they are changed in place.
        config: Says what becomes of them.
        supernet: The student.
        batch: Pictures for an example run.

    Returns:
        The objective, or one without discriminators.

    Raises:
        ConfigError: If the objective's discriminators cannot be replaced.
        TraceError: If a discriminator cannot be traced, and is to be narrowed.
    """
    if config.discriminator == "none":
        return PictureObjective()
    if config.discriminator == "fresh":
        reinitialise(objective.discriminators)
    shape_critics(objective, config, supernet, batch)
    return objective


def shape_critics(
    objective: Objective, config: DistillConfig, supernet: Supernet, batch: Batch
) -> Condition | None:
    """Give discriminators the architecture that a configuration asks for; twice changes nothing.

    Args:
        objective: Its discriminators are changed in place.
        config: ``scaled`` narrows them, ``conditioned`` tells them the subnet.
        supernet: The student.
        batch: Pictures for an example run.

    Returns:
        Where the subnet is set that they judge; None where they do not ask.
    """
    if config.discriminator == "scaled":
        narrow(objective, config.critic_width, batch)
    if config.discriminator == "conditioned":
        units = {group.key: group.units for group in supernet.graph.searchable()}
        condition_on_widths(objective.discriminators, units)
    # An earlier stage may have made them ask.
    return condition_of(objective.discriminators)


@torch.no_grad()
def reinitialise(module: nn.Module) -> None:
    """Draw the parameters of a network anew.

    Layers draw their own as torch does; a matrix or kernel that no layer draws, such as one behind
    a spectral norm, is drawn like a convolution's.

    Args:
        module: Changed in place.
    """
    before = {name: value.clone() for name, value in module.named_parameters()}
    for layer in module.modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
    for name, value in module.named_parameters():
        if value.dim() > 1 and torch.equal(value, before[name]):
            nn.init.kaiming_uniform_(value, a=5**0.5)
