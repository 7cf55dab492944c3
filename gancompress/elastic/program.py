"""Run a traced graph node by node, with other layers and an ear on some nodes."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from torch import Tensor, fx

from gancompress.elastic.slices import AxisSlices, take
from gancompress.graph.sizes import resized


class _Name(str):
    """The name of a node, in place of the node itself: a deep copy of a net has its own nodes."""

    __slots__ = ()


@dataclass(frozen=True)
class _Step:
    """One node, made ready to be called.

    Args:
        name: Name of the node.
        call: What computes it from its arguments, or from the net for an attribute.
        args: Positional arguments, with names in place of nodes.
        kwargs: Arguments by name, likewise.
        flat: Whether there are positional arguments only, none of them nested.
        dead: Names of the values that are not read after this step.
    """

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    flat: bool
    dead: tuple[str, ...]

    def run(self, values: Mapping[str, Any]) -> Any:
        """Compute the node.

        Args:
            values: What the earlier steps gave, by name.
        """
        if self.flat:
            return self.call(*[values[a] if type(a) is _Name else a for a in self.args])
        args, kwargs = _filled_in((self.args, self.kwargs), values)
        return self.call(*args, **kwargs)


class Program:
    """The execution order of one graph, and when each value is needed for the last time.

    Args:
        net: Module whose graph is run; its parameters and buffers are read at every call.
        layers: Called instead of the net's own submodule, by path.
    """

    def __init__(self, net: fx.GraphModule, layers: Mapping[str, Callable[..., Any]]) -> None:
        self.net = net
        self.layers = layers
        self._signature = inspect.signature(net.forward)
        last_use: dict[str, str] = {}
        for node in net.graph.nodes:
            last_use |= {value.name: node.name for value in node.all_input_nodes}
        dead: dict[str, list[str]] = {}
        for value, user in last_use.items():
            dead.setdefault(user, []).append(value)
        # All that can be known before is looked up here: between two small layers it would take
        # as long as they do.
        self._inputs: list[str] = []
        self._full: list[_Step] = []
        self._result: Any = None
        for node in net.graph.nodes:
            if node.op == "placeholder":
                self._inputs.append(node.name)
            elif node.op == "output":
                self._result = _named(node.args[0])
            else:
                self._full.append(self._step(node, tuple(dead.get(node.name, ()))))
        self._steps = self._full

    def narrow(
        self,
        slices: Mapping[str, AxisSlices],
        numbers: Mapping[str, Mapping[tuple[int | str, ...], float]],
    ) -> None:
        """Run at other widths from the next call on, as far as they are not the layers' business.

        Args:
            slices: How to slice the tensors that the graph uses outside layers, by name.
            numbers: What to put in place of the numbers in a call, by node and place.
        """
        self._steps = [_narrowed(step, slices, numbers) for step in self._full]

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
        values = self._bind(args, kwargs)
        # A copy, because the next layer may be an activation that works in place.
        heard = {name: values[name].clone() for name in taps if name in values}
        for step in self._steps:
            values[step.name] = step.run(values)
            if step.name in taps:
                heard[step.name] = values[step.name].clone()
            for value in step.dead:
                del values[value]
        return _plain(_filled_in(self._result, values)), heard

    def _step(self, node: fx.Node, dead: tuple[str, ...]) -> _Step:
        """Make a node ready that is neither an input nor the output."""
        args, kwargs = _named(node.args), _named(node.kwargs)
        nested = any(isinstance(a, tuple | list | dict | slice) for a in args)
        return _Step(node.name, self._call(node), args, kwargs, not (kwargs or nested), dead)

    def _call(self, node: fx.Node) -> Callable[..., Any]:
        target = node.target
        if callable(target):
            return target
        if node.op == "get_attr":
            return _Attribute(self.net, target)
        if node.op == "call_method":
            return _Method(target)
        layer = self.layers.get(target)
        return self.net.get_submodule(target) if layer is None else layer

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Match inputs to placeholders as a call of the net would."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(zip(self._inputs, bound.arguments.values(), strict=True))


@dataclass(frozen=True)
class _Attribute:
    """Reads a parameter or buffer of the net as it is at the time of the call."""

    net: fx.GraphModule
    path: str
    slices: AxisSlices | None = None

    def __call__(self) -> Any:
        tensor = attrgetter(self.path)(self.net)
        return tensor if self.slices is None else take(tensor, self.slices)


@dataclass(frozen=True)
class _Method:
    """Calls a method of its first argument."""

    name: str

    def __call__(self, owner: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(owner, self.name)(*args, **kwargs)


def _narrowed(
    step: _Step,
    slices: Mapping[str, AxisSlices],
    numbers: Mapping[str, Mapping[tuple[int | str, ...], float]],
) -> _Step:
    """Return a step with a sliced attribute, or with other numbers among its arguments."""
    if isinstance(step.call, _Attribute) and step.call.path in slices:
        return replace(step, call=replace(step.call, slices=slices[step.call.path]))
    if step.name in numbers:
        args, kwargs = resized((step.args, step.kwargs), numbers[step.name])
        return replace(step, args=args, kwargs=kwargs)
    return step


def _named(arguments: Any) -> Any:
    """Replace nodes by their names, at any depth."""
    return fx.node.map_arg(arguments, lambda node: _Name(node.name))


def _filled_in(arguments: Any, values: Mapping[str, Any]) -> Any:
    """Replace names by their values, at any depth."""
    return fx.node.map_aggregate(arguments, lambda a: values[a] if type(a) is _Name else a)


def _plain(value: Any) -> Any:
    """Return the lists and dictionaries of a graph as ordinary, mutable ones, at any depth."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return tuple(map(_plain, value)) if type(value) is tuple else value
