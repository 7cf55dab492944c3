"""The way back: a Python module and a state dict that need nothing of this package."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from gancompress.elastic import Supernet
from gancompress.errors import ExportError
from gancompress.export import CompressedModel, TorchTarget, export
from gancompress.gan import ResNetGenerator, UNetGenerator
from gancompress.graph import trace
from gancompress.passes import Decompose, SortChannels, run_passes

ALONE = """
import json, sys
sys.modules["gancompress"] = None  # from here on an import of it fails
folder, name = sys.argv[1:]
sys.path.insert(0, folder)
from importlib import import_module
from safetensors.torch import load_file, save_file
net = import_module(name).load()
x = load_file(f"{folder}/input.st")["x"]
save_file({"y": net(x).detach()}, f"{folder}/output.st")
print(json.dumps([net.training, sorted(net.state_dict())]))
"""


def run_alone(folder: Path, name: str, picture: Tensor) -> tuple[Tensor, list[str]]:
    save_file({"x": picture}, folder / "input.st")
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(folder), name],
        capture_output=True,
        text=True,
        check=True,
    )
    training, names = json.loads(done.stdout)
    assert not training
    return load_file(folder / "output.st")["y"], names


class Everything(nn.Module):
    """Calls of every kind, a parameter and a buffer of its own, names that a module uses."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(4, 1, 1))
        self.register_buffer("places", torch.arange(4))
        self.first = nn.Conv2d(3, 4, 3, padding=1, dilation=1)
        self.tied = nn.PReLU(4)

    def forward(self, torch: Tensor, t1: Tensor | None = None) -> Tensor:
        y = self.first(torch) * self.scale + self.places.view(-1, 1, 1) / 10
        n, c, h, w = y.shape
        z = F.pad(y[:, :2, ..., 1:], (0, 1), value=-float("inf")).clamp(min=-1.5)
        z = z - -1 if t1 is None else z
        halves = y.reshape(n, c // 2, 2, h, w).sum(2).to(dtype=y.dtype)
        return self.tied(__import__("torch").cat((z, halves), dim=1))[:, :3].tanh()


def compressed() -> nn.Module:
    """A narrow, decomposed ResNet."""
    torch.manual_seed(0)
    net = ResNetGenerator(width=8, blocks=1).eval()
    traced = trace(net, (torch.rand(1, 3, 16, 16),))
    supernet = Supernet(run_passes(traced, [Decompose("resblocks"), SortChannels()]))
    return CompressedModel.from_supernet(supernet, supernet.space.smallest()).module


def unet() -> nn.Module:
    torch.manual_seed(0)
    return UNetGenerator(3, 3, 2, 5, dropout=True).eval()


def everything() -> nn.Module:
    torch.manual_seed(0)
    return Everything().eval()


@pytest.mark.parametrize("make", [compressed, unet, everything])
def test_it_runs_where_this_package_is_not(tmp_path: Path, make: type) -> None:
    net, picture = make(), torch.rand(1, 3, 32, 32) * 2 - 1
    report = export(net, tmp_path / "small.py", "torch", inputs=(picture,), tolerance=1e-6)
    assert report.max_abs_error <= 1e-6
    assert {p.name for p in tmp_path.iterdir()} == {
        *("small.py", "small.safetensors", "small.py.json", "small.py.png"),
    }
    found, names = run_alone(tmp_path, "small", picture)
    torch.testing.assert_close(found, net(picture), rtol=0, atol=1e-6)
    # The weights keep the names of the generator's own layers.
    assert names == sorted(net.state_dict()) == sorted(load_file(tmp_path / "small.safetensors"))


def test_the_module_is_one_that_people_can_read(tmp_path: Path) -> None:
    export(compressed(), tmp_path / "small.py", "torch", inputs=(torch.rand(1, 3, 16, 16),))
    text = (tmp_path / "small.py").read_text()
    assert (
        "self._put('model.1', nn.Conv2d(in_channels=3, out_channels=8, kernel_size=(7, 7)))" in text
    )
    assert "        x = layer('model.1')(x)\n" in text
    assert "t1 = x + t1" in text or "x = x + t1" in text
    tree = ast.parse(text)
    parts = [n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
    assert parts == ["Generator", "load"]
    assert "gancompress" not in text


def test_a_spectral_norm_is_written_as_the_weights_it_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    norm = nn.utils.parametrizations.spectral_norm
    net = nn.Sequential(norm(nn.Conv2d(3, 8, 3, padding=1)), nn.ReLU(), nn.Conv2d(8, 3, 1)).eval()
    pictures = torch.rand(2, 3, 12, 16) * 2 - 1

    export(net, tmp_path / "net.py", "torch", inputs=(pictures,))

    drawn, names = run_alone(tmp_path, "net", pictures)
    assert "0.weight" in names
    with torch.no_grad():
        torch.testing.assert_close(drawn, net(pictures))


def test_a_variable_is_given_back_when_nobody_needs_it(tmp_path: Path) -> None:
    export(unet(), tmp_path / "u.py", "torch", inputs=(torch.rand(1, 3, 32, 32),))
    text = (tmp_path / "u.py").read_text()
    # Five levels: what enters each is kept for its skip, and no more.
    assert "t4 =" in text
    assert "t5 =" not in text


class Lying(TorchTarget):
    """Writes other weights than it should."""

    def write(self, model, path, inputs, wanted):  # type: ignore[no-untyped-def]
        done = super().write(model, path, inputs, wanted)
        weights = path.with_suffix(".safetensors")
        save_file({k: v * 1.5 for k, v in load_file(weights).items()}, weights)
        return done


def test_what_disagrees_is_rejected_and_the_good_pair_stays(tmp_path: Path) -> None:
    inputs = (torch.rand(1, 3, 16, 16),)
    export(compressed(), tmp_path / "small.py", "torch", inputs=inputs)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ExportError, match="would differ"):
        export(compressed(), tmp_path / "small.py", Lying(), inputs=inputs)
    after = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert after.items() >= before.items()
    assert set(after) - set(before) == {
        *("small.py.rejected", "small.safetensors.rejected", "small.py.rejected.png"),
    }
