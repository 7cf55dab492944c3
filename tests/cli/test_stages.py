"""The verbs that go on with a run directory, one after the other."""

import json
from pathlib import Path

import pytest
from PIL import Image

from gancompress.export import CompressedModel

KEYS = {
    *("params", "macs", "macs_published", "file_bytes", "frechet", "kid"),
    *("psnr_to_teacher", "latency_ms", "recovery", "recovery_kid", "l1_to_target"),
}


def test_verbs_in_turn_end_where_compress_ends(cli, distilled: Path, finished_run: Path) -> None:
    found = json.loads(cli.ok("search", distilled, "--json"))
    assert found["trials"] == 6
    trials = json.loads((distilled / "trials.json").read_text())
    assert len(trials["trials"]) == 6
    assert trials["trials"][trials["best"]] == found["best"]
    assert found["best"]["score"] == min(t["score"] for t in trials["trials"])

    tuned = json.loads(cli.ok("--json", "finetune", distilled))
    assert tuned["widths"] == found["best"]["widths"]
    assert tuned["seconds"] > 0
    assert dict(CompressedModel.load(distilled / "model").config.widths) == tuned["widths"]

    exported = json.loads(cli.ok("export", distilled, "--json"))
    for file in exported["files"].values():
        assert (distilled / file["path"]).stat().st_size == file["bytes"]
        assert file["max_abs_error"] < 1e-5

    scores = json.loads(cli.ok("evaluate", distilled, "--json"))
    assert scores["pictures"] == 6
    assert scores["protocol"]["features"]["extractor"] == "efficientnet-lite0"
    assert scores.keys() >= {"teacher", "compressed", "baseline", "recovery", "recovery_kid"}
    with Image.open(distilled / "samples.png") as sheet:
        assert sheet.width > 4 * 32

    timed = json.loads(cli.ok("bench", distilled, "--json"))
    assert timed["latency_ms"]["teacher"]["p50"] > 0

    mine, other = (
        json.loads((run / "summary.json").read_text()) for run in (distilled, finished_run)
    )
    for figures in (mine, other):
        for row in ("teacher", "compressed"):
            assert figures[row].keys() == KEYS
            figures[row].pop("latency_ms")
    assert mine == other
    assert mine["compressed"]["macs"] * 4 <= mine["teacher"]["macs"]
    assert mine["baseline"].keys() == {"frechet", "kid", "l1_to_target"}


def test_every_stage_shows_when_it_begins_and_ends(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "events.jsonl").read_text().splitlines()]
    for stage in ("prepare", "distill", "search", "finetune", "export", "evaluate", "bench"):
        kinds = [line["event"] for line in lines if line.get("stage") == stage]
        assert {"StageStarted", "StageFinished"} <= set(kinds), stage
        if stage != "bench":  # too short for steps
            assert "StageProgress" in kinds, stage
            begun = next(x for x in lines if x.get("stage") == stage and "total" in x)
            assert begun["total"] > 0, stage


def test_a_finished_stage_is_not_repeated_and_bench_is(cli, finished: Path) -> None:
    for verb in ("search", "finetune", "export", "evaluate"):
        before = (finished / "stages" / f"{verb}.json").read_bytes()
        cli.ok(verb, finished)
        assert f"{verb}: already done" in cli.progress
        assert "prepare" not in cli.progress
        assert (finished / "stages" / f"{verb}.json").read_bytes() == before
    before = (finished / "stages" / "bench.json").read_bytes()
    table = cli.ok("bench", finished)
    assert (finished / "stages" / "bench.json").read_bytes() != before
    assert "latency" in table
    assert "baseline" in table


@pytest.mark.parametrize(
    ("verb", "needed"),
    [("search", "distill"), ("finetune", "distill"), ("export", "finetune"), ("bench", "finetune")],
)
def test_a_verb_says_which_comes_before_it(cli, teacher: Path, verb: str, needed: str) -> None:
    # The run directory of a training is one too, and no stage of a compression is done in it.
    sentence, hint = cli.refused(verb, teacher)
    assert sentence == f"'{verb}' goes on from '{needed}', which is not done in '{teacher}'"
    assert f"gancompress {needed} " in hint


