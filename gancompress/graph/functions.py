"""While tracing, keep whole what fx cannot see into: autograd functions, and those of rules."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any, Final, Protocol

from torch import nn
from torch.autograd import Function
from torch.utils._pytree import tree_leaves
from torch.utils.checkpoint import CheckpointFunction

from gancompress.graph.proxy import has_proxy

_APPLY: Final = Function.__dict__["apply"]


class Recorder(Protocol):
    """What is needed of a tracer."""

    running: bool
    through: bool

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any) -> Any:
        """Add a node and return its proxy."""


class WholeFunction:
    """A `torch.autograd.Function` as the target of a node: to call it is to apply the function.

    It equals the function's ``apply``, which is what an operator rule lists. The method itself
    cannot be a target: the code that fx writes would look for it in torch.

    Args:
        function: The function's class.
    """

    def __init__(self, function: type[Function]) -> None:
        self.function = function
        self._apply = _APPLY.__get__(None, function)
        self.__name__ = self.__qualname__ = function.__name__
        # fx takes what torch has made to be found in torch under its name.
        self.__module__ = __name__ if _is_torchs(function.__module__) else function.__module__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function.

        Args:
            *args: What its forward pass takes after the context.
            **kwargs: The same by name.

        Returns:
            What it returns.
        """
        return self.function.apply(*args, **kwargs)  # which a tracer may have replaced

    def __eq__(self, other: object) -> bool:
        mine, its = self._apply, other._apply if isinstance(other, WholeFunction) else other
        return bool(mine == its)

    def __hash__(self) -> int:
        return hash(self._apply)


@contextmanager
def whole_functions(
    tracer: Recorder, root: nn.Module, functions: Collection[Any] = ()
) -> Iterator[None]:
    """Let calls of autograd functions, and of some plain functions, reach the tracer.

    An autograd function that is given a proxy for a tensor would end the process.

    Args:
        tracer: Its `through` says that forward passes are traced through, gradients forgotten.
        root: What is traced; functions that its layers' modules name are replaced there too.
        functions: Plain functions that are recorded as they are, rather than traced through.
    """

    def apply(function: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if tracer.running or not _reads_graph((args, kwargs)):
            return _APPLY.__get__(None, function)(*args, **kwargs)
        if function is CheckpointFunction:  # it computes what the function that it is given does
            return args[0](*args[2:])
        if tracer.through:
            return _forward(function, args, kwargs)
        return tracer.create_proxy("call_function", WholeFunction(function), args, kwargs)

    def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if tracer.running or not _reads_graph((args, kwargs)):
                return function(*args, **kwargs)
            return tracer.create_proxy("call_function", function, args, kwargs)

        return call

    wanted = {f for f in functions if isinstance(f, FunctionType) and not _is_torchs(f.__module__)}
    with _replaced(root, apply, {function: recorded(function) for function in wanted}):
        yield


@contextmanager
def forward_only(root: nn.Module) -> Iterator[None]:
    """Let autograd functions run their forward passes in the open, without gradients.

    Args:
        root: What will be run; aliases that its layers' modules keep are replaced there too.
    """
    with _replaced(root, _forward, {}):
        yield


@contextmanager
def _replaced(
    root: nn.Module, apply: Callable[..., Any], functions: Mapping[Any, Callable[..., Any]]
) -> Iterator[None]:
    """Replace ``apply`` of all autograd functions, and some plain functions where they are named.

    Args:
        root: The generator.
        apply: Called with the function's class, the arguments, and those by name.
        functions: What takes the place of which function.
    """

    def bound(function: type[Function], *args: Any, **kwargs: Any) -> Any:
        return apply(function, args, kwargs)

    with ExitStack() as stack:
        stack.callback(setattr, Function, "apply", _APPLY)
        Function.apply = classmethod(bound)
        for scope in _scopes(root):
            for name, value in list(scope.items()):
                if type(value) is FunctionType and value in functions:
                    replacement: Any = functions[value]
                elif _is_apply(value):  # ``act = Act.apply``, looked up before the replacement
                    replacement = value.__self__.apply
                else:
                    continue
                stack.callback(scope.__setitem__, name, value)
                scope[name] = replacement
        yield


def _reads_graph(arguments: Any) -> bool:
    """Whether arguments depend on the input or on weights."""
    return has_proxy(arguments) or any(type(x) is nn.Parameter for x in tree_leaves(arguments))


def _is_apply(value: Any) -> bool:
    # By their exact types: what else lies about may answer to anything.
    bound = type(value) in {BuiltinMethodType, MethodType} and value.__name__ == "apply"
    return bound and isinstance(value.__self__, type) and issubclass(value.__self__, Function)


def _scopes(root: nn.Module) -> list[dict[str, Any]]:
    """Return the places where user code looks functions up: its modules, and its layers."""
    found: dict[int, dict[str, Any]] = {}
    for layer in root.modules():
        found[id(layer)] = vars(layer)
        scope = getattr(type(layer).forward, "__globals__", {})
        if not _is_torchs(scope.get("__name__")):
            found[id(scope)] = scope
            # A helper of another file has names of its own.
            for helper in (_names_of(value) for value in list(scope.values())):
                found[id(helper)] = helper
    return list(found.values())


def _names_of(value: Any) -> dict[str, Any]:
    """Return the global names of a module or of a function, but for torch's and Python's own."""
    names: dict[str, Any] = {}
    if issubclass(type(value), ModuleType):
        names = vars(value)
    elif type(value) is FunctionType:
        names = value.__globals__
    home = names.get("__name__") or ""
    return {} if _is_torchs(home) or not str(names.get("__file__", "")).endswith(".py") else names


def _is_torchs(module: str | None) -> bool:
    return (module or "").partition(".")[0] == "torch"


class _NoContext:
    """Stands in for the context of a function whose gradient is not wanted."""

    def __init__(self, count: int) -> None:
        self.needs_input_grad = (False,) * count

    def _nothing(self, *_: Any) -> None:
        pass

    save_for_backward = save_for_forward = mark_dirty = mark_non_differentiable = _nothing
    set_materialize_grads = _nothing


def _forward(function: type[Function], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run a function's forward pass by itself."""
    if function.setup_context is not Function.setup_context:  # newer style: without a context
        return function.forward(*args, **kwargs)
    return function.forward(_NoContext(len(args)), *args, **kwargs)
