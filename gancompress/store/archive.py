"""Archives from elsewhere: nothing is written outside the folder, and it is whole or not there."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Literal, TypeAlias

from gancompress.errors import DataError, StorageError
from gancompress.store.atomic import fresh_folder

ArchiveFormat: TypeAlias = Literal["zip", "tar.gz", "tar"]
_BROKEN: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    NotImplementedError,  # a compression that Python has not
    RuntimeError,  # encrypted
)


def unpack(archive: Path, target: Path, kind: ArchiveFormat) -> None:
    """Unpack an archive into a new folder, which appears when everything is in it.

    Where all lies in one folder inside the archive, that folder becomes the target. Links and
    devices in an archive are refused, and so are names that lead out of the folder.

    Args:
        archive: The file.
        target: The folder, which does not exist yet or is empty.
        kind: Format of the archive.

    Raises:
        DataError: If it is no such archive, is damaged, or holds what is refused.
        StorageError: If the disk is full, or the folder is there already or cannot be written.
    """
    with fresh_folder(target) as partial:
        inner = partial / target.name
        with _explained(archive, kind):
            _write_all(archive, kind, inner)
        _move_up(inner, partial)


def tree_size(folder: Path) -> tuple[int, int]:
    """Return how many files a folder holds, at any depth, and their bytes.

    Args:
        folder: The folder.
    """
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def _move_up(inner: Path, folder: Path) -> None:
    """Move what lies in a folder into the one around it, without a folder that holds it all."""
    entries = list(inner.iterdir())
    source = entries[0] if len(entries) == 1 and entries[0].is_dir() else inner
    # Under a name that no archive has, so that nothing inside can stand in its way.
    apart = folder / ".apart"
    source.replace(apart)
    shutil.rmtree(inner, ignore_errors=True)
    for entry in apart.iterdir():
        entry.replace(folder / entry.name)
    apart.rmdir()


def _write_all(archive: Path, kind: ArchiveFormat, folder: Path) -> None:
    members = _zip_members(archive) if kind == "zip" else _tar_members(archive)
    count = 0
    for name, size, file in members:
        place = folder / _inside(archive, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if size > shutil.disk_usage(folder).free:
            raise StorageError(
                f"'{folder.parent}' has no room for '{name}' of '{archive.name}'",
                hint="free some space, or give a folder on another disk",
            )
        with file, place.open("wb") as out:
            shutil.copyfileobj(file, out)
        count += 1
    if not count:
        raise DataError(
            f"'{archive}' is an empty archive", hint="fetch it again, or from another address"
        )


def _zip_members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if (info.external_attr >> 16) & 0o170000 == 0o120000:  # how Unix marks a link
                raise _refused(archive, info.filename, "a link")
            if not info.is_dir():
                yield info.filename, info.file_size, opened.open(info)


def _tar_members(archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    # As a stream: a set of 8 GB is not to be gone through twice.
    with tarfile.open(archive, "r|*") as opened:
        for info in opened:
            if info.isdir():
                continue
            file = opened.extractfile(info) if info.isreg() else None
            if file is None:
                raise _refused(archive, info.name, "a link or a device")
            yield info.name, info.size, file


def _inside(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    drive = bool(path.parts) and ":" in path.parts[0]
    if path.is_absolute() or drive or ".." in path.parts or not path.parts:
        raise _refused(archive, name, "a path that leads out of its folder")
    return path


def _refused(archive: Path, name: str, what: str) -> DataError:
    return DataError(
        f"'{archive}' holds {what}, '{name}', and nothing of it is kept",
        hint="do not trust its source; get the data from elsewhere",
    )


@contextmanager
def _explained(archive: Path, kind: str) -> Iterator[Any]:
    try:
        yield
    except _BROKEN as error:
        raise DataError(
            f"'{archive}' is no whole {kind} archive: {error}",
            hint="fetch it again, or from another address",
        ) from error
