"""The comparison runs in small and goes on where it was; its figures are no test's business."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.quality import contestants, grid, latency, protocol, run, tables
from benchmarks.quality.protocol import Key, Row
from benchmarks.quality.students import reaching
from benchmarks.quality.work import SPECS, Spec, Work
from PIL import Image

from gancompress.gan import initialise_normal
from gancompress.store import save_tensors
from gancompress_pix2pix.family import Pix2Pix

ONLY = "seed=0,budget=10,contestant=a+c"


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """A small teacher with random weights, and a few small pictures, each of which is unique."""
    folder = tmp_path_factory.mktemp("quality")
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (folder / split).mkdir()
        for index in range(4):
            tile = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            pair = np.concatenate([tile, 255 - tile], axis=1)
            Image.fromarray(pair).save(folder / split / f"{index}.png")
    options: dict[str, Any] = {"data": str(folder), "size": 32, "generator_width": 16, "blocks": 2}
    options["discriminator_width"] = 4
    stage = {"steps": 2, "batch_size": 2, "ema": 0.5}
    search = {"trials": 2, "pictures": 4}
    changes = {"options": options, "distill": stage, "finetune": stage, "search": search}
    family = Pix2Pix()
    made = family.options.model_validate(options)
    torch.manual_seed(0)
    save_tensors(folder / "generator.safetensors", family.generator(made).state_dict())
    critics = family.objective(made).discriminators
    save_tensors(folder / "discriminators.safetensors", critics.state_dict())
    return Spec("small", Pix2Pix, None, 4, changes, teacher=folder)


@pytest.fixture(scope="module")
def out(spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a call for two contestants has written."""
    folder = tmp_path_factory.mktemp("out")
    assert run.main(["--out", str(folder), "--only", ONLY], {"small": spec}) == 0
    return folder


def results(out: Path) -> dict[str, Row]:
    return {row["contestant"]: row for row in protocol.read_rows(out / run.ROWS)}


def test_contestants_see_as_many_pictures_and_keep_the_budget(out: Path) -> None:
    rows = results(out)
    assert set(rows) == {"teacher", "untouched input", "a", "c"}
    assert rows["a"]["images"] == rows["c"]["images"] == 4 * 2
    for letter in "ac":
        assert rows[letter]["cost"]["macs"] * 10 <= rows["teacher"]["cost"]["macs"]
        assert 0.75 < rows[letter]["share"] <= 1
        assert {"frechet-lite0", "psnr to target", "psnr to teacher"} <= set(rows[letter]["scores"])
    assert "psnr to teacher" not in rows["teacher"]["scores"]


def test_a_second_call_does_what_is_missing_alone(
    spec: Spec, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (out / run.ROWS).read_text()
    calls: list[str] = []
    makers = {
        name: lambda work, budget, seed, name=name: calls.append(name)  # fails after the call
        for name in contestants.MAKERS
    }
    monkeypatch.setattr(run, "MAKERS", makers)
    words = ["--out", str(out), "--only", ONLY]
    assert run.main(words, {"small": spec}) == 0
    assert calls == []
    # Other settings, and another scale: nothing of what there is counts.
    assert run.main([*words, "--scale", "0.5"], {"small": spec}) == 1
    assert calls == ["a", "c"]
    lines = before.splitlines()
    kept = [line for line in lines if json.loads(line)["contestant"] != "c"]
    # A call that was killed leaves half a line behind.
    (out / run.ROWS).write_text("\n".join(kept) + '\n{"family": "sm')
    assert run.main(words, {"small": spec}) == 1
    assert calls == ["a", "c", "c"]
    (out / run.ROWS).write_text(before)


@pytest.mark.parametrize(
    "make",
    [contestants.ours, pytest.param(contestants.paper_pipeline, marks=pytest.mark.slow)],
)
def test_pipelines_count_the_supernet_s_steps_and_see_no_held_out_picture(
    spec: Spec, tmp_path: Path, make: contestants.Make
) -> None:
    work = Work(spec, 1.0, tmp_path)

    def never(*_: Any) -> None:
        raise AssertionError("a contestant looked at the test split")

    digests = {
        split: {data[i].target.numpy().tobytes() for i in range(len(data))}
        for split, data in work.data.items()
    }
    assert not digests["test"] & (digests["train"] | digests["val"])
    work.data["test"].__class__ = type("Held", (type(work.data["test"]),), {"__getitem__": never})
    made = make(work, 10, 0)
    assert made.steps == 4
    assert made.model.cost.macs * 10 <= work.macs
    assert {"prepare", "train", "search"} <= set(made.seconds)
    with pytest.raises(AssertionError, match="looked at the test split"):
        _ = work.judge


def test_random_weights_are_none_of_the_teacher_s(spec: Spec, tmp_path: Path) -> None:
    work = Work(spec, 1.0, tmp_path)
    net = work.decomposed(work.config).module
    before = {name: value.clone() for name, value in net.named_parameters()}
    work.randomise(net, 0)
    same = [name for name, value in net.named_parameters() if torch.equal(value, before[name])]
    assert all(name.endswith("bias") and not before[name].any() for name in same)
    net.stray = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match="'stray' would keep the teacher's weights"):
        work.randomise(net, 0)


