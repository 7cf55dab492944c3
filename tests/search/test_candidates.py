"""What subnets cost, and how one that costs too much is narrowed."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from search.chain import CHOICES, Chain, Net

from gancompress.cost import Budget, Cost
from gancompress.elastic import SubnetConfig
from gancompress.errors import BudgetError, ConfigError
from gancompress.search.candidates import Candidates


def price(config: SubnetConfig) -> Cost:
    cost = Chain.cost(Net(config))
    return dataclasses.replace(cost, macs_published=2 * cost.macs, activation_bytes=cost.params)


class Priced:
    """Prices subnets, and counts them."""

    def __init__(self, budget: Budget, **options: Any) -> None:
        self.asked: list[SubnetConfig] = []
        self.candidates = Candidates(CHOICES, budget, self._price, **options)

    def _price(self, config: SubnetConfig) -> Cost:
        self.asked.append(config)
        return price(config)


def macs(config: SubnetConfig) -> float:
    return price(config).macs


def test_an_estimate_saves_measurements_and_changes_nothing() -> None:
    budget = Budget(macs=4000)
    plain, quick = Priced(budget), Priced(budget, estimate=macs)
    for positions in ((5, 5, 5, 5, 5, 5), (3, 0, 5, 1, 2, 4), (0, 0, 0, 0, 0, 1)):
        assert quick.candidates.fit(positions) == plain.candidates.fit(positions)
    assert len(quick.asked) == 3 < len(plain.asked)


@pytest.mark.parametrize("wrong", [lambda c: macs(c) / 3, lambda c: 3 * macs(c), lambda _: 9e9])
def test_an_estimate_that_is_wrong_lets_nothing_over_the_budget(
    wrong: Callable[[SubnetConfig], float],
) -> None:
    for limits in ({"macs": 4000}, {"macs": 4000, "params": 200}):
        budget = Budget(**limits)
        found = Priced(budget, estimate=wrong).candidates.fit((5, 5, 5, 5, 5, 5))
        assert budget.admits(price(Priced(budget).candidates.config(found)))


def test_pruning_keeps_the_same_share_of_the_importance_in_every_group() -> None:
    # The first group's importance sits in its first units; that of the others is even.
    importance = {key: [1.0] * 64 for key in CHOICES} | {"layer.0": [1.0] * 8 + [1e-9] * 56}
    priced = Priced(Budget(macs=4000))
    found = priced.candidates.config(priced.candidates.keep_importance(importance)).widths
    assert found["layer.0"] == 8
    assert len({width for key, width in found.items() if key != "layer.0"}) == 1
    assert found["layer.1"] > 8
    assert priced.candidates.admits(priced.candidates.positions(SubnetConfig(found)))
    # Units that are all zero say nothing, and with a budget for all of it all stay.
    free = Priced(Budget()).candidates
    assert free.keep_importance(dict.fromkeys(CHOICES, [0.0] * 64)) == free.widest


def test_a_search_scores_what_the_importance_speaks_for() -> None:
    importance = {key: [1.0] * 64 for key in CHOICES} | {"layer.0": [1.0] * 8 + [1e-9] * 56}
    plain = Chain().search(trials=3).trials
    found = Chain().search(trials=3, importance=importance).trials
    assert found[:2] == plain[:2]
    assert found[2].config.widths["layer.0"] < plain[0].config.widths["layer.0"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"macs_published": 100}, "takes 736 MACs as published tables count them"),
        ({"memory": "40"}, "takes 48 bytes of activations"),
        ({"latency_ms": 2.5, "macs": 4000}, "takes 368 MACs and 4.8 ms"),
    ],
)
def test_every_limit_is_hard_and_named(limits: dict[str, Any], words: str) -> None:
    priced = Priced(Budget(**limits), time=lambda config: price(config).params / 10)
    with pytest.raises(BudgetError) as caught:
        priced.candidates.check_budget()
    assert words in caught.value.message


def test_latency_is_measured_once_and_only_where_the_rest_fits() -> None:
    timed: list[SubnetConfig] = []

    def time(config: SubnetConfig) -> float:
        timed.append(config)
        return price(config).params / 10

    candidates = Priced(Budget(macs=4000, latency_ms=10), time=time).candidates
    found = candidates.fit(candidates.widest)
    assert candidates.cost(found).latency_ms == sum(candidates.config(found).widths.values()) / 10
    assert candidates.fit(candidates.widest) == found
    assert len(set(timed)) == len(timed)
    assert all(price(config).macs <= 4000 for config in timed)
    with pytest.raises(ConfigError, match="nothing measures it"):
        Priced(Budget(latency_ms=10))


def test_a_search_under_a_limit_of_the_latency_keeps_what_it_measured() -> None:
    found = Chain().search(
        budget=Budget(latency_ms=20), latency=lambda net: sum(net.widths) / 10, trials=9
    )
    assert all(
        trial.cost.latency_ms == sum(trial.config.widths.values()) / 10 <= 20
        for trial in found.trials
    )
