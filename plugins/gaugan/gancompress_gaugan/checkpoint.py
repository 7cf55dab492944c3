"""Keys of the published checkpoints, translated to those of this generator."""

from collections.abc import Mapping

from torch import Tensor

# Spectral norm by hooks leaves these beside a layer; parametrised it has other names.
_SPECTRAL = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}


def translated(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Translate a published state dict, whose spectral norm is that of torch's hooks.

    Args:
        state: Tensors by name.

    Returns:
        The same tensors under this generator's names; None where there is nothing to translate.
    """
    renamed = {_rename(key): value for key, value in state.items()}
    return renamed if renamed.keys() != state.keys() else None


def _rename(key: str) -> str:
    path, _, name = key.removeprefix("module.").rpartition(".")
    return f"{path}.{_SPECTRAL.get(name, name)}" if path else name
