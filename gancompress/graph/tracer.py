"""The tracer: it evaluates every node as it records it."""

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import is_tensor_method_or_property
from torch.utils._pytree import tree_leaves, tree_map

from gancompress.graph.functions import whole_functions
from gancompress.graph.proxy import (
    ValueProxy,
    is_proxy,
    recorded_factories,
    symbolic_builtins,
    values_of,
)
from gancompress.graph.rules import OpRule
from gancompress.graph.source import (
    Place,
    current_place,
    describe_place,
    failed_place,
    source_line,
)
from gancompress.graph.traced import (
    Specialisation,
)
from gancompress.graph.weights import RawWeights


class UntraceableError(TypeError):
    """The generator does what cannot be written down as a graph; the message says what."""


class GeneratorTracer(fx.Tracer):
    """A tracer that evaluates every node as it is recorded.

    Args:
        opaque: Paths of the submodules that are kept whole, with the reason.
        rules: Operator rules, whose layers and functions are kept whole.
        through: Whether autograd functions are traced through.
    """

    proxy_buffer_attributes = True

    def __init__(self, opaque: Mapping[str, str], rules: Sequence[OpRule], through: bool) -> None:
        super().__init__()
        self.opaque = opaque
        self.rules = rules
        self.through = through
        self.decisions: list[Specialisation] = []
        self.failure: tuple[str, str] | None = None
        self.running = False
        self._inputs: inspect.BoundArguments | None = None
        self._defaults = False  # whether an input so far has a default

    def record(self, root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> fx.Graph:
        """Run the module on its inputs and return the graph of what it did."""
        bound = inspect.signature(root.forward).bind(*args, **kwargs)
        bound.apply_defaults()
        self._inputs = bound
        quiet = (torch.no_grad(), torch.random.fork_rng(devices=[]))
        functions = frozenset().union(*(rule.functions for rule in self.rules))
        whole = whole_functions(self, root, functions)
        with quiet[0], quiet[1], _patched(self, root), whole, RawWeights(root, self):
            graph = self.trace(root)
            self._refuse_assigned_buffers(root)
        # Hooks leave proxies on their layers, and proxies know their tracer: the circle would hold
        # the root's weights until the next collection of garbage.
        del self.root
        graph.output_node().type = None  # it would be the annotation of our own wrapper
        _drop_unused_sizes(graph)
        return graph

    def _refuse_assigned_buffers(self, root: nn.Module) -> None:
        """Refuse a submodule that gives a buffer a new value, which a graph cannot keep."""
        for path, layer in root.named_modules():
            for name, value in list(layer._buffers.items()):  # noqa: SLF001 - proxies hide from others
                if not is_proxy(value):
                    continue
                if path:
                    self.failure = (path, f"it assigns its buffer '{name}'")
                    raise UntraceableError(self.failure[1])
                self.specialise(f"buffer '{name}' keeps its value")

    def record_lean(
        self, root: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> fx.Graph:
        """Record without arithmetic; fail where a value is needed."""
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        fake = tree_map(
            lambda v: mode.from_tensor(v) if isinstance(v, Tensor) else v, (args, kwargs)
        )
        with mode:
            graph = self.record(root, *fake)
        for node in graph.find_nodes(op="get_attr"):
            if isinstance(_attribute(root, str(node.target)), FakeTensor):
                raise UntraceableError("it makes a tensor from nothing, whose values matter")
        return graph

    def specialise(self, what: str) -> None:
        """Note that the running line fixes a value as it is in the example."""
        place = self._place() or ("<no file>", 0)
        line = source_line(place)
        self.decisions.append(Specialisation(*place, f"{what}: {line}" if line else what))

    def decide(self, proxy: ValueProxy, what: str) -> None:
        """Note that the running line fixes a value; inside a submodule, refuse to fix data.

        A number that is read from a tensor may be another one for the next picture. A submodule
        that decides on it is kept whole, since what it does cannot be written down as a graph.
        The root cannot be kept whole: there, the decision is fixed and noted.
        """
        if self.module_stack and isinstance(proxy.value, Tensor) and _is_data(proxy.node):
            raise UntraceableError("it decides on a value that is in a tensor")
        self.specialise(what)

    def _place(self) -> Place | None:
        return current_place(GeneratorTracer.record.__code__)

    def create_args_for_root(
        self,
        root_fn: Callable[..., Any],
        is_module: bool,  # noqa: ARG002
        concrete_args: Any = None,  # noqa: ARG002
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Make a placeholder of every input; what holds no tensor and no number is fixed."""
        bound = cast("inspect.BoundArguments", self._inputs)
        for name, parameter in bound.signature.parameters.items():
            if name in bound.arguments:
                bound.arguments[name] = self._placeholder(parameter, bound.arguments[name])

        def call() -> Any:
            return root_fn(self.root, *bound.args, **bound.kwargs)

        return call, []

    def _placeholder(self, parameter: inspect.Parameter, value: Any) -> Any:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            return {k: self._input(k, v, ()) for k, v in value.items()}
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL and not self._defaults:
            # One by one: another number of them could not be read by the graph, and torch.export
            # hands a graph its keywords by position, where `*args` would take them.
            return tuple(self._input(f"{parameter.name}_{k}", v, ()) for k, v in enumerate(value))
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            proxy = self._input(f"*{parameter.name}", tuple(value), ())
            return tuple(proxy) if value else ()
        default = () if parameter.default is inspect.Parameter.empty else (parameter.default,)
        return self._input(parameter.name, value, default)

    def _input(self, name: str, value: Any, default: tuple[Any, ...]) -> Any:
        self._defaults = self._defaults or bool(default)
        node = self.create_node("placeholder", name, default, {})
        fixed = value is None or isinstance(value, bool | str)
        if fixed and (not default or default[0] is not value):
            code = self.root.forward.__code__
            text = f"argument '{name}' is fixed at {value!r}"
            self.decisions.append(Specialisation(code.co_filename, code.co_firstlineno, text))
        return value if fixed else ValueProxy(node, self, value)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Keep torch's layers whole, and what could not be traced through."""
        if module_qualified_name in self.opaque or any(
            rule.describes(type(m)) for rule in self.rules
        ):
            return True
        # Of an `Unflatten`, the sizes have to be in the graph.
        if isinstance(m, nn.Sequential | nn.Unflatten):
            return False
        # A subclass that adds only a constructor computes what torch's layer computes.
        own = [getattr(type(m), name, None) for name in ("forward", "_conv_forward")]
        # A class that was made by `exec` has functions whose module is None.
        homes = [getattr(f, "__module__", None) or "" for f in own if f]
        return all(home.startswith("torch.nn") for home in homes)

    def create_arg(self, a: Any) -> Any:
        """Lower an argument; proxies first, since they claim to be what they stand for."""
        return a.node if is_proxy(a) else super().create_arg(a)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Record the reading of a parameter or buffer."""
        if self.running or is_proxy(attr_val):  # a buffer may have been assigned a new value
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Record a layer, or trace through; remember the innermost module that fails."""
        if self.running:
            return forward(*args, **kwargs)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception as error:
            if self.failure is None:
                self.failure = (self.path_of_module(m), reason_of(error))
            raise

    def create_proxy(  # noqa: PLR0917 - the signature is torch's
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Any = None,
    ) -> Any:
        """Record a node and evaluate it on the values of the example."""
        factory = proxy_factory_fn or (lambda node: ValueProxy(node, self, None))
        proxy: Any = super().create_proxy(kind, target, args, kwargs, name, type_expr, factory)
        proxy.node.meta["place"] = self._place()
        value = self._evaluate(kind, target, values_of(args), values_of(kwargs))
        if isinstance(value, np.ndarray):
            raise UntraceableError("it leaves torch for a NumPy array")
        # Constants that are compared with `is` must be themselves.
        if target in {operator.getitem, getattr} and (value is None or isinstance(value, str)):
            return value
        proxy.value = value
        holds_tensor = any(isinstance(leaf, Tensor) for leaf in tree_leaves(value))
        proxy.node.meta["plain"] = value is not None and not holds_tensor
        return proxy

    def _evaluate(self, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        self.running = True
        try:
            if kind == "call_function":
                return target(*args, **kwargs)
            if kind == "call_method":
                return getattr(args[0], target)(*args[1:], **kwargs)
            if kind == "call_module":
                return self.root.get_submodule(target)(*args, **kwargs)
            return _attribute(self.root, target)
        finally:
            self.running = False


def _is_data(node: fx.Node) -> bool:
    """Whether a tensor is computed from the inputs, or drawn; else its value is always the same."""
    queue, seen = [node], set()
    while queue:
        one = queue.pop()
        name = one.target if isinstance(one.target, str) else getattr(one.target, "__name__", "")
        if one.op == "placeholder" or name.startswith(("rand", "bernoulli", "normal")):
            return True
        seen.add(one)
        queue += [before for before in one.all_input_nodes if before not in seen]
    return False


def _attribute(root: nn.Module, path: str) -> Any:
    *parents, name = path.split(".")
    return getattr(root.get_submodule(".".join(parents)), name)


@contextmanager
def _patched(tracer: GeneratorTracer, root: nn.Module) -> Iterator[None]:
    """While tracing, let torch's factories and the user's ``int`` and ``float`` see proxies."""
    numbers = symbolic_builtins()
    # torch fills its tables of functions when it is first asked, and keeps them: not with ours,
    # through which they would keep the tracer and its copy of the weights.
    is_tensor_method_or_property(torch.add)
    scopes = {id(s): s for s in (_globals(type(layer)) for layer in root.modules()) if s}
    with ExitStack() as stack:
        for name, factory in recorded_factories(tracer).items():
            stack.callback(setattr, torch, name, getattr(torch, name))
            setattr(torch, name, factory)
        for scope in scopes.values():
            for name in [name for name in numbers if name not in scope]:
                stack.callback(scope.pop, name, None)
                scope[name] = numbers[name]
        yield


def _globals(layer: type[nn.Module]) -> dict[str, Any] | None:
    """Return the global names of a user's module; torch's own are left alone."""
    scope: dict[str, Any] | None = getattr(layer.forward, "__globals__", None)
    return scope if scope and not (scope.get("__name__") or "").startswith("torch.") else None


def _drop_unused_sizes(graph: fx.Graph) -> None:
    """Erase nodes that no one reads and that give no tensor: sizes of a branch, devices."""
    for node in reversed(graph.nodes):
        pure = node.op == "get_attr" or (
            node.op in {"call_function", "call_method"} and node.meta.get("plain", False)
        )
        if pure and not node.users:
            graph.erase_node(node)


def reason_of(error: BaseException) -> str:
    """Say in one line what went wrong, and where in the user's code."""
    text = str(error).strip().splitlines()
    place = describe_place(failed_place(error.__traceback__))
    where = f" at {place}" if place else ""
    kind = "" if isinstance(error, UntraceableError) else f"{type(error).__name__}: "
    return f"{kind}{text[0] if text else 'no message'}{where}"
