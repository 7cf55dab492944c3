"""Layers written as functions, whose weights the generator holds or computes itself."""

from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx

from gancompress.graph.layout import Ids, Layout, along, channel_ids, line, varying
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule
from gancompress.graph.rules.sizes import Origin, count_channels, origin
from gancompress.graph.rules.views import sequence

_TRANSPOSED = {
    *(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
}


def _freeze_all_but(call: OpCall, layout: Layout, axes: set[int]) -> None:
    """Freeze what does not lie along the axes of channels: places of a picture or a kernel."""
    for ids in layout.planes:
        if set(varying(ids)) - axes:
            call.channels.freeze(ids, f"{call.where}: they are places, not channels")


_GROUPS = 6  # its place in the arguments of every convolution


class FunctionalConvRule(OpRule):
    """``F.conv2d`` and its like.

    The weight may be the same for all samples, or one for each: then the samples are groups of
    one convolution, and every group has the same channels (StyleGAN2, arXiv 1912.04958).
    """

    sizes = True
    sets = "all"
    functions: ClassVar[frozenset[Any]] = frozenset(
        {F.conv1d, F.conv2d, F.conv3d, torch.conv1d, torch.conv2d, torch.conv3d} | _TRANSPOSED
    )

    def apply(self, call: OpCall) -> LayoutTree:
        """Read input channels by the weight's second axis, make those of its first."""
        data, weight = call.argument(0, "input"), call.argument(1, "weight")
        axis = len(data.shape) - len(weight.shape) + 1
        if not isinstance(weight, Layout):
            return call.freeze("its weight is no tensor")
        _freeze_all_but(call, data, {axis})
        _freeze_all_but(call, weight, {0, 1})
        inputs = line(data, axis, call.channels)
        first, second = (line(weight, k, call.channels) for k in (0, 1))
        groups = int(call.argument(_GROUPS, "groups", default=1))
        transposed = call.target in _TRANSPOSED
        # As many groups as samples are none of single channels, even if there is one a sample.
        raw = call.raw(_GROUPS, "groups")
        by_sample = isinstance(raw, fx.Node) and origin(call, raw, inputs) is Origin.FREE
        single = groups == len(inputs) > 1 and not by_sample
        if single and (transposed or len(second) == 1):
            outputs = self._depthwise(call, inputs, (first, second), transposed=transposed)
        elif transposed:
            outputs = self._transposed(call, inputs, (first, second), groups)
        else:
            outputs = self._dense(call, inputs, (first, second), groups)
        bias = call.argument(2, "bias")
        if isinstance(bias, Layout):
            outputs = call.channels.unite(outputs, line(bias, 0, call.channels))
        for ids in (inputs, outputs):
            call.channels.multiply(ids)
        return along(outputs, axis, call.shape)

    @staticmethod
    def _depthwise(call: OpCall, inputs: Ids, weight: tuple[Ids, Ids], *, transposed: bool) -> Ids:
        """Let the channels through; the number of groups is theirs."""
        first, second = weight
        times = len(second) if transposed else len(first) // len(inputs)
        outputs = np.repeat(inputs, times)
        call.channels.unite(inputs if transposed else outputs, first)
        call.channels.freeze(second, f"{call.where}: they are outputs of one channel")
        place = call.place(_GROUPS, "groups")
        count_channels(call, place, call.raw(_GROUPS, "groups"), inputs)
        return outputs

    @staticmethod
    def _dense(call: OpCall, inputs: Ids, weight: tuple[Ids, Ids], groups: int) -> Ids:
        first, second = weight
        call.channels.unite(inputs.reshape(groups, -1), second)
        call.channels.unite_along(first.reshape(groups, -1), 0)
        return first

    @staticmethod
    def _transposed(call: OpCall, inputs: Ids, weight: tuple[Ids, Ids], groups: int) -> Ids:
        first, second = weight
        call.channels.unite(inputs, first)
        call.channels.unite_along(first.reshape(groups, -1), 0)
        return np.tile(second, groups)

    def macs(self, call: OpCall) -> int:
        """Count each weight once per position."""
        data, weight = call.layouts[:2]
        rows = data.shape if call.target in _TRANSPOSED else call.shape
        return prod(rows) * prod(weight.shape[1:])


class FunctionalLinearRule(OpRule):
    """``F.linear``."""

    sets = "all"
    functions: ClassVar[frozenset[Any]] = frozenset({F.linear})

    def apply(self, call: OpCall) -> LayoutTree:
        """Read the last axis, make features."""
        data, weight = call.argument(0, "input"), call.argument(1, "weight")
        last = len(data.shape) - 1
        if not isinstance(weight, Layout):
            return call.freeze("its weight is no tensor")
        _freeze_all_but(call, data, {last})
        inputs = line(data, last, call.channels)
        outputs, read = (line(weight, axis, call.channels) for axis in (0, 1))
        call.channels.unite(inputs, read)
        bias = call.argument(2, "bias")
        if isinstance(bias, Layout):
            outputs = call.channels.unite(outputs, line(bias, 0, call.channels))
        for ids in (inputs, outputs):
            call.channels.multiply(ids)
        return along(outputs, last, call.shape)

    def macs(self, call: OpCall) -> int:
        """Count each weight once per row."""
        return prod(call.shape) * call.layouts[1].shape[-1]


class FunctionalNormRule(OpRule):
    """``F.batch_norm``, ``F.instance_norm``, ``F.group_norm`` and ``F.layer_norm``."""

    sizes = True
    functions: ClassVar[frozenset[Any]] = frozenset(
        {F.batch_norm, F.instance_norm, F.group_norm, F.layer_norm}
    )

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the channels; scales, shifts and statistics follow them."""
        data, *others = call.layouts
        layer = call.target is F.layer_norm
        axis = len(data.shape) - 1 if layer else 1
        if layer and not data.varies(axis) and not any(one.varies(-1) for one in others):
            return self._over_other_axes(call)
        if any(len(one.shape) != 1 for one in others) or any(k != axis for k in data.axes):
            return call.freeze("its channels lie along another axis")
        ids = channel_ids(data, axis, call.channels)
        for one in others:
            call.channels.unite(ids, channel_ids(one, 0, call.channels))
        if layer:
            call.channels.couple(ids)
            place, (size,) = (
                call.place(1, "normalized_shape"),
                sequence(call, 1, "normalized_shape"),
            )
            count_channels(call, (*place, 0), size, ids)
        elif call.target is F.group_norm:
            self._by_groups(call, ids)
        return along(ids, axis, call.shape)

    @staticmethod
    def _over_other_axes(call: OpCall) -> LayoutTree:
        data = call.layouts[0]
        count = len(call.argument(1, "normalized_shape"))
        if any(axis >= len(data.shape) - count for axis in data.axes):
            return call.freeze("it normalises channels together with other axes")
        return Layout(data.ids, call.shape)

    @staticmethod
    def _by_groups(call: OpCall, ids: Ids) -> None:
        groups = int(call.argument(1, "num_groups"))
        if groups == 1:
            call.channels.couple(ids)
            return
        call.channels.unite_along(ids.reshape(groups, -1), 1)
        place, raw = call.place(1, "num_groups"), call.raw(1, "num_groups")
        count_channels(call, place, raw, ids.reshape(groups, -1)[:, 0])
