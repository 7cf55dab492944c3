"""Discriminators that know which subnet they judge."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gancompress.elastic import SubnetConfig

_NAME = "film"


class Condition:
    """The widths of the subnet that is judged, relative to the full ones.

    Args:
        units: Units at full width, by group.
    """

    def __init__(self, units: Mapping[str, int]) -> None:
        self.units = dict(units)
        self.values = torch.ones(len(self.units))

    def set(self, config: SubnetConfig) -> None:
        """Judge a subnet from now on.

        Args:
            config: Its widths; groups not named are at full width.
        """
        widths = [config.widths.get(key, units) / units for key, units in self.units.items()]
        self.values = torch.tensor(widths)


class Film(nn.Module):
    """``x·(1 + γ(w)) + β(w)``, γ and β linear in the relative widths w (FiLM, arXiv 1709.07871).

    It begins with γ = β = 0, as if it were not there.

    Args:
        condition: Has the widths.
        channels: Channels of x.
    """

    def __init__(self, condition: Condition, channels: int) -> None:
        super().__init__()
        self.condition = condition
        self.scale_shift = nn.Linear(len(condition.units), 2 * channels)
        nn.init.zeros_(self.scale_shift.weight)
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Scale and shift ``(N, channels, …)``."""
        widths = self.condition.values.to(self.scale_shift.weight)
        scale, shift = self.scale_shift(widths).view(2, 1, -1, *[1] * (x.dim() - 2))
        result: Tensor = x * (1 + scale) + shift
        return result


def condition_on_widths(discriminators: nn.Module, units: Mapping[str, int]) -> Condition:
    """Let discriminators know which subnet they judge.

    What enters each convolution is scaled and shifted. Not what leaves it: a norm behind it would
    take both out again. The new parameters belong to the convolutions, so that checkpoints and
    optimisers of the discriminators have them; a second call changes nothing.

    Args:
        discriminators: Changed in place.
        units: Units at full width, by group.

    Returns:
        Where the widths of a subnet are set.
    """
    known = condition_of(discriminators)
    if known is not None:
        return known
    condition = Condition(units)
    convolutions = [
        module
        for module in discriminators.modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    ]
    for layer in convolutions:
        layer.add_module(_NAME, Film(condition, layer.in_channels).to(layer.weight.device))
        layer.register_forward_pre_hook(_modulate)
    return condition


def condition_of(discriminators: nn.Module) -> Condition | None:
    """Return where discriminators are told a subnet; None where they do not ask.

    Args:
        discriminators: Some of which may have a `Film`.
    """
    films = (module for module in discriminators.modules() if isinstance(module, Film))
    return next((film.condition for film in films), None)


def _modulate(layer: nn.Module, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (getattr(layer, _NAME)(inputs[0]), *inputs[1:])
