"""The folder for what can be made or fetched again: downloads, statistics of real pictures."""

import os
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

VARIABLE: Final = "GANCOMPRESS_CACHE"


def cache_folder() -> Path:
    """Return the user's cache folder, which need not exist yet.

    It is the one that the platform has for this, or what the variable ``GANCOMPRESS_CACHE`` names.
    Whatever lies in it may be removed at any time.
    """
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_cache_path("gancompress", appauthor=False)
