"""What a user gave to begin a run, and the configuration that it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gancompress.errors import ConfigError

if TYPE_CHECKING:
    from gancompress.compress import Workers
    from gancompress.config import RunConfig
    from gancompress.gan import AnyFamily
    from gancompress.plugins import PluginHost


@dataclass(frozen=True)
class Given:
    """Options of a verb that begins a run; None where one was left out.

    Args:
        family: Names of the family: the argument's and the option's.
        recipe: A recipe.
        config: A TOML file.
        options: The family's options as ``key=value``.
        seed: Seed of everything random.
        generator: Reference of the user's own generator.
        inputs: Its inputs as ``name=NxCxHxW``.
        data: Folder of the data.
        settings: Further settings by section and key; those that are None are left out.
    """

    family: tuple[str | None, ...] = ()
    recipe: str | None = None
    config: Path | None = None
    options: Sequence[str] = ()
    seed: int | None = None
    generator: str | None = None
    inputs: Sequence[str] = ()
    data: str | None = None
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def settle(self, host: "PluginHost") -> "tuple[AnyFamily, RunConfig]":
        """Find the family and merge everything into one configuration.

        Args:
            host: The plugins.

        Raises:
            ConfigError: If no family is named, or a value cannot be used.
            PluginError: If there is no such family.
        """
        from gancompress.compress import configure

        family = host.family(self._family_name(host))
        changes: dict[str, Any] = chosen(**self.settings)
        if self.seed is not None:
            changes["seed"] = self.seed
        if self.generator is not None:
            changes["generator"] = self.generator
        if self.inputs:
            changes["inputs"] = dict(parse_shape(text) for text in self.inputs)
        if self.data is not None:
            if "data" not in family.options.model_fields:
                raise ConfigError(
                    f"family '{family.name}' has no option 'data'",
                    hint=f"its options: {', '.join(family.options.model_fields)}",
                )
            folder = Path(self.data)
            # Later verbs may be called from another folder.
            changes["options"] = {"data": str(folder.resolve() if folder.is_dir() else folder)}
        config = configure(
            family,
            recipe=self.recipe,
            config=self.config,
            options=self.options,
            overrides=changes,
        )
        if config.inputs and config.generator is None:
            raise ConfigError(
                "--input describes a generator that is not named", hint="add --generator REFERENCE"
            )
        return family, config

    def _family_name(self, host: "PluginHost") -> str:
        from gancompress.config import read_toml

        named = [name for name in self.family if name is not None]
        if len(set(named)) > 1:
            raise ConfigError(
                f"both '{named[0]}' and '{named[1]}' are named as the family", hint="name one"
            )
        if named:
            return named[0]
        written = read_toml(self.config).get("family") if self.config is not None else None
        if isinstance(written, str):
            return written
        if written is not None:
            raise ConfigError(
                f"'family' in '{self.config}' is no text",
                hint=f"known families: {', '.join(host.families()) or 'none'}",
            )
        known = ", ".join(host.families()) or "none"
        raise ConfigError("no GAN family is named", hint=f"known families: {known}")


def crew(count: int | None, address: str | None) -> "Workers | None":
    """Make what ``--workers`` and ``--ray`` say; None where neither was given.

    Args:
        count: Number of workers.
        address: Address of a cluster.

    Raises:
        ConfigError: If one cannot be used.
        MissingExtraError: If Ray is not installed.
    """
    if count is None and address is None:
        return None
    from gancompress.compress import Workers

    made = Workers(count, address)
    made.check()
    return made


def ignoring(
    names: Sequence[str] | None, patterns: Sequence[str] | None, types: Sequence[str] | None
) -> dict[str, list[str]] | None:
    """Make the setting ``space.ignored`` of what a verb was given; None where it was nothing.

    Args:
        names: Paths of modules.
        patterns: Regular expressions.
        types: Names of classes.
    """
    given = {"names": names, "patterns": patterns, "types": types}
    return {kind: list(entries) for kind, entries in given.items() if entries} or None


def chosen_layers(text: str | None) -> str | list[str] | None:
    """Make the setting ``decompose.layers`` of what a verb was given; None where it was nothing.

    Args:
        text: One of the words, or names of layers with commas between them.

    Raises:
        ConfigError: If there is nothing between two commas.
    """
    if text is None or text in {"auto", "resblocks", "none"}:
        return text
    return listed("--decompose", [text])


def listed(option: str, texts: Sequence[str] | None) -> list[str]:
    """Split what stands between commas.

    Args:
        option: Name of the option, for the error.
        texts: What it was given, once or several times.

    Raises:
        ConfigError: If there is nothing between two commas.
    """
    parts = [part.strip() for text in texts or () for part in text.split(",")]
    if not all(parts):
        raise ConfigError(
            f"'{','.join(texts or ())}' of {option} has an empty entry",
            hint=f"for example {option} first,second",
        )
    return parts


def shrunk(macs: str | None, shrink: str | None) -> str | None:
    """Make the limit of MACs of ``--macs`` and ``--shrink``, of which one may be given.

    Args:
        macs: Any limit.
        shrink: One that divides the teacher's, such as ``12x``.

    Raises:
        ConfigError: If both are given, or the second does not end with an x.
    """
    if shrink is None:
        return macs
    if macs is not None:
        raise ConfigError("--macs and --shrink are both given", hint="give one of the two")
    if not shrink.lower().endswith("x"):
        raise ConfigError(f"'{shrink}' of --shrink is no factor", hint="for example --shrink 12x")
    return shrink


def limits(
    *,
    macs: str | None,
    shrink: str | None,
    params: str | None,
    macs_published: str | None,
    memory: str | None,
    latency_ms: str | None,
    on: str | None,
) -> dict[str, str | None]:
    """Make the settings of the search that limit a subnet; None where one was not given.

    Args:
        macs: Most multiply-accumulates.
        shrink: The same as a factor of the teacher's.
        params: Most parameters.
        macs_published: Most multiply-accumulates as the published tables count them.
        memory: Most bytes of activations.
        latency_ms: Longest median of a forward pass.
        on: What that is measured on.

    Raises:
        ConfigError: If the MACs are limited twice.
    """
    return {
        "macs": shrunk(macs, shrink),
        "params": params,
        "macs_published": macs_published,
        "memory": memory,
        "latency_ms": latency_ms,
        "on": on,
    }


def chosen(**sections: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out settings that were not given, and sections in which none was.

    Args:
        sections: Settings by section.
    """
    kept = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in sections.items()
    }
    return {section: values for section, values in kept.items() if values}


def metric_options(texts: Sequence[str] | None) -> dict[str, dict[str, str]]:
    """Make the section ``metrics`` of what a verb was given.

    Args:
        texts: Options such as ``fid.weights=inception.pth``.

    Raises:
        ConfigError: If one is not of that form.
    """
    options: dict[str, dict[str, str]] = {}
    for text in texts or ():
        place, sign, value = text.partition("=")
        name, dot, key = place.rpartition(".")
        if not (sign and dot and name and key):
            raise ConfigError(
                f"'{text}' is not of the form name.key=value",
                hint="for example --metric-option fid.weights=inception.pth",
            )
        options.setdefault(name, {})[key] = value
    return options


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Turn ``x=1x3x64x64`` into a name and a shape.

    Args:
        text: Name and shape.

    Raises:
        ConfigError: If it is not of that form.
    """
    name, sign, shape = text.partition("=")
    sizes = shape.split("x")
    if not (name and sign and all(size.isdecimal() and int(size) > 0 for size in sizes)):
        raise ConfigError(
            f"'{text}' is not of the form name=NxCxHxW", hint="for example --input x=1x3x64x64"
        )
    return name, tuple(map(int, sizes))
