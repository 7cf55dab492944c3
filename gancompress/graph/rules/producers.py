"""Layers that make channels of their own: convolutions, linear layers, embeddings."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import cast

import numpy as np
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from gancompress.graph.layout import Channels, Ids, along, channel_ids
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, Part

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def has_plain_weight(module: nn.Module) -> bool:
    """Whether a layer's weight is a parameter of its own, not computed from others.

    Args:
        module: The layer.
    """
    return set(dict(module.named_parameters())) <= {"weight", "bias"} and isinstance(
        module.weight, nn.Parameter
    )


def freeze_computed_weight(call: OpCall) -> LayoutTree:
    """Freeze a layer whose weight is computed from other parameters.

    Args:
        call: The call of the layer.
    """
    return call.freeze("its weight is reparametrised; fold it with FoldReparametrisation first")


def add_part(call: OpCall, part: Part) -> Part:
    """Note what a layer does; a layer that is called twice ties both calls.

    A layer with tensors in modules of its own is frozen: only those that it holds are sliced.

    Args:
        call: The call of the layer.
        part: What this call found.

    Returns:
        What holds for all calls of the layer.
    """
    known = call.parts.setdefault(call.path, part)
    if known is not part:
        call.channels.unite(known.inputs, part.inputs)
        if part.depthwise or not part.produces:
            call.channels.unite(known.outputs, part.outputs)
    inner = [n for n, _ in _all_tensors(cast("nn.Module", call.module)) if "." in n]
    if inner:
        reason = f"{call.where}: its tensor '{inner[0]}' belongs to a module inside it"
        for ids in (part.inputs, part.outputs):
            call.channels.freeze(ids, reason)
    return known


def _all_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def own_outputs(call: OpCall, count: int) -> Ids:
    """Return the ids of the channels that a layer makes: the same ones at each of its calls.

    Args:
        call: The call of the layer.
        count: Number of channels.
    """
    known = call.parts.get(call.path)
    return call.channels.fresh(count) if known is None else known.outputs


def _same_in_every_group(ids: Ids, groups: int, channels: Channels) -> Ids:
    """Tie channel k of every group of a convolution, so that all groups narrow alike."""
    return channels.unite_along(ids.reshape(groups, -1), 0).reshape(-1)


class ConvRule(OpRule):
    """Convolutions and transposed convolutions.

    A depthwise one passes its input channels on; a transposed one that gathers several to one
    ties them. In another grouped one, the k-th channels of all groups are one unit, so that the
    number of groups stays.
    """

    modules = (*_CONVOLUTIONS, *_TRANSPOSED)

    def apply(self, call: OpCall) -> LayoutTree:
        """Read input channels, make output channels."""
        conv = cast("_ConvNd", call.module)
        if not has_plain_weight(conv):
            return freeze_computed_weight(call)
        axis = len(call.shape) - len(conv.kernel_size) - 1
        inputs = channel_ids(call.layouts[0], axis, call.channels)
        part = add_part(call, self._part(conv, inputs, call))
        return along(part.outputs, axis, call.shape)

    def _part(self, conv: _ConvNd, inputs: Ids, call: OpCall) -> Part:
        transposed = isinstance(conv, _TRANSPOSED)
        kind = "conv_transpose" if transposed else "conv"
        kernel = (None,) * len(conv.kernel_size)
        if conv.groups == conv.in_channels > 1:
            outputs = np.repeat(inputs, conv.out_channels // conv.in_channels)
            rows = inputs if transposed else outputs
            axes = _axes(conv, (rows, None, *kernel), outputs)
            return Part(kind, axes, inputs, outputs, depthwise=True)
        if transposed and conv.groups == conv.out_channels > 1:
            # The other way round: a group gathers several channels to one, and narrows as a whole.
            outputs = call.channels.unite_along(inputs.reshape(conv.groups, -1), 1).reshape(-1)
            axes = _axes(conv, (inputs, None, *kernel), outputs)
            return Part(kind, axes, inputs, outputs, depthwise=True)
        outputs = own_outputs(call, conv.out_channels)
        into, out = inputs, outputs
        if conv.groups > 1:
            tied_in = _same_in_every_group(inputs, conv.groups, call.channels)
            tied_out = _same_in_every_group(outputs, conv.groups, call.channels)
            into, out = (inputs, tied_out) if transposed else (tied_in, outputs)
        weight = (into, out, *kernel) if transposed else (out, into, *kernel)
        axes = _axes(conv, weight, outputs)
        return Part(kind, axes, inputs, outputs, produces=True, consumes=True)

    def macs(self, call: OpCall) -> int:
        """Count each weight once per output position (input position when transposed)."""
        conv = cast("_ConvNd", call.module)
        shape = call.layouts[0].shape if isinstance(conv, _TRANSPOSED) else call.shape
        per_position = conv.out_channels if isinstance(conv, _TRANSPOSED) else conv.in_channels
        return prod(shape) * per_position // conv.groups * prod(conv.kernel_size)


def _axes(
    module: nn.Module, weight: tuple[Ids | None, ...], outputs: Ids
) -> Mapping[str, tuple[Ids | None, ...]]:
    return {"weight": weight} if module.bias is None else {"weight": weight, "bias": (outputs,)}


class LinearRule(OpRule):
    """Linear layers over the last axis."""

    modules = (nn.Linear,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Read the last axis, make features."""
        linear = cast("nn.Linear", call.module)
        if not has_plain_weight(linear):
            return freeze_computed_weight(call)
        inputs = channel_ids(call.layouts[0], -1, call.channels)
        outputs = own_outputs(call, linear.out_features)
        axes = _axes(linear, (outputs, inputs), outputs)
        part = Part("linear", axes, inputs, outputs, produces=True, consumes=True)
        return along(add_part(call, part).outputs, -1, call.shape)

    def macs(self, call: OpCall) -> int:
        """Count each weight once per row."""
        return prod(call.shape) * cast("nn.Linear", call.module).in_features


class EmbeddingRule(OpRule):
    """Embeddings: the columns of the table are channels."""

    modules = (nn.Embedding,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Make features on a new last axis."""
        table = cast("nn.Embedding", call.module)
        if not has_plain_weight(table) or table.max_norm is not None:
            return freeze_computed_weight(call)
        outputs = own_outputs(call, table.embedding_dim)
        nothing: Ids = np.empty(0, dtype=np.int64)
        part = Part("embedding", {"weight": (None, outputs)}, nothing, outputs, produces=True)
        return along(add_part(call, part).outputs, -1, call.shape)
