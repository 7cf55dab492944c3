"""Compute once what a graph computes several times."""

import operator
from typing import Any, ClassVar, Final

import torch
from torch import fx
from torch.nn import functional as F

from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes.base import GraphPass
from gancompress.passes.rewriting import finish, same_sized_input, works_in_place

_PURE: Final = frozenset(
    {
        *(getattr, operator.getitem, operator.floordiv, operator.mul, operator.add, operator.sub),
        *(F.interpolate, F.avg_pool2d, F.max_pool2d, F.one_hot, F.pad, torch.cat),
    }
)
_PURE_METHODS: Final = frozenset({"size", "shape", "chunk", "float"})


class MergeRepeats(GraphPass):
    """Make operators with the same arguments one, such as a label map that every block resizes.

    Requires nothing. Ensures that the output is the same bit for bit. A size that is read from a
    feature map is read from the first one that is as high and wide whatever the input, so that
    resizing to either is seen to be the same. What works in place keeps its own copy.
    """

    name: ClassVar[str] = "merge-repeats"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator without repetitions.

        Args:
            traced: It is left as it is.
        """
        copied = traced.with_module(copy_module(traced.module))
        _read_sizes_early(copied)
        known: dict[str, fx.Node] = {}
        for node in list(copied.module.graph.nodes):
            if _is_pure(node) and not _is_touched(node, copied.module):
                first = known.setdefault(f"{node.target} {node.args} {node.kwargs}", node)
                if first is not node:
                    node.replace_all_uses_with(first)
                    copied.module.graph.erase_node(node)
        return copied.with_module(finish(copied.module))


def _is_pure(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in _PURE_METHODS
    return node.op == "call_function" and node.target in _PURE


def _is_touched(node: fx.Node, module: fx.GraphModule) -> bool:
    """Tell whether somebody may write into what a node gives, or into what it reads."""
    around = [*node.users, *(user for value in node.all_input_nodes for user in value.users)]
    return works_in_place(node, module) or any(works_in_place(user, module) for user in around)


def _read_sizes_early(traced: TracedGenerator) -> None:
    for node in list(traced.module.graph.nodes):
        if node.target is getattr and node.args[1:2] == ("shape",) and _is_spatial(node):
            source: Any = node.args[0]
            while (before := same_sized_input(source, traced)) is not None:
                source = before
            node.update_arg(0, source)


def _is_spatial(shape: fx.Node) -> bool:
    """Tell whether nothing but height and width of a shape are read, from the front."""
    wanted = (slice(2, None), slice(2, None, None), slice(2, 4), 2, 3)
    return all(u.target is operator.getitem and u.args[1] in wanted for u in shape.users)
