"""The comparison runs in small and goes on where it was; its figures are no test's business."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks import supernet_defaults as bench

SMALL = ["--steps", "1", "--batch", "2", "--seeds", "2", "--pictures", "8", "--random", "1"]
ARMS = ("scaled critics",)


def test_every_arm_is_a_configuration() -> None:
    from gancompress.config import DistillConfig

    for changes in (bench.ARMS | bench.MORE).values():
        DistillConfig.model_validate(changes)


@pytest.mark.slow
def test_it_appends_every_result_goes_on_and_prints_paired_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "rows.jsonl"
    words = ["--out", str(out), "--arms", *ARMS]
    bench.main([*words, *SMALL])
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {(row["arm"], row["seed"]) for row in rows} == {
        (arm, seed) for arm in ("uniform", *ARMS) for seed in (0, 1)
    }
    labels = {"uniform 8x", "uniform 16x", "random 1"}
    assert all(row["scores"]["kid-lite0"].keys() == labels for row in rows)
    first = capsys.readouterr().out
    assert first.count("…") == 2

    def never(*_: Any) -> None:
        raise AssertionError("everything was done")

    # A call that was killed leaves half a line behind.
    out.write_text(out.read_text() + '{"arm": "uni')
    monkeypatch.setattr(bench, "Bench", never)
    bench.main([*words, *SMALL])
    assert capsys.readouterr().out == first


def test_intervals_are_those_of_student() -> None:
    assert bench._difference([1.0, 2.0, 3.0]) == ["+2", "-0.484 … +4.48"]
    assert bench._difference([1.0]) == ["+1", "one seed"]


def test_an_unknown_arm_is_refused() -> None:
    with pytest.raises(SystemExit, match="there is no arm 'x'"):
        bench.main(["--arms", "x"])
