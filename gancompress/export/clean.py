"""Clean a network up before it is written, and make sure after every step that it is the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gancompress.errors import GancompressError
from gancompress.graph import TracedGenerator, trace
from gancompress.passes import (
    DropIdle,
    FoldBatchNorm,
    FoldReparametrisation,
    GraphPass,
    MergePads,
    MergePairs,
    MergeRepeats,
    SplitPhases,
    run_passes,
)

CLEANING: Final[tuple[GraphPass, ...]] = (
    FoldReparametrisation(),
    DropIdle(),
    MergeRepeats(),
    MergePads(),
    FoldBatchNorm(),
    MergePairs(),
    SplitPhases(),
)
"""What a network goes through before it is written, in this order."""

_SAME: Final = 1e-4


@dataclass(frozen=True)
class Cleaned:
    """A network that is ready to be written.

    Args:
        module: The network.
        steps: Names of the passes that changed it.
        notes: What was left out, one sentence each.
    """

    module: nn.Module
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def clean_up(
    module: nn.Module, inputs: tuple[Tensor, ...], passes: Sequence[GraphPass] = CLEANING
) -> Cleaned:
    """Apply passes one by one, and keep what each gives only where the network stays the same.

    Args:
        module: In eval mode, on the CPU; it is left as it is.
        inputs: Positional inputs, on which the outputs are compared.
        passes: The passes.

    Returns:
        The network; the given one where it cannot be traced, or branches on its input.
    """
    few = _first_of(inputs)
    try:
        traced = trace(module, few)
    except GancompressError as error:
        return Cleaned(module, notes=(f"the graph is not cleaned up: {error.message}",))
    if traced.specialisations:
        # The example's decision would be fixed for all pictures; the exporter knows better.
        where = str(traced.specialisations[0])
        return Cleaned(module, notes=(f"the graph is not cleaned up: it branches, {where}",))
    wanted = _outputs(module, few)
    if not _agree(_outputs(traced.module, few), wanted):
        return Cleaned(module, notes=("the graph is not cleaned up: its trace differs",))
    steps, notes = [], []
    for one in passes:
        done = _try(one, traced, few, wanted)
        if isinstance(done, str):
            notes.append(f"pass '{one.name}' is left out: {done}")
        elif done.module.code != traced.module.code or done.fingerprint != traced.fingerprint:
            traced = done
            steps.append(one.name)
    return Cleaned(traced.module.eval(), tuple(steps), tuple(notes))


def _try(
    one: GraphPass, traced: TracedGenerator, inputs: tuple[Tensor, ...], wanted: list[Tensor]
) -> TracedGenerator | str:
    try:
        done = run_passes(traced, [one])
        same = _agree(_outputs(done.module, inputs), wanted)
    except Exception as error:  # noqa: BLE001 - what is only an improvement must not end an export
        return (str(error).splitlines() or [type(error).__name__])[0]
    return done if same else "the outputs would differ"


def _first_of(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Take one picture of a batch."""
    sizes = {len(x) for x in inputs if x.ndim}
    return (
        tuple(x[:1] for x in inputs) if len(sizes) == 1 and all(x.ndim for x in inputs) else inputs
    )


@torch.no_grad()
def _outputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    given: Any = module(*(x.clone() for x in inputs))
    return [leaf for leaf in pytree.tree_leaves(given) if isinstance(leaf, Tensor)]


def _agree(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return len(found) == len(wanted) and all(
        a.shape == b.shape and bool(torch.isclose(a, b, rtol=_SAME, atol=_SAME * _scale(b)).all())
        for a, b in zip(found, wanted, strict=True)
    )


def _scale(x: Tensor) -> float:
    return max(1.0, float(x.abs().max())) if x.numel() else 1.0
