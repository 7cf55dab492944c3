"""A rule and a generator under test, and what the rule did in an analysis."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from gancompress.elastic import SearchSpace, SubnetConfig, Supernet
from gancompress.errors import TraceError
from gancompress.graph import ChannelGraph, OpCall, OpRule, TracedGenerator, analyse, trace
from gancompress.graph.rules import builtin_rules
from gancompress.graph.values import copy_module

SUBNETS: Final = 20


@dataclass(frozen=True)
class Seen:
    """What a rule did with one call.

    Args:
        call: The call.
        result: The layouts that it returned.
        error: What it raised instead.
    """

    call: OpCall
    result: Any = None
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class RuleSubject:
    """The rule under test, and a generator that uses its operator.

    Args:
        rule: The rule.
        generator: The generator, in eval mode, its weights moved off 0 and 1.
        args: Positional inputs; floating-point ones are noise.
        kwargs: The same by name.
    """

    rule: OpRule
    generator: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, rule: OpRule, generator: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> "RuleSubject":
        """Copy a generator, and move what could hide a mistake by being 0 or 1."""
        noise = torch.Generator().manual_seed(0)

        def noisy(value: Any) -> Any:
            if not (isinstance(value, Tensor) and value.is_floating_point()):
                return value
            return torch.randn(value.shape, generator=noise).to(value)

        net = copy_module(generator).eval()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=noise).to(parameter) * 0.05)
        inputs, named = tree_map(noisy, (tuple(args), dict(kwargs)))
        return cls(rule, net, inputs, named)

    @property
    def name(self) -> str:
        """Name of the rule's class."""
        return type(self.rule).__name__

    @property
    def is_builtin(self) -> bool:
        """Whether the rule is one of the core's, which an analysis asks in any case."""
        return type(self.rule) in {type(one) for one in builtin_rules()}

    def traced(self) -> TracedGenerator:
        """Trace the generator with the rule."""
        return trace(self.generator, self.args, self.kwargs, rules=[self.rule])

    def watched(self) -> "tuple[ChannelGraph, Watch]":
        """Analyse the generator, and note what the rule is asked."""
        # Of a class of the rule's name, which the reasons of what is frozen then give.
        watch: Watch = type(self.name, (Watch,), {})(self.rule)
        return analyse(self.traced(), rules=[watch]), watch

    def searchable_without(self) -> int:
        """Return how many channels could be narrowed if there were no such rule."""
        try:
            traced = (
                self.traced() if self.is_builtin else trace(self.generator, self.args, self.kwargs)
            )
        except TraceError:  # the rule keeps whole what cannot be traced through
            return 0
        rules = [Mute(self.rule)] if self.is_builtin else []
        return searchable_channels(analyse(traced, rules=rules))

    def supernet(self) -> Supernet:
        """Make a supernet of all widths."""
        return Supernet(self.traced(), SearchSpace.multiples_of(1))

    def configs(self, supernet: Supernet) -> list[SubnetConfig]:
        """Draw subnets, the smallest first."""
        rng = random.Random(0)  # noqa: S311 - repeatable, not secret
        drawn = (supernet.sample(rng) for _ in range(SUBNETS - 1))
        return [supernet.space.smallest(), *drawn]

    def run(self, net: nn.Module, dtype: torch.dtype | None = None) -> list[Any]:
        """Run a net on the inputs, with the same noise each time, and return all outputs."""

        def fresh(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.clone().to(dtype if value.is_floating_point() else None)

        args, kwargs = tree_map(fresh, (self.args, self.kwargs))
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return tree_leaves(net(*args, **kwargs))


def searchable_channels(graph: ChannelGraph) -> int:
    """Return how many channels of first producers can be narrowed.

    Args:
        graph: The analysed generator.
    """
    return sum(group.width for group in graph.searchable())


class Watch(OpRule):
    """A rule that does what another one does, and keeps a record.

    Args:
        rule: The other one.
    """

    def __init__(self, rule: OpRule) -> None:
        self.rule = rule
        self.seen: list[Seen] = []
        self.counted: dict[str, int | Exception] = {}

    def matches(self, call: OpCall) -> bool:
        """Whether the other rule matches."""
        return self.rule.matches(call)

    def apply(self, call: OpCall) -> Any:
        """Apply the other rule."""
        try:
            result = self.rule.apply(call)
        except Exception as error:
            self.seen.append(Seen(call, error=error))
            raise
        self.seen.append(Seen(call, result))
        return result

    def macs(self, call: OpCall) -> int:
        """Count as the other rule does."""
        try:
            count = self.rule.macs(call)
        except Exception as error:
            self.counted[call.node.name] = error
            raise
        self.counted[call.node.name] = count
        return count


class Mute(OpRule):
    """Takes the place of a rule, and knows nothing of its operator.

    Args:
        rule: The rule.
    """

    def __init__(self, rule: OpRule) -> None:
        self.rule = rule

    def matches(self, call: OpCall) -> bool:
        """Whether the rule matches."""
        return self.rule.matches(call)

    def apply(self, call: OpCall) -> Any:
        """Freeze what enters."""
        return call.freeze()
