import json
from collections.abc import Callable

import pytest
import torch

from gancompress.metrics import (
    FrechetLite0,
    KernelLite0,
    Lite0Features,
    LpipsLite0,
    MeanAbsoluteError,
    Metric,
    PeakSignal,
    frechet_distance,
    kernel_distance,
    l1,
    psnr,
)

Make = Callable[[Lite0Features], Metric]
METRICS: list[tuple[str, Make]] = [
    ("frechet-lite0", lambda features: FrechetLite0(lambda: features)),
    ("kid-lite0", lambda features: KernelLite0(lambda: features)),
    ("lpips-lite0", lambda features: LpipsLite0(lambda: features)),
    ("l1", lambda _: MeanAbsoluteError()),
    ("psnr", lambda _: PeakSignal()),
]


@pytest.mark.parametrize(("name", "make"), METRICS)
def test_a_metric_ranks_the_closer_pictures_better(
    lite0: Lite0Features, name: str, make: Make
) -> None:
    metric = make(lite0)
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(12, 3, 16, 16, generator=generator) * 2 - 1
    near = metric.compute((real + 0.1).clamp(-1, 1), real)
    far = metric.compute((real + 0.9).clamp(-1, 1), real)
    assert (near > far) is metric.higher_is_better
    assert metric.name == name
    assert json.loads(json.dumps(metric.protocol())) == metric.protocol()


def test_figures_are_those_of_the_functions(lite0: Lite0Features) -> None:
    a, b = torch.rand(5, 3, 16, 16), torch.rand(5, 3, 16, 16)
    features = lite0.extract(a), lite0.extract(b)
    assert FrechetLite0(lambda: lite0).compute(a, b) == frechet_distance(*features)
    assert KernelLite0(lambda: lite0).compute(a, b) == kernel_distance(*features)
    assert MeanAbsoluteError().compute(a, b) == l1(a, b)
    assert PeakSignal().compute(a, b) == psnr(a, b)


def test_making_a_metric_loads_no_weights() -> None:
    def load() -> Lite0Features:
        raise AssertionError("loaded too early")

    FrechetLite0(load)
    KernelLite0(load)


def test_the_extractor_is_loaded_once(lite0: Lite0Features) -> None:
    loads: list[None] = []

    def load() -> Lite0Features:
        loads.append(None)
        return lite0

    metric = FrechetLite0(load)
    for _ in range(2):
        metric.compute(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))
    assert len(loads) == 1
