"""Importing what the user names: a file, or an attribute of a file or module."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from gancompress.errors import ConfigError
from gancompress.plugins.info import describe


def load_file(path: Path) -> ModuleType:
    """Run a Python file as a module; it can import what lies beside it.

    A file that this process has run already, or imported, is not run again: a plugin's rule and
    the generator that it is for have to mean the same classes.

    Args:
        path: An existing file.

    Returns:
        The module, under a name that no installed module has unless it was imported before.

    Raises:
        Exception: Whatever the file raises.
    """
    path = path.resolve()
    content = path.read_bytes() if path.is_file() else b""  # another one is another module
    name = f"gancompress_file_{path.stem}_{sha256(str(path).encode() + content).hexdigest()[:8]}"
    known = _imported(path) or sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"'{path}' is no Python file")
    module = importlib.util.module_from_spec(spec)
    # Data classes, pickling and tracebacks look a class's module up by its name.
    sys.modules[name] = module
    try:
        with _importable(path.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _imported(path: Path) -> ModuleType | None:
    """Return the module that a plugin, or the calling program, has imported a file as."""
    for name, module in list(sys.modules.items()):
        file = str(getattr(module, "__file__", None) or "")
        if name == "__main__" or name.startswith("gancompress_file_"):
            continue
        if file.endswith(path.name) and Path(file).resolve() == path:
            return module
    return None


def load_reference(reference: str) -> Any:
    """Import the attribute that a reference names.

    Args:
        reference: ``pkg.mod:attribute`` or ``file.py:attribute``; the attribute may be dotted.

    Returns:
        The attribute.

    Raises:
        ConfigError: If the file or module is missing, cannot be imported, or has no such attribute.
    """
    place, _, attribute = reference.rpartition(":")
    module = _module(place, reference)
    value: Any = module
    for part in attribute.split("."):
        if not hasattr(value, part):
            public = ", ".join(name for name in dir(module) if not name.startswith("_"))
            raise ConfigError(f"'{place}' has no '{attribute}'", hint=f"it has: {public}")
        value = getattr(value, part)
    return value


def _module(place: str, reference: str) -> ModuleType:
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise ConfigError(f"'{place}' does not exist", hint=f"check the path in '{reference}'")
    try:
        if is_file:
            return load_file(Path(place))
        # An installed command does not look into the current folder, where users keep their code.
        with _importable(Path.cwd()):
            return importlib.import_module(place)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"'{place}' cannot be imported: {describe(error)}",
            hint="run it with python by itself, or see the whole story with --traceback",
        ) from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
