"""What the passes before an export ask of a graph, and how they put a layer in another's place."""

import operator
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from gancompress.graph import TracedGenerator

CONVOLUTIONS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: Final = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_IN_PLACE: Final = frozenset(
    {
        *(operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv),
        *(operator.imod, operator.ipow, operator.iand, operator.ior, operator.setitem),
    }
)


def layer_of(node: Any, module: fx.GraphModule, kinds: tuple[type[nn.Module], ...]) -> Any:
    """Return the layer that a node calls, where it is exactly of one of some classes.

    Args:
        node: Any argument of a node.
        module: The graph.
        kinds: Classes; a subclass computes something else and does not count.

    Returns:
        The layer, or None.
    """
    if not isinstance(node, fx.Node) or node.op != "call_module":
        return None
    found = module.get_submodule(str(node.target))
    return found if type(found) in kinds else None


def is_called_once(node: fx.Node) -> bool:
    """Tell whether no other node calls the same layer, so that it can be changed."""
    return len(node.graph.find_nodes(op="call_module", target=node.target)) == 1


def feeds_only(node: fx.Node, reader: fx.Node) -> bool:
    """Tell whether nothing but one node reads another's value."""
    return list(node.users) == [reader]


def skip(node: fx.Node) -> None:
    """Let everybody read a node's input in its place, and remove it."""
    node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
    node.graph.erase_node(node)


def works_in_place(node: fx.Node, module: fx.GraphModule) -> bool:
    """Tell whether a node may write into its input."""
    if node.op == "call_module":
        return bool(getattr(module.get_submodule(str(node.target)), "inplace", False))
    if node.target in _IN_PLACE:
        return True
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    plain = name.endswith("_") and not name.endswith("__")
    return plain or bool(node.kwargs.get("inplace")) or "out" in node.kwargs


def finish(module: fx.GraphModule) -> fx.GraphModule:
    """Drop what nobody uses any more, and compile the graph anew.

    Args:
        module: A graph that was rewritten; changed in place.
    """
    # Without this, torch drops a method such as ``add_`` whose result nobody reads.
    module.graph.eliminate_dead_code(lambda n: n.is_impure() or works_in_place(n, module))
    module.graph.lint()
    module.delete_all_unused_submodules()
    module.recompile()
    return module


def frozen(tensor: Tensor, like: Tensor) -> nn.Parameter:
    """Make a parameter of a computed weight, in the type and the place of the one before."""
    return nn.Parameter(tensor.to(like.dtype).contiguous(), requires_grad=False)


KEEPS_SIZE: Final[tuple[type[nn.Module], ...]] = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm),
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid),
    *(nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d, nn.ReLU6, nn.Hardswish),
)
_KEEPING_FUNCTIONS: Final[frozenset[Callable[..., Any] | str]] = frozenset(
    {
        *(F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.tanh, F.sigmoid, F.dropout),
        *(F.instance_norm, F.batch_norm, F.group_norm, torch.relu, torch.tanh, torch.sigmoid),
        *("relu", "relu_", "tanh", "sigmoid"),
    }
)
_ARITHMETIC: Final[frozenset[Callable[..., Any] | str]] = frozenset(
    {
        *(operator.add, operator.sub, operator.mul, operator.truediv, operator.iadd),
        *(operator.imul, torch.add, torch.mul, torch.sub, "add", "mul", "sub", "add_", "mul_"),
    }
)


def same_sized_input(node: fx.Node, traced: TracedGenerator) -> fx.Node | None:
    """Return an input of a node whose height and width are those of its output, whatever they are.

    Args:
        node: A node of the generator's graph.
        traced: The generator; its shapes say which operand of an addition is not broadcast.

    Returns:
        The input; None where the sizes differ, or nothing is known about the operator.
    """
    shape = traced.shapes.get(node.name)
    operands = [n for n in node.all_input_nodes if traced.shapes.get(n.name, ())[2:] != ()]
    if node.target in _ARITHMETIC and shape is not None:
        return next((n for n in operands if traced.shapes[n.name][2:] == shape[2:]), None)
    first = node.args[0] if node.args else None
    if not isinstance(first, fx.Node):
        return None
    convolution = layer_of(node, traced.module, CONVOLUTIONS)
    if convolution is not None:
        return first if _keeps_size(convolution) else None
    layer = layer_of(node, traced.module, KEEPS_SIZE)
    known = node.op != "call_module" and node.target in _KEEPING_FUNCTIONS
    return first if layer is not None or known else None


def _keeps_size(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> bool:
    if isinstance(layer.padding, str):
        return layer.padding == "same"
    axes = zip(layer.kernel_size, layer.stride, layer.dilation, layer.padding, strict=True)
    return all(s == 1 and 2 * p == d * (k - 1) for k, s, d, p in axes)
