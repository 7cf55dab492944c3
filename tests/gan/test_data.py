import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gancompress.errors import DataError
from gancompress.gan import Batch, PairedPictures, collate, find_pictures, read_pairs, read_picture


def write(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_pictures_become_tensors_between_minus_one_and_one() -> None:
    data = PairedPictures(np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8))
    sample = data[0]
    assert sample.target is not None
    assert torch.equal(sample.inputs[0], -torch.ones(3, 4, 4))
    assert torch.equal(sample.target, torch.ones(3, 4, 4))


def test_augmentation_treats_both_pictures_of_a_pair_alike() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    data = PairedPictures(pixels, pixels, flip=True, flip_vertical=True, shift=3)
    torch.manual_seed(0)
    samples = [data[0] for _ in range(20)]
    assert all(s.target is not None and torch.equal(s.inputs[0], s.target) for s in samples)
    assert len({s.inputs[0].sum().item() for s in samples}) > 3


def test_collate_stacks_targets_and_extras() -> None:
    samples = [Batch((torch.zeros(3, 2, 2),), None, {"label": torch.tensor(i)}) for i in range(3)]
    batch = collate(samples).to("cpu")
    assert len(batch) == 3
    assert batch.target is None
    assert batch.extras["label"].tolist() == [0, 1, 2]


def test_side_by_side_pictures_are_cut_and_can_be_swapped(tmp_path: Path) -> None:
    both = Image.new("RGB", (16, 8), "black")
    both.paste((255, 255, 255), (8, 0, 16, 8))
    both.save(tmp_path / "1.png")
    inputs, targets = read_pairs(tmp_path, size=8)
    assert inputs.max() == 0
    assert targets.min() == 255
    swapped, _ = read_pairs(tmp_path, size=8, swap=True)
    assert swapped.min() == 255


def test_two_folders_are_paired_by_name(tmp_path: Path) -> None:
    write(tmp_path / "A" / "x.png", (0, 0, 0), (20, 12))
    write(tmp_path / "B" / "x.jpg", (255, 255, 255))
    inputs, targets = read_pairs(tmp_path, size=8)
    assert inputs.shape == targets.shape == (1, 8, 8, 3)


def test_unequal_pair_counts_name_the_lonely_picture(tmp_path: Path) -> None:
    write(tmp_path / "A" / "x.png", (0, 0, 0))
    write(tmp_path / "A" / "y.png", (0, 0, 0))
    write(tmp_path / "B" / "x.png", (0, 0, 0))
    with pytest.raises(DataError, match="2 pictures in A and 1 in B, and 'y' stands alone"):
        read_pairs(tmp_path, size=8)


def test_a_missing_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        find_pictures(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match="holds no picture"):
        find_pictures(tmp_path)


@pytest.mark.parametrize("cut", [0, 20, 60])
def test_an_unreadable_picture_is_named(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "broken.png", (9, 9, 9), (64, 64))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"broken\.png' cannot be read"):
        read_picture(path)


def test_one_channel_is_grey(tmp_path: Path) -> None:
    assert read_picture(write(tmp_path / "g.png", (10, 10, 10)), channels=1).shape == (8, 8, 1)


def test_pairs_must_be_there_and_even() -> None:
    one, none = np.zeros((1, 4, 4, 3), np.uint8), np.zeros((0, 4, 4, 3), np.uint8)
    with pytest.raises(DataError, match="1 inputs but 0 targets"):
        PairedPictures(one, none)
    with pytest.raises(DataError, match="not one pair"):
        PairedPictures(none, none)


def test_endings_do_not_decide_who_belongs_to_whom(tmp_path: Path) -> None:
    shades = {"a": 40, "a.k": 200}
    for folder, endings in {"A": (".png", ".png"), "B": (".jpg", ".png")}.items():
        (tmp_path / folder).mkdir()
        for (name, shade), ending in zip(shades.items(), endings, strict=True):
            Image.new("RGB", (8, 8), (shade,) * 3).save(tmp_path / folder / f"{name}{ending}")
    inputs, targets = read_pairs(tmp_path, size=8)
    assert np.abs(inputs.astype(int) - targets.astype(int)).max() < 5


def test_a_name_that_stands_for_two_pictures_is_refused(tmp_path: Path) -> None:
    for name in ("A/0.png", "A/0.jpg", "B/0.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    with pytest.raises(DataError, match="have the same name"):
        read_pairs(tmp_path, size=8)


def test_pictures_of_all_kinds_show_what_a_viewer_shows(tmp_path: Path) -> None:
    deep = np.full((4, 8), 30_000, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert set(np.unique(read_picture(tmp_path / "deep.png"))) == {30_000 // 257}
    Image.new("RGBA", (8, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").min() == 255
    turned = Image.new("RGB", (8, 4))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (8, 4, 3)


def test_pictures_are_made_small_one_by_one(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    for index in range(12):
        Image.fromarray(pixels).save(tmp_path / f"{index}.bmp")
    tracemalloc.start()
    inputs, targets = read_pairs(tmp_path, size=8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inputs.shape == targets.shape == (12, 8, 8, 3)
    # Never more than a few copies of one picture, where there are twelve.
    assert peak < 4 * pixels.nbytes


def giant_png(path: Path, side: int) -> Path:
    """A few bytes that say they are a picture of many pixels."""
    content = bytearray(write(path, (9, 9, 9)).read_bytes())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns of the one, refuses the other
def test_a_decompression_bomb_is_named(tmp_path: Path, side: int) -> None:
    path = giant_png(tmp_path / "bomb.png", side)
    with pytest.raises(DataError, match=r"bomb\.png' has more than 89,478,485 pixels"):
        read_picture(path)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "1.jpg", (0, 0, 0))
    for name in ("._1.jpg", ".hidden.png"):
        (tmp_path / name).write_bytes(b"no picture")
    assert find_pictures(tmp_path) == (tmp_path / "1.jpg",)


def test_a_picture_of_one_column_is_no_pair(tmp_path: Path) -> None:
    write(tmp_path / "thin.png", (0, 0, 0), (1, 8))
    with pytest.raises(DataError, match=r"thin\.png' is one pixel wide"):
        read_pairs(tmp_path, size=8)
