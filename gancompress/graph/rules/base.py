"""What an operator rule is: the only place that knows an operator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from torch import fx, nn
from torch.utils._pytree import tree_leaves, tree_map

from gancompress.graph.layout import Channels, Ids, Layout, Place, constant, joined
from gancompress.graph.source import describe_place
from gancompress.graph.values import TensorSpec

Axes = Mapping[str, tuple[Ids | None, ...]]
Sizes = Mapping[str, Ids | tuple[Ids, ...]]
LayoutTree = Any
"""A `Layout`, or tuples, lists and dicts of them, as the operator returns its tensors."""


@dataclass
class Part:
    """What the analysis gathers on one layer; its ids are those of `Channels`.

    Args:
        kind: What sort of layer it is; a rule of your own may give its own word.
        axes: For each parameter and buffer that the layer itself holds the ids along each axis.
        inputs: Ids along the layer's input channels.
        outputs: Ids along the layer's output channels.
        depthwise: Whether outputs follow inputs group by group.
        produces: Whether the outputs are channels of its own.
        consumes: Whether the inputs end here.
        sizes: Attributes of the layer that count channels, and the ids that each counts; a tuple
            of ids for an attribute that is a tuple. Torch's own layers need none.
    """

    kind: str
    axes: Axes
    inputs: Ids
    outputs: Ids
    depthwise: bool = False
    produces: bool = False
    consumes: bool = False
    sizes: Sizes = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class OpCall:
    """One operator call of the graph, with layouts in place of tensors.

    Args:
        node: The node; its ``args`` say which numbers are symbolic.
        target: The function, the method's name, or the layer's class.
        module: The layer, for a call of one.
        args: Arguments, each tensor replaced by its `Layout`.
        kwargs: The same by name.
        value: What the call gives, each tensor replaced by its `TensorSpec`.
        channels: The ids.
        parts: What was gathered on the layers so far, by path; rules add their own.
        known: The layouts of all nodes so far, for sizes that come from other tensors.
    """

    node: fx.Node
    target: Any
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    value: Any
    channels: Channels
    parts: dict[str, Part] = field(default_factory=dict)
    known: Mapping[fx.Node, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the layer that is called."""
        return str(self.node.target)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor that the call gives."""
        shape: tuple[int, ...] = self.value.shape
        return shape

    @property
    def where(self) -> str:
        """The operator, its module and line, such as ``softmax in 'body.3' at net.py:41``."""
        place = describe_place(self.node.meta.get("place"))
        at = f" at {place}" if place else ""
        if isinstance(self.module, nn.Module):
            return f"{type(self.module).__name__} '{self.path}'{at}"
        name = getattr(self.target, "__name__", str(self.target))
        inside = next(reversed(self.node.meta.get("nn_module_stack", {})), "")
        return f"{name} in '{inside}'{at}" if inside else f"{name}{at}"

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts of all tensors that enter."""
        return tuple(
            v for v in tree_leaves((self.args, dict(self.kwargs))) if isinstance(v, Layout)
        )

    def argument(self, position: int, *names: str, default: Any = None) -> Any:
        """Return an argument by position or by one of its names.

        Args:
            position: Position among the positional arguments, the tensor being 0.
            *names: Names that torch gives it.
            default: What it is when left out.
        """
        if position < len(self.args):
            return self.args[position]
        return next((self.kwargs[n] for n in names if n in self.kwargs), default)

    def raw(self, position: int, *names: str) -> Any:
        """Return an argument as the graph holds it: a node where it is symbolic.

        Args:
            position: Position among the positional arguments.
            *names: Names that torch gives it.
        """
        if position < len(self.node.args):
            return self.node.args[position]
        return next((self.node.kwargs[n] for n in names if n in self.node.kwargs), None)

    def place(self, position: int, *names: str) -> Place:
        """Return where an argument stands in the call.

        Args:
            position: Position among the positional arguments.
            *names: Names that torch gives it.
        """
        if position < len(self.node.args):
            return (position,)
        return (next((name for name in names if name in self.node.kwargs), names[0]),)

    def resize(self, place: Place, ids: Ids | None) -> None:
        """Let a narrow net count channels where the code states their number.

        Args:
            place: Where the number is: position or name of the argument, then indices.
            ids: The channels that it counts; None to let torch infer it (-1).
        """
        self.channels.sizes[self.node.name, place] = ids

    def freeze(self, reason: str = "") -> LayoutTree:
        """Freeze everything that enters, and return outputs that cannot be sliced.

        Args:
            reason: Why; the operator's name and line where it is left out.
        """
        text = f"{self.where}: {reason}" if reason else self.where
        for layout in self.layouts:
            for ids in layout.planes:
                self.channels.freeze(ids, text)
        source = text if self.layouts else f"it is tied to a tensor made by {self.where}"
        fixed = self.channels.fixed(source)
        return outputs_like(self.value, lambda spec: constant(spec.shape, fixed))


