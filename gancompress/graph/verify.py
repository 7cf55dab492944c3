"""Check numerically that dropping a unit is the same as zeroing it wherever it is read."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.utils._pytree import tree_leaves, tree_map

from gancompress.graph.channels import (
    ChannelGraph,
    ChannelGroup,
    Member,
    UnitIds,
    set_sizes,
)
from gancompress.graph.sizes import numbers_by_node, resized
from gancompress.graph.traced import TracedGenerator
from gancompress.graph.values import NamedInterpreter, clone_tensors, copy_module, named_inputs

TOLERANCE: Final = 1e-10
"""Largest difference in float64, relative to the largest output where that exceeds 1."""

_PRODUCTS = ("matmul", "bmm", "mm", "mv", "einsum", "attention", "conv", "linear")


def failing_groups(traced: TracedGenerator, graph: ChannelGraph) -> dict[str, str]:
    """Find the groups that cannot be narrowed although the rules say so.

    All groups are checked at once, and halved where the check fails.

    Args:
        traced: The generator.
        graph: Its analysis.

    Returns:
        For each failing group its key and what went wrong.
    """
    candidates = [group for group in graph.searchable() if not group.statistics_coupled]
    return _Check(traced, graph).failing(candidates)


class _Check:
    def __init__(self, traced: TracedGenerator, graph: ChannelGraph) -> None:
        self.graph = graph
        self.module = _stirred(copy_module(traced.module).double().eval())
        examples = named_inputs(traced.module, traced.example_inputs, traced.example_kwargs)
        self.inputs = tree_map(_as_double, examples)

    def failing(self, groups: Sequence[ChannelGroup]) -> dict[str, str]:
        """Return the failing groups among these, by bisection."""
        problem = self._problem(groups) if groups else ""
        if not problem:
            return {}
        if len(groups) == 1:
            return {groups[0].key: problem}
        half = len(groups) // 2
        found = {**self.failing(groups[:half]), **self.failing(groups[half:])}
        # Groups that fail only together must not be narrowed together.
        return found or {group.key: problem for group in groups}

    def _problem(self, groups: Sequence[ChannelGroup]) -> str:
        """Drop a middle and the last unit of each group; return what differs, or nothing."""
        # Of two units one must stay: layers without channels do not run.
        dropped = {
            one
            for group in groups
            for one in {group.unit_ids[(group.units - 1) // 2], group.unit_ids[-1]}
            if group.units > 2 or one == group.unit_ids[-1]
        }
        gone = np.array(sorted(dropped), dtype=np.int64)
        zeroed = self._run(_Zeroing(self.module, self._inputs(), self.graph, gone))
        try:
            narrow = _sliced(self.module, self.graph, gone)
            sliced = self._run(_Quiet(narrow, self._inputs()))
        except Exception as error:  # noqa: BLE001 - any failure means that it cannot be sliced
            return f"verification: without a unit it fails ({str(error).splitlines()[0]})"
        for left, right in zip(zeroed, sliced, strict=True):
            if left.shape != right.shape:
                return "verification: the output changes its shape without a unit"
            scale = max(1.0, float(left.abs().max())) if left.numel() else 1.0
            worst = float((left - right).abs().max()) / scale if left.numel() else 0.0
            if not worst <= TOLERANCE:  # which NaN is not either
                return f"verification: without a unit the output differs by {worst:.1e}"
        return ""

    def _inputs(self) -> dict[str, Any]:
        copies: dict[str, Any] = clone_tensors(self.inputs)
        return copies

    @staticmethod
    def _run(interpreter: fx.Interpreter) -> list[Tensor]:
        usual = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # for tensors that the generator makes itself
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                result = interpreter.run(enable_io_processing=False)
        finally:
            torch.set_default_dtype(usual)
        return [leaf.double() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]


def _stirred(module: fx.GraphModule) -> fx.GraphModule:
    """Move every weight a little: scales of zero, as fresh norms have, would hide differences."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(noise.to(parameter), alpha=0.02)
    return module


