"""Record what the generator computes from parameters that it did not read as attributes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, is_tensor_method_or_property
from torch.utils._pytree import tree_leaves, tree_map

from gancompress.graph.proxy import is_proxy


class RawWeights(TorchFunctionMode):
    """While tracing, put proxies in place of parameters and buffers that reach an operator.

    Reading ``self.weight`` gives a proxy; ``next(self.fc.parameters())`` gives the parameter
    itself, and what is computed from it would become a constant that never learns.

    Args:
        root: The module that is being traced.
        tracer: Its tracer; the attribute ``running`` says that a node is being evaluated.
    """

    def __init__(self, root: nn.Module, tracer: Any) -> None:
        super().__init__()
        self.tracer = tracer
        self.names = {
            id(tensor): name for name, tensor in (*root.named_buffers(), *root.named_parameters())
        }

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, or record the call where it reads weights and gives tensors."""
        named = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        in_place = name.endswith("_") and not name.endswith("__")
        if self.tracer.running or in_place or not self._reads_weights((args, named)):
            return func(*args, **named)
        result = func(*args, **named)
        if not any(isinstance(leaf, Tensor) for leaf in tree_leaves(result)):
            return result  # a shape, a type: the same for every input
        with_proxies = tree_map(self._proxy, (args, named))
        first, *rest = with_proxies[0] or (None,)
        if name == "__get__":
            return getattr(first, func.__self__.__name__)  # type: ignore[attr-defined]
        if is_proxy(first) and is_tensor_method_or_property(func):
            return getattr(first, name)(*rest, **with_proxies[1])
        return func(*with_proxies[0], **with_proxies[1])

    def _reads_weights(self, arguments: Any) -> bool:
        return any(id(leaf) in self.names for leaf in tree_leaves(arguments))

    def _proxy(self, value: Any) -> Any:
        name = self.names.get(id(value))
        return value if name is None else self.tracer.create_proxy("get_attr", name, (), {})
