"""What every candidate is compared with, computed once: real features, the teacher's pictures."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from gancompress.errors import DataError
from gancompress.gan.family import REAL, Batch
from gancompress.metrics.distances import FRECHET_PROTOCOL, KERNEL_PROTOCOL
from gancompress.metrics.frechet import Gaussian, frechet_between
from gancompress.metrics.kid import kernel_distance
from gancompress.metrics.lite0 import Lite0Features
from gancompress.metrics.metric import digest_of_pictures, first_places
from gancompress.metrics.pixel import DATA_RANGE, l1


@dataclass(frozen=True)
class Scores:
    """How far one source of pictures is from the real ones.

    Args:
        frechet: Fréchet distance to the real pictures; lower is better.
        kid: Kernel distance to the real pictures; lower is better.
        l1_to_target: Mean absolute difference from the targets, in the units of [-1, 1]; None
            where the data are unpaired.
    """

    frechet: float
    kid: float
    l1_to_target: float | None


@dataclass(frozen=True, eq=False)
class ReferenceStatistics:
    """The fixed side of an evaluation; hand it to `evaluate` for each further candidate.

    Args:
        features: Features of the real pictures, each once, ``(n, d)`` in float64: the targets, or
            the pictures without partners of unpaired data.
        gaussian: The Gaussian of those features.
        pictures: How many inputs were translated.
        teacher_outputs: The teacher's pictures batch by batch, on the CPU; None without a teacher.
        teacher: The teacher's scores; None without a teacher.
        baseline: Scores of the picture that costs nothing.
        real_against_real: ``frechet`` and ``kid`` of one half of the real pictures against the
            other, and under ``pictures`` how many a half has; None of fewer than four. No
            generator that draws as well as the camera gets below it at that number of pictures.
        digest: SHA-256 of the inputs and real pictures, so that others, or another order, are
            noticed.
        protocol: What makes two evaluations comparable, as JSON-able values.
    """

    features: Tensor
    gaussian: Gaussian
    pictures: int
    teacher_outputs: tuple[Tensor, ...] | None
    teacher: Scores | None
    baseline: Scores
    real_against_real: Mapping[str, float] | None
    digest: str
    protocol: Mapping[str, Any]

    @classmethod
    def gather(
        cls,
        batches: Iterable[Batch],
        *,
        teacher: nn.Module | None,
        features: Lite0Features,
        baseline: Callable[[Batch], Tensor],
    ) -> "ReferenceStatistics":
        """Run the teacher and the extractor once over the pictures.

        Args:
            batches: Pictures, in the order in which candidates will meet them.
            teacher: The full generator, or None.
            features: The extractor.
            baseline: Makes the picture that costs nothing, ``(N, C, H, W)`` in [-1, 1].

        Returns:
            The statistics.

        Raises:
            DataError: If there are fewer than two pictures, a batch has no real one, or an output
                is not finite or not of its shape.
        """
        held = tuple(batches)
        reals = [_real(batch) for batch in held]
        real = _features(features, reals)
        if any(batch.target is None for batch in held):
            real = real[first_places(reals)]
        gaussian = Gaussian.fit(real, "targets")
        ground = _Ground(_targets(held), real, gaussian, features)
        unchanged = [_checked(baseline(b), r, "baseline") for b, r in zip(held, reals, strict=True)]
        drawn = None if teacher is None else tuple(pictures_of(teacher, held, "teacher"))
        return cls(
            features=real,
            gaussian=gaussian,
            pictures=sum(map(len, reals)),
            teacher_outputs=drawn,
            teacher=None if drawn is None else ground.score(drawn),
            baseline=ground.score(unchanged),
            real_against_real=_halves(real),
            digest=digest_of(held),
            protocol={
                **_protocol(features, sum(map(len, reals)), len(real)),
                "references_sha256": digest_of_pictures(torch.cat(reals)),
            },
        )

    def score(
        self, outputs: Iterable[Tensor], batches: Iterable[Batch], features: Lite0Features
    ) -> Scores:
        """Score pictures against the real ones.

        Args:
            outputs: Pictures batch by batch, each ``(N, C, H, W)`` in [-1, 1].
            batches: The batches they were made from.
            features: The extractor these statistics were gathered with.

        Returns:
            Their scores.
        """
        targets = _targets(batches)
        return _Ground(targets, self.features, self.gaussian, features).score(outputs)


@dataclass(frozen=True)
class _Ground:
    targets: list[Tensor | None]
    real: Tensor
    gaussian: Gaussian
    extractor: Lite0Features

    def score(self, outputs: Iterable[Tensor]) -> Scores:
        pictures = list(outputs)
        made = _features(self.extractor, pictures)
        return Scores(
            frechet=frechet_between(Gaussian.fit(made, "outputs"), self.gaussian),
            kid=kernel_distance(made, self.real),
            l1_to_target=self._distance(pictures),
        )

    def _distance(self, pictures: list[Tensor]) -> float | None:
        pairs = list(zip(pictures, self.targets, strict=True))
        known = [(p, t) for p, t in pairs if t is not None]
        if len(known) < len(pairs):
            return None
        return sum(l1(p, t) * len(p) for p, t in known) / sum(map(len, pictures))


def pictures_of(generator: nn.Module, batches: Iterable[Batch], name: str) -> Iterator[Tensor]:
    """Run a generator in eval mode, without gradients, and check what it draws.

    Args:
        generator: Called with each batch's inputs, on the device of its weights.
        batches: Pictures.
        name: What to call it in an error.

    Yields:
        Its pictures on the CPU, ``(N, C, H, W)`` in [-1, 1].

    Raises:
        DataError: If an output is no tensor, not of the real picture's shape, or not finite.
    """
    device = next((t.device for t in chain(generator.parameters(), generator.buffers())), None)
    with _evaluating(generator):
        for batch in batches:
            moved = batch if device is None else batch.to(device)
            with torch.no_grad():
                output = generator(*moved.inputs)
            yield _checked(output, _real(batch), name)


def digest_of(batches: Iterable[Batch]) -> str:
    """Return the SHA-256 of all inputs and real pictures, in order.

    Args:
        batches: Pictures.
    """
    digest = hashlib.sha256()
    for batch in batches:
        for tensor in (*batch.inputs, _real(batch)):
            digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
            plain = tensor.detach().cpu().contiguous().flatten()
            digest.update(plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    # Each module's own mode is put back: a generator may hold frozen parts.
    modes = {part: part.training for part in module.modules()}
    with ExitStack() as stack:
        for part, training in modes.items():
            stack.callback(setattr, part, "training", training)
        module.eval()
        yield


def _features(extractor: Lite0Features, pictures: list[Tensor]) -> Tensor:
    if not pictures:
        return torch.zeros(0, extractor.dimension, dtype=torch.float64)
    return torch.cat([extractor.extract(p) for p in pictures])


def _halves(real: Tensor) -> dict[str, float] | None:
    half = len(real) // 2
    if half < 2:
        return None
    # Neighbours in the data may be pieces of one picture: they are parted at random.
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    first, second = real[order[:half]], real[order[half : 2 * half]]
    return {
        "frechet": frechet_between(Gaussian.fit(first), Gaussian.fit(second)),
        "kid": kernel_distance(first, second),
        "pictures": half,
    }


def _real(batch: Batch) -> Tensor:
    if batch.real is None:
        raise DataError(
            "'batch' has no target, and the real pictures are what outputs are compared with",
            hint=f"evaluate on paired data, or put a real picture under '{REAL}' of its extras",
        )
    return batch.real


def _targets(batches: Iterable[Batch]) -> list[Tensor | None]:
    return [batch.target for batch in batches]


def _checked(output: Any, real: Tensor, name: str) -> Tensor:
    if not isinstance(output, Tensor):
        raise DataError(
            f"'{name}' returned {type(output).__name__}, not a tensor of pictures",
            hint="wrap it so that it returns the picture alone",
        )
    if output.shape != real.shape:
        raise DataError(
            f"'{name}' drew pictures of shape {tuple(output.shape)}, and the targets have "
            f"{tuple(real.shape)}",
            hint="give the data the size that the generator draws",
        )
    if not torch.isfinite(output).all():
        broken = int((~torch.isfinite(output)).sum())
        raise DataError(
            f"'{name}' drew {broken} values that are not finite",
            hint="the weights are likely damaged or the training diverged",
        )
    return output.detach().cpu()


def _protocol(features: Lite0Features, pictures: int, reals: int) -> dict[str, Any]:
    return {
        "features": features.protocol(),
        "frechet": FRECHET_PROTOCOL,
        "kid": KERNEL_PROTOCOL,
        "psnr": f"data range {DATA_RANGE:g}, mean over pictures",
        "l1": "mean over all values, pictures in [-1, 1]",
        "mode": "eval",
        "pictures": pictures,
        "real_pictures": reals,
        # with fewer, the covariances are singular and the distance is biased upwards
        "more_pictures_than_features": min(pictures, reals) > features.dimension,
    }
