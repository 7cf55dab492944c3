"""Before and after in real processes: what a comparison holds, and what it says of failures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gancompress.bench import (
    EAGER,
    Counters,
    Runtime,
    Settings,
    compare,
    exported_file,
    saved_model,
)
from gancompress.bench.settings import processors
from gancompress.events import Notice, RunEvent
from gancompress.export import OnnxTarget, core_targets
from gancompress.export.card import digest_of

QUICK = Settings(threads=1, batches=(1, 2), runs=3, warmup=1)


def test_two_nets_in_two_runtimes(models: Path, tmp_path: Path) -> None:
    (tmp_path / "max_energy_range_uj").write_text("9000000")
    (tmp_path / "energy_uj").write_text("5000000")  # it stands still: no joules
    subjects = [saved_model(models / "large", "before"), saved_model(models / "small", "after")]
    onnx = Runtime("onnx")

    report = compare(
        subjects, [EAGER, onnx], QUICK, targets=core_targets(), counters=Counters((tmp_path,))
    )

    rows = report["rows"]
    assert [(row["net"], row["runtime"]) for row in rows] == [
        ("before", "eager"),
        ("after", "eager"),
        ("before", "onnx"),
        ("after", "onnx"),
    ]
    for row in rows:
        latency = row["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
        assert row["images_per_second"].keys() == {"1", "2"}
        assert row["images_per_second"]["1"] == pytest.approx(1000 / latency["p50"])
        assert row["speed_up"] == pytest.approx(rows[0]["latency_ms"]["p50"] / latency["p50"])
        assert row["joules_per_image"] == 0
        assert row["peak_memory_bytes"] > 10_000
    assert rows[0]["file_bytes"] > rows[1]["file_bytes"]
    assert rows[2]["psnr"] > 60
    assert report["nets"]["before"]["macs"] > 7 * report["nets"]["after"]["macs"]
    assert report["energy"] is None
    assert report["missing"] == []
    assert report["pinned"] is (processors() is not None)
    json.dumps(report, allow_nan=False)


def test_what_fails_is_told_and_the_rest_is_timed(models: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"none")
    broken.with_name("broken.onnx.json").write_text(
        (models / "small.onnx.json").read_text().replace("small.onnx", "broken.onnx")
    )
    card = json.loads(broken.with_name("broken.onnx.json").read_text())
    card["files"] = {"broken.onnx": digest_of(broken)}
    broken.with_name("broken.onnx.json").write_text(json.dumps(card))

    class Unplayable(OnnxTarget):
        name = "unplayable"
        player = None

    good = exported_file(models / "small.onnx", "good", targets=())
    bad = exported_file(broken, "bad", targets=())
    net = saved_model(models / "small", "net")
    events: list[RunEvent] = []

    report = compare(
        [good, bad, net],
        [Runtime("unplayable")],
        Settings(threads=1, runs=2, warmup=0),
        targets=[Unplayable()],
        missing=["said before"],
        emit=events.append,
    )

    assert [row["net"] for row in report["rows"]] == ["good"]
    assert report["rows"][0]["precision"] == "fp32"
    before, *lines = report["missing"]
    assert before == "said before"
    assert any(line.startswith("onnx, bad, batch 1: ") for line in lines)
    assert any("has no player" in line for line in lines)
    assert [event.text for event in events if isinstance(event, Notice)] == lines


def test_a_process_that_ends_is_told(models: Path, tmp_path: Path) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import sys\nsys.exit('the runtime is broken')\n")

    class Crashing(OnnxTarget):
        name = "onnx"
        player = crash

    subject = exported_file(models / "small.onnx", "good", targets=())
    report = compare([replace(subject, target=Crashing())], settings=QUICK)

    assert report["rows"] == []
    assert report["missing"] == ["onnx, good: its process ended: the runtime is broken"]
