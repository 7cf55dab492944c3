"""The report as a value: JSON, and the layers that it speaks for."""

import itertools
import json

import pytest

from gancompress import SensitivityReport
from gancompress.errors import BudgetError, ConfigError, RunError
from gancompress.sensitivity import GroupEffect, LayerEffect

SAVED = {"a": 40, "b": 30, "c": 20, "d": -3, "e": 10}
LOSS = {"a": 0.9, "b": 0.2, "c": 0.25, "d": 0.0, "e": None}


def layer(name: str) -> LayerEffect:
    return LayerEffect(name, "Conv2d", 50, SAVED[name], 1, {"near": LOSS[name], "far": 1.0})


REPORT = SensitivityReport(
    metric="near",
    metrics=("near", "far"),
    macs=200,
    params=20,
    samples=4,
    layers=tuple(map(layer, SAVED)),
    groups=(GroupEffect("g", 8, 16, 0.5, 30, 3, {"near": 0.1, "far": None}),),
    skipped={"last": "frozen: network output"},
)


def test_json_and_back_is_the_same() -> None:
    again = SensitivityReport.from_json(REPORT.to_json())

    assert again == REPORT
    assert json.loads(REPORT.to_json()) == REPORT.to_dict()


@pytest.mark.parametrize("text", ["{", "[]", '{"metric": 1}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(RunError, match=r"'here' is no sensitivity report"):
        SensitivityReport.from_json(text, source="here")


@pytest.mark.parametrize(
    ("limit", "layers"), [(0.0, ()), (0.2, ("b",)), (0.45, ("b", "c")), (99, ("a", "b", "c"))]
)
def test_robust_layers_are_those_that_save_most_within_the_loss(
    limit: float, layers: tuple[str, ...]
) -> None:
    # 'd' saves nothing and the loss of 'e' is not finite: neither is ever among them.
    assert REPORT.robust(limit) == layers


@pytest.mark.parametrize("macs", [200, 171, 170, 150, 140, "1.4x", "0.11K"])
def test_layers_within_a_budget_lose_least_of_all_that_meet_it(macs: float | str) -> None:
    limit = {"1.4x": 142, "0.11K": 110}.get(str(macs), macs)
    usable = [name for name in SAVED if SAVED[name] > 0 and LOSS[name] is not None]
    every = (set(s) for n in range(4) for s in itertools.combinations(usable, n))
    losses = [sum(LOSS[x] for x in s) for s in every if 200 - sum(SAVED[x] for x in s) <= limit]

    layers = REPORT.within(macs)

    loss, saved = REPORT.predicted(layers)
    assert 200 - saved <= limit
    assert loss == pytest.approx(min(losses))


def test_a_budget_out_of_reach_says_what_can_be_reached() -> None:
    with pytest.raises(BudgetError, match=r"takes 110 MACs") as caught:
        REPORT.within(109)
    assert "narrowing" in caught.value.hint


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf")])
def test_a_loss_that_is_no_limit_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match=r"largest loss"):
        REPORT.robust(limit)


def test_another_measured_metric_can_decide() -> None:
    assert REPORT.by("far").robust(1.0) == ("a",)
    for wrong in (lambda: REPORT.by("nose"), lambda: REPORT.loss(REPORT.layers[0], "nose")):
        with pytest.raises(ConfigError, match=r"'nose' was not measured") as caught:
            wrong()
        assert "near, far" in caught.value.hint


def test_an_empty_report_chooses_nothing() -> None:
    empty = SensitivityReport("near", ("near",), macs=10, params=1, samples=1)

    assert empty.robust(1.0) == ()
    assert empty.within(10) == ()
    with pytest.raises(BudgetError):
        empty.within("2x")
