import pytest

from gancompress.metrics import Lite0Features


@pytest.fixture(scope="session")
def lite0() -> Lite0Features:
    """A shallow extractor: the tests are about what is done with features."""
    return Lite0Features(block=2)
