import math

import pytest

from gancompress.report import (
    ModelFigures,
    figures_table,
    metric_lines,
    plain_text,
    summary_table,
)

TEACHER = ModelFigures(
    params=11_378_179,
    macs=49_550_000_000,
    macs_published=56_800_000_000,
    file_bytes=45_600_000,
    frechet=61.53,
    kid=0.02,
    l1_to_target=0.1744,
    psnr_to_teacher=math.inf,
    latency_ms=812.0,
    recovery=1.0,
    recovery_kid=1.0,
)
COMPRESSED = ModelFigures(
    params=342_000,
    macs=1_850_000_000,
    macs_published=2_640_000_000,
    file_bytes=1_400_000,
    frechet=64.95,
    kid=-0.0001,
    l1_to_target=0.1744,
    psnr_to_teacher=24.318,
    latency_ms=1000.0,
    recovery=0.875,
    recovery_kid=None,
)


def row(text: str, label: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(label)).split()


def test_every_row_is_there_and_fits() -> None:
    text = plain_text(summary_table(TEACHER, COMPRESSED), width=80)
    labels = (
        "parameters",
        "MACs, true",
        "MACs, published",
        "file size",
        "Fréchet (frechet-lite0)",
        "KID",
        "L1",
        "PSNR to teacher",
        "latency, ms",
        "recovery (Fréchet)",
        "recovery (KID)",
    )
    positions = [text.index(label) for label in labels]
    assert positions == sorted(positions)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("label", "cells"),
    [
        ("parameters", ["11.4", "M", "342", "k", "33.3x", "fewer"]),
        ("MACs, true", ["true", "49.5", "G", "1.85", "G", "26.8x", "fewer"]),
        ("Fréchet", ["61.53", "64.95", "1.06x", "higher"]),
        ("KID", ["0.0200", "-0.0001", "–"]),
        ("L1", ["0.1744", "0.1744", "equal"]),
        ("PSNR", ["∞", "24.32", "–"]),
        ("latency", ["812.00", "1,000.00", "1.23x", "slower"]),
        ("recovery (Fréchet)", ["100.0", "%", "87.5", "%", "–"]),
        ("recovery (KID)", ["100.0", "%", "–", "–"]),
    ],
)
def test_rows_say_which_way_the_ratio_goes(label: str, cells: list[str]) -> None:
    found = row(plain_text(summary_table(TEACHER, COMPRESSED)), label)
    assert found[-len(cells) :] == cells


def test_what_was_not_measured_is_a_dash() -> None:
    text = plain_text(summary_table(ModelFigures(), ModelFigures(params=8)))
    assert row(text, "parameters")[-3:] == ["–", "8", "–"]
    assert row(text, "file size")[-3:] == ["–", "–", "–"]


def test_the_baseline_is_a_column_with_a_caption() -> None:
    baseline = ModelFigures(frechet=231.5, kid=146524.08, l1_to_target=0.25)
    text = plain_text(summary_table(TEACHER, COMPRESSED, baseline), width=80)
    assert row(text, "Fréchet")[-4:] == ["64.95", "1.06x", "higher", "231.50"]
    assert row(text, "KID")[-1] == "146,524"  # too large for decimals
    assert row(text, "parameters")[-1] == "–"
    assert "baseline: the untouched input" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "baseline" not in plain_text(summary_table(TEACHER, COMPRESSED))


def test_further_metrics_are_a_line_each() -> None:
    row = {"teacher": 0.25, "compressed": 1234.5, "baseline": None}
    lines = metric_lines(
        {"a": {**row, "higher_is_better": True}, "b": {**row, "higher_is_better": False}}
    )
    assert lines == [
        "a: teacher 0.2500, compressed 1,234.5000, baseline – (higher is better)",
        "b: teacher 0.2500, compressed 1,234.5000, baseline – (lower is better)",
    ]
    assert metric_lines({}) == []


def test_the_figures_of_a_whole_job_make_the_same_table() -> None:
    teacher, small, base = ({"macs": 8, "frechet": 2.0}, {"macs": 4}, {"frechet": 9.0})
    figures = {"teacher": teacher, "compressed": small, "baseline": base, "metrics": {}}
    known = summary_table(ModelFigures(**teacher), ModelFigures(**small), ModelFigures(**base))
    assert plain_text(figures_table(figures)) == plain_text(known)
