"""A training that goes wrong goes back once, with lower rates, and is then given up."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gancompress.config import TrainConfig
from gancompress.distill import TeacherTask, fit
from gancompress.errors import TrainingError
from gancompress.events import Notice, RunEvent, StageProgress
from gancompress.gan import Batch, Drawn
from gancompress.store import load_latest_checkpoint

from . import partners

CONFIG = TrainConfig(steps=12, batch_size=2, checkpoint_every=4, lambda_gan=0.0)


class Fragile(TeacherTask):
    """Breaks in one step, as often as it is told to; `bad` makes of the output what breaks it."""

    def __init__(self, at: int, times: int, bad: float = float("nan")) -> None:
        sound = partners.task(norm="batch")
        super().__init__(sound.generator, sound.objective, 100.0)
        self.at, self.left, self.bad, self.now = at, times, bad, 0

    def begin_step(self, step: int, rng: object) -> None:
        self.now = step

    def generate(self, batch: Batch) -> Drawn:
        drawn = super().generate(batch)
        if self.now == self.at and self.left:
            self.left -= 1
            return Drawn(drawn.output, {k: v * self.bad for k, v in drawn.terms.items()})
        return drawn


def weights(task: TeacherTask) -> dict[str, Tensor]:
    return task.generator.state_dict()


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("at", [2, 6])
def test_it_goes_back_to_the_last_good_checkpoint_with_half_the_rate(
    tmp_path: Path, at: int, kept: bool
) -> None:
    said: list[RunEvent] = []
    task = Fragile(at, 1)
    fit(task, partners.data(), CONFIG, folder=tmp_path if kept else None, emit=said.append)
    notice = next(event for event in said if isinstance(event, Notice))
    begin = 4 if at == 6 else 0
    assert notice.text == (
        f"the loss 'reconstruction' of stage 'train' is nan at step {at + 1}: the training goes "
        f"on from step {begin} with 0.5 of its learning rates"
    )
    assert all(torch.isfinite(value).all() for value in weights(task).values())
    if kept:
        newest = load_latest_checkpoint(tmp_path)
        assert newest is not None
        assert (newest.step, newest.state["factor"]) == (12, 0.5)


def test_a_run_that_went_back_and_was_cut_equals_one_that_was_not_cut(tmp_path: Path) -> None:
    whole = Fragile(6, 1)
    fit(whole, partners.data(), CONFIG)

    def stop(event: RunEvent) -> None:
        if isinstance(event, Notice):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Fragile(6, 1), partners.data(), CONFIG, folder=tmp_path, emit=stop)
    resumed = Fragile(6, 0)
    fit(resumed, partners.data(), CONFIG, folder=tmp_path)
    expected = weights(whole)
    assert all(torch.equal(value, expected[key]) for key, value in weights(resumed).items())


@pytest.mark.parametrize(("rate", "times"), [(0.5, 2), (0.0, 1)])
def test_it_is_given_up_in_the_end_and_the_checkpoint_stays(
    tmp_path: Path, rate: float, times: int
) -> None:
    config = CONFIG.model_copy(update={"retry_rate": rate})
    with pytest.raises(TrainingError, match="is nan at step 7") as caught:
        fit(Fragile(6, times), partners.data(), config, folder=tmp_path)
    assert ("after a second attempt" in caught.value.message) == (times == 2)
    assert "the checkpoint of step 4 is kept" in caught.value.hint
    newest = load_latest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 4
    assert all(torch.isfinite(value).all() for value in newest.tensors.values())


def test_weights_that_broke_in_the_last_step_are_not_kept(tmp_path: Path) -> None:
    class Cracked(Fragile):
        def generate(self, batch: Batch) -> Drawn:
            drawn = TeacherTask.generate(self, batch)
            if self.now == self.at and self.left:
                self.left -= 1
                # A finite loss whose gradient is not.
                zero = (drawn.output * 0.0).sum()
                return Drawn(drawn.output, {**drawn.terms, "root": zero.sqrt()})
            return Drawn(drawn.output, {**drawn.terms, "root": drawn.output.sum() * 0.0})

    said: list[RunEvent] = []
    fit(Cracked(7, 1), partners.data(), CONFIG, folder=tmp_path, emit=said.append)
    notice = next(event for event in said if isinstance(event, Notice))
    assert "is not finite at step 8: the training goes on from step 4" in notice.text


def test_an_explosion_is_told_and_set_right() -> None:
    class Exploding(Fragile):
        def generate(self, batch: Batch) -> Drawn:
            drawn = TeacherTask.generate(self, batch)
            if 60 <= self.now < 70 and self.left:
                self.left -= 1
                return Drawn(drawn.output, {k: v * 1e4 for k, v in drawn.terms.items()})
            return drawn

    said: list[RunEvent] = []
    config = CONFIG.model_copy(update={"steps": 72, "checkpoint_every": 30})
    fit(Exploding(0, 5), partners.data(), config, emit=said.append)
    notice = next(event for event in said if isinstance(event, Notice))
    assert "at step 65, and was about" in notice.text
    assert [e.step for e in said if isinstance(e, StageProgress)][-1] == 72
