"""Every choice is compared with the best one of all that there are."""

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gancompress.sensitivity import choose
from gancompress.sensitivity.choose import NOTHING, Option, least_loss, most, most_saving

OPTION = st.builds(
    Option,
    st.integers(-5, 10**12),
    # In 64ths, so that sums are the same in every order.
    st.integers(0, 640).map(lambda n: n / 64) | st.just(math.inf) | st.just(-0.01),
)
GROUPS = st.lists(st.lists(OPTION, max_size=3), max_size=4).map(
    lambda groups: [[NOTHING, *group] for group in groups]
)


# The first draw of a process is slow where many run at once.
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def counted(groups: list[list[Option]], chosen: tuple[int, ...]) -> Option:
    taken = [group[index] for group, index in zip(groups, chosen, strict=True)]
    assert all(option.allowed for option in taken)
    return Option(sum(o.saving for o in taken), sum(max(o.loss, 0.0) for o in taken))


def every(groups: list[list[Option]]) -> list[Option]:
    allowed = [[k for k, option in enumerate(group) if option.allowed] for group in groups]
    return [counted(groups, row) for row in itertools.product(*allowed)]


@PATIENT
@given(GROUPS, st.integers(0, 1300).map(lambda n: n / 64))
def test_no_other_choice_saves_more_within_the_loss(
    groups: list[list[Option]], max_loss: float
) -> None:
    found = counted(groups, most_saving(groups, max_loss))

    assert found.loss <= max_loss
    assert found.saving == max(o.saving for o in every(groups) if o.loss <= max_loss)


@PATIENT
@given(GROUPS, st.floats(0, 1))
def test_no_other_choice_loses_less_for_the_saving(
    groups: list[list[Option]], share: float
) -> None:
    need = int(share * most(groups))

    found = counted(groups, least_loss(groups, need))

    assert found.saving >= need
    assert found.loss == min(o.loss for o in every(groups) if o.saving >= need)


def test_the_best_rates_alone_would_miss_the_best_choice() -> None:
    # The first has the best rate, and leaves no room for the pair that saves more.
    groups = [[NOTHING, Option(7, 2.0)], [NOTHING, Option(5, 1.5)], [NOTHING, Option(5, 1.5)]]

    assert most_saving(groups, 3.0) == (0, 1, 1)
    assert least_loss(groups, 10) == (0, 1, 1)


def test_limits_hold_to_the_last_digit() -> None:
    groups = [[NOTHING, Option(10**12, 1.0)], [NOTHING, Option(1, 1e-9)]]

    assert least_loss(groups, 10**12 + 1) == (1, 1)
    assert most_saving(groups, 1.0) == (1, 0)
    assert most_saving(groups, 1e-10) == (0, 0)


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_what_is_not_finite_is_never_chosen(loss: float) -> None:
    groups = [[NOTHING, Option(7, loss)]]

    assert most_saving(groups, 100.0) == (0,)
    assert most(groups) == 0


def test_no_groups_make_an_empty_choice() -> None:
    assert most_saving([], 1.0) == ()
    assert least_loss([], 0) == ()


def test_with_very_many_sums_the_limits_still_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "_MOST_SUMS", 50)
    groups = [[NOTHING, Option(1000 + 37 * k, 1.0 + k % 5 / 7)] for k in range(16)]

    saved = counted(groups, least_loss(groups, 9000))
    lost = counted(groups, most_saving(groups, 9.0))

    assert saved.saving >= 9000
    assert lost.loss <= 9.0
    best = min(o.loss for o in every(groups) if o.saving >= 9000)
    assert saved.loss <= 1.05 * best
