import pytest
import torch
from torch import nn

from gancompress.gan import (
    MobileResNetGenerator,
    NormName,
    PatchDiscriminator,
    PixelDiscriminator,
    ResNetGenerator,
    ResNetWidths,
    UNetGenerator,
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


@pytest.mark.parametrize(("depth", "count"), [(8, 54_413_955), (7, 41_828_995)])
def test_the_published_unets_have_the_published_parameters(depth: int, count: int) -> None:
    with torch.device("meta"):
        assert parameters(UNetGenerator(depth=depth)) == count


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_a_unet_keeps_size_and_range(norm: NormName) -> None:
    generator = UNetGenerator(4, 1, 2, 5, norm, dropout=True)
    output = generator(torch.rand(2, 4, 32, 64) * 2 - 1)
    assert output.shape == (2, 1, 32, 64)
    assert output.abs().max() <= 1


def test_dropout_is_where_the_published_unet_has_it() -> None:
    net = UNetGenerator(width=1, dropout=True)
    # The level below is number 1 in the outermost, and 3 in the others.
    levels = [
        name.split(".").count("3") + 1
        for name, layer in net.named_modules()
        if isinstance(layer, nn.Dropout)
    ]
    # Levels 4, 5 and 6 of 0 to 7: of full width, and not the innermost.
    assert sorted(levels) == [4, 5, 6]
    assert not any(isinstance(m, nn.Dropout) for m in UNetGenerator(width=1).modules())
    with pytest.raises(ValueError, match="5 times or more, not 4"):
        UNetGenerator(depth=4)


def test_the_mobile_nets_have_the_published_parameters() -> None:
    with torch.device("meta"):
        assert parameters(MobileResNetGenerator(ResNetWidths.full(64, 9))) == 1_987_075
        small = ResNetWidths.parse("32_32_48_32_48_48_16_16", 9)
        assert parameters(MobileResNetGenerator(small)) == 822_051
        legacy = ResNetWidths.parse("24_24_24_32_20_16", 9, legacy=True)
        assert parameters(MobileResNetGenerator(legacy)) == 302_651


def test_pixels_are_judged_by_themselves() -> None:
    discriminator = PixelDiscriminator(5, 4).eval()
    picture = torch.rand(1, 5, 8, 8, requires_grad=True)
    verdict = discriminator(picture)
    assert verdict.shape == (1, 1, 8, 8)
    verdict[0, 0, 3, 4].backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum((0, 1)).nonzero().tolist() == [[3, 4]]
