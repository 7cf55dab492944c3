"""One run directory, as the report reads it."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from gancompress.errors import RunError
from gancompress.report.html.record import Record
from gancompress.store.atomic import read_json

STAGES: Final = ("train", "sensitivity", "distill", "search", "finetune", "export", "evaluate")
LAST: Final = "bench"


@dataclass(frozen=True)
class Events:
    """What was logged.

    Args:
        rows: Events, oldest first.
        unreadable: Lines that are no events, but for a last one that was cut short.
    """

    rows: tuple[dict[str, Any], ...] = ()
    unreadable: int = 0


@dataclass(frozen=True)
class RunSource:
    """Reads the files of a run; nothing is written, and no lock is taken.

    Args:
        root: The run directory.
    """

    root: Path
    _records: dict[str, Record | None] = field(default_factory=dict, compare=False)

    @classmethod
    def open(cls, root: Path) -> "RunSource":
        """Make sure that a folder is a run.

        Args:
            root: The folder.

        Raises:
            RunError: If it is none.
        """
        if not (root / "config.json").is_file():
            raise RunError(
                f"'{root}' is no run directory: it has no 'config.json'",
                hint="give the folder that an earlier command wrote to with --out",
            )
        return cls(root)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.resolve().name

    def record(self, name: str) -> Record | None:
        """Read a JSON file of the run.

        Args:
            name: Such as ``stages/search.json``.

        Returns:
            What it holds; None where there is no such file.

        Raises:
            RunError: If it is no JSON object.
        """
        if name not in self._records:
            place = self.root / name
            if not place.is_file():
                return None
            found = Record(read_json(place), str(place))
            if not isinstance(found.value, dict):
                raise found.damaged("is no object")
            self._records[name] = found
        return self._records[name]

    def stage(self, name: str) -> Record | None:
        """Read the summary of a stage; None where the stage is not done.

        Args:
            name: Name of the stage.

        Raises:
            RunError: If it is damaged.
        """
        return self.record(f"stages/{name}.json")

    @cached_property
    def events(self) -> Events:
        """What was logged; read once."""
        place = self.root / "events.jsonl"
        if not place.is_file():
            return Events()
        content = place.read_bytes()
        lines = content.splitlines()
        rows, unreadable = [], 0
        for index, line in enumerate(lines):
            try:
                row = json.loads(line)
            except ValueError:
                # A process that was killed, or that is writing, leaves a last line cut short.
                cut = index == len(lines) - 1 and not content.endswith(b"\n")
                unreadable += 0 if cut or not line.strip() else 1
                continue
            if isinstance(row, dict):
                rows.append(row)
            else:
                unreadable += 1
        return Events(tuple(rows), unreadable)
