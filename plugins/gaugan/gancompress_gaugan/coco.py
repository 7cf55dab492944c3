"""COCO-Stuff (Caesar et al., arXiv 1612.03716) in the folders that the family reads."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from pydantic import Field

from gancompress import DataError
from gancompress.gan import FamilyOptions, Preparer, Sample, read_labels
from gancompress_gaugan.folders import (
    PictureSize,
    official_files,
    parse_size,
    partner,
    save_numbers,
    shared_out,
    write_picture,
)

_FIRST_THING: Final = 1000  # above every label, so that no thing has the number of a stuff
_PARTS: Final = ("train2017", "val2017")
Things = Mapping[str, Sequence[Mapping[str, Any]]]


class CocoOptions(FamilyOptions):
    """How COCO-Stuff is prepared.

    Args:
        size: Width and height of each picture, such as ``286x286``; ``original`` keeps them.
        instances: Whether to draw instance maps from the annotations.
        val: Pictures of train2017 that become ``val``; val2017 becomes ``test``.
    """

    size: PictureSize = "286x286"
    instances: bool = True
    val: int = Field(500, ge=1)

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Width and height; None keeps them."""
        return parse_size(self.size)


def _plan(inputs: Sequence[Path], options: CocoOptions) -> list[Sample]:
    root = inputs[0]
    train, test = (_pictures(root, part) for part in _PARTS)
    things = {part: _things(root, part) if options.instances else {} for part in _PARTS}
    samples = []
    for split, path in shared_out(train, test, options.val, root):
        part = path.parent.name
        labels = partner(root / "stuffthingmaps" / part / f"{path.stem}.png", path.name)
        # Only this picture's things: the table of all is large.
        own = things[part].get(path.name, ()) if options.instances else None
        scene = _Scene(path, labels, own, options.pixels)
        samples.append(Sample(split, partial(scene.write, split)))
    return samples


def _pictures(root: Path, part: str) -> list[Path]:
    hint = "ROOT has the folders train2017, val2017, stuffthingmaps and annotations"
    return official_files(root / part, "*.jpg", "COCO", hint)


def _things(root: Path, part: str) -> Things:
    """Return what was drawn around in each picture, by the picture's name."""
    path = root / "annotations" / f"instances_{part}.json"
    try:
        value = json.loads(path.read_bytes())
        names = {picture["id"]: picture["file_name"] for picture in value["images"]}
        found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for thing in value["annotations"]:
            found[names[thing["image_id"]]].append(thing)
    except OSError as error:
        raise DataError(
            f"'{path}' cannot be read: {error.strerror}",
            hint="unpack annotations_trainval2017.zip into ROOT, or give -o instances=false",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"'{path}' is no file of COCO's instances", hint="unpack the archive again"
        ) from None
    return found


@dataclass(frozen=True)
class _Scene:
    """A picture, its label map, and what was drawn around in it; None without instances."""

    picture: Path
    labels: Path
    things: Sequence[Mapping[str, Any]] | None
    size: tuple[int, int] | None

    def write(self, split: str, folder: Path) -> None:
        values, name = read_labels(self.labels), self.picture.stem
        place = folder / split
        write_picture(self.picture, place / "image", name, self.size)
        save_numbers(values, place / "label" / f"{name}.png", self.size)
        if self.things is not None:
            drawn = draw_instances(values, self.things, self.labels)
            save_numbers(drawn, place / "instance" / f"{name}.png", self.size)


def draw_instances(
    labels: npt.NDArray[Any], things: Sequence[Mapping[str, Any]], source: Path
) -> npt.NDArray[np.int32]:
    """Give every thing a number of its own; stuff keeps its label.

    Args:
        labels: ``(H, W)``, the label map.
        things: COCO's annotations of the picture: polygons, or runs of a crowd.
        source: What to name in an error.

    Returns:
        ``(H, W)``; things have numbers from 1000.

    Raises:
        DataError: If an annotation is not of COCO's form.
    """
    drawn = labels.astype(np.int32)
    # The larger ones first, so that what lies before something else stays whole.
    for number, thing in enumerate(sorted(things, key=lambda one: -float(one.get("area", 0)))):
        try:
            mask = _mask(thing["segmentation"], drawn.shape)
        except (KeyError, TypeError, ValueError):
            raise DataError(
                f"an annotation of '{source.stem}' has no polygon and no runs",
                hint="take COCO's own file, or give -o instances=false",
            ) from None
        drawn[mask] = _FIRST_THING + number
    return drawn


def _mask(outline: Any, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    height, width = shape
    if isinstance(outline, Mapping):
        counts = np.asarray(outline["counts"], dtype=np.int64)
        runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        return runs.reshape(width, height).T  # COCO counts column by column
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    for polygon in outline:
        draw.polygon([float(value) for value in polygon], fill=1)
    return np.asarray(canvas)


COCO: Final = Preparer(
    "coco",
    "COCO-Stuff, from the folders train2017, val2017, stuffthingmaps and annotations",
    ("ROOT",),
    CocoOptions,
    _plan,
)
