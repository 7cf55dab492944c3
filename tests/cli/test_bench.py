"""``gancompress bench``: runs, models and files against each other."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import gancompress
import gancompress.bench.measure
from gancompress.bench import EAGER
from gancompress.compress.benching import AGAINST
from gancompress.cost import measure_cost
from gancompress.elastic import SubnetConfig
from gancompress.export import CompressedModel, export

QUICK = ("--runs", "2", "--threads", "1")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model, its ONNX file, a TorchScript-like module, and one of another size."""
    folder = tmp_path_factory.mktemp("models")
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh()).eval()
    for name, size in (("small", 32), ("other", 24)):
        picture = torch.zeros(1, 3, size, size)
        traced = gancompress.trace(net, (picture,))
        card = {"inputs": [{"shape": [1, 3, size, size], "dtype": "float32"}]}
        model = CompressedModel(
            traced.module, SubnetConfig({}), measure_cost(net, (picture,)), card
        )
        model.save(folder / name)
    small = CompressedModel.load(folder / "small")
    export(small, folder / "small.onnx", "onnx")
    export(small, folder / "small.py", "torch")
    return folder


def test_a_run_against_its_teacher_in_two_runtimes(cli, finished: Path, tmp_path: Path) -> None:
    plot = tmp_path / "speed.svg"
    words = ("bench", finished, "--on", "eager,onnx", "--batch", "1,2", *QUICK)
    found = json.loads(cli.ok(*words, "--plot", plot, "--json"))

    names = [(row["net"], row["runtime"]) for row in found["rows"]]
    assert names == [(n, r) for r in ("eager", "onnx") for n in ("teacher", "compressed")]
    for net in ("teacher", "compressed"):
        first = next(row for row in found["rows"] if row["net"] == net)
        assert found["latency_ms"][net] == first["latency_ms"]
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["teacher"]["latency_ms"] == found["latency_ms"]["teacher"]["p50"]
    assert summary["compressed"]["macs"] == found["nets"]["compressed"]["macs"]
    assert summary["teacher"]["macs_published"] == found["nets"]["teacher"]["macs_published"]
    assert json.loads((finished / "stages" / "bench.json").read_text()) == found
    assert "<svg" in plot.read_text()


def test_a_run_against_a_file_keeps_what_it_found_of_the_teacher(
    cli, finished: Path, models: Path
) -> None:
    with cli.loses_nothing(finished):
        shown = cli.ok("bench", finished, "--against", models / "small.onnx", *QUICK)
    report = json.loads((finished / AGAINST).read_text())
    assert [(row["net"], row["runtime"]) for row in report["rows"]] == [
        ("small.onnx", "onnx"),
        (finished.name, "eager"),
    ]
    assert "energy: " in shown
    assert "2 runs of each in turns" in shown


def test_all_times_what_is_here_and_names_what_is_not(
    cli, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "onnx: 'onnx' is not installed; install it"
    monkeypatch.setattr(gancompress.bench, "runtimes_here", lambda targets: ([EAGER], [line]))
    small = models / "small"
    shown = cli.ok("bench", small / "model.json", "--against", small, "--all", *QUICK)
    assert f"not timed: {line}" in shown
    assert "small" in shown
    alone = json.loads(cli.ok("bench", models / "small.onnx", "--json", *QUICK))
    assert [row["net"] for row in alone["rows"]] == ["small.onnx"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("small", "--against", "other"), "takes inputs of"),
        (("small", "--against", "nowhere"), "neither a run directory nor an exported file"),
        ((".",), "neither a run directory nor an exported file"),
        (("small", "--on", "tflite"), "'tflite' is no runtime"),
        (("small.onnx", "--on", "eager"), "runs in 'onnx' alone"),
        (("small", "--on", "eager", "--all"), "'--all' has every runtime"),
        (("small", "--batch", "0"), "are no batch sizes"),
        (("small", "--batch", "two"), "no list of whole numbers"),
        (("small", "--threads", "0"), "'0' threads"),
        (("small", "--runs", "0"), "'0' runs"),
        (("small", "--plot", "x.gif"), "no picture"),
        (("small.py",), "runs code when it is loaded"),
        (("small.onnx.json",), "no export target writes"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    cli, models: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], sentence: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(gancompress.bench.measure, "_answer", never)
    monkeypatch.chdir(models)
    found, _ = cli.refused("bench", *words)
    assert sentence in found


def test_what_was_tampered_with_is_refused(cli, models: Path, tmp_path: Path) -> None:
    for name in ("small.onnx", "small.onnx.json"):
        shutil.copy(models / name, tmp_path)
    with (tmp_path / "small.onnx").open("ab") as file:
        file.write(b"x")
    sentence, _ = cli.refused("bench", tmp_path / "small.onnx", "--against", models / "small")
    assert "it was changed" in sentence
    folder = Path(shutil.copytree(models / "small", tmp_path / "small"))
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    sentence, _ = cli.refused("bench", models / "small", "--against", folder)
    assert "other weights" in sentence


def test_a_run_without_a_compressed_generator_is_refused(cli, teacher: Path, models: Path) -> None:
    sentence, _ = cli.refused("bench", models / "small", "--against", teacher)
    assert "goes on from 'finetune'" in sentence


def test_an_unknown_target_of_a_finished_run_is_named(cli, finished: Path) -> None:
    with cli.loses_nothing(finished):
        sentence, hint = cli.refused("export", finished, "--target", "nothing")
    assert sentence == "'nothing' is no export target"
    assert "onnx, openvino" in hint
