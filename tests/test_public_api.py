import inspect

import pytest

import gancompress


@pytest.mark.parametrize("name", gancompress.__all__)
def test_every_public_name_is_what_its_home_defines(name: str) -> None:
    value = getattr(gancompress, name)
    # The marker of hook implementations is an instance, and instances have no name.
    assert getattr(value, "__name__", name) == name


@pytest.mark.parametrize("name", ["search", "distill", "sensitivity", "export", "compress"])
def test_functions_stay_functions_after_their_package_is_imported(name: str) -> None:
    # The sub-packages have the same names, and importing one used to put a module there.
    __import__(f"gancompress.{name}")
    assert inspect.isfunction(getattr(gancompress, name))


def test_unknown_names_are_refused_and_known_ones_are_listed() -> None:
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = gancompress.serach  # type: ignore[attr-defined]
    assert {"trace", "analyse", "Supernet"} <= set(dir(gancompress))
