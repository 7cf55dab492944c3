"""A described graph as a Python module that needs torch and safetensors alone."""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from torch import Tensor

from gancompress.export.literals import Json, decode
from gancompress.export.vocabulary import layers

_INFIX: Final = {
    "operator.add": "+",
    "operator.sub": "-",
    "operator.mul": "*",
    "operator.truediv": "/",
    "operator.floordiv": "//",
    "operator.matmul": "@",
}
_TAKEN: Final = frozenset(["torch", "nn", "math", "operator", "layer", "self", "Path", "load_file"])
_MODULE: Final = '''"""A generator of plain torch layers, which needs no other package.

    from {name} import load

    picture = load()(x)

Its weights are in the file of the same name that ends in ".safetensors" (SHA-256
{sha256}).
"""

{imports}from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
{layers}

    def forward(self{parameters}):
        layer = self.get_submodule
{body}

    def _put(self, path, value):
        *outer, name = path.split(".")
        module = self
        for part in outer:
            if part not in dict(module.named_children()):
                module.add_module(part, nn.Module())
            module = module.get_submodule(part)
        if isinstance(value, nn.Module):
            module.add_module(name, value)
        elif isinstance(value, nn.Parameter):
            module.register_parameter(name, value)
        else:
            module.register_buffer(name, value)


def load(weights=Path(__file__).with_suffix(".safetensors")):
    """Build the generator with its weights, in eval mode."""
    generator = Generator()
    generator.load_state_dict(load_file(weights), assign=True)
    return generator.eval()
'''


def python_source(described: Json, state: Mapping[str, Tensor], name: str, sha256: str) -> str:
    """Write a graph as a Python module with a class ``Generator`` and a function ``load``.

    The names of its weights are those of the graph's layers. A variable is used again as soon as
    nobody needs what it holds, so that no more is kept in memory than there has to be.

    Args:
        described: What `describe_graph` gave; every name in it is of the vocabulary.
        state: What `state_of` gave; only shapes and types are looked at.
        name: What the module will be called, for its docstring.
        sha256: Of the file with the weights, for its docstring.

    Returns:
        Python source.
    """
    variables = _variables(described["nodes"])
    body = list(_body(described, variables))
    text = "\n".join(body)
    imports = [f"import {word}\n" for word in ("math", "operator") if f"{word}." in text]
    return _MODULE.format(
        name=name,
        sha256=sha256,
        imports="".join(imports),
        layers="\n".join(_layers(described, state)) or "        pass",
        parameters="".join(_parameters(described["nodes"], variables)),
        body=text,
    )


def _layers(described: Json, state: Mapping[str, Tensor]) -> Iterator[str]:
    for path, layer in described["layers"].items():
        yield f"        self._put({path!r}, nn.{layer['class']}({_arguments(layer)}))"
    for path, trainable in described["tensors"].items():
        empty = f"torch.zeros({tuple(state[path].shape)}, dtype={state[path].dtype})"
        made = f"nn.Parameter({empty}, requires_grad=False)" if trainable else empty
        yield f"        self._put({path!r}, {made})"


def _arguments(layer: Json) -> str:
    """Write a layer's arguments, but for those that have their default."""
    parameters = inspect.signature(layers()[layer["class"]].__init__).parameters
    given = {key: decode(value, {}) for key, value in layer["arguments"].items()}
    return ", ".join(
        f"{key}={_literal(layer['arguments'][key], {})}"
        for key, value in given.items()
        if not _is_default(value, parameters[key].default, layer["class"])
    )


def _is_default(value: Any, default: Any, name: str) -> bool:
    # A convolution keeps one number for all axes as a tuple.
    every = name.startswith("Conv") and isinstance(value, tuple) and isinstance(default, int)
    return set(value) == {default} if every else bool(value == default)


def _parameters(nodes: list[Json], variables: dict[str, str]) -> Iterator[str]:
    for node in nodes:
        if node["op"] == "placeholder":
            default = "".join(f"={_literal(value, {})}" for value in node["args"][:1])
            yield f", {variables[node['name']]}{default}"


