"""Re-estimate batch-norm statistics for one subnet."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def calibrate_batch_norm(
    module: nn.Module, batches: Iterable[Tensor | tuple[Any, ...] | Mapping[str, Any]]
) -> nn.Module:
    """Replace running statistics by the averages over the given batches.

    A narrow subnet's channels see other sums than they saw at full width, so statistics that
    were averaged over all widths fit none of them. Each batch counts the same. The mode of every
    layer and the momentum of every norm are put back afterwards. Without a batch norm that
    keeps statistics the batches are not even drawn.

    Args:
        module: A materialised subnet; its statistics change in place.
        batches: The generator's inputs: a tensor, a tuple of positional ones, or a mapping of
            named ones. None at all leave the statistics as they are.

    Returns:
        The same module.
    """
    norms = [
        layer
        for layer in module.modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    ]
    if not norms:
        return module
    modes = {layer: layer.training for layer in module.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    try:
        module.eval()
        for norm in norms:
            norm.momentum = None  # cumulative: the n-th batch enters with weight 1/n
            norm.train()
        with torch.no_grad():
            for number, batch in enumerate(batches):
                for norm in norms if number == 0 else ():
                    norm.reset_running_stats()
                _call(module, batch)
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for layer, training in modes.items():
            layer.training = training
    return module


def _call(module: nn.Module, batch: Tensor | tuple[Any, ...] | Mapping[str, Any]) -> None:
    if isinstance(batch, Mapping):
        module(**batch)
    elif isinstance(batch, tuple):
        module(*batch)
    else:
        module(batch)
