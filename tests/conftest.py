"""Settings and options of the whole suite."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# What CI runs must not depend on the day: the same examples every time, on a machine of any speed.
settings.register_profile("ci", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


# What these run is measured in the folders that mirror the package: Python's tracer, which coverage
# needs, makes tests of much Python take twice as long.
UNMEASURED = ("benchmarks", "docs", "examples", "generators", "golden", "properties")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take no coverage where other tests take it."""
    folders = tuple(Path(__file__).parent / name for name in UNMEASURED)
    for item in items:
        if any(folder in item.path.parents for folder in folders):
            item.add_marker(pytest.mark.no_cover)


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
