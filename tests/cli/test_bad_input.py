"""Every mistake is one sentence and a hint, exit code 2, and nothing that was there is lost."""

import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gancompress.compress import TeacherWeights
from gancompress.gan import ResNetGenerator
from gancompress.store import load_tensors, save_tensors

WEIGHTS = "generator.safetensors"


@pytest.fixture
def weights(teacher: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the teacher's weights."""
    return Path(shutil.copytree(teacher / "teacher", tmp_path / "weights"))


@pytest.fixture
def data(pictures: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the pictures."""
    return Path(shutil.copytree(pictures, tmp_path / "data"))


def test_a_missing_checkpoint(cli, toml: Path, weights: Path, tmp_path: Path) -> None:
    words = ("distill", "--config", toml, "--out", tmp_path / "run")
    sentence, hint = cli.refused(*words, "--teacher", tmp_path / "nowhere")
    assert sentence == f"the teacher '{tmp_path / 'nowhere'}' does not exist"
    assert "gancompress train" in hint
    (weights / WEIGHTS).unlink()
    sentence, _ = cli.refused(*words, "--teacher", weights)
    assert f"'{weights}' holds no '{WEIGHTS}'" in sentence
    sentence, hint = cli.refused(*words)
    assert sentence == "no teacher is named"
    assert "--teacher" in hint
    assert not (tmp_path / "run").exists()


def test_a_training_that_is_not_finished(cli, toml: Path, teacher: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(teacher, tmp_path / "teacher"))
    shutil.rmtree(run / "teacher")
    sentence, hint = cli.refused("compress", "--config", toml, "--teacher", run)
    assert "holds no finished teacher" in sentence
    assert "gancompress train" in hint


@pytest.mark.parametrize("name", [WEIGHTS, "discriminators.safetensors"])
def test_a_truncated_checkpoint(cli, toml: Path, weights: Path, finished: Path, name: str) -> None:
    whole = (weights / name).read_bytes()
    (weights / name).write_bytes(whole[: len(whole) // 2])
    words = ("compress", "--config", toml, "--teacher", weights, "--out", finished)
    with cli.loses_nothing(finished):
        sentence, hint = cli.refused(*words)
    assert f"'{weights / name}' is truncated" in sentence
    assert "again" in hint


def test_a_truncated_pytorch_file(cli, toml: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    torch.save(ResNetGenerator(width=16, blocks=1, norm="batch").state_dict(), file)
    file.write_bytes(file.read_bytes()[:5000])
    sentence, hint = cli.refused("distill", "--config", toml, "--teacher", file)
    assert sentence == f"'{file}' is truncated or holds no weights"
    assert "again" in hint


def test_a_checkpoint_of_another_architecture(cli, toml: Path, weights: Path, tmp_path) -> None:
    sentence, hint = cli.refused(
        *("distill", "--config", toml, "-o", "generator_width=8"),
        *("--teacher", weights, "--out", tmp_path / "run"),
    )
    assert f"'{weights}' is of another architecture: it differs in 'model." in sentence
    assert "options" in hint
    assert not (tmp_path / "run" / "teacher").exists()


def test_discriminators_of_another_architecture(cli, toml: Path, weights: Path, tmp_path) -> None:
    words = ("distill", "--config", toml, "--teacher", weights, "--out", tmp_path / "run")
    sentence, _ = cli.refused(*words, "-o", "discriminator_width=8")
    assert f"'{weights}, its discriminators' is of another architecture" in sentence


class Harm:
    def __init__(self, victim: str) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.victim,)


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_a_pickle_with_code_in_it(cli, toml: Path, tmp_path: Path, suffix: str) -> None:
    file, victim = tmp_path / f"net{suffix}", tmp_path / "victim"
    torch.save({"w": Harm(str(victim))}, file)
    sentence, hint = cli.refused("compress", "--config", toml, "--teacher", file)
    assert f"'{file}' would execute code when it is loaded" in sentence
    assert "state_dict" in hint
    assert not victim.exists()


def test_an_unreadable_image(cli, toml: Path, teacher: Path, data: Path, finished: Path) -> None:
    (data / "val" / "3.png").write_bytes(b"no picture")
    words = ("--config", toml, "--data", data)
    with cli.loses_nothing(finished):
        sentence, hint = cli.refused(
            *("distill", *words, "--teacher", teacher, "--out", finished.parent / "new")
        )
    assert sentence == f"'{data / 'val' / '3.png'}' cannot be read as a picture"
    assert "remove it" in hint
    # Pictures that spoil later are found by a later verb, and the run keeps what it has.
    shutil.copy(data / "train" / "0.png", data / "val" / "3.png")
    run = finished.parent / "new"
    cli.ok("distill", *words, "--teacher", teacher, "--steps", "2", "--out", run)
    (data / "test" / "0.png").write_bytes(b"")
    with cli.loses_nothing(run):
        sentence, _ = cli.refused("search", run)
    assert "cannot be read as a picture" in sentence
    shutil.copy(data / "train" / "0.png", data / "test" / "0.png")
    cli.ok("search", run, "--trials", "1")


def test_a_decompression_bomb(cli, toml: Path, teacher: Path, data: Path, tmp_path: Path) -> None:
    bomb, pixels = data / "train" / "bomb.png", struct.pack(">II", 60_000, 60_000)
    content = bytearray((data / "train" / "0.png").read_bytes())
    content[16:24] = pixels  # a small file that says it is a picture of many pixels
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    bomb.write_bytes(content)
    (data / "train" / "._bomb.jpg").write_bytes(b"what another system left")
    words = ("distill", "--config", toml, "--teacher", teacher, "--out", tmp_path / "run")
    sentence, hint = cli.refused(*words, "--data", data)
    assert sentence == f"'{bomb}' has more than 89,478,485 pixels"
    assert "smaller" in hint


def test_an_empty_folder(cli, toml: Path, teacher: Path, data: Path, tmp_path: Path) -> None:
    for file in (data / "test").iterdir():
        file.unlink()
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", tmp_path / "run")
    sentence, hint = cli.refused(*words, "--data", data)
    assert sentence == f"'{data / 'test'}' holds no picture"
    assert ".png" in hint
    sentence, _ = cli.refused(*words, "--data", tmp_path / "nowhere")
    assert "is not a folder" in sentence


def test_unequal_pair_counts(cli, toml: Path, teacher: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for split in ("train", "val", "test"):
        for side, count in (("A", 3), ("B", 2 if split == "val" else 3)):
            (data / split / side).mkdir(parents=True)
            for index in range(count):
                picture = Image.fromarray(np.full((32, 32, 3), 40 * index, np.uint8))
                picture.save(data / split / side / f"{index}.png")
    words = ("distill", "--config", toml, "--teacher", teacher, "--out", tmp_path / "run")
    sentence, hint = cli.refused(*words, "--data", data)
    assert "has 3 pictures in A and 2 in B, and '2' stands alone" in sentence
    assert "same name" in hint


def test_an_impossible_budget_is_refused_before_the_training(
    cli, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", out)
    sentence, hint = cli.refused(*words, "--macs", "1000")
    assert "no subnet meets the budget 'macs 1000'" in sentence
    assert "raise the budget" in hint
    assert not (out / "checkpoints").exists()
    sentence, _ = cli.refused(*words, "--macs", "many")
    assert "'many' cannot be used as a limit of 'macs'" in sentence
    # Nothing of the search has begun, so the same folder takes a possible one.
    cli.ok(*words, "--steps", "2", "--trials", "1")


def test_an_impossible_budget_of_a_search_loses_nothing(cli, distilled: Path) -> None:
    with cli.loses_nothing(distilled / "checkpoints"):
        sentence, _ = cli.refused("search", distilled, "--params", "10")
    assert "'macs " in sentence
    assert "params 10" in sentence
    cli.ok("search", distilled, "--params", "1M", "--trials", "1")


def fill(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the disk be full after some writes."""
    writes = 0
    sync = os.fsync

    def full(handle: int) -> None:
        nonlocal writes
        writes += 1
        if writes > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)


def test_a_full_disk_and_the_same_command_goes_on(
    *, cli, toml: Path, teacher: Path, tmp_path: Path, finished_run: Path, monkeypatch
) -> None:
    out = tmp_path / "run"
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", out)
    reached = []
    for after in (60, 90, 52):
        with monkeypatch.context() as patch:
            fill(patch, after)
            sentence, hint = cli.refused(*words)
        assert "cannot be written: the disk is full" in sentence
        assert "goes on from the last checkpoint" in hint
        steps = [path.name for path in (out / "checkpoints" / "distill").glob("step-*")]
        reached.append(max(steps))
    # Each call came further than the one before, and the last one past the distillation.
    assert reached[0] < reached[1] < reached[2] == "step-00000030"
    assert (out / "stages" / "distill.json").is_file()
    assert not (out / "stages" / "evaluate.json").is_file()
    cli.ok(*words)
    assert (out / "trials.json").read_bytes() == (finished_run / "trials.json").read_bytes()
    assert (out / "model" / "model.json").read_bytes() == (
        finished_run / "model" / "model.json"
    ).read_bytes()


@pytest.mark.parametrize("stage", ["finetune", "export", "evaluate", "bench"])
def test_a_full_disk_does_not_finish_a_stage(
    cli, finished: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = finished / "stages" / f"{stage}.json"
    before = lasting(place)
    place.unlink()
    with monkeypatch.context() as patch:
        fill(patch, 0)
        sentence, _ = cli.refused(stage, finished)
    assert "the disk is full" in sentence
    assert not place.exists()
    cli.ok(stage, finished)
    after = lasting(place)
    # The verb bench tells more than the same stage of compress.
    assert {key: after[key] for key in before} == before


def lasting(summary: Path) -> dict[str, object]:
    """A stage's summary without what differs from time to time, or with who measures it."""
    values: dict[str, object] = json.loads(summary.read_text())
    differs = {"seconds", "latency_ms", "runtime"}
    return {key: value for key, value in values.items() if key not in differs}


def test_a_run_directory_of_another_configuration(
    cli, finished: Path, toml: Path, teacher: Path
) -> None:
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", finished)
    for change, said in (
        (("-o", "direction=BtoA"), '\'options.direction\' was "AtoB", and is now "BtoA"'),
        (("--steps", "31"), "'distill.steps' was 30, and is now 31"),
        (("--trials", "7"), "'search.trials' was 6, and is now 7"),
        (("--seed", "1"), "'seed' was 0, and is now 1"),
    ):
        with cli.loses_nothing(finished):
            sentence, hint = cli.refused(*words, *change)
        assert f"'{finished}' was made with another configuration: {said}" in sentence
        assert "--out" in hint


@pytest.mark.parametrize("name", [WEIGHTS, "discriminators.safetensors"])
def test_a_run_directory_of_another_teacher(
    cli, finished: Path, toml: Path, weights: Path, name: str
) -> None:
    # All but one number of one of the two nets is the same.
    tensors = load_tensors(weights / name)
    changed = next(key for key, value in tensors.items() if value.is_floating_point())
    tensors[changed].view(-1)[0] += 1
    save_tensors(weights / name, tensors)
    known = json.loads((finished / "config.json").read_text())["teacher_sha256"]
    words = ("compress", "--config", toml, "--out", finished, "--teacher", weights)
    with cli.loses_nothing(finished):
        sentence, hint = cli.refused(*words)
    begun, given = re.findall(r"'([0-9a-f]{8})'", sentence)
    assert f"'{finished}' was made with another teacher" in sentence
    assert begun == known[:8]
    assert given == TeacherWeights.read(weights).sha256[:8] != begun
    assert "--out" in hint


def test_a_teacher_without_its_discriminators_is_another_one(
    cli, finished: Path, toml: Path, weights: Path
) -> None:
    words = ("compress", "--config", toml, "--out", finished, "--teacher", weights / WEIGHTS)
    with cli.loses_nothing(finished):
        sentence, _ = cli.refused(*words)
    assert "was made with another teacher" in sentence


HOLD = """
import sys
from gancompress.store import RunDirectory
run = RunDirectory(sys.argv[1])
with run.open(run.config):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("verb", ["compress", "bench"])
def test_a_run_directory_in_use(cli, finished: Path, toml: Path, teacher: Path, verb: str) -> None:
    words = {
        "compress": ("compress", "--config", toml, "--teacher", teacher, "--out", finished),
        "bench": ("bench", finished),
    }[verb]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(finished)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with cli.loses_nothing(finished):
            sentence, hint = cli.refused(*words)
        other.communicate()
    assert sentence == f"'{finished}' is in use by another process"
    assert "wait" in hint
    cli.ok(*words)


def test_a_damaged_stage_and_a_damaged_model(cli, finished: Path) -> None:
    (finished / "stages" / "evaluate.json").write_text("{")
    sentence, hint = cli.refused("evaluate", finished)
    assert "evaluate.json' is damaged" in sentence
    assert "is done again" in hint
    (finished / "stages" / "evaluate.json").unlink()
    weights = finished / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    sentence, _ = cli.refused("evaluate", finished)
    assert "holds other weights" in sentence
    (finished / "stages" / "finetune.json").unlink()
    shutil.rmtree(finished / "checkpoints" / "finetune")
    (finished / "trials.json").write_text('{"trials": [{"number": 1}]}')
    sentence, _ = cli.refused("finetune", finished)
    assert "trials.json' is damaged" in sentence


def test_work_without_a_configuration_is_refused(
    cli, finished: Path, toml: Path, teacher: Path
) -> None:
    (finished / "config.json").unlink()
    before = sorted(path.name for path in finished.iterdir())
    words = ("--config", toml, "--teacher", teacher, "--out", finished)
    sentence, _ = cli.refused("compress", *words)
    assert "no 'config.json'" in sentence
    assert sorted(path.name for path in finished.iterdir()) == before


def test_a_teacher_that_was_changed_in_the_run_is_refused(cli, distilled: Path) -> None:
    place = distilled / "teacher" / "generator.safetensors"
    tensors = load_tensors(place)
    save_tensors(place, {name: tensor + 1 for name, tensor in tensors.items()})
    sentence, _ = cli.refused("search", distilled)
    assert "is not the teacher that" in sentence
