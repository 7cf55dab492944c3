"""The contract of an operator rule."""

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from gancompress.elastic import SubnetConfig
from gancompress.graph import ChannelGraph, ChannelGroup, Layout, OpCall, OpRule, analyse, trace
from gancompress.graph.rules import builtin_rules
from gancompress.graph.values import NamedInterpreter, TensorSpec, copy_module, named_inputs
from gancompress.graph.verify import failing_groups
from gancompress.passes import SortChannels
from gancompress.testing.checks import require
from gancompress.testing.rule_subject import RuleSubject, Watch, searchable_channels

TOLERANCE: Final = 1e-10
"""Largest difference in float64, relative to the largest output where that exceeds 1."""


class OpRuleContract:
    """What every `OpRule` promises; subclass it with a rule and a generator that needs it.

    The generator should be small, and have channels that pass through the operator: a layer that
    makes them before it, and one that reads them after it. Custom layers are kept whole by the
    rule that lists them in ``modules``.

    Attributes:
        rule: The rule under test; an attribute or a fixture.
        generator: A `torch.nn.Module` that uses the operator; it is copied.
        example_inputs: Its positional inputs.
        example_kwargs: Its inputs by name.
    """

    rule: ClassVar[Any]
    generator: ClassVar[Any]
    example_inputs: ClassVar[Any]
    example_kwargs: ClassVar[Any] = MappingProxyType({})

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> RuleSubject:
        """Gather the rule and the generator, from attributes or from fixtures."""

        def given(name: str, kind: type) -> Any:
            value = getattr(self, name, None)
            return value if isinstance(value, kind) else request.getfixturevalue(name)

        return RuleSubject.of(
            given("rule", OpRule),
            given("generator", nn.Module),
            given("example_inputs", tuple),
            given("example_kwargs", Mapping),
        )

    def test_the_rule_is_the_one_applied(self, subject: RuleSubject) -> None:
        """The generator has an operator that the rule matches, and none that is asked before."""
        _, watch = subject.watched()
        require(
            bool(watch.seen),
            f"{subject.name} matches no operator of the generator: list what it stands for in "
            "'functions', 'methods' or 'modules'",
        )
        first = {type(_first(subject.rule, one.call)) for one in watch.seen}
        require(
            type(subject.rule) in first,
            f"{subject.name} is never applied: {_names(first)} comes before it",
        )

    def test_layouts_have_the_shapes_of_the_tensors(self, subject: RuleSubject) -> None:
        """The rule can read every call, and lays out what the operator returns."""
        _, watch = subject.watched()
        for one in watch.seen:
            where = one.call.where
            require(one.error is None, f"{subject.name} cannot read {where}: {one.error!r}")
            problem = _misfit(one.call.value, one.result)
            require(not problem, f"{subject.name} lays out {where} wrongly: {problem}")

    def test_channels_can_be_narrowed_at_the_operator(self, subject: RuleSubject) -> None:
        """At least one group that enters or leaves the operator is searchable."""
        graph, watch = subject.watched()
        reasons = sorted({group.frozen for group in graph.groups if group.frozen})
        require(
            bool(_touching(graph, watch)),
            f"no channels at the operator of {subject.name} can be narrowed; what is frozen: "
            f"{'; '.join(reasons) or 'nothing'}",
        )

    def test_without_the_rule_they_are_frozen(self, subject: RuleSubject) -> None:
        """The rule is needed: fewer channels can be narrowed if it is not there."""
        graph, _ = subject.watched()
        before = subject.searchable_without()
        require(
            searchable_channels(graph) > before,
            f"{subject.name} is not needed: {before} channels can be narrowed without it, and no "
            "more with it",
        )

    def test_numbers_agree_with_the_rule(self, subject: RuleSubject) -> None:
        """To drop a unit is to zero it wherever it is read, in float64 (``verify=True``)."""
        traced = subject.traced()
        failures = failing_groups(traced, analyse(traced))
        sentences = (f"group '{key}': {reason}" for key, reason in failures.items())
        require(not failures, "; ".join(sentences))

    def test_subnets_compute_alike_in_the_supernet_and_alone(self, subject: RuleSubject) -> None:
        """The widest subnet is the generator, and subnets are the same bit for bit when cut out."""
        supernet = subject.supernet()
        widest = subject.run(supernet.activate(supernet.space.largest()))
        require(
            _same(widest, subject.run(subject.generator)), "the widest subnet is not the generator"
        )
        for config in subject.configs(supernet):
            inside = _outputs(subject, supernet.activate, config)
            alone = _outputs(subject, supernet.materialise, config)
            require(
                _same(inside, alone),
                f"the subnet {config.to_json()} computes something else when it is cut out",
            )

    def test_subnets_can_be_copied_and_loaded(self, subject: RuleSubject) -> None:
        """A deep copy computes the same, and the state dict holds all that computes."""
        supernet = subject.supernet()
        config = supernet.space.smallest()
        before = _outputs(subject, supernet.materialise, config)
        net = supernet.materialise(config)
        require(_same(subject.run(copy.deepcopy(net)), before), "a copy computes something else")
        blank = copy.deepcopy(net)
        with torch.no_grad():
            for tensor in (*blank.parameters(), *blank.buffers()):
                tensor.zero_()
        blank.load_state_dict(net.state_dict())
        require(_same(subject.run(blank), before), "the state dict does not hold all that computes")

    def test_sorting_changes_nothing(self, subject: RuleSubject) -> None:
        """Permuting units leaves the output: every tensor that carries them is laid out."""
        double = copy_module(subject.generator).double()
        before = subject.run(double, torch.float64)
        args, kwargs = tree_map(_as_double, (subject.args, dict(subject.kwargs)))
        traced = trace(double, args, kwargs, rules=[subject.rule])
        after = subject.run(SortChannels().apply(traced).module, torch.float64)
        for left, right in zip(before, after, strict=True):
            if isinstance(left, Tensor) and left.numel():
                worst = float((left.double() - right.double()).abs().max())
                scale = max(1.0, float(left.double().abs().max()))
                require(worst <= TOLERANCE * scale, f"sorting moves the output by {worst:.1e}")

    def test_work_is_counted_once(self, subject: RuleSubject) -> None:
        """MACs are those that torch's own counter sees, and the coverage sums to the whole."""
        graph, watch = subject.watched()
        seen = _torch_macs(subject, {one.call.node.name for one in watch.seen})
        for name, count in watch.counted.items():
            if isinstance(count, Exception):
                pytest.fail(f"{subject.name} cannot count '{name}': {count!r}", pytrace=False)
            require(count >= 0, f"{subject.name} counts {count} MACs at '{name}'")
            measured = seen.get(name, 0)  # 0 too where torch has no counter for the operator
            require(
                measured in {0, count},
                f"{subject.name} counts {count} MACs at '{name}', and torch counts {measured}",
            )
        coverage = graph.coverage()
        whole = sum(parameter.numel() for parameter in subject.traced().module.parameters())
        require(
            coverage.total.params == whole,
            f"the coverage is of {coverage.total.params} parameters, and there are {whole}",
        )


def _first(rule: OpRule, call: OpCall) -> OpRule | None:
    """Return the rule that an analysis applies: a plugin's are asked before the core's."""
    core = builtin_rules()
    own = () if type(rule) in {type(one) for one in core} else (rule,)
    return next((one for one in (*own, *core) if one.matches(call)), None)


def _names(types: set[type]) -> str:
    return ", ".join(sorted(one.__name__ for one in types))


def _misfit(value: Any, result: Any) -> str:
    """Say how layouts differ from what they stand for; empty where they fit."""
    if isinstance(value, TensorSpec):
        return _misshape(value, result)
    if isinstance(value, Mapping):
        alike = isinstance(result, Mapping) and value.keys() == result.keys()
        pairs = [(value[key], result[key]) for key in value] if alike else []
    elif isinstance(value, tuple | list):
        alike = isinstance(result, tuple | list) and len(value) == len(result)
        pairs = list(zip(value, result, strict=True)) if alike else []
    else:
        return ""
    if not alike:
        return f"there is {result!r} where {len(value)} values leave"
    return next(filter(None, (_misfit(*pair) for pair in pairs)), "")


def _misshape(tensor: TensorSpec, result: Any) -> str:
    """Say how a layout differs from its tensor."""
    if not isinstance(result, Layout):
        return f"a tensor of shape {tensor.shape} has no layout but {result!r}"
    if result.shape != tensor.shape:
        return f"the layout's shape is {result.shape}, and the tensor's {tensor.shape}"
    sizes = zip(result.ids.shape, tensor.shape, strict=False)
    fits = result.ids.ndim == len(tensor.shape) and all(n in {1, full} for n, full in sizes)
    return "" if fits else f"ids of shape {result.ids.shape} for a tensor of {tensor.shape}"


def _touching(graph: ChannelGraph, watch: Watch) -> list[ChannelGroup]:
    """Return the searchable groups that enter or leave the operators a rule stands for."""
    units: set[int] = set()
    for one in watch.seen:
        node = one.call.node
        names = (node.name, *(source.name for source in node.all_input_nodes))
        arrays = [graph.layouts[name] for name in names if name in graph.layouts]
        member = graph.members.get(one.call.path) if node.op == "call_module" else None
        arrays += [] if member is None else [member.inputs, member.outputs]
        units.update(unit for ids in arrays for unit in np.unique(ids).tolist())
    return [group for group in graph.searchable() if units.intersection(group.unit_ids)]


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b
        for a, b in zip(left, right, strict=True)
    )


def _outputs(
    subject: RuleSubject, make: Callable[[SubnetConfig], nn.Module], config: SubnetConfig
) -> list[Any]:
    """Run a subnet; one that does not run is the rule's mistake."""
    try:
        return subject.run(make(config))
    except Exception as error:  # noqa: BLE001 - operators may raise anything
        pytest.fail(f"the subnet {config.to_json()} does not run: {error}", pytrace=False)


def _as_double(value: Any) -> Any:
    floating = isinstance(value, Tensor) and value.is_floating_point()
    return value.double() if floating else value


class _Counting(NamedInterpreter):
    """Run a graph, and let torch count the work of some of its nodes."""

    def __init__(self, module: fx.GraphModule, inputs: Mapping[str, Any], names: set[str]) -> None:
        super().__init__(module, inputs)
        self.names = names
        self.macs: dict[str, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run a node, and count it where it is asked for."""
        if n.name not in self.names:
            return super().run_node(n)
        counter = FlopCounterMode(display=False)
        with counter:
            value = super().run_node(n)
        self.macs[n.name] = counter.get_total_flops() // 2
        return value


def _torch_macs(subject: RuleSubject, names: set[str]) -> dict[str, int]:
    """Return the MACs that torch counts at some nodes, for the example inputs."""
    module = subject.traced().module
    counting = _Counting(module, named_inputs(module, subject.args, subject.kwargs), names)
    with torch.no_grad():
        counting.run(enable_io_processing=False)
    return counting.macs
