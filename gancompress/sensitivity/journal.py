"""What has been measured so far, in a file that an interruption cannot damage."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from gancompress.store import write_atomic


class Entry(BaseModel):
    """What one change did.

    Args:
        change: Name of the change.
        of: Digest of what it was measured on.
        macs_saved: Multiply-accumulates that it saves.
        params_saved: Parameters that it saves.
        losses: Loss by metric; None where it is not finite.
    """

    change: str
    of: str
    macs_saved: int
    params_saved: int
    losses: dict[str, float | None]


class Journal:
    """Entries by change; those of another generator, other pictures or settings do not count.

    Args:
        path: A file with one JSON object a line; None keeps them in memory only.
        of: Digest of what is measured on.
    """

    def __init__(self, path: Path | None, of: str) -> None:
        self._path, self._of = path, of
        self._entries: dict[str, Entry] = {}
        if path is not None and path.is_file():
            for entry in _entries(path.read_bytes()):
                if entry.of == of:
                    self._entries[entry.change] = entry

    def get(self, change: str) -> Entry | None:
        """Return what is known of a change."""
        return self._entries.get(change)

    def put(self, change: str, saved: tuple[int, int], losses: Mapping[str, float | None]) -> Entry:
        """Remember a change, on the disk too.

        Args:
            change: Name of the change.
            saved: MACs and parameters that it saves.
            losses: Loss by metric.

        Raises:
            StorageError: If the file cannot be written.
        """
        entry = Entry(
            change=change,
            of=self._of,
            macs_saved=saved[0],
            params_saved=saved[1],
            losses=dict(losses),
        )
        self._entries[change] = entry
        if self._path is not None:
            lines = "".join(e.model_dump_json() + "\n" for e in self._entries.values())
            write_atomic(self._path, lines.encode())
        return entry


def digest_of(module: nn.Module, tensors: Iterable[Tensor], settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a generator's code and weights, pictures and settings.

    Args:
        module: The generator.
        tensors: Pictures.
        settings: JSON values.
    """
    digest = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    named: Sequence[tuple[str, Tensor]] = sorted(module.state_dict().items())
    for name, tensor in (*named, *(("", x) for x in tensors)):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        plain = tensor.detach().cpu().contiguous().flatten()
        digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _entries(data: bytes) -> Iterable[Entry]:
    for line in data.splitlines():
        try:
            yield Entry.model_validate_json(line)
        except ValidationError:  # a line that somebody else has written: measured again
            continue
