from pathlib import Path

import pytest
import torch

from gancompress.compress import configure
from gancompress.distill.sampler import step_seed
from gancompress.errors import ConfigError
from gancompress_pix2pix.family import Pix2Pix


def test_recipe_then_file_then_options_then_overrides(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[options]\nblocks = 3\nsize = 48\n[train]\nsteps = 7\nbatch_size = 2\n")
    merged = configure(
        Pix2Pix(),
        recipe="openmoji",
        config=file,
        options=["size=32"],
        overrides={"train": {"steps": 5}},
    )
    assert merged.options["generator_width"] == 32  # from the recipe
    assert merged.options["blocks"] == 3  # from the file
    assert merged.options["size"] == 32  # from the options
    assert (merged.train.steps, merged.train.batch_size) == (5, 2)
    assert merged.train.ema == 0.999
    assert merged.recipe == "openmoji"
    assert merged.family == "pix2pix"


def test_every_option_is_spelt_out_so_that_a_later_default_changes_no_run() -> None:
    options = configure(Pix2Pix()).options
    assert options.keys() == Pix2Pix.options.model_fields.keys()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps = 3", "'steps' in '.*run.toml' cannot be used"),
        ("[train]\nsteps = 'many'", "'train.steps'"),
        ("[train\n", "is not TOML"),
        ("train = 3", "'train' in"),
    ],
)
def test_a_bad_file_names_the_key(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        configure(Pix2Pix(), config=file)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[train]\nsteps = [3]", "train.steps"),
        ("[train.steps]\nfirst = 3", "train.steps"),
        ("[train]\nsteps = 2024-02-30T00:00:00Z", "is not TOML"),
        ("[train]\nsteps = 2024-02-03", "train.steps"),
        ("[train.optimiser]\nlr = inf", "train.optimiser.lr"),
        ("[train]\nlambda_gan = inf", "train.lambda_gan"),
        ("[train.optimiser]\nbetas = [0.5]", "train.optimiser.betas.1"),
        ("[train.optimiser]\nbetas = [2.0, 0.9]", "train.optimiser.betas.0"),
        ("[train.optimiser]\nclip_grad_norm = -1", "train.optimiser.clip_grad_norm"),
        ("recipe = ['openmoji']", "recipe"),
        ("recipe = 3", "recipe"),
        ("options = 3", "options"),
        ("options = [1]", "options"),
        ("generator = 3", "generator"),
        ("generator = {a = 1}", "generator"),
        ("teacher = 3", "teacher"),
        ("[inputs]\nx = [1, -3]", "inputs.x.1"),
        ("[inputs]\nx = 3", "inputs.x"),
        ("seed = -1", "seed"),
        (f"seed = {10**30}", "seed"),
        ("seed = 07:30:00", "seed"),
        ("[search]\nmacs = [3]", "search.macs"),
        ("[search]\nmacs = nan", "search.macs"),
        (f"seed = {'9' * 5000}", "is not TOML"),
    ],
)
def test_a_value_of_an_odd_type_names_the_key_and_the_file(
    tmp_path: Path, text: str, key: str
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.toml'") as caught:
        configure(Pix2Pix(), config=file)
    assert key in caught.value.message
    assert "\n" not in caught.value.message


def test_the_known_keys_are_those_beside_the_unknown_one(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[train.optimiser]\nlearning_rate = 1\n")
    with pytest.raises(ConfigError, match=r"'train\.optimiser\.learning_rate'") as caught:
        configure(Pix2Pix(), config=file)
    assert caught.value.hint.startswith("known keys: lr, lr_discriminator, betas")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("seed = 3\n", encoding="utf-8-sig")
    assert configure(Pix2Pix(), config=file).seed == 3


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_every_seed_that_is_admitted_seeds_every_step(seed: int) -> None:
    chosen = configure(Pix2Pix(), overrides={"seed": seed}).seed
    torch.manual_seed(step_seed(chosen, 10**9))


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("")
    file = tmp_path / "run.toml"
    file.write_text('generator = "net.py:make"\n[options]\ndata = "pictures"\n')
    whole = str(tmp_path / "pictures")
    merged = configure(Pix2Pix(), config=file)
    assert merged.options["data"] == whole
    assert merged.generator == f"{tmp_path / 'net.py'}:make"
    assert configure(Pix2Pix(), options=["data=pictures"]).options["data"] == whole
    assert configure(Pix2Pix(), options=[f"data={whole}"]).options["data"] == whole
    assert configure(Pix2Pix()).options["data"] == "openmoji"
