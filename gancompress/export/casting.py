"""A network that computes in half precision between float32 inputs and outputs."""

import copy
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gancompress.export.target import Precision

_TYPES: Final[dict[str, torch.dtype]] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Cast(nn.Module):
    """Casts the inputs, runs the network, and casts the outputs back.

    Args:
        module: The network; it is copied.
        dtype: What it computes in.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).to(dtype)
        self.dtype = dtype

    def forward(self, *inputs: Tensor) -> Any:
        """Map float32 to float32; whole numbers are left as they are."""
        given = (x.to(self.dtype) if x.is_floating_point() else x for x in inputs)
        return pytree.tree_map_only(
            Tensor, lambda y: y.float() if y.is_floating_point() else y, self.module(*given)
        )


def in_precision(module: nn.Module, precision: Precision) -> nn.Module:
    """Return a network that computes in a precision.

    Args:
        module: In eval mode.
        precision: ``fp32`` and ``int8`` leave it as it is.
    """
    return Cast(module, _TYPES[precision]).eval() if precision in _TYPES else module
