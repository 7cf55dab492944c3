"""What the report says about a search."""

import pytest

from gancompress import Budget, Cost, SearchSpace, SensitivityReport, SubnetConfig
from gancompress.sensitivity import GroupEffect, predicted_loss, prune, seeds


def effect(group: str, width: int, loss: float | None) -> GroupEffect:
    saved = 100 * (32 - width)
    return GroupEffect(group, width, 32, width / 32, saved, 1, {"m": loss})


def report(*groups: GroupEffect) -> SensitivityReport:
    return SensitivityReport("m", ("m",), macs=10_000, params=9, samples=1, groups=groups)


TOUGH = (effect("tough", 8, 0.3), effect("tough", 16, 0.1))
WEAK = (effect("weak", 8, 9.0), effect("weak", 16, 3.0))
SPACE = SearchSpace(dict.fromkeys(("tough", "weak"), (8, 16, 24, 32)))


@pytest.mark.parametrize(
    ("group", "width", "loss"),
    [
        ("tough", 32, 0.0),
        ("tough", 24, 0.05),
        ("tough", 12, 0.2),
        ("tough", 4, 0.3),
        ("weak.pointwise", 16, 3.0),  # after decomposition the group starts at the same layer
        ("other", 8, None),
    ],
)
def test_losses_between_measured_widths_lie_on_a_line(
    group: str, width: int, loss: float | None
) -> None:
    assert predicted_loss(report(*TOUGH, *WEAK), group, width) == pytest.approx(loss)


def test_next_to_a_loss_that_is_not_finite_the_narrower_measured_width_counts() -> None:
    known = report(effect("g", 8, None), effect("g", 16, 0.5))

    assert predicted_loss(known, "g", 8) == float("inf")
    assert predicted_loss(known, "g", 4) == float("inf")
    assert predicted_loss(known, "g", 24) == 0.5
    assert predicted_loss(known, "g", 32) == 0.0


def test_hopeless_widths_go_and_the_widest_stays() -> None:
    space = SearchSpace({**SPACE.choices, "unknown": (8, 16)})

    assert prune(report(*TOUGH, *WEAK), space, 0.25).choices == {
        "tough": (16, 24, 32),
        "weak": (32,),
        "unknown": (8, 16),
    }


def price(config: SubnetConfig) -> Cost:
    # A product, as of a layer between both groups: single savings overlap.
    macs = 10 * config.widths["tough"] * config.widths["weak"]
    return Cost(macs=macs, macs_published=macs, params=1)


@pytest.mark.parametrize("limit", [10_240, 5_000, 1_500, 640])
def test_seeds_meet_the_budget_and_spare_what_is_sensitive(limit: int) -> None:
    found = seeds(report(*TOUGH, *WEAK), SPACE, budget=Budget(macs=limit), price=price)

    assert 1 <= len(found) <= 4
    assert len(set(found)) == len(found)
    assert all(price(config).macs <= limit for config in found)
    assert all(config.widths["tough"] <= config.widths["weak"] for config in found)


def test_no_seed_beats_a_budget_that_no_subnet_meets() -> None:
    assert seeds(report(*TOUGH, *WEAK), SPACE, budget=Budget(macs=639), price=price) == ()


def test_groups_that_were_not_measured_are_not_touched() -> None:
    (found,) = seeds(report(*TOUGH), SPACE, budget=Budget(macs=2_560), price=price)

    assert found.widths == {"tough": 8, "weak": 32}
