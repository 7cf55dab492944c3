import inspect
import re

import pytest

from gancompress import errors
from gancompress.errors import GancompressError, MissingExtraError, RunError, StorageError

CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, GancompressError)
]


def test_a_hint_is_a_line_of_its_own() -> None:
    assert str(GancompressError("'x' is bad")) == "'x' is bad"
    error = GancompressError("'x' is bad", hint="try 'y'")
    assert str(error) == "'x' is bad\nhint: try 'y'"
    assert (error.message, error.hint, error.exit_code) == ("'x' is bad", "try 'y'", 2)


def test_a_missing_extra_says_how_to_install_it() -> None:
    error = MissingExtraError("onnxruntime", "onnx")

    assert (error.package, error.extra) == ("onnxruntime", "onnx")
    assert error.message == "'onnxruntime' is not installed"
    assert 'python -m pip install "gancompress[onnx]"' in error.hint


def test_a_full_disk_is_trouble_of_the_run() -> None:
    assert issubclass(StorageError, RunError)


@pytest.mark.parametrize("error", CLASSES)
def test_the_tree_in_the_docstring_has_every_error_and_its_parent(
    error: type[GancompressError],
) -> None:
    lines = (errors.__doc__ or "").splitlines()
    depth = {
        match[2]: len(match[1])
        for line in lines
        if (match := re.match(r"^([ │├└─]*)([A-Z]\w+Error)\b", line))
    }
    assert error.__name__ in depth
    (parent,) = error.__bases__
    if parent is not Exception:
        assert depth[parent.__name__] < depth[error.__name__]


def test_the_tree_has_nothing_else() -> None:
    drawn = set(re.findall(r"^[ │├└─]*([A-Z]\w+Error)\b", errors.__doc__ or "", re.MULTILINE))

    assert drawn == {error.__name__ for error in CLASSES}
