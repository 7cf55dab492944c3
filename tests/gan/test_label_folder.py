from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from gancompress.errors import DataError
from gancompress.gan import LabelFolder, read_labels
from gancompress.gan.label_folder import nearest

STRIPES = np.repeat(np.arange(8, dtype=np.uint8)[None], 4, axis=0)


def save(path: Path, pixels: npt.NDArray[np.generic], mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def photograph(path: Path, size: tuple[int, int] = (8, 4)) -> Path:
    return save(path, np.full((size[1], size[0], 3), 99, np.uint8))


def scene(folder: Path, name: str = "a") -> None:
    save(folder / "label" / f"{name}.png", STRIPES)
    photograph(folder / "image" / f"{name}.jpg")


def test_a_scene_is_read_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    scene(tmp_path)
    sample = LabelFolder(tmp_path, (2, 4))[0]
    assert sample.labels.tolist() == [[1, 3, 5, 7]] * 2
    assert sample.picture.shape == (2, 4, 3)
    assert sample.instances is None
    assert sample.source.endswith("label/a.png")


def test_names_of_cityscapes_belong_together(tmp_path: Path) -> None:
    save(tmp_path / "label" / "ulm_0_gtFine_labelIds.png", STRIPES)
    photograph(tmp_path / "image" / "ulm_0_leftImg8bit.png")
    things = STRIPES.astype(np.uint16) * 1000
    save(tmp_path / "instance" / "ulm_0_gtFine_instanceIds.png", things)
    sample = LabelFolder(tmp_path, (4, 8), instances=True)[0]
    assert sample.instances is not None
    assert sample.instances.tolist() == things.tolist()


def test_scenes_may_have_different_sizes(tmp_path: Path) -> None:
    scene(tmp_path)
    save(tmp_path / "label" / "b.png", STRIPES.repeat(3, 0).repeat(3, 1))
    photograph(tmp_path / "image" / "b.jpg", (16, 8))
    data = LabelFolder(tmp_path, (4, 8))
    assert len(data) == 2
    assert data[0].labels.tolist() == data[1].labels.tolist() == STRIPES.tolist()


def test_a_palettes_indices_count_and_not_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(STRIPES, "P")
    image.putpalette([200 - i for i in range(24)])
    image.save(tmp_path / "p.png")
    assert read_labels(tmp_path / "p.png").tolist() == STRIPES.tolist()


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "deep.png", np.array([[26_001, 3]], np.uint16))
    assert read_labels(path).tolist() == [[26_001, 3]]


def test_a_label_map_in_colour_is_refused(tmp_path: Path) -> None:
    for mode in ("RGB", "LA", "1"):
        path = save(tmp_path / f"{mode}.png", STRIPES, mode)
        with pytest.raises(DataError, match=rf"{mode}\.png' is of mode '{mode}'") as caught:
            read_labels(path)
        assert "grey or palette PNG" in caught.value.hint


def test_a_lossy_label_map_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.jpg", STRIPES)
    with pytest.raises(DataError, match=r"x\.jpg' is of a format that changes numbers"):
        read_labels(path)


@pytest.mark.parametrize("cut", [0, 30, 50])
def test_a_broken_label_map_is_named(tmp_path: Path, cut: int) -> None:
    path = save(tmp_path / "broken.png", STRIPES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"broken\.png' cannot be read as a label map"):
        read_labels(path)


def test_a_name_that_stands_alone_is_told(tmp_path: Path) -> None:
    scene(tmp_path)
    photograph(tmp_path / "image" / "b.jpg")
    with pytest.raises(DataError, match="1 files in label and 2 in image, and 'b' stands alone"):
        LabelFolder(tmp_path, (4, 8))


def test_a_missing_sub_folder_is_told(tmp_path: Path) -> None:
    scene(tmp_path)
    with pytest.raises(DataError, match="instance' is not a folder"):
        LabelFolder(tmp_path, (4, 8), instances=True)


def test_two_label_maps_of_one_scene_are_refused(tmp_path: Path) -> None:
    scene(tmp_path)
    save(tmp_path / "label" / "a_gtFine_labelIds.png", STRIPES)
    with pytest.raises(DataError, match="are of the same scene"):
        LabelFolder(tmp_path, (4, 8))


@pytest.mark.parametrize("which", ["image", "instance"])
def test_other_proportions_than_the_label_maps_are_refused(tmp_path: Path, which: str) -> None:
    save(tmp_path / "label" / "a.png", STRIPES)
    photograph(tmp_path / "image" / "a.png")
    save(tmp_path / "instance" / "a.png", STRIPES)
    square = np.zeros((8, 8, 3) if which == "image" else (8, 8), np.uint8)
    save(tmp_path / which / "a.png", square)
    data = LabelFolder(tmp_path, (4, 8), instances=True)
    with pytest.raises(DataError, match=rf"{which}/a\.png' has 8x8 pixels, .* label map 8x4"):
        data[0]


def test_the_nearest_number_is_taken() -> None:
    assert nearest(np.array([[1, 2, 3]]), (1, 6)).tolist() == [[1, 1, 2, 2, 3, 3]]
    assert nearest(np.array([[1, 2, 3, 4, 5]]), (2, 1)).tolist() == [[3], [3]]
