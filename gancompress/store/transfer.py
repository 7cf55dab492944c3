"""One file over HTTP: what an interrupted transfer has brought is kept, and gone on with."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit

from gancompress.errors import DataError, StorageError

Progress: TypeAlias = Callable[[int, int | None], None]
"""Takes the bytes that are there, and how many there will be where that is known."""

_CHUNK: Final = 1 << 15  # what is lost at most where a connection breaks
_ATTEMPTS: Final = 3
_TIMEOUT: Final = (15, 60)  # seconds to connect, and between two chunks
_COMPLETE: Final = 416  # asked for what lies behind the last byte


class Transfer:
    """Brings a file into a partial one, and gives that its name when it is whole; for pooch.

    Beside the partial file lies what the server calls this version of it (``ETag`` or
    ``Last-Modified``): a later call goes on from the last byte if the server has that version
    still, and begins anew if it has not, or cannot send parts. Proxies are those of the
    environment (``HTTPS_PROXY``, ``NO_PROXY`` and so on).

    Args:
        part: The partial file.
        size: Bytes of the whole file, where they are known.
        progress: Called after every chunk.
    """

    def __init__(self, part: Path, size: int | None, progress: Progress) -> None:
        self._part, self._size, self._progress = part, size, progress
        self._version = part.with_name(f"{part.name}.json")

    def __call__(self, url: str, output_file: str, pooch: object = None) -> None:
        """Transfer a file.

        Args:
            url: By http, https or file.
            output_file: Where the whole file goes.
            pooch: Not used.

        Raises:
            OSError: Of the disk, or as requests raises it after several attempts.
            DataError: If there is no such local file.
            StorageError: If the disk has no room for it.
        """
        del pooch
        address = urlsplit(url)
        if address.scheme == "file":
            self._copy(Path(unquote(address.path)))
        else:
            self._attempt(url)
        self._part.replace(output_file)
        self._version.unlink(missing_ok=True)

    def _attempt(self, url: str) -> None:
        errors: Any = import_module("requests.exceptions")
        for left in reversed(range(_ATTEMPTS)):
            before = self._have()
            try:
                self._get(url)
            except (errors.ConnectionError, errors.Timeout, errors.ChunkedEncodingError):
                # As long as each attempt brings something, it is worth another one.
                if not left or self._have() <= before:
                    raise
            else:
                return

    def _get(self, url: str) -> None:
        requests: Any = import_module("requests")
        have = self._have()
        # Compressed on the way, the bytes would not be those of the file.
        headers = {"Accept-Encoding": "identity", **self._conditions(have)}
        with requests.get(url, stream=True, headers=headers, timeout=_TIMEOUT) as response:
            if response.status_code == _COMPLETE:
                if _whole_size(response) == have:
                    return
                self._part.unlink()  # of another file: without it the whole one is asked for
                self._get(url)
                return
            response.raise_for_status()
            goes_on = have > 0 and _start(response) == have
            if response.status_code == requests.codes.partial_content and not goes_on:
                raise requests.exceptions.HTTPError("another part of the file came than asked for")
            total = _expected(response, have if goes_on else 0) or self._size
            self._check_room(total, have if goes_on else 0)
            if not goes_on:
                self._version.write_text(json.dumps(_version(response)), encoding="utf-8")
            self._write(response.iter_content(_CHUNK), have if goes_on else 0, total)
            if total is not None and self._have() < total:
                raise requests.exceptions.ConnectionError("the connection ended too early")

    def _conditions(self, have: int) -> dict[str, str]:
        try:
            version = json.loads(self._version.read_text(encoding="utf-8")) if have else ""
        except (OSError, ValueError):
            return {}
        return {"Range": f"bytes={have}-", "If-Range": str(version)} if version else {}

    def _copy(self, source: Path) -> None:
        try:
            size = source.stat().st_size
            file = source.open("rb")
        except OSError as error:
            raise DataError(
                f"'{source}' cannot be read: {error.strerror}", hint="give the file's path"
            ) from None
        self._check_room(size, 0)
        with file:
            self._write(iter(lambda: file.read(_CHUNK), b""), 0, size)

    def _write(self, chunks: Iterator[bytes], have: int, total: int | None) -> None:
        with self._part.open("ab" if have else "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                have += len(chunk)
                self._progress(have, total)

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _check_room(self, total: int | None, have: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        if total is not None and total - have > free:
            raise StorageError(
                f"'{self._part.parent}' has no room for {(total - have) / 1e6:,.1f} MB: "
                f"{free / 1e6:,.1f} MB are free",
                hint="free some space, or give a folder on another disk",
            )


def _version(response: Any) -> str:
    """Return what names this version of the file; a weak tag does not."""
    tag = str(response.headers.get("ETag", ""))
    return "" if tag.startswith("W/") else tag or str(response.headers.get("Last-Modified", ""))


def _start(response: Any) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else 0


def _whole_size(response: Any) -> int | None:
    found = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _expected(response: Any, have: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdecimal() else _whole_size(response)