def outputs_like(value: Any, make: Callable[[TensorSpec], Layout]) -> LayoutTree:
    """Return a layout for each tensor that a call gives, nested as the call gives them.

    Args:
        value: What the call gives.
        make: A function from a tensor to its layout.
    """
    if isinstance(value, TensorSpec):
        return make(value)
    if isinstance(value, Mapping):
        return {k: outputs_like(v, make) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return tuple(outputs_like(v, make) for v in value)
    return value


class OpRule(ABC):
    """What one kind of operator does to channels.

    A subclass lists what it stands for, or overrides `matches`.

    Attributes:
        functions: Functions that it stands for.
        methods: Names of tensor methods that it stands for.
        modules: Classes of layers that it stands for.
        sets: What becomes of a tensor that carries several sets of channels (a weight, an outer
            product): ``one`` keeps the set along the usual axis and freezes the others, ``each``
            applies the rule set by set to the first argument, ``all`` leaves it to the rule.
        sizes: Whether the rule looks at numbers that count channels. Where it does not, they stay
            in a narrow net as they are at full width.
    """

    functions: ClassVar[frozenset[Any]] = frozenset()
    methods: ClassVar[frozenset[str]] = frozenset()
    modules: ClassVar[tuple[type[nn.Module], ...]] = ()
    sets: ClassVar[Literal["one", "each", "all"]] = "one"
    sizes: ClassVar[bool] = False

    def matches(self, call: OpCall) -> bool:
        """Whether the rule stands for an operator call.

        Args:
            call: The call.
        """
        if call.module is not None:
            return isinstance(call.module, self.modules)
        if isinstance(call.target, str):
            return call.target in self.methods
        return call.target in self.functions

    def describes(self, layer: type[nn.Module]) -> bool:
        """Whether the rule lists the class whose ``forward`` layers run: they are kept whole.

        Args:
            layer: Class of a layer of the generator.
        """
        return any(
            issubclass(layer, kind) and layer.forward is kind.forward for kind in self.modules
        )

    @abstractmethod
    def apply(self, call: OpCall) -> LayoutTree:
        """Tie and freeze ids as the operator demands, and lay out what it returns.

        Args:
            call: The call.

        Returns:
            A layout for each tensor that the operator returns, nested as it returns them.
        """

    def macs(self, call: OpCall) -> int:  # noqa: ARG002 - most operators multiply nothing
        """Return the multiply-accumulates of the call, for the shapes that it has.

        Args:
            call: The call.
        """
        return 0


def apply_rule(rule: OpRule, call: OpCall) -> LayoutTree:
    """Apply a rule, set by set where a tensor carries several sets of channels.

    Args:
        rule: The rule.
        call: The call.
    """
    first = call.args[0] if call.args else None
    if rule.sets == "all" or not any(layout.others for layout in call.layouts):
        return rule.apply(call)
    alone = not any(layout.others for layout in call.layouts if layout is not first)
    if rule.sets == "one" or not isinstance(first, Layout) or not alone:
        args, kwargs = tree_map(lambda v: _main_set(v, call), (call.args, dict(call.kwargs)))
        return rule.apply(replace(call, args=args, kwargs=kwargs))
    results = [rule.apply(replace(call, args=(one, *call.args[1:]))) for one in first.split()]
    found = _joined(call.value, results)
    return call.freeze("it puts two sets of channels on one axis") if found is None else found


def _main_set(value: Any, call: OpCall) -> Any:
    """Keep the set of channels along the usual axis; freeze the others, and leave them out."""
    if not isinstance(value, Layout) or not value.others:
        return value
    first = next((ids for ids in value.planes if len(value.shape) > 2 and ids.shape[1] > 1), None)
    kept = value.planes[-1] if first is None else first
    for ids in value.planes:
        if ids is not kept:
            call.channels.freeze(ids, f"{call.where}: it takes channels along one axis only")
    return Layout(kept, value.shape)


def _joined(value: Any, results: Sequence[LayoutTree]) -> LayoutTree | None:
    """Put together what a rule found for each set of channels, nested as the call gives it."""
    if isinstance(value, TensorSpec):
        return joined([ids for layout in results for ids in layout.planes], value.shape)
    if isinstance(value, tuple | list):
        parts = [_joined(one, [r[k] for r in results]) for k, one in enumerate(value)]
        return None if any(part is None for part in parts) else tuple(parts)
    return None


def words(text: str) -> list[str]:
    """Return the names in a text.

    Args:
        text: Names with spaces between them.
    """
    return text.split()


def specs(value: Any) -> Iterator[TensorSpec]:
    """Yield the tensors that a call gives.

    Args:
        value: What the call gives.
    """
    yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, TensorSpec))
