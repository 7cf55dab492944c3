"""Exports: agree before they count, and run where this package is not."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, fx, nn

from gancompress.cost import Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import ExportError, MissingExtraError, StorageError
from gancompress.export import CompressedModel, Dynamic, ExportTarget, OnnxTarget, Wanted, export
from gancompress.export.target import Runner
from gancompress.gan import ResNetGenerator


def model_of(module: nn.Module, **card: object) -> CompressedModel:
    return CompressedModel(module, SubnetConfig({}), Cost(10, 12, 5), card)


def translator() -> fx.GraphModule:
    torch.manual_seed(0)
    return fx.symbolic_trace(ResNetGenerator(width=8, blocks=1).eval())


ALONE = """
import json, sys
import numpy as np
import onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(slot,) = session.get_inputs()
x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 24, 40)).astype(np.float32)
(y,) = session.run(None, {slot.name: x})
assert not {"gancompress", "torch"} & set(sys.modules)
print(json.dumps([slot.name, y.tolist()]))
"""


def test_a_file_agrees_and_runs_alone_at_other_sizes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module = translator()
    path = tmp_path / "deep" / "net.onnx"
    report = export(model_of(module), path, inputs=(torch.rand(1, 3, 16, 16),))
    assert report.path == path
    assert 0 <= report.mean_abs_error <= report.max_abs_error < 1e-5
    assert (report.dynamic, report.notes) == ("full", ())
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    left = sorted(file.name for file in path.parent.iterdir())
    assert left == ["net.onnx", "net.onnx.json", "net.onnx.png"]
    assert capfd.readouterr() == ("", "")
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    name, y = json.loads(done.stdout)
    assert name == "x"
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 24, 40)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(x))
    assert torch.allclose(torch.tensor(y), wanted, atol=1e-5)


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    net = ResNetGenerator(width=8, blocks=1, norm="batch").train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    export(net, tmp_path / "net.onnx", inputs=(torch.rand(1, 3, 16, 16),))
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


class FixedSize(nn.Module):
    """Adds a map of one resolution, so height and width are what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.rand(1, 3, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.map


def test_a_fixed_resolution_leaves_the_batch_open_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    report = export(FixedSize(), path, inputs=(torch.rand(1, 3, 16, 16),))
    assert report.dynamic == "batch"
    assert len(report.notes) == 1
    assert report.notes[0].startswith("the batch, height and width could not be left open: ")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (slot,) = session.get_inputs()
    assert isinstance(slot.shape[0], str)
    assert slot.shape[1:] == [3, 16, 16]
    assert session.run(None, {"x": np.zeros((5, 3, 16, 16), np.float32)})[0].shape[0] == 5


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.style = nn.Linear(4, 3)

    def forward(self, picture: Tensor, style: Tensor) -> dict[str, Tensor]:
        y = picture * self.style(style)[:, :, None, None]
        return {"y": y, "mean": y.mean((2, 3))}


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    card = {
        "inputs": [
            {"shape": [1, 3, 8, 8], "dtype": "float32"},
            {"shape": [1, 4], "dtype": "float32"},
        ]
    }
    model = model_of(fx.symbolic_trace(TwoInputs()), **card)
    report = export(model, tmp_path / "net.onnx", OnnxTarget())
    assert report.dynamic == "full"
    session = onnxruntime.InferenceSession(report.path, providers=["CPUExecutionProvider"])
    assert [slot.name for slot in session.get_inputs()] == ["picture", "style"]


def test_labels_are_an_input_too(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Embedding(5, 3))
    card = {"inputs": [{"shape": [2, 7], "dtype": "int64"}]}
    report = export(model_of(net, **card), tmp_path / "net.onnx")
    assert report.max_abs_error == 0


class Pretend(ExportTarget):
    """Writes text, and runs the network itself with an error of our choice."""

    name = "pretend"

    def __init__(
        self,
        net: nn.Module,
        *,
        wrong: float = 0.0,
        wrong_when_larger: float = 0.0,
        refuses: tuple[Dynamic, ...] = (),
    ) -> None:
        self.net = net
        self.wrong = wrong
        self.wrong_when_larger = wrong_when_larger
        self.refuses = refuses
        self.asked: list[Dynamic] = []

    def write(
        self, model: nn.Module, path: Path, inputs: tuple[Tensor, ...], wanted: Wanted
    ) -> Mapping[str, Any]:
        self.asked.append(wanted.dynamic)
        assert not model.training
        path.write_text(wanted.dynamic)
        if wanted.dynamic in self.refuses:
            raise RuntimeError("\nno way\nat all")
        return {}

    def load(self, path: Path, device: str, settings: Mapping[str, Any]) -> Runner:
        assert (device, settings) == ("cpu", {})

        def run(inputs: Sequence[Any]) -> list[Any]:
            larger = inputs[0].shape[-1] > 8
            with torch.no_grad():
                y = self.net(*map(torch.from_numpy, inputs))
            return [(y + self.wrong + self.wrong_when_larger * larger).numpy()]

        return run


INPUTS = (torch.rand(1, 3, 8, 8),)


@pytest.mark.parametrize("wrong", [0.5, float("nan")])
def test_a_file_that_disagrees_is_kept_aside(wrong: float, tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_text("the good one of yesterday")
    net = nn.ReLU()
    target = Pretend(net, wrong=wrong)
    with pytest.raises(ExportError, match=r"would differ from the network by (0.5|nan)"):
        export(net, path, "pretend", inputs=INPUTS, targets=[target])
    assert path.read_text() == "the good one of yesterday"
    assert (tmp_path / "net.bin.rejected").read_text() == "full"
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"net.bin", "net.bin.rejected", "net.bin.rejected.png"}
    # A wider tolerance takes it.
    if wrong == 0.5:
        report = export(net, path, target, tolerance=1.0, inputs=INPUTS)
        assert report.max_abs_error == pytest.approx(0.5)
        assert path.read_text() == "full"


def test_a_file_that_is_wrong_at_another_size_falls_back(tmp_path: Path) -> None:
    net = nn.ReLU()
    target = Pretend(net, wrong_when_larger=0.5)
    report = export(net, tmp_path / "net.bin", target, inputs=INPUTS)
    assert target.asked == ["full", "batch"]
    assert report.dynamic == "batch"
    (note,) = report.notes
    assert note.endswith("could not be left open: at another size the outputs differ")


def test_a_target_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    net = nn.ReLU()
    target = Pretend(net, refuses=("full", "batch"))
    with pytest.raises(ExportError, match=r"cannot write .*: the batch could not .*: no way"):
        export(net, tmp_path / "net.bin", target, inputs=INPUTS)
    assert list(tmp_path.iterdir()) == []


def test_outputs_of_another_shape_are_no_agreement(tmp_path: Path) -> None:
    target = Pretend(nn.Flatten())
    with pytest.raises(ExportError, match=r"gives the shapes \[\(1, 192\)\]"):
        export(nn.ReLU(), tmp_path / "net.bin", target, inputs=INPUTS)


def test_a_scalar_input_stays_a_scalar(tmp_path: Path) -> None:
    report = export(nn.ReLU(), tmp_path / "net.onnx", inputs=(torch.tensor(1.0),))
    assert report.dynamic == "full"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target": "tensorboard"}, "'tensorboard' is no export target"),
        ({"inputs": None}, "shapes of the model's inputs are not known"),
        ({"inputs": ()}, "have to be tensors"),
        ({"inputs": ("x",)}, "have to be tensors"),
        ({"device": "tpu"}, "no device 'tpu'"),
    ],
)
def test_mistakes_are_named(options: dict[str, object], match: str, tmp_path: Path) -> None:
    options = {"inputs": INPUTS, **options}
    with pytest.raises(ExportError, match=match):
        export(nn.ReLU(), tmp_path / "net.onnx", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    net = nn.ReLU()
    with pytest.raises(StorageError, match="cannot be written"):
        export(net, tmp_path / "file" / "net.bin", Pretend(net), inputs=INPUTS)
    (tmp_path / "folder.bin").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        export(net, tmp_path / "folder.bin", Pretend(net), inputs=INPUTS)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"gancompress\[onnx\]") as info:
        export(nn.ReLU(), tmp_path / "net.onnx", inputs=INPUTS)
    assert info.value.package == package
    assert list(tmp_path.iterdir()) == []
