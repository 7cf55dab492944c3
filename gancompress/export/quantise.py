"""Which layers an int8 file leaves in float32, so that it stays close enough to the network."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from gancompress.export.proof import errors_between, outputs_of

LAYERS: Final = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
_LEVELS: Final = 255
_TRANSPOSED: Final = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def by_harm(module: nn.Module, calls: Sequence[tuple[Tensor, ...]]) -> tuple[str, ...]:
    """Order the layers by what quantising each alone costs, the most harmful first.

    Weights are rounded to 8 bits by output channel and inputs to 8 bits by tensor, with the
    ranges of the calibration, as the runtimes do (Jacob et al., arXiv 1712.05877).

    Args:
        module: In eval mode; it is left as it is.
        calls: Positional inputs of each call.

    Returns:
        Paths of convolutions and linear layers.
    """
    net = copy.deepcopy(module)
    wanted = [outputs_of(net, call) for call in calls]
    harm: dict[str, float] = {}
    for path, layer in net.named_modules():
        if type(layer) in LAYERS:
            harm[path] = _harm(net, layer, calls, wanted)
    return tuple(sorted(harm, key=lambda path: -harm[path]))


def _harm(
    net: nn.Module,
    layer: Any,
    calls: Sequence[tuple[Tensor, ...]],
    wanted: Sequence[Sequence[Tensor]],
) -> float:
    weight = layer.weight.data
    handle = layer.register_forward_pre_hook(lambda _, args: (rounded(args[0]), *args[1:]))
    axis = 1 if isinstance(layer, _TRANSPOSED) and layer.groups == 1 else 0
    layer.weight.data = torch.stack([rounded(part) for part in weight.unbind(axis)], axis)
    try:
        found = [outputs_of(net, call) for call in calls]
    finally:
        handle.remove()
        layer.weight.data = weight
    return -min(errors_between(a, b).psnr for a, b in zip(found, wanted, strict=True))


def rounded(x: Tensor) -> Tensor:
    """Round a tensor to 8 bits over its range, which holds 0.

    Args:
        x: Of any shape.
    """
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    step = ((high - low) / _LEVELS).clamp(min=torch.finfo(x.dtype).tiny)
    return ((x - low) / step).round() * step + low


def fewest_kept(
    order: Sequence[str], good: Callable[[tuple[str, ...]], bool]
) -> tuple[str, ...] | None:
    """Find the fewest layers that have to stay in float32.

    Args:
        order: Layers, the most harmful first.
        good: Writes a file with some layers kept and tells whether it is close enough.

    Returns:
        Their paths; None where a single quantised layer is too much.
    """
    if good(()):
        return ()
    low, high = 1, len(order) - 1  # all kept is no int8 file any more
    if high < 1 or not good(tuple(order[:high])):
        return None
    while low < high:
        middle = (low + high) // 2
        if good(tuple(order[:middle])):
            high = middle
        else:
            low = middle + 1
    return tuple(order[:low])
