"""Send channel ids through a graph, one operator rule at a time."""

import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import FlopCounterMode

from gancompress.graph.layout import Channels, Ids, Layout, along, constant, joined
from gancompress.graph.rules import OpCall, OpRule, Part, builtin_rules
from gancompress.graph.rules.base import apply_rule, outputs_like, words
from gancompress.graph.rules.sizes import keep_numbers
from gancompress.graph.traced import TracedGenerator
from gancompress.graph.values import TensorSpec, copy_module, node_values

_VIEWS = frozenset(
    words(
        "getattr view reshape flatten detach squeeze unsqueeze permute transpose t expand "
        "expand_as getitem narrow select view_as"
    )
)
_IN_PLACE = frozenset(
    {operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.setitem}
)
_PLAIN = (bool, int, float, complex, str, tuple, torch.dtype, torch.device, torch.layout)
_READS = frozenset({"item", "tolist", "numpy", "__bool__", int, float, bool, len})


@dataclass(frozen=True, eq=False)
class Work:
    """Multiply-accumulates of one node.

    Args:
        macs: For the example inputs.
        path: Path of the layer that does them; empty for a function.
        layouts: What enters, for a function.
        where: Operator and source line.
    """

    macs: int
    path: str
    layouts: tuple[Layout, ...]
    where: str


@dataclass(frozen=True, eq=False)
class Flow:
    """Where the ids went.

    Args:
        channels: The ids and what ties them.
        layouts: Layout of each node's value; other values as they are.
        parts: What each layer does, by path.
        work: The nodes that multiply.
        unknown: Layers that no rule describes, by path, with the reason.
        tensors: Tensors that are used outside layers, by name, with the ids along each axis.
    """

    channels: Channels
    layouts: Mapping[fx.Node, Any]
    parts: Mapping[str, Part]
    work: Sequence[Work]
    unknown: Mapping[str, str]
    tensors: Mapping[str, tuple[Ids | None, ...]]


def flow(
    traced: TracedGenerator, rules: Sequence[OpRule], ignored: Mapping[str, str] | None = None
) -> Flow:
    """Send ids through the graph at batch size 2.

    Args:
        traced: The generator.
        rules: Rules that are asked before the built-in ones.
        ignored: Nodes by name whose channels stay, with the module that is left alone.
    """
    module = traced.module
    examples = node_values(module, traced.example_inputs, traced.example_kwargs)
    values = _values_at_two(traced) or examples
    chosen = (*rules, *traced.rules, *builtin_rules())
    channels = Channels()
    layouts: dict[fx.Node, Any] = {}
    parts: dict[str, Part] = {}
    work: list[Work] = []
    unknown: dict[str, str] = {}
    tensors: dict[str, tuple[Ids | None, ...]] = {}
    for node in module.graph.nodes:
        value = values[node]
        if node.op in {"placeholder", "get_attr", "output"}:
            layouts[node] = _boundary(node, value, channels, layouts)
            if node.op == "get_attr" and _is_weight(node, module, value):
                tensors[str(node.target)] = _own_ids(node, module, channels, tensors)
                layouts[node] = _tensor_layout(tensors[str(node.target)], value.shape)
            continue
        call = _call(node, module, value, layouts, (channels, parts))
        rule = next((one for one in chosen if _holds_tensor(value) and one.matches(call)), None)
        reason = traced.opaque.get(call.path) if call.module is not None else None
        alone = (ignored or {}).get(node.name)
        _leave_alone(alone, call.layouts, channels)
        layouts[node] = _apply(rule, call, f"it is opaque ({reason})" if reason else "")
        if _holds_tensor(value) and not (rule is not None and rule.sizes):
            keep_numbers(call, freeze=rule is None)
        _leave_alone(alone, tree_leaves(layouts[node]), channels)
        if node.op == "call_module" and call.path not in parts:
            unknown[call.path] = call.where
        macs = _macs(rule, node, module, examples)
        if macs:
            path = call.path if node.op == "call_module" else ""
            work.append(Work(macs, path, call.layouts, call.where))
    _tie_shared_weights(module, parts, channels, tensors)
    return Flow(channels, layouts, parts, work, unknown, tensors)


def _leave_alone(module: str | None, layouts: Iterable[Any], channels: Channels) -> None:
    """Freeze the channels of what is ignored."""
    if module is not None:
        for layout in layouts:
            if isinstance(layout, Layout):
                for ids in layout.planes:
                    channels.freeze(ids, f"'{module}' is ignored on request")


def _values_at_two(traced: TracedGenerator) -> dict[fx.Node, Any] | None:
    """Run the example at batch size 2, so that a batch axis is never taken for channels."""
    tensors = [
        v
        for v in tree_leaves((traced.example_inputs, traced.example_kwargs))
        if isinstance(v, Tensor) and v.ndim > 0
    ]
    if not tensors or tensors[0].shape[0] != 1:
        return None

    def doubled(value: Any) -> Any:
        single = isinstance(value, Tensor) and value.ndim > 0 and value.shape[0] == 1
        return torch.cat([value, value]) if single else value

    args, kwargs = tree_map(doubled, (traced.example_inputs, traced.example_kwargs))
    try:
        return node_values(traced.module, args, kwargs)
    except Exception:  # noqa: BLE001 - the generator fixes its batch size
        return None


