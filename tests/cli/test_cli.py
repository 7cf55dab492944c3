import json
import subprocess
import sys
from pathlib import Path

import pytest

from gancompress import __version__
from gancompress.cli import main
from gancompress.cli.app import INTERRUPTED

SMALL = [
    *("train", "pix2pix", "--recipe", "openmoji", "-o", "generator_width=4", "-o", "blocks=1"),
    *("-o", "discriminator_width=4", "-o", "size=32"),
]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(list(words))
    code = leaving.value.code
    assert isinstance(code, int)
    return code


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"gancompress {__version__}\n"
    assert run("train", "--help") == 0
    assert "Example: gancompress train" in capsys.readouterr().out


def test_help_loads_no_torch() -> None:
    code = "import sys, gancompress.cli.app; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_plugins_lists_what_each_offers(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken_gan.py"
    broken.write_text("import no_such_module")
    assert run("--plugin", str(broken), "--json", "plugins") == 0
    listing = json.loads(capsys.readouterr().out)
    families = {p["name"]: p["families"] for p in listing["plugins"]}
    assert families["pix2pix"] == ["pix2pix"]
    assert any("no_such_module" in b["reason"] for b in listing["broken"])
    assert run("plugins") == 0
    assert "families: pix2pix" in capsys.readouterr().out


def test_train_writes_a_run_and_a_second_call_takes_no_step(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*SMALL, "--steps", "2", "--out", str(tmp_path / "run")]
    assert run("--json", "--quiet", *words) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["steps"] == 2
    assert Path(first["generator"]).is_file()
    assert Path(first["discriminators"]).is_file()
    events = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    assert [json.loads(event)["event"] for event in events[:2]] == ["Called", "StageStarted"]
    assert json.loads(events[0])["arguments"] == ["--json", "--quiet", *words]
    assert run(*words) == 0
    assert "already done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["train", "nope"], "there is no family 'nope'", "pix2pix"),
        (["train", "pix2pix", "--recipe", "x"], "no recipe 'x'", "openmoji"),
        (["train", "pix2pix", "-o", "size"], "'size' is not of the form key=value", "size=64"),
        (["train", "pix2pix", "-o", "sise=64"], "'sise'", "size"),
        (["train", "pix2pix", "-o", "size=63"], "'size'", "known keys"),
        (["train", "pix2pix", "--steps", "0"], "'train.steps'", "known keys"),
        (["train", "pix2pix", "--config", "missing.toml"], "'missing.toml' cannot be read", "TOML"),
        (["train", "pix2pix", "-o", "data=/nowhere"], "is not a folder", "folder"),
        (["train", "pix2pix", "--seed", str(10**30)], "'seed' in the options", "known keys"),
        (["train", "pix2pix", "--seed", "-1"], "'seed' in the options", "known keys"),
        (["train", "pix2pix", "--generator", "x.py:x", "--input", "x=1x²"], "'x=1x²'", "x=1x3"),
    ],
)
def test_a_users_mistake_is_one_sentence_and_a_hint(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: list[str],
    sentence: str,
    hint: str,
) -> None:
    assert run(*words, "--out", str(tmp_path / "run")) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2].startswith("error: ")
    assert sentence in lines[-2]
    assert lines[-1].startswith("hint: ")
    assert hint in lines[-1]


def test_another_configuration_is_refused_and_nothing_is_lost(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*SMALL, "--out", str(tmp_path)]
    assert run("--quiet", *words, "--steps", "1") == 0
    kept = (tmp_path / "teacher" / "generator.safetensors").read_bytes()
    assert run(*words, "--steps", "2") == 2
    assert "'train.steps' was 1, and is now 2" in capsys.readouterr().err
    assert (tmp_path / "teacher" / "generator.safetensors").read_bytes() == kept


