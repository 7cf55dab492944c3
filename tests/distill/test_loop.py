from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gancompress.config import OptimiserConfig, TrainConfig
from gancompress.distill import FitResult, TeacherTask, fit
from gancompress.errors import CheckpointError, TrainingError
from gancompress.events import RunEvent, StageFinished, StageProgress, StageStarted
from gancompress.gan import (
    Batch,
    Drawn,
    PairedObjective,
    PairedPictures,
    PatchDiscriminator,
    ResNetGenerator,
)


def make_data(pairs: int = 12) -> PairedPictures:
    rng = np.random.default_rng(0)
    # Flat tiles with one target colour: a task that eighty steps of a tiny net can learn.
    inputs = rng.integers(0, 256, (pairs, 4, 4, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    targets = np.full_like(inputs, 230)
    return PairedPictures(inputs, targets, flip=True, shift=2)


def make_task(lambda_recon: float = 100.0, norm: str = "batch", width: int = 4) -> TeacherTask:
    torch.manual_seed(0)
    generator = ResNetGenerator(3, 3, width, 1, norm)  # type: ignore[arg-type]
    objective = PairedObjective(PatchDiscriminator(6, 4, 2))
    return TeacherTask(generator, objective, lambda_recon)


@dataclass
class Recorder:
    events: list[RunEvent] = field(default_factory=list)
    stop_at: int | None = None

    def __call__(self, event: RunEvent) -> None:
        self.events.append(event)
        if isinstance(event, StageProgress) and event.step == self.stop_at:
            raise KeyboardInterrupt


def weights(result: FitResult) -> dict[str, Tensor]:
    return result.generator.state_dict()


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_that_is_cut_and_resumed_equals_one_that_is_not_bit_for_bit(
    tmp_path: Path, ema: float
) -> None:
    config = TrainConfig(steps=40, batch_size=2, checkpoint_every=10, ema=ema)
    whole = fit(make_task(), make_data(), config)
    with pytest.raises(KeyboardInterrupt):
        fit(make_task(), make_data(), config, folder=tmp_path, emit=Recorder(stop_at=20))
    recorder = Recorder()
    resumed = fit(make_task(), make_data(), config, folder=tmp_path, emit=recorder)
    # The interrupt came before the checkpoint of step 20, so the run goes on from step 10.
    assert recorder.events[0] == StageStarted("train", 40, 10)
    assert all(torch.equal(v, weights(resumed)[k]) for k, v in weights(whole).items())


def test_reconstruction_falls_and_events_tell_the_story() -> None:
    recorder = Recorder()
    config = TrainConfig(
        steps=80, batch_size=4, lambda_gan=0, optimiser=OptimiserConfig(lr=2e-3, decay_from=1.0)
    )
    result = fit(make_task(), make_data(), config, emit=recorder)
    progress = [e for e in recorder.events if isinstance(e, StageProgress)]
    assert [e.step for e in progress] == [20, 40, 60, 80]
    assert progress[-1].metrics["reconstruction"] < 0.8 * progress[0].metrics["reconstruction"]
    assert result.steps == 80
    assert isinstance(recorder.events[-1], StageFinished)


def test_a_finished_run_takes_no_further_step(tmp_path: Path) -> None:
    config = TrainConfig(steps=4, batch_size=2, checkpoint_every=2)
    first = fit(make_task(), make_data(), config, folder=tmp_path)
    again = fit(make_task(), make_data(), config, folder=tmp_path)
    assert again.metrics == first.metrics != {}
    assert all(torch.equal(v, weights(again)[k]) for k, v in weights(first).items())


def test_discriminator_and_generator_both_move() -> None:
    task = make_task()
    before = [p.detach().clone() for p in task.objective.discriminators.parameters()]
    start = [p.detach().clone() for p in task.generator.parameters()]
    fit(task, make_data(), TrainConfig(steps=1, batch_size=2))
    assert any(
        not torch.equal(a, b)
        for a, b in zip(before, task.objective.discriminators.parameters(), strict=True)
    )
    assert any(
        not torch.equal(a, b) for a, b in zip(start, task.generator.parameters(), strict=True)
    )


def test_bf16_and_clipping_train_too() -> None:
    config = TrainConfig(
        steps=2,
        batch_size=16,  # more than there are pictures
        precision="bf16",
        optimiser=OptimiserConfig(clip_grad_norm=1.0),
    )
    result = fit(make_task(), make_data(), config)
    assert all(torch.isfinite(v).all() for v in weights(result).values())


def test_a_loss_that_is_not_finite_names_itself(tmp_path: Path) -> None:
    task = make_task()
    with torch.no_grad():
        next(task.generator.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"the loss '\w+' of stage 'train' is nan at step 1"):
        fit(task, make_data(), TrainConfig(steps=2, batch_size=2), folder=tmp_path)
    assert not list(tmp_path.glob("step-*"))


def test_without_any_weight_there_is_nothing_to_train() -> None:
    class Silent(TeacherTask):
        def generate(self, batch: Batch) -> Drawn:
            return super().generate(Batch(batch.inputs))

    task = Silent(nn.Conv2d(3, 3, 1), PairedObjective(PatchDiscriminator(6, 4, 2)), 0)
    with pytest.raises(TrainingError, match="no loss is left"):
        fit(task, make_data(), TrainConfig(steps=1, batch_size=2, lambda_gan=0))


def test_a_checkpoint_of_another_architecture_is_refused(tmp_path: Path) -> None:
    config = TrainConfig(steps=2, batch_size=2, checkpoint_every=1)
    fit(make_task(), make_data(), config, folder=tmp_path)
    with pytest.raises(CheckpointError, match="does not fit 'trained'"):
        fit(make_task(width=6), make_data(), config, folder=tmp_path)


def test_a_damaged_newest_checkpoint_is_told_and_the_one_before_is_used(tmp_path: Path) -> None:
    config = TrainConfig(steps=4, batch_size=2, checkpoint_every=2)
    whole = fit(make_task(), make_data(), config, folder=tmp_path)
    newest = max(tmp_path.glob("step-*"))
    (newest / "tensors.safetensors").write_bytes(b"damaged")
    recorder = Recorder()
    again = fit(make_task(), make_data(), config, folder=tmp_path, emit=recorder)
    assert "damaged" in str(recorder.events[0]) or newest.name in str(recorder.events[0])
    assert all(torch.equal(v, weights(again)[k]) for k, v in weights(whole).items())
