from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gancompress.compress import configure
from gancompress.config import RunConfig
from gancompress_pix2pix.family import Pix2Pix


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Side-by-side pairs of tiles and their negatives, in three splits."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 6), ("test", 6)):
        (folder / split).mkdir()
        for index in range(count):
            tile = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            pair = np.concatenate([tile, 255 - tile], axis=1)
            Image.fromarray(pair).save(folder / split / f"{index}.png")
    return folder


@pytest.fixture
def config(pictures: Path) -> RunConfig:
    loop = {"steps": 3, "batch_size": 2, "checkpoint_every": 1, "ema": 0.5}
    return configure(
        Pix2Pix(),
        options=["size=32", "generator_width=16", "blocks=2", "discriminator_width=4"],
        overrides={
            "options": {"data": str(pictures), "norm": "batch"},
            "train": loop,
            "distill": loop,
            "finetune": {**loop, "sampling": "sandwich"},
            "search": {"macs": "4x", "trials": 3, "pictures": 4},
            "export": {"target": "torch"},  # ONNX takes longer than all else together
        },
    )
