from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gancompress import (
    DataError,
    FoldReparametrisation,
    Supernet,
    run_passes,
    trace,
)
from gancompress.compress.prepare import prepare
from gancompress.compress.results import _samples
from gancompress.config import DecomposeConfig, RunConfig
from gancompress.distill import distillation_points
from gancompress.gan import Batch, collate
from gancompress.store import save_tensors
from gancompress.testing import FamilyContract
from gancompress_gaugan.family import GauGan
from gancompress_gaugan.generator import SpadeGenerator, Upsampling
from gancompress_gaugan.landcover import LEAST_LAND, landcover_split
from gancompress_gaugan.objective import GauGanObjective
from gancompress_gaugan.options import GauGanOptions
from gancompress_gaugan.painting import distinct_colours
from gancompress_gaugan.spade import FreeNormName, SpadeBlock

NETS = {"generator_width": 4, "widest": 2, "hidden": 4, "discriminator_width": 4}
VALUES = {"size": 32, "discriminator_layers": 3, **NETS}
SMALL = GauGanOptions.model_validate(VALUES)


class TestLandCover(FamilyContract):
    family = GauGan()
    options = VALUES


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes a split of 80 × 40 pixels, with instances and labels that are not known."""
    folder = tmp_path_factory.mktemp("scenes")
    draw = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name in ("a", "b"):
            labels = np.kron(draw.integers(0, 4, (5, 10)), np.ones((8, 8))).astype(np.uint8)
            labels[:4] = 255
            planes = {
                "label": labels,
                "instance": np.kron(draw.integers(0, 999, (5, 10)), np.ones((8, 8))).astype("u2"),
                "image": draw.integers(0, 256, (40, 80, 3), dtype=np.uint8),
            }
            for kind, pixels in planes.items():
                (folder / split / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / split / kind / f"{name}.png")
    return folder


class TestFolder(FamilyContract):
    """All that the land cover does not have: instances, noise, a cut, another aspect and norm."""

    family = GauGan()

    @pytest.fixture
    def options(self, scenes: Path) -> dict[str, Any]:  # type: ignore[override]
        return {
            "data": scenes,
            "classes": 4,
            "dont_care": True,
            "edges": True,
            "size": 64,
            "aspect": 2.0,
            "load_size": 72,
            "latent": 3,
            "norm": "instance",
            "perceptual": "none",
            **NETS,
        }


def test_land_cover_is_mostly_land_and_its_splits_do_not_meet() -> None:
    counts = {}
    for split in ("train", "val", "test"):
        samples = landcover_split(split, 32)
        assert ((samples.labels != 0).mean(axis=(1, 2)) >= LEAST_LAND).all()
        assert samples.labels.max() <= 16
        counts[split] = len(samples)
    assert counts["train"] > counts["test"] > counts["val"] > 200


def test_the_first_tiles_are_of_all_the_earth() -> None:
    samples = landcover_split("train", 32)
    first, every = (
        np.bincount(labels.ravel(), minlength=17) / labels.size
        for labels in (samples.labels[:128], samples.labels)
    )
    assert np.abs(first - every).sum() < 0.25


def test_the_baseline_of_land_cover_is_the_mean_colour_of_each_class() -> None:
    family = GauGan()
    water = nn.functional.one_hot(torch.zeros(1, 32, 32, dtype=torch.long), 17)
    picture = family.baseline(SMALL, Batch((water.permute(0, 3, 1, 2).float(),)))
    red, green, blue = picture[0, :, 0, 0].tolist()
    assert blue > green > red
    samples = landcover_split("train", 32)
    mean = torch.from_numpy(samples.pictures[samples.labels == 0].mean(axis=0)) / 127.5 - 1
    assert torch.allclose(picture[0, :, 0, 0].double(), mean, atol=0.01)


def test_the_baseline_of_a_folder_has_a_colour_for_each_class(scenes: Path) -> None:
    options = GauGanOptions(data=scenes, classes=4, dont_care=True, edges=True, **NETS)
    maps = torch.eye(6)[:5].T.reshape(1, 6, 5, 1).clone()
    maps[:, 5] = 1  # edges everywhere change nothing
    picture = GauGan().baseline(options, Batch((maps,)))
    assert len(torch.unique(picture[0, :, :, 0], dim=1).T) == 5
    assert len(torch.unique(distinct_colours(182), dim=0)) == 182


def test_a_label_that_is_no_class_is_named(scenes: Path) -> None:
    options = GauGanOptions(data=scenes, classes=3, dont_care=True, **NETS)
    with pytest.raises(DataError, match=r"label/a\.png' has the label 3"):
        GauGan().dataset(options, "val")[0]


def test_noise_of_an_evaluation_is_each_samples_own(scenes: Path) -> None:
    options = GauGanOptions(data=scenes, classes=4, dont_care=True, latent=6, **NETS)
    train, val = (GauGan().dataset(options, split) for split in ("train", "val"))
    assert torch.equal(val[0].inputs[1], val[0].inputs[1])
    assert not torch.equal(val[0].inputs[1], val[1].inputs[1])
    assert not torch.equal(train[0].inputs[1], train[0].inputs[1])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 48}, "48x48 pixels cannot be halved 5 times, .* multiples of 32"),
        ({"size": 64, "upsampling": "most"}, "halved 7 times"),
        ({"data": "x", "size": 64, "aspect": 3.0}, "no whole height"),
        ({"data": "x", "size": 64, "load_size": 32}, "load_size is 32, below the size 64"),
        ({"size": 32, "discriminators": 4}, "4 discriminators are too many"),
        ({"classes": 35}, "the land cover has 17 classes"),
        ({"edges": True}, "no instances"),
        ({"size": 256}, "at most 128 pixels"),
    ],
)
def test_options_that_do_not_go_together(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        GauGanOptions.model_validate(values)


@pytest.mark.parametrize("upsampling", ["normal", "more", "most"])
def test_pictures_have_the_labels_size(upsampling: Upsampling) -> None:
    net = SpadeGenerator(3, 4, widest=2, hidden=4, upsampling=upsampling).eval()
    for size in ((128, 128), (128, 256)):
        assert net(torch.rand(1, 3, *size)).shape == (1, 3, *size)
    assert net.conv_img.in_channels == (2 if upsampling == "most" else 4)


def test_a_missing_noise_is_drawn() -> None:
    net = SpadeGenerator(3, 4, widest=2, hidden=4, latent=5, size=(32, 64)).eval()
    maps = torch.rand(2, 3, 32, 64)
    assert not torch.equal(net(maps), net(maps))
    noise = torch.rand(2, 5)
    assert torch.equal(net(maps, noise), net(maps, noise))


@pytest.mark.parametrize("norm", ["batch", "syncbatch", "instance"])
@pytest.mark.parametrize("latent", [0, 5])
def test_every_channel_is_elastic(norm: FreeNormName, latent: int) -> None:
    net = SpadeGenerator(5, 8, widest=2, hidden=8, norm=norm, latent=latent, size=(64, 64)).eval()
    inputs = (torch.rand(1, 5, 64, 64), *([torch.rand(1, latent)] if latent else []))
    supernet = Supernet(run_passes(trace(net, inputs), [FoldReparametrisation()]))
    with torch.no_grad():
        torch.testing.assert_close(supernet(*inputs), net(*inputs))
    cover = supernet.graph.coverage()
    assert cover.frozen.macs == 0
    smallest = supernet.space.smallest()
    static = supernet.materialise(smallest)
    supernet.activate(smallest)
    assert torch.equal(static(*inputs), supernet(*inputs))


@pytest.mark.parametrize("latent", [0, 8])
def test_four_points_are_where_the_paper_distils(latent: int) -> None:
    net = SpadeGenerator(3, 4, widest=4, hidden=4, latent=latent, size=(32, 32)).eval()
    traced = trace(net, (torch.zeros(1, 3, 32, 32),))
    nodes = {node.name: node for node in traced.module.graph.nodes}
    paths = []
    for point in distillation_points(traced, 4):
        before = nodes[point].all_input_nodes[-1]  # a block ends with its second convolution
        paths.append(str(before.target))
    blocks = ("head_0", "G_middle_1", "up_1", "up_3")
    assert paths == [f"{block}.conv_1" for block in blocks]


def test_spectral_norm_is_on_the_blocks_convolutions_alone() -> None:
    net = SpadeGenerator(3, 4, widest=2, hidden=4)
    found = {name for name, m in net.named_modules() if parametrize.is_parametrized(m)}
    blocks = [name for name, m in net.named_modules() if isinstance(m, SpadeBlock)]
    convs = {f"{block}.conv_{i}" for block in blocks for i in (0, 1)}
    assert found == convs | {"up_3.conv_s"}


def objective(**values: Any) -> GauGanObjective:
    torch.manual_seed(0)
    made = GauGan().objective(GauGanOptions.model_validate({**VALUES, **values}))
    assert isinstance(made, GauGanObjective)
    return made


def paired(seed: int = 0) -> tuple[Batch, Tensor]:
    torch.manual_seed(seed)
    return Batch((torch.rand(2, 17, 32, 32),), torch.rand(2, 3, 32, 32)), torch.rand(2, 3, 32, 32)


def test_the_real_picture_itself_costs_only_the_verdict() -> None:
    made, (batch, _) = objective(), paired()
    assert batch.target is not None
    losses = made.generator_losses(batch, batch.target)
    assert losses["feature_matching"].item() == losses["perceptual"].item() == 0
    assert losses["gan"].item() != 0


def test_terms_have_their_weights_and_can_be_left_out() -> None:
    batch, output = paired()
    once, twice = (objective(lambda_feature=x, lambda_perceptual=x) for x in (1.0, 2.0))
    a, b = (made.eval_losses(batch, output) for made in (Frozen(once), Frozen(twice)))
    assert b["feature_matching"] == pytest.approx(2 * a["feature_matching"])
    assert b["perceptual"] == pytest.approx(2 * a["perceptual"])
    bare = objective(lambda_feature=0, perceptual="none")
    assert set(bare.generator_losses(batch, output)) == {"gan"}
    assert objective(lambda_perceptual=0).perceptual is None


class Frozen:
    """An objective whose spectral norms do not move between two calls."""

    def __init__(self, made: GauGanObjective) -> None:
        self.made = made
        made.discriminators.eval()

    def eval_losses(self, batch: Batch, output: Tensor) -> dict[str, float]:
        with torch.no_grad():
            return {k: float(v) for k, v in self.made.generator_losses(batch, output).items()}


def test_discriminators_terms_are_hinges_that_are_not_halved() -> None:
    made, (batch, output) = objective(discriminators=1), paired()
    assert batch.target is not None
    made.discriminators.eval()
    judge = made.discriminators["discriminator"]
    fake, real = (
        judge(torch.cat([batch.inputs[0], picture], 1))[0][-1] for picture in (output, batch.target)
    )
    losses = made.discriminator_losses(batch, output)
    torch.testing.assert_close(losses["d_fake"], (1 + fake).relu().mean())
    torch.testing.assert_close(losses["d_real"], (1 - real).relu().mean())


def test_the_perceptual_network_is_not_among_what_is_trained_and_written() -> None:
    made = objective()
    assert made.perceptual is not None
    assert not any("network" in key for key in made.discriminators.state_dict())
    assert list(made.discriminators) == ["discriminator"]


def test_an_objective_needs_a_target() -> None:
    batch, output = paired()
    with pytest.raises(ValueError, match="needs a target"):
        objective().generator_losses(Batch(batch.inputs), output)


def test_samples_show_label_maps_as_pictures(scenes: Path, tmp_path: Path) -> None:
    values = {"data": str(scenes), "classes": 4, "dont_care": True, "latent": 2, **NETS}
    options = GauGanOptions.model_validate({**values, "size": 32})
    save_tensors(tmp_path / "generator.safetensors", GauGan().generator(options).state_dict())
    config = RunConfig(family="gaugan", options=options.model_dump(mode="json"))
    quick = config.model_copy(update={"decompose": DecomposeConfig(layers="none")})
    project = prepare(GauGan(), quick, tmp_path / "generator.safetensors")
    shown = _samples(project, project.teacher.module)
    assert {name: tuple(pictures.shape) for name, pictures in shown.items()} == dict.fromkeys(
        ("input", "target", "teacher", "compressed"), (2, 3, 32, 32)
    )


def test_recipes_say_what_was_published() -> None:
    recipes = GauGan().recipes()
    assert set(recipes) == {"cityscapes", "cityscapes-mobile", "coco", "landcover"}
    for name, channels in (("cityscapes", 36), ("cityscapes-mobile", 36), ("coco", 184)):
        recipe = recipes[name]
        assert GauGanOptions.model_validate(recipe.options).channels == channels
        for stage in (recipe.train, recipe.distill, recipe.finetune):
            assert stage.optimiser.lr_discriminator == 4 * stage.optimiser.lr == 4e-4
            assert stage.optimiser.betas == (0.0, 0.9)
            assert stage.lambda_recon == 0


@pytest.mark.parametrize(
    ("name", "batch", "pictures", "epochs", "constant"),
    [
        ("cityscapes", 16, (2975, 2775, 2975), (200, 400, 200), 0.5),
        ("cityscapes-mobile", 16, (2975, 2775, 2975), (200, 200, 200), 0.5),
        ("coco", 32, (118_287, 118_287, 118_287), (100, 100, 100), 1.0),
    ],
)
def test_published_recipes_train_as_long_as_the_papers_say(
    name: str,
    batch: int,
    pictures: tuple[int, int, int],
    epochs: tuple[int, int, int],
    constant: float,
) -> None:
    recipe = GauGan().recipes()[name]
    stages = (recipe.train, recipe.distill, recipe.finetune)
    for stage, count, times in zip(stages, pictures, epochs, strict=True):
        assert stage.steps == pytest.approx(count / batch * times, rel=2e-3)
        assert (stage.batch_size, stage.optimiser.decay_from) == (batch, constant)
        assert stage.lambda_gan == 1
    assert recipe.distill.lambda_distill == recipe.finetune.lambda_distill == 10
    options = GauGanOptions.model_validate(recipe.options)
    assert options.lambda_feature == options.lambda_perceptual == 10
    assert (options.discriminators, options.discriminator_layers) == (2, 4)
    assert (options.gan_mode, options.perceptual) == ("hinge", "vgg")
    assert recipe.search.macs == {"cityscapes": "32G", "coco": "36G"}[name.removesuffix("-mobile")]


@pytest.mark.parametrize("name", ["cityscapes", "coco", "landcover"])
def test_recipes_decompose_what_makes_scale_and_shift(name: str) -> None:
    recipe = GauGan().recipes()[name]
    options = GauGanOptions.model_validate(
        {**recipe.options, "generator_width": 2, "hidden": 2, "spectral": False}
    )
    net = GauGan().generator(options)
    expected = [n for n, _ in net.named_modules() if n.endswith(("mlp_gamma", "mlp_beta"))]
    assert list(recipe.decompose.layers) == expected


def test_the_teacher_ships_with_its_licence_and_card() -> None:
    folder = GauGan().recipes()["landcover"].teacher
    assert folder is not None
    names = {"generator.safetensors", "discriminators.safetensors", "LICENSE", "card.md"}
    assert {path.name for path in folder.iterdir()} == names
    assert all(path.stat().st_size <= 8_000_000 for path in folder.iterdir())


def test_the_teacher_paints_places_it_has_not_seen() -> None:
    family, recipe = GauGan(), GauGan().recipes()["landcover"]
    assert recipe.teacher is not None
    options = GauGanOptions.model_validate(recipe.options)
    generator = family.generator(options).eval()
    generator.load_state_dict(load_file(recipe.teacher / "generator.safetensors"))
    family.objective(options).discriminators.load_state_dict(
        load_file(recipe.teacher / "discriminators.safetensors")
    )
    data: Any = family.dataset(options, "val")
    batch = collate([data[index] for index in range(0, len(data), len(data) // 48)])
    assert batch.target is not None
    with torch.no_grad():
        made = generator(*batch.inputs)
    plain = family.baseline(options, batch)
    # Nearer to the real picture than flat colours, and textured about as much as it.
    assert (made - batch.target).abs().mean() < (plain - batch.target).abs().mean()
    assert texture(made) == pytest.approx(texture(batch.target), rel=0.4)


def texture(pictures: Tensor) -> float:
    """Mean difference between neighbours."""
    return float((pictures[..., 1:] - pictures[..., :-1]).abs().mean())
