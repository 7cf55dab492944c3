"""`compress` and `demo`: everything in one call."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest


def without_latency(run: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((run / "summary.json").read_text())
    for row in ("teacher", "compressed"):
        assert figures[row].pop("latency_ms") > 0
    return figures


def test_the_same_command_on_a_finished_run_prints_its_table_again(
    cli, finished: Path, toml: Path, teacher: Path
) -> None:
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", finished)
    before = (finished / "summary.json").read_bytes()
    table = cli.ok(*words)
    for stage in ("distill", "search", "finetune", "export", "evaluate", "bench"):
        assert f"{stage}: already done" in cli.progress
    assert "prepare" not in cli.progress
    assert "recovery (KID)" in table
    assert f"exported: {finished / 'export' / 'compressed.py'}" in table
    assert f"pictures: {finished / 'samples.png'}" in table
    shown = json.loads(cli.ok(*words, "--json"))
    assert list(shown) == ["teacher", "compressed", "baseline", "metrics", "protocol"]
    assert (finished / "summary.json").read_bytes() == before


def test_a_configuration_may_name_everything(
    cli, finished: Path, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    file = tmp_path / "whole.toml"
    file.write_text(f'teacher = "{teacher}"\n{toml.read_text()}')
    cli.ok("compress", "--config", file, "--out", finished)
    # The same teacher at another place is the same teacher, and the same family by its flag.
    moved = shutil.copytree(teacher / "teacher", tmp_path / "moved")
    words = ("compress", "--family", "pix2pix", "--config", toml, "--teacher", moved)
    cli.ok(*words, "--out", finished)


def test_options_reach_their_stages(cli, toml: Path, teacher: Path, tmp_path: Path) -> None:
    words = ("--steps", "3", "--trials", "2", "--shrink", "3x", "--params", "2x", "--seed", "7")
    words = (*words, "--macs-published", "2x", "--memory", "1x")
    out = tmp_path / "run"
    cli.ok("compress", "--config", toml, "--teacher", teacher, *words, "--out", out, "--quiet")
    config = json.loads((out / "config.json").read_text())
    assert (config["distill"]["steps"], config["finetune"]["steps"]) == (3, 1)  # 30 and 4 before
    assert config["search"]["trials"] == 2
    assert (config["search"]["macs"], config["search"]["params"]) == ("3x", "2x")
    assert (config["search"]["macs_published"], config["search"]["memory"]) == ("2x", "1x")
    assert config["seed"] == 7
    assert cli.progress == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--latency-ms", "5", "--on", "abacus"), "'abacus' is no export target"),
        (("--macs", "3x", "--shrink", "3x"), "--macs and --shrink are both given"),
        (("--memory", "10"), "no subnet meets the budget"),
    ],
)
def test_limits_are_refused_before_the_training(
    *, cli, toml: Path, teacher: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "run"
    sentence, _ = cli.refused(
        "compress", "--config", toml, "--teacher", teacher, *words, "--out", out
    )
    assert told in sentence
    assert not (out / "checkpoints").exists()


def start(*words: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "gancompress", "--quiet", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill_when(reached: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while not reached():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.communicate()


def lengthen(file: Path, stage: str, *, hours: int) -> None:
    """Let the first process that worked on a stage have begun it earlier."""
    events = [json.loads(line) for line in file.read_text().splitlines()]
    first = next(e for e in events if (e.get("stage"), e["event"]) == (stage, "StageStarted"))
    first["time"] = (datetime.fromisoformat(first["time"]) - timedelta(hours=hours)).isoformat()
    file.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.slow  # test_kill.py does it six times at moments that are drawn
def test_kill_in_distill_and_in_search_changes_nothing(
    cli, toml: Path, teacher: Path, tmp_path: Path, finished_run: Path
) -> None:
    out = tmp_path / "run"
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", out)
    checkpoints = out / "checkpoints" / "distill"
    kill_when(lambda: any(checkpoints.glob("step-*[3-9]")), start(*words))
    assert not (out / "stages" / "distill.json").exists()

    def scored() -> int:
        text = (out / "events.jsonl").read_text() if (out / "events.jsonl").exists() else ""
        return text.count('"StageProgress", "stage": "search"')

    kill_when(lambda: scored() >= 3, start(*words))
    assert (out / "stages" / "distill.json").exists()
    assert not (out / "stages" / "search.json").exists()

    lengthen(out / "events.jsonl", "search", hours=1)
    began = time.monotonic()
    cli.ok(*words)
    assert without_latency(out) == without_latency(finished_run)
    assert (out / "trials.json").read_bytes() == (finished_run / "trials.json").read_bytes()
    assert (out / "samples.png").read_bytes() == (finished_run / "samples.png").read_bytes()
    # The resumed stage's time holds that of the process that was killed, and no other stage's does.
    seconds = {
        stage: json.loads((out / "stages" / f"{stage}.json").read_text())["seconds"]
        for stage in ("search", "finetune", "evaluate")
    }
    assert 3600 < seconds.pop("search") < 3600 + 120 + time.monotonic() - began
    assert max(seconds.values()) < time.monotonic() - began + 0.1


PLUGIN = """
from pathlib import Path
from gancompress import hookimpl
from gancompress.config import read_toml
from gancompress.gan import Recipe, parse
from gancompress_pix2pix.family import Pix2Pix

