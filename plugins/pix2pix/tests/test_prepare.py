from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gancompress import DataError
from gancompress.compress import inspect_data
from gancompress.gan import prepare_data
from gancompress_pix2pix.family import Pix2Pix
from gancompress_pix2pix.options import Pix2PixOptions
from gancompress_pix2pix.prepare import PAIRS, PairsOptions


def write(folder: Path, names: str, size: tuple[int, int] = (48, 32), ending: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(names) + sum(folder.name.encode()))
    for name in names:
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.{ending}")
    return folder


def names(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


@pytest.mark.parametrize("layout", ["side-by-side", "folders"])
@pytest.mark.parametrize("size", [None, 40])
def test_pairs_can_be_read_and_are_all_there(tmp_path: Path, layout: str, size: int | None) -> None:
    a, b = write(tmp_path / "a", "abcdefghij"), write(tmp_path / "b", "abcdefghij", ending="bmp")
    out = tmp_path / "out"
    options = PairsOptions.model_validate({"layout": layout, "size": size})
    assert prepare_data(PAIRS, [a, b], out, options) == {"train": 8, "val": 1, "test": 1}
    chosen = Pix2PixOptions(data=out, size=32)
    assert inspect_data(Pix2Pix(), chosen).sound
    parts = [out / split for split in ("train", "val", "test")]
    parts = [part / "A" for part in parts] if layout == "folders" else parts
    assert set.union(*map(names, parts)) == set("abcdefghij")
    batch = Pix2Pix().dataset(chosen, "train")[0]
    assert batch.inputs[0].shape == (3, 32, 32)


def test_side_by_side_has_a_on_the_left(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", "abc"), write(tmp_path / "b", "abc")
    prepare_data(PAIRS, [a, b], tmp_path / "out", PairsOptions())
    (path,) = (tmp_path / "out" / "test").iterdir()
    both = np.asarray(Image.open(path))
    assert np.array_equal(both[:, :48], np.asarray(Image.open(a / path.name)))
    assert np.array_equal(both[:, 48:], np.asarray(Image.open(b / path.name)))


def test_splits_that_are_there_are_kept(tmp_path: Path) -> None:
    for split, which in (("train", "abcdefgh"), ("test", "xy")):
        for half in "AB":
            write(tmp_path / half / split, which)
    counts = prepare_data(PAIRS, [tmp_path / "A", tmp_path / "B"], tmp_path / "out", PairsOptions())
    assert counts == {"train": 7, "test": 2, "val": 1}
    assert names(tmp_path / "out" / "test") == {"x", "y"}
    assert names(tmp_path / "out" / "val") < set("abcdefgh")


def test_shares_are_of_all_pairs(tmp_path: Path) -> None:
    which = "abcdefghijklmnopqrst"
    a, b = write(tmp_path / "a", which), write(tmp_path / "b", which)
    options = PairsOptions(val=0.25, test=0.25)
    counts = prepare_data(PAIRS, [a, b], tmp_path / "out", options)
    assert counts == {"train": 10, "val": 5, "test": 5}


def test_what_is_held_out_does_not_depend_on_the_order_of_other_pictures(tmp_path: Path) -> None:
    held = []
    for which in ("abcdefghij", "jihgfedcba"):
        folder = tmp_path / which
        a, b = write(folder / "a", which), write(folder / "b", which)
        prepare_data(PAIRS, [a, b], folder / "out", PairsOptions(val=0.3, test=0.3))
        held.append((names(folder / "out" / "val"), names(folder / "out" / "test")))
    assert held[0] == held[1]
    assert not held[0][0] & held[0][1]


def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", "abc"), write(tmp_path / "b", "abd")
    out = tmp_path / "out"
    with pytest.raises(DataError, match="have 2 pictures without a partner, the first is 'c'"):
        prepare_data(PAIRS, [a, b], out, PairsOptions())
    with pytest.raises(DataError, match="takes 2 folders and got 1"):
        prepare_data(PAIRS, [a], out, PairsOptions())
    two = write(tmp_path / "two", "ab")
    with pytest.raises(DataError, match="too few pairs for three splits"):
        prepare_data(PAIRS, [two, two], out, PairsOptions())
    wide = write(tmp_path / "wide", "abc", (90, 32))
    with pytest.raises(DataError, match="has 90x32 pixels, and its partner 48x32"):
        prepare_data(PAIRS, [a, wide], out, PairsOptions())
    (a / "b.png").write_bytes(b"no picture")
    for layout in ("folders", "side-by-side"):
        options = PairsOptions.model_validate({"layout": layout})
        with pytest.raises(DataError, match="cannot be read as a picture"):
            prepare_data(PAIRS, [a, write(tmp_path / "fine", "abc")], out, options)
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))
