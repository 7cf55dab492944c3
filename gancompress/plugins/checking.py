"""Reading a plugin's hooks before it is registered, so that a mistake is named and not ignored."""

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from gancompress.hookspecs import HookSpecs

HOOKS: Final = tuple(sorted(name for name in vars(HookSpecs) if name.startswith("gancompress_")))

ParseImpl: TypeAlias = Callable[[object, str], Mapping[str, Any] | None]


def read_hooks(plugin: object, parse: ParseImpl) -> tuple[str, ...]:
    """List the hooks that a plugin implements.

    Args:
        plugin: A module or another object with functions.
        parse: pluggy's ``PluginManager.parse_hookimpl_opts``.

    Returns:
        Names of hooks, sorted; at least one.

    Raises:
        ValueError: If a hook is misspelt or not marked, or there is none.
    """
    hooks = []
    for name in dir(plugin):
        options = parse(plugin, name)
        if options is None:
            _refuse_unmarked(plugin, name)
            continue
        hook = options.get("specname") or name
        if hook in HOOKS:
            hooks.append(hook)
        elif not options.get("optionalhook"):
            raise ValueError(f"'{hook}' is no hook{_suggestion(hook)}")
    if not hooks:
        raise ValueError("it implements no hook: mark its functions with @gancompress.hookimpl")
    return tuple(sorted(hooks))


def _refuse_unmarked(plugin: object, name: str) -> None:
    if name in HOOKS and inspect.isroutine(getattr(plugin, name)):
        raise ValueError(f"'{name}' is not marked with @gancompress.hookimpl")


def _suggestion(name: str) -> str:
    close = get_close_matches(name, HOOKS, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known hooks: {', '.join(HOOKS)}"
