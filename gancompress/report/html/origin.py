"""How to make a run again: commands, versions, machine, digests, configuration."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gancompress.report.html.source import RunSource


@dataclass(frozen=True)
class Command:
    """A call of the command line.

    Args:
        time: When, to the second; empty where unknown.
        text: The call, as a shell takes it.
    """

    time: str
    text: str


@dataclass(frozen=True)
class Origin:
    """What a run was made with.

    Args:
        commands: Every call that worked on it.
        versions: Of packages, in the last call; each with those of earlier calls.
        machine: Of the last call.
        digests: SHA-256 by what it is of.
        config: The configuration as JSON.
        notices: What the run said on the way: the stage and the sentence.
    """

    commands: tuple[Command, ...]
    versions: tuple[tuple[str, str], ...]
    machine: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    config: str
    notices: tuple[tuple[str, str], ...]


def origin(source: RunSource) -> Origin:
    """Gather what is known about the making of a run.

    Args:
        source: The run.

    Raises:
        RunError: If a file is damaged.
    """
    calls = [row for row in source.events.rows if row.get("event") == "Called"]
    config = source.record("config.json")
    return Origin(
        tuple(_commands(calls)),
        tuple(_versions(calls)),
        _pairs(calls[-1].get("machine")) if calls else (),
        tuple(_digests(source)),
        "" if config is None else json.dumps(config.value, indent=2, ensure_ascii=False),
        tuple(dict.fromkeys(_notices(source))),
    )


def _commands(calls: list[dict[str, Any]]) -> Iterator[Command]:
    for row in calls:
        words = row.get("arguments")
        if isinstance(words, list):
            yield Command(_second(row.get("time")), shlex.join(["gancompress", *map(str, words)]))


def _versions(calls: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    found: dict[str, dict[str, None]] = {}
    for row in reversed(calls):
        for name, version in _pairs(row.get("versions")):
            found.setdefault(name, {})[version] = None
    for name, versions in found.items():
        last, *earlier = versions
        yield name, f"{last} (before: {', '.join(earlier)})" if earlier else last


def _digests(source: RunSource) -> Iterator[tuple[str, str]]:
    config, model = source.record("config.json"), source.record("model/model.json")
    found = None if config is None else config.text("teacher_sha256")
    if found is not None:
        yield "teacher's weights", found
    found = None if model is None else model.text("weights", "sha256")
    if found is not None:
        yield "model/weights.safetensors", found
    export = source.stage("export")
    if export is not None:
        for _, one in export.entries("files"):
            digest, path = one.text("sha256"), one.text("path")
            if digest is not None and path is not None:
                yield path, digest


def _notices(source: RunSource) -> Iterator[tuple[str, str]]:
    for row in source.events.rows:
        if row.get("event") == "Notice" and isinstance(row.get("text"), str):
            yield str(row.get("stage", "")), row["text"]


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        return ()
    return tuple((str(name), str(text)) for name, text in value.items())


def _second(value: Any) -> str:
    try:
        return f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M:%S}"
    except (TypeError, ValueError):
        return ""
