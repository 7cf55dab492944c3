"""Which convolutions can be decomposed, and their kernels in one layout for all kinds."""

import difflib
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, fx, nn

from gancompress.errors import AnalysisError
from gancompress.graph import IgnoredScope, TracedGenerator

Convolution: TypeAlias = (
    nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
)
PLAIN: dict[type[nn.Module], Callable[..., Convolution]] = {
    nn.Conv1d: nn.Conv1d,
    nn.Conv2d: nn.Conv2d,
    nn.Conv3d: nn.Conv3d,
    nn.ConvTranspose1d: nn.Conv1d,
    nn.ConvTranspose2d: nn.Conv2d,
    nn.ConvTranspose3d: nn.Conv3d,
}


def decomposable(traced: TracedGenerator, ignored: IgnoredScope | None = None) -> tuple[str, ...]:
    """List the convolutions that `Decompose` can replace.

    These are convolutions and transposed ones with a kernel larger than 1 and a plain weight
    (fold first); those that are depthwise already are left out.

    Args:
        traced: The generator.
        ignored: Layers that are left out.

    Returns:
        Paths in the order of execution, each once.

    Raises:
        AnalysisError: If an entry of `ignored` selects no module.
    """
    left_out = ignored.layers(traced) if ignored is not None else frozenset()
    calls = traced.module.graph.find_nodes(op="call_module")
    paths = dict.fromkeys(str(node.target) for node in calls)
    return tuple(
        path
        for path in paths
        if path not in left_out and not _obstacle(traced.module.get_submodule(path))[0]
    )


def checked_convolution(module: fx.GraphModule, path: str) -> Convolution:
    """Return the convolution at a path, once it is sure that it can be decomposed.

    Args:
        module: The traced module.
        path: Path such as ``model.10.conv_block.1``.

    Raises:
        AnalysisError: If there is no such layer, naming those that are spelt alike, or if it is
            no convolution, is depthwise already, has a 1×1 kernel or a computed weight.
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
    if type(layer) not in PLAIN:
        return "it is a convolution of its own class", "leave it out of the list"
    if max(layer.kernel_size) == 1:
        return "its kernel is 1×1", "leave it out of the list: it is already pointwise"
    if layer.groups == layer.in_channels == layer.out_channels > 1:
        return "it is depthwise already", "leave it out of the list: no cheaper half is left"
    return "", ""


def kernels_of(layer: Convolution) -> Tensor:
    """Return a convolution's weight in the layout that all decompositions work on.

    Args:
        layer: Plain or transposed, of any number of dimensions.

    Returns:
        Float64 ``(groups, out / groups, in / groups, positions)``, with the kernel's positions in
        one axis.
    """
    return arrange(layer.weight, layer.groups, transposed=layer.transposed)


def arrange(weight: Tensor, groups: int, *, transposed: bool) -> Tensor:
    """Bring a weight as torch keeps it into the layout of `kernels_of`.

    Args:
        weight: ``(out, in / groups, *kernel)``; ``(in, out / groups, *kernel)`` if transposed.
        groups: Groups of the convolution.
        transposed: Whether it is one of a transposed convolution.
    """
    # Half precision has no SVD, and float32 would lose digits in what follows.
    flat = weight.detach().to(torch.float64).flatten(2)
    split = flat.reshape(groups, -1, *flat.shape[1:])
    return split.transpose(1, 2) if transposed else split
