"""A leaf module of torch as its class name and constructor arguments, and back."""

import inspect
from typing import Any, Final

import torch
from torch import nn

from gancompress.errors import ExportError
from gancompress.export.literals import Json, decode, encode
from gancompress.export.vocabulary import layers

# The weights' file says where and in which type tensors are; the rest only sets first values.
_IGNORED: Final = frozenset({"device", "dtype", "_weight", "_freeze", "min_value", "max_value"})
_HINT: Final = "save the model before changing its layers, or leave the layer out of the generator"


def describe_layer(path: str, layer: nn.Module) -> Json:
    """Describe a leaf module.

    Args:
        path: Its path, for errors.
        layer: The module.

    Returns:
        Class name and arguments.

    Raises:
        ExportError: If it is no plain module of torch, or carries hooks.
    """
    name = type(layer).__name__
    if layers().get(name) is not type(layer):
        raise ExportError(
            f"'{path}' is a '{name}', which no file can describe",
            hint="only layers of torch.nn can be saved: opaque modules have to be traced, and "
            "parametrised weights folded (FoldReparametrisation)",
        )
    if layer._forward_hooks or layer._forward_pre_hooks:  # noqa: SLF001 - there is no public way
        raise ExportError(f"'{path}' has hooks, which a file would lose", hint="remove them first")
    try:
        arguments = {key: encode(value) for key, value in _arguments(layer).items()}
    except (AttributeError, TypeError) as error:
        raise ExportError(f"'{path}' cannot be described: {error}", hint=_HINT) from None
    described = {"class": name, "arguments": arguments}
    if not _comes_back(described, layer):
        raise ExportError(f"'{path}' ({layer}) would not come back the same", hint=_HINT)
    return described


def build_layer(described: Json) -> nn.Module:
    """Build a leaf module without memory for its weights.

    Args:
        described: What `describe_layer` gave.

    Returns:
        The module, in eval mode, on the meta device.

    Raises:
        Exception: If the class is not one of torch's leaf modules, or refuses its arguments.
    """
    name = described["class"]
    if name not in layers():
        raise ValueError(f"'{name}' is no layer of torch")
    arguments = {key: decode(value, {}) for key, value in described["arguments"].items()}
    with torch.device("meta"):
        return layers()[name](**arguments).eval()


def _comes_back(described: Json, layer: nn.Module) -> bool:
    try:
        return repr(build_layer(described)) == repr(layer)
    except TypeError:  # a constructor that takes ``*args``, as recurrent layers have, tells nothing
        return False


def _arguments(layer: nn.Module) -> dict[str, Any]:
    parameters = inspect.signature(type(layer).__init__).parameters.values()
    return {
        p.name: _argument(layer, p.name)
        for p in parameters
        if p.name not in _IGNORED | {"self"} and p.kind is p.POSITIONAL_OR_KEYWORD
    }


def _argument(layer: nn.Module, name: str) -> Any:
    # Attention keeps its flags as the presence of tensors of other names.
    if isinstance(layer, nn.MultiheadAttention):
        if name == "bias":
            return layer.in_proj_bias is not None
        if name == "add_bias_kv":
            return layer.bias_k is not None
    if name == "bias":
        return getattr(layer, name) is not None
    return getattr(layer, name)
