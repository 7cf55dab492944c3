"""Files that are either the old ones or the new ones, never half of each."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gancompress.errors import RunError, StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a `StorageError` that names the path.

    Args:
        path: The file or folder that is being written.

    Yields:
        Nothing: the body writes.

    Raises:
        StorageError: If the body raises `OSError`: a full disk, no permission, a file in the way.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        reason = "the disk is full" if full else (error.strerror or str(error))
        hint = (
            "free some space and start the same command again: it goes on from the last checkpoint"
            if full
            else "give a folder that you may write to"
        )
        raise StorageError(f"'{path}' cannot be written: {reason}", hint=hint) from error


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut, where the platform can.

    Args:
        folder: An existing folder.
    """
    if os.name == "nt":  # pragma: no cover - Windows cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk; the caller sees to atomicity and to errors.

    Args:
        path: Overwritten where it exists.
        data: The whole content.

    Raises:
        OSError: As the operating system raises it.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new one.

    Args:
        path: Folders on the way are made.
        data: The whole content.

    Raises:
        StorageError: If the disk is full or the file cannot be written; the old one is untouched.
    """
    path = Path(path)
    # The process id keeps two writers of one path apart; the last one to finish wins.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(partial, data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """Fill a folder that appears when everything is in it, and not at all where that fails.

    Args:
        target: The folder; it does not exist yet, or is empty.

    Yields:
        A folder beside it to write to, which gets its name at the end.

    Raises:
        StorageError: If it is there already, the disk is full, or it cannot be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    with storage_errors(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise StorageError(
                f"'{target}' is there already", hint="give another folder, or move it away"
            )
        shutil.rmtree(partial, ignore_errors=True)  # of a call that was killed
        partial.mkdir(parents=True)
        try:
            yield partial
            partial.replace(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def encode_json(value: Any) -> bytes:
    """Encode a value as indented UTF-8 JSON with a newline at the end.

    Args:
        value: Mappings, sequences, strings, numbers, booleans and None.

    Returns:
        The bytes.

    Raises:
        TypeError: If the value holds something else.
    """
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically.

    Args:
        path: Folders on the way are made.
        value: See `encode_json`.

    Raises:
        StorageError: If the file cannot be written.
        TypeError: If the value holds what JSON cannot.
    """
    write_atomic(path, encode_json(value))


def read_json(path: Path, *, hint: str = "put it back from a copy") -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        hint: What to do where it is no JSON.

    Returns:
        Its value.

    Raises:
        RunError: If it is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise RunError(
            f"'{path}' cannot be read: {error.strerror}", hint="check the folder's path"
        ) from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"'{path}' is damaged: it is no JSON, {error}", hint=hint) from None
