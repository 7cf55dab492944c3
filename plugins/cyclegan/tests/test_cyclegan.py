from types import MappingProxyType

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from gancompress.gan import REAL, Batch, PicturePool
from gancompress.testing import FamilyContract
from gancompress_cyclegan.earth import earth_domain
from gancompress_cyclegan.family import CycleGan
from gancompress_cyclegan.options import CycleGanOptions

VALUES = {
    "size": 32,
    "generator_width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "discriminator_layers": 2,
    "pool": 2,
}
SMALL = CycleGanOptions.model_validate(VALUES)


class TestThere(FamilyContract):
    family = CycleGan()
    options = VALUES


class TestBackWithDropoutAndWithoutIdentity(FamilyContract):
    family = CycleGan()
    options = MappingProxyType(
        {**VALUES, "direction": "BtoA", "dropout": True, "lambda_identity": 0, "pool": 0}
    )


def test_deserts_are_bright_and_forests_green_and_no_pixel_is_in_two_splits() -> None:
    for split, least in (("train", 400), ("val", 60), ("test", 150)):
        desert, forest = (earth_domain(domain, split, 64) for domain in ("A", "B"))
        assert min(len(desert), len(forest)) >= least
        assert desert.mean() > forest.mean() + 40
        means = forest.reshape(-1, 3).mean(0)
        assert means[1] == means.max()
        red, _, blue = desert.reshape(-1, 3).mean(0)
        assert red > blue + 30
        # Snow is white: no forest tile is.
        assert forest.mean((1, 2, 3)).max() < 140


def test_the_other_direction_swaps_the_domains() -> None:
    family = CycleGan()
    there = family.dataset(SMALL, "test")[0]
    back = family.dataset(SMALL.model_copy(update={"direction": "BtoA"}), "test")
    held = {back[i].inputs[0].numpy().tobytes() for i in range(len(back))}  # type: ignore[arg-type]
    assert there.real is not None
    assert there.real.numpy().tobytes() in held
    assert there.target is None


def test_the_cycle_weighs_each_way_as_the_options_say() -> None:
    options = SMALL.model_copy(update={"lambda_a": 3.0, "lambda_b": 7.0, "lambda_identity": 0.5})
    batch = Batch((torch.rand(1, 3, 32, 32),), None, {REAL: torch.rand(1, 3, 32, 32) - 1})
    terms = {}
    for direction in ("AtoB", "BtoA"):
        chosen = options.model_copy(update={"direction": direction})
        objective = CycleGan().teacher_objective(chosen)
        # A way that draws a grey picture is as far from a picture as that is from grey.
        grey = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1, bias=False))
        torch.nn.init.zeros_(grey[0].weight)  # type: ignore[arg-type]
        torch.nn.init.zeros_(objective.helpers["back"].model[-2].weight)
        torch.nn.init.zeros_(objective.helpers["back"].model[-2].bias)
        terms[direction] = objective.draw(grey, batch).terms
    x, y = (float(p.abs().mean()) for p in (batch.inputs[0], batch.extras[REAL]))
    expected = {"cycle": 3 * x, "cycle_back": 7 * y, "identity": 3.5 * y, "identity_back": 1.5 * x}
    assert {k: float(v.detach()) for k, v in terms["AtoB"].items()} == pytest.approx(expected)
    expected = {"cycle": 7 * x, "cycle_back": 3 * y, "identity": 1.5 * y, "identity_back": 3.5 * x}
    assert {k: float(v.detach()) for k, v in terms["BtoA"].items()} == pytest.approx(expected)


def test_a_discriminator_sees_older_pictures_from_its_pool() -> None:
    torch.manual_seed(0)
    objective = CycleGan().teacher_objective(SMALL)
    pool = objective.helpers["pool"]
    for value in (0.1, 0.2, 0.3, 0.4):
        picture = torch.full((1, 3, 32, 32), value)
        batch = Batch((picture,), None, {REAL: picture, "back": picture})
        objective.discriminator_losses(batch, picture)
    assert isinstance(pool, PicturePool)
    assert int(pool.filled) == 2
    assert float(pool.pictures.max()) > 0.25  # one of the later two has taken a place


