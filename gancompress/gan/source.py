"""Published data sets and checkpoints: where they lie, and how they come onto the disk."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from gancompress.errors import DataError
from gancompress.events import (
    Emit,
    Notice,
    StageFinished,
    StageProgress,
    StageStarted,
    discard,
)
from gancompress.store import (
    ArchiveFormat,
    Provenance,
    fetch,
    read_provenance,
    tree_size,
    unpack,
    write_provenance,
)

_MB = 1_000_000


@dataclass(frozen=True)
class Source:
    """A published data set or checkpoint.

    Args:
        name: What it is called in its family.
        kind: ``data`` or ``checkpoint``.
        url: Its published address; empty where it cannot be fetched without a person.
        archive: Format of the archive; None where the file is kept as it is.
        layout: What it consists of, in a few words.
        licence: What its owners say of its use, in a few words.
        place: Where it goes inside the family's folder; empty takes the name, with the ending of
            the address where it is no archive.
        megabytes: About how large the download is; None where it is not known.
        size: Its exact bytes, which are checked; None takes those of the first download.
        sha256: Its digest, likewise.
        by_hand: How a person gets it, where `url` is empty.
    """

    name: str
    kind: Literal["data", "checkpoint"]
    url: str
    archive: ArchiveFormat | None = None
    layout: str = ""
    licence: str = ""
    place: str = ""
    megabytes: float | None = None
    size: int | None = None
    sha256: str | None = None
    by_hand: str = ""

    def path(self, folder: Path) -> Path:
        """Return where it lies once it is there.

        Args:
            folder: The family's folder.
        """
        ending = "" if self.archive else Path(urlsplit(self.url).path).suffix
        return folder / (self.place or f"{self.name}{ending}")


def fetch_source(
    source: Source, folder: Path, *, url: str | None = None, emit: Emit = discard
) -> Path:
    """Download a data set or a checkpoint, unless it is there.

    Size and SHA-256 are recorded in ``downloads.lock.json`` of the folder when it comes for the
    first time, and what comes from the same address later must be the same. An archive is
    unpacked, and removed then; its files are counted when it is asked for again.

    Args:
        source: What to download.
        folder: The folder of its family, made where it does not exist.
        url: Another address of the same file, such as a mirror or ``file:///...``.
        emit: Receives events; steps are megabytes.

    Returns:
        The folder with the data, or the file.

    Raises:
        DataError: If it cannot be fetched, is damaged, or is not what it was before.
        StorageError: If the disk is full or the folder cannot be written.
    """
    if not source.url and url is None:
        raise DataError(f"'{source.name}' cannot be downloaded by itself", hint=source.by_hand)
    key = source.url or source.name
    known = read_provenance(folder).get(key)
    target = source.path(folder)
    if source.archive is not None and target.exists():
        _check_tree(target, known)
        emit(Notice(source.name, f"'{target}' is there already, and whole"))
        return target
    progress = _Progress(source.name, emit)
    place = target if source.archive is None else target.with_name(f"{target.name}.download")
    digest = fetch(
        url or source.url,
        place,
        sha256=source.sha256 or (known.sha256 if known else None),
        size=source.size or (known.size if known else None),
        progress=progress.show,
    )
    size, files, unpacked = place.stat().st_size, 0, 0
    if source.archive is not None:
        try:
            unpack(place, target, source.archive)
        except DataError:
            place.unlink()  # else the next call would find it whole, and fail again
            raise
        files, unpacked = tree_size(target)
        place.unlink()
    # Only now: a page that says "sorry" has a digest too, and must not become the trusted one.
    write_provenance(folder, key, Provenance(digest, size, files, unpacked))
    progress.finish()
    return target


def _check_tree(target: Path, known: Provenance | None) -> None:
    hint = "go on with it as it is, or move it away to download it"
    if known is None:
        raise DataError(f"'{target}' is there, and was not downloaded by this command", hint=hint)
    files, size = tree_size(target)
    if (files, size) != (known.files, known.unpacked):
        raise DataError(
            f"'{target}' has {files:,} files of {size:,} bytes, and was unpacked with "
            f"{known.files:,} of {known.unpacked:,}",
            hint=hint,
        )


class _Progress:
    """Bytes as events; about one for each megabyte."""

    def __init__(self, name: str, emit: Emit) -> None:
        self._stage, self._emit = f"{name} (MB)", emit
        self._shown = -1
        self._began = time.monotonic()

    def show(self, done: int, total: int | None) -> None:
        step = done // _MB
        if self._shown < 0:
            whole = None if total is None else max(total // _MB, 1)
            # What an earlier call has brought is no part of the estimate.
            self._emit(StageStarted(self._stage, whole, step))
        if step != self._shown:
            self._emit(StageProgress(self._stage, step))
        self._shown = step

    def finish(self) -> None:
        skipped = self._shown < 0
        self._emit(StageFinished(self._stage, time.monotonic() - self._began, skipped))
