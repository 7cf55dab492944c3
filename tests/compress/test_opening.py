import json
from pathlib import Path
from typing import Any

import pytest

from gancompress.compress import open_run, read_config
from gancompress.compress.configure import override
from gancompress.config import RunConfig
from gancompress.errors import ConfigError, RunError
from gancompress.store import RunDirectory

CONFIG = RunConfig(family="f", teacher_sha256="a" * 64)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    with open_run(RunDirectory(tmp_path), CONFIG) as opened:
        return opened


def changed(**changes: Any) -> RunConfig:
    return override(CONFIG, changes)


def test_what_a_run_was_begun_with_is_read_back(run: RunDirectory) -> None:
    assert read_config(run) == CONFIG


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "other", "demo": True, "teacher": "/elsewhere"},
        {"train": {"steps": 5}},
        {"distill": {"steps": 5}},
        {"search": {"trials": 5}},
        {"finetune": {"steps": 5}},
        {"export": {"target": "other"}},
        # Nothing has been done yet: a first call with a mistake in it is set right by the second.
        {"options": {"size": 3}, "seed": 1, "teacher_sha256": "c"},
    ],
)
def test_what_may_change_before_a_stage_has_begun(
    run: RunDirectory, changes: dict[str, Any]
) -> None:
    with open_run(run, changed(**changes)):
        pass
    written = json.loads(run.path("config.json").read_text())
    for name, values in changes.items():
        if name in {"distill", "search", "finetune", "options"}:
            assert values.items() <= written[name].items()


@pytest.mark.parametrize(
    ("trace", "changes", "key"),
    [
        ("stages/teacher.json", {"options": {"size": 3}}, "options.size"),
        ("stages/teacher.json", {"seed": 1}, "seed"),
        ("stages/teacher.json", {"space": {"divisor": 4}}, "space.divisor"),
        ("checkpoints/distill", {"distill": {"steps": 5}}, "distill.steps"),
        ("search.sqlite3", {"search": {"trials": 5}}, "search.trials"),
        ("checkpoints/finetune", {"finetune": {"steps": 5}}, "finetune.steps"),
        ("stages/export.json", {"export": {"target": "x"}}, "export.target"),
        ("stages/search.json", {"search": {"trials": 5}}, "search.trials"),
    ],
)
def test_what_may_not(run: RunDirectory, trace: str, changes: dict[str, Any], key: str) -> None:
    run.path(trace).parent.mkdir(parents=True, exist_ok=True)
    run.path(trace).write_text("{}")
    before = run.path("config.json").read_bytes()
    with pytest.raises(RunError, match=f"'{key}'"), open_run(run, changed(**changes)):
        pytest.fail("it was opened")
    assert run.path("config.json").read_bytes() == before


def test_another_teacher_is_refused_in_words(run: RunDirectory) -> None:
    run.finish_stage("teacher", {})
    other = CONFIG.model_copy(update={"teacher_sha256": "b" * 64})
    sentence = "another teacher: its weights begin with 'aaaaaaaa', and those given now with 'bbb"
    with pytest.raises(RunError, match=sentence), open_run(run, other):
        pytest.fail("it was opened")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run directory"):
        read_config(RunDirectory(tmp_path))
    (tmp_path / "config.json").write_text('{"family": "f", "colour": 1}')
    with pytest.raises(ConfigError, match="'colour'"):
        read_config(RunDirectory(tmp_path))
