"""Re-estimate batch-norm statistics for one subnet."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def calibrate_batch_norm(
    module: nn.Module, batches: Iterable[Tensor | tuple[Any, ...] | Mapping[str, Any]]
) -> nn.Module:
    """Replace running statistics by the averages over the given batches.

    A narrow subnet's channels see other sums than they saw at full width, so statistics that
    were averaged over all widths fit none of them. Each batch counts the same, those of other
    processes too where `torch.distributed` is initialised: all have to call this, each with its
    own batches, and all end with the same statistics. The mode of every layer and the momentum of
    every norm are put back afterwards. Without a batch norm that keeps statistics the batches are
    not even drawn.

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
        count = 0
        with torch.no_grad():
            for batch in batches:
                for norm in norms if count == 0 else ():
                    norm.reset_running_stats()
                _call(module, batch)
                count += 1
            _average(norms, count)
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for layer, training in modes.items():
            layer.training = training
    return module


def _average(norms: Iterable[_BatchNorm], count: int) -> None:
    """Average statistics over the processes, weighted by their numbers of batches."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    for norm in norms:
        for statistic in (norm.running_mean, norm.running_var):
            if statistic is None:  # pragma: no cover - norms without statistics are left out
                continue
            # One message: the last element is what the others are weighted by.
            sums = torch.cat([statistic * count, statistic.new_tensor([count])])
            distributed.all_reduce(sums)
            if sums[-1] > 0:
                statistic.copy_(sums[:-1] / sums[-1])


def _call(module: nn.Module, batch: Tensor | tuple[Any, ...] | Mapping[str, Any]) -> None:
    if isinstance(batch, Mapping):
        module(**batch)
    elif isinstance(batch, tuple):
        module(*batch)
    else:
        module(batch)
