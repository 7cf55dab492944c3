"""One table for every loss: at batch size 1 its gradient reaches the student, and is not zero."""

import random
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gancompress.config import DistillConfig, parse
from gancompress.distill import Comparison, StudentTask, core_losses, find_losses
from gancompress.distill.losses import ChannelDistribution, KernelAlignment, Structure, Wavelet
from gancompress.distill.losses.kernel_alignment import FEWEST_SAMPLES
from gancompress.elastic import SearchSpace, Supernet
from gancompress.errors import ConfigError
from gancompress.gan import Batch, PairedObjective, PatchDiscriminator, ResNetGenerator
from gancompress.graph import TracedGenerator, trace

SIZE = 32
RNG = random.Random(0)  # noqa: S311 - a fixed subnet draws nothing
# Where the gradient arrives: features alone do not reach the last layers.
LOSSES = {
    "adapter-mse": "features",
    "kernel-alignment": "features",
    "channel-attention": "features",
    "channel-distribution": "features",
    "perceptual": "picture",
    "style": "picture",
    "ssim": "picture",
    "total-variation": "picture",
    "wavelet": "picture",
    "discriminator-features": "picture",
}


@pytest.fixture(scope="module")
def traced() -> TracedGenerator:
    torch.manual_seed(0)
    net = ResNetGenerator(3, 3, 8, 2, "batch").eval()
    return trace(net, (torch.zeros(1, 3, SIZE, SIZE),))


@pytest.fixture(scope="module")
def supernet(traced: TracedGenerator) -> Supernet:
    return Supernet(traced, SearchSpace.multiples_of(4, smallest=0.5))


def objective() -> PairedObjective:
    torch.manual_seed(1)
    return PairedObjective(PatchDiscriminator(6, 4, 2))


def batch(size: int = 1) -> Batch:
    rng = torch.Generator().manual_seed(2)
    first, second = torch.rand(2, size, 3, SIZE, SIZE, generator=rng) * 2 - 1
    return Batch((first,), second)


def test_the_table_has_every_loss_of_the_core() -> None:
    assert {loss.name for loss in core_losses()} == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_at_batch_size_one_the_gradient_reaches_the_student(
    name: str, traced: TracedGenerator, supernet: Supernet
) -> None:
    config = DistillConfig(losses={name: 2.0}, lambda_distill=0.5, recon_target="teacher")
    find_losses(config.losses)[name].check()
    task = StudentTask(supernet, traced, objective(), config, supernet.space.smallest())
    task.match_adapters(batch())
    task.begin_step(0, RNG)
    supernet.zero_grad()
    loss = task.generate(batch()).terms[f"distill_{name}"]
    assert loss.dim() == 0
    loss.backward()  # type: ignore[no-untyped-call]
    weights = [p for p in supernet.net.parameters() if p.dim() == 4]
    # Features are compared in the middle of the net, and pictures at its end.
    reached = weights if LOSSES[name] == "picture" else weights[:3]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in reached)
    assert all(p.grad is None for p in task.teacher.parameters())
    assert all(p.grad is None for p in task.objective.discriminators.parameters())


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"total-variation"}))
def test_a_student_that_is_the_teacher_pays_nothing(
    name: str, traced: TracedGenerator, supernet: Supernet
) -> None:
    config = DistillConfig(losses={name: 1.0}, lambda_recon=0)
    task = StudentTask(supernet, traced, objective(), config, supernet.space.largest())
    supernet.eval()
    task.match_adapters(batch(2))
    task.begin_step(0, RNG)
    paid = task.generate(batch(2)).terms[f"distill_{name}"]
    task.subnet = supernet.space.smallest()
    task.begin_step(0, RNG)
    narrow = task.generate(batch(2)).terms[f"distill_{name}"]
    supernet.train()
    assert abs(float(paid.detach())) < 0.02 * float(narrow.detach())


def alignment(student: Tensor, teacher: Tensor) -> float:
    return float(KernelAlignment().compare(student, teacher))


@pytest.mark.parametrize("size", [1, FEWEST_SAMPLES])
def test_kernel_alignment_is_blind_to_rotation_and_scale_and_to_nothing_else(size: int) -> None:
    torch.manual_seed(0)
    maps = torch.randn(size, 6, 5, 5)
    turn = torch.linalg.qr(torch.randn(6, 6))[0]
    rotated = 3 * torch.einsum("nchw,cd->ndhw", maps, turn)
    assert abs(alignment(rotated, maps)) < 1e-5
    assert alignment(torch.randn(size, 4, 5, 5), maps) > 0.1


