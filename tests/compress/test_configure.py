from pathlib import Path

import pytest

from gancompress.compress import configure
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
        ("steps = 3", "'steps' in .*run.toml cannot be used"),
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