def _boundary(node: fx.Node, value: Any, channels: Channels, layouts: Mapping[fx.Node, Any]) -> Any:
    """Fix what enters and leaves the network, and tensors that belong to no layer."""
    if node.op == "output":
        returned = fx.node.map_arg(node.args[0], layouts.__getitem__)
        for layout in tree_leaves(returned):
            if isinstance(layout, Layout):
                for ids in layout.planes:
                    channels.freeze(ids, "network output")
        return returned
    reason = "network input"
    if node.op == "get_attr":
        reason = f"tensor '{node.target}' is used outside a layer"
    fixed = channels.fixed(reason)
    return outputs_like(value, lambda spec: constant(spec.shape, fixed))


def _call(
    node: fx.Node,
    module: fx.GraphModule,
    value: Any,
    layouts: Mapping[fx.Node, Any],
    state: tuple[Channels, dict[str, Part]],
) -> OpCall:
    layer: nn.Module | None = None
    target: Any = node.target
    if node.op == "call_module":
        layer = module.get_submodule(str(node.target))
        target = type(layer)
    args = fx.node.map_arg(node.args, layouts.__getitem__)
    kwargs = fx.node.map_arg(node.kwargs, layouts.__getitem__)
    return OpCall(node, target, layer, args, kwargs, value, *state, layouts)


def _holds_tensor(value: Any) -> bool:
    return any(isinstance(leaf, TensorSpec) for leaf in tree_leaves(value))


def _apply(rule: OpRule | None, call: OpCall, reason: str) -> Any:
    """Apply a rule; whatever is unknown, or does not fit its rule, freezes what enters."""
    if not _holds_tensor(call.value):
        # Sizes and types say nothing about the channels' contents; numbers read from them do.
        if call.layouts and (call.target in _READS or not isinstance(call.value, _PLAIN)):
            call.freeze("it reads or writes single values")
        return call.value
    if rule is None:
        return call.freeze(reason)
    try:
        result = apply_rule(rule, call)
    except Exception as error:  # noqa: BLE001 - arguments that a rule does not expect
        return call.freeze(f"{type(rule).__name__} cannot read the call ({error})")
    if not _fits(call.value, result):
        return call.freeze(f"{type(rule).__name__} laid out another shape")
    return tree_map(lambda v: _without_frozen_sets(v, call.channels), result)


def _without_frozen_sets(value: Any, channels: Channels) -> Any:
    """Leave out sets of channels that always stay: they must not stand in the way of others."""
    if not isinstance(value, Layout) or not value.others:
        return value
    kept = [ids for ids in value.planes if not channels.is_frozen(ids)]
    return joined(kept or value.planes[:1], value.shape)


def _fits(value: Any, result: Any) -> bool:
    """Whether layouts have the shapes of the tensors that they stand for."""
    if isinstance(value, TensorSpec):
        return (
            isinstance(result, Layout)
            and result.shape == value.shape
            and all(_has_shape(ids, value.shape) for ids in result.planes)
        )
    if isinstance(value, Mapping):
        alike = isinstance(result, Mapping) and value.keys() == result.keys()
        return alike and all(_fits(value[key], result[key]) for key in value)
    if isinstance(value, tuple | list):
        alike = isinstance(result, tuple | list) and len(value) == len(result)
        return alike and all(map(_fits, value, result))
    return True


def _has_shape(ids: Ids, shape: Sequence[int]) -> bool:
    return ids.ndim == len(shape) and all(
        n in {1, full} for n, full in zip(ids.shape, shape, strict=True)
    )


def _macs(
    rule: OpRule | None, node: fx.Node, module: fx.GraphModule, examples: Mapping[fx.Node, Any]
) -> int:
    """Count a node's work for the example inputs, whatever batch size the ids ran at."""
    if rule is None:
        return _measured_macs(node, module, examples)
    blank = {
        n: outputs_like(examples[n], lambda s: constant(s.shape)) for n in node.all_input_nodes
    }
    try:
        return rule.macs(_call(node, module, examples[node], blank, (Channels(), {})))
    except Exception:  # noqa: BLE001 - arguments that a rule does not expect
        return 0


def _measured_macs(node: fx.Node, module: fx.GraphModule, examples: Mapping[fx.Node, Any]) -> int:
    """Count the work of an operator that no rule knows by running it without arithmetic."""
    specs = {n: examples[n] for n in node.all_input_nodes}
    if not _holds_tensor((examples[node], tuple(specs.values()))):
        return 0
    counter = FlopCounterMode(display=False)
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    # The fused attention of nn.MultiheadAttention is one operator that hides its products.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad(), counter:
            env = tree_map(_blank_tensor, specs)
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), env.__getitem__)
            getattr(fx.Interpreter(module), node.op)(node.target, args, kwargs)
    except Exception:  # noqa: BLE001 - code that needs values, or knows real tensors only
        return _macs_of_a_run(node, module, specs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
    return int(counter.get_total_flops()) // 2


def _macs_of_a_run(node: fx.Node, module: fx.GraphModule, specs: Mapping[fx.Node, Any]) -> int:
    """Count the work of a layer that has to see values, by calling a copy of it on zeros."""
    if node.op != "call_module":
        return 0
    counter = FlopCounterMode(display=False)
    env = {n: _blank_tensor(spec, torch.zeros) for n, spec in specs.items()}
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), env.__getitem__)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), counter:
            copy_module(module.get_submodule(str(node.target)))(*args, **kwargs)
    except Exception:  # noqa: BLE001 - code that is content with the example only
        return 0
    return int(counter.get_total_flops()) // 2


