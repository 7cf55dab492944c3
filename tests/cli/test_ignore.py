"""Modules that are left alone on request, from the command line and from TOML."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

NET = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
    def forward(self, x):
        return x + self.conv(x).relu()

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 16, 3, padding=1)
        self.body = nn.Sequential(Block(), Block())
        self.wide = nn.Conv2d(16, 32, 3, padding=1)
        self.deep = nn.Conv2d(32, 24, 3, padding=1)
        self.leave = nn.Conv2d(24, 3, 3, padding=1)
    def forward(self, x):
        return self.leave(self.deep(self.wide(self.body(self.enter(x))).relu())).tanh()

def make():
    return Net(), (torch.zeros(1, 3, 32, 32),), {}
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    file = tmp_path / "my_net.py"
    file.write_text(NET)
    return f"{file}:make"


def frozen(text: str) -> dict[str, str]:
    return {group["key"]: group["frozen"] for group in json.loads(text)["groups"]}


@pytest.mark.parametrize(
    ("words", "modules"),
    [
        (("--ignore", "deep"), {"wide": "deep", "deep": "deep"}),
        (("--ignore", "leave", "--ignore", "body.1"), {"enter": "body.1", "deep": "leave"}),
        (("--ignore-pattern", r"body\.\d"), {"enter": "body.0"}),
        (("--ignore-type", "Block"), {"enter": "body.0"}),
    ],
)
def test_inspect_leaves_modules_alone(
    cli, net: str, words: tuple[str, ...], modules: dict[str, str]
) -> None:
    shown = frozen(cli.ok("--json", "inspect", "--generator", net, *words))
    found = {key: reason for key, reason in shown.items() if reason and "ignored" in reason}
    found.pop("leave", None)
    assert found == {key: f"'{path}' is ignored on request" for key, path in modules.items()}
    advice = json.loads(cli.ok("--json", "inspect", "--generator", net, *words))["advice"]
    assert {reason for reason in shown.values() if reason} <= set(advice)
    text = cli.ok("inspect", "--generator", net, *words)
    assert "is ignored on" in text
    assert "take it out of" in text


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (("--ignore", "deeep"), "no module of the generator is named 'deeep'", "'deep'"),
        (("--ignore-pattern", "body.7"), "the pattern 'body.7' matches no path", "'body.0'"),
        (("--ignore-type", "Conv2D"), "is of type 'Conv2D'", "'Conv2d'"),
        (("--ignore-pattern", "("), "'(' is no regular expression", "backslash"),
    ],
)
def test_what_selects_nothing_is_refused(
    cli, net: str, words: tuple[str, ...], sentence: str, hint: str
) -> None:
    found = cli.refused("inspect", "--generator", net, *words)
    assert sentence in found[0]
    assert hint in found[1]


def test_a_misspelt_name_is_refused_before_the_training(
    cli, net: str, base, tmp_path: Path
) -> None:
    words = (*base, "--generator", net, "--steps", "2", "--out", tmp_path / "run")
    for verb in ("distill", "compress"):
        sentence, hint = cli.refused(verb, *words, "--ignore", "bodi.1")
        assert sentence == "no module of the generator is named 'bodi.1'"
        assert "'body.1'" in hint
        sentence, _ = cli.refused(verb, *words, "--ignore-pattern", "(")
        assert "'space.ignored.patterns' in" in sentence


def test_a_run_keeps_what_is_ignored(cli, net: str, base, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tmp_path / "own.toml"
    config.write_text(config.read_text() + '\n[space]\nignored = { names = ["leave"] }\n')
    words = (*base, "--generator", net, "--trials", "2", "--macs", "1.5x", "--steps", "2")
    # An option takes the place of the same key in the file, and leaves the others.
    cli.ok("compress", *words, "--ignore-type", "Block", "--out", run)
    kept = json.loads((run / "config.json").read_text())["space"]["ignored"]
    assert kept == {"names": ["leave"], "patterns": [], "types": ["Block"]}
    # Neither decomposed, as the other residual convolutions would be, nor narrowed.
    weights = load_file(run / "model" / "weights.safetensors")
    assert weights["body.0.conv.weight"].shape == (16, 16, 3, 3)
    assert weights["leave.weight"].shape == (3, 24, 3, 3)
    shown = frozen(cli.ok("--json", "inspect", run))
    assert shown["enter"] == "'body.0' is ignored on request"
    assert shown["deep"] == "'leave' is ignored on request"
    sentence, hint = cli.refused("compress", *words, "--out", run)
    assert "space" in sentence + hint


def test_naming_a_layer_twice_is_refused(cli, net: str, base, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text(config.read_text() + '\n[decompose]\nlayers = ["deep"]\n')
    words = (*base, "--generator", net, "--out", tmp_path / "run")
    sentence, hint = cli.refused("distill", *words, "--ignore", "deep")
    assert sentence == "'deep' is to be decomposed, and to be ignored too"
    assert "out of the layers" in hint
