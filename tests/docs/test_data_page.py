"""The commands of the page about data run in the order of the page, on tiny stand-ins."""

import json
import shlex
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gancompress.cli import main

from .conftest import BLOCKS, ROOT

PAGE = ROOT / "docs" / "how-to" / "get-and-check-data.md"
MIRROR = "file:///mnt/mirror/facades.tar.gz"
COMMANDS = [
    shlex.split(line)[1:]
    for block in BLOCKS
    if block.page == PAGE and block.language == "shell"
    for line in block.text.splitlines()
]


def write(path: Path, values: "np.ndarray[Any, Any]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def picture(seed: int, width: int = 16) -> "np.ndarray[Any, Any]":
    return np.random.default_rng(seed).integers(0, 256, (8, width, 3), dtype=np.uint8)


def facades(folder: Path) -> Path:
    for place, split in enumerate(("train", "val", "test")):
        write(folder / "facades" / split / "1.jpg", picture(place))
    with tarfile.open(folder / "facades.tar.gz", "w:gz") as archive:
        archive.add(folder / "facades", "facades")
    return folder / "facades.tar.gz"


def cityscapes(root: Path) -> None:
    for split, count in (("train", 2), ("val", 1)):
        for index in range(count):
            scene = f"a_{index:06d}_000019"
            write(root / "leftImg8bit" / split / "a" / f"{scene}_leftImg8bit.png", picture(index))
            for kind in ("labelIds", "instanceIds", "color"):
                values = picture(index) if kind == "color" else picture(index)[..., 0] % 34
                write(root / "gtFine" / split / "a" / f"{scene}_gtFine_{kind}.png", values)


def coco(root: Path) -> None:
    for part, count in (("train2017", 2), ("val2017", 1)):
        for index in range(count):
            write(root / part / f"{index}.jpg", picture(index))
            write(root / "stuffthingmaps" / part / f"{index}.png", picture(index)[..., 0] % 180)
        path = root / "annotations" / f"instances_{part}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"images": [], "annotations": []}))


def test_the_commands_run_in_the_order_of_the_page(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(workplace / "pairs")  # the page makes pairs of its own
    mirror = facades(workplace / "mirror").as_uri()
    for name in ("photos", "drawings"):
        for index in range(10):
            write(workplace / name / f"{index}.png", picture(index + len(name)))
    cityscapes(workplace / "cityscapes")
    coco(workplace / "coco")
    assert len(COMMANDS) == 9
    for words in COMMANDS:
        # What the page leaves to the network and to whole data sets.
        here = [mirror if word == MIRROR else word for word in words]
        if "download" in here and "--url" not in here:
            here += ["--url", mirror]
        if here[1:3] in (["prepare", "cityscapes"], ["prepare", "coco"]):
            here += ["-o", "val=1"]
        with pytest.raises(SystemExit) as leaving:
            main(["--quiet", *here])
        assert leaving.value.code == 0, (words, capsys.readouterr())
    assert (workplace / "data" / "pix2pix" / "facades" / "train" / "1.jpg").is_file()
    assert (workplace / "data" / "pix2pix" / "downloads.lock.json").is_file()
    for folder in ("pairs", "labels", "streets", "stuff"):
        assert {path.name for path in (workplace / folder).iterdir()} == {"train", "val", "test"}
