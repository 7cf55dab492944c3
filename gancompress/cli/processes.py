"""One command in several processes: who does it, and who tells the user."""

import os
from typing import Final

_LAUNCHED: Final = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def follows() -> bool:
    """Say whether another process leads this command: it writes and speaks, this one does not."""
    return _is_launched() and os.environ["RANK"] != "0"


def stand_alone() -> bool:
    """Have process 0 do a command that is done by one.

    Returns:
        Whether this process is the one; it then waits for no other.
    """
    if follows():
        return False
    for name in _LAUNCHED:
        os.environ.pop(name, None)
    return True


def speaks() -> bool:
    """Say whether this process tells the user what has failed: the first one to fail does."""
    if not _is_launched():
        return True
    from gancompress.distill import is_first_to_fail

    return is_first_to_fail()


def leave() -> None:
    """Take leave of the other processes."""
    if _is_launched():
        from gancompress.distill import leave as leave_team

        leave_team()


def _is_launched() -> bool:
    # As in `gancompress.distill`, without importing torch for every --help.
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ
