"""Processes that are given one storage share the work."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from search import chain as chain_module
from search.chain import Chain

from gancompress.search.ledger import Ledger

PLAN: dict[str, Any] = {"trials": 10, "batch": 5}


def start(storage: Path | str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, chain_module.__file__, str(storage), json.dumps(PLAN | options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


def check_shared(storage: Path | str) -> None:
    """Start two processes at once, and look at what each has scored."""
    both = [start(storage, seconds=0.4) for _ in range(2)]
    one, other = map(said, both)
    whole = Chain().search(**PLAN)
    expected = [[*trial.config.widths.values(), trial.score] for trial in whole.trials]
    assert one["trials"] == other["trials"] == expected
    # No subnet twice, and none left out; each has done something.
    assert sorted(one["scored"] + other["scored"]) == sorted(t[:-1] for t in expected)
    assert one["scored"]
    assert other["scored"]


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    check_shared(tmp_path / "search.sqlite")


def test_what_a_killed_process_was_at_is_taken_over_at_once(tmp_path: Path) -> None:
    path = tmp_path / "search.sqlite"
    killed = start(path, die_at=2)
    killed.communicate(timeout=120)
    assert killed.returncode == 9
    chain, began = Chain(), time.monotonic()
    assert chain.search(storage=path, **PLAN) == Chain().search(**PLAN)
    assert len(chain.scored) == 8
    assert time.monotonic() - began < 30  # its claim was not waited for


@pytest.fixture
def storage() -> optuna.storages.InMemoryStorage:
    return optuna.storages.InMemoryStorage()


def foreign(storage: optuna.storages.BaseStorage, key: str, host: str, pid: int) -> int:
    """Leave a claim in a storage as another process would."""
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.RUNNING,
        user_attrs={"key": key, "owner": {"host": host, "pid": pid, "started": None}},
    )
    study = storage.get_study_id_from_name("work")
    return storage.create_new_trial(study, template_trial=trial)


def test_a_piece_of_work_is_claimed_once(storage: optuna.storages.InMemoryStorage) -> None:
    ledger = Ledger(storage, "work")
    claim = ledger.claim("a")
    assert claim is not None
    assert ledger.claim("a") is None
    ledger.release([claim])
    again = ledger.claim("a")
    assert again is not None
    ledger.finish(again, [1.0], {"note": "x"})
    ledger.release([again])  # what is finished stays so
    assert ledger.claim("a") is None
    assert {key: t.user_attrs["note"] for key, t in ledger.done().items()} == {"a": "x"}


def test_a_claim_on_another_machine_is_taken_over_when_it_falls_silent(
    storage: optuna.storages.InMemoryStorage,
) -> None:
    ledger = Ledger(storage, "work", dead_after=0.2)
    claim = foreign(storage, "a", "elsewhere", 1)
    for sign in range(3):
        assert ledger.claim("a") is None
        time.sleep(0.1)
        storage.set_trial_user_attr(claim, "pulse", sign)
    assert ledger.claim("a") is None  # it gave signs of life all along
    time.sleep(0.3)
    mine = ledger.claim("a")
    assert mine is not None
    # The silent one comes back after all: its result counts no more, and breaks nothing.
    other = Ledger(storage, "work")
    other.finish(claim, [5.0], {})
    ledger.finish(mine, [1.0], {})
    assert ledger.done()["a"].value == 1.0


def test_a_process_that_is_gone_from_this_machine_is_not_waited_for(
    storage: optuna.storages.InMemoryStorage,
) -> None:
    ledger = Ledger(storage, "work")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    foreign(storage, "a", socket.gethostname(), gone.pid)
    assert ledger.claim("a") is not None
    # A process with the number of an earlier one is another.
    foreign(storage, "b", socket.gethostname(), os.getppid())
    assert ledger.claim("b") is not None


def test_signs_of_life_are_given_while_work_is_held(
    storage: optuna.storages.InMemoryStorage,
) -> None:
    ledger = Ledger(storage, "work", beat=0.02)
    claim = ledger.claim("a")
    assert claim is not None
    with ledger.alive():
        time.sleep(0.1)
    first = storage.get_trial(claim).user_attrs["pulse"]
    time.sleep(0.1)
    assert storage.get_trial(claim).user_attrs["pulse"] == first  # and not after


def test_the_first_of_two_claims_wins(
    storage: optuna.storages.InMemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(storage, "work")
    look = ledger._trials
    seen = [look()]  # what this one saw before the other one's claim came
    monkeypatch.setattr(ledger, "_trials", lambda: seen.pop() if seen else look())
    foreign(storage, "a", "elsewhere", 1)
    assert ledger.claim("a") is None
    assert [trial.state.name for trial in ledger.study.get_trials()] == ["RUNNING", "FAIL"]
