"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that writes golden files anew."""
    parser.addoption(
        "--update-golden", action="store_true", help="write the files of tests/golden anew"
    )
