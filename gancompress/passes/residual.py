"""Find the convolutions of residual blocks from the graph alone."""

import operator
from collections.abc import Callable, Iterator

import torch
from torch import fx, nn

from gancompress.graph import TracedGenerator

_ADDITIONS = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
# What a tensor is asked that does not depend on its values.
_QUESTIONS = frozenset({"shape", "size", "dim", "ndim", "numel", "device", "dtype"})
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def residual_convolutions(traced: TracedGenerator) -> tuple[str, ...]:
    """List the k×k stride-1 convolutions between an addition and the tensor it adds to.

    An addition ``s(x) + f(x)`` counts when everything in ``f`` keeps the resolution, and the
    shortcut ``s`` is nothing at all, or pointwise convolutions with whatever stands around them; a
    skip around a part that goes down and up again is no residual block. What only asks ``x`` for
    its size, such as a condition that is resized to it, is not in ``f``.

    Args:
        traced: The generator.

    Returns:
        Paths of ungrouped convolutions with a kernel larger than 1, in the order of execution.
    """
    inside: set[fx.Node] = set()
    for node in traced.module.graph.nodes:
        inside |= _block(node, traced)
    found = (n for n in traced.module.graph.nodes if n in inside and _is_dense(n, traced.module))
    return tuple(dict.fromkeys(str(node.target) for node in found))


def _block(node: fx.Node, traced: TracedGenerator) -> set[fx.Node]:
    """Return the nodes between an addition and the tensor it adds to; empty for other nodes."""
    if node.target not in _ADDITIONS or len(node.args) < 2:
        return set()
    left, right = node.args[:2]
    if not (isinstance(left, fx.Node) and isinstance(right, fx.Node)):
        return set()
    for skip, branch in ((left, right), (right, left)):
        start = _start(skip, branch, traced)
        between = set() if start is None else _between(start, branch)
        if between and _keeps_resolution(between, skip, traced):
            return between
    return set()


def _start(skip: fx.Node, branch: fx.Node, traced: TracedGenerator) -> fx.Node | None:
    """Return the tensor that both sides of an addition begin at; None if it is no shortcut."""
    behind = _behind(branch)
    if skip in behind:
        return skip
    module = traced.module
    # From the skip back to the first k×k convolutions: the branch begins at the last tensor there.
    near = _behind(skip, until=lambda node: _kernel(node, module) > 1)
    both = {node for node in near & behind if node.name in traced.shapes}
    start = next((node for node in reversed(module.graph.nodes) if node in both), None)
    if start is None:
        return None
    kernels = {_kernel(node, module) for node in _between(start, skip)}
    # Without a convolution it is no shortcut: x · (1 + γ) + β is a modulation.
    return start if max(kernels) == 1 else None


def _behind(end: fx.Node, until: Callable[[fx.Node], bool] | None = None) -> set[fx.Node]:
    """Return a node and all whose values it is computed from, and not what is behind some."""
    behind, queue = {end}, [end]
    while queue:
        node = queue.pop()
        if until is None or not until(node):
            fresh = {n for n in _values(node) if n not in behind}
            behind |= fresh
            queue.extend(fresh)
    return behind


def _between(start: fx.Node, end: fx.Node) -> set[fx.Node]:
    """Return the nodes on paths from ``start`` (left out) to ``end``; empty where there is none."""
    behind = _behind(end)
    if start not in behind:
        return set()
    ahead = {start}
    for node in start.graph.nodes:  # in topological order, so one sweep is enough
        if node in behind and any(n in ahead for n in _values(node)):
            ahead.add(node)
    return ahead - {start}


def _values(node: fx.Node) -> Iterator[fx.Node]:
    """Yield the inputs of a node that it does not merely ask for their size."""
    if not _asks(node):
        yield from node.all_input_nodes


def _asks(node: fx.Node) -> bool:
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in _QUESTIONS
    return node.target is len or (node.op == "call_method" and node.target in _QUESTIONS)


def _keeps_resolution(nodes: set[fx.Node], skip: fx.Node, traced: TracedGenerator) -> bool:
    """Whether every k×k convolution among the nodes works at about the resolution of the skip.

    Only about, because an explicit border before an unpadded convolution may stand elsewhere.
    Pointwise ones do not count: those of a squeeze-and-excite gate see a single pixel.
    """
    size = traced.shapes.get(skip.name, ())[2:]
    others = (
        traced.shapes.get(node.name, ())[2:] for node in nodes if _kernel(node, traced.module) > 1
    )
    return all(
        len(other) == len(size)
        and all(a < 2 * b and b < 2 * a for a, b in zip(other, size, strict=True))
        for other in others
    )


def _kernel(node: fx.Node, module: fx.GraphModule) -> int:
    """Return the largest side of the kernel that a node applies; 0 if it is no convolution."""
    if node.op != "call_module":
        return 0
    layer = module.get_submodule(str(node.target))
    return max(layer.kernel_size) if isinstance(layer, _CONVOLUTIONS + _TRANSPOSED) else 0


def _is_dense(node: fx.Node, module: fx.GraphModule) -> bool:
    """Whether the node calls an ungrouped k×k convolution of stride 1."""
    if _kernel(node, module) < 2:
        return False
    layer = module.get_submodule(str(node.target))
    return (
        isinstance(layer, _CONVOLUTIONS)
        and layer.groups == 1
        and all(step == 1 for step in layer.stride)
    )
