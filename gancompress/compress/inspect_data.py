"""A look at a family's data file by file, before hours of training find out."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from gancompress.compress.file_facts import FileFacts, changes
from gancompress.compress.metrics import find_metrics
from gancompress.compress.prepare import SPLITS
from gancompress.config import RunConfig
from gancompress.errors import GancompressError
from gancompress.events import Emit, StageFinished, StageProgress, StageStarted, discard
from gancompress.gan import (
    AnyFamily,
    Part,
    SplitFolders,
    find_pictures,
    read_labels,
    read_picture,
)
from gancompress.metrics import Metric

FEW: Final = 32
_STAGE: Final = "verify"


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Args:
        split: Where; empty where it concerns several splits.
        path: The file or folder, or what stands for it.
        text: One sentence.
        severity: ``error`` for what stops a training, ``warning`` for what spoils it.
    """

    split: str
    path: str
    text: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class PartFigures:
    """What one folder of a split holds.

    Args:
        split: The split.
        part: The folder's part, such as ``A`` or ``label``.
        pictures: How many files can be read.
        smallest: Width and height of the smallest by area; None where there is none.
        largest: Of the largest.
        modes: How many files have each Pillow mode.
    """

    split: str
    part: str
    pictures: int
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None
    modes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataReport:
    """What `inspect_data` found.

    Args:
        figures: By split and part.
        problems: In the order of the splits.
    """

    figures: tuple[PartFigures, ...]
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> int:
        """How many problems stop a training."""
        return sum(problem.severity == "error" for problem in self.problems)

    @property
    def sound(self) -> bool:
        """Whether nothing stops a training."""
        return not self.errors


@dataclass(frozen=True)
class Asked:
    """A metric that is to measure on a split.

    Args:
        split: ``val`` or ``test``.
        metric: The metric.
        severity: Of the problem that the split has too few pictures.
    """

    split: str
    metric: Metric
    severity: Literal["error", "warning"]


def inspect_data(
    family: AnyFamily,
    options: Any,
    *,
    asked: Sequence[Asked] = (),
    emit: Emit = discard,
) -> DataReport:
    """Read every file of a family's data, and list what is wrong with each.

    What is read otherwise than it lies there, such as a palette or a picture that is turned, is a
    warning: one for each kind and folder.

    Where the family does not say how its data lie in folders, every split is opened and every
    sample read, and only the family's own errors are found.

    Args:
        family: The GAN family.
        options: Its options, which name the folder.
        asked: Metrics that are to measure: a split that has too few pictures for one is a problem.
        emit: Receives events.

    Returns:
        The figures and the problems; nothing is raised for a file.
    """
    folders = family.folders(options)
    if not folders:
        report = _open(family, options)
    else:
        look = _Look(emit)
        look.all(folders)
        report = DataReport(tuple(look.figures), tuple(look.problems))
    few = tuple(_too_few(report.figures, asked))
    return replace(report, problems=(*report.problems, *few))


def metrics_asked(
    config: RunConfig, offered: Mapping[str, Metric], more: Sequence[str] = ()
) -> tuple[Asked, ...]:
    """Return the metrics that a run will measure by.

    Args:
        config: Names the metric that a search scores with and those of the evaluation; a training
            can begin without them.
        offered: What plugins and the core offer, by name, with their options.
        more: Names of those that somebody asks for, in the evaluation.

    Raises:
        ConfigError: If there is none of a name.
    """
    wanted: tuple[tuple[str, Sequence[str], Literal["error", "warning"]], ...] = (
        ("val", [config.search.score], "warning"),
        ("test", config.evaluate.metrics, "warning"),
        ("test", more, "error"),
    )
    return tuple(
        Asked(split, metric, severity)
        for split, names, severity in wanted
        for metric in find_metrics(names, offered).values()
    )


