"""Fold batch norms into the convolutions before them."""

import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes.base import GraphPass
from gancompress.passes.rewriting import (
    CONVOLUTIONS,
    TRANSPOSED,
    feeds_only,
    finish,
    frozen,
    is_called_once,
    layer_of,
    skip,
)

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class FoldBatchNorm(GraphPass):
    """Multiply the scale of a batch norm into the weights of the convolution that it follows.

    Requires eval mode; norms in training mode or without running statistics are left alone, and
    so are convolutions that others read too. Ensures that the output is unchanged up to rounding.
    Takes plain, grouped, depthwise and transposed convolutions of 1 to 3 dimensions
    (Jacob et al., arXiv 1712.05877, section 3.2).
    """

    name: ClassVar[str] = "fold-norms"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator without those norms.

        Args:
            traced: Plain weights (fold first); it is left as it is.
        """
        module = copy_module(traced.module)
        for node in list(module.graph.nodes):
            norm = layer_of(node, module, _NORMS)
            before: Any = node.args[0] if norm is not None else None
            layer = layer_of(before, module, (*CONVOLUTIONS, *TRANSPOSED))
            if norm is None or layer is None or norm.training or norm.running_var is None:
                continue
            if feeds_only(before, node) and is_called_once(before):
                module.add_submodule(str(before.target), _folded(layer, norm))
                skip(node)
        return traced.with_module(finish(module))


@torch.no_grad()
def _folded(layer: Any, norm: Any) -> Any:
    scale, shift = _scale_and_shift(norm)
    weight = layer.weight
    bias = layer.bias if layer.bias is not None else torch.zeros_like(shift)
    made = copy.deepcopy(layer)
    made.weight = frozen(_scaled(weight.double(), scale, layer), weight)
    made.bias = frozen(bias.double() * scale + shift, weight)
    return made


def _scale_and_shift(norm: Any) -> tuple[Tensor, Tensor]:
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    scale = (variance + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -mean * scale
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    return scale, shift


def _scaled(weight: Tensor, scale: Tensor, layer: Any) -> Tensor:
    if not isinstance(layer, TRANSPOSED):
        return weight * scale.view(-1, *[1] * (weight.ndim - 1))
    # Its weight is (in, out / groups, *kernel): each group has the scales of its own outputs.
    groups = int(layer.groups)
    split = weight.reshape(groups, -1, *weight.shape[1:])
    return (split * scale.view(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)
