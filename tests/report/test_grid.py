from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gancompress.errors import DataError, StorageError
from gancompress.report import picture_grid, save_grid


def flat(value: float, count: int = 2, size: int = 80, channels: int = 3) -> torch.Tensor:
    return torch.full((count, channels, size, size), value)


def test_columns_and_rows_are_in_order() -> None:
    ramp = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 80, 80)
    sheet = np.asarray(picture_grid({"input": ramp, "target": flat(0.0)}))
    height = sheet.shape[0]
    header = height - 2 * 84
    assert sheet.shape == (height, 4 + 2 * 84, 3)
    assert (sheet[header : header + 80, 4:84] == 0).all()
    assert (sheet[header + 84 : header + 164, 4:84] == 255).all()
    assert (sheet[header : header + 80, 88:168] == 128).all()


def test_each_label_stands_over_its_column() -> None:
    columns = {"input": flat(1.0), "": flat(1.0), "compressed": flat(1.0)}
    sheet = np.asarray(picture_grid(columns).convert("L"))
    header = sheet[: sheet.shape[0] - 2 * 84]
    ink = [bool((header[:, 4 + 84 * i : 84 + 84 * i] < 128).any()) for i in range(3)]
    assert ink == [True, False, True]


def test_small_and_unequal_pictures_leave_room_for_the_label() -> None:
    columns = {"compressed": flat(-1.0, size=8), "input": flat(0.0, size=32, channels=1)}
    sheet = np.asarray(picture_grid(columns))
    assert (sheet == 0).all(axis=2).sum() >= 2 * 64  # both small pictures, and the ink
    assert (sheet == 128).all(axis=2).sum() >= 2 * 32 * 32
    assert sheet.shape[1] > 8 + 32 + 12


def test_rows_limits_the_samples() -> None:
    one = picture_grid({"input": flat(0.0, count=5)}, rows=1)
    assert one.height < picture_grid({"input": flat(0.0, count=5)}).height


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(0, 255))
def test_every_level_survives(level: int) -> None:
    sheet = np.asarray(picture_grid({"": flat(level / 127.5 - 1, count=1, size=4)}))
    assert (sheet[-8:-4, 4:8] == level).all()


def test_values_out_of_range_are_clamped_not_wrapped() -> None:
    sheet = np.asarray(picture_grid({"": torch.cat([flat(1.4, 1, 4), flat(-1.4, 1, 4)])}))
    assert (sheet[-16:-12, 4:8] == 255).all()
    assert (sheet[-8:-4, 4:8] == 0).all()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "hold no pictures"),
        ({"a": flat(0.0, 0)}, "{'a': 0}"),
        ({"a": flat(0.0, 2), "b": flat(0.0, 3)}, "{'a': 2, 'b': 3}"),
        ({"labels": flat(0.0, channels=35)}, "'labels' has shape (2, 35, 80, 80)"),
        ({"a": torch.zeros(3, 8, 8)}, "(3, 8, 8)"),
        ({"a": flat(float("nan"))}, "'a' holds values that are not finite"),
    ],
)
def test_refuses_what_cannot_be_drawn(columns: dict[str, torch.Tensor], words: str) -> None:
    with pytest.raises(DataError) as caught:
        picture_grid(columns)
    assert words in caught.value.message


def test_the_file_is_whole_or_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "grid.png"
    assert save_grid(path, {"input": flat(0.0)}) == path
    old = path.read_bytes()
    with pytest.raises(DataError):
        save_grid(path, {})
    assert path.read_bytes() == old
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        save_grid(tmp_path, {"input": flat(0.0)})


@pytest.mark.parametrize("channels", [1, 3])
def test_opacity_is_not_shown(channels: int) -> None:
    plain = flat(0.5, channels=channels)
    sheet = picture_grid({"picture": torch.cat([plain, flat(-1.0, channels=1)], 1)})
    assert np.array_equal(np.asarray(sheet), np.asarray(picture_grid({"picture": plain})))
