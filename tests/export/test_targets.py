"""Every target writes, agrees in a fresh process, and opens again; what it cannot do is named."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import gancompress
from gancompress.errors import CheckpointError, ExportError, MissingExtraError
from gancompress.export import CompressedModel, Precision, core_targets, export, find_target
from gancompress.export.card import digest_of

PICTURES = torch.rand(16, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
LOSSY = {"fp16": 60.0, "bf16": 40.0, "int8": 25.0}


def translator() -> nn.Module:
    """Return a net with what the passes change: a norm to fold, a wide last kernel."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1),
        nn.InstanceNorm2d(4),
        nn.Conv2d(4, 3, 7, padding=3),
        nn.Tanh(),
    ).eval()


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(x))


CASES: list[tuple[str, Precision]] = [
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "fp16"),
    ("openvino", "int8"),
    ("onnx", "fp16"),
    ("onnx", "int8"),
    ("program", "fp32"),
    ("program", "bf16"),
]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_file_agrees_and_opens_again(
    name: str, precision: Precision, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net, target = translator(), find_target(name)
    report = export(
        net,
        tmp_path / target.file_name("net"),
        name,
        precision=precision,
        min_psnr=LOSSY.get(precision, 0),
        inputs=(PICTURES,),
    )
    assert capfd.readouterr().out == ""
    assert (report.dynamic, report.notes, report.precision) == ("full", (), precision)
    assert report.psnr >= LOSSY.get(precision, 100)
    card = json.loads((tmp_path / f"{report.path.name}.json").read_text())
    assert card["target"] == name
    assert card["proof"]["samples"] == 16
    assert card["proof"]["process"] == "a fresh one"
    assert card["cleaned"] == ["fold-norms", "split-phases"]
    assert card["files"][report.path.name] == report.sha256 == digest_of(report.path)
    assert card["inputs"][0]["name"] == "input"
    with Image.open(tmp_path / f"{report.path.name}.png") as drawn:
        assert drawn.size == (4 * 16, 3 * 16)
    # At another size and batch, by the file's own runtime.
    opened = gancompress.load(report.path, trust=True, threads=1)
    x = PICTURES[:3].repeat(1, 1, 2, 1)
    with torch.no_grad():
        assert float((opened(x) - net(x)).square().mean()) < 4 / 10 ** (
            LOSSY.get(precision, 90) / 10 - 0.5
        )


def test_the_precision_of_an_artefact_is_what_it_is_run_in(tmp_path: Path) -> None:
    export(Tiny(), tmp_path / "net.xml", "openvino", precision="bf16", inputs=(PICTURES,))
    card = json.loads((tmp_path / "net.xml.json").read_text())
    assert card["settings"] == {"properties": {"INFERENCE_PRECISION_HINT": "bf16"}}


def test_a_compiled_package(tmp_path: Path) -> None:
    net = Tiny().eval()
    report = export(net, tmp_path / "net.aoti.pt2", "aoti", inputs=(PICTURES,))
    assert (report.dynamic, report.notes) == ("full", ())
    x = PICTURES[:2].repeat(1, 1, 2, 1)
    with torch.no_grad():
        torch.testing.assert_close(
            gancompress.load(report.path, sha256=report.sha256)(x), net(x), rtol=0, atol=1e-5
        )


@pytest.mark.skipif(find_spec("executorch") is None, reason="needs the extra [executorch]")
@pytest.mark.filterwarnings("ignore")  # of its own parts
def test_a_program_for_phones(tmp_path: Path) -> None:
    report = export(Tiny().eval(), tmp_path / "net.pte", "executorch", inputs=(PICTURES[:2],))
    assert (report.dynamic, report.notes) == ("full", ())


def test_layers_that_cost_too_much_stay_in_float32(tmp_path: Path) -> None:
    class Delicate(nn.Module):
        """Its second layer magnifies the small differences between large numbers."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.robust = nn.Conv2d(3, 8, 3, padding=1)
            self.delicate = nn.Conv2d(8, 8, 3, padding=1)
            self.last = nn.Conv2d(8, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.robust(x)
            y = self.delicate(torch.relu(y) + 100 * (y[:, :1] > 0)) / 100
            return self.last(y).tanh()

    net = Delicate().eval()
    report = export(
        net,
        tmp_path / "net.xml",
        "openvino",
        precision="int8",
        min_psnr=40.0,
        inputs=(PICTURES,),
    )
    assert report.psnr >= 40
    assert 0 < len(report.kept) < 3
    card = json.loads((tmp_path / "net.xml.json").read_text())
    assert card["kept_in_fp32"] == list(report.kept)
    with pytest.raises(ExportError, match=r"dB, less than 200, most of it by '\w+'"):
        export(
            net, tmp_path / "no.xml", "openvino", precision="int8", min_psnr=200, inputs=(PICTURES,)
        )
    assert (tmp_path / "no.xml.rejected").is_file()
    assert (tmp_path / "no.bin.rejected").is_file()


def test_the_card_says_where_a_model_comes_from(tmp_path: Path) -> None:
    traced = gancompress.trace(Tiny().eval(), (PICTURES[:1],))
    supernet = gancompress.Supernet(traced)
    model = CompressedModel.from_supernet(
        supernet, supernet.space.largest(), card={"family": "mine"}
    )
    export(model, tmp_path / "net.onnx")
    card = json.loads((tmp_path / "net.onnx.json").read_text())
    assert card["provenance"] == {"family": "mine"}
    assert card["cost"]["macs"] == 3 * 3 * 9 * 16 * 16
    assert card["proof"]["inputs"] == "random"
    assert card["proof"]["samples"] == 16


class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_operator_without_counterpart_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"operator 'prims.bessel_j0' has no .* \(opset \d+\)"):
        export(Strange(), tmp_path / "net.onnx", name, inputs=(PICTURES[:2],))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("tensorrt", {}, "onnxruntime has no TensorRT here"),
        ("tensorrt", {"device": "cuda"}, "onnxruntime has no"),
        ("onnx", {"precision": "bf16"}, "target 'onnx' has no precision 'bf16'"),
        ("openvino", {"device": "npu"}, "OpenVINO has no device 'npu' here"),
        ("program", {"device": "tpu"}, "torch has no device 'tpu' here"),
        ("torch", {"device": "tpu"}, "torch has no device 'tpu' here"),
        ("executorch", {"device": "npu"}, "executorch"),
    ],
)
def test_what_a_target_cannot_do_is_one_sentence(
    name: str, options: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises((ExportError, MissingExtraError), match=sentence):
        export(Tiny(), tmp_path / "net", name, inputs=(PICTURES,), **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert find_target("aoti").available() == "AOTInductor finds no C++ compiler here"


@pytest.mark.parametrize("name", ["onnx", "openvino", "executorch", "tensorrt"])
def test_a_missing_extra_is_the_reason(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = find_target(name)
    monkeypatch.setitem(sys.modules, target.packages[0], None)
    assert target.available() == f"'{target.packages[0]}' is not installed"
    with pytest.raises(MissingExtraError, match=rf"gancompress\[{target.extra}\]"):
        target.check()


def test_every_target_has_a_name_and_an_ending_of_its_own() -> None:
    targets = core_targets()
    assert len({one.name for one in targets}) == len(targets)
    assert len({one.file_name("") for one in targets}) == len(targets)
    assert all(one.player is not None and one.player.is_file() for one in targets)


def test_tensorrt_is_asked_for_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = find_target("tensorrt")
    from gancompress.export import Wanted

    settings = target.write(
        Tiny().eval(),
        tmp_path / "net.trt.onnx",
        (PICTURES,),
        Wanted(precision="fp16", device="cuda:1"),
    )
    (name, options), *others = settings["providers"]
    assert name == "TensorrtExecutionProvider"
    assert (options["device_id"], options["trt_fp16_enable"]) == ("1", "True")
    assert [one for one, _ in others] == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    known = [*onnxruntime.get_available_providers(), "TensorrtExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
    assert target.available("cuda") is None


def test_a_tampered_artefact_is_not_run(tmp_path: Path) -> None:
    path = export(Tiny(), tmp_path / "net.xml", "openvino", inputs=(PICTURES,)).path
    weights = path.with_suffix(".bin")
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"net.bin' is not the file .* it was changed"):
        gancompress.load(path)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"net.bin' is missing"):
        gancompress.load(path)


@pytest.mark.parametrize("name", ["program", "torch"])
def test_what_runs_code_asks_for_trust_or_its_digest(name: str, tmp_path: Path) -> None:
    target = find_target(name)
    report = export(Tiny(), tmp_path / target.file_name("net"), name, inputs=(PICTURES,))
    with pytest.raises(CheckpointError, match="runs code when it is loaded"):
        gancompress.load(report.path)
    with pytest.raises(CheckpointError, match="has another SHA-256"):
        gancompress.load(report.path, sha256="0" * 64)
    x = np.zeros((1, 3, 8, 8), np.float32)
    first = gancompress.load(report.path, sha256=report.sha256)(x)
    np.testing.assert_array_equal(first, gancompress.load(report.path, trust=True)(x))
