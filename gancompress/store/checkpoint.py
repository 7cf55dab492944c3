"""Checkpoints of a training loop: whole, checked by a manifest, and two of them.

Layout::

    folder/
      step-00000250/
        tensors.safetensors
        state.json
        manifest.json          {"step": 250, "sha256": {"state.json": "…", …}}
      step-00000500/
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from gancompress.errors import CheckpointError
from gancompress.store.atomic import encode_json, storage_errors, sync_folder, write_synced
from gancompress.store.weights import decode_tensors, encode_tensors

KEPT: Final = 2
_TENSORS: Final = "tensors.safetensors"
_STATE: Final = "state.json"
_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """What a training loop goes on from.

    Args:
        step: Optimiser steps taken.
        tensors: Tensors on the CPU, by name.
        state: JSON value that was saved beside them.
        skipped: One sentence for every newer checkpoint that was damaged.
    """

    step: int
    tensors: Mapping[str, Tensor]
    state: Any
    skipped: tuple[str, ...] = ()


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Any) -> Path:
    """Write a checkpoint; it appears whole or not at all, and the one before it stays.

    Checkpoints of later steps are removed: they are left from a run that could not use them.

    Args:
        folder: Made where it does not exist; only one process writes to it at a time.
        step: Optimiser steps taken, at least 0.
        tensors: Weights and optimiser tensors by name.
        state: JSON value: counters, the random generators' states.

    Returns:
        The checkpoint's folder.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
        TypeError: If the state holds what JSON cannot.
        ValueError: If the step is negative.
    """
    if step < 0:
        raise ValueError(f"step {step} is negative")
    folder = Path(folder)
    files = {_TENSORS: encode_tensors(tensors), _STATE: encode_json(state)}
    files[_MANIFEST] = encode_json({"step": step, "sha256": _digests(files)})
    final = folder / f"step-{step:08d}"
    with storage_errors(final):
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".partial-*"):
            shutil.rmtree(leftover)
        _publish(files, folder / f".partial-{final.name}", final)
        _prune(folder, step)
    return final


def load_latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint that is whole.

    Args:
        folder: The folder that `save_checkpoint` was given.

    Returns:
        The checkpoint, with the reasons why newer ones were skipped; None where there is none.

    Raises:
        CheckpointError: If there are checkpoints and every one of them is damaged.
    """
    skipped: list[str] = []
    for step, path in reversed(_steps(Path(folder))):
        try:
            files = _verified(path)
            tensors = decode_tensors(files[_TENSORS], source=path / _TENSORS)
            return Checkpoint(step, tensors, json.loads(files[_STATE]), tuple(skipped))
        except CheckpointError as error:
            skipped.append(error.message)
    if skipped:
        raise CheckpointError(
            f"every checkpoint in '{folder}' is damaged: {'; '.join(skipped)}",
            hint="remove the folder to begin the stage again",
        )
    return None


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(data).hexdigest() for name, data in files.items()}


def _publish(files: Mapping[str, bytes], partial: Path, final: Path) -> None:
    partial.mkdir()
    for name, data in files.items():
        write_synced(partial / name, data)
    sync_folder(partial)
    if final.exists():
        # A folder cannot be renamed onto a full one. The checkpoint before covers the gap.
        final.replace(final.with_name(f".partial-old-{final.name}"))
    partial.replace(final)
    sync_folder(final.parent)
    shutil.rmtree(final.with_name(f".partial-old-{final.name}"), ignore_errors=True)


def _prune(folder: Path, newest: int) -> None:
    steps = _steps(folder)
    kept = [step for step, _ in steps if step <= newest][-KEPT:]
    for step, path in steps:
        if step not in kept:
            shutil.rmtree(path)


def _steps(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = [(re.fullmatch(r"step-(\d+)", path.name), path) for path in folder.iterdir()]
    return sorted((int(match[1]), path) for match, path in found if match)


def _verified(path: Path) -> dict[str, bytes]:
    """Read a checkpoint's files and compare them with the manifest."""
    try:
        expected = json.loads((path / _MANIFEST).read_bytes())["sha256"]
        files = {name: (path / name).read_bytes() for name in (_TENSORS, _STATE)}
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"'{path}' is incomplete") from None
    for name, digest in _digests(files).items():
        if not isinstance(expected, dict) or expected.get(name) != digest:
            raise CheckpointError(f"'{path / name}' differs from its manifest")
    return files
