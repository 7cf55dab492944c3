"""Files of a run that were damaged or lost: a sentence that names them, and a hint that is true."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from gancompress.store import load_tensors

STAGES = ("search", "finetune", "export", "evaluate", "bench")
# What a crash, an editor or a wrong copy may leave.
DAMAGES = ("", "{", "[]", "null", "3", "{}", '{"best": null, "files": [], "latency_ms": {}}')


@pytest.fixture
def words(finished: Path, toml: Path, teacher: Path) -> tuple[object, ...]:
    """The command that began the finished run."""
    return ("compress", "--config", toml, "--teacher", teacher, "--out", finished)


def lasting(run: Path, stage: str) -> dict[str, Any]:
    """A stage's summary without what differs from time to time."""
    summary = json.loads((run / "stages" / f"{stage}.json").read_text())
    summary.pop("seconds")
    summary.pop("latency_ms", None)
    return dict(summary)


@pytest.mark.parametrize("stage", STAGES)
def test_a_summary_of_another_shape(cli, finished: Path, words, stage: str) -> None:
    place, before = finished / "stages" / f"{stage}.json", lasting(finished, stage)
    for damage in DAMAGES:
        place.write_text(damage)
        with cli.loses_nothing(finished):
            # The table has nothing of the search's, which its own verb shows.
            sentence, hint = cli.refused(*(("search", finished) if stage == "search" else words))
        assert sentence.startswith(f"'{place}' is damaged: ")
        assert hint == "remove it, and the stage is done again"
    place.unlink()
    cli.ok(*words)
    assert lasting(finished, stage) == before
    cli.ok(*words)
    assert f"{stage}: already done" in cli.progress


def test_trials_of_another_shape(cli, finished: Path) -> None:
    place = finished / "trials.json"
    before = place.read_bytes()
    (finished / "stages" / "finetune.json").unlink()
    shutil.rmtree(finished / "checkpoints" / "finetune")
    for damage in (*DAMAGES, '{"trials": [1]}', '{"trials": []}'):
        place.write_text(damage)
        sentence, hint = cli.refused("finetune", finished)
        assert sentence.startswith(f"'{place}' is damaged: ")
        assert hint == "remove it, and the search writes it again"
    place.unlink()
    sentence, hint = cli.refused("finetune", finished)
    assert sentence == f"'finetune' goes on from 'search', and '{place}' is missing"
    assert hint == f"run `gancompress search {finished}` first"
    cli.ok("search", finished)
    assert f"search: '{place}' is missing: the stage is done again" in cli.progress
    assert place.read_bytes() == before


def test_one_odd_value_in_the_trials(cli, finished: Path) -> None:
    place = finished / "trials.json"
    (finished / "stages" / "finetune.json").unlink()
    shutil.rmtree(finished / "checkpoints" / "finetune")
    whole = json.loads(place.read_text())
    for key, value in (
        ("number", "0"),
        ("widths", None),
        ("widths", {"model.1": 0}),
        ("widths", {"model.1": "8"}),
        ("cost", None),
        ("cost", {"macs": 3}),
        ("score", "low"),
    ):
        trials = [{**whole["trials"][0], key: value}, *whole["trials"][1:]]
        place.write_text(json.dumps({**whole, "trials": trials}))
        sentence, _ = cli.refused("finetune", finished)
        assert sentence.startswith(f"'{place}' is damaged: ")


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"seed": 0}', '{"family": null}'])
def test_a_configuration_of_another_shape(cli, finished: Path, words, damage: str) -> None:
    place = finished / "config.json"
    whole = place.read_text()
    place.write_text(damage)
    for given in (words, ("search", finished), ("bench", finished), ("inspect", finished)):
        sentence, hint = cli.refused(*given)
        assert f"'{place}'" in sentence
        assert "remove it" not in hint
    place.write_text(whole)  # as the hint says, from a copy
    cli.ok(*words)


