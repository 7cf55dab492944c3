import pytest
import torch
from torch import nn

from gancompress.gan import (
    NormName,
    PatchDiscriminator,
    ResNetGenerator,
    initialise_normal,
    norm_layer,
)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_published_generator_has_the_published_parameters() -> None:
    # GAN Compression, README table: 11.4 M; exact count 11,378,179 (biases included).
    assert parameters(ResNetGenerator()) == 11_378_179


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_pictures_keep_their_size_and_range(norm: NormName) -> None:
    generator = ResNetGenerator(1, 3, 4, 2, norm)
    output = generator(torch.rand(2, 1, 36, 48) * 2 - 1)
    assert output.shape == (2, 3, 36, 48)
    assert output.abs().max() <= 1


def test_norms_carry_weights_only_where_the_papers_have_them() -> None:
    assert parameters(norm_layer("instance")(8)) == 0
    assert parameters(norm_layer("batch")(8)) == 16
    assert isinstance(norm_layer("none")(8), nn.Identity)


def test_three_layers_judge_70_pixel_patches() -> None:
    discriminator = PatchDiscriminator(6, 4).eval()
    picture = torch.rand(1, 6, 256, 256, requires_grad=True)
    verdict = discriminator(picture)
    assert verdict.shape == (1, 1, 30, 30)
    verdict[0, 0, 15, 15].backward()
    assert picture.grad is not None
    rows = picture.grad.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 70


def test_initialisation_draws_from_a_narrow_normal() -> None:
    torch.manual_seed(0)
    net = initialise_normal(nn.Sequential(nn.Conv2d(64, 64, 3), nn.BatchNorm2d(512)))
    conv, norm = net[0], net[1]
    assert isinstance(conv, nn.Conv2d)
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert conv.bias is not None
    assert not conv.bias.any()
    assert norm.weight.mean().item() == pytest.approx(1.0, abs=0.01)
