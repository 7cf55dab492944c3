"""The words that a model file may use: what is not named here is neither written nor run.

A file that names `torch.load`, `operator.methodcaller` or `getattr(x, "__class__")` is refused,
so reading a stranger's model runs tensor operators and nothing else.
"""

import builtins
import inspect
import math
import operator
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import get_overridable_functions

# Tensor operators that torch does not list as overridable, or that have no tensor argument.
_MORE: Final = (
    (torch, "zeros ones empty full arange linspace eye tensor as_tensor rand randn randint"),
    (torch, "randperm rand_like randn_like randint_like scalar_tensor"),
    (F, "tanh sigmoid upsample relu_ leaky_relu_ elu_ selu_ celu_ hardtanh_ threshold_"),
)
_OPERATOR: Final = (
    "abs add and_ eq floordiv ge getitem gt iadd iand ifloordiv imatmul imod imul invert ior ipow "
    "isub itruediv ixor le lt matmul mod mul ne neg not_ or_ pos pow setitem sub truediv xor"
)
_BUILTINS: Final = "abs bool float getattr int len max min pow round sum"
_MATH: Final = "ceil exp floor isqrt log log10 log2 prod sqrt trunc"
_ATTRIBUTES: Final = "H T data device dtype imag layout mH mT ndim real shape type"
# These run a callable, reach the memory or another file, or leave the graph.
_DENIED_FUNCTIONS: Final = frozenset({"autocast", "from_file", "frombuffer"})
_DENIED_METHODS: Final = (
    "apply_ backward data_ptr map2_ map_ module_load numpy register_hook resize_ resize_as_ set_ "
    "register_post_accumulate_grad_hook share_memory_ storage untyped_storage tolist"
)
_CONTAINERS: Final = (
    nn.Module,
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.ParameterList,
    nn.ParameterDict,
)


@cache
def functions() -> Mapping[str, Callable[..., Any]]:
    """Give every function that a node may call, by its qualified name.

    Returns:
        Names such as ``torch.cat``, ``torch.nn.functional.pad``, ``operator.add``.
    """
    overridable = {id(f) for group in get_overridable_functions().values() for f in group}
    found: dict[str, Callable[..., Any]] = {}
    for home in (torch, F, torch.fft, torch.linalg, torch.special):
        for name, value in inspect.getmembers(home, callable):
            if id(value) in overridable and not name.startswith("_"):
                found[f"{home.__name__}.{name}"] = value
    for denied in _DENIED_FUNCTIONS:
        found.pop(f"torch.{denied}", None)
    plain: tuple[tuple[ModuleType, str], ...] = (
        *_MORE,
        (operator, _OPERATOR),
        (builtins, _BUILTINS),
        (math, _MATH),
    )
    for home, names in plain:
        found |= {f"{home.__name__}.{name}": getattr(home, name) for name in names.split()}
    return MappingProxyType(found)


@cache
def _names() -> Mapping[int, str]:
    return {id(function): name for name, function in functions().items()}


def function_name(function: Any) -> str | None:
    """Give the qualified name of a function that a node may call.

    Args:
        function: Anything.

    Returns:
        Its name; None where it may not be called.
    """
    return _names().get(id(function))


def is_attribute(name: Any) -> bool:
    """Tell whether ``getattr`` may read this name."""
    return isinstance(name, str) and name in _ATTRIBUTES.split()


@cache
def methods() -> frozenset[str]:
    """Give the tensor methods that a node may call."""
    return frozenset(
        name
        for name, value in inspect.getmembers(Tensor, callable)
        if not name.startswith("_") and name not in _DENIED_METHODS.split()
    )


@cache
def layers() -> Mapping[str, type[nn.Module]]:
    """Give the leaf modules of torch that a file may hold, by class name."""
    return MappingProxyType(
        {
            name: value
            for name, value in inspect.getmembers(nn, inspect.isclass)
            if issubclass(value, nn.Module)
            and value.__module__.startswith("torch.nn.modules.")
            and value not in _CONTAINERS
        }
    )
