import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gancompress.errors import DataError
from gancompress.gan import FolderPairs, read_pairs


def write(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


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


def test_a_picture_of_one_column_is_no_pair(tmp_path: Path) -> None:
    write(tmp_path / "thin.png", (0, 0, 0), (1, 8))
    with pytest.raises(DataError, match=r"thin\.png' is one pixel wide"):
        read_pairs(tmp_path, size=8)


def test_every_unreadable_picture_is_named(tmp_path: Path) -> None:
    for index in range(5):
        write(tmp_path / f"{index}.png", (0, 0, 0), (16, 8))
    (tmp_path / "1.png").write_bytes(b"no picture")
    write(tmp_path / "3.png", (0, 0, 0), (1, 8))
    with pytest.raises(DataError, match="2 pictures of") as caught:
        read_pairs(tmp_path, size=8)
    assert f"'{tmp_path / '1.png'}' cannot be read as a picture" in caught.value.message
    assert f"'{tmp_path / '3.png'}' is one pixel wide" in caught.value.message


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_inputs_and_targets_have_channels_of_their_own(
    tmp_path: Path, *, swap: bool, apart: bool
) -> None:
    left, right = (Image.new("RGBA", (8, 8), (c, c, c, 90)) for c in (50, 150))
    if apart:
        for name, half in (("A", left), ("B", right)):
            (tmp_path / name).mkdir()
            half.save(tmp_path / name / "x.png")
    else:
        both = Image.new("RGBA", (16, 8))
        both.paste(left, (0, 0))
        both.paste(right, (8, 0))
        both.save(tmp_path / "x.png")
    inputs, targets = read_pairs(tmp_path, size=8, swap=swap, channels_in=1, channels_out=4)
    assert inputs.shape == (1, 8, 8, 1)
    assert targets.shape == (1, 8, 8, 4)
    shade = 50 if swap else 150
    assert targets[0, 4, 4].tolist() == [shade, shade, shade, 90]


def test_both_pictures_of_a_pair_are_named(tmp_path: Path) -> None:
    for name in ("A/x.png", "B/x.png", "A/y.png", "B/y.png"):
        write(tmp_path / name, (0, 0, 0))
    for name in ("A/x.png", "B/x.png", "B/y.png"):
        (tmp_path / name).write_bytes(b"no picture")
    for find in (FolderPairs(tmp_path, size=8).read_all, FolderPairs(tmp_path, size=8).check):
        with pytest.raises(DataError, match="3 pictures of") as caught:
            find()
        for name in ("A/x.png", "B/x.png", "B/y.png"):
            assert f"'{tmp_path / name}' cannot be read" in caught.value.message
