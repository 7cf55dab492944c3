"""Discriminators with a share of their channels, cut as a generator is."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import fx, nn

from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import ConfigError
from gancompress.gan import Batch, Objective
from gancompress.graph import TracedGenerator, trace
from gancompress.graph.values import copy_module
from gancompress.passes import FoldReparametrisation, SortChannels, run_passes

_NARROWED: Final = "gancompress_width"


def narrow(objective: Objective, share: float, batch: Batch) -> None:
    """Keep a share of the discriminators' channels, the most important ones.

    They are traced, sorted and cut as a generator is, so nothing of the family is known. A
    reparametrised weight, such as spectral norm's, becomes the plain one it computes.

    Args:
        objective: Its discriminators are replaced.
        share: Of the channels of each group, in (0, 1].
        batch: Pictures that show with which shapes they are called.

    Raises:
        ConfigError: If the discriminators cannot be replaced.
        TraceError: If one cannot be traced.
    """
    networks = objective.discriminators
    if networks is not objective.discriminators:
        raise ConfigError(
            "the objective makes its discriminators anew each time it is asked",
            hint="let 'discriminators' return the nn.ModuleDict that its losses call",
        )
    if any(getattr(network, "meta", {}).get(_NARROWED) for network in networks.values()):
        return
    for name, (args, kwargs) in _calls(objective, batch).items():
        networks[name] = _narrowed(networks[name], share, args, kwargs)


def _narrowed(
    network: nn.Module, share: float, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> nn.Module:
    mode = network.training
    traced = run_passes(trace(network.eval(), args, dict(kwargs)), [FoldReparametrisation()])
    shown = _output(traced.module).args
    traced = run_passes(_verdicts_alone(traced), [SortChannels()])
    supernet = Supernet(traced, SearchSpace.multiples_of(1, smallest=share))
    small = supernet.materialise(supernet.space.smallest())
    nodes = {node.name: node for node in small.graph.nodes}
    _output(small).args = fx.node.map_arg(shown, lambda node: nodes[node.name])
    small.recompile()
    small.meta[_NARROWED] = share
    return small.train(mode)


def _verdicts_alone(traced: TracedGenerator) -> TracedGenerator:
    """Return a discriminator that gives its verdicts, and keeps the features on the way to itself.

    What a net returns cannot be narrowed, and some return every layer's features.
    """
    verdicts: list[fx.Node] = []
    module = copy_module(traced.module)
    output = _output(module)
    fx.node.map_arg(output.args, verdicts.append)
    one = tuple(node for node in verdicts if traced.shapes.get(node.name, (0, 0))[1:2] == (1,))
    if not one:
        return traced
    output.args = (one,)
    module.recompile()
    return traced.with_module(module)


def _output(module: fx.GraphModule) -> fx.Node:
    node: fx.Node = next(node for node in module.graph.nodes if node.op == "output")
    return node


def _calls(objective: Objective, batch: Batch) -> dict[str, tuple[tuple[Any, ...], dict[str, Any]]]:
    """Run the adversarial losses once, and note what each discriminator is called with."""
    seen: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    hooks = []
    for name, network in objective.discriminators.items():

        def note(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], key: str = name
        ) -> None:
            del module
            seen.setdefault(key, (args, kwargs))

        hooks.append(network.register_forward_pre_hook(note, with_kwargs=True))
    modes = [(module, module.training) for module in objective.discriminators.modules()]
    real = batch.real
    try:
        objective.discriminators.eval()  # a batch norm does not count these pictures
        with torch.no_grad():
            objective.generator_losses(batch, batch.inputs[0] if real is None else real)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    return seen
