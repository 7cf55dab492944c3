"""Accumulation, memory format, compiling, pictures, trackers and half precision of the loop."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancompress.config import OptimiserConfig, TrainConfig
from gancompress.distill import TeacherTask, check_trackers, fit
from gancompress.distill.learner import Learner
from gancompress.distill.processes import Team
from gancompress.distill.snapshot import restore, snapshot
from gancompress.errors import ConfigError, MissingExtraError
from gancompress.events import RunEvent, StageProgress
from gancompress.gan import Batch, PairedObjective

from . import partners


def trained(config: TrainConfig, **settings: Any) -> dict[str, Tensor]:
    return fit(partners.task(), partners.data(), config, **settings).generator.state_dict()


def alike(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    # A bias before a norm has no gradient but rounding.
    return all(
        torch.allclose(value, two[key], atol=1e-4)
        for key, value in one.items()
        if key.endswith("weight")
    )


def test_micro_batches_take_the_step_that_the_batch_would() -> None:
    plain = {"steps": 4, "batch_size": 4, "lambda_gan": 0.0}
    whole = trained(TrainConfig(**plain))
    assert alike(trained(TrainConfig(**plain, accumulate=2)), whole)
    assert not alike(trained(TrainConfig(**{**plain, "batch_size": 2})), whole)


def test_a_task_chooses_anew_in_every_micro_batch() -> None:
    begun: list[tuple[int, float]] = []

    class Choosing(TeacherTask):
        def begin_step(self, step: int, rng: random.Random) -> None:
            begun.append((step, rng.random()))

    sound = partners.task()
    task = Choosing(sound.generator, sound.objective, 100.0)
    fit(task, partners.data(), TrainConfig(steps=3, batch_size=4, accumulate=2))
    assert [step for step, _ in begun] == [0, 1, 2, 3, 4, 5]
    assert len({number for _, number in begun}) == 6


def test_channels_last_computes_the_same_and_is_put_back() -> None:
    config = TrainConfig(steps=3, batch_size=2, ema=0.5)
    state = trained(config.model_copy(update={"channels_last": True}))
    assert alike(state, trained(config))
    assert all(value.is_contiguous() for value in state.values())


def small() -> TeacherTask:
    torch.manual_seed(0)
    return TeacherTask(nn.Conv2d(3, 3, 1), PairedObjective(nn.Conv2d(6, 1, 1)), 1.0)


def test_networks_of_one_shape_are_compiled_and_put_back() -> None:
    task = partners.task(pool=True)
    task.compile()  # nothing is compiled before it is called
    nets = [task.generator, *task.objective.discriminators.values()]
    assert all("_compiled_call_impl" in vars(net) for net in nets)
    assert "_compiled_call_impl" not in vars(task.trained["pool"])
    task.compile(undo=True)
    assert not any("_compiled_call_impl" in vars(net) for net in nets)


@pytest.mark.slow  # a compiler takes its time
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch.compile's own
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_networks_compute_the_same_and_are_put_back() -> None:
    config = TrainConfig(steps=2, batch_size=2)
    task, plain = small(), small()
    fit(task, partners.data(), config.model_copy(update={"compile": True}))
    fit(plain, partners.data(), config)
    assert torch.allclose(task.generator.weight, plain.generator.weight, atol=1e-6)
    nets = [task.generator, *task.objective.discriminators.values()]
    assert not any("_compiled_call_impl" in vars(net) for net in nets)


def test_without_a_compiler_compiling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.compiler.reset()
    monkeypatch.setenv("CXX", "/nowhere/c++")
    # A monkeypatch that is taken back would delete these settings for all later tests.
    changes = {"cpp.cxx": (None, "/nowhere/c++"), "force_disable_caches": True}
    alone = torch._inductor.config.patch(changes)
    refused = pytest.raises(ConfigError, match="'compile' is set, and nothing can be compiled here")
    with alone, refused:
        trained(TrainConfig(steps=1, batch_size=2, compile=True))


def test_fp16_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="'precision' is 'fp16', which needs a GPU"):
        trained(TrainConfig(steps=1, batch_size=2, precision="fp16"))


def test_losses_are_float32_in_half_precision() -> None:
    kinds: set[torch.dtype] = set()

    class Looking(TeacherTask):
        def generate(self, batch: Batch) -> Any:
            drawn = super().generate(batch)
            kinds.update(term.dtype for term in drawn.terms.values())
            return drawn

    sound = partners.task()
    task = Looking(sound.generator, sound.objective, 100.0)
    fit(task, partners.data(), TrainConfig(steps=1, batch_size=2, precision="bf16"))
    assert kinds == {torch.float32}
    assert {p.dtype for p in task.trained.parameters()} == {torch.float32}


def test_discriminators_are_clipped_by_a_setting_of_their_own() -> None:
    def moved(clip: float | None) -> float:
        task = partners.task()
        before = [p.detach().clone() for p in task.objective.discriminators.parameters()]
        # Without moments a step is as long as the gradient that is left.
        rates = OptimiserConfig(clip_grad_norm_discriminator=clip, betas=(0.0, 0.0))
        fit(task, partners.data(), TrainConfig(steps=1, batch_size=2, optimiser=rates))
        after = task.objective.discriminators.parameters()
        return sum(float((a - b.detach()).abs().sum()) for a, b in zip(before, after, strict=True))

    assert moved(1e-9) < 0.5 * moved(None)


@pytest.mark.parametrize("every", [0, 2])
def test_sample_pictures_are_drawn_and_change_nothing(tmp_path: Path, every: int) -> None:
    drawn: dict[str, dict[str, torch.Size]] = {}

    def draw(path: Path, columns: Mapping[str, Tensor]) -> None:
        place = path.relative_to(tmp_path)
        drawn[str(place)] = {label: pictures.shape for label, pictures in columns.items()}

    config = TrainConfig(steps=3, batch_size=2, sample_every=every)
    state = trained(config, out=tmp_path, draw=draw, stage="teach")
    names = ["input", "target", "generated"]
    expected = dict.fromkeys(names, torch.Size((4, 3, 32, 32)))
    files = [f"samples/teach/step-0000000{step}.png" for step in (2, 3)]
    assert drawn == (dict.fromkeys(files, expected) if every else {})
    plain = trained(config.model_copy(update={"sample_every": 0}))
    assert all(torch.equal(value, plain[key]) for key, value in state.items())
    trained(config)  # without a folder nothing is drawn, and nothing breaks


def test_progress_says_how_fast_it_goes() -> None:
    said: list[RunEvent] = []
    trained(TrainConfig(steps=2, batch_size=2), emit=said.append)
    speeds = [event.speed for event in said if isinstance(event, StageProgress)]
    assert len(speeds) == 1
    assert speeds[0] is not None
    assert speeds[0] > 0


def test_losses_go_to_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trained(TrainConfig(steps=2, batch_size=2, trackers=("tensorboard",)), out=tmp_path)
    files = list((tmp_path / "trackers" / "train").rglob("events.out.tfevents.*"))
    assert len(files) == 1
    assert b"reconstruction" in files[0].read_bytes()


def test_a_tracker_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        check_trackers(["wandb"])
    assert "gancompress[wandb]" in caught.value.hint


def test_a_snapshot_is_not_changed_by_the_steps_that_follow() -> None:
    data, config = partners.data(), TrainConfig(steps=4, batch_size=2)
    learner = Learner(
        partners.task(), data, config, Team(), torch.device("cpu"), seed=0, average=None
    )
    optimisers = {name: turn.optimiser for name, turn in learner.turns.items()}
    learner.step(0)
    kept = snapshot(learner.modules, optimisers)
    copy = {name: tensor.clone() for name, tensor in kept.items()}
    for _ in range(2):
        restore(kept, learner.modules, optimisers)
        learner.step(1)
        assert all(torch.equal(tensor, copy[name]) for name, tensor in kept.items())
