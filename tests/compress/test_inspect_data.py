from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gancompress.compress import DataReport, inspect_data
from gancompress_gaugan.family import GauGan
from gancompress_gaugan.options import GauGanOptions
from gancompress_pix2pix.family import Pix2Pix
from gancompress_pix2pix.options import Pix2PixOptions


def picture(path: Path, seed: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for place, split in enumerate(("train", "val", "test")):
        for half in (0, 1):
            for index in range(3):
                picture(tmp_path / split / "AB"[half] / f"{index}.png", 100 * place + index + half)
    return tmp_path


def look(folder: Path) -> DataReport:
    return inspect_data(Pix2Pix(), Pix2PixOptions(data=folder, size=32))


def errors(report: DataReport) -> list[tuple[str, str]]:
    return [(Path(p.path).name, p.text) for p in report.problems if p.severity == "error"]


def test_sound_pairs_have_figures_and_only_the_warning_that_they_are_few(pairs: Path) -> None:
    picture(pairs / "train" / "A" / "0.png", 7, (20, 10), "L")
    report = look(pairs)
    assert report.sound
    (row,) = [f for f in report.figures if (f.split, f.part) == ("train", "A")]
    assert (row.pictures, row.smallest, row.largest) == (3, (20, 10), (16, 16))
    assert row.modes == {"L": 1, "RGB": 2}
    texts = {p.text for p in report.problems}
    assert "1 of 3 files have 1 channel (grey) and are read with 3 channels (colour), such as " in (
        " ".join(texts)
    )
    assert {p.severity for p in report.problems} == {"warning"}


def test_every_file_that_cannot_be_read_is_named(pairs: Path) -> None:
    (pairs / "train" / "A" / "0.png").write_bytes(b"")
    data = (pairs / "val" / "B" / "2.png").read_bytes()
    (pairs / "val" / "B" / "2.png").write_bytes(data[: len(data) // 2])
    (pairs / "test" / "A" / "1.png").write_text("<html>")
    found = errors(look(pairs))
    assert {name for name, _ in found} == {"0.png", "1.png", "2.png"}
    assert len(found) == 3


def test_a_picture_of_too_many_pixels_is_one_problem(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(pairs / "train" / "A" / "0.png", 5, (40, 40))
    for limit in (1000, 500):  # Pillow warns from one size on, and refuses from twice that on
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        ((name, text),) = errors(look(pairs))
        assert name == "0.png"
        assert "pixels" in text


def test_every_picture_without_a_partner_is_named(pairs: Path) -> None:
    picture(pairs / "train" / "A" / "a.png", 1)
    picture(pairs / "train" / "A" / "b.png", 2)
    picture(pairs / "train" / "B" / "c.png", 3)
    assert errors(look(pairs)) == [
        ("a.png", "it has no partner in B"),
        ("b.png", "it has no partner in B"),
        ("c.png", "it has no partner in A"),
    ]


def test_two_files_of_one_name_are_both_named(pairs: Path) -> None:
    picture(pairs / "train" / "A" / "0.bmp", 1)
    assert [name for name, _ in errors(look(pairs))] == ["0.bmp", "0.png"]


def test_a_split_that_is_missing_or_empty_is_named(pairs: Path) -> None:
    (pairs / "val").rename(pairs / "valid")
    for path in (pairs / "test" / "B").iterdir():
        path.unlink()
    texts = [p.text for p in look(pairs).problems if p.severity == "error"]
    assert len(texts) == 2
    assert "/val' is not a folder" in texts[0]
    assert "test/B' holds no picture" in texts[1]


def test_a_picture_that_is_trained_on_and_held_out_is_a_warning(pairs: Path) -> None:
    data = (pairs / "train" / "B" / "1.png").read_bytes()
    (pairs / "test" / "B" / "2.png").write_bytes(data)
    report = look(pairs)
    assert report.sound
    assert any("it is the same file as" in p.text and "'train'" in p.text for p in report.problems)


def test_pairs_side_by_side_have_an_even_width(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "val", "test")):
        picture(tmp_path / split / "0.png", place, (32, 16))
    assert look(tmp_path).sound
    picture(tmp_path / "val" / "1.png", 8, (33, 16))
    picture(tmp_path / "val" / "2.png", 9, (1, 16))
    assert [name for name, _ in errors(look(tmp_path))] == ["1.png", "2.png"]


def test_labels_outside_the_map_are_named(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "val", "test")):
        picture(tmp_path / split / "image" / "0.png", place, (64, 64))
        labels = np.full((64, 64), place, np.uint8)
        labels[0, :3] = (9, 200, 255)
        (tmp_path / split / "label").mkdir()
        Image.fromarray(labels).save(tmp_path / split / "label" / "0.png")
    options = GauGanOptions(data=tmp_path, classes=10, dont_care=True, size=64)
    report = inspect_data(GauGan(), options)
    assert {text for _, text in errors(report)} == {"the labels 200 are outside the map"}
    assert report.errors == 3
    picture(tmp_path / "val" / "label" / "0.png", 5)
    report = inspect_data(GauGan(), options)
    assert any("of mode 'RGB'" in text for _, text in errors(report))


def test_a_family_that_names_no_folders_is_opened(pairs: Path) -> None:
    class Silent(Pix2Pix):
        def folders(self, options: Pix2PixOptions) -> tuple[()]:
            return ()

    options = Pix2PixOptions(data=pairs, size=32)
    assert [f.pictures for f in inspect_data(Silent(), options).figures] == [3, 3, 3]
    (pairs / "val" / "A" / "0.png").write_bytes(b"")
    report = inspect_data(Silent(), options)
    assert not report.sound
    assert [p.split for p in report.problems] == ["val"]
