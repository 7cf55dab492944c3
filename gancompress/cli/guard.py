"""A fence around every verb: other people's code runs inside it, generators and plugins."""

import errno
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from gancompress.errors import GancompressError, PluginError, StorageError

P = ParamSpec("P")
R = TypeVar("R")

# What a path can do wrong that its owner can set right; anything else is a bug and stays one.
_SET_RIGHT: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS}
)


def guarded(verb: Callable[P, R]) -> Callable[P, R]:
    """Run a verb so that nothing foreign speaks on stdout or ends the process.

    What generators and plugins print goes to stderr: stdout carries the result alone.

    Args:
        verb: A function of the command line.

    Returns:
        The same, fenced.

    Raises:
        PluginError: If foreign code leaves Python.
        StorageError: If a path is not one that may be looked at.
    """

    @wraps(verb)
    def fenced(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with redirect_stdout(sys.stderr):
                return verb(*args, **kwargs)
        except SystemExit as leaving:
            # No verb leaves by itself, and a code of 0 would look like success.
            raise PluginError(
                f"a generator or a plugin called 'sys.exit({leaving.code!r})'",
                hint="take the call out; see where it is with --traceback",
            ) from leaving
        except OSError as error:
            explained = _explained(error)
            if explained is None:
                raise
            raise explained from error

    return fenced


def _explained(error: OSError) -> GancompressError | None:
    if error.errno not in _SET_RIGHT or error.filename is None:
        return None
    return StorageError(
        f"'{error.filename}' cannot be used: {error.strerror}",
        hint="give a path that you may read and write",
    )
