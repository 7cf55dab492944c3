"""Directives that write reference pages from the code itself, so that they cannot go stale.

Each function returns Markdown, which the directive of the same name parses in its place.
"""

import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gancompress.config import RunConfig

# -- configuration ---------------------------------------------------------------------------------


_TYPES: Mapping[Any, str] = {
    str: "text",
    Any: "anything",
    bool: "true or false",
    float: "number",
    int: "whole number",
    Path: "path",
}


def run_configuration() -> str:
    """Describe every key of `RunConfig`, one section for each pydantic model."""
    places: dict[type[BaseModel], list[str]] = {}
    for place, model in _tables(RunConfig, ""):
        places.setdefault(model, []).append(place)
    sections = []
    for model, found in places.items():
        names = ", ".join(f"`[{place}]`" for place in found if place)
        sections.append(f"## {names or 'Top level'}\n\n{_summary(model)}\n\n{_keys(model)}")
    return "\n\n".join(sections)


def model_keys(dotted: str) -> str:
    """Describe the keys of one pydantic model.

    Args:
        dotted: Where it is defined, such as ``package.module.Options``.
    """
    module, _, name = dotted.rpartition(".")
    return _keys(getattr(import_module(module), name))


def _tables(model: type[BaseModel], place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield place, model
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _tables(field.annotation, f"{place}.{name}".lstrip("."))


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").split("\n\n")[0]


def _keys(model: type[BaseModel]) -> str:
    described = _arguments(model)
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue  # a table of its own
        cells = (f"`{name}`", _value(field), _default(field), described[name])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _arguments(model: type[BaseModel]) -> Mapping[str, str]:
    """Read the ``Args:`` sections of a model's docstring and of its bases'."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel):
            section = (base.__doc__ or "").partition("Args:\n")[2]
            for name, text in re.findall(r"^ {8}(\w+): ((?:.|\n {12})+)", section, re.MULTILINE):
                found[name] = " ".join(text.split())
    return found


def _value(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(rule, attribute)}"
        for rule in field.metadata
        for attribute, sign in (
            ("gt", ">"),
            ("ge", "≥"),
            ("lt", "<"),
            ("le", "≤"),
            ("multiple_of", "multiple of"),
        )
        if hasattr(rule, attribute)
    ]
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(_type(a) for a in arguments if a is not type(None))
    if origin is Annotated:
        return _type(arguments[0])
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"table of {_type(arguments[1])}"
    return _TYPES.get(annotation, f"`{getattr(annotation, '__name__', annotation)}`")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if value == "":
        return "empty"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


# -- command line ----------------------------------------------------------------------------------


def command_line() -> str:
    """Describe the global options and every verb, from the typer application."""
    from gancompress.cli.app import app  # noqa: PLC0415 - so that other pages build without it

    root: Any = typer.main.get_command(app)
    sections = [f"## Global options\n\n{_docstring(root)}\n\n{_parameters(root)}"]
    for name, verb in _verbs(root.commands):
        arguments = [p for p in verb.params if p.param_type_name == "argument"]
        usage = " ".join(
            ["gancompress", name, *(_metavar(p) for p in arguments), "[options]"]
            if verb.params
            else ["gancompress", name]
        )
        sections.append(f"## `{name}`\n\n`{usage}`\n\n{_docstring(verb)}\n\n{_parameters(verb)}")
    return "\n\n".join(sections)


def _verbs(commands: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in commands.items():
        if getattr(command, "commands", None):  # a group, such as the verbs about data
            yield from _verbs(command.commands, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _docstring(command: Any) -> str:
    text = inspect.getdoc(command.callback) or ""
    return re.sub(r"^Example: (.+)$", r"Example: `\1`", text, flags=re.MULTILINE)


def _metavar(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]")
    return name if parameter.required else f"[{name}]"


def _parameters(command: Any) -> str:
    # How --help and shell completion work is typer's business.
    own = [p for p in command.params if p.name not in {"install_completion", "show_completion"}]
    if not own:
        return "It has no options of its own."
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for p in own:
        names = _metavar(p) if p.param_type_name == "argument" else ", ".join(p.opts)
        many = " (may be repeated)" if p.multiple else ""
        default = "required" if p.required else _shown(p.default)
        lines.append(f"| `{names}` | {default} | {p.help or ''}{many} |")
    return "\n".join(lines)


def _shown(default: Any) -> str:
    return "" if default is None or isinstance(default, bool) else f"`{default}`"


# -- Sphinx ----------------------------------------------------------------------------------------


def _directive(write: Callable[..., str], arguments: int) -> type[SphinxDirective]:
    class Live(SphinxDirective):
        required_arguments = arguments

        def run(self) -> list[nodes.Node]:
            text = write(*self.arguments)
            return self.parse_text_to_nodes(text, allow_section_headings=True)

    return Live


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("run-configuration", _directive(run_configuration, 0))
    app.add_directive("model-keys", _directive(model_keys, 1))
    app.add_directive("command-line", _directive(command_line, 0))
    return {"parallel_read_safe": True}
