"""The distillation losses of the core, one module each, and how a loss is found by its name."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from gancompress.distill.loss import DistillLoss
from gancompress.distill.losses.adapter_mse import AdapterMse
from gancompress.distill.losses.channel_attention import ChannelAttention, ChannelDistribution
from gancompress.distill.losses.discriminator import DiscriminatorFeatures
from gancompress.distill.losses.kernel_alignment import KernelAlignment
from gancompress.distill.losses.perceptual import Perceptual, Style
from gancompress.distill.losses.structure import Structure, TotalVariation
from gancompress.distill.losses.wavelet import Wavelet
from gancompress.errors import ConfigError

__all__ = [
    "AdapterMse",
    "ChannelAttention",
    "ChannelDistribution",
    "DiscriminatorFeatures",
    "KernelAlignment",
    "Perceptual",
    "Structure",
    "Style",
    "TotalVariation",
    "Wavelet",
    "core_losses",
    "find_losses",
]


def core_losses() -> list[DistillLoss]:
    """Return the core's losses; none of them loads anything before it is used."""
    return [
        AdapterMse(),
        KernelAlignment(),
        ChannelAttention(),
        ChannelDistribution(),
        Perceptual(),
        Style(),
        Structure(),
        TotalVariation(),
        Wavelet(),
        DiscriminatorFeatures(),
    ]


def find_losses(
    weights: Mapping[str, float], offered: Mapping[str, DistillLoss] | Iterable[DistillLoss] = ()
) -> dict[str, DistillLoss]:
    """Look losses up.

    Args:
        weights: Weights by name; losses of weight 0 are looked up too, and left out.
        offered: What plugins and the core offer; empty for the core's own.

    Returns:
        The losses by name, in the order of the weights.

    Raises:
        ConfigError: If there is none of a name.
    """
    values = offered.values() if isinstance(offered, Mapping) else offered
    known = {loss.name: loss for loss in (list(values) or core_losses())}
    for name in weights:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            guess = f"did you mean '{close[0]}'? " if close else ""
            raise ConfigError(
                f"there is no distillation loss '{name}'",
                hint=f"{guess}known losses: {', '.join(sorted(known))}",
            )
    return {name: known[name] for name, weight in weights.items() if weight}
