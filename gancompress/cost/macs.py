"""Multiply-accumulates per operator, in the true and in the published convention.

fvcore walks the traced graph; what an operator counts for is said here:

=====================  ==========================================  ==============================
operator               true work                                   published (torchprofile 0.0.1)
=====================  ==========================================  ==============================
convolution            output positions · weights                  the same
transposed convolution **input** positions · weights               **output** positions · weights
linear, matmul, bmm,   product of all index ranges                 the same
einsum, attention
instance norm, mul,    0                                           elements of the output
mean, adaptive pool
everything else        0                                           0
=====================  ==========================================  ==============================

At stride 2 the published tables count a transposed convolution four times too high: 56.83 G
against 49.55 G for CycleGAN's ResNet-9 at 256×256.
"""

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gancompress.graph.functions import forward_only

# The values that fvcore hands to a counter are `torch._C.Value`s of the traced graph.
Values: TypeAlias = list[Any]
OperatorCounter: TypeAlias = Callable[[Values, Values], Counter[str]]

_TRUE, _PUBLISHED = "true", "published"
# Elementwise work that torchprofile 0.0.1 added to the published figures.
_PUBLISHED_ONLY = ("instance_norm", "mul", "mul_", "mean", "adaptive_avg_pool2d")
# fvcore's own counters, with norms and interpolation, are taken out: they are no MACs.
_NO_WORK = (
    "batch_norm",
    "group_norm",
    "layer_norm",
    "upsample_nearest2d",
    "upsample_bilinear2d",
    "grid_sampler",
)


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one forward pass.

    Args:
        true: Conv, transposed conv (by input positions), linear and matrix products.
        published: As torchprofile 0.0.1 counts, for comparison with published tables.
    """

    true: int
    published: int


def count_macs(
    module: nn.Module, inputs: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None
) -> Macs:
    """Count the multiply-accumulates of one forward pass in eval mode.

    Args:
        module: Not changed.
        inputs: Positional inputs: tensors, or containers of tensors and plain values.
        kwargs: Keyword inputs.

    Returns:
        Both conventions.

    Raises:
        Exception: What the module's own forward raises on these inputs.
    """
    bound = _Bound(copy.deepcopy(module).eval(), inputs, kwargs or {})
    # fvcore sees no products inside of an autograd function.
    with warnings.catch_warnings(), forward_only(bound):
        # fvcore rests on torch.jit, whose deprecation and tracer warnings are no news to a user.
        warnings.simplefilter("ignore")
        by_operator = _analyse(bound)
    return Macs(true=int(by_operator[_TRUE]), published=int(by_operator[_PUBLISHED]))


class _Bound(nn.Module):
    """A module with its inputs flattened to tensors, as torch.jit wants them.

    Args:
        module: Any module.
        args: Its positional inputs.
        kwargs: Its keyword inputs.
    """

    def __init__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        super().__init__()
        self.module = module
        leaves, self.structure = pytree.tree_flatten((args, dict(kwargs)))
        self.plain = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        self.tensors = tuple(leaves[i] for i in self.positions)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Call the module and flatten its outputs.

        Args:
            tensors: The tensors of the inputs, in their order.

        Returns:
            The tensors of the output, in their order.
        """
        leaves = list(self.plain)
        for position, tensor in zip(self.positions, tensors, strict=True):
            leaves[position] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.structure)
        result = pytree.tree_leaves(self.module(*args, **kwargs))
        return tuple(leaf for leaf in result if isinstance(leaf, Tensor))


def _analyse(bound: _Bound) -> Counter[str]:
    from fvcore.nn import FlopCountAnalysis  # noqa: PLC0415 - its import warns about torch.jit

    analysis = FlopCountAnalysis(bound, bound.tensors)
    analysis.unsupported_ops_warnings(False)  # noqa: FBT003 - fvcore's own signature
    analysis.uncalled_modules_warnings(False)  # noqa: FBT003
    analysis.tracer_warnings("none")
    analysis.set_op_handle(**{f"aten::{name}": None for name in _NO_WORK})
    analysis.set_op_handle(**{f"aten::{name}": count for name, count in _counters().items()})
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    # The fused attention of nn.MultiheadAttention is one operator that hides its products.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            result: Counter[str] = analysis.by_operator()
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
    return result


