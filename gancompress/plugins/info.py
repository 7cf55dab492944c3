"""Where plugins come from, and what is wrong with those that are broken."""

import logging
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that works.

    Args:
        name: Name of its entry point, or of its file.
        distribution: The distribution that brings it, or the path of its file.
        version: The distribution's version; empty for a file.
        hooks: Names of the hooks that it implements, sorted.
    """

    name: str
    distribution: str
    version: str = ""
    hooks: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Distribution and version in one string, such as ``gancompress 0.1.0``."""
        return f"{self.distribution} {self.version}".strip()


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin, or one hook of it, that was left out.

    Args:
        name: Name of its entry point, or of its file.
        distribution: The distribution that brings it, or the path of its file.
        reason: Why, as one sentence.
        version: The distribution's version; empty for a file.
    """

    name: str
    distribution: str
    reason: str
    version: str = ""

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}".strip()
        return f"plugin '{self.name}' of '{origin}' is broken: {self.reason}"


def log_broken(broken: BrokenPlugin) -> None:
    """Log a broken plugin as a warning: how a host reports where no face does it better.

    Args:
        broken: What was left out, and why.
    """
    logging.getLogger(__name__).warning("%s", broken)


def same_name(first: str, second: str) -> bool:
    """Say whether two names of plugins or distributions are one, as PyPI compares them.

    Args:
        first: A name.
        second: Another one.

    Returns:
        Whether they differ at most in case, and in ``-``, ``_`` and ``.``.
    """
    return _normalised(first) == _normalised(second)


def describe(error: BaseException) -> str:
    """Return an exception as one line: its type and its message.

    Args:
        error: Raised by a plugin.

    Returns:
        Such as ``ModuleNotFoundError: No module named 'lpips'``.
    """
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
