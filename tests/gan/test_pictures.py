import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from gancompress.errors import DataError
from gancompress.gan import find_pictures, read_picture, refuse_all, shown, with_channels


def write(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_a_missing_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        find_pictures(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(DataError, match="holds no picture"):
        find_pictures(tmp_path)


@pytest.mark.parametrize("cut", [0, 20, 60])
def test_an_unreadable_picture_is_named(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "broken.png", (9, 9, 9), (64, 64))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"broken\.png' cannot be read"):
        read_picture(path)


def test_one_channel_is_grey(tmp_path: Path) -> None:
    assert read_picture(write(tmp_path / "g.png", (10, 10, 10)), channels=1).shape == (8, 8, 1)


def test_pictures_of_all_kinds_show_what_a_viewer_shows(tmp_path: Path) -> None:
    deep = np.full((4, 8), 30_000, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert set(np.unique(read_picture(tmp_path / "deep.png"))) == {30_000 // 257}
    Image.new("RGBA", (8, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png").min() == 255
    turned = Image.new("RGB", (8, 4))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg").shape == (8, 4, 3)


def giant_png(path: Path, side: int) -> Path:
    """A few bytes that say they are a picture of many pixels."""
    content = bytearray(write(path, (9, 9, 9)).read_bytes())
    content[16:24] = struct.pack(">II", side, side)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns of the one, refuses the other
def test_a_decompression_bomb_is_named(tmp_path: Path, side: int) -> None:
    path = giant_png(tmp_path / "bomb.png", side)
    with pytest.raises(DataError, match=r"bomb\.png' has more than 89,478,485 pixels"):
        read_picture(path)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "1.jpg", (0, 0, 0))
    for name in ("._1.jpg", ".hidden.png"):
        (tmp_path / name).write_bytes(b"no picture")
    assert find_pictures(tmp_path) == (tmp_path / "1.jpg",)


def photograph() -> Image.Image:
    """A colour picture that shows every mistake in turning, channels and depth."""
    image = Image.new("RGB", (32, 16), (200, 40, 90))
    ImageDraw.Draw(image).rectangle((0, 0, 15, 7), fill=(20, 180, 60))
    return image


def test_palettes_and_cmyk_become_their_colours(tmp_path: Path) -> None:
    image = photograph()
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png")
    assert np.array_equal(read_picture(tmp_path / "palette.png"), np.asarray(image))
    image.convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    difference = read_picture(tmp_path / "print.jpg").astype(int) - np.asarray(image)
    assert np.abs(difference[2:5, 2:13]).max() < 8  # away from edges, which JPEG smears
    for channels, shape in {1: (16, 32, 1), 4: (16, 32, 4)}.items():
        assert read_picture(tmp_path / "print.jpg", channels).shape == shape


def test_a_palette_with_a_transparent_colour_lies_on_paper(tmp_path: Path) -> None:
    image = photograph().convert("P", palette=Image.Palette.ADAPTIVE)
    image.save(tmp_path / "clear.png", transparency=image.getpixel((0, 0)))
    assert (read_picture(tmp_path / "clear.png")[0, 0] == 255).all()
    kept = read_picture(tmp_path / "clear.png", 4)
    assert kept[0, 0, 3] == 0
    assert kept[15, 31].tolist() == [200, 40, 90, 255]


def test_transparency_is_kept_where_there_is_a_channel_for_it(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (10, 20, 30, 64)).save(tmp_path / "glass.png")
    assert read_picture(tmp_path / "glass.png", 4)[0, 0].tolist() == [10, 20, 30, 64]
    assert read_picture(tmp_path / "glass.png", 2)[0, 0, 1] == 64
    on_white = [round(255 - (255 - c) * 64 / 255) for c in (10, 20, 30)]
    assert read_picture(tmp_path / "glass.png", 3)[0, 0].tolist() == pytest.approx(on_white, abs=1)
    write(tmp_path / "solid.png", (10, 20, 30))
    assert read_picture(tmp_path / "solid.png", 4)[0, 0].tolist() == [10, 20, 30, 255]


def test_sixteen_bits_of_colour_and_one_bit_of_grey(tmp_path: Path) -> None:
    deep = struct.pack(">6H", 0x1000, 0x8000, 0xFFFF, 0xFFFF, 0x0000, 0x4000)
    rows = zlib.compress(b"\0" + deep)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert read_picture(tmp_path / "deep.png").tolist() == [[[16, 128, 255], [255, 0, 64]]]
    Image.new("1", (4, 4), 1).save(tmp_path / "ink.png")
    assert (read_picture(tmp_path / "ink.png") == 255).all()


@pytest.mark.parametrize("channels", [0, 5])
def test_no_picture_has_so_many_channels(tmp_path: Path, channels: int) -> None:
    path = write(tmp_path / "x.png", (1, 2, 3))
    with pytest.raises(DataError, match=f"'{channels}' channels are not known"):
        read_picture(path, channels)


def test_other_numbers_of_channels() -> None:
    pixels = np.asarray(photograph())
    assert with_channels(pixels, 1).shape == (16, 32, 1)
    assert with_channels(pixels, 4)[:, :, 3].min() == 255
    assert np.array_equal(with_channels(pixels, 4)[:, :, :3], pixels)


def test_what_is_wrong_is_listed_up_to_ten() -> None:
    refuse_all(Path("train"), [])
    one = DataError("'a.png' is thin", hint="feed it")
    with pytest.raises(DataError, match=r"'a\.png' is thin") as caught:
        refuse_all(Path("train"), [one])
    assert caught.value is one
    many = [DataError(f"'{n}.png' is thin") for n in range(12)]
    with pytest.raises(DataError) as listed:
        refuse_all(Path("train"), many)
    assert listed.value.message == (
        "12 pictures of 'train' cannot be used: "
        + "; ".join(f"'{n}.png' is thin" for n in range(10))
        + "; and 2 more"
    )


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ([0.2], [0.2, 0.2, 0.2]),
        ([0.2, 1.0], [0.2, 0.2, 0.2]),
        ([0.2, -1.0], [1.0, 1.0, 1.0]),
        ([0.2, -0.4, 0.6], [0.2, -0.4, 0.6]),
        ([0.2, -0.4, 0.6, 0.0], [0.6, 0.3, 0.8]),
    ],
)
def test_tensors_are_shown_in_colour_on_white(channels: list[float], expected: list[float]) -> None:
    picture = torch.tensor(channels)[None, :, None, None]
    assert shown(picture).flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 5, 8, 8), (1, 0, 8, 8)])
def test_tensors_that_are_no_pictures_are_not_shown(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="has shape"):
        shown(torch.zeros(shape))
