import json
import math
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from torch import Tensor, nn

from gancompress.errors import DataError
from gancompress.gan.family import Batch
from gancompress.metrics import (
    Lite0Features,
    ReferenceStatistics,
    evaluate,
    frechet_distance,
    kernel_distance,
    recovery,
)


class Mix(nn.Module):
    """Draws a mixture of its input and of the target, which is the input's negative."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.calls += 1
        return (1 - self.share) * x - self.share * x


@pytest.fixture(scope="module")
def batches() -> tuple[Batch, ...]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(10, 3, 16, 16, generator=generator) ** 3 * 2 - 1
    return tuple(Batch((x,), -x) for x in torch.split(inputs, 4))


def untouched(batch: Batch) -> Tensor:
    return batch.inputs[0]


def test_figures(batches: tuple[Batch, ...], lite0: Lite0Features) -> None:
    result = evaluate(Mix(0.8), iter(batches), teacher=Mix(0.9), features=lite0, baseline=untouched)
    x = torch.cat([b.inputs[0] for b in batches])
    made, real = lite0.extract(-0.6 * x), lite0.extract(-x)
    assert result.pictures == 10
    assert result.frechet == pytest.approx(frechet_distance(made, real), rel=1e-4)
    assert result.kid == pytest.approx(kernel_distance(made, real), rel=1e-4)
    assert result.l1_to_target == pytest.approx(float((0.4 * x).abs().mean()), rel=1e-4)
    ratios = -10 * torch.log10((0.2 * x).square().flatten(1).mean(1) / 4)
    assert result.psnr_to_teacher == pytest.approx(float(ratios.mean()), rel=1e-4)
    assert result.teacher is not None
    assert result.teacher.frechet < result.frechet < result.baseline.frechet
    expected = recovery(result.baseline.frechet, result.teacher.frechet, result.frechet)
    assert result.recovery == expected
    assert 0 < (result.recovery or 0) < 1


def test_protocol_is_json_and_says_when_pictures_are_few(
    batches: tuple[Batch, ...], lite0: Lite0Features
) -> None:
    result = evaluate(Mix(0.5), batches, teacher=None, features=lite0, baseline=untouched)
    assert json.loads(json.dumps(dict(result.protocol))) == result.protocol
    assert result.protocol["more_pictures_than_features"] is False
    assert result.protocol["features"] == lite0.protocol()
    with pytest.raises(FrozenInstanceError):
        result.kid = 0.0  # type: ignore[misc]


def test_the_teacher_recovers_itself_and_the_baseline_nothing(
    batches: tuple[Batch, ...], lite0: Lite0Features
) -> None:
    teacher = Mix(0.9)
    same = evaluate(teacher, batches, teacher=teacher, features=lite0, baseline=untouched)
    assert same.recovery == pytest.approx(1)
    assert same.psnr_to_teacher == math.inf
    none = evaluate(Mix(0.0), batches, teacher=teacher, features=lite0, baseline=untouched)
    assert none.recovery == pytest.approx(0, abs=1e-9)


def test_without_a_teacher_or_without_gain_there_is_no_recovery(
    batches: tuple[Batch, ...], lite0: Lite0Features
) -> None:
    alone = evaluate(Mix(0.5), batches, teacher=None, features=lite0, baseline=untouched)
    assert (alone.recovery, alone.psnr_to_teacher, alone.teacher) == (None, None, None)
    poor = evaluate(Mix(0.5), batches, teacher=Mix(0.0), features=lite0, baseline=untouched)
    assert poor.recovery is None


def test_recovery() -> None:
    assert recovery(200.0, 100.0, 125.0) == 0.75
    assert recovery(10.0, 30.0, 25.0) == 0.75  # higher is better
    assert recovery(200.0, 100.0, 250.0) == -0.5
    assert recovery(5.0, 5.0, 4.0) is None


def test_a_reference_is_computed_once_and_changes_nothing(
    batches: tuple[Batch, ...], lite0: Lite0Features
) -> None:
    teacher = Mix(0.9)
    reference = ReferenceStatistics.gather(
        batches, teacher=teacher, features=lite0, baseline=untouched
    )
    calls = teacher.calls

    def never(batch: Batch) -> Tensor:
        raise AssertionError("baseline ran again")

    cached = evaluate(
        Mix(0.6), batches, teacher=teacher, features=lite0, baseline=never, reference=reference
    )
    assert teacher.calls == calls == len(batches)
    assert cached == evaluate(
        Mix(0.6), batches, teacher=teacher, features=lite0, baseline=untouched
    )


def test_a_reference_of_other_pictures_or_features_is_refused(
    batches: tuple[Batch, ...], lite0: Lite0Features
) -> None:
    reference = ReferenceStatistics.gather(
        batches, teacher=None, features=lite0, baseline=untouched
    )

    def again(other: tuple[Batch, ...], features: Lite0Features) -> None:
        evaluate(
            Mix(0.5),
            other,
            teacher=None,
            features=features,
            baseline=untouched,
            reference=reference,
        )

    with pytest.raises(DataError, match="another order"):
        again(batches[::-1], lite0)
    with pytest.raises(DataError, match="another feature extractor"):
        again(batches, Lite0Features(block=0))


def test_training_modes_are_put_back_even_after_an_error(
    batches: tuple[Batch, ...], lite0: Lite0Features
) -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.frozen = nn.Identity().eval()

        def forward(self, x: Tensor) -> Tensor:
            drawn: Tensor = self.frozen(x)
            return drawn / 0

    broken = Broken()
    broken.frozen.eval()
    assert (broken.training, broken.frozen.training) == (True, False)
    with pytest.raises(DataError, match="'generator' drew 3072 values that are not finite"):
        evaluate(broken, batches, teacher=None, features=lite0, baseline=untouched)
    assert (broken.training, broken.frozen.training) == (True, False)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("generator", "words"),
    [
        (Pair(), "'generator' returned tuple"),
        (nn.AvgPool2d(2), "(4, 3, 8, 8), and the targets have (4, 3, 16, 16)"),
    ],
)
def test_refuses_what_is_no_picture(
    batches: tuple[Batch, ...], lite0: Lite0Features, generator: nn.Module, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        evaluate(generator, batches, teacher=None, features=lite0, baseline=untouched)
    assert words in caught.value.message


def few(batches: tuple[Batch, ...], count: int) -> Iterator[Batch]:
    for batch in batches[:count]:
        target = batch.target
        assert target is not None
        yield Batch((batch.inputs[0][:1],), target[:1])


@pytest.mark.parametrize("count", [0, 1])
def test_needs_two_pictures(batches: tuple[Batch, ...], lite0: Lite0Features, count: int) -> None:
    with pytest.raises(DataError, match=rf"'targets' holds {count} picture\(s\) of 24 features"):
        evaluate(Mix(0.5), few(batches, count), teacher=None, features=lite0, baseline=untouched)


def test_needs_targets(batches: tuple[Batch, ...], lite0: Lite0Features) -> None:
    unpaired = [replace(b, target=None) for b in batches]
    with pytest.raises(DataError, match="'batch' has no target"):
        evaluate(Mix(0.5), unpaired, teacher=None, features=lite0, baseline=untouched)
