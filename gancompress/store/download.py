"""Files from the network, kept in the cache and known by their SHA-256."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from filelock import FileLock

from gancompress.errors import DataError, MissingExtraError
from gancompress.store.atomic import storage_errors
from gancompress.store.cache import cache_folder

_FOLDER: Final = "downloads"


def download(url: str, *, sha256: str, extra: str, hint: str = "try it again later") -> Path:
    """Fetch a file, unless an earlier call has.

    A file gets its name in the cache only when it is whole and has the digest: an interrupted
    download leaves nothing behind, and a kept file that has been damaged is fetched again. Two
    processes that want one file fetch it once.

    Args:
        url: Where it lies, by http or https.
        sha256: The digest that it must have.
        extra: The extra that brings the downloader.
        hint: The way out where it cannot be fetched.

    Returns:
        Its path in the cache.

    Raises:
        MissingExtraError: If the downloader is not installed.
        DataError: If it cannot be fetched, or is another file.
        StorageError: If the cache cannot be written.
    """
    try:
        pooch: Any = import_module("pooch")
    except ImportError:
        raise MissingExtraError("pooch", extra) from None
    folder = cache_folder() / _FOLDER
    # Two servers may have different files of one name.
    name = f"{sha256[:8]}-{Path(urlsplit(url).path).name}"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        lock.acquire()
    try:
        # Only what the disk refuses is left to the caller: requests' errors are OSErrors too.
        with storage_errors(folder):
            return _fetch(pooch, url, sha256, folder / name, hint)
    finally:
        lock.release()


def _fetch(pooch: Any, url: str, sha256: str, place: Path, hint: str) -> Path:
    network = import_module("requests").RequestException  # comes with pooch
    try:
        kept: str = pooch.retrieve(
            url, known_hash=f"sha256:{sha256}", fname=place.name, path=place.parent
        )
    except network as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"'{url}' cannot be downloaded: {type(error).__name__}: {first[:200]}", hint=hint
        ) from None
    except ValueError as error:  # of the digest; a damaged file is removed again
        found = re.search(r"got ([0-9a-f]{8})", str(error))
        reason = f"its SHA-256 begins with '{found[1]}'" if found else str(error)
        raise DataError(
            f"'{url}' is damaged or another file: {reason}, and not with '{sha256[:8]}'", hint=hint
        ) from None
    return Path(kept)