def test_the_baseline_has_the_channels_of_the_other_domain() -> None:
    grey_to_colour = CycleGanOptions(
        data="pictures",  # type: ignore[arg-type]
        channels_a=1,
        lambda_identity=0,
    )
    picture = torch.rand(2, 1, 8, 8)
    baseline = CycleGan().baseline(grey_to_colour, Batch((picture,)))
    assert torch.equal(baseline, picture.expand(-1, 3, -1, -1))
    assert CycleGan().baseline(SMALL, Batch((picture,))) is picture


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"channels_a": 5}, "less than or equal to 4"),
        ({"channels_a": 1, "data": "x"}, "1 and 3 channels: set it to 0"),
        ({"channels_a": 1, "channels_b": 1}, "the pictures of 'earth' have 3 channels, not 1"),
        ({"size": 66}, "multiple of 4"),
        ({"load_size": 32, "size": 64}, "32 is smaller than the size 64"),
        ({"size": 32, "discriminator_layers": 4}, "take at most 3"),
        ({"direction": "AB"}, "'AtoB' or 'BtoA'"),
        ({"pool": -1}, "greater than or equal to 0"),
    ],
)
def test_options_that_cannot_be_are_refused(changed: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        CycleGanOptions.model_validate(changed)


def test_published_weights_are_taken_without_the_statistics_that_nobody_reads() -> None:
    family = CycleGan()
    own = family.generator(SMALL).state_dict()
    published = {f"module.{name}": value for name, value in own.items()}
    published["module.model.2.running_mean"] = torch.zeros(4)
    taken = family.import_checkpoint(SMALL, __file__, published)  # type: ignore[arg-type]
    assert taken is not None
    assert taken.keys() == own.keys()
    assert all(torch.equal(taken[name], own[name]) for name in own)


def test_the_recipes_are_those_of_the_paper_and_of_the_demo() -> None:
    recipes = CycleGan().recipes()
    assert set(recipes) == {"desert2forest", "horse2zebra", "horse2zebra-mobile"}
    assert not any(recipe.demo for recipe in recipes.values())  # the default demo is another's
    published = CycleGanOptions.model_validate(recipes["horse2zebra"].options)
    net = CycleGan().generator(published)
    assert sum(p.numel() for p in net.parameters()) == 11_378_179


@pytest.mark.parametrize("name", ["horse2zebra", "horse2zebra-mobile"])
def test_the_published_recipe_says_what_the_paper_says(name: str) -> None:
    recipe = CycleGan().recipes()[name]
    options = CycleGanOptions.model_validate(recipe.options)
    assert (options.lambda_a, options.lambda_b, options.lambda_identity) == (10, 10, 0.5)
    assert (options.gan_mode, options.pool, options.discriminator_width) == ("lsgan", 50, 64)
    # Nine tenths of 1,334 zebras are 1,200 steps an epoch: 100 + 100, and 200 + 200 epochs.
    assert [stage.steps for stage in (recipe.train, recipe.distill)] == [200 * 1200, 400 * 1200]
    for stage in (recipe.train, recipe.distill, recipe.finetune):
        assert (stage.batch_size, stage.lambda_gan, stage.optimiser.lr) == (1, 1, 2e-4)
        assert (stage.optimiser.betas, stage.optimiser.decay_from) == ((0.5, 0.999), 0.5)
    for stage in (recipe.distill, recipe.finetune):
        assert (stage.lambda_recon, stage.lambda_distill) == (10, 0.01)
        assert stage.recon_target == "teacher"


def test_a_mobile_teacher_has_a_student_of_half_its_width() -> None:
    recipe = CycleGan().recipes()["horse2zebra-mobile"]
    options = CycleGanOptions.model_validate(recipe.options)
    net = CycleGan().generator(options)
    assert sum(p.numel() for p in net.parameters()) == 1_987_075
    assert recipe.decompose.layers == "none"
    assert (recipe.space.smallest, recipe.space.largest) == (16 / 64, 32 / 64)


def test_tiles_are_not_in_the_order_of_a_map() -> None:
    tiles = earth_domain("A", "test", 64).astype(int)
    close = np.abs(tiles[1:] - tiles[:-1]).mean((1, 2, 3))
    assert np.median(close) > 15


def test_the_demos_teacher_ships_with_its_licence_and_card() -> None:
    teacher = CycleGan().recipes()["desert2forest"].teacher
    assert teacher is not None
    names = {"generator.safetensors", "discriminators.safetensors", "LICENSE", "card.md"}
    assert {path.name for path in teacher.iterdir()} == names
    assert all(path.stat().st_size <= 8_000_000 for path in teacher.iterdir())


def test_the_demos_teacher_makes_forests_of_deserts_it_has_not_seen() -> None:
    family, recipe = CycleGan(), CycleGan().recipes()["desert2forest"]
    assert recipe.teacher is not None
    options = CycleGanOptions.model_validate(recipe.options)
    generator = family.generator(options).eval()
    generator.load_state_dict(load_file(recipe.teacher / "generator.safetensors"))
    data = family.dataset(options, "test")
    deserts = torch.stack([data[i].inputs[0] for i in range(48)])
    forests = torch.stack([data[i].extras[REAL] for i in range(48)])
    with torch.no_grad():
        made = generator(deserts)

    def colour(pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean((0, 2, 3))

    far = (colour(deserts) - colour(forests)).abs().sum()
    assert (colour(made) - colour(forests)).abs().sum() < 0.2 * far
    # The desert's shapes stay, though what is dark there is drawn light: translated, not replaced.
    flat = [x.mean(1).flatten(1) for x in (deserts, made)]
    together = torch.stack(
        [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*flat, strict=True)]
    )
    assert together.abs().median() > 0.5


def test_the_demo_of_the_family_is_the_recipe_with_a_teacher() -> None:
    recipes = CycleGan().recipes()
    assert [name for name, recipe in recipes.items() if recipe.teacher] == ["desert2forest"]
    assert recipes["desert2forest"].search.macs == "8x"