def test_kernel_alignment_of_many_pictures_is_that_of_their_similarities() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(FEWEST_SAMPLES, 2, 2, 2), torch.randn(FEWEST_SAMPLES, 3, 2, 2)
    a, b = x.flatten(1), y.flatten(1)
    published = (b.T @ a).norm() ** 2 / ((a.T @ a).norm() * (b.T @ b).norm())
    assert alignment(x, y) == pytest.approx(1 - float(published), abs=1e-5)


def test_channel_distributions_do_not_see_a_level_and_do_see_a_place() -> None:
    loss = ChannelDistribution()
    maps = torch.rand(1, 2, 4, 4)
    parts = loss.trainable({})
    parts["p"] = _Identity()

    def paid(student: Tensor) -> float:
        seen = Comparison(batch(), maps, maps, {"p": student}, {"p": maps}, {"p": torch.arange(2)})
        return float(loss(seen, parts))

    assert paid(maps + 5) == pytest.approx(0, abs=1e-5)
    assert paid(maps.flip(3)) > 1e-4


class _Identity(nn.Module):
    def forward(self, features: Tensor, positions: Tensor) -> Tensor:
        del positions
        return features


def test_wavelets_see_edges_and_no_colour_also_of_odd_and_tiny_pictures() -> None:
    flat = torch.zeros(1, 3, 9, 7)
    edge = flat.clone()
    edge[..., 3:] = 1
    assert float(Wavelet().compare(flat + 0.5, flat)) == pytest.approx(0, abs=1e-6)
    assert float(Wavelet().compare(edge, flat)) > 0.1
    assert torch.isfinite(Wavelet().compare(torch.rand(1, 1, 2, 3), torch.rand(1, 1, 2, 3)))


def test_similarity_is_that_of_torchmetrics() -> None:
    similarity = pytest.importorskip("torchmetrics.functional.image")
    torch.manual_seed(0)
    a, other = torch.rand(2, 2, 3, 32, 32) * 2 - 1
    b = 0.6 * a + 0.4 * other
    reference = similarity.structural_similarity_index_measure(a, b, data_range=2.0)
    # It looks at the border too, through windows that it fills up by reflection.
    assert float(Structure().compare(a, b)) == pytest.approx(1 - float(reference), abs=5e-3)
    assert torch.isfinite(Structure().compare(a[..., :5, :5], b[..., :5, :5]))


@pytest.mark.parametrize("name", ["kernel-alignment", "ssim", "wavelet"])
def test_networks_in_half_precision_are_compared_in_float32(name: str) -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 3, 16, 16).bfloat16()
    seen = Comparison(batch(), a, b, {"p": a}, {"p": b}, {"p": torch.arange(3)})
    loss = find_losses({name: 1.0})[name]
    whole = loss(seen, nn.ModuleDict())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(seen, nn.ModuleDict()), whole)
    assert whole.dtype == torch.float32


def test_grey_and_transparent_pictures_can_be_looked_at() -> None:
    loss = find_losses({"perceptual": 1.0})["perceptual"]
    for channels in (1, 4):
        made = torch.rand(1, channels, SIZE, SIZE, requires_grad=True)
        paid = loss(Comparison(batch(), made, torch.rand(1, channels, SIZE, SIZE)), nn.ModuleDict())
        paid.backward()  # type: ignore[no-untyped-call]
        assert made.grad is not None


def test_an_unknown_loss_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="there is no distillation loss 'wavelets'") as caught:
        find_losses({"wavelets": 1.0})
    assert "did you mean 'wavelet'?" in caught.value.hint
    assert "kernel-alignment" in caught.value.hint


def test_a_weight_of_zero_leaves_a_loss_out_and_a_negative_one_is_refused(tmp_path: Path) -> None:
    assert find_losses({"wavelet": 0.0, "ssim": 1.0}).keys() == {"ssim"}
    with pytest.raises(ConfigError, match=r"'losses.wavelet' in run.toml cannot be used"):
        parse(DistillConfig, {"losses": {"wavelet": -1}}, source="run.toml")


def test_without_discriminators_their_features_cannot_be_asked_for(
    traced: TracedGenerator, supernet: Supernet
) -> None:
    from gancompress.distill import PictureObjective

    config = DistillConfig(losses={"discriminator-features": 1.0})
    task = StudentTask(supernet, traced, PictureObjective(), config)
    with pytest.raises(ConfigError, match="needs discriminators"):
        task.generate(batch())


def test_without_points_there_are_no_feature_terms(
    traced: TracedGenerator, supernet: Supernet
) -> None:
    config = DistillConfig(points=0)
    task = StudentTask(supernet, traced, objective(), config)
    assert set(task.generate(batch()).terms) == {"reconstruction"}