class Tiny(Pix2Pix):
    name = "tiny"
    def recipes(self):
        values = read_toml(Path({toml!r}))
        values.pop("family")
        return {{"small": parse(Recipe, {{**values, **{more!r}}}, source="small")}}

@hookimpl
def gancompress_families():
    return [Tiny()]
"""


def plugin(folder: Path, toml: Path, **more: Any) -> Path:
    file = folder / "tiny_gan.py"
    file.write_text(PLUGIN.format(toml=str(toml), more=more))
    return file


def test_demo_does_the_whole_job_with_the_teacher_of_its_recipe(
    cli, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    file = plugin(tmp_path, toml, demo=True, teacher=str(teacher / "teacher"))
    out = tmp_path / "run"
    words = ("--plugin", file, "demo", "--family", "tiny", "--steps", "15", "--trials", "2")
    shown = json.loads(cli.ok(*words, "--out", out, "--json"))
    assert shown["compressed"]["frechet"] > 0
    config = json.loads((out / "config.json").read_text())
    assert (config["distill"]["steps"], config["finetune"]["steps"]) == (15, 2)
    assert config["search"]["trials"] == 2
    table = cli.ok("--no-plugin", "pix2pix", *words, "--out", out)
    assert "exported: " in table
    assert "pictures: " in table


def test_demo_of_a_family_takes_the_recipe_with_a_teacher(
    cli, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    file = plugin(tmp_path, toml, teacher=str(teacher / "teacher"))
    words = ("--plugin", file, "demo", "--family", "tiny", "--steps", "0")
    sentence, _ = cli.refused(*words)
    assert "'distill.steps'" in sentence  # the recipe was found


def test_demo_takes_the_only_recipe_that_is_flagged(
    cli, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    file = plugin(tmp_path, toml, demo=True, teacher=str(teacher / "teacher"))
    words = ("--plugin", file, "--no-plugin", "pix2pix", "demo", "--steps", "0")
    sentence, _ = cli.refused(*words)
    assert "'distill.steps'" in sentence  # the recipe was found


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"demo": True}, "recipe 'small' of family 'tiny' has no teacher"),
        ({"demo": True, "teacher": "/nowhere"}, "has no teacher at '/nowhere'"),
        ({}, "family 'tiny' has no recipe that is flagged 'demo = true'"),
    ],
)
def test_demo_without_its_recipe_or_teacher_says_so(
    cli, toml: Path, tmp_path: Path, more: dict[str, Any], sentence: str
) -> None:
    out = tmp_path / "run"
    words = ("--plugin", plugin(tmp_path, toml, **more), "demo", "--family", "tiny")
    said, hint = cli.refused(*words, "--out", out)
    assert sentence in said
    assert "gancompress" in hint
    assert not out.exists()


def test_demo_without_any_recipe_says_so(cli, toml: Path, tmp_path: Path) -> None:
    words = ("--plugin", plugin(tmp_path, toml), "--no-plugin", "pix2pix", "demo")
    said, _ = cli.refused(*words)
    assert said == "no installed family has a recipe that is flagged 'demo = true'"
