"""Checking what hooks return, so that a plugin's mistake is named where it is made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from gancompress.errors import ConfigError, PluginError
from gancompress.plugins.info import PluginInfo

if TYPE_CHECKING:
    from torch import nn

# Named and not imported: a host that only lists plugins should not load torch.
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "gancompress_families": ("gancompress.gan", "GanFamily"),
    "gancompress_op_rules": ("gancompress.graph", "OpRule"),
    "gancompress_passes": ("gancompress.passes", "GraphPass"),
    "gancompress_distill_losses": ("gancompress.distill", "DistillLoss"),
    "gancompress_metrics": ("gancompress.metrics", "Metric"),
    "gancompress_export_targets": ("gancompress.export", "ExportTarget"),
}


@dataclass(frozen=True)
class ResolvedGenerator:
    """A user's own generator.

    Args:
        module: The generator.
        args: Positional inputs of an example run; empty where the factory gave none.
        kwargs: Keyword inputs of an example run.
    """

    module: "nn.Module"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def read_values(hook: str, answers: Iterable[Any]) -> list[Any]:
    """Flatten what one plugin returned, and check every value's type.

    Args:
        hook: Name of the hook.
        answers: What its implementations returned, one iterable each.

    Returns:
        The values in order.

    Raises:
        TypeError: If an answer is no iterable, or a value has the wrong type.
    """
    module, name = _KINDS[hook]
    kind = getattr(import_module(module), name)
    values = [value for answer in answers for value in answer]
    for value in values:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is no {module}.{name}")
    return values


def by_name(noun: str, found: Iterable[tuple[PluginInfo, Any]]) -> dict[str, Any]:
    """Index values by their ``name``.

    Args:
        noun: What to call a value in the error.
        found: Values with the plugins that offer them.

    Returns:
        The values by name, sorted.

    Raises:
        PluginError: If a name is offered twice; it names both distributions and versions.
    """
    owners: dict[str, PluginInfo] = {}
    values: dict[str, Any] = {}
    for info, value in found:
        if value.name in owners:
            first, second = sorted((owners[value.name].origin, info.origin))
            raise PluginError(
                f"{noun} '{value.name}' is offered by '{first}' and by '{second}'",
                hint="leave one of them out with --no-plugin DISTRIBUTION",
            )
        owners[value.name], values[value.name] = info, value
    return dict(sorted(values.items()))


def read_generator(reference: str, answer: Any) -> ResolvedGenerator:
    """Check what a resolver or a factory returned.

    Args:
        reference: What the user wrote.
        answer: A module, or ``(module, args, kwargs)``; None where nobody knew the reference.

    Returns:
        The generator with its example inputs.

    Raises:
        ConfigError: If it is neither.
    """
    from torch import nn  # noqa: PLC0415 - see _KINDS

    if answer is None:
        raise ConfigError(
            f"generator '{reference}' is not known",
            hint="write 'pkg.mod:factory' or 'file.py:factory'",
        )
    match answer:
        case nn.Module():
            return ResolvedGenerator(answer)
        case (nn.Module() as module, [*args], dict() as kwargs):
            return ResolvedGenerator(module, tuple(args), kwargs)
    raise ConfigError(
        f"generator '{reference}' gives '{type(answer).__name__}'",
        hint="return a torch.nn.Module, or (module, args, kwargs) with the inputs of an example",
    )