def test_a_training_whose_configuration_is_damaged(
    cli, teacher: Path, toml: Path, tmp_path
) -> None:
    run = Path(shutil.copytree(teacher, tmp_path / "run"))
    for damage in ("", "[]"):
        (run / "config.json").write_text(damage)
        sentence, hint = cli.refused("train", "--config", toml, "--out", run)
        assert sentence.startswith(f"'{run / 'config.json'}' is damaged: ")
        assert "--out" in hint


@pytest.mark.parametrize(
    ("lost", "stage"),
    [
        ("model", "finetune"),
        ("model/weights.safetensors", "finetune"),
        ("export", "export"),
        ("export/compressed.py", "export"),
        ("trials.json", "search"),
    ],
)
def test_what_is_lost_of_a_finished_run_is_made_again(
    *, cli, finished: Path, words, lost: str, stage: str
) -> None:
    place = finished / lost
    kept = {p: p.read_bytes() for p in (finished / "model").iterdir()}
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()
    table = cli.ok(*words)
    assert f"{stage}: '{place}" in cli.progress
    assert "is missing: the stage is done again" in cli.progress
    assert place.exists()
    assert {p: p.read_bytes() for p in kept} == kept  # trained to the same bits
    for line in table.splitlines():
        if line.startswith(("exported: ", "pictures: ")):
            assert Path(line.partition(": ")[2]).is_file()
    others = {"distill", *STAGES} - {stage, "bench"}
    assert all(f"{other}: already done" in cli.progress for other in others)


def test_verbs_say_what_is_lost_before_them(cli, finished: Path) -> None:
    shutil.rmtree(finished / "model")
    (finished / "stages" / "export.json").unlink()
    sentence, hint = cli.refused("export", finished)
    assert sentence == (
        f"'export' goes on from 'finetune', and '{finished / 'model' / 'model.json'}' is missing"
    )
    assert hint == f"run `gancompress finetune {finished}` first"
    cli.ok("finetune", finished)
    cli.ok("export", finished)


def test_a_damaged_model_is_made_again(cli, finished: Path) -> None:
    place = finished / "model"
    before = (place / "model.json").read_bytes()
    (finished / "stages" / "evaluate.json").unlink()
    for name, damage in (("model.json", b"[]"), ("weights.safetensors", b"")):
        (place / name).write_bytes(damage)
        sentence, hint = cli.refused("evaluate", finished)
        assert f"'{place / name}'" in sentence
        assert hint == f"remove '{place}', and `gancompress finetune {finished}` makes it again"
        shutil.rmtree(place)
        cli.ok("finetune", finished)
        assert (place / "model.json").read_bytes() == before
    cli.ok("evaluate", finished)


def test_a_supernet_that_nobody_needs_any_more_may_be_removed(cli, finished: Path, words) -> None:
    (finished / "distill.safetensors").unlink()
    cli.ok(*words)
    assert "distill: already done" in cli.progress
    assert not (finished / "distill.safetensors").exists()
    cli.ok("bench", finished)


@pytest.mark.parametrize("damage", [b"", b"no tensors", None])
def test_a_damaged_supernet_is_written_again(
    cli, distilled: Path, toml: Path, teacher: Path, damage: bytes | None
) -> None:
    place = distilled / "distill.safetensors"
    before = place.read_bytes()
    if damage is None:  # of another net
        shutil.copy(teacher / "teacher" / "discriminators.safetensors", place)
    else:
        place.write_bytes(damage)
    sentence, hint = cli.refused("search", distilled)
    assert f"'{place}'" in sentence
    assert hint == f"remove it, and `gancompress distill FAMILY --out {distilled}` writes it again"
    place.unlink()
    sentence, _ = cli.refused("search", distilled)
    assert sentence == f"'search' goes on from 'distill', and '{place}' is missing"
    cli.ok("distill", "--config", toml, "--teacher", teacher, "--out", distilled)
    assert place.read_bytes() == before
    cli.ok("search", distilled, "--trials", "1")


