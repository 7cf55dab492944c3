"""Evaluate one generator against the data and against its teacher."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from gancompress.errors import DataError
from gancompress.gan.family import Batch
from gancompress.metrics.figure import recovery
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.pixel import psnr
from gancompress.metrics.reference import ReferenceStatistics, Scores, digest_of, pictures_of


@dataclass(frozen=True)
class Evaluation:
    """The figures of one generator, and of what they are measured against.

    Args:
        frechet: Fréchet distance to the real pictures; lower is better.
        kid: Kernel distance to the real pictures; lower is better.
        l1_to_target: Mean absolute difference from the targets, in the units of [-1, 1]; None
            where the data are unpaired.
        psnr_to_teacher: Likeness to the teacher's pictures in dB; None without a teacher,
            infinite where the pictures are equal.
        pictures: How many pictures were compared.
        teacher: The teacher's scores; None without a teacher.
        baseline: Scores of the picture that costs nothing.
        real_against_real: See `ReferenceStatistics`.
        protocol: What makes two evaluations comparable, as JSON-able values.
    """

    frechet: float
    kid: float
    l1_to_target: float | None
    psnr_to_teacher: float | None
    pictures: int
    teacher: Scores | None
    baseline: Scores
    real_against_real: Mapping[str, float] | None
    protocol: Mapping[str, Any]

    @property
    def recovery(self) -> float | None:
        """How much of the teacher's gain in Fréchet distance is kept; 1 is all of it.

        None without a teacher, or where the teacher is no better than the baseline: there is
        then nothing to recover.
        """
        if self.teacher is None or self.teacher.frechet >= self.baseline.frechet:
            return None
        return recovery(self.baseline.frechet, self.teacher.frechet, self.frechet)


def evaluate(
    generator: nn.Module,
    batches: Iterable[Batch],
    *,
    teacher: nn.Module | None,
    features: Lite0Features,
    baseline: Callable[[Batch], Tensor],
    reference: ReferenceStatistics | None = None,
) -> Evaluation:
    """Score a generator's pictures against the real ones and the teacher's.

    Args:
        generator: The candidate; run in eval mode on its own device, its mode is put back.
        batches: Pictures, held in memory together; those without a target are compared with the
            real pictures under ``real`` of their extras, as sets.
        teacher: The full generator, or None.
        features: The extractor.
        baseline: Makes the picture that costs nothing, ``(N, C, H, W)`` in [-1, 1].
        reference: Statistics that were gathered before on the same batches and with the same
            extractor; teacher and baseline are then not run again.

    Returns:
        The figures.

    Raises:
        DataError: If there are fewer than two pictures, a batch has no real one, an output is
            not finite or not of its shape, or the reference is of other pictures.
    """
    held = tuple(batches)
    if reference is None:
        reference = ReferenceStatistics.gather(
            held, teacher=teacher, features=features, baseline=baseline
        )
    else:
        _check_reference(reference, held, features)
    outputs = tuple(pictures_of(generator, held, "generator"))
    scores = reference.score(outputs, held, features)
    return Evaluation(
        frechet=scores.frechet,
        kid=scores.kid,
        l1_to_target=scores.l1_to_target,
        psnr_to_teacher=_likeness(outputs, reference.teacher_outputs),
        pictures=reference.pictures,
        teacher=reference.teacher,
        baseline=reference.baseline,
        real_against_real=reference.real_against_real,
        protocol=reference.protocol,
    )


def _likeness(outputs: tuple[Tensor, ...], teacher: tuple[Tensor, ...] | None) -> float | None:
    if teacher is None:
        return None
    pairs = zip(outputs, teacher, strict=True)
    return sum(psnr(o, t) * len(o) for o, t in pairs) / sum(map(len, outputs))


def _check_reference(
    reference: ReferenceStatistics, batches: tuple[Batch, ...], features: Lite0Features
) -> None:
    if reference.protocol["features"] != features.protocol():
        raise DataError(
            "'reference' was gathered with another feature extractor",
            hint="gather it anew with ReferenceStatistics.gather",
        )
    if reference.digest != digest_of(batches):
        raise DataError(
            "'reference' was gathered on other pictures, or on these in another order",
            hint="do not shuffle evaluation data, or gather it anew",
        )
