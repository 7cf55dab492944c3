"""An fx graph of torch's own layers and functions as JSON, and back, without unpickling.

fx turns a graph into Python source, so every name that goes there is checked here.
"""

import keyword
import re
from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor, fx, nn

from gancompress.errors import ExportError, TraceError
from gancompress.export.layers import build_layer, describe_layer
from gancompress.export.literals import Json, decode, encode
from gancompress.export.vocabulary import (
    function_name,
    functions,
    is_attribute,
    layers,
    methods,
)
from gancompress.graph import trace

_PATH: Final = re.compile(r"\w+(\.\w+)*", re.ASCII)


def spelt_out(
    module: fx.GraphModule, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> fx.GraphModule:
    """Trace through layers and functions that are not torch's, since no file can hold them.

    Args:
        module: A graph that may call layers and autograd functions of the user's own.
        args: Positional inputs of an example run.
        kwargs: Inputs by name.

    Returns:
        A graph that computes the same; the module itself where it has nothing of that sort, and
        with what cannot be traced through left whole.
    """
    if all(_is_torchs(node, module) for node in module.graph.nodes):
        return module
    try:
        return trace(module, args, kwargs, through=True).module
    except TraceError:
        return module


def _is_torchs(node: fx.Node, module: fx.GraphModule) -> bool:
    if node.op == "call_module":
        return type(module.get_submodule(str(node.target))) in layers().values()
    return node.op != "call_function" or function_name(node.target) is not None


def describe_graph(module: fx.GraphModule) -> Json:
    """Describe a graph module but for its weights.

    Args:
        module: Of torch's leaf modules, functions and tensor methods.

    Returns:
        Nodes in order, leaf modules by path, and tensors that are read directly by path.

    Raises:
        ExportError: If something in it has no description; it is named.
    """
    found: dict[str, Any] = {"nodes": [], "layers": {}, "tensors": {}}
    for node in module.graph.nodes:
        try:
            found["nodes"].append(_describe_node(node))
        except TypeError as error:
            raise ExportError(
                f"node '{node.name}' cannot be saved: {error}",
                hint="write the generator with functions of torch and numbers only",
            ) from None
        path = str(node.target)
        if node.op == "call_module":
            found["layers"][path] = describe_layer(path, module.get_submodule(path))
        elif node.op == "get_attr":
            tensor = get_attribute(module, path)
            if not isinstance(tensor, Tensor):
                raise ExportError(
                    f"'{path}' is a '{type(tensor).__name__}', not a tensor",
                    hint="register it as a buffer",
                )
            found["tensors"][path] = isinstance(tensor, nn.Parameter)
    return found


def state_of(module: fx.GraphModule, described: Json) -> dict[str, Tensor]:
    """Collect the tensors that a description needs, by path.

    Args:
        module: The graph module.
        described: What `describe_graph` gave.

    Returns:
        Tensors; one that two layers share is there twice.
    """
    state = {path: get_attribute(module, path) for path in described["tensors"]}
    for path in described["layers"]:
        inside = module.get_submodule(path).state_dict()
        state |= {f"{path}.{name}": tensor for name, tensor in inside.items()}
    return {name: tensor.detach() for name, tensor in state.items()}


def build_graph(described: Json, state: Mapping[str, Tensor]) -> fx.GraphModule:
    """Build a graph module from its description.

    Args:
        described: What `describe_graph` gave.
        state: What `state_of` gave.

    Returns:
        The module, in eval mode.

    Raises:
        Exception: If the description is not one, or the tensors do not fit.
    """
    root: dict[str, Any] = {}
    for path, layer in described["layers"].items():
        root[_checked_path(path)] = build_layer(layer)
    for path, trainable in described["tensors"].items():
        tensor = state[_checked_path(path)]
        root[path] = nn.Parameter(tensor, requires_grad=False) if trainable else tensor
    module = fx.GraphModule(root, _build_nodes(described, set(root)))
    # The layers have no memory yet: they take the tensors themselves, after a check of shapes.
    module.load_state_dict(dict(state), strict=True, assign=True)
    return module.eval()


def get_attribute(module: nn.Module, path: str) -> Any:
    """Read an attribute of a submodule.

    Args:
        module: The root.
        path: Such as ``mapping.constant``.

    Returns:
        The attribute.
    """
    owner, _, name = path.rpartition(".")
    return getattr(module.get_submodule(owner), name)


def _describe_node(node: fx.Node) -> Json:
    described: dict[str, Any] = {"name": node.name, "op": node.op, "target": node.target}
    if node.op == "call_function":
        name = function_name(node.target)
        if name is None:
            home = getattr(node.target, "__module__", None)
            word = getattr(node.target, "__name__", repr(node.target))
            raise TypeError(f"it calls '{home}.{word}', which a file may not name")
        described["target"] = name
    elif node.op == "call_method" and node.target not in methods():
        raise TypeError(f"it calls the method '{node.target}', which a file may not name")
    elif node.op == "placeholder" and str(node.target).startswith("*"):
        raise TypeError(f"the generator takes any number of inputs ('{node.target}')")
    described["args"] = [encode(argument) for argument in node.args]
    described["kwargs"] = {key: encode(value) for key, value in node.kwargs.items()}
    return described


def _build_nodes(described: Json, paths: set[str]) -> fx.Graph:
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for entry in described["nodes"]:
        args = tuple(decode(argument, nodes) for argument in entry["args"])
        kwargs = {_checked_name(k): decode(v, nodes) for k, v in entry["kwargs"].items()}
        target = _target(entry["op"], entry["target"], args, described, paths)
        nodes[entry["name"]] = graph.create_node(
            entry["op"], target, args, kwargs, _checked_name(entry["name"])
        )
    graph.lint()
    return graph


def _target(op: str, name: Any, args: tuple[Any, ...], described: Json, paths: set[str]) -> Any:
    if op == "call_function":
        if name not in functions():
            raise ValueError(f"it calls '{name}', which a file may not name")
        if name == "builtins.getattr" and not (len(args) == 2 and is_attribute(args[1])):
            raise ValueError(f"it reads the attribute '{args[1:]}', which a file may not name")
        return functions()[name]
    if op == "call_method" and name in methods():
        return name
    if op == "call_module" and name in paths & set(described["layers"]):
        return name
    if op == "get_attr" and name in described["tensors"]:
        return name
    if op == "placeholder":
        return _checked_name(name)
    if op == "output":
        return "output"
    raise ValueError(f"'{op}' of '{name}' is not allowed")


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"'{name}' is no name")
    return name


def _checked_path(path: Any) -> str:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise ValueError(f"'{path}' is no path of a layer")
    return path
