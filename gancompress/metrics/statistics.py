"""Features of real pictures, taken once and kept for every later run on the same pictures."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from filelock import FileLock
from torch import Tensor

from gancompress.errors import CheckpointError, StorageError
from gancompress.metrics.metric import digest_of_pictures
from gancompress.store import cache_folder, load_tensors, save_tensors
from gancompress.store.atomic import storage_errors

_FOLDER: Final = "statistics"


class Extractor(Protocol):
    """A network from pictures to features."""

    dimension: int

    def extract(self, pictures: Tensor) -> Tensor:
        """Return ``(N, dimension)`` for pictures ``(N, C, H, W)`` in [-1, 1], in chunks."""

    def protocol(self) -> dict[str, Any]:
        """Return what makes two feature sets comparable, as JSON-able values."""


@dataclass(frozen=True, eq=False)
class RealStatistics:
    """The features of a set of real pictures.

    Args:
        features: ``(n, d)``, float32 on the CPU.
        sha256: Digest of the pictures.
        path: Where they are kept; None where they could not be.
        known: Whether they had been kept before.
        note: Why they could not be kept, or empty.
    """

    features: Tensor
    sha256: str
    path: Path | None = None
    known: bool = False
    note: str = ""


class StatisticsCache:
    """Features by the content of the pictures and the extractor's protocol.

    Each set is one file, written atomically; of two processes that want the same one the second
    waits for the first. A damaged file is made again, and so is one that somebody removed.

    Args:
        folder: Where the files lie; None takes the user's cache.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder or cache_folder() / _FOLDER

    def look_up(self, pictures: Tensor, extractor: Extractor) -> RealStatistics:
        """Return the features of pictures, taken now where they are not known.

        Args:
            pictures: ``(N, C, H, W)`` in [-1, 1].
            extractor: The network.

        Raises:
            DataError: If the extractor cannot look at such pictures.
        """
        digest = digest_of_pictures(pictures)
        place = self.folder / f"{_key(digest, extractor)}.safetensors"
        try:
            with storage_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                lock = FileLock(place.with_suffix(".lock"))
                lock.acquire()
        except StorageError as error:  # an evaluation does not end for want of a cache
            return RealStatistics(_extract(extractor, pictures), digest, note=error.message)
        try:
            known = _read(place, (len(pictures), extractor.dimension))
            if known is not None:
                return RealStatistics(known, digest, place, known=True)
            features = _extract(extractor, pictures)
            about = {"references": digest, "features": json.dumps(extractor.protocol())}
            try:
                save_tensors(place, {"features": features, "sha256": _sum(features)}, about)
            except StorageError as error:
                return RealStatistics(features, digest, note=error.message)
            return RealStatistics(features, digest, place)
        finally:
            lock.release()


def _key(digest: str, extractor: Extractor) -> str:
    content = json.dumps([digest, extractor.protocol()], sort_keys=True)
    return sha256(content.encode()).hexdigest()


def _extract(extractor: Extractor, pictures: Tensor) -> Tensor:
    # The networks compute in float32; what is kept and what is fresh must be the same numbers.
    return extractor.extract(pictures).float()


def _read(place: Path, shape: tuple[int, int]) -> Tensor | None:
    if not place.is_file():
        return None
    try:
        kept = load_tensors(place)
    except CheckpointError:
        return None
    features, digest = kept.get("features"), kept.get("sha256")
    if features is None or digest is None or tuple(features.shape) != shape:
        return None
    return features if torch.equal(digest, _sum(features)) else None


def _sum(features: Tensor) -> Tensor:
    """Return the SHA-256 of features as 32 bytes."""
    plain = features.contiguous().flatten().view(torch.uint8).numpy()
    return torch.tensor(list(sha256(plain.tobytes()).digest()), dtype=torch.uint8)
