"""The command line in several processes, and its device."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gancompress.cli.app import _sorted
from gancompress.distill import leave
from gancompress.store import RunDirectory, load_tensors

from .conftest import Cli

ROOT = Path(__file__).parents[2]


def launch(monkeypatch: pytest.MonkeyPatch, rank: int = 0) -> dict[str, str]:
    """Make this process one of two, and return what the other one is told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    names = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in {**names, "RANK": str(rank), "LOCAL_RANK": str(rank)}.items():
        monkeypatch.setenv(name, value)
    paths = [ROOT, *(ROOT / "plugins").iterdir()]
    path = os.pathsep.join([*map(str, paths), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "RANK": str(1 - rank), "LOCAL_RANK": str(1 - rank), "PYTHONPATH": path}


def test_two_processes_train_one_teacher_and_one_of_them_speaks(
    cli: Cli, toml: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "teacher"
    words = ["--quiet", "--device", "cpu", "train", "--config", str(toml), "--out", str(out)]
    other = subprocess.Popen(
        [sys.executable, "-m", "gancompress", *words],
        env=launch(monkeypatch),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = cli.ok(*words)
    heard, complaints = other.communicate(timeout=60)
    assert other.returncode == 0, complaints
    assert said.startswith("teacher: ")
    assert heard == ""
    started = [e for e in RunDirectory(out).events() if e["event"] == "StageStarted"]
    assert len(started) == 1
    ours, alone = (load_tensors(x / "teacher/generator.safetensors") for x in (out, teacher))
    assert ours.keys() == alone.keys()


def test_the_others_leave_what_one_does_to_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launch(monkeypatch, rank=1)
    assert cli.ok("plugins") == ""
    launch(monkeypatch, rank=0)
    assert "families" in cli.ok("plugins")
    assert "RANK" not in os.environ  # and waits for nobody
    leave()


def test_a_mistake_of_a_process_that_is_not_the_first_to_fail_is_not_told(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    launch(monkeypatch, rank=1)
    assert cli.call("train", "no-such-family") == 2
    assert capsys.readouterr().err == ""
    launch(monkeypatch, rank=0)
    assert "no-such-family" in cli.refused("train", "no-such-family")[0]


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(
    cli: Cli, toml: Path, tmp_path: Path, teacher: Path
) -> None:
    out = tmp_path / "run"
    for words in (("train",), ("distill", "--teacher", teacher)):
        sentence, hint = cli.refused(*words, "--config", toml, "--out", out, "--device", "cuda:77")
        assert sentence == "there is no device 'cuda:77' here"
        assert "cpu" in hint
    assert not out.exists()


def test_the_device_may_stand_anywhere() -> None:
    assert _sorted(["train", "--device", "cpu", "x", "--json"]) == [
        "--device",
        "cpu",
        "--json",
        "train",
        "x",
    ]
    assert _sorted(["train", "--device=cpu"]) == ["--device=cpu", "train"]
    assert _sorted(["train", "--device"]) == ["--device", "train"]


def test_how_one_looks_at_a_training_may_change_and_what_it_makes_may_not(
    cli: Cli, toml: Path, tmp_path: Path, distilled: Path, teacher: Path
) -> None:
    file = tmp_path / "watched.toml"
    text = toml.read_text().replace("[train]\nsteps = 4", "[train]\nsample_every = 2\nsteps = 4")
    text = text.replace("[distill]", "[distill]\nsample_every = 10")
    file.write_text(text)
    begun = tmp_path / "begun"
    cli.ok("--quiet", "train", "--config", toml, "--out", begun)
    cli.ok("--quiet", "train", "--config", file, "--out", begun)
    cli.ok("--quiet", "distill", "--config", file, "--teacher", teacher, "--out", distilled)
    file.write_text(text.replace("sample_every = 2", "accumulate = 2"))
    sentence, _ = cli.refused("train", "--config", file, "--out", begun)
    assert "'train.accumulate' was 1, and is now 2" in sentence
    fresh = tmp_path / "fresh"
    file.write_text(text)
    cli.ok("--quiet", "train", "--config", file, "--out", fresh)
    assert [p.name for p in sorted((fresh / "samples" / "train").iterdir())] == [
        "step-00000002.png",
        "step-00000004.png",
    ]


def test_a_teacher_of_an_earlier_version_goes_on(cli: Cli, toml: Path, tmp_path: Path) -> None:
    import json

    out = tmp_path / "teacher"
    cli.ok("--quiet", "train", "--config", toml, "--out", out)
    place = out / "config.json"
    known = json.loads(place.read_text())
    for name in ("accumulate", "compile", "trackers", "explodes_at"):
        del known["train"][name]
    place.write_text(json.dumps(known))
    cli.ok("--quiet", "train", "--config", toml, "--out", out)
