"""A traced generator: its graph, the inputs it was traced with, and what tracing decided."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from gancompress.errors import AnalysisError
from gancompress.graph.rules.base import OpRule
from gancompress.graph.values import TensorSpec, node_values


@dataclass(frozen=True)
class Specialisation:
    """A Python decision on a value that the graph keeps as it fell in the example.

    Args:
        file: Source file of the decision.
        line: Line in the file, from 1.
        text: What was decided.
    """

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class ModuleName(NamedTuple):
    """What a module of the generator is called.

    Args:
        path: The first of its paths, which the graph uses.
        kind: Its class, without parametrizations.
    """

    path: str
    kind: type[nn.Module]


@dataclass(frozen=True, eq=False)
class TracedGenerator:
    """A generator as a flat graph of torch layers and functions.

    Args:
        module: The graph with its own copy of the weights, in the mode of the original.
        example_inputs: The positional inputs it was traced with.
        example_kwargs: The keyword inputs it was traced with.
        shapes: Shape of each tensor-valued node, by the node's name, for the example inputs.
        specialisations: Decisions that are fixed as they fell in the example.
        opaque: Submodules that could not be traced through, by path, with the reason.
        unused: Parameters of the original that no node reads; they are not in ``module``.
        fingerprint: SHA-256 of the architecture, independent of the weights' values.
        modules: All modules of the original, containers too, by each of their paths.
        rules: Operator rules that it was traced with; every analysis asks them.
    """

    module: fx.GraphModule
    example_inputs: tuple[Any, ...]
    example_kwargs: dict[str, Any]
    shapes: Mapping[str, tuple[int, ...]]
    specialisations: tuple[Specialisation, ...]
    opaque: Mapping[str, str]
    fingerprint: str
    unused: tuple[str, ...] = ()
    modules: Mapping[str, ModuleName] = field(default_factory=dict)
    rules: tuple[OpRule, ...] = ()

    def with_module(self, module: fx.GraphModule) -> Self:
        """Return the same inputs and records with another graph, its shapes measured anew.

        Args:
            module: A graph that takes the same inputs.
        """
        return replace(
            self,
            module=module,
            shapes=node_shapes(module, self.example_inputs, self.example_kwargs),
            fingerprint=fingerprint(module),
        )


def check_rules(traced: TracedGenerator, rules: Iterable[OpRule]) -> None:
    """Refuse rules for layers that were traced through, which they would silently miss.

    Args:
        traced: The generator.
        rules: Rules that an analysis is given.

    Raises:
        AnalysisError: If a rule stands for a layer that is no longer there.
    """
    inside = (
        path
        for node in traced.module.graph.nodes
        for path in node.meta.get("nn_module_stack", ())
        if node.op != "call_module" or node.target != path
    )
    for path in dict.fromkeys(inside):
        known = traced.modules.get(path)
        rule = next((r for r in rules if known is not None and r.describes(known.kind)), None)
        if rule is not None:
            name = type(rule).__name__
            raise AnalysisError(
                f"'{path}' was traced through, so '{name}' cannot stand for it",
                hint=f"give the rule to the tracing too: trace(..., rules=[{name}()])",
            )


def module_names(generator: nn.Module) -> dict[str, ModuleName]:
    """List all modules of a generator, itself under the empty path.

    Args:
        generator: The generator.
    """
    first = {id(layer): path for path, layer in generator.named_modules()}
    return {
        path: ModuleName(first[id(layer)], type_before_parametrizations(layer))
        for path, layer in generator.named_modules(remove_duplicate=False)
    }


def node_shapes(
    module: fx.GraphModule, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor-valued node, by the node's name.

    Args:
        module: The graph.
        args: Positional inputs.
        kwargs: Keyword inputs.
    """
    values = node_values(module, args, kwargs)
    return {
        node.name: value.shape
        for node, value in values.items()
        if isinstance(value, TensorSpec) and node.op != "output"
    }


def fingerprint(module: fx.GraphModule) -> str:
    """Hash an architecture: graph, layer settings, names and shapes of the tensors.

    Args:
        module: The graph; the values of its weights do not matter.

    Returns:
        SHA-256 as 64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for node in module.graph.nodes:
        digest.update(f"{node.format_node()}\n".encode())
        if node.op == "call_module":
            digest.update(f"{module.get_submodule(str(node.target))!r}\n".encode())
    state: Mapping[str, Tensor] = module.state_dict()
    for name in sorted(state):
        digest.update(f"{name} {tuple(state[name].shape)} {state[name].dtype}\n".encode())
    return digest.hexdigest()
