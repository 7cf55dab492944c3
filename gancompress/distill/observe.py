"""What can be looked at while a training goes on: losses in a tracker, and sample pictures."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch.utils.data import Dataset

from gancompress.errors import MissingExtraError
from gancompress.gan import Batch, collate

SHOWN: Final = 4
"""Sample pictures a grid."""
_PROJECT: Final = "gancompress"


@dataclass(frozen=True)
class Trackers:
    """Where losses are logged beside the events of a run.

    Args:
        started: Trackers of accelerate.
    """

    started: tuple[Any, ...] = ()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Log averages of losses.

        Args:
            metrics: By name.
            step: Steps taken so far.
        """
        for tracker in self.started:
            tracker.log(dict(metrics), step=step)


@contextmanager
def tracking(names: Sequence[str], out: Path | None, stage: str) -> Iterator[Trackers]:
    """Start trackers for one stage, and finish them at its end.

    Args:
        names: ``tensorboard``, ``wandb``, ``mlflow``.
        out: The run's folder; their logs go to ``trackers/STAGE`` in it, and those of wandb and
            mlflow where their own settings say. None takes the current folder.
        stage: Name of the stage.

    Yields:
        The trackers.

    Raises:
        MissingExtraError: If the library of one is not installed.
    """
    check_trackers(names)
    if not names:
        yield Trackers()
        return
    # As late as here: it looks for every tracker that there is when it is imported.
    from accelerate import PartialState  # noqa: PLC0415
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS  # noqa: PLC0415

    PartialState()  # the trackers ask it whether they are on the main process
    folder = (out or Path()) / "trackers" / stage
    started = []
    for name in names:
        kind = LOGGER_TYPE_TO_CLASS[name]
        place = {"logging_dir": str(folder)} if kind.requires_logging_directory else {}
        tracker = kind(_PROJECT, **place)
        tracker.start()
        started.append(tracker)
    try:
        yield Trackers(tuple(started))
    finally:
        for tracker in started:
            tracker.finish()


def check_trackers(names: Sequence[str]) -> None:
    """Make sure that the libraries of trackers are installed.

    Args:
        names: ``tensorboard``, ``wandb``, ``mlflow``.

    Raises:
        MissingExtraError: If one is not.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, name)


def sample_batch(data: Dataset[Batch]) -> Batch:
    """Return the pictures that every grid shows: the same ones, augmented in the same way.

    Args:
        data: A map-style data set of samples.
    """
    count = min(SHOWN, len(data))  # type: ignore[arg-type]  # map-style data sets have a length
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return collate([data[index] for index in range(count)])
