"""Norms: they keep the channel axis, and follow it with their own scales and statistics."""

from typing import cast

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from gancompress.graph.layout import Ids, Layout, along, channel_ids
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, Part
from gancompress.graph.rules.producers import add_part, freeze_computed_weight


def _follow(call: OpCall, kind: str, ids: Ids) -> Part:
    """Note that every one-dimensional tensor of a layer follows the channels."""
    module = cast("nn.Module", call.module)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    axes = {name: (ids,) for name, tensor in tensors.items() if tensor.shape == ids.shape}
    return add_part(call, Part(kind, axes, ids, ids))


def _unbatched_rank(norm: _InstanceNorm) -> int:
    """Return the rank of an input without batch axis: 2 for ``InstanceNorm1d``, and so on."""
    rank: int = norm._get_no_batch_dim()  # type: ignore[no-untyped-call] # noqa: SLF001
    return rank


class ChannelNormRule(OpRule):
    """Batch and instance norms: one statistic per channel."""

    modules = (_BatchNorm, _InstanceNorm)

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the channel axis."""
        axis = 1
        if isinstance(call.module, _InstanceNorm):
            axis = len(call.shape) - _unbatched_rank(call.module)
        ids = channel_ids(call.layouts[0], axis, call.channels)
        return along(_follow(call, "norm", ids).outputs, axis, call.shape)


class GroupNormRule(OpRule):
    """Group norms: whole norm groups are units; a single group couples all channels."""

    modules = (nn.GroupNorm,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the channel axis; tie the channels of each norm group."""
        groups = cast("nn.GroupNorm", call.module).num_groups
        ids = channel_ids(call.layouts[0], 1, call.channels)
        if groups == 1:
            call.channels.couple(ids)
        else:
            call.channels.unite_along(ids.reshape(groups, -1), 1)
        return along(_follow(call, "group_norm", ids).outputs, 1, call.shape)


class LayerNormRule(OpRule):
    """Layer and RMS norms: over channels they couple the statistics, else they keep them."""

    modules = (nn.LayerNorm, nn.RMSNorm)

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the layout; follow the channels where they are normalised over."""
        norm = cast("nn.LayerNorm | nn.RMSNorm", call.module)
        layout = call.layouts[0]
        count = len(norm.normalized_shape)
        inside = [axis - len(call.shape) for axis in layout.axes if axis >= len(call.shape) - count]
        if not inside:
            self._leave(call, norm)
            return layout
        if len(layout.axes) > 1 or (count > 1 and not norm.elementwise_affine):
            return call.freeze()
        ids = channel_ids(layout, inside[0], call.channels)
        call.channels.couple(ids)
        axes: list[Ids | None] = [None] * count
        axes[inside[0]] = ids
        names = [name for name, _ in norm.named_parameters()]
        add_part(call, Part("layer_norm", dict.fromkeys(names, tuple(axes)), ids, ids))
        return layout

    @staticmethod
    def _leave(call: OpCall, norm: nn.LayerNorm | nn.RMSNorm) -> None:
        """Freeze a norm that is called on a tensor without channels, too."""
        if len(norm.normalized_shape) == 1 and norm.elementwise_affine:
            reason = f"{call.where}: it is called on a tensor without channels too"
            fixed = np.full(norm.normalized_shape, call.channels.fixed(reason), dtype=np.int64)
            names = [name for name, _ in norm.named_parameters()]
            add_part(call, Part("layer_norm", dict.fromkeys(names, (fixed,)), fixed, fixed))


class PReLURule(OpRule):
    """PReLU: one slope per channel, or one for all."""

    modules = (nn.PReLU,)

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the channel axis."""
        layout = call.layouts[0]
        if set(dict(cast("nn.PReLU", call.module).named_parameters())) != {"weight"}:
            return freeze_computed_weight(call)
        if cast("nn.PReLU", call.module).num_parameters == 1:
            return layout
        ids = channel_ids(layout, 1, call.channels)
        return along(_follow(call, "prelu", ids).outputs, 1, call.shape)


class SoftmaxRule(OpRule):
    """Softmax and normalisation to length one: over channels they couple the statistics."""

    sets = "each"
    modules = (nn.Softmax, nn.LogSoftmax, nn.Softmin, nn.Softmax2d)
    functions = frozenset(
        {nn.functional.softmax, nn.functional.log_softmax, nn.functional.softmin}
        | {nn.functional.normalize, torch.softmax, torch.log_softmax}
    )
    methods = frozenset({"softmax", "log_softmax"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the layout."""
        layout = call.layouts[0]
        dim = self._dim(call)
        if dim is None or layout.varies(dim):
            call.channels.couple(layout.ids)
        return Layout(layout.ids, call.shape)

    @staticmethod
    def _dim(call: OpCall) -> int | None:
        if isinstance(call.module, nn.Softmax2d):
            return -3
        if call.module is not None:
            return cast("int | None", call.module.dim)
        position = 2 if call.target is nn.functional.normalize else 1
        default = 1 if call.target is nn.functional.normalize else None
        return cast("int | None", call.argument(position, "dim", default=default))
