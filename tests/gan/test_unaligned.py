from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from gancompress.errors import DataError
from gancompress.gan import UnalignedPictures, collate, read_domain

Pixels = npt.NDArray[np.uint8]


def numbered(count: int, first: int = 0, size: int = 8, channels: int = 3) -> Pixels:
    values = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, size, size, channels)).copy()


def value(picture: torch.Tensor) -> int:
    return round((float(picture[0, 0, 0]) + 1) * 127.5)


def save(folder: Path, count: int, *, size: int = 8, mode: str = "RGB") -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        colour = tuple(
            255 if band == "A" else 10 * i for band in Image.new(mode, (1, 1)).getbands()
        )
        Image.new(mode, (size, size + i), colour).save(folder / f"{i}.png")


def test_the_partner_is_drawn_by_torchs_generator() -> None:
    data = UnalignedPictures(numbered(6), numbered(9, 100), train=True)
    assert len(data) == 9

    def partners(seed: int) -> list[int]:
        torch.manual_seed(seed)
        return [value(data[0].extras["real"]) for _ in range(40)]

    assert partners(1) == partners(1) != partners(2)
    assert set(partners(1) + partners(2) + partners(3)) == set(range(100, 109))
    assert value(data[8].inputs[0]) == 2  # a smaller domain comes round again
    assert data[0].target is None


def test_for_evaluation_every_input_comes_once_and_the_partner_stays() -> None:
    data = UnalignedPictures(numbered(6), numbered(4, 100))
    assert [value(data[i].inputs[0]) for i in range(len(data))] == list(range(6))
    partners = [value(data[i].extras["real"]) for i in range(6)]
    torch.manual_seed(5)
    assert partners == [value(data[i].extras["real"]) for i in range(6)]
    assert set(partners[:4]) == {100, 101, 102, 103}
    assert partners[4:] == partners[:2]
    batch = collate([data[0], data[1]])
    assert batch.real is not None
    assert batch.real.shape == (2, 3, 8, 8)


def test_training_pictures_are_cropped_and_mirrored_each_on_its_own() -> None:
    across = np.broadcast_to(np.arange(12, dtype=np.uint8)[:, None], (3, 12, 12, 1)).copy()
    data = UnalignedPictures(across, across, train=True, size=8, flip=True, flip_vertical=True)
    torch.manual_seed(0)
    samples = [data[0] for _ in range(60)]
    rows = {tuple(((s.inputs[0][0, 0] + 1) * 127.5).round().int().tolist()) for s in samples}
    shifts = {row[0] for row in rows if row[0] < row[-1]}
    assert shifts == {0, 1, 2, 3, 4}
    assert any(row[0] > row[-1] for row in rows)
    assert any(not torch.equal(s.inputs[0], s.extras["real"]) for s in samples)
    # Held-out pictures are taken from the middle.
    held = UnalignedPictures(across, across, size=8, flip=True)[0].inputs[0]
    assert value(held) == 2
    assert held.shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("inputs", "reals", "size", "sentence"),
    [
        (numbered(0), numbered(2), None, "the inputs hold no picture"),
        (numbered(2), numbered(0), None, "the reals hold no picture"),
        (numbered(2), numbered(2, size=12), None, "8x8 pixels and the other domain 12x12"),
        (numbered(2), numbered(2), 16, "8x8 pixels, too small for crops of 16"),
        (numbered(2)[..., 0], numbered(2), None, "not bytes of"),
        (numbered(2).astype(np.float32), numbered(2), None, "are float32 of shape"),
    ],
)
def test_domains_that_do_not_fit_are_one_sentence(
    inputs: Pixels, reals: Pixels, size: int | None, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        UnalignedPictures(inputs, reals, size=size)


def test_val_is_carved_from_train_by_name_and_both_are_disjoint(tmp_path: Path) -> None:
    save(tmp_path / "trainA", 20)
    train, val = (read_domain(tmp_path, "A", split, size=8) for split in ("train", "val"))
    assert (len(train), len(val)) == (18, 2)
    values = [int(p[0, 0, 0]) for p in (*train, *val)]
    assert sorted(values) == [10 * i for i in range(20)]
    assert np.array_equal(val, read_domain(tmp_path, "A", "val", size=8))
    assert train.shape == (18, 8, 8, 3)  # pictures of several sizes are brought to one


def test_a_val_of_ones_own_is_taken_and_train_stays_whole(tmp_path: Path) -> None:
    for name, count in (("trainA", 3), ("valA", 2), ("valB", 1)):
        save(tmp_path / name, count)
    assert len(read_domain(tmp_path, "A", "train", size=8)) == 3
    assert len(read_domain(tmp_path, "A", "val", size=8)) == 2


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_pictures_of_one_to_four_channels_are_read(
    tmp_path: Path, channels: int, mode: str
) -> None:
    save(tmp_path / "testA", 2, mode=mode)
    pixels = read_domain(tmp_path, "A", "test", size=8, channels=channels)
    assert pixels.shape == (2, 8, 8, channels)
    colours = pixels[1][..., : channels - len(mode.partition("A")[1])]
    assert colours.min() == colours.max() == 10


def test_a_missing_domain_is_named(tmp_path: Path) -> None:
    save(tmp_path / "trainA", 4)
    with pytest.raises(DataError, match="has no folder 'trainB'"):
        read_domain(tmp_path, "B", "train", size=8)
    with pytest.raises(DataError, match="has no folder 'testA'"):
        read_domain(tmp_path, "A", "test", size=8)
    with pytest.raises(DataError, match="nowhere' is not a folder"):
        read_domain(tmp_path / "nowhere", "A", "test", size=8)


def test_one_val_without_the_other_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "trainA", 4)
    save(tmp_path / "valB", 2)
    with pytest.raises(DataError, match="has a folder 'valB' but no 'valA'"):
        read_domain(tmp_path, "A", "train", size=8)


@pytest.mark.parametrize(("count", "words"), [(1, "holds 1 picture,"), (3, "holds 3 pictures,")])
def test_a_set_too_small_to_carve_is_refused(tmp_path: Path, count: int, words: str) -> None:
    save(tmp_path / "trainA", count)
    with pytest.raises(DataError, match=words):
        read_domain(tmp_path, "A", "train", size=8)
