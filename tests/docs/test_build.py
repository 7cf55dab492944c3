"""The documentation builds without a warning, and says what the code says."""

import html
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from once import made_once
from pydantic import BaseModel

import gancompress
import gancompress.gan
from gancompress import errors
from gancompress.cli.app import app
from gancompress.config import RunConfig
from gancompress.hookspecs import HookSpecs
from gancompress.plugins.checking import HOOKS
from gancompress_pix2pix.options import Pix2PixOptions

from .conftest import BLOCKS, ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def build(target: Path) -> None:
        # As a process of its own: Sphinx patches and registers globally.
        words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
        done = subprocess.run(
            [*words, str(DOCS), str(target)], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "site", build)


def shown(site: Path, page: str) -> str:
    """The words of a built page, spaces made equal."""
    text = (site / f"{page}.html").read_text(encoding="utf-8")
    body = text.partition("<article")[2].partition("</article>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


def tables(model: type[BaseModel], place: str = "") -> dict[str, type[BaseModel]]:
    found = {place: model}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= tables(field.annotation, f"{place}.{name}".lstrip("."))
    return found


def test_the_configuration_page_has_every_table_and_key(site: Path) -> None:
    page = shown(site, "reference/config")
    rows = (site / "reference/config.html").read_text(encoding="utf-8")
    found = tables(RunConfig)
    assert {"train.optimiser", "search", "finetune"} <= set(found)
    for place, model in found.items():
        assert f"[{place}]" in page or not place
        for name in model.model_fields:
            if f"{place}.{name}".lstrip(".") not in found:
                assert f'<span class="pre">{name}</span>' in rows, f"{place}.{name}"
    assert all(name in page for name in Pix2PixOptions.model_fields)
    assert "recon_target" in page
    assert '"auto" or "paired" or "teacher" or "mixed" "auto" paired compares with' in page
    assert "lr number, > 0 0.0002 Learning rate of the generator." in page


def test_the_command_line_page_has_every_verb_and_option(site: Path) -> None:
    page = shown(site, "reference/cli")
    root: Any = typer.main.get_command(app)
    assert "train" in root.commands
    verbs = {"gancompress": root, **root.commands, **root.commands["data"].commands}
    del verbs["data"]  # a group: its verbs stand on the page as `data VERB`
    assert "data stats" in page
    for verb, command in verbs.items():
        assert verb in page
        for parameter in command.params:
            if parameter.name in {"install_completion", "show_completion"}:
                continue
            assert parameter.opts[-1].strip("-") in page.lower(), f"{verb} {parameter.opts}"
            assert parameter.help, f"{verb} {parameter.opts} has no help"
            assert " ".join(parameter.help.replace("`", "").split()) in page, (
                f"{verb} {parameter.opts}"
            )


def spelt(annotation: Any) -> str:
    """An annotation as the source has it: text is quoted there, None and classes are names."""
    return str(annotation if annotation is None else getattr(annotation, "__name__", annotation))


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_stands_with_its_literal_signature_and_when_it_fires(
    site: Path, hook: str
) -> None:
    signature = inspect.signature(getattr(HookSpecs, hook))
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    written = ", ".join(f"{p.name}: {spelt(p.annotation)}" for p in parameters)
    definition = f"@hookimpl\ndef {hook}({written}) -> {spelt(signature.return_annotation)}:\n"
    source = DOCS / "reference" / "hooks.md"
    assert any(definition in b.text for b in BLOCKS if b.page == source and not b.untested)
    docstring = inspect.getdoc(getattr(HookSpecs, hook)) or ""
    fires = next(line for line in docstring.splitlines() if "Fires " in line)
    plain = re.sub(r"[`*]", "", fires)
    assert " ".join(plain.split()) in shown(site, "reference/hooks")


def test_the_error_page_draws_the_tree_and_explains_every_error(site: Path) -> None:
    page = (site / "reference/errors.html").read_text(encoding="utf-8")
    tree = re.findall(r"^ +(?:[│ ]*[├└]──.*|GancompressError)$", errors.__doc__ or "", re.MULTILINE)
    assert len(tree) == len(
        [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, Exception)]
    )
    plain = html.unescape(re.sub(r"<[^>]+>", "", page))
    for line in tree:
        assert line.strip() in plain
        (name,) = re.findall(r"\w+Error\b", line)[:1]
        assert f'id="gancompress.errors.{name}"' in page


@pytest.mark.parametrize("name", gancompress.__all__)
def test_every_public_name_is_documented(site: Path, name: str) -> None:
    pages = [(site / f"reference/{page}.html").read_text() for page in ("api", "errors")]
    anchors = (f'id="gancompress.{name}"', f'id="gancompress.errors.{name}"')
    assert any(anchor in page for page in pages for anchor in anchors)


# Aliases explain themselves, and recipes are the configuration page.
ALIASES = {"AnyFamily", "GanMode", "NormName", "PerceptualName", "Recipe", "ResNetName"}
KIT = sorted(set(gancompress.gan.__all__) - ALIASES)


@pytest.mark.parametrize("name", KIT)
def test_every_name_of_the_kit_is_documented(site: Path, name: str) -> None:
    assert f'id="gancompress.gan.{name}"' in (site / "reference/api.html").read_text()


def test_every_decision_is_in_the_index(site: Path) -> None:
    index = (site / "decisions/index.html").read_text(encoding="utf-8")
    records = [path.stem for path in (DOCS / "decisions").glob("0*.md")]
    assert records
    assert all(f'href="{record}.html"' in index for record in records)
