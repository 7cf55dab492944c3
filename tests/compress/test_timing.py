"""The time of subnets while a search goes on."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from gancompress.compress import Project, timing
from gancompress.compress.timing import SubnetTimer, subnet_timer
from gancompress.config import RunConfig
from gancompress.errors import ExportError, RunError
from gancompress.export import OnnxTarget
from gancompress.graph import trace
from gancompress.store import RunDirectory

INPUT = torch.zeros(1, 3, 16, 16)


def net(width: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 3, 3)).eval()


class Jammed(OnnxTarget):
    """Writes, and cannot be loaded."""

    name = "jammed"
    error: Exception = RuntimeError("the beads\nare stuck")

    def load(self, path: Path, device: str, settings: Any) -> Any:
        raise self.error


def project(on: str = "torch", *targets: OnnxTarget) -> Project:
    # Of a project it takes these three alone.
    config = RunConfig.model_validate({"family": "none", "search": {"on": on}})
    teacher = trace(net(32), (INPUT,))
    return cast("Project", SimpleNamespace(config=config, teacher=teacher, targets=targets))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "RUNS", 3)


@pytest.mark.parametrize("on", ["torch", "onnx"])
def test_a_subnet_is_timed_in_turns_with_the_teacher(on: str) -> None:
    timer = SubnetTimer(project(on))
    assert timer.teacher_ms > 0
    assert timer(net(4)) > 0
    # What the teacher took then is the unit of all later times.
    doubled = SubnetTimer(project(on), teacher_ms=1e6)
    assert doubled.teacher_ms == 1e6
    assert doubled(net(4)) > 100


def test_the_teachers_time_is_kept(tmp_path: Path) -> None:
    run, place = RunDirectory(tmp_path), tmp_path / "latency.json"
    first = subnet_timer(run, project())
    known = {"on": "torch", "teacher_ms": first.teacher_ms}
    assert json.loads(place.read_text()) == known
    place.write_text(json.dumps({**known, "teacher_ms": 7}))
    assert subnet_timer(run, project()).teacher_ms == 7
    # Of another target it says nothing.
    assert subnet_timer(run, project("onnx")).teacher_ms != 7
    assert json.loads(place.read_text())["on"] == "onnx"
    place.write_text("[]")
    assert subnet_timer(run, project()).teacher_ms > 0


@pytest.mark.parametrize("value", [0, -1, None, "7", float("inf")])
def test_a_damaged_time_is_refused(tmp_path: Path, value: object) -> None:
    place = tmp_path / "latency.json"
    place.write_text(json.dumps({"on": "torch", "teacher_ms": value}))
    with pytest.raises(RunError, match="'teacher_ms' is") as caught:
        subnet_timer(RunDirectory(tmp_path), project())
    assert "timed again" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("the beads\nare stuck"), "RuntimeError: the beads$"),
        (RuntimeError(), "RuntimeError: $"),
        (ExportError("no beads"), "^no beads$"),
    ],
)
def test_a_target_that_cannot_run_a_subnet(error: Exception, sentence: str) -> None:
    target = Jammed()
    target.error = error
    with pytest.raises(ExportError) as caught:
        SubnetTimer(project("jammed", target))
    assert re.search(sentence, caught.value.message)
