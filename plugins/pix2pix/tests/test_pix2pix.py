import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

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
