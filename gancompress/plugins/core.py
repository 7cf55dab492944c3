"""The core as a plugin: what it brings comes through the hooks that a stranger uses.

It has no families. The operator rules of the channel analysis are built into `analyse`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gancompress.errors import ConfigError, GancompressError
from gancompress.hookspecs import Resolved, hookimpl
from gancompress.plugins.info import describe
from gancompress.plugins.loading import load_reference

if TYPE_CHECKING:
    from gancompress.distill import DistillLoss
    from gancompress.export import ExportTarget
    from gancompress.metrics import Metric
    from gancompress.passes import GraphPass


@hookimpl
def gancompress_passes() -> "Iterable[GraphPass]":
    """Offer the pass that every generator goes through; the others need the configuration."""
    from gancompress.passes import FoldReparametrisation  # noqa: PLC0415 - loads torch

    return [FoldReparametrisation()]


@hookimpl
def gancompress_distill_losses() -> "Iterable[DistillLoss]":
    """Offer the core's distillation losses; none of them loads anything before it is used."""
    from gancompress.distill.losses import core_losses  # noqa: PLC0415 - loads torch

    return core_losses()


@hookimpl
def gancompress_metrics() -> "Iterable[Metric]":
    """Offer the core's metrics; none of them loads anything before it is used."""
    from gancompress.metrics import (  # noqa: PLC0415 - loads torch
        FrechetLite0,
        InceptionFrechet,
        InceptionKernel,
        KernelLite0,
        Lpips,
        LpipsLite0,
        MeanAbsoluteError,
        MeanIou,
        PeakSignal,
        StructuralSimilarity,
    )

    return [
        FrechetLite0(),
        KernelLite0(),
        LpipsLite0(),
        MeanAbsoluteError(),
        PeakSignal(),
        StructuralSimilarity(),
        Lpips(),
        InceptionFrechet(),
        InceptionKernel(),
        MeanIou(load_reference),
    ]


@hookimpl
def gancompress_export_targets() -> "Iterable[ExportTarget]":
    """Offer the core's export targets."""
    from gancompress.export import core_targets  # noqa: PLC0415 - loads torch

    return core_targets()


@hookimpl(trylast=True)
def gancompress_resolve_generator(reference: str) -> "Resolved | None":
    """Answer for ``pkg.mod:factory`` and ``file.py:factory``.

    Raises:
        ConfigError: If the factory cannot be imported, or raises.
    """
    place, _, attribute = reference.rpartition(":")
    if not place or not attribute:
        return None
    found = load_reference(reference)
    if _is_module(found):
        from gancompress.graph.values import copy_module  # noqa: PLC0415 - loads torch

        ready: Resolved = copy_module(found)  # training it changes nobody else's
        return ready
    if not callable(found):
        raise ConfigError(
            f"'{reference}' is of type '{type(found).__name__}'",
            hint="name a function that returns a torch.nn.Module",
        )
    try:
        made: Resolved | None = found()
    except GancompressError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"'{reference}' failed: {describe(error)}",
            hint="it is called without arguments; see the whole story with --traceback",
        ) from error
    if made is None:
        raise ConfigError(f"'{reference}' returned nothing", hint="return the generator at its end")
    return made


def _is_module(value: Any) -> bool:
    from torch import nn  # noqa: PLC0415 - loads torch

    # A ready-made generator is callable too, but it is not a factory.
    return isinstance(value, nn.Module)
