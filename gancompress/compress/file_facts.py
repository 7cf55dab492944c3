"""What a picture file is like, and what a family makes of it without a word."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image

from gancompress.gan import Part

_UPRIGHT: Final = 1
_KINDS: Final = {1: "grey", 2: "grey and transparency", 3: "colour", 4: "colour and transparency"}


@dataclass(frozen=True)
class FileFacts:
    """What the header of a picture says.

    Args:
        path: The file.
        size: Width and height in pixels, as they lie in the file.
        mode: Pillow's mode.
        channels: Channels of what it shows: 1 grey, 2 with transparency, 3 colour, 4 with
            transparency.
        deep: Whether its channels have 16 bits.
        turned: Whether its EXIF block says that a viewer has to turn or to mirror it.
    """

    path: Path
    size: tuple[int, int]
    mode: str
    channels: int
    deep: bool
    turned: bool

    @classmethod
    def read(cls, path: Path) -> "FileFacts":
        """Read the header of a file that is known to be a picture.

        Args:
            path: The file.
        """
        with Image.open(path) as image:
            grey = image.mode.startswith(("1", "L", "I", "F"))
            clear = "A" in image.getbands() or "transparency" in image.info
            # Of 16-bit colours Pillow keeps 8 from the start, and only its decoder knows.
            deep = image.mode.startswith("I") or any("16" in str(tile.args) for tile in image.tile)
            turned = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) != _UPRIGHT
            channels = (1 if grey else 3) + int(clear)
            return cls(path, image.size, image.mode, channels, deep, turned)


def changes(part: Part, files: Sequence[FileFacts]) -> Iterator[str]:
    """Say what reading the files of a part changes in them, a sentence for each kind of change.

    Args:
        part: How the family reads them; label maps are taken as they are.
        files: What was found in the files that can be read.
    """
    if part.kind == "labels" or not files:
        return
    kinds = {
        "have a palette, which becomes plain colours": [f for f in files if f.mode == "P"],
        "are CMYK, which becomes RGB": [f for f in files if f.mode == "CMYK"],
        "have 16 bits a channel, of which 8 are kept": [f for f in files if f.deep],
        "are turned as their EXIF block says": [f for f in files if f.turned],
        **_recoloured(part, files),
        **_enlarged(part, files),
    }
    for text, found in kinds.items():
        if found:
            yield f"{len(found):,} of {len(files):,} files {text}, such as '{found[0].path.name}'"
    sizes = Counter(f.size for f in files)
    if len(sizes) > 1:
        ranked = sorted(sizes, key=lambda size: size[0] * size[1])
        least, most = _text(ranked[0]), _text(ranked[-1])
        brought = "" if part.size is None else f", and are all brought to {_text(part.size)}"
        yield f"its files have {len(sizes):,} sizes, from {least} to {most}{brought}"


def _recoloured(part: Part, files: Sequence[FileFacts]) -> dict[str, list[FileFacts]]:
    if part.channels is None:
        return {}
    wanted = part.channels
    found: dict[str, list[FileFacts]] = {}
    for file in files:
        if file.channels != wanted:
            kind = f"have {_named(file.channels)} and are read with {_named(wanted)}"
            found.setdefault(kind, []).append(file)
    return found


def _enlarged(part: Part, files: Sequence[FileFacts]) -> dict[str, list[FileFacts]]:
    if part.size is None:
        return {}
    width, height = part.size
    halves = 2 if part.kind == "pair" else 1
    small = [f for f in files if f.size[0] // halves < width or f.size[1] < height]
    of = "hold pictures smaller" if part.kind == "pair" else "are smaller"
    return {f"{of} than {_text(part.size)} and are enlarged": small}


def _named(channels: int) -> str:
    noun = "channel" if channels == 1 else "channels"
    return f"{channels} {noun} ({_KINDS[channels]})"


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
