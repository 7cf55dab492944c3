"""Batches of a training loop: made in the loop, or by worker processes where it waits for them."""

import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, Dataset

from gancompress.distill.sampler import derived_seed, step_indices
from gancompress.errors import DataError
from gancompress.gan import Batch, collate

_SHARED: Final = "/dev/shm"  # noqa: S108 - only its free space is looked at
TRIED: Final = 20
"""Steps after which the loader knows how long the loop waits for it."""
WAITING: Final = 0.05
"""Share of the loop's time from which on workers make the batches."""
_MOST_WORKERS: Final = 4


class BatchLoader:
    """Makes the batch of each step, from the run's seed and the step alone.

    What is random about a picture depends on its place in the batch of all processes, so that
    they see together what one process would see. Loading leaves torch's random generator
    anywhere: whoever draws afterwards seeds it.

    Args:
        data: A map-style data set of samples.
        seed: Seed of the run.
        steps: Steps of the run.
        batch_size: Pictures a step, of all processes and micro-batches together.
        place: Number of this process and how many there are.
        accumulate: Micro-batches a step.
        workers: Worker processes; None starts them where the loop turns out to wait.
    """

    def __init__(
        self,
        data: Dataset[Batch],
        *,
        seed: int,
        steps: int,
        batch_size: int,
        place: tuple[int, int] = (0, 1),
        accumulate: int = 1,
        workers: int | None = None,
    ) -> None:
        self._batches = _Batches(data, seed, batch_size, place, accumulate)
        self._steps = steps * accumulate
        self._workers, self._undecided = workers or 0, workers is None
        self._coming: Iterator[Batch | DataError] | None = None
        self._next = -1
        self._loads = self._bytes = 0
        self._waited = self._began = 0.0

    def load(self, step: int) -> Batch:
        """Return the batch of a micro-step; they are asked for in order.

        Args:
            step: Micro-steps taken so far; the steps themselves where nothing is accumulated.

        Raises:
            DataError: If a sample cannot be read.
        """
        now = time.perf_counter()
        if self._undecided:
            self._decide(now)
        if not self._workers:
            batch = self._batches[step]
        else:
            if self._coming is None or step != self._next:
                self._coming = self._start(step)
            made = next(self._coming)
            if isinstance(made, DataError):
                raise made
            batch = made
        self._next = step + 1
        self._loads += 1
        if self._loads > 1:  # the first one opens files and warms up
            self._waited += time.perf_counter() - now
        else:
            self._began = time.perf_counter()
            self._bytes = _size(batch)
        return batch

    @property
    def workers(self) -> int:
        """How many worker processes make the batches."""
        return self._workers

    def close(self) -> None:
        """End the workers."""
        self._coming = None

    def _decide(self, now: float) -> None:
        if self._loads < TRIED:
            return
        self._undecided = False
        spare = min((os.cpu_count() or 1) - 1, _MOST_WORKERS)
        slow = self._waited > WAITING * (now - self._began)
        if slow and sys.platform == "linux" and spare > 0 and self._has_room(spare):
            self._workers = spare

    def _has_room(self, workers: int) -> bool:
        """Say whether batches on their way fit into the memory that processes share."""
        try:
            free = shutil.disk_usage(_SHARED).free
        except OSError:
            return False
        # Where it is exceeded the kernel ends the process, and containers have little of it.
        return 2 * self._bytes * (2 * workers + 1) < free

    def _start(self, step: int) -> Iterator[Batch | DataError]:
        loader: DataLoader[Any] = DataLoader(
            _Answers(self._batches),
            batch_size=None,
            sampler=range(step, self._steps),
            num_workers=self._workers,
            # The data need not be copied, and need not be something that can be pickled.
            multiprocessing_context="fork",
        )
        with warnings.catch_warnings():
            # The workers touch no lock that another thread may hold, and no CUDA.
            warnings.simplefilter("ignore", DeprecationWarning)
            return iter(loader)


def _size(batch: Batch) -> int:
    tensors = [*batch.inputs, *batch.extras.values()]
    tensors += [] if batch.target is None else [batch.target]
    return sum(tensor.nbytes for tensor in tensors)


class _Batches(Dataset[Batch]):
    """This process's share of every micro-batch."""

    def __init__(
        self,
        data: Dataset[Batch],
        seed: int,
        batch_size: int,
        place: tuple[int, int],
        accumulate: int,
    ) -> None:
        self._data, self._seed, self._batch_size = data, seed, batch_size
        self._place, self._accumulate = place, accumulate

    def __getitem__(self, micro: int) -> Batch:
        step, turn = divmod(micro, self._accumulate)
        indices = step_indices(
            self._data,  # type: ignore[arg-type]  # map-style data sets have a length
            seed=self._seed,
            step=step,
            batch_size=self._batch_size,
        )
        process, processes = self._place
        first, stride = turn * processes + process, self._accumulate * processes
        places = range(first, len(indices), stride)
        return collate([self._sample(indices[place], step, place) for place in places])

    def _sample(self, index: int, step: int, place: int) -> Batch:
        torch.manual_seed(derived_seed(self._seed, step, place))
        return self._data[index]


class _Answers(Dataset[Batch | DataError]):
    """Batches, or the error in place of one: raised in a worker it would lose its hint."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> Batch | DataError:
        try:
            return self._batches[step]
        except DataError as error:
            return error
