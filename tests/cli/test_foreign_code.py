"""What generators and plugins print is no result, and where they leave Python is no success."""

import json
from pathlib import Path

import pytest

NET = """
import sys
from torch import nn

print("imported")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 16, 3, padding=1)
        self.leave = nn.Conv2d(16, 3, 3, padding=1)
    def forward(self, x):
        print("called")
        return self.leave(self.enter(x).relu()).tanh()

class Leaving(Net):
    def forward(self, x):
        sys.exit(0)

def make():
    print("made")
    return Net()

def leaves():
    sys.exit(0)

def leaving():
    return Leaving()
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "my_net.py"
    file.write_text(NET)
    return file


def test_what_a_generator_prints_is_no_part_of_the_result(
    cli, net: Path, toml: Path, tmp_path: Path
) -> None:
    words = ("--generator", f"{net}:make", "--input", "x=1x3x32x32")
    shown = json.loads(cli.ok("inspect", *words, "--json"))
    assert shown["params"] > 0
    for word in ("imported", "made", "called"):
        assert word in cli.progress
    trained = json.loads(
        cli.ok("train", "--config", toml, *words, "--out", tmp_path / "run", "--json")
    )
    assert trained["steps"] == 4
    assert "called" in cli.progress


PLUGIN = """
import sys
from gancompress import hookimpl

print("plugin imported")

@hookimpl
def gancompress_families():
    print("plugin asked")
    {action}
    return []
"""


def test_what_a_plugin_prints_is_no_part_of_the_result(cli, tmp_path: Path) -> None:
    plugin = tmp_path / "loud.py"
    plugin.write_text(PLUGIN.format(action="pass"))
    shown = json.loads(cli.ok("--plugin", plugin, "plugins", "--json"))
    assert "loud" in {item["name"] for item in shown["plugins"]}
    assert "plugin imported" in cli.progress
    assert "plugin asked" in cli.progress


def test_a_plugin_that_leaves_python_is_reported_and_left_out(cli, tmp_path: Path) -> None:
    plugin = tmp_path / "leaver.py"
    plugin.write_text(PLUGIN.format(action="sys.exit(0)"))
    shown = json.loads(cli.ok("--plugin", plugin, "plugins", "--json"))
    assert "SystemExit: 0" in next(b["reason"] for b in shown["broken"] if b["name"] == "leaver")
    assert {"pix2pix"} <= {name for p in shown["plugins"] for name in p["families"]}


@pytest.mark.parametrize("verb", ["inspect", "train", "distill"])
@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("leaves.py:make", "leaves.py' cannot be imported: SystemExit: 0"),
        ("my_net.py:leaves", "my_net.py:leaves' failed: SystemExit: 0"),
        ("my_net.py:leaving", "a generator or a plugin called 'sys.exit(0)'"),
    ],
)
def test_a_generator_that_leaves_python_is_no_success(
    *, cli, net: Path, toml: Path, tmp_path: Path, verb: str, reference: str, said: str
) -> None:
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    out = tmp_path / "run"
    more = () if verb == "inspect" else ("--config", toml, "--out", out)
    words = (verb, *more, "--generator", tmp_path / reference, "--input", "x=1x3x32x32")
    sentence, _ = cli.refused(*words)
    assert said in sentence
    assert not out.exists()
