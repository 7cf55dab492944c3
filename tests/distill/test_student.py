import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gancompress.config import DistillConfig
from gancompress.distill import PictureObjective, StudentTask, distill, fit
from gancompress.distill.losses import Wavelet
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import ConfigError
from gancompress.events import Notice, RunEvent, StageProgress
from gancompress.gan import (
    Batch,
    PairedObjective,
    PairedPictures,
    PatchDiscriminator,
    ResNetGenerator,
    UnpairedObjective,
    collate,
)
from gancompress.graph import TracedGenerator, trace

SIZE = 32


class Unpaired(PairedPictures):
    def __getitem__(self, index: int) -> Batch:
        sample = super().__getitem__(index)
        assert sample.target is not None
        return Batch(sample.inputs, None, {"real": sample.target})


def pictures(kind: type[PairedPictures] = PairedPictures) -> PairedPictures:
    pixels = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 3), dtype=np.uint8)
    return kind(pixels, 255 - pixels)


def first(size: int = 2) -> Batch:
    data = pictures()
    return collate([data[i] for i in range(size)])


def teacher() -> TracedGenerator:
    torch.manual_seed(0)
    net = ResNetGenerator(3, 3, 8, 1, "batch").eval()
    return trace(net, (torch.zeros(1, 3, SIZE, SIZE),))


def student(traced: TracedGenerator) -> Supernet:
    return Supernet(traced, SearchSpace.multiples_of(4, smallest=0.5))


def objective() -> PairedObjective:
    torch.manual_seed(1)
    return PairedObjective(PatchDiscriminator(6, 4, 2))


def task(subnet: Any = None, **settings: Any) -> StudentTask:
    traced = teacher()
    return StudentTask(
        student(traced), traced, objective(), DistillConfig(**settings), subnet=subnet
    )


def begin(of: StudentTask, step: int) -> None:
    of.begin_step(step, random.Random(step))  # noqa: S311 - no secret


# -- in-place distillation -------------------------------------------------------------------------


def test_in_a_sandwich_all_but_the_widest_learn_from_the_widest() -> None:
    one = task(sampling="sandwich", lambda_distill=0)
    batch = first()
    one.supernet.eval()
    assert batch.target is not None
    begin(one, 0)
    widest = one.generate(batch)
    expected = nn.functional.l1_loss(widest.output, batch.target)
    assert float(widest.terms["reconstruction"].detach()) == pytest.approx(
        100 * float(expected.detach()), rel=1e-5
    )
    for step in (1, 2, 3):
        begin(one, step)
        before = one.supernet.config
        narrow = one.generate(batch)
        assert one.supernet.config == before != one.supernet.space.largest()
        distance = nn.functional.l1_loss(narrow.output, widest.output)
        assert torch.allclose(narrow.terms["reconstruction"], 100 * distance)
    grads = torch.autograd.grad(narrow.terms["reconstruction"], list(one.supernet.parameters()))
    assert all(torch.isfinite(g).all() for g in grads)


def test_a_fixed_subnet_learns_from_the_teacher_whatever_the_sampling() -> None:
    traced = teacher()
    narrow = student(traced).space.smallest()
    one = task(narrow, sampling="sandwich", recon_target="teacher")
    begin(one, 0)
    drawn = one.generate(first())
    goal = traced.module(*first().inputs)
    distance = nn.functional.l1_loss(drawn.output, goal)
    assert torch.allclose(drawn.terms["reconstruction"], 100 * distance)


def test_micro_steps_of_one_step_make_a_sandwich() -> None:
    one = task(sampling="sandwich", steps=2)
    seen = []
    for micro in range(8):  # two steps of four micro-batches
        begin(one, micro)
        seen.append(one.supernet.config)
        one.generate(first()).terms["reconstruction"].backward()  # type: ignore[no-untyped-call]
    space = one.supernet.space
    assert seen[0] == seen[4] == space.largest()
    assert seen[1] == seen[5] == space.smallest()
    assert all(p.grad is not None for p in one.supernet.parameters())


@pytest.mark.parametrize("sampling", ["sandwich", "shrink"])
def test_every_schedule_goes_with_accumulated_gradients(sampling: str) -> None:
    traced = teacher()
    config = DistillConfig.model_validate(
        {"steps": 2, "batch_size": 4, "accumulate": 4, "sampling": sampling, "teacher": "online"}
    )
    net = student(traced)
    before = [p.clone() for p in net.parameters()]
    result = distill(net, teacher=traced, data=pictures(), objective=objective(), config=config)
    assert result.steps == 2
    assert not all(map(torch.equal, before, net.parameters()))


# -- an online teacher -----------------------------------------------------------------------------


