"""A user's generator meets a family's data, losses and critics."""

import json
import os
from pathlib import Path

import pytest
import torch

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=16, out=3, stride=1):
        super().__init__()
        self.enter = nn.Conv2d(3, width, 3, padding=1)
        self.deep = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, out, 3, stride=stride, padding=1)

    def forward(self, x, scale=1.0):
        wide = self.enter(x).relu()
        return (scale * self.leave(self.deep(wide).relu() + wide)).tanh()

class Named(Net):
    def forward(self, *, x):
        return super().forward(x)

class Pair(Net):
    def forward(self, x):
        return super().forward(x), x

def make():
    return Net()

def with_example():
    return Net(), (torch.zeros(1, 3, 32, 32),), {}

def scaled():
    return Net(), (torch.zeros(1, 3, 32, 32),), {"scale": 2.0}

def named():
    return Named(), (), {"x": torch.zeros(1, 3, 32, 32)}

def grey():
    return Net(out=1)

def small():
    return Net(stride=2)

def pair():
    return Pair()

def deaf():
    return nn.Conv2d(4, 3, 1)

def number():
    return 3

def failing():
    raise RuntimeError("no luck")
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "my_net.py"
    file.write_text(NET)
    return file


def test_train_and_compress_a_generator_of_ones_own(
    cli, net: Path, base: tuple[object, ...], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a relative reference is found again from elsewhere
    own = ("--generator", "my_net.py:make", "--input", "x=1x3x32x32")
    words = (*base[:-2], "-o", f"data={os.path.relpath(base[-1])}", *own)
    teacher, run = tmp_path / "teacher", tmp_path / "run"
    trained = json.loads(cli.ok("train", *words, "--out", teacher, "--json"))
    state = json.loads((teacher / "config.json").read_text())
    assert state["generator"] == f"{net}:make"
    assert state["options"]["data"] == str(base[-1])
    assert Path(trained["generator"]).is_file()
    cli.ok("train", *words, "--out", teacher)
    assert "already done" in cli.progress

    cli.ok("distill", *words, "--teacher", teacher, "--steps", "2", "--out", run)
    monkeypatch.chdir("/")
    cli.ok("search", run, "--trials", "2", "--macs", "2x")
    cli.ok("finetune", run)
    shown = json.loads(cli.ok("evaluate", run, "--json"))
    assert shown["pictures"] == 6
    widths = json.loads((run / "subnet.json").read_text())["widths"]
    assert set(widths) == {"enter"} or set(widths) == {"enter", "deep"}


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_trained_checkpoint_of_ones_own_gets_fresh_critics(
    cli, net: Path, base: tuple[object, ...], tmp_path: Path, wrapped: bool
) -> None:
    namespace: dict[str, object] = {}
    exec(NET, namespace)  # noqa: S102 - our own text
    made = namespace["make"]()  # type: ignore[operator]
    file = tmp_path / "mine.pth"
    torch.save({"state_dict": made.state_dict()} if wrapped else made.state_dict(), file)
    words = (*base, "--generator", f"{net}:with_example", "--teacher", file)
    out = tmp_path / "run"
    cli.ok("compress", *words, "--steps", "2", "--trials", "1", "--macs", "2x", "--out", out)
    assert "has no discriminators: they start from scratch" in cli.progress
    assert (out / "teacher" / "generator.safetensors").is_file()
    assert (out / "summary.json").is_file()
    # A half-done run finds the same critics again.
    (out / "stages" / "finetune.json").unlink()
    cli.ok("finetune", out)


def test_a_generator_that_brings_its_weights_is_its_own_teacher(
    cli, net: Path, base: tuple[object, ...], tmp_path: Path
) -> None:
    words = (*base, "--generator", f"{net}:make", "--steps", "2")
    cli.ok("distill", *words, "--out", tmp_path / "run")
    cli.ok("distill", *words, "--out", tmp_path / "run")  # the same seed gives the same weights
    assert "distill: already done" in cli.progress


@pytest.mark.parametrize(
    ("reference", "words", "sentence", "hint"),
    [
        ("grey", (), "draws pictures 1x32x32, and the data's targets are 3x32x32", "last layer"),
        ("small", (), "draws pictures 3x16x16", "size"),
        ("pair", (), "returns 'tuple', not a tensor", "wrap"),
        ("deaf", (), "fails on the data's inputs 3x32x32", "--traceback"),
        ("scaled", (), "needs the argument 'scale'", "default"),
        ("named", (), "takes 'x' by name only", "positional"),
        ("number", (), "gives 'int'", "torch.nn.Module"),
        ("failing", (), "no luck", "--traceback"),
        ("missing", (), "has no 'missing'", "make"),
        ("make", ("--input", "x=1x3x64x64"), "was declared for inputs 3x64x64", "size"),
        ("make", ("--input", "y=1x3x32x32"), "has no input 'y'", "x, scale"),
        ("make", ("--input", "x=1x3"), "was declared for inputs 3", "size"),
        ("make", ("--input", "x=large"), "is not of the form", "x=1x3x64x64"),
    ],
)
def test_a_generator_that_does_not_fit_is_refused_before_work_starts(
    *,
    cli,
    net: Path,
    base: tuple[object, ...],
    tmp_path: Path,
    reference: str,
    words: tuple[str, ...],
    sentence: str,
    hint: str,
) -> None:
    out = tmp_path / "run"
    given = (*base, "--generator", f"{net}:{reference}", *words, "--out", out)
    for verb in ("train", "distill"):
        said, way_out = cli.refused(verb, *given)
        assert sentence in said
        assert hint in way_out
    assert not (out / "checkpoints").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--generator", "nowhere.py:make"), "'nowhere.py' does not exist"),
        (("--generator", "no_such_module_xyz:make"), "cannot be imported"),
        (("--generator", "just_a_word"), "is not known"),
        (("--input", "x=1x3x32x32"), "--input describes a generator that is not named"),
    ],
)
def test_references_that_lead_nowhere(
    cli, base: tuple[object, ...], words: tuple[str, ...], sentence: str
) -> None:
    said, _ = cli.refused("distill", *base, *words)
    assert sentence in said
