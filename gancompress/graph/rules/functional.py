"""Layers written as functions, whose weights are no layer's: frozen, but counted."""

from math import prod

import torch
import torch.nn.functional as F

from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule

_TRANSPOSED = {F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d}


class FunctionalRule(OpRule):
    """``F.conv2d`` and ``F.linear`` with weights that the generator holds or computes itself."""

    functions = frozenset(
        {F.linear, F.conv1d, F.conv2d, F.conv3d, torch.conv1d, torch.conv2d, torch.conv3d}
        | _TRANSPOSED
    )

    def apply(self, call: OpCall) -> LayoutTree:
        """Freeze what enters."""
        return call.freeze("its weight is not a layer's")

    def macs(self, call: OpCall) -> int:
        """Count each weight once per position."""
        data, weight = call.layouts[:2]
        rows = data.shape if call.target in _TRANSPOSED else call.shape
        return prod(rows) * prod(weight.shape[1:])
