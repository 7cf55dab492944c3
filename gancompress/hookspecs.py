"""Every hook of gancompress: what a plugin can add, and when it is asked.

A plugin is a module (or any object) with functions of these names, marked by `hookimpl`, and
registered by an entry point of the group ``gancompress``. Results are values: a hook registers
nothing and changes nothing. Hooks are asked on demand and may be asked several times, so they
should be quick and leave heavy work to the methods of what they return.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

import pluggy

if TYPE_CHECKING:
    from torch import nn

    from gancompress.distill import DistillLoss
    from gancompress.events import RunEvent
    from gancompress.export import ExportTarget
    from gancompress.gan import AnyFamily
    from gancompress.graph import OpRule
    from gancompress.metrics import Metric
    from gancompress.passes import GraphPass

PROJECT: Final = "gancompress"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# `Union` of forward references, so that a plugin can write `Resolved | None` as a real expression.
Resolved: TypeAlias = Union["nn.Module", tuple["nn.Module", tuple[Any, ...], dict[str, Any]]]
"""A generator, or a generator with the positional and keyword inputs of an example run."""


class HookSpecs:
    """The hooks; a plugin's functions are the same without ``self``."""

    @hookspec
    def gancompress_families(self) -> "Iterable[AnyFamily]":  # type: ignore[empty-body]
        """Offer GAN families: the only hook that a new GAN needs.

        Fires when a command or `compress` looks a family up by name, and for ``gancompress
        plugins``. Two plugins that offer one name are an error that names both distributions.

        Returns:
            Instances of `gancompress.gan.GanFamily`.
        """

    @hookspec
    def gancompress_op_rules(self) -> "Iterable[OpRule]":  # type: ignore[empty-body]
        """Offer rules that tell the channel analysis what an operator does to channels.

        Fires before a generator is traced and analysed. Layers and functions that a rule lists
        are kept whole; rules of plugins are asked before the built-in ones, so a plugin can
        correct those.

        Returns:
            Operator rules, the more specific ones first.
        """

    @hookspec
    def gancompress_passes(self) -> "Iterable[GraphPass]":  # type: ignore[empty-body]
        """Offer graph passes that prepare the student.

        Fires after tracing and before the supernet is built; each pass gets the graph that the
        one before it returned, and a plugin's come before decomposition and sorting.

        Returns:
            Passes, in the order in which they run.
        """

    @hookspec
    def gancompress_distill_losses(self) -> "Iterable[DistillLoss]":  # type: ignore[empty-body]
        """Offer losses that a student pays for being another than its teacher.

        Fires before a run's stages begin, when the names under ``[distill.losses]`` and
        ``[finetune.losses]`` are looked up. A loss sees the pictures of both, their features with
        the active channels, and the discriminators' features; it may train adapters.

        Returns:
            Losses, each with a name of its own.
        """

    @hookspec
    def gancompress_metrics(self) -> "Iterable[Metric]":  # type: ignore[empty-body]
        """Offer measures of how good pictures are.

        Fires when ``search --score``, ``evaluate --metric``, ``data stats --metric`` or their keys
        in a configuration look a metric up by name; a metric then gets what stands under
        ``[metrics.NAME]``, by its ``configure``.

        Returns:
            Metrics, each with a name of its own.
        """

    @hookspec
    def gancompress_export_targets(self) -> "Iterable[ExportTarget]":  # type: ignore[empty-body]
        """Offer file formats that a compressed generator can be written to.

        Fires when ``--target`` is looked up.

        Returns:
            Export targets, each with a name of its own.
        """

    @hookspec(firstresult=True)
    def gancompress_resolve_generator(self, reference: str) -> "Resolved | None":
        """Turn the text of ``--generator`` into a generator.

        Fires once a command for the user's own generator. The first plugin that knows the
        reference wins; the core answers last, for ``pkg.mod:factory`` and ``file.py:factory``.

        Args:
            reference: What the user wrote.

        Returns:
            The generator, alone or as ``(module, args, kwargs)`` with the inputs of an example
            run; None where this plugin does not know the reference.
        """

    @hookspec
    def gancompress_event(self, event: "RunEvent") -> None:
        """Observe a run: forward its progress to a tracker, a chat, a log.

        Fires in the main process, while the run waits, for every event of `gancompress.events`:
        a stage starts, progresses, finishes, or has a notice. An observer that raises is reported
        once and dropped, and the run goes on.

        Args:
            event: What happened; frozen.
        """
