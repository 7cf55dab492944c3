"""The notebooks run from top to bottom, on tiny pictures and few steps, all in one kernel."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
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


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelManager]:
    """One kernel, which loads torch once."""
    folder = tmp_path_factory.mktemp("kernel")
    # Sockets in a folder: no port is opened. Their paths hold from any current folder.
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=str(folder / "ipc"))
    manager.start_kernel(cwd=str(folder))
    yield manager
    manager.shutdown_kernel(now=True)


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


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(
    name: str, kernel: KernelManager, tmp_path: Path
) -> None:
    book = read(name)
    (cell,) = [c for c in book.cells if "parameters" in c.metadata.get("tags", ())]
    set_here = set(re.findall(r"^([A-Z_, ]+) =", cell.source, re.MULTILINE))
    cell.source = parameters(name, tmp_path)
    assert set(re.findall(r"^([A-Z_, ]+) =", cell.source, re.MULTILINE)) == set_here
    book.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    # A cell that raises ends the run with its traceback.
    NotebookClient(
        book, km=kernel, timeout=120, resources={"metadata": {"path": tmp_path}}
    ).execute()
    text = shown(book)
    for word in ("Fréchet", "MACs, true", "MACs, published", "parameters", "latency"):
        assert word in text
    drawn = [
        o for c in book.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})
    ]
    assert len(drawn) == 2  # before and after
    assert (tmp_path / ("run" if NOTEBOOKS[name] else "small.onnx")).exists()


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
