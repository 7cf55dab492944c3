"""Operators that keep the channel axis: activations, pooling, padding, resizing."""

import operator
import re
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from gancompress.graph.layout import Layout, along, constant, joined
from gancompress.graph.rules.base import LayoutTree, OpCall, OpRule, outputs_like, words
from gancompress.graph.rules.sizes import ids_along
from gancompress.graph.rules.views import repeated_ids, sequence, sequence_places

_ACTIVATIONS = words(
    "relu relu6 elu selu celu gelu silu mish sigmoid tanh hardtanh hardswish hardsigmoid softplus "
    "softsign tanhshrink hardshrink softshrink leaky_relu rrelu logsigmoid threshold dropout "
    "dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout"
)
_MATHS = words(
    "exp expm1 log log1p log2 abs neg negative sqrt rsqrt square sin cos tan erf sign sgn floor "
    "ceil round trunc reciprocal nan_to_num isnan isfinite isinf logical_not clone detach sigmoid "
    "tanh relu zeros_like ones_like full_like empty_like rand_like randn_like bernoulli frac atan "
    "asin acos sinh cosh digamma lgamma positive conj real imag angle"
)
_METHODS = words(
    "contiguous to float double half bfloat16 int long bool type type_as cpu cuda requires_grad_ "
    "detach_ fill_ zero_ normal_ uniform_ bernoulli_ clone"
)


def _existing(module: object, names: list[str]) -> set[object]:
    both = [*names, *(f"{name}_" for name in names)]
    return {getattr(module, name) for name in both if hasattr(module, name)}


class ElementwiseRule(OpRule):
    """Operators that treat every element by itself: the layout stays as it is."""

    sets = "each"
    functions = frozenset(_existing(F, _ACTIVATIONS) | _existing(torch, _MATHS + _ACTIVATIONS)) | {
        operator.neg,
        operator.pos,
        operator.abs,
    }
    methods = frozenset([*_MATHS, *(f"{name}_" for name in _MATHS), *_METHODS])
    modules = (
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU),
        *(nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus),
        *(nn.Softsign, nn.Tanhshrink, nn.Hardshrink, nn.Softshrink, nn.LogSigmoid, nn.Threshold),
        *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout),
        *(nn.FeatureAlphaDropout, nn.Identity),
    )

    def apply(self, call: OpCall) -> LayoutTree:
        """Pass the layout on."""
        return Layout(call.layouts[0].ids, call.shape)


_WINDOWS = tuple(
    getattr(nn, f"{name}{n}d")
    for name in (
        *("MaxPool", "AvgPool", "LPPool", "AdaptiveAvgPool", "AdaptiveMaxPool", "ReflectionPad"),
        *("ReplicationPad", "ZeroPad", "ConstantPad", "CircularPad"),
    )
    for n in (1, 2, 3)
)


class SpatialRule(OpRule):
    """Pooling, padding and resizing: they work on the axes after the channels."""

    functions = frozenset(
        getattr(place, name)
        for kind in ("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool", "lp_pool")
        for n in (1, 2, 3)
        for name in (f"{kind}{n}d", f"{kind}{n}d_with_indices")
        for place in (F, torch)
        if hasattr(place, name)
    ) | {F.interpolate, F.upsample, F.grid_sample}
    modules = (*_WINDOWS, nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d)

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep what varies before the spatial axes; tie what varies along them."""
        layout, *others = call.layouts
        for other in others:  # a grid to sample at has places, not channels, along its last axis
            call.channels.freeze(other.ids, f"{call.where}: it is sampled by them")
        name = type(call.module).__name__ if call.module else call.target.__name__
        digit = re.search(r"(\d)d", name)
        spatial = int(digit[1]) if digit else len(layout.shape) - 2
        ids = layout.ids
        for axis in range(ids.ndim - spatial, ids.ndim):
            ids = call.channels.unite_along(ids, axis)
        return outputs_like(call.value, lambda spec: Layout(ids, spec.shape))


class PadRule(OpRule):
    """Padding by list: the axes that are padded must not carry channels."""

    functions = frozenset({F.pad, torch.constant_pad_nd})

    def apply(self, call: OpCall) -> LayoutTree:
        """Keep the layout."""
        layout = call.layouts[0]
        padded = len(call.argument(1, "pad")) // 2
        if any(axis >= len(layout.shape) - padded for axis in layout.axes):
            return call.freeze("it pads channels")
        return Layout(layout.ids, call.shape)


class CreateRule(OpRule):
    """New tensors: an axis as long as some channels, or of a stated length, may follow channels."""

    sizes = True
    functions = frozenset(
        {torch.zeros, torch.ones, torch.empty, torch.full, torch.rand, torch.randn}
    )
    methods = frozenset({"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"})

    def apply(self, call: OpCall) -> LayoutTree:
        """Lay out a tensor whose axes follow the channels that their lengths count."""
        fixed = call.channels.fixed(f"it is tied to a tensor made by {call.where}")
        planes = [constant(call.shape, fixed).ids]
        first = 1 if isinstance(call.target, str) else 0
        if call.target == "new_tensor":
            return constant(call.shape, fixed)
        raws, places = (f(call, first, "size") for f in (sequence, sequence_places))
        for axis, length in enumerate(call.shape):
            whole = _whole_shape(call, raws[axis])
            if length == 1 or len(raws) != len(call.shape):
                continue
            ids = (
                ids_along(whole, axis)
                if whole is not None
                else repeated_ids(call, raws[axis], places[axis], length)
            )
            planes += [] if ids is None or not len(ids) else [along(ids, axis, call.shape).ids]
        return joined(planes, call.shape) or constant(call.shape, fixed)


def _whole_shape(call: OpCall, raw: Any) -> Layout | None:
    """Return the tensor whose whole shape is given, as in ``torch.zeros(x.shape)``."""
    if not isinstance(raw, fx.Node) or raw.target not in {getattr, "size"} or len(raw.args) == 0:
        return None
    if isinstance(call.known.get(raw), int):
        return None
    source = raw.args[0]
    found = call.known.get(source) if isinstance(source, fx.Node) else None
    return found if isinstance(found, Layout) else None
