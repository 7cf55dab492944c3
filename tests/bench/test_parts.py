"""What is refused before anything is timed, and what a machine has."""

import shutil
from pathlib import Path

import pytest

from gancompress.bench import (
    COMPILED,
    EAGER,
    Runtime,
    Settings,
    check_alike,
    check_batches,
    check_runtimes,
    exported_file,
    find_counters,
    named_runtimes,
    runtimes_here,
    saved_model,
)
from gancompress.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    ExportError,
    MissingExtraError,
)
from gancompress.export import OnnxTarget, TorchTarget, core_targets


class Elsewhere(OnnxTarget):
    name = "elsewhere"
    extra = "gpu"
    packages = ("no_such_package",)


def test_runtimes_are_named_once_and_torch_is_eager() -> None:
    found = named_runtimes(["torch", "eager", "onnx:int8"], core_targets())
    assert found == [EAGER, Runtime("onnx", "int8")]
    assert [str(runtime) for runtime in found] == ["eager", "onnx int8"]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("tflite", ConfigError, "'tflite' is no runtime"),
        ("eager:int8", ExportError, "'eager' has no precision 'int8'"),
        ("onnx:int4", ExportError, "has no precision 'int4'"),
        ("elsewhere", MissingExtraError, "'no_such_package' is not installed"),
    ],
)
def test_runtimes_that_are_not_here_are_refused(name: str, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        named_runtimes([name], [*core_targets(), Elsewhere()])


def test_what_is_missing_is_one_line_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no compiler
    here, missing = runtimes_here([OnnxTarget(), TorchTarget(), Elsewhere()])
    assert here == [EAGER, *(Runtime("onnx", p) for p in OnnxTarget.precisions)]
    compiled, elsewhere = missing
    assert compiled == "compiled: torch.compile finds no C++ compiler here"
    assert elsewhere.startswith("elsewhere: 'no_such_package' is not installed; ")
    assert "gancompress[gpu]" in elsewhere
    assert COMPILED not in here


@pytest.mark.parametrize(
    "given",
    [{"threads": 0}, {"threads": 10_000}, {"batches": (1, 0)}, {"batches": ()}, {"runs": 0}],
)
def test_settings_that_cannot_be_used(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Settings(**{"threads": 1, **given})  # type: ignore[arg-type]


def test_inputs_that_differ_are_refused(models: Path) -> None:
    small, other = (saved_model(models / name, name) for name in ("small", "other"))
    with pytest.raises(DataError, match="'other' takes inputs of 1×3×24×24"):
        check_alike([small, other])
    check_alike([small, exported_file(models / "small.onnx", "file", targets=())])


def test_a_file_runs_in_its_own_runtime_alone(models: Path) -> None:
    file = exported_file(models / "small.onnx", "file", targets=())
    check_runtimes([file], [EAGER, Runtime("onnx")])
    with pytest.raises(ConfigError, match="runs in 'onnx' alone"):
        check_runtimes([file], [EAGER])


def test_a_file_without_a_card_is_asked_for_its_inputs(models: Path, tmp_path: Path) -> None:
    import onnx

    net = onnx.load(models / "small.onnx")
    bare = tmp_path / "bare.onnx"
    shutil.copy(models / "small.onnx", bare)
    with pytest.raises(CheckpointError, match="has no card beside it"):  # its sizes are open
        exported_file(bare, "bare", targets=())

    for slot in (*net.graph.input, *net.graph.output):
        for dim, value in zip(slot.type.tensor_type.shape.dim, (2, 3, 16, 16), strict=True):
            dim.dim_value = value
    for dim in net.graph.output[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = 12
    del net.graph.value_info[:]
    onnx.save(net, bare)
    fixed = exported_file(bare, "fixed", targets=())
    assert fixed.inputs[0]["shape"] == [1, 3, 16, 16]
    assert fixed.cost is None
    check_batches([fixed], [2])
    with pytest.raises(ConfigError, match="takes batches of 2 alone, and not of 1"):
        check_batches([fixed], [2, 1])

    bare.write_bytes(b"none")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        exported_file(bare, "bare", targets=())
    with pytest.raises(CheckpointError, match="has no card beside it"):
        exported_file(Path(shutil.copy(bare, tmp_path / "x.pt2")), "x", targets=(), trust=True)


def test_a_model_that_does_not_say_its_inputs(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "small", tmp_path / "small"))
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace('"inputs"', '"inputs_"', 1))
    with pytest.raises(CheckpointError, match="does not say what inputs"):
        saved_model(folder, "small")


def test_energy_counters_of_whole_processors(tmp_path: Path) -> None:
    assert "shows no RAPL counter" in str(find_counters(tmp_path).reason)
    for folder, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:1", "psys"),
        ("intel-rapl:2", ""),
    ):
        (tmp_path / folder).mkdir()
        if name:
            (tmp_path / folder / "name").write_text(f"{name}\n")
    assert "may not be read" in str(find_counters(tmp_path).reason)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("12\n")
    found = find_counters(tmp_path)
    assert (found.folders, found.reason) == ((tmp_path / "intel-rapl:0",), None)