def _as_double(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        # Examples are often zeros, on which every network agrees with every other.
        generator = torch.Generator().manual_seed(0)
        uniform = torch.rand(value.shape, generator=generator, dtype=torch.float64)
        return (uniform * 2 - 1).to(value.device)
    return value


class _Quiet(NamedInterpreter):
    """Run a network with its noise replaced by a constant: a narrower one draws other noise."""

    def fetch_args_kwargs_from_env(self, n: fx.Node) -> tuple[Any, Any]:
        """Return a node's arguments, in double precision where the code asks for single."""
        found: tuple[Any, Any] = fx.node.map_aggregate(
            super().fetch_args_kwargs_from_env(n),
            lambda v: torch.float64 if v is torch.float32 else v,
        )
        return found

    def run_node(self, n: fx.Node) -> Any:
        """Run a node; pass dropout on, and level what is drawn."""
        name = _name_of(n)
        if n.op == "call_method" and name == "float":
            return self.fetch_args_kwargs_from_env(n)[0][0].double()
        if n.op != "call_module" and "dropout" in name:
            return self.fetch_args_kwargs_from_env(n)[0][0]
        value = super().run_node(n)
        drawn = name.startswith(("rand", "bernoulli")) or name in {"normal_", "uniform_"}
        level = drawn and isinstance(value, Tensor) and value.is_floating_point()
        return torch.full_like(value, 0.5, dtype=torch.float64) if level else value


def _name_of(node: fx.Node) -> str:
    target = node.target
    return target if isinstance(target, str) else str(getattr(target, "__name__", ""))


class _Zeroing(_Quiet):
    """Run the whole network with some units zeroed at the entrance of all their consumers."""

    def __init__(
        self,
        module: fx.GraphModule,
        inputs: Mapping[str, Any],
        graph: ChannelGraph,
        gone: UnitIds,
    ) -> None:
        super().__init__(module, inputs)
        self.found = graph
        self.gone = gone

    def run_node(self, n: fx.Node) -> Any:
        """Zero what a consumer reads, then let it read."""
        if not self._consumes(n):
            return super().run_node(n)
        saved = {one: self.env[one] for one in n.all_input_nodes}
        for one, value in saved.items():
            if isinstance(value, Tensor):
                for ids in self._planes(one):
                    value = value * self._kept(ids, value.shape).to(value)  # noqa: PLW2901
                self.env[one] = value
        try:
            return super().run_node(n)
        finally:
            self.env.update(saved)

    def _planes(self, node: fx.Node) -> Sequence[UnitIds]:
        """Return the unit ids of every set of channels of a node's value."""
        first = self.found.layouts.get(node.name)
        return self.found.planes.get(node.name, () if first is None else (first,))

    def _consumes(self, node: fx.Node) -> bool:
        if node.op == "call_module":
            member = self.found.members.get(str(node.target))
            return member is not None and member.consumes
        return any(word in _name_of(node) for word in _PRODUCTS)

    def _kept(self, ids: UnitIds, shape: Sequence[int]) -> Tensor:
        """Return 1 where a value stays, at the batch size of the run."""
        index = tuple(slice(0, n) for n in shape)
        return torch.from_numpy(~np.isin(ids, self.gone))[index]


def _sliced(module: fx.GraphModule, graph: ChannelGraph, gone: UnitIds) -> fx.GraphModule:
    """Return a copy of the network without some units."""
    narrow = copy_module(module)
    kept = np.ones(1 + max(map(_largest, graph.groups), default=0), dtype=np.bool_)
    kept[gone] = False
    done: dict[int, nn.Parameter | Tensor] = {}
    for name, axes in graph.tensors.items():
        if any(ids is not None and np.isin(ids, gone).any() for ids in axes):
            path, _, own = name.rpartition(".")
            layer = narrow.get_submodule(path)
            tensor = getattr(layer, own)
            if id(tensor) not in done:
                part = _without(tensor.detach(), axes, gone)
                done[id(tensor)] = nn.Parameter(part) if isinstance(tensor, nn.Parameter) else part
            setattr(layer, own, done[id(tensor)])
    for path, member in graph.members.items():
        if np.isin(member.inputs, gone).any() or np.isin(member.outputs, gone).any():
            _slice_layer(narrow.get_submodule(path), module.get_submodule(path), member, gone)
    numbers = numbers_by_node(graph.sizes, kept)
    for node in narrow.graph.nodes:
        if node.name in numbers:
            node.args, node.kwargs = resized((node.args, node.kwargs), numbers[node.name])
    return narrow


def _largest(group: ChannelGroup) -> int:
    return max(group.unit_ids)


def _without(tensor: Tensor, axes: Sequence[UnitIds | None], gone: UnitIds) -> Tensor:
    """Return a tensor without some units."""
    for axis, ids in enumerate(axes):
        if ids is not None:
            keep = torch.from_numpy(np.flatnonzero(~np.isin(ids, gone)))
            tensor = tensor.index_select(axis, keep.to(tensor.device))
    return tensor


def _slice_layer(layer: nn.Module, whole: nn.Module, member: Member, gone: UnitIds) -> None:
    """Give a layer what is left of the whole one's tensors."""
    done: dict[str, Tensor] = {}
    for name, axes in member.axes.items():
        done[name] = _without(getattr(whole, name).detach(), axes, gone)
    for name, tensor in done.items():
        is_parameter = isinstance(getattr(layer, name), nn.Parameter)
        setattr(layer, name, nn.Parameter(tensor) if is_parameter else tensor)
    inputs = int((~np.isin(member.inputs, gone)).sum())
    outputs = int((~np.isin(member.outputs, gone)).sum())
    _resize(layer, inputs, outputs, done.get("weight"))
    set_sizes(layer, member.sizes, lambda ids: int((~np.isin(ids, gone)).sum()))


def _resize(layer: nn.Module, inputs: int, outputs: int, weight: Tensor | None) -> None:
    """Make the numbers that a layer keeps beside its weights agree with them."""
    if isinstance(layer, _ConvNd) and weight is not None:
        many = outputs if isinstance(layer, _ConvTransposeNd) else inputs
        layer.in_channels, layer.out_channels = inputs, outputs
        layer.groups = many // weight.shape[1]
    elif isinstance(layer, _NormBase):
        layer.num_features = inputs
    elif isinstance(layer, nn.GroupNorm):
        layer.num_groups = inputs // (layer.num_channels // layer.num_groups)
        layer.num_channels = inputs
