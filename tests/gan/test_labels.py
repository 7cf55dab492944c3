import numpy as np
import pytest
import torch

from gancompress.errors import DataError
from gancompress.gan import (
    Augmentation,
    LabelArrays,
    Labelled,
    LabelMaps,
    instance_edges,
    one_hot,
)


def test_every_class_has_a_channel() -> None:
    maps = one_hot(np.array([[0, 2], [1, 2]], np.uint8), 3)
    assert maps.dtype == torch.float32
    assert maps.tolist() == [[[1, 0], [0, 0]], [[0, 0], [1, 0]], [[0, 1], [0, 1]]]


def test_what_is_not_known_has_the_last_channel() -> None:
    maps = one_hot(np.array([[0, 255]], np.uint8), 2, dont_care=True)
    assert maps.tolist() == [[[1, 0]], [[0, 0]], [[0, 1]]]


@pytest.mark.parametrize(
    ("label", "dont_care"), [(2, False), (2, True), (255, False), (300, True), (-1, False)]
)
def test_labels_that_are_no_class_are_named(label: int, dont_care: bool) -> None:
    labels = np.array([[0, label]], np.int32)
    with pytest.raises(DataError, match=rf"'a\.png' has the label {label}, .* 0 to 1") as caught:
        one_hot(labels, 2, dont_care=dont_care, source="a.png")
    assert ("dont_care" in caught.value.hint) != dont_care


def test_sixteen_bits_may_have_more_classes_than_bytes() -> None:
    assert one_hot(np.array([[255, 256]], np.uint16), 300)[[255, 256], 0].tolist() == [
        [1, 0],
        [0, 1],
    ]


def test_edges_are_on_both_sides_of_a_border() -> None:
    things = np.array([[7, 7, 7, 8], [7, 7, 7, 8], [7, 7, 7, 7], [7, 7, 7, 7]], np.uint16)
    assert instance_edges(things)[0].tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 0],
    ]


def samples(count: int = 2, side: int = 8) -> LabelArrays:
    labels = np.arange(count * side * side, dtype=np.uint8).reshape(count, side, side) % 5
    return LabelArrays(labels, np.repeat(labels[..., None] * 50, 3, axis=-1))


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(flip=True),
        Augmentation(flip_vertical=True),
        Augmentation(flip=True, flip_vertical=True, crop=(4, 6)),
    ],
)
def test_label_map_and_picture_are_changed_alike(augmentation: Augmentation) -> None:
    data = LabelMaps(samples(), 5, augmentation=augmentation)
    torch.manual_seed(0)
    seen = set()
    for _ in range(20):
        sample = data[1]
        assert sample.target is not None
        shown = (sample.target[0] + 1) * 127.5 / 50
        assert torch.equal(sample.inputs[0].argmax(0), shown.round().long())
        seen.add(shown.numpy().tobytes())
    assert len(seen) > 1
    assert sample.inputs[0].shape[1:] == (augmentation.crop or (8, 8))


def test_without_augmentation_nothing_is_random() -> None:
    data = LabelMaps(samples(), 5)
    assert len(data) == 2
    assert torch.equal(data[0].inputs[0], data[0].inputs[0])


class OneScene:
    def __init__(self, instances: bool) -> None:
        self.instances = np.array([[1, 2]], np.uint16) if instances else None

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Labelled:
        labels, picture = np.zeros((1, 2), np.uint8), np.zeros((1, 2, 3), np.uint8)
        return Labelled(labels, picture, self.instances, "scene.png")


def test_edges_are_the_last_channel() -> None:
    maps = LabelMaps(OneScene(instances=True), 2, edges=True)[0].inputs[0]
    assert maps.tolist() == [[[1, 1]], [[0, 0]], [[1, 1]]]


def test_edges_need_instances() -> None:
    with pytest.raises(DataError, match=r"'scene\.png' has no instance map"):
        LabelMaps(OneScene(instances=False), 2, edges=True)[0]


def test_arrays_must_be_there_and_even() -> None:
    labels, pictures = np.zeros((1, 4, 4), np.uint8), np.zeros((2, 4, 4, 3), np.uint8)
    with pytest.raises(DataError, match="1 label maps but 2 pictures"):
        LabelArrays(labels, pictures)
    with pytest.raises(DataError, match="not one label map"):
        LabelArrays(labels[:0], pictures[:0])
