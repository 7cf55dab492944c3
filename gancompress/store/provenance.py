"""Where downloaded files came from and what they were: trusted on first use, checked later."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gancompress.errors import RunError
from gancompress.store.atomic import read_json, write_json

LOCK: Final = "downloads.lock.json"
_VERSION: Final = 1


@dataclass(frozen=True)
class Provenance:
    """What a file was when it was first downloaded.

    Args:
        sha256: Its digest.
        size: Its bytes.
        files: Files that it was unpacked to; 0 where it is no archive.
        unpacked: Bytes of those.
    """

    sha256: str
    size: int
    files: int = 0
    unpacked: int = 0


def read_provenance(folder: Path) -> dict[str, Provenance]:
    """Read what has been downloaded into a folder, by address.

    Args:
        folder: Holds ``downloads.lock.json``, or not yet.

    Returns:
        Empty where nothing has been downloaded.

    Raises:
        RunError: If the file is damaged.
    """
    path = folder / LOCK
    if not path.exists():
        return {}
    value = read_json(path, hint="remove it: digests are then recorded anew")
    try:
        return {url: _entry(item) for url, item in value["files"].items()}
    except (AttributeError, KeyError, TypeError):
        raise RunError(
            f"'{path}' is damaged", hint="remove it: digests are then recorded anew"
        ) from None


def write_provenance(folder: Path, url: str, entry: Provenance) -> None:
    """Record what has been downloaded from one address.

    Args:
        folder: The folder.
        url: The address.
        entry: What came.

    Raises:
        RunError: If the file is damaged, or cannot be written.
    """
    entries = read_provenance(folder) | {url: entry}
    files = {key: asdict(entries[key]) for key in sorted(entries)}
    write_json(folder / LOCK, {"version": _VERSION, "files": files})


def _entry(item: Mapping[str, Any]) -> Provenance:
    if not (isinstance(item["sha256"], str) and isinstance(item["size"], int)):
        raise TypeError
    return Provenance(**item)
