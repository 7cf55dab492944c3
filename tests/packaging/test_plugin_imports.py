"""The plugins that ship use what a stranger's can use, and the contract forbids all the rest."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {"gancompress", "gancompress.gan"}
FILES = sorted((ROOT / "plugins").glob("*/gancompress_*/**/*.py"))
EXAMPLES = sorted((ROOT / "examples" / "minimal_plugin").glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("path", [*FILES, *EXAMPLES], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_plugin_imports_the_package_and_its_kit_alone(path: Path) -> None:
    assert {m for m in imported(path) if m.partition(".")[0] == "gancompress"} <= ALLOWED


def test_the_contract_forbids_every_other_part() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    forbidden = next(c for c in contracts["contracts"] if c["type"] == "forbidden")
    parts = {
        f"gancompress.{path.stem}"
        for path in (ROOT / "gancompress").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }

    assert set(forbidden["forbidden_modules"]) == {
        part for part in parts if part not in ALLOWED and "__" not in part
    }
    assert set(forbidden["source_modules"]) == {
        path.relative_to(ROOT / "plugins").parts[1] for path in FILES
    }
