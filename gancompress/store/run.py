"""The run directory: one configuration, one writer, and the stages that are done."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from gancompress.errors import RunError, StorageError
from gancompress.store.atomic import read_json, storage_errors, write_json

_MISSING: Final = "nothing"


class RunDirectory:
    """A folder that holds everything about one run, so that it can be resumed at any point.

    Layout::

        config.json            the configuration; a run with another one is refused
        events.jsonl           what happened, one event a line
        stages/distill.json    summary of a stage that is done
        .lock                  held while a process writes

    Reading needs no lock; writing happens inside ``with run.open(config):``. Events that are logged
    before wait in memory until then.

    Args:
        root: The folder; `open` makes it.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._held = False
        self._waiting: list[bytes] = []

    @contextmanager
    def open(
        self,
        config: Mapping[str, Any],
        *,
        create: bool = True,
        check: Callable[[], object] | None = None,
    ) -> Iterator["RunDirectory"]:
        """Hold the folder for this process, and write or compare the configuration.

        Args:
            config: JSON mapping, such as ``RunConfig.model_dump(mode="json")``.
            create: Whether a folder that is not yet a run becomes one.
            check: Called before anything is written, and before a folder is made; what it raises
                leaves no trace. Of a folder that is a run already, the lock is held by then.

        Yields:
            This object.

        Raises:
            RunError: If another process holds the folder, its configuration differs (the first
                key that does is named), or it is no run and `create` is false.
            StorageError: If the folder cannot be written.
        """
        with storage_errors(self.root):
            begun = self._config_path.is_file()
        if not create and not begun:
            raise RunError(
                f"'{self.root}' is no run directory: it has no 'config.json'",
                hint="give the folder that an earlier command wrote to with --out",
            )
        self._refuse_unwritable()
        if check is not None and not begun:
            check()
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._settle(json.loads(json.dumps(dict(config))))
            if check is not None and begun:
                check()
            self._mend_events()
            self._held = True
            try:
                self._append(self._waiting)
                self._waiting = []
                yield self
            finally:
                self._held = False

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the folder was made with.

        Raises:
            RunError: If it is missing or damaged.
        """
        return _read_object(
            self._config_path, "put it back from a copy, or begin anew with another --out"
        )

    @property
    def held(self) -> bool:
        """Whether this process holds the folder, and so may write to it."""
        return self._held

    def path(self, name: str) -> Path:
        """Return the place of a file or folder of the run.

        Args:
            name: Relative name, such as ``distill/checkpoints``.

        Returns:
            The path; nothing is made.
        """
        return self.root / name

    def stage_done(self, name: str) -> bool:
        """Say whether a stage has finished, in this process or in an earlier one.

        Args:
            name: Name of the stage.

        Returns:
            Whether its summary has been written; whether what it wrote beside that is still
            there is not looked at.
        """
        return self._stage_path(name).is_file()

    def finish_stage(self, name: str, summary: Mapping[str, Any]) -> None:
        """Record that a stage is done; whatever it wrote must be on the disk before.

        Args:
            name: Name of the stage.
            summary: JSON mapping of what later stages and the report want to know.

        Raises:
            RunError: If the folder was removed meanwhile.
            StorageError: If it cannot be written.
        """
        self._refuse_removed()
        write_json(self._stage_path(name), dict(summary))

    def summary(self, name: str) -> dict[str, Any]:
        """Read what `finish_stage` was given.

        Args:
            name: Name of the stage.

        Returns:
            The summary.

        Raises:
            RunError: If the stage is not done, or its file is damaged.
        """
        if not self.stage_done(name):
            raise RunError(f"stage '{name}' of '{self.root}' is not done", hint="run it first")
        return _read_object(self._stage_path(name), "remove it, and the stage is done again")

    def log(self, event: Mapping[str, Any]) -> None:
        """Append an event, with the time, to ``events.jsonl``.

        Args:
            event: JSON mapping.

        Raises:
            RunError: If the folder was removed meanwhile.
            StorageError: If it cannot be written.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(), **event}, ensure_ascii=False)
        if self._held:
            self._append([line.encode()])
        else:
            self._waiting.append(line.encode())

    def events(self) -> list[dict[str, Any]]:
        """Read the events that were logged; a line that a crash cut short is left out.

        Returns:
            The events, oldest first.
        """
        if not self._events_path.is_file():
            return []
        events = []
        for line in self._events_path.read_bytes().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                events.append(event)
        return events

    @property
    def _config_path(self) -> Path:
        return self.root / "config.json"

    @property
    def _events_path(self) -> Path:
        return self.root / "events.jsonl"

    def _stage_path(self, name: str) -> Path:
        return self.root / "stages" / f"{name}.json"

    def _append(self, lines: list[bytes]) -> None:
        if lines:
            self._refuse_removed()
            with storage_errors(self._events_path), self._events_path.open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))

    def _refuse_removed(self) -> None:
        """Notice that somebody has removed the folder: a write would make half of it again."""
        if self._held and not self._config_path.is_file():
            raise RunError(
                f"'{self.root}' was removed while it was in use",
                hint="remove what is left of it and start the same command again",
            )

    def _refuse_unwritable(self) -> None:
        """Find out before any work whether the folder can be made or written to."""
        with storage_errors(self.root):
            there = next(
                path for path in (self.root, *self.root.absolute().parents) if path.exists()
            )
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            kind = "may not be written to" if there.is_dir() else "is no folder"
            raise StorageError(
                f"'{self.root}' cannot be written: '{there}' {kind}",
                hint="give a folder that you may write to",
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.root / ".lock")
        with storage_errors(self.root):
            try:
                lock.acquire(timeout=0)
            except Timeout:  # an OSError too, so it is told apart before the storage errors are
                raise RunError(
                    f"'{self.root}' is in use by another process",
                    hint="wait until that one ends, or give another folder with --out",
                ) from None
        try:
            yield
        finally:
            lock.release()

    def _settle(self, config: dict[str, Any]) -> None:
        if not self._config_path.is_file():
            write_json(self._config_path, config)
            return
        difference = _first_difference(self.config, config)
        if difference:
            key, before, now = difference
            raise RunError(
                f"'{self.root}' was made with another configuration: '{key}' was {before}, "
                f"and is now {now}",
                hint="give another folder with --out, or the configuration it was made with",
            )

    def _mend_events(self) -> None:
        """End a line that a crash cut short, so that the next event gets a line of its own."""
        if self._events_path.is_file():
            content = self._events_path.read_bytes()
            if content and not content.endswith(b"\n"):
                with storage_errors(self._events_path), self._events_path.open("ab") as file:
                    file.write(b"\n")


def _read_object(path: Path, hint: str) -> dict[str, Any]:
    value = read_json(path, hint=hint)
    if not isinstance(value, dict):
        raise RunError(f"'{path}' is damaged: it holds no object", hint=hint)
    return value


def _first_difference(before: Any, now: Any, key: str = "") -> tuple[str, str, str] | None:
    """Find the first key, in sorted order, at which two JSON values differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            path = f"{key}.{name}" if key else name
            if name not in before or name not in now:
                return path, _show(before, name), _show(now, name)
            found = _first_difference(before[name], now[name], path)
            if found:
                return found
        return None
    return None if before == now else (key, json.dumps(before), json.dumps(now))


def _show(values: dict[str, Any], name: str) -> str:
    return json.dumps(values[name]) if name in values else _MISSING
