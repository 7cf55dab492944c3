"""Metrics by their name: those of the core and those of plugins, in `evaluate` and in `search`."""

import json
from pathlib import Path

import pytest

PLUGIN = """
from gancompress import Metric, hookimpl

class Redness(Metric):
    name = "redness"
    higher_is_better = True
    def protocol(self):
        {protocol}
    def compute(self, outputs, references):
        {compute}

@hookimpl
def gancompress_metrics():
    return [Redness()]
"""


def plugin(
    folder: Path,
    protocol: str = 'return {"channel": 0}',
    compute: str = "return float(outputs[:, 0].mean() - references[:, 0].mean())",
) -> Path:
    file = folder / "red.py"
    file.write_text(PLUGIN.format(protocol=protocol, compute=compute))
    return file


def test_an_evaluation_is_repeated_for_further_metrics(cli, finished: Path, tmp_path: Path) -> None:
    words = ("--plugin", plugin(tmp_path), "evaluate", finished)
    before = json.loads((finished / "stages" / "evaluate.json").read_text())
    shown = json.loads(cli.ok(*words, "--metric", "redness", "--metric", "l1", "--json"))
    rows = shown.pop("metrics")
    assert list(rows) == ["redness", "l1"]
    assert rows["redness"]["higher_is_better"]
    protocol = rows["redness"]["protocol"]
    assert (protocol["channel"], protocol["pictures"]) == (0, 6)
    assert protocol["references"]["pictures"] == 6
    assert len(protocol["references"]["sha256"]) == 64
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["metrics"] == rows
    assert summary["protocol"] == shown["protocol"]
    # The core's own L1 is the one that every evaluation has.
    for source in ("teacher", "compressed", "baseline"):
        assert rows["l1"][source] == pytest.approx(shown[source]["l1_to_target"])
    assert before.pop("metrics") == {}
    assert {k: v for k, v in shown.items() if k != "seconds"} == {
        k: v for k, v in before.items() if k != "seconds"
    }
    table = cli.ok(*words)  # the run remembers which
    assert "evaluate: already done" in cli.progress
    assert f"l1: teacher {rows['l1']['teacher']:.4f}, compressed " in table
    assert "redness: teacher " in table
    assert "(higher is better)" in table


def test_a_configuration_names_metrics(cli, finished: Path, toml: Path, teacher: Path) -> None:
    file = finished.parent / "own.toml"
    file.write_text(toml.read_text() + '[evaluate]\nmetrics = ["psnr"]\n')
    words = ("compress", "--config", file, "--teacher", teacher, "--out", finished)
    table = cli.ok(*words)
    assert "psnr: teacher " in table
    assert "finetune: already done" in cli.progress
    assert "evaluate: already done" not in cli.progress
    cli.ok(*words)
    assert "evaluate: already done" in cli.progress


def test_a_search_scores_by_a_metric_of_its_choice(cli, distilled: Path, tmp_path: Path) -> None:
    words = ("--plugin", plugin(tmp_path), "search", distilled, "--trials", "2")
    shown = json.loads(cli.ok(*words, "--score", "redness", "--json"))
    trials = json.loads((distilled / "trials.json").read_text())["trials"]
    assert all(-2 <= trial["score"] <= 2 for trial in trials)  # no Fréchet distance of these nets
    assert shown["best"]["score"] == min(trial["score"] for trial in trials)
    assert json.loads((distilled / "config.json").read_text())["search"]["score"] == "redness"


def test_an_unknown_metric_is_refused_with_the_nearest_name(
    *, cli, finished: Path, distilled: Path, toml: Path, teacher: Path, tmp_path: Path
) -> None:
    file, out = tmp_path / "own.toml", tmp_path / "run"
    file.write_text(toml.read_text() + '[evaluate]\nmetrics = ["psrn"]\n')
    for words in (
        ("evaluate", finished, "--metric", "psrn"),
        ("search", distilled, "--score", "psrn"),
        ("compress", "--config", file, "--teacher", teacher, "--out", out),
        ("distill", "--config", file, "--teacher", teacher, "--out", out),
    ):
        sentence, hint = cli.refused(*words)
        assert sentence == "there is no metric 'psrn'"
        assert hint.startswith("did you mean 'psnr'? known metrics: fid, frechet-lite0, kid, kid-")
    assert not out.exists()
    assert json.loads((finished / "config.json").read_text())["evaluate"]["metrics"] == []
    cli.ok("evaluate", finished)
    assert "evaluate: already done" in cli.progress


@pytest.mark.parametrize("where", ["protocol", "compute"])
@pytest.mark.parametrize("verb", ["evaluate", "search"])
def test_a_metric_that_fails_is_named(
    *, cli, finished: Path, distilled: Path, tmp_path: Path, where: str, verb: str
) -> None:
    file = plugin(tmp_path, **{where: "raise KeyError('lens')"})
    more = {"evaluate": (finished, "--metric"), "search": (distilled, "--score")}[verb]
    sentence, hint = cli.refused("--plugin", file, verb, *more, "redness")
    assert sentence == "metric 'redness' failed: KeyError: 'lens'"
    assert "leave it out" in hint


def test_a_run_that_is_older_than_a_setting_goes_on(
    cli, finished: Path, toml: Path, teacher: Path
) -> None:
    place = finished / "config.json"
    config = json.loads(place.read_text())
    whole = json.dumps(config)
    del config["evaluate"], config["search"]["score"]
    place.write_text(json.dumps(config))
    words = ("compress", "--config", toml, "--teacher", teacher, "--out", finished)
    cli.ok(*words)
    assert "distill: already done" in cli.progress
    assert json.loads(place.read_text()) == json.loads(whole)
    place.write_text(json.dumps(config))
    sentence, _ = cli.refused(*words, "--seed", "3")
    assert "'seed' was 0, and is now 3" in sentence
