from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file

from gancompress import DataError
from gancompress.gan import Batch
from gancompress.testing import FamilyContract
from gancompress_pix2pix.family import Pix2Pix
from gancompress_pix2pix.openmoji import render_pairs, split_of
from gancompress_pix2pix.options import Pix2PixOptions

VALUES = {
    "size": 32,
    "generator_width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "discriminator_layers": 2,
}
SMALL = Pix2PixOptions.model_validate(VALUES)


class TestContract(FamilyContract):
    family = Pix2Pix()
    options = VALUES


class TestUNetContract(FamilyContract):
    family = Pix2Pix()

    @pytest.fixture
    def options(self, tmp_path: Path) -> dict[str, Any]:
        return {
            **VALUES,
            "data": str(pairs_on_disk(tmp_path / "data")),
            "architecture": "unet",
            "norm": "batch",
            "dropout": True,
            "discriminator": "pixel",
            "gan_mode": "lsgan",
            "input_channels": 1,
            "output_channels": 4,
            "direction": "BtoA",
        }


def test_drawings_are_distinct_and_coloured() -> None:
    names, lines, colours = render_pairs(32)
    assert len(names) == len(set(names)) > 1900
    assert len({line.tobytes() for line in lines}) == len(lines)
    assert all(not np.array_equal(a, b) for a, b in zip(lines, colours, strict=True))
    assert all(line.min() < 255 for line in lines)
    # Lines are drawn in black on white, so a drawing has almost no saturation.
    saturation = np.ptp(lines.astype(int), axis=-1).mean()
    assert saturation < 0.1 * np.ptp(colours.astype(int), axis=-1).mean()


def test_splits_have_their_shares_and_do_not_depend_on_order() -> None:
    names, _, _ = render_pairs(32)
    splits = [split_of(name) for name in names]
    assert 0.77 < splits.count("train") / len(names) < 0.83
    assert 0.06 < splits.count("val") / len(names) < 0.10
    assert splits == [split_of(name) for name in reversed(names)][::-1]


def test_direction_swaps_input_and_target() -> None:
    family = Pix2Pix()
    there = family.dataset(SMALL, "test")[0]
    back = family.dataset(SMALL.model_copy(update={"direction": "BtoA"}), "test")[0]
    assert there.target is not None
    assert torch.equal(there.target, back.inputs[0])


def test_the_baseline_is_the_untouched_drawing() -> None:
    batch = Batch((torch.rand(1, 3, 8, 8),))
    assert torch.equal(Pix2Pix().baseline(SMALL, batch), batch.inputs[0])


def test_the_demo_recipe_fits_the_options() -> None:
    recipe = Pix2Pix().recipes()["openmoji"]
    assert recipe.demo
    assert Pix2PixOptions.model_validate(recipe.options).generator_width == 32
    assert recipe.search.macs == "8x"


def test_sizes_that_do_not_survive_two_halvings_are_refused() -> None:
    with pytest.raises(ValidationError, match="multiple of 4"):
        Pix2PixOptions(size=66)


def test_the_demos_teacher_ships_with_its_licence_and_card() -> None:
    recipe = Pix2Pix().recipes()["openmoji"]
    assert recipe.demo
    assert recipe.teacher is not None
    names = {"generator.safetensors", "discriminators.safetensors", "LICENSE", "card.md"}
    assert {path.name for path in recipe.teacher.iterdir()} == names
    assert all(path.stat().st_size <= 8_000_000 for path in recipe.teacher.iterdir())


def test_the_demos_teacher_colours_drawings_it_has_not_seen() -> None:
    family, recipe = Pix2Pix(), Pix2Pix().recipes()["openmoji"]
    assert recipe.teacher is not None
    options = Pix2PixOptions.model_validate(recipe.options)
    generator = family.generator(options).eval()
    generator.load_state_dict(load_file(recipe.teacher / "generator.safetensors"))
    data = family.dataset(options, "val")
    drawings = torch.stack([data[i].inputs[0] for i in range(64)])
    targets = torch.stack([_target(data[i]) for i in range(64)])
    with torch.no_grad():
        pictures = generator(drawings)

    def saturation(x: torch.Tensor) -> float:
        return float((x.amax(1) - x.amin(1)).mean())

    assert saturation(drawings) < 0.01
    assert saturation(pictures) > 0.4 * saturation(targets)
    assert (pictures - targets).abs().mean() < (drawings - targets).abs().mean()


