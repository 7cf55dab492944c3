"""Configurations from TOML and from Python, with the first problem as one sentence."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gancompress.errors import ConfigError


def parse(model: type[BaseModel], values: Any, *, source: str) -> Any:
    """Validate values against a model, with the first problem as one sentence.

    Args:
        model: The pydantic model.
        values: A mapping, as TOML gives it.
        source: What to name in the error, such as ``run.toml``.

    Returns:
        An instance of the model.

    Raises:
        ConfigError: If a key is unknown or a value cannot be used.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or model.__name__
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"'{where}' in {source} cannot be used: {message[:1].lower()}{message[1:]}",
            hint=f"known keys: {', '.join(_known(model, first['loc']))}",
        ) from None


def _known(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Return the keys that stand beside the one at a place."""
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.

    Returns:
        Its tables.

    Raises:
        ConfigError: If it does not exist or is not TOML.
    """
    try:
        # Editors of some systems begin a file with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"'{path}' cannot be read: {error.strerror}", hint="give the path of a TOML file"
        ) from None
    except ValueError as error:  # of the format, of the encoding, or a number of 5000 digits
        raise ConfigError(
            f"'{path}' is not TOML: {error}", hint="see docs/reference/config"
        ) from None
