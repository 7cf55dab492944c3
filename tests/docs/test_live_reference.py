"""What the reference pages' directives write."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from .conftest import ROOT


@pytest.fixture(scope="module")
def live() -> ModuleType:
    path = ROOT / "docs" / "extensions" / "live_reference.py"
    spec = importlib.util.spec_from_file_location("live_reference", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Sample(BaseModel):
    """A sample.

    Args:
        name: What it is called,
            in two lines.
        size: How large.
        kind: Which | of them.
        place: Where.
        both: Two numbers.
        table: Words by name.
        on: Whether.
    """

    name: str
    size: int = Field(3, ge=1, le=9)
    kind: Literal["a", "b"] | None = None
    place: Path | None = None
    both: tuple[float, float] = (0.5, 1.0)
    table: dict[str, int] = Field(default_factory=dict)
    on: bool = True


def test_keys_show_value_default_and_meaning(live: ModuleType) -> None:
    lines = live.model_keys(f"{__name__}.Sample").splitlines()
    assert lines[2:] == [
        "| `name` | text | required | What it is called, in two lines. |",
        "| `size` | whole number, ≥ 1, ≤ 9 | `3` | How large. |",
        '| `kind` | `"a"` or `"b"` | none | Which \\| of them. |',
        "| `place` | path | none | Where. |",
        "| `both` | list of number | `[0.5, 1.0]` | Two numbers. |",
        "| `table` | table of whole number | `{}` | Words by name. |",
        "| `on` | true or false | `true` | Whether. |",
    ]


def test_an_undocumented_key_is_an_error(live: ModuleType) -> None:
    class Silent(BaseModel):
        """Says nothing of its key."""

        key: int = 0

    with pytest.raises(KeyError, match="key"):
        live._keys(Silent)
