"""Trace a generator into a flat graph of torch layers (module-level `torch.fx`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx, nn

from gancompress.errors import TraceError
from gancompress.graph.rules import OpRule
from gancompress.graph.traced import (
    Specialisation,
    TracedGenerator,
    fingerprint,
    module_names,
    node_shapes,
)
from gancompress.graph.tracer import GeneratorTracer, reason_of
from gancompress.graph.values import clone_tensors, copy_module


def trace(
    generator: nn.Module,
    example_inputs: tuple[Any, ...] = (),
    example_kwargs: Mapping[str, Any] | None = None,
    *,
    rules: Sequence[OpRule] = (),
    through: bool = False,
) -> TracedGenerator:
    """Trace a generator by running it once on example inputs.

    Layers of ``torch.nn``, autograd functions, and the layers and functions that a rule lists
    stay whole; everything else is traced through. Python branches fall as in the example and are
    listed as specialisations; arithmetic on sizes stays symbolic, so that batch size and
    resolution remain free wherever the generator leaves them free. A submodule that cannot be
    traced through is kept whole and listed as opaque.

    Args:
        generator: The generator; it is left as it is.
        example_inputs: Positional inputs, tensors or nested tuples, lists and dicts of them.
        example_kwargs: Keyword inputs.
        rules: Operator rules for layers and functions of your own. They hold for every analysis
            of what is returned, and need not be given again.
        through: Trace through autograd functions too. The result computes the same, but its
            gradients are those of the functions' forward passes.

    Returns:
        The graph with a copy of the weights, in the generator's mode (train or eval).

    Raises:
        TraceError: If the generator fails on its inputs, or its root cannot be traced.
    """
    kwargs = dict(example_kwargs or {})
    opaque: dict[str, str] = {}
    graph, decisions, constants = _recorded(
        generator, (example_inputs, kwargs), opaque, rules, through
    )
    weights = copy_module(generator)
    for name, constant in constants.items():
        setattr(weights, name, constant)
    module = fx.GraphModule(weights, graph, type(generator).__name__)
    _keep_modes(module, generator)
    kept = dict(module.named_parameters(remove_duplicate=False))
    return TracedGenerator(
        module=module,
        example_inputs=example_inputs,
        example_kwargs=kwargs,
        shapes=node_shapes(module, example_inputs, kwargs),
        specialisations=tuple(dict.fromkeys(decisions)),
        opaque=opaque,
        fingerprint=fingerprint(module),
        unused=tuple(n for n, _ in generator.named_parameters() if n not in kept),
        modules=module_names(generator),
        rules=tuple(rules),
    )


def _recorded(
    generator: nn.Module,
    example: tuple[tuple[Any, ...], dict[str, Any]],
    opaque: dict[str, str],
    rules: Sequence[OpRule],
    through: bool,
) -> tuple[fx.Graph, list[Specialisation], dict[str, Any]]:
    """Record a graph, attempt by attempt, keeping whole what fails.

    The first attempt does no arithmetic (fake tensors): it is quick at any resolution, and fails
    wherever a value matters. Only then the generator is run on its inputs.

    Returns:
        The graph, the decisions, and tensors that the generator makes from nothing, by name.
    """
    lean = True
    while True:
        # Layers may change their buffers and their inputs while they run: each attempt has its
        # own copies, and the graph gets weights that no attempt has touched.
        tracer = GeneratorTracer(opaque, rules, through)
        scratch = copy_module(generator)
        args, kwargs = clone_tensors(example)
        try:
            if lean:
                graph = tracer.record_lean(scratch, args, kwargs)
            else:
                graph = tracer.record(scratch, args, kwargs)
        except Exception as error:
            if lean:
                lean = False
                continue
            path, reason = tracer.failure or ("", reason_of(error))
            if not path or path in opaque:
                raise _root_error(generator, *example, reason) from error
            opaque[path] = reason
        else:
            names = [str(node.target) for node in graph.find_nodes(op="get_attr")]
            own = [n for n in names if "." not in n and not hasattr(generator, n)]
            return graph, tracer.decisions, {name: getattr(scratch, name) for name in own}


def _keep_modes(module: fx.GraphModule, original: nn.Module) -> None:
    """Give every layer the mode it had: a generator may hold some norms in eval mode."""
    modes = {path: layer.training for path, layer in original.named_modules()}
    for path, layer in module.named_modules():
        layer.training = modes.get(path, layer.training)


def _root_error(
    generator: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], reason: str
) -> TraceError:
    """Tell a generator that cannot be traced from one that cannot run on these inputs."""
    name = type(generator).__name__
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            copy_module(generator)(*clone_tensors(args), **clone_tensors(kwargs))
    except Exception as error:  # noqa: BLE001 - user code may raise anything
        return TraceError(
            f"'{name}' fails on its own example inputs: {reason_of(error)}",
            hint="pass example_inputs and example_kwargs as you would call the generator",
        )
    return TraceError(
        f"cannot trace '{name}': {reason}",
        hint="move the code that cannot be traced into a submodule: it is then kept whole",
    )