@pytest.mark.parametrize("name", ["", "generator.safetensors", "discriminators.safetensors"])
def test_a_lost_copy_of_the_teacher_is_put_back(cli, finished: Path, words, name: str) -> None:
    folder = finished / "teacher"
    shutil.rmtree(folder) if not name else (folder / name).unlink()
    sentence, hint = cli.refused("bench", finished)
    assert str(folder) in sentence
    assert "give the command that began the run again" in hint
    shutil.rmtree(folder, ignore_errors=True)
    cli.ok(*words)
    cli.ok("bench", finished)


def test_a_lost_teacher_is_made_again_from_its_checkpoint(
    cli, teacher: Path, toml: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(teacher, tmp_path / "run"))
    place = run / "teacher" / "generator.safetensors"
    before = load_tensors(place)
    place.unlink()
    cli.ok("train", "--config", toml, "--out", run)
    assert f"train: '{place}' is missing" in cli.progress
    assert all(torch.equal(value, before[name]) for name, value in load_tensors(place).items())


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"widths": {"model.1": "8"}}', None])
def test_fine_tuning_that_no_longer_knows_its_subnet(
    cli, finished: Path, damage: str | None
) -> None:
    place = finished / "subnet.json"
    before = place.read_bytes()
    (finished / "stages" / "finetune.json").unlink()
    if damage is None:
        place.unlink()
    else:
        place.write_text(damage)
    sentence, hint = cli.refused("finetune", finished)
    assert sentence.startswith(f"'{place}' is damaged, and says no more what is fine-tuned: ")
    steps = finished / "checkpoints" / "finetune"
    assert hint == f"remove it and '{steps}', and fine-tuning begins anew"
    place.unlink(missing_ok=True)
    shutil.rmtree(steps)
    cli.ok("finetune", finished)
    assert place.read_bytes() == before


def test_fine_tuning_goes_on_with_the_subnet_that_it_began_with(cli, distilled: Path) -> None:
    widths = {"model.1": 8, "model.4": 8}
    cli.ok("finetune", distilled, "--subnet", json.dumps({"widths": widths}), "--steps", "2")
    before = (distilled / "model" / "model.json").read_bytes()
    (distilled / "stages" / "finetune.json").unlink()  # as if it had been killed
    shown = json.loads(cli.ok("finetune", distilled, "--json"))
    assert shown["widths"] == widths
    shutil.rmtree(distilled / "model")
    cli.ok("finetune", distilled)
    assert (distilled / "model" / "model.json").read_bytes() == before


def test_lines_that_somebody_else_wrote_into_the_events(cli, finished: Path, words) -> None:
    with (finished / "events.jsonl").open("a") as file:
        file.write('[1]\nnull\n{"stage": "evaluate"}\n{"stage": "evaluate", "time": 3}\n')
        file.write('{"stage": "evaluate", "time": "2026-01-01T00:00:00"}\n')
    (finished / "stages" / "evaluate.json").unlink()
    cli.ok(*words)


REMOVER = """
import shutil
from gancompress import hookimpl

@hookimpl
def gancompress_event(event):
    if (type(event).__name__, event.stage) == ("{event}", "{stage}"):
        shutil.rmtree("{run}")
"""


@pytest.mark.parametrize(
    ("event", "stage"), [("StageStarted", "distill"), ("StageProgress", "search")]
)
def test_a_run_directory_that_is_removed_while_it_is_in_use(
    *, cli, toml: Path, teacher: Path, tmp_path: Path, event: str, stage: str
) -> None:
    out, plugin = tmp_path / "run", tmp_path / "remover.py"
    plugin.write_text(REMOVER.format(event=event, stage=stage, run=out))
    words = ("compress", "--config", toml, "--teacher", teacher, "--steps", "2", "--trials", "3")
    sentence, hint = cli.refused("--plugin", plugin, *words, "--out", out)
    assert str(out) in sentence
    assert "was removed while" in sentence
    assert "start the same command again" in hint
    shutil.rmtree(out, ignore_errors=True)  # what is left of it
    if stage == "distill":
        cli.ok(*words, "--out", out)
