"""What is compared, in which order, and the file of results.

A run is a `Key`: one work, budget, seed and contestant. Its result is a line of JSON, which carries
a digest of everything that it depends on. Lines of another digest count for nothing.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1
"""Raised by whoever changes what a contestant does."""
SEEDS: Final[Mapping[int, int]] = {10: 5, 5: 2, 20: 2}
"""By budget: how many seeds. A budget of 10 is a tenth of the teacher's true MACs."""
CONTESTANTS: Final[Mapping[str, str]] = {
    "a": "narrow net from scratch",
    "b": "narrow net, paper's distillation",
    "c": "Torch-Pruning, fine-tuned",
    "d": "paper's pipeline",
    "e": "ours",
}
ABLATION_BUDGET: Final = 10
ABLATION_SEEDS: Final = 2
TEACHER: Final = "teacher"
BASELINE: Final = "untouched input"
PICTURES: Final = 256
"""Held-out pictures at most that everything is scored on."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """One run.

    Args:
        family: Name of the work.
        budget: By how much fewer MACs than the teacher's.
        seed: Seed of everything random, the same for all contestants.
        contestant: A letter, or the name of an ablation.
    """

    family: str
    budget: int
    seed: int
    contestant: str

    @classmethod
    def of(cls, row: Row) -> "Key":
        """Return the key of a result."""
        return cls(row["family"], row["budget"], row["seed"], row["contestant"])

    def __str__(self) -> str:
        return f"{self.family}, 1/{self.budget}, seed {self.seed}, {self.contestant}"

    @property
    def folder(self) -> str:
        """A name for the folder of its model."""
        return f"{self.family}-{self.budget}-{self.seed}-{self.contestant.replace(' ', '_')}"


def plan(families: Sequence[str], arms: Sequence[str]) -> Iterator[Key]:
    """Yield every run, the most telling first, so that it can be cut off anywhere.

    Args:
        families: Names of the works.
        arms: Names of the ablations.
    """
    (first, most), *others = SEEDS.items()
    rounds = [(first, seed) for seed in range(most)]
    rounds += [(budget, seed) for budget, count in others for seed in range(count)]
    for budget, seed in rounds:
        for family in families:
            for contestant in CONTESTANTS:
                yield Key(family, budget, seed, contestant)
    for seed in range(ABLATION_SEEDS):
        for arm in arms:
            for family in families:
                yield Key(family, ABLATION_BUDGET, seed, arm)


def chosen(keys: Iterable[Key], only: str | None) -> list[Key]:
    """Return the runs that a selection names.

    Args:
        keys: Runs.
        only: Such as ``family=openmoji,budget=10,contestant=a+c``; None takes all.

    Raises:
        SystemExit: If it names something that there is not.
    """
    found = list(keys)
    for part in (only or "").split(","):
        if not part:
            continue
        name, sign, text = part.partition("=")
        if not sign or name not in {"family", "budget", "seed", "contestant"}:
            raise SystemExit(f"'{part}' selects nothing: give family, budget, seed or contestant")
        known = {str(getattr(key, name)) for key in found}
        asked = set(text.split("+"))
        if asked - known:
            raise SystemExit(
                f"there is no {name} '{min(asked - known)}': choose of {', '.join(sorted(known))}"
            )
        found = [key for key in found if str(getattr(key, name)) in asked]
    return found


def digest(settings: Mapping[str, Any]) -> str:
    """Return what identifies settings: lines with another one are not compared with these.

    Args:
        settings: JSON values.
    """
    text = json.dumps({"version": VERSION, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_rows(path: Path) -> list[Row]:
    """Read all lines of results, whatever settings they were made with; the last of a key counts.

    Args:
        path: The file; there may be none.
    """
    if not path.is_file():
        return []
    rows: dict[tuple[Key, str], Row] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            rows[Key.of(row), row["protocol"]] = row
        except (ValueError, KeyError, TypeError):  # half a line, of a call that was killed
            continue
    return list(rows.values())


def rows_of(path: Path, protocols: Mapping[str, str]) -> list[Row]:
    """Read the lines that were made with today's settings.

    Args:
        path: The file.
        protocols: Digest by name of work.
    """
    return [row for row in read_rows(path) if protocols.get(row["family"]) == row["protocol"]]


def append_row(path: Path, key: Key, values: Row) -> Row:
    """Add a line in one write, which several processes may do at a time.

    Args:
        path: The file.
        key: The run.
        values: What came out.

    Returns:
        The line.
    """
    row: Row = {**asdict(key), **values}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # A call that was killed may have left half a line behind.
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        text = ("\n" if torn else "") + json.dumps(row, allow_nan=False) + "\n"
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    return row
