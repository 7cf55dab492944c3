"""Find the convolutions of residual blocks from the graph alone."""

import operator

import torch
from torch import fx, nn

from gancompress.graph import TracedGenerator

_ADDITIONS = frozenset({operator.add, operator.iadd, torch.add, "add", "add_"})
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def residual_convolutions(traced: TracedGenerator) -> tuple[str, ...]:
    """List the k×k stride-1 convolutions between an addition and the tensor it adds to.

    An addition ``x + f(x)`` counts when everything in ``f`` keeps the resolution; a skip around
    a part that goes down and up again is no residual block.

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
        between = _between(skip, branch)
        if between and _keeps_resolution(between, skip, traced):
            return between
    return set()


def _between(start: fx.Node, end: fx.Node) -> set[fx.Node]:
    """Return the nodes on paths from ``start`` (left out) to ``end``; empty where there is none."""
    behind, queue = {end}, [end]
    while queue:
        fresh = [n for n in queue.pop().all_input_nodes if n not in behind]
        behind.update(fresh)
        queue.extend(fresh)
    if start not in behind:
        return set()
    ahead = {start}
    for node in start.graph.nodes:  # in topological order, so one sweep is enough
        if node in behind and any(n in ahead for n in node.all_input_nodes):
            ahead.add(node)
    return ahead - {start}


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
