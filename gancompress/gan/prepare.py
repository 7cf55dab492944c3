"""Preparers: from somebody else's folders to those that a family reads."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from gancompress.errors import DataError
from gancompress.events import Emit, StageFinished, StageProgress, StageStarted, discard
from gancompress.store import fresh_folder

_THREADS = 4


@dataclass(frozen=True)
class Sample:
    """One sample that a preparer is going to write.

    Args:
        split: ``train``, ``val`` or ``test``.
        write: Writes it, with everything that belongs to it, under the folder it is given; may
            be called from several threads. It raises `DataError` for a file that cannot be read.
    """

    split: str
    write: Callable[[Path], None]


@dataclass(frozen=True)
class Preparer:
    """Makes a family's folders out of a data set's own.

    Args:
        name: What it is called in its family.
        summary: What it does, in a line.
        inputs: What the folders are that it takes, in order.
        options: Its options, a pydantic model.
        plan: Looks at the folders and returns what to write; writes nothing itself.
    """

    name: str
    summary: str
    inputs: tuple[str, ...]
    options: type[BaseModel]
    plan: Callable[[Sequence[Path], Any], Sequence[Sample]]


def prepare_data(
    preparer: Preparer,
    inputs: Sequence[Path],
    target: Path,
    options: BaseModel,
    *,
    emit: Emit = discard,
) -> Mapping[str, int]:
    """Write a family's folders; they appear when everything is in them.

    Args:
        preparer: What makes them.
        inputs: The folders that it takes; they are only read.
        target: The folder to make, which does not exist yet or is empty.
        options: The preparer's options.
        emit: Receives events.

    Returns:
        The number of samples by split.

    Raises:
        DataError: If a folder is missing, or a file is missing or cannot be read.
        StorageError: If the target is there already or cannot be written.
    """
    if len(inputs) != len(preparer.inputs):
        raise DataError(
            f"'{preparer.name}' takes {len(preparer.inputs)} folders and got {len(inputs)}",
            hint=f"give {' '.join(preparer.inputs)} and the folder to write",
        )
    samples = preparer.plan(inputs, options)
    if not samples:
        raise DataError(
            f"'{inputs[0]}' holds nothing that '{preparer.name}' knows", hint=preparer.summary
        )
    counts: dict[str, int] = {}
    began = time.monotonic()
    emit(StageStarted(preparer.name, len(samples)))
    with fresh_folder(target) as folder, ThreadPoolExecutor(_THREADS) as pool:
        running = [pool.submit(sample.write, folder) for sample in samples]
        try:
            for done, (sample, future) in enumerate(zip(samples, running, strict=True), 1):
                future.result()
                counts[sample.split] = counts.get(sample.split, 0) + 1
                emit(StageProgress(preparer.name, done))
        finally:
            pool.shutdown(cancel_futures=True)
    emit(StageFinished(preparer.name, time.monotonic() - began))
    return counts


Item = TypeVar("Item")


def carve(items: Iterable[Item], count: int, name: Callable[[Item], str]) -> set[Item]:
    """Choose some items by the hash of their names: the same ones whatever their order.

    Args:
        items: What to choose from.
        count: How many.
        name: Names an item.
    """
    ranked = sorted(items, key=lambda item: hashlib.sha256(name(item).encode()).digest())
    return set(ranked[:count])
