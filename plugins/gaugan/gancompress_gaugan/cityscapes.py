"""Cityscapes (Cordts et al., arXiv 1604.01685) in the folders that families read."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from pydantic import Field

from gancompress.gan import FamilyOptions, Preparer, Sample, read_picture
from gancompress_gaugan.folders import (
    PictureSize,
    official_files,
    parse_size,
    partner,
    shared_out,
    write_labels,
    write_picture,
)

_PHOTO: Final = "_leftImg8bit"


class CityscapesOptions(FamilyOptions):
    """How Cityscapes is prepared.

    Args:
        layout: ``folders`` for ``label``, ``instance`` and ``image``; ``pairs`` for photograph
            and coloured label map side by side, as pix2pix reads them.
        size: Width and height of each picture, such as ``512x256``; ``original`` keeps
            2048x1024; None takes 512x256 for folders and 256x256 for pairs.
        val: Scenes of the official training set that become ``val``; the official validation
            set becomes ``test``, because the official test set has no labels.
    """

    layout: Literal["folders", "pairs"] = "folders"
    size: PictureSize | None = None
    val: int = Field(200, ge=1)

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Width and height; None keeps them."""
        return parse_size(self.size or ("512x256" if self.layout == "folders" else "256x256"))


def _plan(inputs: Sequence[Path], options: CityscapesOptions) -> list[Sample]:
    root = inputs[0]
    train, test = (_photographs(root, split) for split in ("train", "val"))
    samples = []
    for split, path in shared_out(train, test, options.val, root):
        scene = _Scene.find(root, path, options)
        write = scene.write_folders if options.layout == "folders" else scene.write_pair
        samples.append(Sample(split, partial(write, split)))
    return samples


def _photographs(root: Path, split: str) -> list[Path]:
    return official_files(
        root / "leftImg8bit" / split,
        f"*/*{_PHOTO}.png",
        "Cityscapes",
        "ROOT has the folders leftImg8bit and gtFine, as both archives make them",
    )


@dataclass(frozen=True)
class _Scene:
    """A photograph and its maps.

    Args:
        name: City and numbers.
        photo: The photograph.
        maps: Label and instance map, or the coloured label map alone.
        size: Width and height to write; None keeps them.
    """

    name: str
    photo: Path
    maps: tuple[Path, ...]
    size: tuple[int, int] | None

    @classmethod
    def find(cls, root: Path, photo: Path, options: CityscapesOptions) -> "_Scene":
        name = photo.name.removesuffix(f"{_PHOTO}.png")
        folder = root / "gtFine" / photo.parent.parent.name / photo.parent.name
        kinds = ("labelIds", "instanceIds") if options.layout == "folders" else ("color",)
        maps = (partner(folder / f"{name}_gtFine_{kind}.png", photo.name) for kind in kinds)
        return cls(name, photo, tuple(maps), options.pixels)

    def write_folders(self, split: str, folder: Path) -> None:
        write_picture(self.photo, folder / split / "image", self.name, self.size)
        for kind, path in zip(("label", "instance"), self.maps, strict=True):
            write_labels(path, folder / split / kind / f"{self.name}.png", self.size)

    def write_pair(self, split: str, folder: Path) -> None:
        left, right = (Image.fromarray(read_picture(path)) for path in (self.photo, self.maps[0]))
        size = self.size or left.size
        both = Image.new("RGB", (2 * size[0], size[1]))
        both.paste(left.resize(size, Image.Resampling.BICUBIC), (0, 0))
        # Between two classes there is no third colour.
        both.paste(right.resize(size, Image.Resampling.NEAREST), (size[0], 0))
        (folder / split).mkdir(parents=True, exist_ok=True)
        both.save(folder / split / f"{self.name}.png")


CITYSCAPES: Final = Preparer(
    "cityscapes",
    "Cityscapes, from the folders gtFine and leftImg8bit of its two archives",
    ("ROOT",),
    CityscapesOptions,
    _plan,
)
