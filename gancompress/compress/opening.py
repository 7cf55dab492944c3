"""Opening a run directory: what must stay as it was, and what may still change."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from gancompress.config import RunConfig, parse
from gancompress.distill import Team
from gancompress.errors import RunError
from gancompress.store import RunDirectory, write_json

# What a stage leaves behind as soon as it has begun.
_TRACES: Final = {
    "distill": "checkpoints/distill",
    "search": "search.sqlite3",
    "finetune": "checkpoints/finetune",
    "export": "stages/export.json",
}
# An evaluation with other metrics may follow the first one.
_REPEATABLE: Final = ("evaluate", "metrics")
# Where stages leave their work: a directory without these holds a configuration alone.
_WORK: Final = ("stages", "checkpoints", "search.sqlite3")
# How the teacher was trained, and what the recipe says about itself, change nothing in a run; the
# teacher is known by its weights and not by where they lie.
_OUTSIDE: Final = frozenset({"description", "demo", "train", "teacher"})
# Settings of a training that change nothing in what it makes.
_WATCHING: Final = ("sample_every", "trackers")
_TRAININGS: Final = ("train", "distill", "finetune")
# Only what makes a teacher: another distillation setting must not refuse its run directory.
_TEACHER: Final = ("family", "options", "train", "seed")

Check = Callable[[], object]


def identity(config: RunConfig) -> dict[str, Any]:
    """Return what two calls on one run directory must agree in, as JSON values.

    Args:
        config: The configuration.
    """
    values: dict[str, Any] = json.loads(config.model_dump_json(exclude=set(_OUTSIDE)))
    return values


def teacher_identity(config: RunConfig) -> dict[str, Any]:
    """Return what two trainings in one run directory must agree in, as JSON values.

    Args:
        config: The configuration.
    """
    own = ("generator", "inputs") if config.generator is not None else ()
    return config.model_dump(mode="json", include={*_TEACHER, *own})


def read_config(run: RunDirectory) -> RunConfig:
    """Read the configuration that a run was begun with.

    Args:
        run: The run directory.

    Raises:
        RunError: If it is no run directory.
        ConfigError: If its configuration cannot be used.
    """
    place = run.path("config.json")
    if not place.is_file():
        raise RunError(
            f"'{run.root}' is no run directory: it has no 'config.json'",
            hint="give the folder that `gancompress distill` or `compress` wrote to with --out",
        )
    config: RunConfig = parse(RunConfig, run.config, source=f"'{place}'")
    return config


@contextmanager
def open_run(
    run: RunDirectory, config: RunConfig, check: Check | None = None, *, growing: bool = False
) -> Iterator[RunDirectory]:
    """Hold a run directory for this process, or for the first of several that train together.

    The settings of a stage that has begun stay; those of a later one may change, and are
    written down. Before anything has begun, as after a mistake in the first call, all may change.

    Args:
        run: The run directory; it is made where it does not exist.
        config: The configuration of this call.
        check: Called before anything is written; see `RunDirectory.open`.
        growing: Whether a search that has begun may be given another number of trials: fewer are
            the first ones of more.

    Yields:
        The run.

    Raises:
        RunError: If another process holds it, or its configuration or its teacher differs.
        StorageError: If it cannot be written.
    """
    wanted = identity(config)
    place = run.path("config.json")
    known = run.config if place.is_file() else wanted
    kept = known
    if _has_work(run):
        # Work whose configuration is gone belongs to nobody knows what.
        full = identity(read_config(run))
        _refuse_another_teacher(run, full, wanted)
        free = [stage for stage in _TRACES if not has_begun(run, stage)]
        agreed = {**wanted, **{stage: full[stage] for stage in (*free, *_REPEATABLE)}}
        if growing:
            agreed["search"] = {**agreed["search"], "trials": full["search"]["trials"]}
        kept = _without_younger(_watched_as(agreed, full), full, known)
    with _opened(run, kept, wanted, check):
        yield run


@contextmanager
def open_teacher_run(
    run: RunDirectory, config: RunConfig, check: Check | None = None
) -> Iterator[RunDirectory]:
    """Hold the run directory of a training for this process; see `open_run` about several.

    Args:
        run: The run directory; it is made where it does not exist.
        config: The configuration of this call. All of it may differ from an earlier call's that
            took no step.
        check: Called before anything is written; see `RunDirectory.open`.

    Yields:
        The run.

    Raises:
        RunError: If another process holds it, or its configuration differs.
        StorageError: If it cannot be written.
    """
    wanted = teacher_identity(config)
    kept = wanted
    if run.path("config.json").is_file():
        known = run.config
        kept = known if not _has_work(run) else _of_begun_teacher(run, wanted, known)
    with _opened(run, kept, wanted, check):
        yield run


@contextmanager
def _opened(
    run: RunDirectory, known: dict[str, Any], wanted: dict[str, Any], check: Check | None
) -> Iterator[None]:
    """Open a run that has one configuration, and give it another that may take its place.

    Of several processes the first one holds it, and the others read what that one has written.
    """
    team = Team.join()
    if not team.leads:
        if check is not None:
            check()
        team.wait()  # until it is open
        yield
        team.wait()  # until it is closed, and everything has been written
        return
    with run.open(known, check=check):
        if known != wanted:
            write_json(run.path("config.json"), wanted)
        team.wait()
        yield
    team.wait()


def _watched_as(wanted: dict[str, Any], full: dict[str, Any]) -> dict[str, Any]:
    """Take over, from what a run was begun with, how one looks at it: that may change."""
    values = dict(wanted)
    for stage in _TRAININGS:
        if stage in wanted and stage in full:
            values[stage] = {**wanted[stage], **{key: full[stage][key] for key in _WATCHING}}
    return values


def _of_begun_teacher(
    run: RunDirectory, wanted: dict[str, Any], known: dict[str, Any]
) -> dict[str, Any]:
    """Return the configuration of a training that has begun, if a call wants the same."""
    full = teacher_identity(read_config(run))
    return _without_younger(_watched_as(wanted, full), full, known)


def _without_younger(
    wanted: dict[str, Any], full: dict[str, Any], known: dict[str, Any]
) -> dict[str, Any]:
    """Leave out settings that are younger than a run, where they have their default.

    Args:
        wanted: What a call wants.
        full: What the run was begun with, defaults included.
        known: The same as it was written down.
    """
    kept = {}
    for key, value in wanted.items():
        before, written = full.get(key), known.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and isinstance(written, dict):
            kept[key] = _without_younger(value, before, written)
        elif key in known or value != before:
            kept[key] = value
    return kept


def _has_work(run: RunDirectory) -> bool:
    return any(run.path(name).exists() for name in _WORK)


def has_begun(run: RunDirectory, stage: str) -> bool:
    """Say whether a stage has left anything behind.

    Args:
        run: The run directory.
        stage: ``distill``, ``search``, ``finetune`` or ``export``.
    """
    return run.stage_done(stage) or run.path(_TRACES[stage]).exists()


def _refuse_another_teacher(
    run: RunDirectory, known: dict[str, Any], wanted: dict[str, Any]
) -> None:
    before, now = (values.get("teacher_sha256") for values in (known, wanted))
    if before and before != now:
        raise RunError(
            f"'{run.root}' was made with another teacher: its weights begin with "
            f"'{str(before)[:8]}', and those given now with '{str(now)[:8]}'",
            hint="give another folder with --out, or the teacher it was made with",
        )
