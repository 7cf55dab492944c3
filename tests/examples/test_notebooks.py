"""The notebooks run from top to bottom, on tiny pictures and few steps, all in one kernel."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from PIL import Image

from gancompress.plugins import PluginHost
from gancompress.store import save_tensors

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = {
    "pix2pix": "openmoji",
    "cyclegan": "desert2forest",
    "gaugan": "landcover",
    "your_own_generator": "",
}
LARGEST = 300_000  # bytes of a notebook with what it shows
SETTINGS = {
    "distill": {"steps": 1, "batch_size": 2},
    "finetune": {"steps": 1, "batch_size": 2},
    "search": {"macs": "1.2x", "trials": 1, "pictures": 4},
    "decompose": {"fit": 2},
}
# As in the recipe, but for the sizes: a teacher of them is made here.
SIZES = {
    "pix2pix": {"generator_width": 16, "blocks": 1, "discriminator_width": 4},
    "cyclegan": {"generator_width": 16, "blocks": 1, "discriminator_width": 4},
    "gaugan": {"generator_width": 8, "hidden": 16, "discriminator_width": 4, "spectral": False},
}


def paint(path: Path, shape: tuple[int, ...], most: int = 256) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path.name)) + sum(map(ord, str(path))))
    Image.fromarray(rng.integers(0, most, shape, dtype=np.uint8)).save(path)


def pictures(folder: Path, family: str) -> Path:
    """Write eight tiny pictures a split, in the folders of a family."""
    for split in ("train", "val", "test"):
        for index in range(8):
            name = f"{index}.png"
            if family == "cyclegan":
                for domain in "AB":
                    paint(folder / f"{split}{domain}" / name, (32, 32, 3))
            elif family == "gaugan":
                paint(folder / split / "label" / name, (32, 32), 17)
                paint(folder / split / "image" / name, (32, 32, 3))
            else:
                paint(folder / split / name, (32, 64, 3))
    return folder


def parameters(name: str, folder: Path) -> str:
    """Return the cell that stands in for the notebook's parameters."""
    data = {"data": str(pictures(folder / "data", name)), "size": 32}
    if not NOTEBOOKS[name]:
        steps = "TEACHER_STEPS, DISTILL_STEPS, FINETUNE_STEPS, TRIALS = 1, 1, 1, 1"
        sizes = "WIDTH = 16\nBUDGET = '1.2x'\nHELD_OUT = 8"
        return f"OPTIONS = {data}\n{steps}\n{sizes}\nFILE = {str(folder / 'small.onnx')!r}"
    options = data | SIZES[name]
    family = PluginHost.discover().family(name)
    settled = family.options(**family.recipes()[NOTEBOOKS[name]].options | options)
    teacher = folder / "generator.safetensors"
    save_tensors(teacher, family.generator(settled).state_dict())
    # The quickest target to write; the notebook that runs its file keeps ONNX.
    target = {"target": "onnx" if name == "pix2pix" else "torch"}
    settings = SETTINGS | {"export": target}
    values = {"TEACHER": str(teacher), "OPTIONS": options, "SETTINGS": settings}
    lines = [f"{key} = {value!r}" for key, value in (values | {"OUT": str(folder / "run")}).items()]
    return "\n".join([f"FAMILY, RECIPE = {name!r}, {NOTEBOOKS[name]!r}", *lines])


def read(name: str) -> Any:
    return nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)


def shown(book: Any) -> str:
    """Return the text of everything that the cells have shown."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    texts = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in outputs]
    return "\n".join(texts)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the notebooks after they have run, and beside each what it has written."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name in NOTEBOOKS:
        book = read(name)
        (cell,) = [c for c in book.cells if "parameters" in c.metadata.get("tags", ())]
        given = cell.source
        cell.source = parameters(name, folder / name)
        assert names_set_in(cell.source) == names_set_in(given)
        book.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
        nbformat.write(book, folder / f"{name}.ipynb")
    runner = Path(__file__).with_name("run_notebooks.py")
    words = [sys.executable, str(runner), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def names_set_in(source: str) -> set[str]:
    return set(re.findall(r"^([A-Z_, ]+) =", source, re.MULTILINE))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(name: str, executed: Path) -> None:
    book = nbformat.read(executed / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
    text = shown(book)
    for word in ("Fréchet", "MACs, true", "MACs, published", "parameters", "latency"):
        assert word in text
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(drawn) == 2  # before and after
    assert (executed / name / ("run" if NOTEBOOKS[name] else "small.onnx")).exists()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_explains_itself_and_is_small(name: str) -> None:
    book = read(name)
    assert (EXAMPLES / f"{name}.ipynb").stat().st_size < LARGEST
    previous = "markdown"
    for cell in book.cells:
        tagged = "parameters" in cell.metadata.get("tags", ())
        assert "markdown" in (cell.cell_type, previous) or tagged, cell.source
        previous = cell.cell_type
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", "".join(c.source for c in book.cells)):
        assert (EXAMPLES / link).is_file(), link


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.ipynb")} == set(NOTEBOOKS)
