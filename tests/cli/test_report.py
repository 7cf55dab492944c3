"""``gancompress report``, and the report that every verb keeps fresh."""

import json
import webbrowser
from pathlib import Path

import pytest

from gancompress.cli.called import call_record, without_secrets


def test_compress_keeps_a_report_and_says_where(cli, finished: Path, toml, teacher) -> None:
    page = finished / "report.html"
    assert "fewer" in page.read_text().partition('id="samples1"')[0]
    page.unlink()
    told = cli.ok("compress", "--config", toml, "--teacher", teacher, "--out", finished)
    assert f"report: {page}" in told.splitlines()
    assert page.is_file()


def test_a_verb_writes_it_anew(cli, finished: Path) -> None:
    page = finished / "report.html"
    page.unlink()
    cli.ok("bench", finished)
    text = page.read_text()
    assert f"gancompress bench {finished}" in text


def test_what_the_verb_writes(cli, finished: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with cli.loses_nothing(finished):
        assert cli.ok("report", finished) == f"report: {finished / 'report.html'}\n"
        told = json.loads(cli.ok("--json", "report", finished, "--out", "one.html", "--samples", 2))
    assert told == {
        "report": "one.html",
        "bytes": Path("one.html").stat().st_size,
        "runs": [str(finished)],
    }
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(shown.append(address)))
    assert "no browser was found" in cli.ok("report", finished, "--open")
    assert shown == [(finished / "report.html").as_uri()]


def test_several_runs(cli, finished: Path, teacher: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.ok("report", finished, teacher) == "report: comparison.html\n"
    assert "Comparison" in Path("comparison.html").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), ("no run is given", "gancompress report runs/demo")),
        (("nowhere",), ("'nowhere' is no run directory: it has no 'config.json'", "--out")),
        (("RUN", "RUN"), ("'RUN' is given twice", "another run")),
        (("RUN", "--out", "."), ("'.' is a folder", "--out report.html")),
        (
            ("RUN", "--out", "file/report.html"),
            ("'file/report.html' cannot be written", "write to"),
        ),
        (("RUN", "--samples", "-1"), ("-1 samples cannot be shown", "--samples 16")),
    ],
)
def test_what_is_refused(
    cli, finished: Path, monkeypatch, words: tuple[str, ...], told: tuple[str, str]
) -> None:
    monkeypatch.chdir(finished.parent)
    Path("file").write_text("")
    finished.rename("RUN")
    sentence, hint = cli.refused("report", *words)
    assert sentence.startswith(told[0])
    assert told[1] in hint


def test_a_report_that_cannot_be_written_does_not_stop_the_work(cli, finished: Path) -> None:
    page = finished / "report.html"
    page.unlink()
    page.mkdir()
    before = (finished / "stages" / "bench.json").read_bytes()
    cli.ok("bench", finished)
    assert "report: the report is not written, and the work goes on: " in cli.progress
    assert (finished / "stages" / "bench.json").read_bytes() != before


def test_a_call_is_written_down_without_secrets() -> None:
    words = ["search", "run", "--storage", "postgresql+psycopg://me:key@host/db", "--trials", "4"]
    assert without_secrets(words) == ["search", "run", "--storage", "ADDRESS", "--trials", "4"]
    assert without_secrets(["--storage=sqlite:////x"]) == ["--storage=ADDRESS"]
    assert without_secrets(["-o", "data=https://me:key@host/x"]) == ["-o", "data=https://host/x"]
    record = call_record(words)
    assert "key" not in json.dumps(record["arguments"])
    assert {"gancompress", "python", "torch"} <= record["versions"].keys()
    assert all(record["machine"].values())
