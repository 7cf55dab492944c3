"""Weights and Adam's moments as one flat dict of tensors, and back."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from gancompress.errors import CheckpointError


def snapshot(
    modules: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer]
) -> dict[str, Tensor]:
    """Collect everything that training changes.

    Args:
        modules: Modules by name.
        optimisers: Optimisers by name, whose state holds tensors only (as Adam's does).

    Returns:
        Copies of the tensors, named ``module/NAME/KEY`` and ``optimiser/NAME/INDEX/KEY``.
    """
    tensors = {
        f"module/{name}/{key}": value.detach().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    for name, optimiser in optimisers.items():
        for index, state in optimiser.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimiser/{name}/{index}/{key}"] = value.detach().clone()
    return tensors


def restore(
    tensors: Mapping[str, Tensor],
    modules: Mapping[str, nn.Module],
    optimisers: Mapping[str, Optimizer],
) -> None:
    """Put back what `snapshot` collected.

    Args:
        tensors: Its result.
        modules: The same modules, changed in place.
        optimisers: The same optimisers, changed in place.

    Raises:
        CheckpointError: If the tensors are of another architecture or configuration.
    """
    for name, module in modules.items():
        prefix = f"module/{name}/"
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            first = str(error).splitlines()[-1].strip()
            raise CheckpointError(
                f"the checkpoint does not fit '{name}': {first}",
                hint="start in another folder, or with the configuration it was made with",
            ) from None
    for name, optimiser in optimisers.items():
        prefix = f"optimiser/{name}/"
        states: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, entry = key.removeprefix(prefix).split("/")
                # Adam changes what it is given in place.
                states.setdefault(int(index), {})[entry] = value.clone()
        optimiser.load_state_dict({**optimiser.state_dict(), "state": states})
