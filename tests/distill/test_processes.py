"""Two processes that train together: this one leads, the other one is a program of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from gancompress.config import TrainConfig
from gancompress.distill import Team, find_device, fit, is_first_to_fail, leave
from gancompress.distill.processes import _buckets
from gancompress.errors import ConfigError, TrainingError
from gancompress.store import load_tensors

from . import partners

Start = Callable[..., "subprocess.Popen[str]"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start process 1 of two, and make this one process 0."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*words: object) -> "subprocess.Popen[str]":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launch = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        for name, value in launch.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("RANK", "0")
        theirs = {**os.environ, "RANK": "1", "LOCAL_RANK": "1", "PYTHONPATH": _path()}
        begun.append(
            subprocess.Popen(
                [sys.executable, "-m", *map(str, words)],
                env=theirs,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return begun[-1]

    yield begin
    leave()
    for process in begun:
        process.kill()
        process.communicate()


def _path() -> str:
    places = [ROOT, ROOT / "tests" / "distill", *(ROOT / "plugins").iterdir()]
    return os.pathsep.join([*map(str, places), os.environ.get("PYTHONPATH", "")])


def ended_well(process: "subprocess.Popen[str]") -> None:
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def test_two_processes_have_the_losses_and_the_weights_of_one(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fit.__globals__, "REPORT_EVERY", 1)
    alone = partners.losses(tmp_path)
    other = start("partners", "losses", tmp_path)
    together = partners.losses(tmp_path)
    ended_well(other)
    assert len(together) == len(alone) == 10
    for one, two in zip(alone, together, strict=True):
        assert two == pytest.approx(one, rel=1e-5, abs=1e-5)
    weights = [
        load_tensors(tmp_path / f"process-{name}.safetensors")
        for name in ("0-of-1", "0-of-2", "1-of-2")
    ]
    for key, value in weights[1].items():
        assert torch.equal(value, weights[2][key])
        # A bias before a norm has no gradient but rounding, which Adam makes a step of.
        if key.endswith("weight"):
            assert torch.allclose(value, weights[0][key], atol=1e-4)


def test_each_process_goes_on_with_its_own_picture_history(start: Start, tmp_path: Path) -> None:
    other = start("partners", "remembering", tmp_path)
    ours = partners.remembering(tmp_path)
    ended_well(other)
    theirs = load_tensors(tmp_path / "theirs.safetensors")
    different = {name for name, value in ours.items() if not torch.equal(value, theirs[name])}
    # Batch-norm statistics are averaged; only what each has seen differs.
    assert different == {"pool.pictures"}
    kept = load_tensors(max((tmp_path / "cut").glob("step-*")) / "tensors.safetensors")
    assert [name for name in kept if name.startswith("process/")] == [
        "process/1/module/trained/pool.pictures"
    ]


def test_a_run_of_two_processes_goes_on_in_one_and_says_so(tmp_path: Path, start: Start) -> None:
    from gancompress.store import load_latest_checkpoint, save_checkpoint

    config = partners.CONFIG.model_copy(update={"steps": 2, "checkpoint_every": 1})
    fit(partners.task(), partners.data(), config, folder=tmp_path)
    newest = load_latest_checkpoint(tmp_path)
    assert newest is not None
    save_checkpoint(tmp_path, 1, newest.tensors, {**newest.state, "processes": 2})
    said: list[str] = []
    fit(
        partners.task(),
        partners.data(),
        config,
        folder=tmp_path,
        emit=lambda event: said.append(str(event)),
    )
    assert "begun by 2 process(es), it goes on with 1" in said[0]


def test_a_partner_that_is_gone_is_an_error_and_no_wait(start: Start, tmp_path: Path) -> None:
    other = start("partners", "die", tmp_path)
    team = Team.join()
    assert (team.index, team.count, team.leads) == (0, 2, True)
    team.wait()
    other.communicate(timeout=60)
    with pytest.raises(TrainingError, match="another process of this run has ended"):
        team.average([torch.ones(3)])


def test_a_killed_process_ends_the_other(start: Start, tmp_path: Path) -> None:
    other = start("partners", "outlive", tmp_path)
    Team.join().wait()
    leave()  # as the kernel does for a process that is killed
    other.communicate(timeout=60)
    assert "another process of this run has ended" in (tmp_path / "said.txt").read_text()


def test_one_of_two_that_fail_tells_why(start: Start, tmp_path: Path) -> None:
    start("partners", "outlive", tmp_path)
    Team.join()
    assert is_first_to_fail()
    assert not is_first_to_fail()


def test_where_nobody_listens_process_0_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_first_to_fail()  # one alone
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, speaks in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        assert is_first_to_fail() is speaks


def test_what_is_sent_fills_buckets_of_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_buckets.__globals__, "BUCKET", 8)
    sent = [torch.zeros(1), torch.zeros(1, dtype=torch.float64), torch.zeros(1), torch.zeros(1)]
    assert [[len(t) for t in bucket] for bucket in _buckets(sent)] == [[1], [1, 1], [1]]


def test_one_process_alone_talks_to_nobody() -> None:
    team = Team.join()
    assert team == Team()
    with team.first():
        assert team.share("x") == "x"
    ones = torch.ones(2)
    team.average([ones])
    assert team.gather(ones)[0] is ones
    assert not dist.is_initialized()


@pytest.mark.parametrize("name", ["warp", "cuda:7", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"there is no device '{name}' here") as caught:
        find_device(name, Team())
    assert "cpu" in caught.value.hint


def test_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a machine with two GPUs answers; the choice itself needs none.
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert find_device("cuda", Team(3, 4, local=1)) == torch.device("cuda:1")
    assert find_device(None, Team()) == torch.device("cuda:0")
    assert find_device("cuda:1", Team()) == chosen[-1] == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="is one GPU, and there are 2 processes"):
        find_device("cuda:1", Team(0, 2))
    with pytest.raises(ConfigError, match="process 3 of this machine finds 2 GPUs"):
        find_device("cuda", Team(2, 3, local=2))
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert find_device(None, Team()) == torch.device("cpu")


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    config = TrainConfig(steps=1, batch_size=4, accumulate=3)
    with pytest.raises(ConfigError, match="'batch_size' is 4") as caught:
        fit(partners.task(), partners.data(), config, folder=tmp_path / "kept")
    assert "a multiple of 3" in caught.value.hint
    assert not (tmp_path / "kept").exists()