def _body(described: Json, variables: dict[str, str]) -> Iterator[str]:
    uses = Counter(name for node in described["nodes"] for name in _read_by(node))
    for node in described["nodes"]:
        if node["op"] == "placeholder":
            continue
        if node["op"] == "output":
            yield f"        return {_literal(node['args'][0], variables)}"
            continue
        expression = _expression(node, described, variables)
        named = f"{variables[node['name']]} = " if uses[node["name"]] else ""
        yield f"        {named}{expression}"


def _expression(node: Json, described: Json, variables: dict[str, str]) -> str:
    target, words = node["target"], [_literal(value, variables) for value in node["args"]]
    named = [f"{key}={_literal(value, variables)}" for key, value in node["kwargs"].items()]
    arguments = ", ".join(words + named)
    if node["op"] == "get_attr":
        return f"self.get_{'parameter' if described['tensors'][target] else 'buffer'}({target!r})"
    if node["op"] == "call_module":
        return f"layer({target!r})({arguments})"
    if node["op"] == "call_method":
        return f"{words[0]}.{target}({', '.join(words[1:] + named)})"
    if target == "builtins.getattr":
        return f"{words[0]}.{node['args'][1]}"
    return _call(target, words, named)


def _call(target: str, words: list[str], named: list[str]) -> str:
    if target == "operator.getitem":
        return f"{words[0]}[{words[1]}]"
    if target in _INFIX and len(words) == 2 and not named:
        return f"{words[0]} {_INFIX[target]} {words[1]}"
    return f"{target.removeprefix('builtins.')}({', '.join(words + named)})"


def _variables(nodes: list[Json]) -> dict[str, str]:
    """Give every node a variable, which it shares with nodes that are no longer needed."""
    last = {name: place for place, node in enumerate(nodes) for name in _read_by(node)}
    given: dict[str, str] = {}
    free: list[str] = []
    number = 0
    for place, node in enumerate(nodes):
        if node["op"] == "placeholder":
            given[node["name"]] = _parameter(node["target"])
            continue
        free += [given[name] for name in dict.fromkeys(_read_by(node)) if last[name] == place]
        if node["name"] not in last:
            continue
        if not free:
            number += 1
            free.append(f"t{number}")
        given[node["name"]] = free.pop()
    return given


def _parameter(name: str) -> str:
    # Names that the module itself uses, and those of variables.
    return f"{name}_" if name in _TAKEN or re.fullmatch(r"t\d+", name) else name


def _read_by(node: Json) -> Iterator[str]:
    for value in (node["args"], list(node["kwargs"].values())):
        yield from _nodes_in(value)


def _nodes_in(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _nodes_in(item)
    elif isinstance(value, dict):
        if "node" in value:
            yield value["node"]
        else:
            yield from _nodes_in(list(value.values()))


def _literal(value: Json, variables: dict[str, str]) -> str:
    """Write an argument as `gancompress.export.literals` describes it."""
    if isinstance(value, list):
        return f"[{', '.join(_literal(item, variables) for item in value)}]"
    if not isinstance(value, dict):
        return f"({value!r})" if isinstance(value, int | float) and value < 0 else repr(value)
    ((kind, inner),) = value.items()
    if kind == "node":
        return variables[inner]
    return _special(kind, inner, variables)


def _special(kind: str, inner: Any, variables: dict[str, str]) -> str:
    if kind == "tuple":
        items = [_literal(item, variables) for item in inner]
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if kind == "dict":
        pairs = (f"{_literal(k, variables)}: {_literal(v, variables)}" for k, v in inner)
        return f"{{{', '.join(pairs)}}}"
    writers: dict[str, Callable[[], str]] = {
        "slice": lambda: f"slice({', '.join(_literal(part, variables) for part in inner)})",
        "ellipsis": lambda: "...",
        "float": lambda: f"float({inner!r})",
        "device": lambda: f"torch.device({inner!r})",
    }
    return writers.get(kind, lambda: f"torch.{inner}")()
