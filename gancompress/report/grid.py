"""A PNG of samples: one row a sample, one labelled column a source of pictures."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gancompress.errors import DataError
from gancompress.gan import shown
from gancompress.store import write_atomic

_GAP = 4
_PAPER = (255, 255, 255)
_INK = (0, 0, 0)


def picture_grid(columns: Mapping[str, Tensor], *, rows: int | None = None) -> Image.Image:
    """Draw samples side by side under a header.

    Args:
        columns: Pictures by label in the order of the columns, such as input, target, teacher,
            compressed; each ``(N, 1 or 3, H, W)`` in [-1, 1]. H and W may differ by column.
        rows: How many samples to show; all by default.

    Returns:
        An RGB picture.

    Raises:
        DataError: If there is nothing to draw, the columns hold different numbers of pictures, or
            one cannot be shown.
    """
    tiles = {label: _tiles(label, pictures)[:rows] for label, pictures in columns.items()}
    lengths = {label: len(column) for label, column in tiles.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(
            f"'columns' hold {lengths or 'no'} pictures",
            hint="give every column the same samples, at least one",
        )
    font = ImageFont.load_default()
    boxes = {label: font.getbbox(label) for label in tiles}
    header = int(max(box[3] for box in boxes.values())) + 2 * _GAP
    height = max(column.shape[1] for column in tiles.values())
    widths = [max(column.shape[2], int(boxes[label][2])) for label, column in tiles.items()]
    count = next(iter(lengths.values()))
    sheet = Image.new(
        "RGB", (sum(widths) + _GAP * (len(widths) + 1), header + count * (height + _GAP)), _PAPER
    )
    pen, left = ImageDraw.Draw(sheet), _GAP
    for (label, column), width in zip(tiles.items(), widths, strict=True):
        pen.text((left + (width - boxes[label][2]) / 2, _GAP), label, fill=_INK, font=font)
        for index, tile in enumerate(column):
            x = left + (width - tile.shape[1]) // 2
            y = header + index * (height + _GAP) + (height - tile.shape[0]) // 2
            sheet.paste(Image.fromarray(tile), (x, y))
        left += width + _GAP
    return sheet


def save_grid(path: Path, columns: Mapping[str, Tensor], *, rows: int | None = None) -> Path:
    """Write `picture_grid` as a PNG, all of it or nothing.

    Args:
        path: Where to write; an older file is replaced.
        columns: Pictures by label, as for `picture_grid`.
        rows: How many samples to show; all by default.

    Returns:
        The path.

    Raises:
        DataError: If the pictures cannot be shown.
        StorageError: If the file cannot be written.
    """
    buffer = BytesIO()
    picture_grid(columns, rows=rows).save(buffer, format="PNG", optimize=True)
    write_atomic(path, buffer.getvalue())
    return path


def _tiles(label: str, pictures: Tensor) -> npt.NDArray[np.uint8]:
    if pictures.ndim != 4 or not 1 <= pictures.shape[1] <= 4:
        raise DataError(
            f"'{label}' has shape {tuple(pictures.shape)}, not (N, C, H, W) with C from 1 to 4",
            hint="turn label maps and the like into colours first",
        )
    # Of two or four channels the last is the opacity, which is not shown.
    colours = pictures[:, :3] if pictures.shape[1] > 2 else pictures[:, :1]
    values = colours.detach().float().cpu()
    if not torch.isfinite(values).all():
        raise DataError(
            f"'{label}' holds values that are not finite",
            hint="the weights are likely damaged or the training diverged",
        )
    levels = ((shown(values) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    tiles: npt.NDArray[np.uint8] = levels.permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(tiles)
