"""Make one convolution of two where no norm or activation stands between and it saves time."""

from math import prod
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes.base import GraphPass
from gancompress.passes.rewriting import (
    CONVOLUTIONS,
    feeds_only,
    finish,
    frozen,
    is_called_once,
    layer_of,
    skip,
)

# A rough guess, not measured: multiplications in the time that one number takes to move.
MACS_PER_WORD: Final = 16.0


class MergePairs(GraphPass):
    """Multiply out a pointwise convolution and its neighbour where one of the two is less work.

    Requires plain weights. Ensures that the output is unchanged up to rounding. The work of a
    convolution is its MACs and `MACS_PER_WORD` for each number that it reads or writes, so a
    depthwise and a pointwise one become one only where there are few channels or a wide middle.
    """

    name: ClassVar[str] = "merge-pairs"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator with fewer convolutions.

        Args:
            traced: It is left as it is.
        """
        module = copy_module(traced.module)
        for node in list(module.graph.nodes):
            last, before = layer_of(node, module, CONVOLUTIONS), node.args and node.args[0]
            first = layer_of(before, module, CONVOLUTIONS) if last is not None else None
            if last is None or first is None or not feeds_only(before, node):
                continue
            alone = is_called_once(node) and is_called_once(before)
            shapes = [traced.shapes[n.name] for n in (before.args[0], before, node)]
            if alone and can_merge(first, last) and saves_work(first, last, shapes):
                module.add_submodule(str(node.target), merged(first, last))
                skip(before)
        return traced.with_module(finish(module))


def can_merge(first: Any, last: Any) -> bool:
    """Tell whether two convolutions in a row are one, at the borders too.

    Args:
        first: The convolution that runs first.
        last: The one that reads it.
    """
    if type(first) is not type(last) or "string" in {_kind(first.padding), _kind(last.padding)}:
        return False
    if _is_pointwise(last):
        return True
    # A border of zeros after the first would have to be one of its bias.
    unbiased = first.bias is None or not any(last.padding)
    return _is_pointwise(first) and last.padding_mode == "zeros" and unbiased


def _kind(padding: Any) -> str:
    return "string" if isinstance(padding, str) else "numbers"


def _is_pointwise(layer: Any) -> bool:
    return bool(
        max(layer.kernel_size) == 1
        and layer.groups == 1
        and set(layer.stride) == {1}
        and not any(layer.padding)
    )


def saves_work(first: Any, last: Any, shapes: list[tuple[int, ...]]) -> bool:
    """Tell whether the product of two convolutions is less work than both of them.

    Args:
        first: The convolution that runs first.
        last: The one that reads it.
        shapes: Of its input, of what lies between, of the output; all ``(N, C, *sizes)``.
    """
    before, between, after = (prod(shape) for shape in shapes)
    macs = _macs_each(first) * between + _macs_each(last) * after
    apart = macs + MACS_PER_WORD * (before + 2 * between + after)
    spatial = last if _is_pointwise(first) else first
    product = first.in_channels * prod(spatial.kernel_size) * after
    return bool(product + MACS_PER_WORD * (before + after) < apart)


def _macs_each(layer: Any) -> float:
    return float(layer.in_channels // layer.groups * prod(layer.kernel_size))


@torch.no_grad()
def merged(first: Any, last: Any) -> nn.Module:
    """Multiply two convolutions out.

    Args:
        first: The convolution that runs first.
        last: The one that reads it; `can_merge`.

    Returns:
        A convolution without groups.
    """
    inner, outer = _dense(first), _dense(last)
    spatial = last if _is_pointwise(first) and not _is_pointwise(last) else first
    weight = torch.einsum("mip,omq->oipq", inner, outer).flatten(2)
    biased = first.bias is not None or last.bias is not None
    made = type(first)(
        first.in_channels,
        last.out_channels,
        spatial.kernel_size,
        stride=spatial.stride,
        padding=spatial.padding,
        dilation=spatial.dilation,
        bias=biased,
        padding_mode=spatial.padding_mode,
    ).eval()
    made.weight = frozen(weight.reshape(*weight.shape[:2], *spatial.kernel_size), first.weight)
    if biased:
        made.bias = frozen(_bias(first, last, outer), first.weight)
    return made  # type: ignore[no-any-return]


def _bias(first: Any, last: Any, outer: Tensor) -> Tensor:
    shift = torch.zeros(last.out_channels, dtype=torch.float64)
    if last.bias is not None:
        shift = shift + last.bias.double()
    return shift if first.bias is None else shift + outer.sum(2) @ first.bias.double()


def _dense(layer: Any) -> Tensor:
    """Write a convolution's weight without groups: ``(out, in, positions)`` in float64."""
    weight = layer.weight.double().flatten(2)
    if layer.groups == 1:
        return weight  # type: ignore[no-any-return]
    size = layer.in_channels // layer.groups
    dense = weight.new_zeros(layer.out_channels, layer.in_channels, weight.shape[2])
    for group, part in enumerate(weight.chunk(layer.groups)):
        rows = slice(group * len(part), (group + 1) * len(part))
        dense[rows, group * size : (group + 1) * size] = part
    return dense  # type: ignore[no-any-return]
