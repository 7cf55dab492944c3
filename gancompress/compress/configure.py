"""One configuration from a family's recipe, a TOML file and single options, in that order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gancompress.config import Recipe, RunConfig, parse, read_toml
from gancompress.errors import ConfigError
from gancompress.gan import AnyFamily


def configure(
    family: AnyFamily,
    *,
    recipe: str | None = None,
    config: Path | None = None,
    options: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Merge what the user gave into one configuration; what comes later wins.

    Args:
        family: The GAN family.
        recipe: Name of one of its recipes; None takes the one that the file names.
        config: A TOML file with the keys of `RunConfig`.
        options: The family's options as ``key=value``.
        overrides: Nested keys of `RunConfig`, such as ``{"train": {"steps": 10}}``.

    Returns:
        The configuration, with every option of the family spelt out. Relative paths among them,
        and the file of a generator's reference, are made absolute: later calls may come from
        another folder.

    Raises:
        ConfigError: If a recipe, a key or a value is unknown.
    """
    written = read_toml(config) if config is not None else {}
    # By itself first: what is wrong in it is told with its name, and before anything looks at it.
    parse(RunConfig, {**written, "family": family.name}, source=f"'{config}'")
    recipe = recipe if recipe is not None else written.get("recipe")
    values: dict[str, Any] = {}
    if recipe is not None:
        values = _recipe(family, recipe).model_dump(mode="json", exclude_unset=True)
    if written.get("generator") or (overrides or {}).get("generator"):
        values.pop("teacher", None)  # the recipe's teacher is one of the family's own generator
    _merge(values, written)
    _merge(values, {"options": dict(_pair(option) for option in options)})
    _merge(values, overrides or {})
    values |= {"family": family.name, "recipe": recipe}
    chosen = parse(family.options, values["options"], source=f"the options of '{family.name}'")
    values["options"] = _anywhere(chosen)
    if isinstance(values.get("generator"), str):
        values["generator"] = _reference_anywhere(values["generator"])
    if isinstance(values.get("metrics"), Mapping):
        values["metrics"] = _files_anywhere(values["metrics"])
    result: RunConfig = parse(RunConfig, values, source="the options")
    return result


def override(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """Change single settings of a configuration.

    Args:
        config: The configuration; it is left as it is.
        changes: Nested keys, such as ``{"search": {"trials": 10}}``.

    Raises:
        ConfigError: If a key or a value cannot be used.
    """
    values = config.model_dump(mode="json")
    _merge(values, changes)
    values["metrics"] = _files_anywhere(values["metrics"])
    result: RunConfig = parse(RunConfig, values, source="the options")
    return result


def scale_steps(config: RunConfig, steps: int) -> RunConfig:
    """Set the steps of the distillation, and those of fine-tuning in proportion.

    Args:
        config: The configuration; it is left as it is.
        steps: Steps of the distillation.

    Raises:
        ConfigError: If there is not one step.
    """
    finetune = max(1, round(config.finetune.steps * steps / config.distill.steps))
    return override(config, {"distill": {"steps": steps}, "finetune": {"steps": finetune}})


def _anywhere(options: BaseModel) -> dict[str, Any]:
    """Return options as JSON values, with absolute paths."""
    paths = {
        name: str(value.resolve())
        for name in type(options).model_fields
        if isinstance(value := getattr(options, name), Path) and not value.is_absolute()
    }
    return {**options.model_dump(mode="json"), **paths}


def _reference_anywhere(reference: str) -> str:
    place, sign, attribute = reference.rpartition(":")
    path = Path(place)
    if not sign or path.suffix != ".py" or not path.is_file():
        return reference
    return f"{path.resolve()}:{attribute}"


def _files_anywhere(values: Any) -> Any:
    """Make absolute what names a file of the current folder, or an attribute of one."""
    if isinstance(values, Mapping):
        return {key: _files_anywhere(value) for key, value in values.items()}
    if not isinstance(values, str) or not values:
        return values
    path = Path(values).expanduser()
    return str(path.resolve()) if path.is_file() else _reference_anywhere(values)


def _recipe(family: AnyFamily, name: Any) -> Recipe:
    recipes = family.recipes()
    if name not in recipes:
        known = ", ".join(sorted(recipes)) or "none"
        raise ConfigError(
            f"family '{family.name}' has no recipe '{name}'", hint=f"known recipes: {known}"
        )
    return recipes[name]


def _pair(option: str) -> tuple[str, str]:
    key, sign, value = option.partition("=")
    if not sign or not key:
        raise ConfigError(f"'{option}' is not of the form key=value", hint="for example -o size=64")
    return key, value


def _merge(base: dict[str, Any], update: Mapping[str, Any]) -> None:
    for key, value in update.items():
        if isinstance(value, Mapping):
            inner = base.setdefault(key, {})
            if isinstance(inner, dict):
                _merge(inner, value)
                continue
        base[key] = value
