"""What a call of the command line was, as a line of the run's events: how to do it again."""

import os
import platform
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from gancompress import __version__

_PACKAGES: Final = ("torch", "torchvision", "numpy", "onnx", "onnxruntime", "openvino")
_SECRET: Final = "--storage"  # noqa: S105 - the option whose value is one
_HIDDEN: Final = "ADDRESS"
_PASSWORD: Final = re.compile(r"(://)[^/@\s]*@")


def call_record(words: Sequence[str]) -> dict[str, Any]:
    """Describe a call.

    Args:
        words: The arguments as they were given.

    Returns:
        An event: arguments without passwords, versions of packages, and the machine.
    """
    return {
        "event": "Called",
        "arguments": without_secrets(words),
        "folder": str(Path.cwd()),
        "versions": _versions(),
        "machine": _machine(),
    }


def without_secrets(words: Sequence[str]) -> list[str]:
    """Take out what must not be written down: addresses of databases, names and passwords of URLs.

    Args:
        words: The arguments.
    """
    shown: list[str] = []
    for word in words:
        if shown and shown[-1] == _SECRET:
            shown.append(_HIDDEN)
        elif word.startswith(f"{_SECRET}="):
            shown.append(f"{_SECRET}={_HIDDEN}")
        else:
            shown.append(_PASSWORD.sub(r"\1", word))
    return shown


def _versions() -> dict[str, str]:
    found = {"gancompress": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, str]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "logical cores": str(os.cpu_count() or "unknown"),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # there is one on Linux only
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()