def _counters() -> dict[str, OperatorCounter]:
    return {
        "_convolution": _convolution,
        "_convolution_mode": _convolution_by_name,
        "linear": _linear,
        "addmm": _product_after_bias,
        "baddbmm": _product_after_bias,
        "addmv": _product_after_bias,
        "mm": _product,
        "bmm": _product,
        "mv": _product,
        "dot": _product,
        "matmul": _product,
        "einsum": _einsum,
        "scaled_dot_product_attention": _attention,
        **dict.fromkeys(_PUBLISHED_ONLY, _elementwise),
    }


def _shape(value: Any) -> list[int]:
    """Give a traced tensor's shape; a number has none."""
    kind = value.type()
    sizes = kind.sizes() if kind.isSubtypeOf(torch._C.TensorType.get()) else []  # noqa: SLF001
    return list(sizes or [])


def _both(work: int) -> Counter[str]:
    return Counter({_TRUE: work, _PUBLISHED: work})


def _elementwise(_inputs: Values, outputs: Values) -> Counter[str]:
    is_tensor = outputs[0].type().isSubtypeOf(torch._C.TensorType.get())  # noqa: SLF001
    return Counter({_PUBLISHED: prod(_shape(outputs[0]))} if is_tensor else {})


def _convolution(inputs: Values, outputs: Values) -> Counter[str]:
    weight = _shape(inputs[1])
    transposed = bool(inputs[6].toIValue())
    out = _shape(outputs[0])
    spatial = len(weight) - 2
    # The weight is (out, in / groups, …), or (in, out / groups, …) of a transposed one.
    per_position = prod(_shape(inputs[0])[-spatial:] if transposed else out[-spatial:])
    batch = out[0] if len(out) == spatial + 2 else 1
    channels = weight[0] if transposed else weight[1]
    groups = int(inputs[8].toIValue())
    in_group = channels // groups if transposed else channels
    published = prod(out) * in_group * prod(weight[2:])
    return Counter({_TRUE: batch * per_position * prod(weight), _PUBLISHED: published})


def _convolution_by_name(inputs: Values, outputs: Values) -> Counter[str]:
    """Count a convolution whose padding is a word, such as ``same``."""
    return _both(prod(_shape(outputs[0])) * prod(_shape(inputs[1])[1:]))


def _linear(inputs: Values, outputs: Values) -> Counter[str]:
    return _both(prod(_shape(outputs[0])) * _shape(inputs[0])[-1])


def _product(inputs: Values, outputs: Values) -> Counter[str]:
    # Every output element sums over the last axis of the left operand, broadcast or not.
    return _both(prod(_shape(outputs[0])) * _shape(inputs[0])[-1])


def _product_after_bias(inputs: Values, outputs: Values) -> Counter[str]:
    return _product(inputs[1:], outputs)


def _einsum(inputs: Values, _outputs: Values) -> Counter[str]:
    equation = str(inputs[0].toIValue()).replace(" ", "").split("->")[0]
    operands = [_shape(value) for value in inputs[1].node().inputs()]
    ranges: dict[str, int] = {}
    for letters, sizes in zip(equation.split(","), operands, strict=True):
        named = letters.split("...") if "..." in letters else [letters, ""]
        head, tail = len(named[0]), len(named[1])
        # Axes under an ellipsis are aligned at their right end, as broadcasting does.
        middle = sizes[head : len(sizes) - tail]
        keys = [*named[0], *(f"...{k}" for k in range(len(middle), 0, -1)), *named[1]]
        for key, size in zip(keys, sizes, strict=True):
            ranges[key] = max(ranges.get(key, 1), size)
    # One operand only moves or sums: no multiplication. More than two are multiplied at once.
    return _both(prod(ranges.values()) * max(0, len(operands) - 1))


def _attention(inputs: Values, outputs: Values) -> Counter[str]:
    query, key, out = _shape(inputs[0]), _shape(inputs[1]), _shape(outputs[0])
    scores = prod(query[:-1]) * key[-2]
    return _both(scores * (query[-1] + out[-1]))
