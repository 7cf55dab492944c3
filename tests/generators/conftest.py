"""The order of the tests: all of one generator together."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what is made once for a generator be made in one of several processes only."""
    here = [
        place
        for place, item in enumerate(items)
        if item.path.parent == Path(__file__).parent
        and isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and "case" in item.callspec.params
    ]
    ordered = sorted((items[place] for place in here), key=_generator)
    for place, item in zip(here, ordered, strict=True):
        items[place] = item


def _generator(item: pytest.Item) -> str:
    assert isinstance(item, pytest.Function)
    return str(item.callspec.params["case"].name)
