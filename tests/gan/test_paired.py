from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gancompress.errors import DataError
from gancompress.gan import Batch, FolderPairs, PairedFiles, PairedPictures, collate


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


def test_pairs_must_be_there_and_even() -> None:
    one, none = np.zeros((1, 4, 4, 3), np.uint8), np.zeros((0, 4, 4, 3), np.uint8)
    with pytest.raises(DataError, match="1 inputs but 0 targets"):
        PairedPictures(one, none)
    with pytest.raises(DataError, match="not one pair"):
        PairedPictures(none, none)


def test_a_square_is_cut_out_of_both_at_one_random_place() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 3), dtype=np.uint8)
    data = PairedPictures(pixels, pixels, crop=8)
    torch.manual_seed(0)
    samples = [data[0] for _ in range(60)]
    assert all(s.inputs[0].shape == (3, 8, 8) for s in samples)
    assert all(s.target is not None and torch.equal(s.inputs[0], s.target) for s in samples)
    whole = (torch.from_numpy(pixels[0]).permute(2, 0, 1).float() / 127.5) - 1
    places = {
        (top, left)
        for sample in samples
        for top in range(5)
        for left in range(5)
        if torch.equal(whole[:, top : top + 8, left : left + 8], sample.inputs[0])
    }
    assert {top for top, _ in places} == {left for _, left in places} == set(range(5))


@pytest.mark.parametrize(
    ("inputs", "targets", "crop", "sentence"),
    [
        ((2, 8, 8), (2, 8, 8, 3), None, r"the inputs are 'uint8' of shape \(2, 8, 8\)"),
        ((2, 8, 8, 3), (2, 8, 6, 3), None, "inputs have 8×8 pixels and the targets 8×6"),
        ((2, 8, 8, 3), (2, 8, 8, 1), 9, "no square of '9' pixels .* pictures of 8×8"),
    ],
)
def test_arrays_that_are_no_pairs_are_refused(
    inputs: tuple[int, ...], targets: tuple[int, ...], crop: int | None, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        PairedPictures(np.zeros(inputs, np.uint8), np.zeros(targets, np.uint8), crop=crop)


def test_numbers_that_are_no_bytes_are_refused() -> None:
    with pytest.raises(DataError, match="the targets are 'float64'"):
        PairedPictures(np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3)))  # type: ignore[arg-type]


def test_files_give_what_memory_gives(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 20, 3), dtype=np.uint8)
    for name in ("1", "2"):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    pairs = FolderPairs(tmp_path, size=12)
    options = {"flip": True, "crop": 8}
    seen = []
    for data in (PairedPictures(*pairs.read_all(), **options), PairedFiles(pairs, **options)):  # type: ignore[arg-type]
        torch.manual_seed(0)
        assert len(data) == 2
        seen.append(data[1])
    assert torch.equal(seen[0].inputs[0], seen[1].inputs[0])
    assert seen[0].target is not None
    assert seen[1].target is not None
    assert torch.equal(seen[0].target, seen[1].target)
