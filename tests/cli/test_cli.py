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
    assert json.loads(events[0])["event"] == "StageStarted"
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


def test_traceback_shows_where_a_mistake_was_found() -> None:
    with pytest.raises(Exception, match="no family 'nope'"):
        main(["--traceback", "train", "nope"])


def test_an_interrupt_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gancompress.cli.app.app", interrupt)
    assert run("plugins") == INTERRUPTED
    assert "goes on from the last checkpoint" in capsys.readouterr().err
