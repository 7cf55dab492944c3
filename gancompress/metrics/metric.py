"""What a metric is, for the core's own and for those of plugins."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from gancompress.errors import ConfigError, DataError
from gancompress.gan.family import Batch


@dataclass(frozen=True)
class Measurement:
    """What a metric says about one set of pictures.

    Args:
        value: The figure.
        details: What else was found on the way, as JSON-able values, such as a confusion matrix.
    """

    value: float
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Ruler:
    """A metric that knows what it compares with, so that this is looked at once.

    Args:
        measure: From pictures ``(N, C, H, W)`` in [-1, 1] to what the metric says about them.
        pictures: How many pictures it compares with.
        sha256: Digest of their content, in order.
        real_against_real: The figure of one half of them against the other; None where the
            metric has no such floor, or there are too few.
        notes: Sentences that a reader of the figures should know.
    """

    measure: Callable[[Tensor], Measurement]
    pictures: int
    sha256: str
    real_against_real: float | None = None
    notes: tuple[str, ...] = ()


class Metric(ABC):
    """A figure of how good pictures are, with the protocol that makes it comparable.

    Attributes:
        name: Unique name, such as ``frechet-lite0``.
        higher_is_better: Whether a larger figure means better pictures.
        paired: Whether pictures are compared one by one, which needs data with targets; a metric
            that compares two sets, as Fréchet distances do, says False.
    """

    name: ClassVar[str]
    higher_is_better: ClassVar[bool]
    paired: ClassVar[bool] = True

    @abstractmethod
    def protocol(self) -> dict[str, Any]:
        """Return what must be equal for two figures to be comparable, as JSON-able values."""

    @abstractmethod
    def compute(self, outputs: Tensor, references: Tensor) -> float:
        """Return the figure.

        Args:
            outputs: Generated pictures ``(N, C, H, W)`` in [-1, 1].
            references: Pictures ``(M, C, H, W)`` in [-1, 1] to compare with; a metric that
                compares pixels needs M = N and the same order.

        Raises:
            DataError: If the pictures do not belong together, are too few, or are not finite.
        """

    def configure(self, options: Mapping[str, Any], *, trust: bool = False) -> "Metric":
        """Return this metric with options of the user's; one without options refuses any.

        Args:
            options: What stands under ``[metrics.NAME]`` in a configuration.
            trust: Whether files that run code when they are loaded may be loaded.

        Raises:
            ConfigError: If an option is unknown or a value cannot be used.
        """
        del trust
        if options:
            raise ConfigError(
                f"the metric '{self.name}' has no option '{next(iter(options))}'",
                hint=f"leave it out of [metrics.{self.name}]",
            )
        return self

    @property
    def fewest(self) -> int:
        """How many pictures it needs at least."""
        return 1

    def rehearse(self, data: Sequence[Batch]) -> None:
        """Find out on a few pictures what would stop a measurement later.

        Args:
            data: Batches of the data.

        Raises:
            DataError: If the metric needs what the data lack.
        """
        del data

    def against(self, data: Sequence[Batch]) -> Ruler:
        """Look at what pictures will be compared with, once for all of them.

        By default that is the targets, handed to `compute`. A metric that needs more of the data,
        or takes long over the real pictures, has its own.

        Args:
            data: The batches that pictures are drawn for, in order.

        Raises:
            DataError: If there are no targets, or too few pictures.
        """
        references = targets_of(data)
        return Ruler(
            lambda outputs: Measurement(float(self.compute(outputs, references))),
            len(references),
            digest_of_pictures(references),
        )


def targets_of(data: Sequence[Batch]) -> Tensor:
    """Return the real pictures of some batches: the targets, or those without partners.

    Args:
        data: The batches.

    Returns:
        ``(N, C, H, W)`` in [-1, 1]. Of unpaired data each picture comes once: those of a small
        domain come round again.

    Raises:
        DataError: If there are none.
    """
    reals = [batch.real for batch in data if batch.real is not None]
    if not reals:
        raise DataError(
            "the data have no targets, and the real pictures are what outputs are compared with",
            hint="evaluate on data with targets",
        )
    found = torch.cat(reals)
    paired = all(batch.target is not None for batch in data)
    return found if paired else found[first_places(reals)]


def first_places(batches: Iterable[Tensor]) -> list[int]:
    """Return where each of some pictures comes first.

    Args:
        batches: Pictures batch by batch, each ``(N, C, H, W)``.
    """
    seen: dict[bytes, int] = {}
    for place, picture in enumerate(picture for batch in batches for picture in batch):
        plain = picture.detach().cpu().contiguous().numpy()
        seen.setdefault(hashlib.sha256(plain.tobytes()).digest(), place)
    return list(seen.values())


def digest_of_pictures(pictures: Tensor) -> str:
    """Return the SHA-256 of pictures: of their shape, type and values, in order.

    Args:
        pictures: ``(N, C, H, W)``.
    """
    digest = hashlib.sha256(repr((tuple(pictures.shape), pictures.dtype)).encode())
    for picture in pictures.detach().cpu():  # one by one, to bound the memory
        digest.update(picture.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
