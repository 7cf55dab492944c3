"""Replace dense convolutions by separable ones that start as their best approximation."""

import copy
import difflib
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, fx, nn

from gancompress.errors import AnalysisError
from gancompress.graph import IgnoredScope, TracedGenerator
from gancompress.passes.base import GraphPass
from gancompress.passes.residual import residual_convolutions
from gancompress.passes.separable import separate, separate_transposed

Convolution: TypeAlias = (
    nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
)
_PLAIN: dict[type[nn.Module], Callable[..., Convolution]] = {
    nn.Conv1d: nn.Conv1d,
    nn.Conv2d: nn.Conv2d,
    nn.Conv3d: nn.Conv3d,
}
_POINTWISE: dict[type[nn.Module], Callable[..., Convolution]] = {
    **_PLAIN,
    nn.ConvTranspose1d: nn.Conv1d,
    nn.ConvTranspose2d: nn.Conv2d,
    nn.ConvTranspose3d: nn.Conv3d,
}
_NORMS: tuple[Callable[[int], nn.Module], ...] = (
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)


class Decompose(GraphPass):
    """Replace k×k convolutions by a depthwise k×k and a pointwise one.

    Requires plain weights (fold first) and ungrouped convolutions with k > 1. A convolution
    becomes depthwise, then pointwise; a transposed one becomes pointwise, then depthwise
    transposed, so that the costly half works at the lower resolution. Weights are the best
    rank-1 approximation, per input and per output channel respectively, so a kernel that is
    already separable computes the same as before. Stride, padding and dilation stay with the
    depthwise half, the bias with the half that comes last.

    A convolution of ``in`` to ``out`` channels and k² positions keeps
    ``in · k² + in · out (+ out)`` parameters, a transposed one ``out · k² + in · out (+ out)``.

    Args:
        layers: Paths of the convolutions; ``resblocks`` for those that `residual_convolutions`
            finds, ``none`` for no change.
        norm_between: Put a non-affine instance norm between both halves, as the published
            mobile generators have it. It undoes the scale that the approximation relies on, so
            the output no longer starts near the original's.
        depthwise_bias: Give the depthwise half a bias too, of zeros at first, where the
            convolution has one, as the published mobile generators have it. A transposed
            convolution's has it anyway.
        ignored: Layers that are left alone: ``resblocks`` passes over them, and to name one is an
            error.
    """

    name: ClassVar[str] = "decompose"

    def __init__(
        self,
        layers: Sequence[str] | Literal["resblocks", "none"],
        *,
        norm_between: bool = False,
        depthwise_bias: bool = False,
        ignored: IgnoredScope | None = None,
    ) -> None:
        self.layers: tuple[str, ...] | str = layers if isinstance(layers, str) else tuple(layers)
        self.norm_between = norm_between
        self.depthwise_bias = depthwise_bias
        self.ignored = ignored

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator with the named convolutions decomposed.

        Args:
            traced: The generator; it is left as it is.

        Raises:
            AnalysisError: If a layer does not exist or cannot be decomposed, with the reason, or
                is ignored, or if an entry of `ignored` selects no module.
        """
        paths = self._paths(traced)
        module = copy.deepcopy(traced.module)
        for path in paths:
            layer = checked_convolution(module, path)
            halves = decomposed(
                layer, norm_between=self.norm_between, depthwise_bias=self.depthwise_bias
            )
            _replace(module, path, halves)
        module.recompile()
        return traced.with_module(module) if paths else traced

    def _paths(self, traced: TracedGenerator) -> tuple[str, ...]:
        ignored = self.ignored.layers(traced) if self.ignored is not None else frozenset()
        if self.layers == "none":
            return ()
        if self.layers == "resblocks":
            found = residual_convolutions(traced)
            return tuple(path for path in found if path not in ignored)
        if isinstance(self.layers, str):
            raise AnalysisError(
                f"cannot decompose '{self.layers}': it is no known selection of layers",
                hint="give 'resblocks', 'none' or a list of layer paths",
            )
        for path in self.layers:
            if path in ignored:
                raise AnalysisError(
                    f"'{path}' is to be decomposed, and to be ignored too",
                    hint="take it out of the layers, or out of the ignored scope",
                )
        return tuple(dict.fromkeys(self.layers))


def checked_convolution(module: fx.GraphModule, path: str) -> Convolution:
    """Return the convolution at a path, once it is sure that it can be decomposed.

    Args:
        module: The traced module.
        path: Path such as ``model.10.conv_block.1``.

    Raises:
        AnalysisError: If there is no such layer, naming those that are spelt alike, or if it is
            no convolution, is grouped, has a 1×1 kernel or a computed weight.
    """
    called = [str(node.target) for node in module.graph.nodes if node.op == "call_module"]
    if path not in called:
        close = difflib.get_close_matches(path, dict.fromkeys(called), n=3, cutoff=0.5)
        raise AnalysisError(
            f"cannot decompose '{path}': the traced generator calls no such layer",
            hint=f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else "list the layers with: gancompress inspect",
        )
    layer = module.get_submodule(path)
    reason, hint = _obstacle(layer)
    if reason:
        raise AnalysisError(
            f"cannot decompose '{path}' ({type(layer).__name__}): {reason}", hint=hint
        )
    assert isinstance(layer, Convolution)  # noqa: S101 - `_obstacle` has just said so
    return layer


def _obstacle(layer: nn.Module) -> tuple[str, str]:
    """Return why a layer cannot be decomposed and the way out; two empty strings if it can."""
    if not isinstance(layer, Convolution):
        return "it is no convolution", "name convolutions only, or use 'resblocks'"
    if "weight" not in dict(layer.named_parameters(recurse=False)):
        return "its weight is computed from others", "apply FoldReparametrisation first"
    if type(layer) not in _POINTWISE:
        return "it is a convolution of its own class", "leave it out of the list"
    if layer.groups > 1:
        return f"it has {layer.groups} groups", "leave it out of the list: it is already sparse"
    if max(layer.kernel_size) == 1:
        return "its kernel is 1×1", "leave it out of the list: it is already pointwise"
    return "", ""


def decomposed(
    layer: Convolution, *, norm_between: bool = False, depthwise_bias: bool = False
) -> nn.Sequential:
    """Return the separable counterpart of one convolution.

    Args:
        layer: An ungrouped convolution or transposed convolution, of any number of dimensions.
        norm_between: Put a non-affine instance norm between both halves.
        depthwise_bias: Give the depthwise half a bias too where the layer has one.

    Returns:
        A sequence of ``depthwise``, ``norm`` (where asked for) and ``pointwise``; for a
        transposed convolution of ``pointwise``, ``norm`` and ``depthwise``.
    """
    has_bias = layer.bias is not None
    transposed = layer.transposed
    middle = layer.out_channels if transposed else layer.in_channels
    kind = type(layer)
    options: dict[str, Any] = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    spatial: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "padding_mode": layer.padding_mode,
    }
    if transposed:
        spatial["output_padding"] = layer.output_padding
    # The bias has to come last: a border of zeros between the halves would not see it.
    bias_in_depthwise = has_bias and (transposed or depthwise_bias)
    depthwise = kind(middle, middle, groups=middle, bias=bias_in_depthwise, **spatial, **options)
    pointwise = _POINTWISE[kind](
        layer.in_channels, layer.out_channels, 1, bias=has_bias and not transposed, **options
    )
    weights = (separate_transposed if transposed else separate)(layer.weight)
    _fill(depthwise, weights.depthwise, layer.bias if transposed else None)
    _fill(pointwise, weights.pointwise, None if transposed else layer.bias)

    norm = _NORMS[len(layer.kernel_size) - 1](middle) if norm_between else None
    halves: list[tuple[str, nn.Module]] = [("depthwise", depthwise), ("pointwise", pointwise)]
    first, last = reversed(halves) if transposed else halves
    sequence = nn.Sequential()
    for name, child in (first, ("norm", norm), last):
        if child is not None:
            sequence.add_module(name, child)
    sequence.train(layer.training)
    return sequence.requires_grad_(layer.weight.requires_grad)


def _fill(layer: Convolution, weight: Tensor, bias: Tensor | None) -> None:
    layer.weight.data.copy_(weight)
    if layer.bias is not None:
        layer.bias.data.copy_(torch.zeros_like(layer.bias) if bias is None else bias)


def _replace(module: fx.GraphModule, path: str, sequence: nn.Sequential) -> None:
    """Put the sequence at the path, and calls of its children where the layer was called."""
    module.set_submodule(path, sequence)
    graph = module.graph
    for node in [n for n in graph.nodes if n.op == "call_module" and n.target == path]:
        value = node.args[0] if node.args else node.kwargs["input"]
        extra = node.args[1:]  # the output size that a transposed convolution may be called with
        keywords = {k: v for k, v in node.kwargs.items() if k != "input"}
        for name, child in sequence.named_children():
            last = isinstance(child, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
            with graph.inserting_before(node):
                value = graph.call_module(
                    f"{path}.{name}",
                    (value, *extra) if last else (value,),
                    keywords if last else {},
                )
        node.replace_all_uses_with(value)
        graph.erase_node(node)
