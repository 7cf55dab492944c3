import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from gancompress.config import RunConfig
from gancompress.errors import RunError, StorageError
from gancompress.store import RunDirectory

CONFIG = {"family": "f", "train": {"steps": 10, "batch_size": 8}, "seed": 0}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_a_run_can_be_opened_again(tmp_path: Path) -> None:
    root = tmp_path / "new" / "run"
    with RunDirectory(root).open(CONFIG) as run:
        assert run.root == root
        assert run.path("distill/x") == root / "distill" / "x"
    with RunDirectory(str(root)).open(CONFIG, create=False) as run:
        assert run.config == CONFIG


@settings(derandomize=True, max_examples=30, deadline=None)
@given(config=st.dictionaries(st.text(max_size=4), JSON, max_size=4), other=JSON)
def test_a_configuration_equals_itself_and_nothing_else(config: dict[str, Any], other: Any) -> None:
    changed = {**config, "key": [other]}
    with TemporaryDirectory() as folder:
        run = RunDirectory(folder)
        for _ in range(2):
            with run.open(config):
                pass
        if changed == config:
            return
        with pytest.raises(RunError, match="'key"), run.open(changed):
            pass


def test_a_real_configuration_survives_json(tmp_path: Path) -> None:
    config = RunConfig(family="f", inputs={"x": (1, 3, 64, 64)}, teacher=Path("t"))
    for _ in range(2):
        with RunDirectory(tmp_path).open(config.model_dump(mode="json")) as run:
            assert RunConfig.model_validate(run.config) == config


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {**CONFIG, "train": {"steps": 20, "batch_size": 8}},
            "'train.steps' was 10, and is now 20",
        ),
        ({**CONFIG, "seed": None}, "'seed' was 0, and is now null"),
        ({**CONFIG, "budget": "3G"}, "'budget' was nothing, and is now \"3G\""),
        ({"family": "f", "seed": 0}, "'train' was .*, and is now nothing"),
        ({**CONFIG, "train": 1}, "'train' was .*, and is now 1"),
    ],
)
def test_the_first_key_that_differs_is_named(
    tmp_path: Path, config: dict[str, Any], sentence: str
) -> None:
    with RunDirectory(tmp_path).open(CONFIG):
        pass

    with pytest.raises(RunError, match=sentence) as caught, RunDirectory(tmp_path).open(config):
        pass

    assert "--out" in caught.value.hint
    assert RunDirectory(tmp_path).config == CONFIG


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        RunDirectory(tmp_path).open(CONFIG),
        pytest.raises(RunError, match="is in use by another process") as caught,
        RunDirectory(tmp_path).open(CONFIG),
    ):
        pass
    assert type(caught.value) is RunError

    with RunDirectory(tmp_path).open(CONFIG):
        pass


def test_the_lock_holds_between_processes(tmp_path: Path) -> None:
    script = (
        "import sys; from filelock import FileLock, Timeout\n"
        "try: FileLock(sys.argv[1]).acquire(timeout=0)\n"
        "except Timeout: sys.exit(7)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / ".lock")]
    with RunDirectory(tmp_path).open(CONFIG):
        assert subprocess.run(command, check=False).returncode == 7
    assert subprocess.run(command, check=False).returncode == 0


def test_the_lock_is_released_when_the_body_raises(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunDirectory(tmp_path).open(CONFIG):
        _ = 1 / 0

    with FileLock(tmp_path / ".lock", timeout=0):
        pass


def test_a_folder_that_is_no_run_is_refused_where_it_must_be_one(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="is no run directory"),
        RunDirectory(tmp_path / "x").open(CONFIG, create=False),
    ):
        pass
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_configuration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)

    with pytest.raises(RunError, match="is damaged"), RunDirectory(tmp_path).open(CONFIG):
        pass


def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")

    with pytest.raises(StorageError, match="cannot be written"):
        RunDirectory(tmp_path / "run").open(CONFIG).__enter__()


def test_stages_are_done_once_their_summary_is_written(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.open(CONFIG):
        assert not run.stage_done("train")
        with pytest.raises(RunError, match=r"stage 'train' of '.*' is not done"):
            run.summary("train")
        run.finish_stage("train", {"l1": 0.5})

    assert RunDirectory(tmp_path).stage_done("train")
    assert RunDirectory(tmp_path).summary("train") == {"l1": 0.5}


def test_a_full_disk_does_not_finish_a_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunDirectory(tmp_path).open(CONFIG) as run:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            run.finish_stage("train", {})
        assert not run.stage_done("train")


def test_events_are_appended_with_their_time(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert run.events() == []
    for step in (1, 2):
        with run.open(CONFIG):
            run.log({"step": step, "text": "ü"})

    events = run.events()

    assert [(e["step"], e["text"]) for e in events] == [(1, "ü"), (2, "ü")]
    assert events[0]["time"] < events[1]["time"]
    assert events[0]["time"].endswith("+00:00")


def test_a_line_that_a_crash_cut_short_costs_only_itself(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.open(CONFIG):
        run.log({"step": 1})
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2})[:-3])
    with run.open(CONFIG):
        run.log({"step": 3})

    assert [event["step"] for event in run.events()] == [1, 3]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000])
def test_a_summary_that_is_no_object_is_named(tmp_path: Path, content: str) -> None:
    run = RunDirectory(tmp_path)
    with run.open(CONFIG):
        run.finish_stage("train", {})
    (tmp_path / "stages" / "train.json").write_text(content)
    with pytest.raises(RunError, match=r"train\.json' is damaged") as caught:
        run.summary("train")
    assert caught.value.hint == "remove it, and the stage is done again"


def test_a_folder_that_was_removed_is_not_made_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    with run.open(CONFIG):
        shutil.rmtree(run.root)
        for write in (lambda: run.log({"step": 1}), lambda: run.finish_stage("train", {})):
            with pytest.raises(RunError, match="was removed while it was in use"):
                write()
    assert not run.root.exists()


def test_what_a_check_raises_leaves_no_trace(tmp_path: Path) -> None:
    root = tmp_path / "new" / "run"

    def refuse() -> None:
        raise RunError("no")

    run = RunDirectory(root)
    run.log({"event": "before"})
    with pytest.raises(RunError, match="no"), run.open(CONFIG, check=refuse):
        pass
    assert not (tmp_path / "new").exists()
    with run.open(CONFIG, check=lambda: run.log({"event": "check"})):
        run.log({"event": "inside"})
    # What was told before there was a folder is not lost, and stands once.
    with run.open(CONFIG):
        pass
    assert [event["event"] for event in run.events()] == ["before", "check", "inside"]


def test_a_check_of_a_run_has_it_to_itself(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    with run.open(CONFIG):
        pass

    def look() -> None:
        with (
            pytest.raises(RunError, match="in use"),
            RunDirectory(tmp_path).open(CONFIG),
        ):
            pass

    with run.open(CONFIG, check=look):
        pass


def test_a_folder_that_may_not_be_made_is_refused_before_the_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = RunDirectory(tmp_path / "file" / "deep" / "run")
    with (
        pytest.raises(StorageError, match=r"'.*file' is no folder"),
        run.open(CONFIG, check=pytest.fail),  # type: ignore[arg-type]
    ):
        pass
