"""Make torch layers of a decomposition, and put them where the convolution was."""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn

from gancompress.graph import TracedGenerator
from gancompress.passes.convolutions import PLAIN, Convolution
from gancompress.passes.low_rank import LowRank
from gancompress.passes.separable import Separable

_NORMS: tuple[Callable[[int], nn.Module], ...] = (
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def separable_layers(
    layer: Convolution,
    halves: Separable,
    bias: Tensor | None,
    *,
    norm_between: bool = False,
    depthwise_bias: bool = False,
) -> nn.Sequential:
    """Return the separable counterpart of one convolution.

    Args:
        layer: The convolution, for its stride, border, dilation, groups, dtype and device.
        halves: The weights.
        bias: Of the half that comes last; None where the layer has none.
        norm_between: Put a non-affine instance norm between both halves.
        depthwise_bias: Give the depthwise half a bias too where the layer has one.

    Returns:
        A sequence of ``depthwise``, ``norm`` (where asked for) and ``pointwise``; for a
        transposed convolution of ``pointwise``, ``norm`` and ``depthwise``.
    """
    transposed = halves.transposed
    channels = layer.out_channels if transposed else layer.in_channels
    middle = channels * halves.multiplier
    weights = halves.weights(tuple(layer.kernel_size))
    zeros = torch.zeros(middle) if depthwise_bias and bias is not None else None
    # The bias has to come last: a border of zeros between the halves would not see it.
    depthwise = _spatial(
        layer,
        (middle, channels) if transposed else (channels, middle),
        channels,
        weights.depthwise,
        bias if transposed else zeros,
    )
    pointwise = _pointwise(layer, weights.pointwise, None if transposed else bias)
    norm = _NORMS[len(layer.kernel_size) - 1](middle) if norm_between else None
    pair = [("depthwise", depthwise), ("pointwise", pointwise)]
    first, last = reversed(pair) if transposed else pair
    return _sequence(layer, first, ("norm", norm), last)


def low_rank_layers(layer: Convolution, parts: LowRank, bias: Tensor | None) -> nn.Sequential:
    """Return the low-rank counterpart of one convolution.

    Args:
        layer: The convolution, for its stride, border, dilation, groups, dtype and device.
        parts: The weights.
        bias: Of the part that comes last; None where the layer has none.

    Returns:
        A sequence of ``reduce``, ``core`` and ``expand``.
    """
    kernel = tuple(layer.kernel_size)
    reduce, core, expand = parts.weights(kernel, transposed=bool(layer.transposed))
    sides = (reduce.shape[0], parts.core.shape[0] * parts.core.shape[1])
    return _sequence(
        layer,
        ("reduce", _pointwise(layer, reduce, None)),
        ("core", _spatial(layer, sides, layer.groups, core, None)),
        ("expand", _pointwise(layer, expand, bias)),
    )


def _spatial(
    layer: Convolution, sides: tuple[int, int], groups: int, weight: Tensor, bias: Tensor | None
) -> Convolution:
    """Return the part that keeps kernel, stride, border and dilation of the layer."""
    options: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "padding_mode": layer.padding_mode,
        "groups": groups,
        "bias": bias is not None,
    }
    if layer.transposed:
        options["output_padding"] = layer.output_padding
    kind: Callable[..., Convolution] = type(layer)
    return _filled(kind(*sides, **options, **_like(layer)), weight, bias)


def _pointwise(layer: Convolution, weight: Tensor, bias: Tensor | None) -> Convolution:
    groups, (out, inputs) = layer.groups, weight.shape[:2]
    kind = PLAIN[type(layer)]
    options = {"groups": groups, "bias": bias is not None, **_like(layer)}
    return _filled(kind(inputs * groups, out, 1, **options), weight, bias)


def _like(layer: Convolution) -> dict[str, Any]:
    return {"device": layer.weight.device, "dtype": layer.weight.dtype}


def _filled(layer: Convolution, weight: Tensor, bias: Tensor | None) -> Convolution:
    layer.weight.data.copy_(weight)
    if layer.bias is not None and bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def _sequence(layer: Convolution, *parts: tuple[str, nn.Module | None]) -> nn.Sequential:
    sequence = nn.Sequential()
    for name, part in parts:
        if part is not None:
            sequence.add_module(name, part)
    sequence.train(layer.training)
    return sequence.requires_grad_(layer.weight.requires_grad)


def replace_layer(module: fx.GraphModule, path: str, sequence: nn.Sequential) -> None:
    """Put the sequence at the path, and calls of its children where the layer was called.

    Args:
        module: Changed in place, and to be recompiled.
        path: Path of the layer.
        sequence: What takes its place.
    """
    module.set_submodule(path, sequence)
    graph = module.graph
    for node in [n for n in graph.nodes if n.op == "call_module" and n.target == path]:
        value = node.args[0] if node.args else node.kwargs["input"]
        extra = node.args[1:]  # the output size that a transposed convolution may be called with
        keywords = {k: v for k, v in node.kwargs.items() if k != "input"}
        for name, child in sequence.named_children():
            sized = isinstance(child, _TRANSPOSED)
            with graph.inserting_before(node):
                value = graph.call_module(
                    f"{path}.{name}",
                    (value, *extra) if sized else (value,),
                    keywords if sized else {},
                )
        node.replace_all_uses_with(value)
        graph.erase_node(node)


def positions_of(traced: TracedGenerator, path: str) -> tuple[int, int]:
    """Return how many input and output positions a convolution works on in one run.

    Args:
        traced: The generator.
        path: Path of the convolution; all its calls count, and so does the batch.
    """
    layer: Any = traced.module.get_submodule(path)
    spatial = len(layer.kernel_size)

    def count(node: fx.Node) -> int:
        shape = traced.shapes[node.name]
        return prod(shape[-spatial:]) * (shape[0] if len(shape) == spatial + 2 else 1)

    calls = traced.module.graph.find_nodes(op="call_module", target=path)
    sources = [node.args[0] if node.args else node.kwargs["input"] for node in calls]
    return sum(map(count, sources)), sum(map(count, calls))
