"""How a contract says that it is broken."""

import pytest


def require(holds: bool, sentence: str) -> None:
    """Fail the running test where something does not hold.

    Args:
        holds: Whether it holds.
        sentence: What is wrong, for the author of the plugin.
    """
    # Not `assert`: pytest explains only asserts of test modules, and -O drops them.
    if not holds:
        pytest.fail(sentence, pytrace=False)
