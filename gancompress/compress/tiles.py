"""Held-out pictures of an evaluation, one file each, for whoever wants to look at them closely."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

import torch
from PIL import Image
from torch import Tensor

from gancompress.gan import shown
from gancompress.store import write_atomic

FOLDER: Final = "samples/evaluate"
COUNT: Final = 16
_CHANNELS: Final = (1, 2, 3, 4)


def save_tiles(folder: Path, columns: Mapping[str, Tensor]) -> None:
    """Write every picture as ``NN-COLUMN.png``.

    Args:
        folder: Where to.
        columns: Pictures ``(N, C, H, W)`` in [-1, 1] by name; those that are no pictures are left
            out, and values that are not finite are black.

    Raises:
        StorageError: If one cannot be written.
    """
    for name, pictures in columns.items():
        if pictures.ndim != 4 or pictures.shape[1] not in _CHANNELS:
            continue
        values = shown(pictures.detach().float().cpu()).nan_to_num(-1.0, 1.0, -1.0)
        levels = ((values + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        for index, tile in enumerate(levels.permute(0, 2, 3, 1).numpy()):
            sink = BytesIO()
            Image.fromarray(tile).save(sink, format="PNG")
            write_atomic(folder / f"{index:02d}-{name}.png", sink.getvalue())
