"""Batches of a training loop: made in the loop, or by worker processes where it waits for them."""

import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gancompress.distill.sampler import step_indices, step_seed
from gancompress.errors import DataError
from gancompress.gan import Batch, collate

_Made: TypeAlias = tuple[Batch, Tensor]
_SHARED: Final = "/dev/shm"  # noqa: S108 - only its free space is looked at
TRIED: Final = 20
"""Steps after which the loader knows how long the loop waits for it."""
WAITING: Final = 0.05
"""Share of the loop's time from which on workers make the batches."""
_MOST_WORKERS: Final = 4


class BatchLoader:
    """Makes the batch of each step, from the run's seed and the step alone.

    It leaves the random generator of the CPU where loading in the loop itself would have left it,
    so that nothing else depends on who has made the batch.

    Args:
        data: A map-style data set of samples.
        seed: Seed of the run.
        steps: Steps of the run.
        batch_size: Pictures a step, of all processes together.
        place: Number of this process and how many there are.
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
        workers: int | None = None,
    ) -> None:
        self._batches = _Batches(data, seed, batch_size, place)
        self._steps = steps
        self._workers, self._undecided = workers or 0, workers is None
        self._coming: Iterator[_Made | DataError] | None = None
        self._next = -1
        self._loads = self._bytes = 0
        self._waited = self._began = 0.0

    def load(self, step: int) -> Batch:
        """Return the batch of a step; steps are asked for in order.

        Args:
            step: Steps taken so far.

        Raises:
            DataError: If a sample cannot be read.
        """
        now = time.perf_counter()
        if self._undecided:
            self._decide(now)
        if not self._workers:
            batch, state = self._batches[step]
        else:
            if self._coming is None or step != self._next:
                self._coming = self._start(step)
            made = next(self._coming)
            if isinstance(made, DataError):
                raise made
            batch, state = made
        torch.set_rng_state(state)
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

    def _start(self, step: int) -> Iterator[_Made | DataError]:
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


class _Batches(Dataset[_Made]):
    """The batch of each step, with the state in which it leaves the random generator."""

    def __init__(
        self, data: Dataset[Batch], seed: int, batch_size: int, place: tuple[int, int]
    ) -> None:
        self._data, self._seed, self._batch_size, self._place = data, seed, batch_size, place

    def __getitem__(self, step: int) -> _Made:
        torch.manual_seed(step_seed(self._seed, step))
        indices = step_indices(
            self._data,  # type: ignore[arg-type]  # map-style data sets have a length
            seed=self._seed,
            step=step,
            batch_size=self._batch_size,
        )
        first, stride = self._place
        batch = collate([self._data[index] for index in indices[first::stride]])
        return batch, torch.get_rng_state()


class _Answers(Dataset[_Made | DataError]):
    """Batches, or the error in place of one: raised in a worker it would lose its hint."""

    def __init__(self, batches: _Batches) -> None:
        self._batches = batches

    def __getitem__(self, step: int) -> _Made | DataError:
        try:
            return self._batches[step]
        except DataError as error:
            return error
