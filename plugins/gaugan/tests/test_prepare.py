"""Cityscapes and COCO-Stuff as their archives name things, and what the family makes of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gancompress import DataError
from gancompress.compress import inspect_data
from gancompress.gan import prepare_data, read_labels
from gancompress_gaugan.cityscapes import CITYSCAPES, CityscapesOptions
from gancompress_gaugan.coco import COCO, CocoOptions, draw_instances
from gancompress_gaugan.family import GauGan
from gancompress_gaugan.options import GauGanOptions


def save(path: Path, values: "np.ndarray[Any, Any]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    root = tmp_path / "cityscapes"
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 2), ("test", 1)):
        for index in range(count):
            city = f"city{index % 2}"
            scene = f"{city}_{index:06d}_000019"
            photo = root / "leftImg8bit" / split / city / f"{scene}_leftImg8bit.png"
            save(photo, rng.integers(0, 256, (64, 128, 3), dtype=np.uint8))
            maps = root / "gtFine" / split / city
            labels = rng.integers(0, 34, (64, 128)).astype(np.uint8)
            save(maps / f"{scene}_gtFine_labelIds.png", labels)
            things = np.where(labels > 23, labels.astype(np.uint16) * 1000 + 1, labels)
            save(maps / f"{scene}_gtFine_instanceIds.png", things.astype(np.uint16))
            colours = np.stack([labels * 7, 255 - labels, labels], -1)
            save(maps / f"{scene}_gtFine_color.png", colours)
    return root


def test_cityscapes_becomes_folders_that_the_family_reads(cityscapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = CityscapesOptions(size="64x32", val=2)
    counts = prepare_data(CITYSCAPES, [cityscapes], out, options)
    # The official test set has no labels; the validation set takes its place.
    assert counts == {"train": 4, "val": 2, "test": 2}
    family = GauGan()
    chosen = GauGanOptions(data=out, classes=35, edges=True, size=64, aspect=2)
    assert inspect_data(family, chosen).sound
    batch = family.dataset(chosen, "test")[0]
    assert batch.inputs[0].shape == (36, 32, 64)
    assert batch.target is not None
    assert batch.target.shape == (3, 32, 64)


def test_numbers_of_instance_maps_are_kept(cityscapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_data(CITYSCAPES, [cityscapes], out, CityscapesOptions(size="original", val=2))
    scene = min((out / "test" / "instance").iterdir())
    (source,) = (cityscapes / "gtFine" / "val").rglob(f"{scene.stem}_gtFine_instanceIds.png")
    assert np.array_equal(read_labels(scene), read_labels(source))
    assert read_labels(scene).max() > 24_000


def test_a_resized_map_has_no_number_that_was_not_there(cityscapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_data(CITYSCAPES, [cityscapes], out, CityscapesOptions(size="40x24", val=2))
    for path in (out / "test" / "instance").iterdir():
        (source,) = (cityscapes / "gtFine" / "val").rglob(f"{path.stem}_gtFine_instanceIds.png")
        small = read_labels(path)
        assert small.shape == (24, 40)
        assert set(np.unique(small)) <= set(np.unique(read_labels(source)))


def test_cityscapes_becomes_pairs_with_the_photograph_on_the_left(
    cityscapes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = CityscapesOptions(layout="pairs", size="original", val=2)
    prepare_data(CITYSCAPES, [cityscapes], out, options)
    path = min((out / "test").iterdir())
    both = np.asarray(Image.open(path))
    (photo,) = (cityscapes / "leftImg8bit" / "val").rglob(f"{path.stem}_leftImg8bit.png")
    (colours,) = (cityscapes / "gtFine" / "val").rglob(f"{path.stem}_gtFine_color.png")
    assert np.array_equal(both[:, :128], np.asarray(Image.open(photo)))
    assert np.array_equal(both[:, 128:], np.asarray(Image.open(colours)))


def test_the_same_scenes_are_held_out_again(cityscapes: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        prepare_data(CITYSCAPES, [cityscapes], tmp_path / name, CityscapesOptions(val=3))
    chosen = [{p.name for p in (tmp_path / n / "val" / "image").iterdir()} for n in "ab"]
    assert chosen[0] == chosen[1]


def without_photographs(root: Path) -> None:
    (root / "leftImg8bit").rename(root / "x")


def without_a_label_map(root: Path) -> None:
    next((root / "gtFine" / "train").rglob("*labelIds.png")).unlink()


def with_a_damaged_label_map(root: Path) -> None:
    next((root / "gtFine" / "train").rglob("*labelIds.png")).write_bytes(b"no")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_photographs, "holds no picture of Cityscapes"),
        (without_a_label_map, "is missing, which belongs to"),
        (with_a_damaged_label_map, "cannot be read as a label map"),
    ],
)
def test_a_damaged_copy_is_one_sentence_and_leaves_nothing(
    cityscapes: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(cityscapes)
    with pytest.raises(DataError, match=message):
        prepare_data(CITYSCAPES, [cityscapes], tmp_path / "out", CityscapesOptions(val=2))
    assert {p.name for p in tmp_path.iterdir()} == {"cityscapes"}


def test_too_few_scenes_are_named(cityscapes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 6 pictures to train on, and 200 of them"):
        prepare_data(CITYSCAPES, [cityscapes], tmp_path / "out", CityscapesOptions())


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = tmp_path / "coco"
    rng = np.random.default_rng(1)
    for part, count in (("train2017", 5), ("val2017", 2)):
        pictures, things = [], []
        for index in range(count):
            name = f"{index:012d}"
            save(root / part / f"{name}.jpg", rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
            labels = np.full((40, 60), 120, np.uint8)
            labels[:5] = 255
            save(root / "stuffthingmaps" / part / f"{name}.png", labels)
            pictures.append({"id": index, "file_name": f"{name}.jpg"})
            box = [10, 10, 29, 10, 29, 19, 10, 19]
            things.append({"image_id": index, "iscrowd": 0, "area": 200, "segmentation": [box]})
        path = root / "annotations" / f"instances_{part}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": pictures, "annotations": things}))
    return root


def test_coco_becomes_folders_that_the_family_reads(coco: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    counts = prepare_data(COCO, [coco], out, CocoOptions(size="64x64", val=2))
    assert counts == {"train": 3, "val": 2, "test": 2}
    family = GauGan()
    chosen = GauGanOptions(data=out, classes=182, dont_care=True, edges=True, size=64)
    assert inspect_data(family, chosen).sound
    batch = family.dataset(chosen, "train")[0]
    assert batch.inputs[0].shape == (184, 64, 64)
    assert batch.inputs[0][-1].sum() > 0


def test_without_annotations_there_are_no_instances(coco: Path, tmp_path: Path) -> None:
    (coco / "annotations" / "instances_val2017.json").unlink()
    with pytest.raises(DataError, match="cannot be read") as caught:
        prepare_data(COCO, [coco], tmp_path / "out", CocoOptions(val=2))
    assert "instances=false" in caught.value.hint
    prepare_data(COCO, [coco], tmp_path / "out", CocoOptions(val=2, instances=False))
    assert not (tmp_path / "out" / "train" / "instance").exists()


def test_pictures_keep_their_bytes_where_their_size_stays(coco: Path, tmp_path: Path) -> None:
    prepare_data(COCO, [coco], tmp_path / "out", CocoOptions(size="original", val=2))
    path = next((tmp_path / "out" / "test" / "image").iterdir())
    assert path.read_bytes() == (coco / "val2017" / path.name).read_bytes()


def test_things_have_numbers_of_their_own_and_small_ones_lie_on_top() -> None:
    labels = np.full((8, 8), 7, np.uint8)
    large = {"area": 36, "segmentation": [[1, 1, 6, 1, 6, 6, 1, 6]]}
    # A crowd as runs, column by column: the pixels (row 3, column 3) and (row 4, column 3).
    crowd = {"area": 2, "segmentation": {"counts": [3 * 8 + 3, 2, 64 - 3 * 8 - 5]}}
    drawn = draw_instances(labels, [crowd, large], Path("x.png"))
    assert drawn[0, 0] == 7
    assert (drawn[1:7, 1:7] >= 1000).all()
    assert drawn[3, 3] == drawn[4, 3] != drawn[2, 3]
    assert (drawn == drawn[3, 3]).sum() == 2


@pytest.mark.parametrize("thing", [{}, {"segmentation": {}}, {"segmentation": [["a"]]}])
def test_an_annotation_of_another_form_is_one_sentence(thing: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="an annotation of 'x' has no polygon"):
        draw_instances(np.zeros((4, 4), np.uint8), [thing], Path("x.png"))


def test_an_annotation_file_of_another_form_is_one_sentence(coco: Path, tmp_path: Path) -> None:
    (coco / "annotations" / "instances_val2017.json").write_text("[]")
    with pytest.raises(DataError, match="is no file of COCO's instances"):
        prepare_data(COCO, [coco], tmp_path / "out", CocoOptions(val=2))


@pytest.mark.parametrize("size", ["512", "0x5", "axb", "5x"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    for options in (CityscapesOptions, CocoOptions):
        with pytest.raises(ValueError, match="is not of the form WIDTHxHEIGHT"):
            options(size=size)
