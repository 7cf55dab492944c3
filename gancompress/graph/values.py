"""Run a graph and note what every node gave: shapes of tensors, and all other values."""

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._pytree import tree_map

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class TensorSpec:
    """What the analysis needs to know of a tensor.

    Args:
        shape: Its shape.
        floating: Whether it holds floating-point numbers.
    """

    shape: tuple[int, ...]
    floating: bool


class NamedInterpreter(fx.Interpreter):
    """An interpreter that takes its inputs by name.

    Args:
        module: The graph.
        inputs: What `named_inputs` returns.
    """

    def __init__(self, module: fx.GraphModule, inputs: Mapping[str, Any]) -> None:
        super().__init__(module)
        self.extra_traceback = False  # our errors name the node themselves
        self.inputs = inputs

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:  # noqa: ARG002
        """Return an input."""
        return self.inputs[str(target).lstrip("*")]


class _Recorder(NamedInterpreter):
    """An interpreter that notes each node's value, tensors by shape only."""

    def __init__(self, module: fx.GraphModule, inputs: Mapping[str, Any]) -> None:
        super().__init__(module, inputs)
        self.noted: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        self.noted[n] = tree_map(_describe, value)
        return value


def _describe(value: Any) -> Any:
    if isinstance(value, Tensor):
        return TensorSpec(tuple(int(n) for n in value.shape), value.is_floating_point())
    return value


def node_values(
    module: fx.GraphModule, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[fx.Node, Any]:
    """Run a graph and return what every node gave.

    No arithmetic is done where the graph allows it (fake tensors), and neither the inputs nor
    the module's buffers are changed.

    Args:
        module: The graph.
        args: Positional inputs.
        kwargs: Keyword inputs.

    Returns:
        For each node its value, with a `TensorSpec` in place of each tensor.
    """
    inputs = named_inputs(module, args, kwargs)
    try:
        return _fake_values(module, inputs)
    except Exception:  # noqa: BLE001 - a graph that looks at its data needs real data
        return _real_values(module, inputs)


def _fake_values(module: fx.GraphModule, inputs: dict[str, Any]) -> dict[fx.Node, Any]:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fake = tree_map(lambda v: mode.from_tensor(v) if isinstance(v, Tensor) else v, inputs)
    recorder = _Recorder(module, fake)
    # Counters of a layer in training mode are counted on even so.
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    # Hooks leave the weights that they compute on their layers: fake ones, here.
    computed = [(layer, _plain_tensors(layer)) for layer in module.modules()]
    try:
        with mode, torch.no_grad():
            recorder.run(enable_io_processing=False)
    finally:
        with torch.no_grad():
            for buffer, saved in buffers:
                buffer.copy_(saved)
        for layer, tensors in computed:
            vars(layer).update(tensors)
    return recorder.noted


def _real_values(module: fx.GraphModule, inputs: dict[str, Any]) -> dict[fx.Node, Any]:
    duplicate = copy_module(module)
    recorder = _Recorder(duplicate, clone_tensors(inputs))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        recorder.run(enable_io_processing=False)
    originals = {node.name: node for node in module.graph.nodes}
    return {originals[node.name]: value for node, value in recorder.noted.items()}


def named_inputs(
    module: fx.GraphModule, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the inputs by the names of the graph's placeholders, defaults filled in.

    Args:
        module: The graph.
        args: Positional inputs.
        kwargs: Keyword inputs.
    """
    bound = inspect.signature(module.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def clone_tensors(tree: Any) -> Any:
    """Return nested inputs with every tensor cloned, since layers may work in place.

    Args:
        tree: Tensors in tuples, lists and dicts.
    """
    return tree_map(lambda v: v.detach().clone() if isinstance(v, Tensor) else v, tree)


def copy_module(module: Module, copied: Mapping[int, Any] | None = None) -> Module:
    """Copy a module with its weights.

    Tensors that were computed from parameters and stored on a layer (as weight-norm hooks do)
    cannot be deep-copied by torch; they are copied by value. A parametrised layer has a class of
    its own, which torch's copies share: removing the parametrization from one would break them
    all, so each copy gets a class for itself.

    Args:
        module: The module; it is left as it is.
        copied: What takes the place of some of its parts, by their identity.
    """
    memo: dict[int, Any] = {
        id(value): value.detach().clone()
        for layer in module.modules()
        for value in _plain_tensors(layer).values()
    }
    duplicate = copy.deepcopy(module, {**memo, **(copied or {})})
    for layer in duplicate.modules():
        kind = type(layer)
        if is_parametrized(layer):
            own = {k: v for k, v in vars(kind).items() if k not in {"__dict__", "__weakref__"}}
            layer.__class__ = type(kind.__name__, kind.__bases__, own)
    return duplicate


def _plain_tensors(layer: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a layer that are neither parameters nor buffers."""
    return {name: value for name, value in vars(layer).items() if isinstance(value, Tensor)}