def test_finetune_takes_the_search_or_widths(cli, distilled: Path, tmp_path: Path) -> None:
    sentence, hint = cli.refused("finetune", distilled)
    assert "goes on from 'search'" in sentence
    assert "gancompress search" in hint

    widths = {"model.1": 8, "model.4": 8}
    file = tmp_path / "subnet.json"
    file.write_text(json.dumps({"widths": widths}))
    tuned = json.loads(cli.ok("finetune", distilled, "--subnet", file, "--steps", "2", "--json"))
    assert (tuned["widths"], tuned["steps"]) == (widths, 2)
    # The same widths as JSON are the same subnet; others are refused.
    cli.ok("finetune", distilled, "--subnet", json.dumps({"widths": widths}))
    sentence, hint = cli.refused("finetune", distilled, "--subnet", '{"widths": {"model.1": 16}}')
    assert "has begun with other widths" in sentence
    assert "subnet.json" in hint


@pytest.mark.parametrize(
    ("subnet", "words"),
    [
        ('{"widths": {"model.1": 9}}', "9"),
        ('{"widths": {"nowhere": 8}}', "'nowhere'"),
        ("{", "JSON"),
        ("missing.json", "'missing.json' cannot be read"),
    ],
)
def test_widths_that_do_not_fit_are_refused(cli, distilled: Path, subnet: str, words: str) -> None:
    sentence, _ = cli.refused("finetune", distilled, "--subnet", subnet)
    assert words in sentence
    assert not (distilled / "model").exists()


def test_settings_of_a_stage_that_has_not_begun_may_change(cli, distilled: Path) -> None:
    found = json.loads(cli.ok("search", distilled, "--trials", "2", "--macs", "4.5x", "--json"))
    assert found["trials"] == 2
    assert json.loads((distilled / "config.json").read_text())["search"]["macs"] == "4.5x"
    sentence, hint = cli.refused("search", distilled, "--trials", "3")
    assert "'search.trials' was 2, and is now 3" in sentence
    assert "--out" in hint
    cli.ok("search", distilled)
    assert "search: already done" in cli.progress


def test_an_unknown_export_target_is_refused_and_another_try_succeeds(cli, finished: Path) -> None:
    (finished / "stages" / "export.json").unlink()
    sentence, hint = cli.refused("export", finished, "--target", "tflite")
    assert "'tflite' is no export target" in sentence
    assert "onnx" in hint
    exported = json.loads(cli.ok("export", finished, "--target", "onnx", "--json"))
    for name, file in exported["files"].items():
        assert file["path"] == f"export/{name}.onnx"
        assert (finished / file["path"]).stat().st_size == file["bytes"]
        assert file["max_abs_error"] < 1e-3


def test_plain_torch_is_a_module_and_its_weights(cli, finished: Path) -> None:
    found = json.loads((finished / "stages" / "export.json").read_text())
    assert {name: file["path"] for name, file in found["files"].items()} == {
        "teacher": "export/teacher.py",
        "compressed": "export/compressed.py",
    }
    assert (finished / "export" / "compressed.safetensors").is_file()
    assert found["files"]["compressed"]["max_abs_error"] < 1e-5


def test_an_export_target_of_a_plugin_is_used_by_its_name(
    cli, finished: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "plain_target.py"
    plugin.write_text(
        "import torch\n"
        "from gancompress import ExportTarget, hookimpl\n"
        "from gancompress.export import TorchTarget\n"
        "class Plain(TorchTarget):\n"
        "    name = 'plain'\n"
        "    suffix = '.plain.py'\n"
        "@hookimpl\n"
        "def gancompress_export_targets():\n"
        "    return [Plain()]\n"
    )
    (finished / "stages" / "export.json").unlink()
    shown = json.loads(
        cli.ok("--plugin", plugin, "export", finished, "--target", "plain", "--json")
    )
    assert shown["target"] == "plain"
    assert (finished / "export" / "compressed.plain.py").is_file()


def test_a_folder_that_is_no_run_is_refused(cli, tmp_path: Path) -> None:
    sentence, hint = cli.refused("search", tmp_path / "nowhere")
    assert "is no run directory" in sentence
    assert "--out" in hint
    assert not (tmp_path / "nowhere").exists()


def test_inspect_takes_a_run_directory(cli, finished_run: Path, tmp_path: Path) -> None:
    shown = json.loads(cli.ok("inspect", finished_run, "--json"))
    summary = json.loads((finished_run / "summary.json").read_text())
    assert shown["macs"] == summary["teacher"]["macs"]
    sentence, _ = cli.refused("inspect", tmp_path)
    assert "is no run directory" in sentence
