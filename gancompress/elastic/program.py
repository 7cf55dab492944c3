"""Run a traced graph node by node, with other layers, other literals and an ear on some nodes."""

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any

from torch import Tensor, fx

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Program:
    """The execution order of one graph, and when each value is needed for the last time.

    Args:
        net: Module whose graph is run; its parameters and buffers are read at every call.
        layers: Called instead of the net's own submodule, by path.
    """

    def __init__(self, net: fx.GraphModule, layers: Mapping[str, Callable[..., Any]]) -> None:
        self.net = net
        self.layers = layers
        self.literals: dict[fx.Node, Arguments] = {}
        last_use: dict[fx.Node, fx.Node] = {}
        for node in net.graph.nodes:
            last_use |= dict.fromkeys(node.all_input_nodes, node)
        self._dead: dict[fx.Node, list[fx.Node]] = {}
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
                result = fx.node.map_arg(node.args[0], values.__getitem__)
            elif node.op != "placeholder":
                values[node] = self._step(node, values)
            if node.name in taps:
                # A copy, because the next layer may be an activation that works in place.
                heard[node.name] = values[node].clone()
            for value in self._dead.get(node, ()):
                del values[value]
        return result, heard

    def _step(self, node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
        args, kwargs = self.literals.get(node, (node.args, node.kwargs))
        args = fx.node.map_arg(args, values.__getitem__)
        kwargs = fx.node.map_arg(kwargs, values.__getitem__)
        if node.op == "get_attr":
            return attrgetter(str(node.target))(self.net)
        if node.op == "call_function":
            return node.target(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        path = str(node.target)
        layer = self.layers.get(path) or self.net.get_submodule(path)
        return layer(*args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[fx.Node, Any]:
        """Match inputs to placeholders as a Python call would."""
        places = [node for node in self.net.graph.nodes if node.op == "placeholder"]
        if len(args) > len(places):
            raise TypeError(f"the generator takes {len(places)} inputs, but {len(args)} were given")
        values: dict[fx.Node, Any] = dict(zip(places, args, strict=False))
        named = {str(node.target): node for node in places}
        for name, value in kwargs.items():
            if name not in named or named[name] in values:
                raise TypeError(f"the generator takes no further input '{name}'")
            values[named[name]] = value
        for name, node in named.items():
            if node not in values:
                if not node.args:
                    raise TypeError(f"the generator's input '{name}' is missing")
                values[node] = node.args[0]
        return values
