"""The comparison runs as its page says; its figures are no test's business."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks import compare_front_ends as compare
from generators.case import Case
from torch import Tensor, nn

NAMES = ("resnet, batch norm", "inputs-keyword", "spade, spectral norm by parametrizations")
INSTALLED = importlib.util.find_spec("torch_pruning") is not None


def run(*words: str) -> str:
    script = str(Path(compare.__file__))
    return subprocess.run(
        [sys.executable, script, *words], check=True, capture_output=True, text=True
    ).stdout


def test_it_prints_what_each_tool_made_of_each_generator() -> None:
    found: dict[str, Any] = json.loads(run("--json", *NAMES))

    assert set(found["versions"]) == {"python", "torch", "torch-pruning", "gancompress"}
    assert list(found["generators"]) == list(NAMES)
    for name, row in found["generators"].items():
        assert row["gancompress"]["handled"], name
        assert 0.5 < row["gancompress"]["params"] < 0.8
        assert 0.5 < row["gancompress"]["macs"] < 0.8
        assert row["Torch-Pruning"]["handled"] is (True if INSTALLED else None), row
    handled = [row["symbolic_trace"]["handled"] for row in found["generators"].values()]
    assert handled == [True, False, True]
    assert "control flow" in found["generators"]["inputs-keyword"]["symbolic_trace"]["reason"]


def test_the_table_has_a_row_for_each_generator_and_the_totals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare.main(["outputs-dict", "inputs-none"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| generator | symbolic_trace | Torch-Pruning | gancompress |"
    assert lines[2].startswith("| outputs-dict | yes | ")
    assert lines[3].startswith("| inputs-none | no | ")
    assert re.search(r"\| yes: −\d+% parameters, −\d+% MACs \|$", lines[2])
    middle = "2 of 2" if INSTALLED else "not installed"
    assert lines[4] == f"| **handled** | **1 of 2** | **{middle}** | **2 of 2** |"
    assert any(line.startswith("- symbolic_trace, inputs-none: TraceError") for line in lines)


def test_a_generator_that_is_not_in_the_table_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as leaving:
        compare.main(["resnet-9000"])
    assert leaving.value.code == 2
    assert "no generator 'resnet-9000'" in capsys.readouterr().err


class Mixed(nn.Module):
    """The output is made by two layers, and by neither of the two before them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.norm = nn.InstanceNorm2d(4, affine=True)
        self.embed = nn.Linear(4, 4)
        self.last = nn.Conv2d(4, 12, 1)
        self.gate = nn.Linear(4, 3)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.stem(x)))
        gate = torch.sigmoid(self.gate(self.embed(y.mean((2, 3)))))
        return self.shuffle(self.last(y)).tanh() * gate[:, :, None, None]


def test_the_layers_that_make_the_output_are_found() -> None:
    net = Mixed()

    found = compare.output_layers(net, ((torch.randn(1, 3, 4, 4),), {}))

    assert set(found) == {net.last, net.gate}


def test_what_fails_or_takes_too_long_is_an_outcome() -> None:
    def loops(_: Case) -> compare.Outcome:
        while True:
            pass

    def fails(_: Case) -> compare.Outcome:
        raise RuntimeError("first line\nsecond")

    case = next(iter(compare.cases().values()))
    assert "more than 0.2 s" in compare.attempt(loops, case, 0.2).reason
    assert compare.attempt(fails, case, 1).reason == "RuntimeError: first line"
    assert not compare.attempt(fails, case, 1).handled
