"""A plugin's rules reach every verb: layers of one's own are traced, narrowed and exported."""

import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

NET = """
import torch
from torch import nn

class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()
    @staticmethod
    def backward(ctx, gradient):
        return gradient

class LayerScale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels
        self.gamma = nn.Parameter(torch.ones(channels, 1, 1))
    def forward(self, x):
        assert x.shape[1] == self.channels
        return x * self.gamma

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 16, 3, padding=1)
        self.scale = LayerScale(16)
        self.deep = nn.Conv2d(16, 16, 3, padding=1)
        self.leave = nn.Conv2d(16, 3, 3, padding=1)
    def forward(self, x):
        y = Round.apply(self.scale(self.enter(x)) * 16) / 16
        return self.leave(self.deep(y).relu() + y).tanh()

def make():
    return Net()
"""
RULES = """
from gancompress import OpRule, hookimpl
from gancompress.graph import Layout, Part, add_part, along, channel_ids
from my_net import LayerScale, Round

class LayerScaleRule(OpRule):
    modules = (LayerScale,)
    def apply(self, call):
        ids = channel_ids(call.layouts[0], 1, call.channels)
        axes = {"gamma": (ids, None, None)}
        add_part(call, Part("scale", axes, ids, ids, sizes={"channels": ids}))
        return along(ids, 1, call.shape)

class RoundRule(OpRule):
    functions = frozenset({Round.apply})
    def apply(self, call):
        return Layout(call.layouts[0].ids, call.shape)

@hookimpl
def gancompress_op_rules():
    return [LayerScaleRule(), RoundRule()]
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    monkeypatch.delitem(sys.modules, "my_net", raising=False)
    (tmp_path / "my_net.py").write_text(NET)
    (tmp_path / "my_rules.py").write_text(RULES)
    return tmp_path / "my_rules.py", f"{tmp_path / 'my_net.py'}:make"


def test_inspect_sees_what_the_rules_make_elastic(cli, plugin: tuple[Path, str]) -> None:
    rules, net = plugin
    words = ("--json", "inspect", "--generator", net, "--input", "x=1x3x32x32")
    plain = json.loads(cli.ok(*words))
    reason = next(g["frozen"] for g in plain["groups"] if g["key"] == "enter")
    assert reason.startswith("Round at my_net.py:")
    shown = json.loads(cli.ok("--plugin", rules, *words, "--verify"))
    assert [g["key"] for g in shown["groups"] if not g["frozen"]] == ["enter"]
    assert shown["coverage"]["total"]["macs"] == shown["macs"]


def test_a_layer_of_ones_own_goes_the_whole_way(
    cli, plugin: tuple[Path, str], base, tmp_path: Path
) -> None:
    rules, net = plugin
    run = tmp_path / "run"
    words = (*base, "--generator", net, "--steps", "2", "--trials", "2", "--macs", "2x")
    cli.ok("--plugin", rules, "compress", *words, "--out", run)
    # What is written needs neither the plugin nor the generator's file.
    widths = json.loads((run / "subnet.json").read_text())["widths"]
    weights = load_file(run / "model" / "weights.safetensors")
    assert weights["scale.gamma"].shape == (widths["enter"], 1, 1)
    assert "Round" not in (run / "model" / "model.json").read_text()
    assert "LayerScale" not in (run / "model" / "model.json").read_text()
    assert {path.name for path in (run / "export").iterdir()} >= {"compressed.py", "teacher.py"}
    (run / "stages" / "finetune.json").unlink()
    cli.ok("--plugin", rules, "finetune", run)
