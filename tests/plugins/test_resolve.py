"""`--generator` references, as the core answers for them."""

import sys
from pathlib import Path

import pytest
from torch import nn

from gancompress.errors import ConfigError, GancompressError
from gancompress.plugins import PluginHost
from gancompress.plugins.loading import load_file

SOURCE = """
import torch
from dataclasses import dataclass
from torch import nn
from gancompress.errors import DataError
from my_blocks import block

READY = nn.Tanh()
NUMBER = 3

@dataclass
class Factories:
    @staticmethod
    def make():
        return block()

def make():
    return block()

def with_inputs():
    return block(), (torch.zeros(1, 3, 8, 8),), {"z": 1}

def listed():
    return block(), [torch.zeros(1)], {}

def nothing():
    block()

def number():
    return 3

def halves():
    return block(), 3

def raises():
    return nn.Conv2d()

def sentence():
    raise DataError("'weights.pt' is missing")
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "my_blocks.py").write_text("from torch import nn\ndef block(): return nn.ReLU()\n")
    (tmp_path / "my_net.py").write_text(SOURCE)
    return tmp_path / "my_net.py"


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("my_blocks", "my_net"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize("factory", ["make", "Factories.make"])
def test_a_file_gives_a_generator(net: Path, factory: str) -> None:
    before = list(sys.path)

    found = PluginHost().resolve_generator(f"{net}:{factory}")

    assert isinstance(found.module, nn.ReLU)
    assert (found.args, dict(found.kwargs)) == ((), {})
    assert sys.path == before


def test_a_ready_generator_is_not_called(net: Path) -> None:
    assert isinstance(PluginHost().resolve_generator(f"{net}:READY").module, nn.Tanh)


@pytest.mark.parametrize(("factory", "kwargs"), [("with_inputs", {"z": 1}), ("listed", {})])
def test_a_factory_may_bring_example_inputs(
    net: Path, factory: str, kwargs: dict[str, int]
) -> None:
    found = PluginHost().resolve_generator(f"{net}:{factory}")

    assert isinstance(found.module, nn.ReLU)
    assert isinstance(found.args, tuple)
    assert len(found.args) == 1
    assert found.kwargs == kwargs


def test_an_installed_module_gives_a_generator() -> None:
    assert isinstance(PluginHost().resolve_generator("torch.nn:Tanh").module, nn.Tanh)


def test_a_module_of_the_current_folder_gives_a_generator(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(net.parent)

    assert isinstance(PluginHost().resolve_generator("my_net:make").module, nn.ReLU)


@pytest.mark.parametrize(
    ("suffix", "sentence"),
    [
        (":absent", "has no 'absent'"),
        (":Factories.absent", "has no 'Factories.absent'"),
        (":NUMBER", "is of type 'int'"),
        (":nothing", "returned nothing"),
        (":number", "gives 'int'"),
        (":halves", "gives 'tuple'"),
        (":raises", "failed: TypeError: "),
        (":sentence", "'weights.pt' is missing"),
        (":", "is not known"),
        ("", "is not known"),
    ],
)
def test_mistakes_are_one_sentence(net: Path, suffix: str, sentence: str) -> None:
    with pytest.raises(GancompressError, match=sentence):
        PluginHost().resolve_generator(f"{net}{suffix}")


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("absent.py:make", "'absent.py' does not exist"),
        ("no_such_module_anywhere:make", "'no_such_module_anywhere' cannot be imported"),
        (":make", "is not known"),
    ],
)
def test_missing_places_are_named(reference: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        PluginHost().resolve_generator(reference)


def test_a_file_that_fails_leaves_no_module_behind(tmp_path: Path) -> None:
    (tmp_path / "broken_net.py").write_text("1 / 0")
    before = set(sys.modules)

    with pytest.raises(ConfigError, match="cannot be imported: ZeroDivisionError"):
        PluginHost().resolve_generator(f"{tmp_path / 'broken_net.py'}:make")

    assert not {name for name in set(sys.modules) - before if "broken_net" in name}


def test_a_plugins_classes_are_those_of_the_generator(
    net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule lists a class: it must not be one of the same name from a second run of the file."""
    (net.parent / "my_rules.py").write_text("from my_net import Factories")
    imported = load_file(net.parent / "my_rules.py").Factories

    assert load_file(net).Factories is imported
    monkeypatch.delitem(sys.modules, "my_net")
    alone = load_file(net)
    assert load_file(net) is alone  # the same file as plugin and as generator
    assert alone.Factories is not imported


def test_a_file_that_has_changed_is_run_again(tmp_path: Path) -> None:
    file = tmp_path / "my_net.py"
    file.write_text("NUMBER = 1")
    first = load_file(file)
    file.write_text("NUMBER = 2")

    assert (first.NUMBER, load_file(file).NUMBER) == (1, 2)


def test_a_ready_generator_is_ones_own(net: Path) -> None:
    first, second = (PluginHost().resolve_generator(f"{net}:READY").module for _ in range(2))

    assert first is not second


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")

    with pytest.raises(ImportError, match="is no Python file"):
        load_file(tmp_path / "notes.txt")