def test_a_space_is_widened_only_where_the_budget_asks_for_it(spec: Spec, tmp_path: Path) -> None:
    work = Work(spec, 1.0, tmp_path)
    assert reaching(work, work.config, 5).space == work.config.space
    narrower = reaching(work, work.config, 60).space
    assert narrower.smallest < work.config.space.smallest


def test_every_ablation_changes_a_setting_or_the_project(spec: Spec, tmp_path: Path) -> None:
    from gancompress.compress.configure import override

    config = Work(spec, 1.0, tmp_path).config
    for name, arm in contestants.ARMS.items():
        changed = override(config, arm.changes)
        assert changed != config or arm.reshape is not None, name
        assert name.startswith("e, ")


def test_the_order_is_useful_wherever_it_is_cut_off() -> None:
    keys = list(protocol.plan(["x", "y"], ["e, off"]))
    assert len(keys) == len(set(keys)) == 2 * (9 * 5 + 2)
    assert {(key.budget, key.seed) for key in keys[:10]} == {(10, 0)}
    assert {key.budget for key in keys[:50]} == {10}
    assert {key.contestant for key in keys[-4:]} == {"e, off"}
    few = protocol.chosen(keys, "family=x,budget=5+20,contestant=a")
    assert {(key.family, key.budget, key.contestant) for key in few} == {
        ("x", 5, "a"),
        ("x", 20, "a"),
    }
    with pytest.raises(SystemExit, match="there is no contestant 'z'"):
        protocol.chosen(keys, "contestant=z")
    with pytest.raises(SystemExit, match="selects nothing"):
        protocol.chosen(keys, "colour=red")


def line(contestant: str, seed: int, frechet: float, budget: int = 10) -> Row:
    scores = {"frechet-lite0": frechet, "lpips-lite0 to teacher": frechet / 100}
    cost = {"macs": 2_000_000, "params": 1500}
    row: Row = {"family": "x", "budget": budget, "seed": seed, "contestant": contestant}
    return {**row, "scores": scores, "cost": cost, "share": 0.9, "seconds": {"train": 60.0}}


def test_tables_hold_paired_intervals() -> None:
    rows = [line("e", seed, 100.0 + 7 * seed) for seed in range(3)]
    # Differences of 1, 2 and 3: the mean is 2, and t(0.975, 2) / √3 is 2.484.
    rows += [line("a", seed, 101.0 + 8 * seed) for seed in range(3)]
    rows += [line("e", 0, 50.0, 20), line("b", 0, 52.5, 20), line("e, off", 0, 110.0)]
    text = tables.tables(rows, {Key("x", 10, 0, "e"): 1.25})
    (a,) = [row for row in text.splitlines() if row.startswith("| (a)")]
    assert "| 3 | 109.0 | +2 (-0.484 … +4.48) |" in a
    (b,) = [row for row in text.splitlines() if row.startswith("| (b)")]
    assert "| 1 | 52.5 | +2.5 (one seed) |" in b
    assert "| 2.0 M | 2 k | – | 60 s | – |" in b
    assert "| 1.25 ms |" in text
    assert "| off | +10 (one seed) | +0.1 (one seed) | 90% |" in text
    failed = {**line("c", 0, 0.0), "error": "it diverged"}
    del failed["scores"]
    assert "- x, 1/10, seed 0, c: it diverged" in tables.tables([*rows, failed], {})


def test_a_grid_shows_every_contestant_that_is_done(spec: Spec, out: Path) -> None:
    grid.main(["--out", str(out)], {"small": spec})
    assert (out / "small.png").is_file()
    shown = grid.columns(out, Work(spec, 1.0, out))
    assert list(shown) == ["input", "target", "teacher", "(a)", "(c)"]


@pytest.mark.slow
def test_models_are_timed_as_exported_files(
    spec: Spec, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "RUNTIMES", ("onnx",))
    work, key = Work(spec, 1.0, out), Key("small", 10, 0, "a")
    latency.time_models(out, {"small": work}, [key], 1, runs=2)
    found = latency.read_latencies(out, list(results(out).values()))
    assert set(found) == {key}
    assert found[key] > 0


def test_works_differ_in_their_protocol() -> None:
    works = [Work(spec, 1.0, Path("nowhere")) for spec in SPECS.values()]
    assert len({work.protocol for work in works}) == len(works) == 4
    other = replace(SPECS["openmoji"], steps=481)
    assert Work(other, 1.0, Path("nowhere")).protocol != works[0].protocol
    assert Work(SPECS["openmoji"], 0.5, Path("nowhere")).protocol != works[0].protocol
    for work in works:
        assert work.config.distill.steps + work.config.finetune.steps == work.spec.steps
        assert work.spec.initialise is not initialise_normal or work.spec.name != "landcover"
