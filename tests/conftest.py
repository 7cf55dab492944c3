"""Settings and options of the whole suite."""

import os

import pytest
from hypothesis import settings

# What CI runs must not depend on the day: the same examples every time, on a machine of any speed.
settings.register_profile("ci", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that writes golden files anew."""
    parser.addoption(
        "--update-golden", action="store_true", help="write the files of tests/golden anew"
    )
