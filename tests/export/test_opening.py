"""One callable from images to images, whatever runs it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import gancompress
from gancompress.errors import CheckpointError, DataError, ExportError
from gancompress.export import CompressedModel, Translator, export

PICTURES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Mirror(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return -x


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "net.onnx"
    return export(Mirror(), path, inputs=(PICTURES,)).path


@pytest.fixture(scope="module")
def mirror(file: Path) -> Translator:
    return gancompress.load(file)


def test_out_comes_what_went_in(mirror: Translator) -> None:
    torch.testing.assert_close(mirror(PICTURES), -PICTURES)
    np.testing.assert_array_equal(mirror(PICTURES.numpy()), -PICTURES.numpy())
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(mirror(pixels), 255 - pixels)
    np.testing.assert_array_equal(mirror(pixels[0]), 255 - pixels[0])
    image = Image.fromarray(pixels[0])
    np.testing.assert_array_equal(np.asarray(mirror(image)), 255 - pixels[0])
    both = mirror([image, image])
    assert [one.size for one in both] == [(8, 6), (8, 6)]


def test_grey_pictures(tmp_path: Path) -> None:
    path = export(Mirror(), tmp_path / "net.onnx", inputs=(PICTURES[:, :1],)).path
    opened = gancompress.load(path)
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    np.testing.assert_array_equal(np.asarray(opened(grey)), 255 - np.asarray(grey))
    assert opened([grey])[0].mode == "L"


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((1, 4, 8, 8), np.float32), "takes inputs of N×3×8×8 and was given 1×4×8×8"),
        (np.zeros((3, 8, 8), np.float32), "was given 3×8×8"),
        (np.zeros((0, 3, 8, 8), np.float32), "was given 0×3×8×8"),
        (np.full((1, 3, 8, 8), 255, np.float32), r"takes values in \[-1, 1\] and was given"),
        (np.full((1, 3, 8, 8), np.nan, np.float32), r"takes values in \[-1, 1\] and was given"),
        (np.zeros((1, 3, 8, 8), np.int64), "takes 'float32' and was given 'int64'"),
        (np.zeros((8, 8, 4), np.uint8), "was given 1×4×8×8"),
        (
            [Image.new("RGB", (8, 8)), Image.new("RGB", (4, 8))],
            "the images differ in size or mode",
        ),
    ],
)
def test_other_images_are_refused_in_one_sentence(
    mirror: Translator, images: Any, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        mirror(images)


def test_the_number_of_inputs(mirror: Translator) -> None:
    with pytest.raises(DataError, match="takes 1 inputs and was given 2"):
        mirror(PICTURES, PICTURES)


def test_a_fixed_size_is_asked_for(tmp_path: Path) -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map = nn.Parameter(torch.rand(1, 3, 8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.map

    opened = gancompress.load(export(Fixed(), tmp_path / "net.onnx", inputs=(PICTURES,)).path)
    assert opened(PICTURES[:3]).shape == (3, 3, 8, 8)
    with pytest.raises(DataError, match="takes inputs of N×3×8×8"):
        opened(PICTURES.repeat(1, 1, 2, 2))


def test_a_saved_model_too(tmp_path: Path) -> None:
    supernet = gancompress.Supernet(gancompress.trace(nn.Conv2d(3, 3, 1), (PICTURES[:1],)))
    model = CompressedModel.from_supernet(supernet, supernet.space.largest())
    place = model.save(tmp_path / "model")
    for path in (place, place / "model.json"):
        found = gancompress.load(path)(PICTURES)
        torch.testing.assert_close(found, model.module(PICTURES).detach())


def test_a_file_without_a_card_is_known_by_its_ending(file: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(file.read_bytes())
    torch.testing.assert_close(gancompress.load(bare)(PICTURES), -PICTURES)


def test_files_that_cannot_be_opened(file: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no file"):
        gancompress.load(tmp_path / "nothing.onnx")
    (tmp_path / "net.zip").write_text("?")
    with pytest.raises(ExportError, match=r"no export target writes 'net.zip'"):
        gancompress.load(tmp_path / "net.zip")
    (tmp_path / "net.onnx").write_text("?")
    with pytest.raises(CheckpointError, match=r"net.onnx' cannot be loaded: "):
        gancompress.load(tmp_path / "net.onnx")
    card = json.loads(Path(f"{file}.json").read_text())
    place = tmp_path / "net.onnx.json"
    for content, sentence in (
        ("{", "is no card of an export"),
        ("{}", "is no card of an export"),
        (json.dumps({**card, "version": 99}), "is no card that this version reads"),
    ):
        place.write_text(content)
        with pytest.raises(CheckpointError, match=sentence):
            gancompress.load(tmp_path / "net.onnx")
