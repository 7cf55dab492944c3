"""`gancompress.open_subject`: a trained generator and its data, before anything is compressed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import gancompress
from gancompress.errors import CheckpointError, ConfigError
from gancompress.store import save_tensors
from gancompress_pix2pix.family import Pix2Pix


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    for split in ("train", "val", "test"):
        for index in range(4):
            pair = tmp_path / "pairs" / split / f"{index}.png"
            pair.parent.mkdir(parents=True, exist_ok=True)
            Image.radial_gradient("L").resize((64, 32)).save(pair)
    small = {"size": 32, "generator_width": 4, "blocks": 1, "discriminator_width": 4}
    return {"data": str(tmp_path / "pairs"), **small}


def test_a_subject_has_the_weights_and_the_pictures(
    options: dict[str, Any], tmp_path: Path
) -> None:
    torch.manual_seed(3)
    trained = Pix2Pix().generator(Pix2Pix.options(**options)).eval()
    save_tensors(tmp_path / "generator.safetensors", trained.state_dict())
    subject = gancompress.open_subject("pix2pix", options=options, teacher=tmp_path)
    (batch,) = subject.batches("test", 8, most=3)
    assert batch.inputs[0].shape == (3, 3, 32, 32)
    assert len(subject.data("train")) == 4
    with torch.no_grad():
        assert torch.equal(subject.generator(*batch.inputs), trained(*batch.inputs))
    assert torch.equal(subject.baseline(batch), batch.inputs[0])


def test_the_weights_of_the_recipe_come_with_it(options: dict[str, Any]) -> None:
    data = {"data": options["data"], "size": 32}
    subject = gancompress.open_subject(Pix2Pix(), recipe="openmoji", options=data)
    assert sum(p.numel() for p in subject.generator.parameters()) == 2_850_563
    assert not subject.generator.training


def test_weights_that_are_not_there_or_do_not_fit_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no trained generator of family 'pix2pix'") as found:
        gancompress.open_subject("pix2pix", options=options)
    assert "recipe=" in (found.value.hint or "")
    with pytest.raises(CheckpointError, match="another architecture"):
        gancompress.open_subject("pix2pix", recipe="openmoji", options=options)
