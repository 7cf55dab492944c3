"""State dicts of published discriminators, translated to those of this kit."""

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor, nn

from gancompress.gan.official import State, official_state, without_prefix

_LAYER: Final = re.compile(r"^discriminator_(\d+)\.model(\d+)\.(.+)$")
# A convolution with a norm is a sequence inside the sequence of its stage.
_NESTED: Final = re.compile(r"^0\.(?=\d+\.)")


def official_critic(
    critic: nn.Module, state: Mapping[str, Tensor], name: str = "discriminator"
) -> State:
    """Translate a published checkpoint of a discriminator to the layout of ours.

    Patch and pixel discriminators are named alike; those of several scales
    (``discriminator_0.model1.0.0.weight_orig``) are renamed by `scales_renamed`. Then follow the
    steps of `official_state`.

    Args:
        critic: Our discriminator; only names and shapes are looked at, so it may be on the meta
            device.
        state: The checkpoint's tensors by name.
        name: What the objective calls the discriminator.

    Returns:
        Tensors under the names of the objective's discriminators; they need not fit.
    """
    found = official_state(critic, scales_renamed(critic, without_prefix(state)))
    return {f"{name}.{key}": value for key, value in found.items()}


def scales_renamed(critic: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Name the layers of discriminators at several resolutions as ours.

    Args:
        critic: Our discriminator.
        state: Tensors by name.
    """
    stages = {name for name, _ in critic.named_modules()}
    found: State = {}
    for name, value in state.items():
        layer = _LAYER.match(name)
        if layer:
            stage = f"scales.{layer[1]}.stages.{layer[2]}"
            inside = _NESTED.sub("", layer[3])
            # The last stage is a convolution alone, and here without a sequence around it.
            if stage in stages and f"{stage}.0" not in stages:
                inside = inside.removeprefix("0.")
            name = f"{stage}.{inside}"  # noqa: PLW2901 - its name from here on
        found[name] = value
    return found