def _target(sample: Batch) -> torch.Tensor:
    assert sample.target is not None
    return sample.target


def pairs_on_disk(folder: Path, count: int = 2) -> Path:
    """Side-by-side pictures of noise."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (40, 80, 4), dtype=np.uint8)  # of each split its own
            Image.fromarray(pixels).save(folder / split / f"{index}.png")
    return folder


@pytest.mark.parametrize("in_memory", [True, False])
def test_training_pairs_are_loaded_larger_and_cut_out(tmp_path: Path, *, in_memory: bool) -> None:
    values = {
        "data": pairs_on_disk(tmp_path / "data"),
        "size": 32,
        "load_size": 40,
        "flip": False,
        "input_channels": 4,
        "output_channels": 1,
        "in_memory": in_memory,
    }
    family, options = Pix2Pix(), Pix2PixOptions.model_validate(values)
    torch.manual_seed(0)
    train = family.dataset(options, "train")
    samples = [train[0] for _ in range(8)]
    assert all(s.inputs[0].shape == (4, 32, 32) for s in samples)
    assert all(_target(s).shape == (1, 32, 32) for s in samples)
    assert len({float(s.inputs[0].sum()) for s in samples}) > 4
    test = family.dataset(options, "test")
    assert torch.equal(test[1].inputs[0], test[1].inputs[0])
    assert test[1].inputs[0].shape == (4, 32, 32)


@pytest.mark.parametrize(
    ("have", "wanted", "expected"),
    [
        (1, 3, [0.5, 0.5, 0.5]),
        (1, 4, [0.5, 0.5, 0.5, 1.0]),
        (2, 1, [0.5]),
        (4, 3, [0.5, -0.5, 0.3]),
        (3, 1, [0.1]),
        (4, 2, [0.1, 1.0]),
    ],
)
def test_the_baseline_has_the_channels_of_the_output(
    have: int, wanted: int, expected: list[float]
) -> None:
    options = Pix2PixOptions(input_channels=have, output_channels=wanted)
    picture = torch.tensor([0.5, -0.5, 0.3, 0.7])[None, :have, None, None]
    baseline = Pix2Pix().baseline(options, Batch((picture,)))
    assert baseline.flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 64, "load_size": 60}, "60 pixels are less than the size of 64"),
        ({"load_size": 70, "shift": 2}, "cut out at random by 'load_size' already"),
        ({"architecture": "unet", "size": 36}, "5 or more times, and a size of 36 can be halved 2"),
        ({"architecture": "unet", "size": 64, "depth": 7}, "7 times, and a size of 64"),
        ({"architecture": "mobile_resnet", "dropout": True}, "a mobile_resnet has no dropout"),
        ({"config_str": "8_8_8_8_8_8"}, "only the architecture 'mobile_resnet'"),
        ({"architecture": "mobile_resnet", "config_str": "8_8"}, "has 2 numbers"),
        (
            {"architecture": "mobile_resnet", "config_str": "8_8_8_8_8_8_8_8", "legacy": True},
            "no legacy class reads so many",
        ),
        (
            {"architecture": "mobile_resnet", "blocks": 4, "config_str": "8_8_8_8_8_8_8_8"},
            "numbers for thirds of the blocks",
        ),
        ({"input_channels": 5}, "less than or equal to 4"),
    ],
)
def test_options_that_do_not_go_together_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Pix2PixOptions.model_validate(values)


def test_a_unet_is_as_deep_as_its_pictures_allow() -> None:
    depths = {
        size: Pix2PixOptions(architecture="unet", size=size).unet_depth
        for size in (32, 64, 96, 128, 256, 512)
    }
    assert depths == {32: 5, 64: 6, 96: 5, 128: 7, 256: 8, 512: 8}


# Pairs, batch, epochs of a teacher at a constant and at a falling rate, λ (recon, distill), and the
# true MACs of the published sub-generator: what the paper's scripts say.
PUBLISHED_RUNS: dict[str, tuple[int, int, int, int, float, float, float]] = {
    "edges2shoes-mobile": (49_825, 4, 5, 15, 100, 1, 4.056e9),
    "cityscapes-mobile": (2_975, 1, 100, 150, 100, 1, 4.031e9),
    "map2sat-mobile": (1_096, 1, 100, 200, 10, 0.01, 3.747e9),
    "edges2shoes": (49_825, 4, 5, 15, 100, 1, 3.699e9),
    "cityscapes": (2_975, 1, 100, 150, 100, 1, 4.060e9),
    "map2sat": (1_096, 1, 100, 200, 10, 0.01, 3.351e9),
}


@pytest.mark.parametrize("name", PUBLISHED_RUNS)
def test_published_recipes_say_what_the_papers_say(name: str) -> None:
    pairs, batch, constant, falling, recon, distill, macs = PUBLISHED_RUNS[name]
    recipe = Pix2Pix().recipes()[name]
    options = Pix2PixOptions.model_validate(recipe.options)
    assert (options.size, options.load_size, options.gan_mode) == (256, 286, "hinge")
    mobile = name.endswith("-mobile")
    width = 96 if mobile and not name.startswith("edges") else 64
    assert (options.discriminator_width, options.generator_width, options.blocks) == (128, width, 9)
    assert options.architecture == ("mobile_resnet" if mobile else "resnet")
    assert options.direction == ("AtoB" if name.startswith("edges2shoes") else "BtoA")
    steps = pairs // batch * (constant + falling)
    stages = (recipe.train, recipe.distill, recipe.finetune)
    assert [stage.steps for stage in stages] == [steps, 2 * steps, steps]
    for stage in stages:
        assert (stage.batch_size, stage.lambda_recon, stage.lambda_gan) == (batch, recon, 1)
        assert (stage.optimiser.lr, stage.optimiser.lr_discriminator) == (2e-4, 2e-4)
        assert stage.optimiser.betas == (0.5, 0.999)
        share = constant / (constant + falling)
        assert stage.optimiser.decay_from == pytest.approx(share, abs=1e-3)
    assert recipe.distill.lambda_distill == recipe.finetune.lambda_distill == distill
    assert recipe.distill.sampling == "uniform"
    decompose, space = recipe.decompose, recipe.space
    if mobile:
        assert decompose.layers == "none"
        assert (space.smallest, space.largest) == pytest.approx((16 / width, 48 / width), rel=1e-3)
        assert space.smallest * 4 * width <= 64  # so that the narrowest of the paper is among them
    else:
        assert decompose.norm_between
        assert (space.smallest, space.largest, space.divisor) == (0.25, 1, 8)
    budget = float(str(recipe.search.macs).removesuffix("G")) * 1e9
    assert 0 <= budget - macs < 0.02e9
    assert not recipe.demo


def test_the_first_releases_class_reads_six_numbers_in_its_own_way() -> None:
    options = Pix2PixOptions(
        architecture="mobile_resnet", config_str="32_32_40_48_16_32", legacy=True
    )
    with torch.device("meta"):
        net = Pix2Pix().generator(options)
    assert sum(p.numel() for p in net.parameters()) == 699_875


def test_files_that_are_no_pictures_are_named_before_any_work(tmp_path: Path) -> None:
    data = pairs_on_disk(tmp_path / "data", 3)
    for name in ("0.png", "2.png"):
        (data / "train" / name).write_bytes(b"no picture")
    options = Pix2PixOptions(data=data, size=32, in_memory=False)
    with pytest.raises(DataError, match="2 pictures of") as caught:
        Pix2Pix().dataset(options, "train")
    assert "0.png' cannot be read as a picture" in caught.value.message
    assert "2.png' cannot be read as a picture" in caught.value.message
