"""Files from the network: resumed, known by their SHA-256, and whole or not there."""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from filelock import FileLock

from gancompress.errors import ConfigError, DataError
from gancompress.store.atomic import storage_errors
from gancompress.store.cache import cache_folder
from gancompress.store.transfer import Progress, Transfer

LATER: Final = "the same command goes on where it stopped; try it again later"
_FOLDER: Final = "downloads"
_SCHEMES: Final = ("http", "https", "file")


def download(url: str, *, sha256: str, hint: str = LATER) -> Path:
    """Fetch a file into the cache, unless an earlier call has.

    Args:
        url: Where it lies.
        sha256: The digest that it must have.
        hint: The way out where it cannot be fetched.

    Returns:
        Its path in the cache.

    Raises:
        DataError: If it cannot be fetched, or is another file.
        StorageError: If the cache cannot be written.
    """
    # Two servers may have different files of one name.
    name = f"{sha256[:8]}-{Path(urlsplit(url).path).name}"
    place = cache_folder() / _FOLDER / name
    fetch(url, place, sha256=sha256, hint=hint)
    return place


def fetch(
    url: str,
    place: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    hint: str = LATER,
    progress: Progress = lambda _done, _total: None,
) -> str:
    """Fetch a file to a place, unless it is there.

    A file gets its name only when it is whole and has digest and size: what an interrupted
    transfer leaves lies beside it under another name, and the next call goes on with it. A file
    that is there but damaged is fetched again. Two processes that want one file fetch it once.

    Args:
        url: Where it lies, by http, https or file.
        place: The path that it gets; folders on the way are made.
        sha256: The digest that it must have; None takes any.
        size: The bytes that it must have; None takes any number.
        hint: The way out where it cannot be fetched.
        progress: Is told how far it is.

    Returns:
        Its SHA-256 in hexadecimal digits.

    Raises:
        ConfigError: If the address is none.
        DataError: If it cannot be fetched, or is another file.
        StorageError: If the disk is full or the folder cannot be written.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise ConfigError(
            f"'{url}' is no address of a file", hint="it begins with https://, http:// or file://"
        )
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.with_name(f".{place.name}.lock"))
        lock.acquire()
    try:
        # Only what the disk refuses is left to the caller: requests' errors are OSErrors too.
        with storage_errors(place):
            if size is not None and place.is_file() and place.stat().st_size != size:
                place.unlink()
            part = place.with_name(f".{place.name}.partial")
            _retrieve(url, place, sha256, hint, Transfer(part, size, progress))
            _check_size(url, place, size, hint)
            return sha256_of(place)
    finally:
        lock.release()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _retrieve(url: str, place: Path, sha256: str | None, hint: str, transfer: Transfer) -> None:
    pooch: Any = import_module("pooch")
    network: Any = import_module("requests").RequestException
    known = None if sha256 is None else f"sha256:{sha256}"
    try:
        with _silent(pooch):
            pooch.retrieve(url, known, fname=place.name, path=place.parent, downloader=transfer)
    except network as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"'{url}' cannot be downloaded: {type(error).__name__}: {first[:200]}", hint=hint
        ) from None
    except ValueError as error:  # of the digest; pooch has removed the file
        raise DataError(
            f"'{url}' is damaged or another file: its SHA-256 is not '{sha256}'", hint=hint
        ) from error


def _check_size(url: str, place: Path, size: int | None, hint: str) -> None:
    got = place.stat().st_size
    if size is not None and got != size:
        place.unlink()
        raise DataError(
            f"'{url}' is damaged or another file: it has {got:,} bytes, not {size:,}", hint=hint
        )


@contextmanager
def _silent(pooch: Any) -> Iterator[None]:
    """Keep pooch from announcing on stderr what the progress shows already."""
    logger: logging.Logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
