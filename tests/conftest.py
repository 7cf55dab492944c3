"""Settings and options of the whole suite."""

import gc
import os
from collections.abc import Iterator

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


def pytest_collection_finish() -> None:
    """Spare every collection of garbage the hundreds of thousands of objects of the imports."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep statistics and downloads of a test run out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANCOMPRESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
