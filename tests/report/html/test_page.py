"""The report of runs in any state: young, interrupted, damaged, finished, compared."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gancompress.errors import ConfigError, RunError, StorageError
from gancompress.report import render_report, write_report
from gancompress.report.html.headline import headline
from gancompress.report.html.progress import stage_states, trainings
from gancompress.report.html.samples import gallery
from gancompress.report.html.search import search
from gancompress.report.html.source import RunSource

Change = Callable[[Path], object]
SECTIONS = ("headline", "samples", "architecture", "coverage", "sensitivity", "training", "search")


def section(page: str, key: str) -> str:
    found = re.search(rf'<section class="card" id="{key}1".*?</section>', page, re.DOTALL)
    assert found
    return found[0]


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture(scope="module")
def page(whole: Path) -> str:
    return render_report([whole])


def test_every_part_of_a_finished_run_is_shown(page: str, whole: Path) -> None:
    assert "not done yet" not in plain(page.partition("<main")[2])
    assert "is damaged" not in page
    model = json.loads((whole / "model" / "model.json").read_text())
    assert model["weights"]["sha256"] in page
    widths = section(page, "architecture")
    for key, width in model["config"].items():
        assert key in widths
        assert f"<b>{width}</b>" in widths
    assert "decomposed" in widths
    assert "Kendall" in section(page, "ranking")
    assert "gancompress --quiet --plugin" in section(page, "origin")
    assert len(re.findall("data:image/", page)) >= 16 * 5
    assert len(page.encode()) < 5_000_000


def test_figures_carry_units_and_protocol_and_unmeasured_ones_do_not_appear(
    run: Path, page: str
) -> None:
    table = plain(section(page, "headline"))
    for words in (
        "MACs, true",
        "MACs, published convention",
        "parameters",
        "latency, torch, eager",
    ):
        assert words in table
    assert " ms" in table
    assert "16 held-out pictures" in table
    assert "efficientnet-lite0" in table
    (run / "stages" / "bench.json").unlink()
    (run / "stages" / "evaluate.json").unlink()
    rest = plain(section(render_report([run]), "headline"))
    assert "latency" not in rest
    assert "Fréchet" not in rest
    assert "MACs, true" in rest


def test_every_runtime_that_was_timed_has_a_row(run: Path) -> None:
    place = run / "stages" / "bench.json"
    bench = json.loads(place.read_text())
    times = bench["latency_ms"]
    bench["runtimes"] = [{"runtime": "onnxruntime", "threads": 4, "latency_ms": times}]
    bench["more"] = {"openvino": {"latency_ms": {"teacher": {"p50": 2.0}, "compressed": {}}}}
    place.write_text(json.dumps(bench))
    found = headline(RunSource.open(run))
    assert found
    rows = [row for row in found.rows if row.label.startswith("latency")]
    assert [row.label for row in rows[1:]] == ["latency, onnxruntime", "latency, openvino"]
    assert "4 threads" in rows[1].note
    assert (rows[2].teacher, rows[2].compressed, rows[2].ratio) == ("2.00 ms", "", "")


def test_further_metrics_and_recovery_have_rows_with_their_protocol(run: Path) -> None:
    place = run / "stages" / "evaluate.json"
    scores = json.loads(place.read_text())
    figures = {"teacher": 50.0, "compressed": 40.0, "baseline": None, "recovery": 0.9}
    more = {"higher_is_better": True, "real_against_real": 3.0, "protocol": {"classes": 19}}
    unknown = {"teacher": None, "compressed": None, "higher_is_better": False}
    scores |= {"recovery": 0.875, "psnr_to_teacher": None, "real_against_real": None}
    scores["metrics"] = {"miou": figures | more, "nobody": unknown}
    place.write_text(json.dumps(scores))
    table = plain(section(render_report([run]), "headline"))
    assert "miou metric" in table
    assert "real against real 3.0000; recovery 90.0 %; higher is better 50.0000 40.0000" in table
    assert "classes 19" in table
    assert "87.5 %" in table
    assert "nobody" not in table
    assert "PSNR" not in table
    (run / "score.json").write_text("{")
    page = render_report([run])
    assert "miou" in section(page, "headline")
    assert f"{run / 'score.json'}&#39; is damaged" in section(page, "headline")


@pytest.mark.parametrize("done", range(8))
def test_a_run_of_any_age(run: Path, done: int) -> None:
    stages = ("teacher", "distill", "search", "finetune", "export", "evaluate", "bench")
    for name in stages[done:]:
        (run / "stages" / f"{name}.json").unlink()
    if done < 3:
        (run / "trials.json").unlink()
        (run / "subnet.json").unlink()
    if done < 1:
        for path in run.iterdir():
            if path.name != "config.json":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = render_report([run])
    assert "is damaged" not in page
    # What the log knows of is begun, and the rest is not done yet.
    assert ("not done yet" in page or ">begun, " in page) == (done < 7)


def test_a_search_that_goes_on_is_read_from_its_storage(run: Path) -> None:
    finished = search(RunSource.open(run))
    (run / "trials.json").unlink()
    going = search(RunSource.open(run))
    assert finished
    assert going
    assert finished.finished
    assert not going.finished
    assert going.trials == finished.trials
    assert going.trials[0].best
    assert "goes on" in section(render_report([run]), "search")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("stages/finetune.json", "headline"),
        ("stages/export.json", "headline"),
        ("stages/evaluate.json", "headline"),
        ("stages/bench.json", "headline"),
        ("trials.json", "search"),
        ("architecture.json", "architecture"),
        ("sensitivity.json", "sensitivity"),
        ("ranking.json", "ranking"),
        ("samples/evaluate/00-teacher.png", "samples"),
        ("config.json", "origin"),
    ],
)
@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"costs": 3, "files": 3, "trials": 3, "steps": "x"}']
)
def test_a_damaged_file_is_named_and_the_rest_stands(
    run: Path, name: str, key: str, damage: str
) -> None:
    (run / name).write_text(damage)
    page = render_report([run])
    if (
        damage[0] == "{"
        and damage != "{"
        and name
        in {
            "architecture.json",
            "config.json",
            "stages/bench.json",
            "stages/evaluate.json",
        }
    ):
        return  # it only lacks what it had, as one of another release may
    assert f"{run / name}&#39; is damaged" in page
    assert f"{run / name}" in section(page, key)
    assert "Kendall" in page or key == "ranking"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("stages/bench.json", {"latency_ms": {"teacher": 3, "compressed": {"p50": "fast"}}}),
        ("stages/evaluate.json", {"teacher": {"frechet": "low"}}),
        ("architecture.json", {"groups": [{"units": 3}]}),
        ("architecture.json", {"coverage": {"total": {}}}),
        ("model/model.json", {"weights": {"sha256": 3}}),
        ("decompose.json", {"layers": {}}),
        ("score.json", {"metric": []}),
    ],
)
def test_values_of_another_kind_are_named(run: Path, name: str, values: object) -> None:
    (run / name).write_text(json.dumps(values))
    page = render_report([run])
    assert f"{run / name}&#39; is damaged" in page


def test_a_storage_that_is_none_is_named(run: Path) -> None:
    (run / "trials.json").unlink()
    (run / "search.sqlite3").write_bytes(b"x" * 5000)
    assert f"{run / 'search.sqlite3'}&#39; is damaged" in render_report([run])
    (run / "search.sqlite3").write_bytes(b"")
    assert "not done yet" in section(render_report([run]), "search")


def test_lines_of_the_log_that_are_none_are_named_but_a_cut_one_is_not(run: Path) -> None:
    log = run / "events.jsonl"
    before = log.read_bytes()
    log.write_bytes(before + b'{"event": "StagePro')
    assert "is damaged" not in render_report([run])
    log.write_bytes(b"not json\n[]\n" + before)
    assert "2 lines are no event, and left out" in render_report([run])


def test_a_stage_that_was_interrupted_shows_how_far_it_is(run: Path) -> None:
    (run / "stages" / "finetune.json").unlink()
    log = run / "events.jsonl"
    rows = [
        {"event": "StageStarted", "stage": "finetune", "total": 10, "done": 4},
        {"event": "StageProgress", "stage": "finetune", "step": 6, "metrics": {"gan": 2.0}},
        {"event": "StageStarted", "stage": "finetune", "total": 10, "done": 5},
        {"event": "StageProgress", "stage": "finetune", "step": 7, "metrics": {"gan": 3.0}},
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = RunSource.open(run)
    state = next(one for one in stage_states(source) if one.name == "finetune")
    assert (state.state, state.detail, state.share) == ("begun", "7 of 10", 0.7)
    # What was done twice counts once: step 6 came after the checkpoint that was gone back to.
    (training,) = trainings(source)
    assert [(c.name, c.first, c.last) for c in training.curves] == [("gan", 3.0, 3.0)]


def test_the_report_of_a_teacher(made: tuple[Path, Path]) -> None:
    page = render_report([made[0]])
    assert ">train</b>" in page
    assert "reconstruction" in section(page, "training")
    assert "<b>distill</b>" not in page


def test_a_sensitivity_that_goes_on_and_a_choice(run: Path) -> None:
    (run / "sensitivity.json").unlink()
    (run / "sensitivity.jsonl").write_text('{"losses": {}}\n{"losses": {}}\n{"lo')
    (run / "decompose.json").write_text(json.dumps({"layers": ["a"], "measured_loss": 0.5}))
    text = plain(section(render_report([run]), "sensitivity"))
    assert "2 changes are measured so far" in text
    assert "&#39;auto&#39; decomposes 1 layers" in text


def test_names_of_a_run_are_no_markup(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["generator"] = "<script>alert(1)</script>"
    (run / "config.json").write_text(json.dumps(config))
    assert "<script>alert" not in render_report([run])


def test_large_pictures_are_reduced_until_sixteen_fit(run: Path) -> None:
    folder = run / "samples" / "evaluate"
    shutil.rmtree(folder)
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (270, 540, 3), dtype=np.uint8)
    for index in range(16):
        for name in ("input", "target", "teacher", "compressed"):
            Image.fromarray(noise).save(folder / f"{index:02d}-{name}.png", compress_level=0)
    found = gallery(RunSource.open(run))
    assert found
    assert len(found.samples) == 16
    assert found.shrunk
    assert len(render_report([run]).encode()) < 5_000_000
    few = gallery(RunSource.open(run), 4)
    assert few
    assert [sample.number for sample in few.samples] == [1, 5, 9, 13]


def test_error_maps_show_where_pictures_differ(run: Path) -> None:
    folder = run / "samples" / "evaluate"
    Image.new("RGB", (8, 8), (10, 20, 30)).save(folder / "00-teacher.png")
    Image.new("RGB", (8, 8), (13, 20, 30)).save(folder / "00-compressed.png")
    found = gallery(RunSource.open(run))
    assert found
    assert found.samples[0].difference == pytest.approx(1.0)
    Image.new("RGB", (4, 8)).save(folder / "00-compressed.png")
    other = gallery(RunSource.open(run))
    assert other
    assert other.samples[0].error is None


def test_a_run_without_single_pictures_shows_its_sheet(run: Path) -> None:
    shutil.rmtree(run / "samples" / "evaluate")
    assert "evaluate it again" in section(render_report([run]), "samples")
    assert "not done yet" in section(render_report([run], most=0), "samples")


def test_runs_are_compared(run: Path, whole: Path, tmp_path: Path) -> None:
    other = run.rename(tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    config["distill"]["steps"] = 77
    config["teacher_sha256"] = "0"
    (other / "config.json").write_text(json.dumps(config))
    (other / "stages" / "export.json").write_text("{")
    text = plain(render_report([whole, other]))
    assert "distill.steps 4 77" in text
    assert "the runs have different teachers" in text
    assert "Both searches" in text
    assert "Pictures of the same inputs" in text


def test_what_makes_runs_hard_to_compare_is_said(
    run: Path, whole: Path, made: tuple[Path, Path], tmp_path: Path
) -> None:
    other = run.rename(tmp_path / "other")
    for name, key in (("stages/evaluate.json", "protocol"), ("score.json", "protocol")):
        value = json.loads((other / name).read_text())
        value[key] = {"pictures": 1}
        (other / name).write_text(json.dumps(value))
    log = other / "events.jsonl"
    log.write_text(log.read_text().replace('"logical cores": "', '"logical cores": "9'))
    for path in (other / "samples/evaluate").glob("*-input.png"):
        path.write_bytes(path.read_bytes() + b" ")
    text = plain(render_report([whole, other]))
    assert "scores were measured by different protocols" in text
    assert "latencies were taken on different machines" in text
    assert "Both searches" not in text
    assert "Pictures of the same inputs" not in text
    log.unlink()
    three = plain(render_report([whole, other, made[0]]))
    assert "not every run says on which machine" in three
    assert "run 3 of 3" in three
    assert "No command was recorded" in three


def test_damaged_twins_are_left_out_of_a_comparison(run: Path, whole: Path, tmp_path: Path) -> None:
    other = run.rename(tmp_path / "other")
    (other / "samples/evaluate/00-compressed.png").write_text("none")
    (other / "samples/evaluate/01-compressed.png").unlink()
    shown = render_report([whole, other]).partition('id="run1"')[0]
    assert shown.count('class="view"') == 6


def test_where_it_is_written(run: Path, whole: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_report([run]) == run / "report.html"
    assert write_report([run, whole]) == Path("comparison.html")
    assert write_report([str(run)], tmp_path / "deep" / "r.html").is_file()


@pytest.mark.parametrize(
    ("runs", "most", "error", "text"),
    [
        ([], 16, ConfigError, "no run is given"),
        (["small"], -1, ConfigError, "-1 samples"),
        (["small", "./small"], 16, ConfigError, "given twice"),
        (["nowhere"], 16, RunError, "'nowhere' is no run directory"),
    ],
)
def test_what_is_refused(run: Path, runs, most, error, text: str) -> None:
    runs = [run.parent / name if name != "nowhere" else name for name in runs]
    with pytest.raises(error, match=text) as caught:
        write_report([Path(name) for name in runs], most=most)
    assert caught.value.hint


def test_a_place_that_cannot_be_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_report([run], tmp_path / "file" / "report.html")


def test_it_is_written_without_torch(whole: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from gancompress.report import write_report; from pathlib import Path; "
        f"write_report([{str(whole)!r}], Path({str(tmp_path / 'r.html')!r})); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert (tmp_path / "r.html").is_file()
