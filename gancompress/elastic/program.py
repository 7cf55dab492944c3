"""Run a traced graph node by node, with other layers and an ear on some nodes."""

import inspect
from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any

from torch import Tensor, fx

from gancompress.elastic.slices import AxisSlices, take
from gancompress.graph.sizes import Call, resized


class Program:
    """The execution order of one graph, and when each value is needed for the last time.

    Args:
        net: Module whose graph is run; its parameters and buffers are read at every call.
        layers: Called instead of the net's own submodule, by path.

    Attributes:
        slices: How to slice the tensors that the graph uses outside layers, by name.
        numbers: What to put in place of the numbers in a call, by node and place.
    """

    def __init__(self, net: fx.GraphModule, layers: Mapping[str, Callable[..., Any]]) -> None:
        self.net = net
        self.layers = layers
        self.slices: Mapping[str, AxisSlices] = {}
        self.numbers: Mapping[str, Mapping[tuple[int | str, ...], int]] = {}
        # Nodes go by name here: a deep copy of the net has nodes of its own.
        last_use: dict[str, str] = {}
        for node in net.graph.nodes:
            last_use |= {value.name: node.name for value in node.all_input_nodes}
        self._dead: dict[str, list[str]] = {}
        for value, user in last_use.items():
            self._dead.setdefault(user, []).append(value)

    def run(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        taps: Collection[str] = (),
    ) -> tuple[Any, dict[str, Tensor]]:
        """Run the graph once.

        Args:
            args: Positional inputs.
            kwargs: Inputs by name.
            taps: Names of nodes whose values are wanted.

        Returns:
            The output, and a copy of each wanted value.

        Raises:
            TypeError: If the inputs do not fit the graph's.
        """
        graph = self.net.graph
        values = self._bind(args, kwargs)
        heard: dict[str, Tensor] = {}
        result: Any = None
        for node in graph.nodes:
            if node.op == "output":
                result = _plain(_filled_in(node.args[0], values))
            elif node.op != "placeholder":
                values[node.name] = self._step(node, values)
            if node.name in taps:
                # A copy, because the next layer may be an activation that works in place.
                heard[node.name] = values[node.name].clone()
            for value in self._dead.get(node.name, ()):
                del values[value]
        return result, heard

    def _step(self, node: fx.Node, values: Mapping[str, Any]) -> Any:
        """Compute one node that is neither an input nor the output."""
        call: Call = (node.args, node.kwargs)
        if node.name in self.numbers:
            call = resized(call, self.numbers[node.name])
        args, kwargs = _filled_in(call, values)
        target = node.target
        if callable(target):
            return target(*args, **kwargs)
        if node.op == "get_attr":
            tensor = attrgetter(target)(self.net)
            return take(tensor, self.slices[target]) if target in self.slices else tensor
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        layer = self.layers.get(target)
        return (self.net.get_submodule(target) if layer is None else layer)(*args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Match inputs to placeholders as a call of the net would."""
        bound = inspect.signature(self.net.forward).bind(*args, **kwargs)
        bound.apply_defaults()
        places = self.net.graph.find_nodes(op="placeholder")
        return {n.name: v for n, v in zip(places, bound.arguments.values(), strict=True)}


def _filled_in(arguments: Any, values: Mapping[str, Any]) -> Any:
    """Replace nodes by their values, at any depth."""
    return fx.node.map_arg(arguments, lambda node: values[node.name])


def _plain(value: Any) -> Any:
    """Return the lists and dictionaries of a graph as ordinary, mutable ones, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return tuple(map(_plain, value)) if type(value) is tuple else value
