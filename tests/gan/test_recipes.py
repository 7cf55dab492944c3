import sys
from pathlib import Path

import pytest

from gancompress.errors import ConfigError
from gancompress.gan import read_recipes


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "plug_recipes"
    (place / "recipes").mkdir(parents=True)
    (place / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, place.name, raising=False)
    return place


def test_a_teachers_path_starts_at_the_package(package: Path) -> None:
    (package / "recipes" / "b.toml").write_text('teacher = "teachers/b"\n')
    (package / "recipes" / "a.toml").write_text('description = "alone"\n')
    (package / "recipes" / "notes.md").write_text("no recipe")
    found = read_recipes(package.name)
    assert list(found) == ["a", "b"]
    assert found["a"].teacher is None
    assert found["b"].teacher == package / "teachers" / "b"


def test_a_file_that_is_no_recipe_is_named(package: Path) -> None:
    (package / "recipes" / "odd.toml").write_text("steps = 3\n")
    with pytest.raises(ConfigError, match=r"odd.toml"):
        read_recipes(package.name)
