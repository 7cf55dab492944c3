"""Proxies that carry the example's value, so that Python decisions fall as in the example."""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, fx


class Recorder(Protocol):
    """What a proxy needs of its tracer."""

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        """Add a node and return its proxy."""

    def specialise(self, what: str) -> None:
        """Note that the running line fixes a value as it is in the example."""


class ValueProxy(fx.Proxy):
    """A graph node together with what it was in the example.

    Arithmetic, attributes and calls are recorded. A branch, an iteration or a conversion to a
    Python number uses the example's value, and is noted as a specialisation where the value
    could have been another one.

    Args:
        node: The node.
        tracer: The tracer that builds the graph.
        value: What the node gave in the example.
    """

    tracer: Any

    def __init__(self, node: fx.Node, tracer: Any, value: Any) -> None:
        super().__init__(node, tracer)
        self.value = value

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # `isinstance(x, Tensor)` must fall as with the real value
        return type(self.value) if "value" in self.__dict__ else ValueProxy

    def __getattr__(self, k: str) -> Any:
        if k == "value" or (k.startswith("__") and k.endswith("__")):
            raise AttributeError(k)
        found = getattr(self.value, k)  # raises AttributeError as the real value would
        if k in {"ndim", "is_cuda", "requires_grad"}:  # no input of the same kind changes them
            return found
        if callable(found) and not isinstance(found, Tensor):
            return _Method(self, k)
        return self.tracer.create_proxy("call_function", getattr, (self, k), {})

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.value, Mapping):
            return iter(list(self.value))
        count = len(self.value)
        if isinstance(self.value, Tensor):
            self.tracer.specialise(f"iterates over {count} slices of a tensor")
        return iter([self.item_at(k) for k in range(count)])

    def __len__(self) -> int:
        if isinstance(self.value, Tensor):
            self.tracer.specialise(f"length {len(self.value)}")
        return len(self.value)

    def __bool__(self) -> bool:
        decision = bool(self.value)
        self.tracer.decide(self, f"decided as {decision}")
        return decision

    def __int__(self) -> int:
        return int(self._number("integer"))

    def __index__(self) -> int:
        return operator.index(self._number("integer"))

    def __float__(self) -> float:
        return float(self._number("number"))

    def _number(self, kind: str) -> Any:
        self.tracer.decide(self, f"{kind} fixed at {self.value}")
        return self.value

    def __round__(self, *digits: int) -> Any:
        return self.tracer.create_proxy("call_function", round, (self, *digits), {})

    def __contains__(self, item: Any) -> bool:
        if isinstance(item, fx.Proxy):
            item = item.value
        return item in self.value

    def __setitem__(self, key: Any, item: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, item), {})

    def __hash__(self) -> int:
        return id(self)

    def item_at(self, key: Any) -> Any:
        """Record the reading of an item.

        Args:
            key: Index or key.
        """
        return self.tracer.create_proxy("call_function", operator.getitem, (self, key), {})

    def keys(self) -> Any:
        """Return the keys of a mapping, which are the same for every input."""
        return list(self.value)

    def values(self) -> Any:
        """Return the values of a mapping, or what a tensor's method of that name gives."""
        if not isinstance(self.value, Mapping):
            return self.tracer.create_proxy("call_method", "values", (self,), {})
        return [self.item_at(k) for k in self.value]

    def items(self) -> Any:
        """Return the pairs of a mapping."""
        return [(k, self.item_at(k)) for k in self.value]

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a mapping's value, or the default."""
        return self.item_at(key) if key in self.value else default


class _Method:
    """A method of a proxied value: calling it records the call."""

    def __init__(self, owner: ValueProxy, name: str) -> None:
        self.owner = owner
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.owner.tracer.create_proxy("call_method", self.name, (self.owner, *args), kwargs)


def is_proxy(thing: Any) -> bool:
    """Whether something is a proxy; ``isinstance`` would ask what the proxy stands for.

    Args:
        thing: Anything.
    """
    return type(thing) is ValueProxy


def value_of(thing: Any) -> Any:
    """Return the example's value of a proxy; anything else as it is.

    Args:
        thing: A proxy or a plain value.
    """
    return thing.value if is_proxy(thing) else thing


def values_of(tree: Any) -> Any:
    """Replace the proxies in nested arguments by the example's values.

    Args:
        tree: Proxies and values in tuples, lists, dicts and slices.
    """
    return fx.node.map_aggregate(tree, value_of)


def has_proxy(tree: Any) -> bool:
    """Whether there is a proxy somewhere in nested arguments.

    Args:
        tree: Proxies and values in tuples, lists, dicts and slices.
    """
    found: list[bool] = []
    fx.node.map_aggregate(tree, lambda v: found.append(is_proxy(v)))
    return any(found)


_RANDOM = ("rand", "randn", "randint", "randperm")
_FACTORIES = ("zeros", "ones", "empty", "full", "arange", "linspace", "eye", "tensor")


def recorded_factories(tracer: Any) -> dict[str, Callable[..., Any]]:
    """Return replacements of torch's factory functions, which never see a proxy by themselves.

    Those that draw random numbers are recorded always, lest noise become a constant.

    Args:
        tracer: The tracer; its attribute ``running`` says that a node is being evaluated.
    """

    def replacement(name: str) -> Callable[..., Any]:
        original = getattr(torch, name)

        def factory(*args: Any, **kwargs: Any) -> Any:
            wanted = name in _RANDOM or has_proxy((args, kwargs))
            if tracer.running or not wanted:
                return original(*args, **kwargs)
            return tracer.create_proxy("call_function", original, args, kwargs)

        return factory

    return {name: replacement(name) for name in (*_RANDOM, *_FACTORIES)}


class _SymbolicNumber(type):
    """Metaclass of stand-ins for ``int`` and ``float`` that record conversions of proxies."""

    original: type
    record: Callable[[Any], Any]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and is_proxy(args[0]):
            return cls.record(args[0])
        return cls.original(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.original)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.original)

    def __eq__(cls, other: object) -> bool:
        return other is cls.original or other is cls

    def __hash__(cls) -> int:
        return hash(cls.original)


def symbolic_builtins() -> dict[str, Any]:
    """Return stand-ins for ``int`` and ``float`` that keep sizes symbolic."""

    def stand_in(original: type) -> Any:
        def record(proxy: ValueProxy) -> Any:
            return proxy.tracer.create_proxy("call_function", original, (proxy,), {})

        namespace = {"original": original, "record": staticmethod(record)}
        return _SymbolicNumber(original.__name__, (), namespace)

    return {"int": stand_in(int), "float": stand_in(float)}
