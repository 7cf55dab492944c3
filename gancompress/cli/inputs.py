"""Which generator a verb works on: the user's own, or a family's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gancompress.cli.given import parse_shape
from gancompress.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gancompress.plugins import PluginHost


@dataclass(frozen=True)
class Chosen:
    """A generator, the inputs of an example run, and what a configuration leaves alone."""

    generator: "nn.Module"
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    ignored: Mapping[str, Sequence[str]] = field(default_factory=dict)


def choose_generator(
    host: "PluginHost",
    *,
    reference: str | None,
    shapes: list[str],
    family: str | None,
    recipe: str | None,
    options: list[str],
    run: Path | None = None,
) -> Chosen:
    """Build the generator that the options name.

    Args:
        host: The plugins.
        reference: ``pkg.mod:factory`` or ``file.py:factory``.
        shapes: Shapes of its inputs, such as ``x=1x3x64x64``; needed where the factory gives none.
        family: A GAN family, whose generator is taken where no reference is given.
        recipe: A recipe of the family.
        options: The family's options as ``key=value``.
        run: A run directory, whose configuration names the generator where nothing else does.

    Raises:
        ConfigError: If neither is given, or inputs are missing.
        RunError: If it is no run directory.
    """
    from gancompress.compress import configure, read_config

    ignored: dict[str, Any] = {}
    if run is not None and reference is None and family is None:
        from gancompress.store import RunDirectory

        known = read_config(RunDirectory(run))
        shapes = [f"{name}={'x'.join(map(str, size))}" for name, size in known.inputs.items()]
        reference, family = known.generator, known.family
        options = [f"{key}={value}" for key, value in known.options.items() if value is not None]
        ignored = known.space.ignored.model_dump()
    if reference is not None:
        resolved = host.resolve_generator(reference)
        kwargs = {**resolved.kwargs, **dict(_zeros(text) for text in shapes)}
        if not resolved.args and not kwargs:
            raise ConfigError(
                f"'{reference}' gives no example inputs", hint="add --input x=1x3x64x64"
            )
        return Chosen(resolved.module, resolved.args, kwargs, ignored)
    if family is None:
        raise ConfigError(
            "no generator is named",
            hint="give a run directory, --generator file.py:factory, or --family NAME",
        )
    chosen = host.family(family)
    config = configure(chosen, recipe=recipe, options=options)
    values = chosen.options.model_validate(config.options)
    sample = chosen.dataset(values, "train")[0]
    args = tuple(x[None] for x in sample.inputs)
    return Chosen(chosen.generator(values), args, {}, ignored or config.space.ignored.model_dump())


def _zeros(text: str) -> "tuple[str, Tensor]":
    from gancompress.compress.generator import example_input

    name, shape = parse_shape(text)
    return name, example_input(name, shape)
