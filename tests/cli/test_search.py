"""`gancompress search`: budgets, storages, and going on with more trials."""

import json
from pathlib import Path

import pytest

from gancompress.search.storage import opened


def test_a_search_is_kept_in_a_database_and_goes_on_with_more_trials(
    cli, distilled: Path, tmp_path: Path
) -> None:
    database = tmp_path / "shared.sqlite3"
    place = ("--storage", f"sqlite:///{database}")
    sentence, hint = cli.refused("search", distilled, "--resume")
    assert "there is no search" in sentence
    assert "--resume" in hint

    limits = ("--shrink", "3x", "--memory", "2M", "--latency-ms", "1x", "--sampler", "nsga2")
    first = json.loads(cli.ok("search", distilled, *limits, "--trials", "3", *place, "--json"))
    assert first["trials"] == 3
    assert not (distilled / "search.sqlite3").exists()
    begun = json.loads((distilled / "trials.json").read_text())["trials"]
    teacher_ms = json.loads((distilled / "latency.json").read_text())["teacher_ms"]
    for trial in begun:
        assert trial["cost"]["activation_bytes"] <= 2e6
        assert 0 < trial["cost"]["latency_ms"] <= teacher_ms

    more = json.loads(cli.ok("search", distilled, "--resume", "--trials", "4", *place, "--json"))
    assert more["trials"] == 4
    assert json.loads((distilled / "trials.json").read_text())["trials"][:3] == begun
    settings = json.loads((distilled / "config.json").read_text())["search"]
    assert (settings["trials"], settings["macs"], settings["sampler"]) == (4, "3x", "nsga2")
    # Where it is kept stands nowhere: an address may hold a password.
    written = [path for path in distilled.rglob("*") if path.is_file()]
    assert not [path for path in written if b"shared.sqlite3" in path.read_bytes()]
    with opened(database) as storage:
        assert len(storage.get_all_studies()) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--shrink", "3x", "--macs", "1M"), "--macs and --shrink are both given"),
        (("--shrink", "3"), "'3' of --shrink is no factor"),
        (("--storage", "mysql://me:secret@host/x"), "cannot be kept in a database of 'mysql'"),
        (("--latency-ms", "5", "--on", "abacus"), "'abacus' is no export target"),
        (("--latency-ms", "0.000001"), "the smallest one takes"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_scored(
    cli, distilled: Path, options: tuple[str, ...], words: str
) -> None:
    with cli.loses_nothing(distilled):
        sentence, hint = cli.refused("search", distilled, *options)
    assert words in sentence
    assert "secret" not in sentence + hint
    assert not (distilled / "trials.json").exists()


def test_a_ranking_is_checked_and_goes_on(cli, distilled: Path) -> None:
    search = ("search", distilled, "--trials", "4", "--macs", "3x", "--json")
    check = ("--check-ranking", "3", "--ranking-steps", "2")
    found = json.loads(cli.ok(*search, *check))["ranking"]
    assert found["steps"] == 2
    assert len({row["number"] for row in found["subnets"]}) == 3
    assert -1 <= found["kendall_tau"] <= 1
    assert 0 <= found["p_value"] <= 1
    assert json.loads((distilled / "ranking.json").read_text()) == found
    assert not list((distilled / "checkpoints").glob("ranking*"))

    # What is known is not trained again; one more is.
    place = distilled / "ranking.json"
    less = {**found, "subnets": [{**row, "finetuned": 7.0} for row in found["subnets"][:2]]}
    place.write_text(json.dumps(less))
    again = json.loads(cli.ok(*search, *check))["ranking"]
    assert [row["finetuned"] for row in again["subnets"][:2]] == [7.0, 7.0]
    assert again["subnets"][2] == found["subnets"][2]
    shown = cli.ok("search", distilled, "--check-ranking", "3", "--ranking-steps", "2")
    assert "ranking of 3 subnets after 2 steps of fine-tuning: Kendall's tau" in shown

    sentence, _ = cli.refused("search", distilled, "--check-ranking", "2")
    assert "a ranking of 2 subnets" in sentence
    place.write_text('{"steps": "two"}')
    sentence, hint = cli.refused("search", distilled, *check)
    assert "ranking.json' is damaged" in sentence
    assert "fine-tuned again" in hint
