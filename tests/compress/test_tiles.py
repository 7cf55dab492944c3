"""Held-out pictures, one file each."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gancompress.compress.tiles import save_tiles


def test_every_picture_is_a_file_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    grey = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 1, 2, 4)
    colour = torch.full((3, 3, 2, 2), float("nan"))
    save_tiles(tmp_path, {"input": torch.zeros(3, 35, 2, 2), "teacher": grey, "compressed": colour})
    names = [f"{i:02d}-{name}.png" for i in range(3) for name in ("compressed", "teacher")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for index, level in enumerate((0, 128, 255)):
        with Image.open(tmp_path / f"{index:02d}-teacher.png") as opened:
            assert opened.size == (4, 2)
            assert set(np.asarray(opened).ravel()) == {level}
    with Image.open(tmp_path / "00-compressed.png") as opened:
        assert set(np.asarray(opened).ravel()) == {0}