def test_an_online_teacher_learns_from_its_own_losses_and_not_from_the_student() -> None:
    one = task(teacher="online", losses={"adapter-mse": 1.0, "wavelet": 1.0})
    one.match_adapters(first())
    begin(one, 0)
    drawn = one.generate(first())
    others = [term for name, term in drawn.terms.items() if not name.startswith("teacher_")]
    torch.stack(others).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in one.teacher.parameters())
    drawn.terms["teacher_reconstruction"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in one.teacher.parameters())


def online(folder: Path | None, emit: Any = None) -> tuple[dict[str, Tensor], StudentTask]:
    one = task(teacher="online", recon_target="teacher")
    one.match_adapters(first())
    config = DistillConfig(steps=40, batch_size=2, checkpoint_every=20)
    fit(one, pictures(), config, folder=folder, emit=emit or (lambda event: None))
    modules = nn.ModuleList([one.trained, one.objective.discriminators])
    return modules.state_dict(), one


def test_an_online_teacher_moves_and_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    whole, one = online(None)
    start = teacher().module.state_dict()
    assert any(not torch.equal(v, start[k]) for k, v in one.teacher.state_dict().items())
    assert {"student", "teacher"} == set(one.objective.discriminators)

    def stop(event: RunEvent) -> None:
        if isinstance(event, StageProgress) and event.step == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        online(tmp_path, stop)
    resumed, _ = online(tmp_path)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_an_online_teacher_without_a_judge_for_the_student_is_that_of_omgd() -> None:
    traced = teacher()
    judges = objective()
    net = student(traced)
    config = DistillConfig(steps=2, batch_size=2, teacher="online", discriminator="none")
    before = [p.clone() for p in judges.discriminators.parameters()]
    result = distill(net, teacher=traced, data=pictures(), objective=judges, config=config)
    assert "teacher_gan" in result.metrics
    assert "gan" not in result.metrics
    # Its discriminators are its own: those that were given stay as they were.
    assert all(map(torch.equal, before, judges.discriminators.parameters()))


def test_an_online_teacher_needs_targets() -> None:
    traced = teacher()
    config = DistillConfig(steps=1, batch_size=2, teacher="online")
    with pytest.raises(ConfigError, match="no targets"):
        distill(student(traced), teacher=traced, data=pictures(Unpaired), config=config)


# -- the whole call --------------------------------------------------------------------------------


def test_every_loss_together_trains_unpaired_too() -> None:
    traced = teacher()
    judge = UnpairedObjective(PatchDiscriminator(3, 4, 2))
    names = ("adapter-mse", "kernel-alignment", "wavelet", "discriminator-features")
    config = DistillConfig(steps=2, batch_size=1, losses=dict.fromkeys(names, 1.0))
    result = distill(
        student(traced), teacher=traced, data=pictures(Unpaired), objective=judge, config=config
    )
    assert {f"distill_{name}" for name in names} <= set(result.metrics)


def test_a_plugins_loss_is_used_by_its_name() -> None:
    class Mine(Wavelet):
        name = "mine"

    traced = teacher()
    config = DistillConfig(steps=1, batch_size=2, losses={"mine": 1.0})
    offered = {"mine": Mine()}
    result = distill(
        student(traced), teacher=traced, data=pictures(), config=config, losses=offered
    )
    assert "distill_mine" in result.metrics


def test_points_that_are_not_there_are_told() -> None:
    traced = teacher()
    told: list[RunEvent] = []
    config = DistillConfig(steps=1, batch_size=2, points=9)
    distill(student(traced), teacher=traced, data=pictures(), config=config, emit=told.append)
    notices = [event.text for event in told if isinstance(event, Notice)]
    assert notices == ["7 of 9 distillation points are not in the graph"]


def test_adapters_have_the_place_in_a_checkpoint_that_they_always_had() -> None:
    one = task()
    assert list(one.trained) == ["generator", "adapters"]
    assert {name for name, _ in one.trained["adapters"].named_parameters()} == {
        f"{point}.{part}" for point in one.points for part in ("weight", "bias")
    }
    assert list(task(lambda_distill=0).trained) == ["generator"]
    both = task(losses={"channel-attention": 1.0, "wavelet": 1.0})
    assert list(both.trained) == ["generator", "loss-channel-attention"]


def test_widths_go_back_after_matching() -> None:
    one = task()
    one.supernet.activate(one.supernet.space.smallest())
    one.match_adapters(first())
    assert one.supernet.config == one.supernet.space.smallest()


def test_without_discriminators_nothing_is_judged() -> None:
    quiet = PictureObjective()
    assert quiet.generator_losses(first(), first().inputs[0]) == {}
    assert quiet.discriminator_losses(first(), first().inputs[0]) == {}