def test_a_teachers_run_does_not_depend_on_how_it_will_be_distilled(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    words = [*SMALL, "--steps", "1", "--config", str(file), "--out", str(tmp_path / "run")]
    file.write_text("[distill]\nsteps = 5\n")
    assert run("--quiet", *words) == 0
    file.write_text("[distill]\nsteps = 6\n")
    assert run("--quiet", *words) == 0
    assert "configuration" not in capsys.readouterr().err


def test_traceback_shows_where_a_mistake_was_found() -> None:
    with pytest.raises(Exception, match="no family 'nope'"):
        main(["--traceback", "train", "nope"])


def test_an_interrupt_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gancompress.plugins.PluginHost.discover", interrupt)
    assert run("plugins") == INTERRUPTED
    assert "goes on from the last checkpoint" in capsys.readouterr().err


INSPECT = ["inspect", "--family", "pix2pix", "-o", "generator_width=8", "-o", "blocks=1"]


def test_inspect_sums_to_the_whole_generator(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    dot = tmp_path / "groups.dot"
    assert run("--json", *INSPECT, "--dot", str(dot)) == 0
    shown = json.loads(capsys.readouterr().out)
    parts = [shown["coverage"][part] for part in ("elastic", "coupled", "frozen")]
    for key in ("params", "macs"):
        assert sum(part[key] for part in parts) == shown["coverage"]["total"][key] == shown[key]
    assert {g["key"] for g in shown["groups"] if not g["frozen"]} >= {"model.1", "model.4"}
    assert "model.4" in dot.read_text()
    assert run(*INSPECT) == 0
    assert "frozen: network" in capsys.readouterr().out


def test_inspect_takes_a_users_own_generator(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "my_net.py"
    file.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 3, 3))\n"
    )
    words = ["inspect", "--generator", f"{file}:make"]
    assert run("--json", *words, "--input", "input=1x3x16x16") == 0
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert [g["units"] for g in groups if not g["frozen"]] == [16]
    assert run(*words) == 2
    assert "gives no example inputs" in capsys.readouterr().err
    assert run(*words, "--input", "input=1x999999999x999999999x999999999") == 2
    assert "cannot be made" in capsys.readouterr().err
    assert run(*words, "--input", "input=axb") == 2
    assert "not of the form" in capsys.readouterr().err
    assert run("inspect") == 2
    assert "no generator is named" in capsys.readouterr().err


BARE = """
from gancompress import hookimpl
from gancompress.gan import FamilyOptions, GanFamily

class Bare(GanFamily):
    name = "bare"
    options = FamilyOptions
    def generator(self, options): ...
    def dataset(self, options, split): ...
    def objective(self, options): ...

@hookimpl
def gancompress_families():
    return [Bare()]
"""


def test_the_family_is_named_once_and_has_what_is_asked_of_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plugin = tmp_path / "bare_gan.py"
    plugin.write_text(BARE)
    toml = tmp_path / "run.toml"
    toml.write_text('recipe = "no-such"\nfamily = "pix2pix"\n')
    odd = tmp_path / "odd.toml"
    odd.write_text('family = ["pix2pix"]\n')
    for words, sentence, hint in (
        (("train",), "no GAN family is named", "known families: cyclegan, gaugan, pix2pix"),
        (("train", "pix2pix", "--family", "bare"), "both 'pix2pix' and 'bare'", "name one"),
        (("train", "--config", str(toml)), "no recipe 'no-such'", "openmoji"),
        (("--plugin", str(plugin), "train", "bare", "--data", "x"), "no option 'data'", "options"),
        (("distill", "pix2pix"), "no teacher is named", "gancompress train pix2pix"),
        (
            ("train", "--config", str(odd)),
            "'family' in",
            "known families: cyclegan, gaugan, pix2pix",
        ),
    ):
        assert run(*words) == 2
        shown = capsys.readouterr().err
        assert sentence in shown
        assert hint in shown


def test_global_flags_may_stand_after_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plugins", "--json") == 0
    assert "plugins" in json.loads(capsys.readouterr().out)
    with pytest.raises(Exception, match="no family 'nope'"):
        main(["train", "nope", "--traceback"])


def test_every_verb_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    listed = capsys.readouterr().out
    verbs = "train inspect distill search finetune export evaluate bench compress demo plugins"
    for verb in verbs.split():
        assert verb in listed
        assert run(verb, "--help") == 0
        assert f"Example: gancompress {verb}" in capsys.readouterr().out
    assert run("data", "--help") == 0
    assert "stats" in capsys.readouterr().out
    assert run("data", "stats", "--help") == 0
    assert "Example: gancompress data stats" in capsys.readouterr().out
