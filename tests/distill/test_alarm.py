import math
import random

import pytest

from gancompress.distill.alarm import NEEDED, ROW, Alarm, Diverged


def fed(factor: float | None = 100.0, steps: int = NEEDED) -> Alarm:
    alarm = Alarm(factor, "train")
    for step in range(steps):
        alarm.check(step + 1, {"gan": 1.0}, 1.0)
    return alarm


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_named(value: float) -> None:
    with pytest.raises(Diverged, match=r"the loss 'd_real' of stage 'train' is -?\w+ at step 3"):
        Alarm(None, "train").check(3, {"gan": 1.0, "d_real": value}, 1.0)


@pytest.mark.parametrize("total", [1e3, -1e3])
def test_several_far_losses_in_a_row_are_an_explosion(total: float) -> None:
    alarm = fed()
    for step in range(ROW - 1):
        alarm.check(NEEDED + step, {"gan": total}, total)
    with pytest.raises(Diverged, match=r"is -?1e[+]03 at step 60, and was about 1 before"):
        alarm.check(60, {"gan": total}, total)


def test_single_bad_batches_are_no_explosion() -> None:
    alarm = fed()
    for step in range(10 * ROW):
        alarm.check(step, {"gan": 1.0}, 1e6 if step % ROW else 1.0)


def test_the_beginning_is_judged_by_nothing() -> None:
    alarm = fed(steps=NEEDED - 1)
    for step in range(ROW + 1):
        alarm.check(step, {"gan": 1e9}, 1e9 if step else 1.0)
        alarm = fed(steps=NEEDED - 1)


def test_it_can_be_turned_off() -> None:
    alarm = fed(None)
    for step in range(2 * ROW):
        alarm.check(step, {"gan": 1e9}, 1e9)


def test_losses_of_ordinary_training_are_no_explosion() -> None:
    # Losses that fall by two orders, with noise of one and signs of both.
    rng = random.Random(0)  # noqa: S311
    alarm = Alarm(100.0, "train")
    for step in range(5000):
        total = 100 * math.exp(-step / 1000) * rng.lognormvariate(0, 1) * rng.choice((1, 1, -1))
        alarm.check(step, {"gan": total}, total)


def test_its_memory_is_kept_and_put_back() -> None:
    alarm = fed()
    alarm.check(99, {"gan": 1e3}, 1e3)
    again = Alarm(100.0, "train")
    again.state = alarm.state
    assert again.state == alarm.state
    for step in range(ROW - 2):
        again.check(step, {"gan": 1e3}, 1e3)
    with pytest.raises(Diverged):
        again.check(99, {"gan": 1e3}, 1e3)
    again.state = []
    assert again.state == [0.0]