class _Look:
    def __init__(self, emit: Emit) -> None:
        self.figures: list[PartFigures] = []
        self.problems: list[Problem] = []
        self._seen: dict[bytes, tuple[str, Path]] = {}
        self._emit, self._done = emit, 0

    def all(self, folders: Sequence[SplitFolders]) -> None:
        began = time.monotonic()
        found = [
            (split, part, self._list(split, part)) for split in folders for part in split.parts
        ]
        self._emit(StageStarted(_STAGE, sum(len(paths) for *_, paths in found)))
        for split in folders:
            own = {part.name: paths for its, part, paths in found if its is split}
            if split.paired:
                self._check_partners(split, own)
            for part in split.parts:
                self._check_part(split, part, own[part.name])
        self._emit(StageFinished(_STAGE, time.monotonic() - began))

    def _list(self, split: SplitFolders, part: Part) -> tuple[Path, ...]:
        try:
            return find_pictures(part.folder)
        except GancompressError as error:
            self._note(split, part.folder, error.message)
            return ()

    def _check_partners(self, split: SplitFolders, found: Mapping[str, Sequence[Path]]) -> None:
        keys = {name: Counter(map(split.key, paths)) for name, paths in found.items() if paths}
        for part in split.parts:
            for path in found[part.name]:
                key = split.key(path)
                if keys[part.name][key] > 1:
                    self._note(split, path, f"'{key}' is there more than once in {part.name}")
                without = [name for name in keys if key not in keys[name]]
                if without:
                    self._note(split, path, f"it has no partner in {' and '.join(without)}")

    def _check_part(self, split: SplitFolders, part: Part, paths: Sequence[Path]) -> None:
        files: list[FileFacts] = []
        for path in paths:
            self._done += 1
            self._emit(StageProgress(_STAGE, self._done))
            try:
                files.append(_read(part, path))
            except (GancompressError, OSError) as error:
                text = error.message if isinstance(error, GancompressError) else str(error)
                self._note(split, path, text)
                continue
            for text in _faults(part, path, files[-1].size):
                self._note(split, path, text)
            if part.kind != "labels":
                self._check_leak(split, path)
        self.figures.append(_figures(split.split, part.name, files))
        for text in changes(part, files):
            self._note(split, part.folder, text, "warning")
        if paths and len(paths) < FEW:
            text = f"{len(paths)} pictures are few: figures of them are mostly chance"
            self._note(split, part.folder, text, "warning")

    def _check_leak(self, split: SplitFolders, path: Path) -> None:
        """Notice a picture that is held out and trained on."""
        digest = sha256(path.read_bytes()).digest()
        other, first = self._seen.setdefault(digest, (split.split, path))
        if other != split.split:
            self._note(split, path, f"it is the same file as '{first}' of '{other}'", "warning")

    def _note(
        self,
        split: SplitFolders,
        path: Path,
        text: str,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        self.problems.append(Problem(split.split, str(path), text, severity))


def _read(part: Part, path: Path) -> FileFacts:
    """Decode a file as the family would, and return what it is like."""
    # First as the family does: what Pillow takes for an attack must not be opened otherwise.
    height, width = (read_labels(path) if part.kind == "labels" else read_picture(path)).shape[:2]
    return replace(FileFacts.read(path), size=(width, height))


def _faults(part: Part, path: Path, size: tuple[int, int]) -> Iterator[str]:
    if part.kind == "pair" and size[0] < 2:
        yield "it is one pixel wide, and holds no two pictures side by side"
    elif part.kind == "pair" and size[0] % 2:
        yield "it is an odd number of pixels wide, and holds no two equal pictures side by side"
    if part.labels is not None:
        strange = sorted(set(np.unique(read_labels(path)).tolist()) - part.labels)
        if strange:
            ids = ", ".join(map(str, strange[:10])) + (", …" if len(strange) > 10 else "")
            yield f"the labels {ids} are outside the map"


def _figures(split: str, part: str, files: Sequence[FileFacts]) -> PartFigures:
    if not files:
        return PartFigures(split, part, 0)
    ranked = sorted((f.size for f in files), key=lambda size: size[0] * size[1])
    modes = Counter(f.mode for f in files)
    return PartFigures(split, part, len(files), ranked[0], ranked[-1], dict(modes))


def _too_few(figures: Sequence[PartFigures], asked: Sequence[Asked]) -> Iterator[Problem]:
    """Find the metrics that a split has too few pictures for."""
    for one in asked:
        counts = [row.pictures for row in figures if row.split == one.split]
        if counts and 0 < min(counts) < one.metric.fewest:
            text = (
                f"the metric '{one.metric.name}' needs at least {one.metric.fewest:,} pictures, "
                f"and there are {min(counts):,}"
            )
            yield Problem(one.split, one.split, text, one.severity)


def _open(family: AnyFamily, options: Any) -> DataReport:
    figures: list[PartFigures] = []
    problems: list[Problem] = []
    for split in SPLITS:
        read = 0
        try:
            data: Any = family.dataset(options, split)
            for index in range(len(data)):
                try:
                    data[index]
                    read += 1
                except GancompressError as error:
                    problems.append(Problem(split, f"sample {index}", error.message))
        except GancompressError as error:
            problems.append(Problem(split, split, error.message))
        figures.append(PartFigures(split, "samples", read))
        if not read and not any(problem.split == split for problem in problems):
            problems.append(Problem(split, split, f"the split '{split}' is empty"))
    return DataReport(tuple(figures), tuple(problems))
