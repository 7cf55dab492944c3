"""The tables and the plot of a comparison, from figures that were made up."""

from pathlib import Path
from typing import Any

import pytest

from gancompress.errors import ConfigError
from gancompress.report import (
    bench_lines,
    bench_tables,
    bench_width,
    check_bench_plot,
    plain_text,
    save_bench_plot,
)


def row(net: str, runtime: str, precision: str, p50: float, **more: Any) -> dict[str, Any]:
    return {
        "net": net,
        "runtime": runtime,
        "precision": precision,
        "latency_ms": {"p50": p50, "p90": 1.1 * p50, "p99": 1.5 * p50},
        "images_per_second": {"1": 1000 / p50, "4": 3000 / p50},
        "peak_memory_bytes": 300 * 2**20,
        "joules_per_image": 1.234,
        "file_bytes": 12 * 2**20,
        "speed_up": 1234.5 / p50,
        **more,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    one_batch = {"images_per_second": {"1": 40.0}, "peak_memory_bytes": None}
    return {
        "rows": [
            row("a-long-name-of-a-teacher.onnx", "eager", "fp32", 1234.5),
            row("compressed", "openvino", "int8", 25.0, **one_batch),
        ],
        "nets": {
            "a-long-name-of-a-teacher.onnx": None,
            "compressed": {"params": 2_500_000, "macs": 1_850_000_000, "macs_published": 2e9},
        },
        "threads": 1,
        "pinned": True,
        "runs": 50,
        "warmup": 5,
        "batches": [1, 4],
        "energy": None,
        "missing": ["executorch: 'executorch' is not installed; install it"],
    }


@pytest.mark.parametrize("energy", [None, "not measured: no counter"])
@pytest.mark.parametrize("width", [80, 160])
def test_tables_fit_and_leave_nothing_out(
    report: dict[str, Any], width: int, energy: str | None
) -> None:
    report["energy"] = energy
    text = plain_text(bench_tables(report), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for word in ("1,234", "1.85 G", "300 MiB", "12.0 MiB", "49.4x", "1.00x", "0.81", "40.0"):
        assert word in text, word
    assert ("J/image" in text) is (energy is None)
    assert "images a second, by batch size" in text
    # The size that it was not timed at is a dash.
    assert text.splitlines()[-1].endswith("–")
    if width == 160:
        assert "openvino int8" in text
        assert "a-long-name-of-a-teacher.onnx  eager" in text


def test_lines_say_how_it_was_measured(report: dict[str, Any]) -> None:
    how, energy, missing = bench_lines(report)
    assert "50 runs of each in turns after 5 to warm up, 1 thread bound to" in how
    assert energy == "energy: of the whole processor, by RAPL"
    assert missing.startswith("not timed: executorch: ")
    how, energy, _ = bench_lines({**report, "pinned": False, "threads": 2, "energy": "none here"})
    assert "2 threads not bound" in how
    assert energy == "energy: none here"


def test_one_batch_size_needs_no_second_table(report: dict[str, Any]) -> None:
    assert "by batch size" not in plain_text(bench_tables({**report, "batches": [1]}))
    assert "4 images" in plain_text(bench_tables({**report, "batches": [4], "rows": []}))


@pytest.mark.parametrize(("columns", "width"), [(40, 80), (100, 100), (300, 160)])
def test_the_width_is_the_terminal_s_within_limits(columns: int, width: int) -> None:
    assert bench_width(columns) == width


def test_the_plot_is_a_file_of_the_kind_that_its_name_says(
    report: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    save_bench_plot(tmp_path / "a.png", report)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    save_bench_plot(tmp_path / "a.svg", {**report, "rows": []})
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    with pytest.raises(ConfigError, match="no picture"):
        check_bench_plot(tmp_path / "a.gif")