def _blank_tensor(spec: Any, make: Callable[..., Tensor] = torch.empty) -> Any:
    if not isinstance(spec, TensorSpec):
        return spec
    return make(spec.shape, dtype=torch.float32 if spec.floating else torch.int64)


def _is_weight(node: fx.Node, module: fx.GraphModule, value: Any) -> bool:
    """Whether a tensor outside the layers can be sliced: none that is changed in place can."""
    if not isinstance(value, TensorSpec) or not value.floating:
        return False
    held = _tensor(module, str(node.target))
    known = (*module.parameters(), *module.buffers())
    return any(held is one for one in known) and not _is_changed(node)


def _is_changed(node: fx.Node) -> bool:
    """Whether an operator writes into a tensor, or into a view of it."""
    return any(
        _changes(user, node) or (_is_view(user) and _is_changed(user)) for user in node.users
    )


def _is_view(node: fx.Node) -> bool:
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return name in _VIEWS


def _changes(user: fx.Node, node: fx.Node) -> bool:
    """Whether an operator writes into a tensor."""
    name = user.target if isinstance(user.target, str) else getattr(user.target, "__name__", "")
    if user.target in {F.batch_norm, F.instance_norm}:
        return node in user.args[1:3] or node in (
            user.kwargs.get("running_mean"),
            user.kwargs.get("running_var"),
        )
    in_place = name.endswith("_") and not name.startswith("__")
    return in_place or name in {"setitem", "copy_"} or user.target in _IN_PLACE


def _own_ids(
    node: fx.Node,
    module: fx.GraphModule,
    channels: Channels,
    known: Mapping[str, tuple[Ids | None, ...]],
) -> tuple[Ids | None, ...]:
    """Give a tensor ids along each of its axes; one that has two names gets them once."""
    tensor = _tensor(module, str(node.target))
    for name, axes in known.items():
        if _tensor(module, name) is tensor:
            return axes
    return tuple(channels.fresh(length) if length > 1 else None for length in tensor.shape)


def _tensor_layout(axes: Sequence[Ids | None], shape: Sequence[int]) -> Layout:
    """Lay out a tensor whose axes have ids each."""
    planes = [along(ids, axis, shape).ids for axis, ids in enumerate(axes) if ids is not None]
    return joined(planes, shape) if planes else constant(shape)  # type: ignore[return-value]


def _tie_shared_weights(
    module: fx.GraphModule,
    parts: Mapping[str, Part],
    channels: Channels,
    tensors: Mapping[str, tuple[Ids | None, ...]],
) -> None:
    """Tie the ids of layers that share a parameter; freeze them where it is read elsewhere too."""
    known: dict[int, tuple[Any, ...]] = {
        id(_tensor(module, name)): axes for name, axes in tensors.items()
    }
    elsewhere = _read_unknown(module, parts, known)
    for name, axes in tensors.items():
        if id(_tensor(module, name)) in elsewhere:
            _freeze_axes(channels, axes, f"'{name}' is used by another operator too")
    for path, part in parts.items():
        for name, axes in part.axes.items():
            tensor = getattr(module.get_submodule(path), name)
            first = known.setdefault(id(tensor), axes)
            if id(tensor) in elsewhere:
                _freeze_axes(channels, axes, f"'{path}.{name}' is used by another operator too")
            for left, right in zip(first, axes, strict=True):
                if left is not None and right is not None:
                    channels.unite(left, right)
                elif left is not right:
                    reason = f"'{path}.{name}' is shared by layers that read it differently"
                    _freeze_axes(channels, (left, right), reason)


def _read_unknown(
    module: fx.GraphModule, parts: Mapping[str, Part], known: Collection[int]
) -> set[int]:
    """Return the tensors, by identity, that something reads of which no axes are known."""
    read = module.graph.find_nodes(op="get_attr")
    found = {id(_tensor(module, str(node.target))) for node in read} - set(known)
    called = {str(node.target) for node in module.graph.find_nodes(op="call_module")}
    for path in called - set(parts):
        found |= {id(p) for p in module.get_submodule(path).parameters()}
    return found


def _freeze_axes(channels: Channels, axes: Sequence[Any], reason: str) -> None:
    for ids in axes:
        if ids is not None:
            channels.freeze(ids, reason)


def _tensor(module: nn.Module, path: str) -> Any:
    *parents, name = path.split(".")
    return getattr(module.get_submodule(".".join(parents)), name)
