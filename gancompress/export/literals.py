"""The arguments of a graph's nodes as JSON, and back.

Nodes and Python values that JSON has no word for are objects with one key: ``{"node": "conv"}``,
``{"tuple": [2, 3]}``, ``{"slice": [null, 4, null]}``, ``{"dtype": "float32"}``.
"""

import math
from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Any, TypeAlias

import torch
from torch import fx

Json: TypeAlias = Any


def encode(value: Any) -> Json:
    """Turn an argument into JSON.

    Args:
        value: Nodes, numbers, strings, None, dtypes, devices, slices, and containers of them.

    Returns:
        What `decode` turns back.

    Raises:
        TypeError: If the value holds anything else.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    return _encode_special(value)


def _encode_special(value: Any) -> Json:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, slice):
        return {"slice": [encode(part) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, EllipsisType):
        return {"ellipsis": True}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    for kind, word in _TORCH_WORDS.items():
        if isinstance(value, word):
            return {kind: str(value).removeprefix("torch.")}
    raise TypeError(f"a value of type '{type(value).__name__}' has no description")


_TORCH_WORDS: dict[str, type] = {
    "dtype": torch.dtype,
    "memory_format": torch.memory_format,
    "layout": torch.layout,
}


def decode(value: Json, nodes: Mapping[str, fx.Node]) -> Any:
    """Turn JSON back into an argument.

    Args:
        value: What `encode` gave.
        nodes: The nodes so far, by name.

    Returns:
        The argument.

    Raises:
        ValueError: If an object has another key, or names something that is not there.
    """
    if isinstance(value, list):
        return [decode(item, nodes) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"an argument has the keys '{', '.join(map(str, value))}'")
    ((kind, inner),) = value.items()
    if kind == "node":
        if inner not in nodes:
            raise ValueError(f"node '{inner}' is used before it is there")
        return nodes[inner]
    reader = _READERS.get(kind)
    if reader is None:
        raise ValueError(f"'{kind}' is no kind of argument")
    return reader(inner, nodes)


_Reader: TypeAlias = Callable[[Json, Mapping[str, fx.Node]], Any]


def _word(kind: str) -> _Reader:
    def read(name: Json, _nodes: Mapping[str, fx.Node]) -> Any:
        word = getattr(torch, str(name), None)
        if not isinstance(word, _TORCH_WORDS[kind]):
            raise ValueError(f"'{name}' is no {kind}")  # noqa: TRY004 - the name is wrong
        return word

    return read


_READERS: dict[str, _Reader] = {
    "tuple": lambda items, nodes: tuple(decode(item, nodes) for item in items),
    "dict": lambda pairs, nodes: {decode(k, nodes): decode(v, nodes) for k, v in pairs},
    "slice": lambda parts, nodes: slice(*(decode(part, nodes) for part in parts)),
    "ellipsis": lambda _inner, _nodes: ...,
    "float": lambda text, _nodes: float(text),
    "device": lambda text, _nodes: torch.device(text),
    **{kind: _word(kind) for kind in _TORCH_WORDS},
}
