"""Let convolutions make the borders of zeros that stand before them."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import fx, nn
from torch.nn import functional as F

from gancompress.graph import TracedGenerator
from gancompress.graph.values import copy_module
from gancompress.passes.base import GraphPass
from gancompress.passes.rewriting import (
    CONVOLUTIONS,
    feeds_only,
    finish,
    is_called_once,
    layer_of,
    skip,
)

_PADS = (
    *(nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d),
    *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d),
)


class MergePads(GraphPass):
    """Make a border of zeros the padding of the convolution that reads it.

    Requires nothing. Ensures that the output is unchanged. Only borders of zeros that are as wide
    on both sides of an axis can be merged: a reflected or repeated one is another tensor.
    """

    name: ClassVar[str] = "merge-pads"

    def apply(self, traced: TracedGenerator) -> TracedGenerator:
        """Return the generator without those borders.

        Args:
            traced: It is left as it is.
        """
        module = copy_module(traced.module)
        for node in list(module.graph.nodes):
            layer = layer_of(node, module, CONVOLUTIONS)
            border = node.args[0] if layer is not None else None
            if layer is None or not isinstance(border, fx.Node) or not is_called_once(node):
                continue
            widths = _widths(border, module)
            plain = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
            if plain and feeds_only(border, node) and len(widths) == len(layer.padding):
                made = copy.deepcopy(layer)
                pairs = zip(layer.padding, widths, strict=True)
                made.padding = tuple(own + more for own, more in pairs)
                module.add_submodule(str(node.target), made)
                skip(border)
        return traced.with_module(finish(module))


def _widths(border: fx.Node, module: fx.GraphModule) -> tuple[int, ...]:
    """Return the width of a symmetrical border of zeros by axis; empty where it is none."""
    layer = layer_of(border, module, _PADS)
    if layer is not None:
        return _symmetrical(layer.padding) if not getattr(layer, "value", 0) else ()
    if border.op != "call_function" or border.target is not F.pad or not border.args:
        return ()
    given = dict(zip(("input", "pad", "mode", "value"), border.args, strict=False))
    given |= border.kwargs
    if given.get("mode", "constant") != "constant" or given.get("value"):
        return ()
    return _symmetrical(given.get("pad"))


def _symmetrical(pad: Any) -> tuple[int, ...]:
    """Read torch's order, which begins with the last axis and has both sides of each."""
    if not isinstance(pad, Sequence) or not all(isinstance(n, int) and n >= 0 for n in pad):
        return ()
    before, after = tuple(pad[0::2]), tuple(pad[1::2])
    return before[::-1] if before == after else ()
