"""What judges a student: the discriminators that a distillation begins with."""

import copy
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from gancompress.config import DistillConfig
from gancompress.distill.film import Condition, condition_on_widths
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import ConfigError
from gancompress.gan import Batch, Objective
from gancompress.graph import trace
from gancompress.passes import FoldReparametrisation, SortChannels, run_passes

_NARROWED: Final = "gancompress_width"


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
        return condition_on_widths(objective.discriminators, units)
    return None


def narrow(objective: Objective, share: float, batch: Batch) -> None:
    """Keep a share of the discriminators' channels, the most important ones.

    They are traced, sorted and cut as a generator is, so nothing of the family is known. A
    reparametrised weight, such as spectral norm's, becomes the plain one it computes.

    Args:
        objective: Its discriminators are replaced.
        share: Of the channels of each group, in (0, 1].
        batch: Pictures that show with which shapes they are called.

    Raises:
        ConfigError: If the discriminators cannot be replaced.
        TraceError: If one cannot be traced.
    """
    networks = objective.discriminators
    if networks is not objective.discriminators:
        raise ConfigError(
            "the objective makes its discriminators anew each time it is asked",
            hint="let 'discriminators' return the nn.ModuleDict that its losses call",
        )
    for name, (args, kwargs) in _calls(objective, batch).items():
        network = networks[name]
        if not getattr(network, "meta", {}).get(_NARROWED):
            networks[name] = _narrowed(network, share, args, kwargs)


def _narrowed(
    network: nn.Module, share: float, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> nn.Module:
    mode = network.training
    traced = trace(network.eval(), args, dict(kwargs))
    traced = run_passes(traced, [FoldReparametrisation(), SortChannels()])
    supernet = Supernet(traced, SearchSpace.multiples_of(1, smallest=share))
    small = supernet.materialise(supernet.space.smallest())
    small.meta[_NARROWED] = share
    return small.train(mode)


def _calls(objective: Objective, batch: Batch) -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """Run the adversarial losses once, and note what each discriminator is called with."""
    seen: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    hooks = []
    for name, network in objective.discriminators.items():

        def note(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], key: str = name
        ) -> None:
            del module
            seen.setdefault(key, (args, kwargs))

        hooks.append(network.register_forward_pre_hook(note, with_kwargs=True))
    real = batch.real
    try:
        with torch.no_grad():
            objective.generator_losses(batch, batch.inputs[0] if real is None else real)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


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
