"""``gancompress data``, against a server of this machine and folders made here."""

import io
import json
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image
from serving import Served, serving

from .conftest import Cli

PLUGIN = """
from gancompress import hookimpl
from gancompress.gan import FamilyOptions, GanFamily, Source

class Tiny(GanFamily):
    name = "tiny"
    options = FamilyOptions
    def generator(self, options): ...
    def dataset(self, options, split): ...
    def objective(self, options): ...
    def sources(self):
        return {{
            "set": Source("set", "data", "{url}/set.tar.gz", "tar.gz", "A and B", "free"),
            "net": Source("net", "checkpoint", "{url}/net.pth"),
            "facades": Source("facades", "data", "{url}/set.tar.gz", "tar.gz"),
            "twin": Source("twin", "data", "{url}/set.tar.gz", "tar.gz"),
            "paper": Source("paper", "data", "", by_hand="ask the authors"),
        }}

class Twin(Tiny):
    name = "twin"
    def sources(self):
        one = Source("twin", "data", "{url}/set.tar.gz", "tar.gz", "told otherwise")
        return {{"twin": one, "paper": Source("paper", "data", "", by_hand="ask the authors")}}

@hookimpl
def gancompress_families():
    return [Tiny(), Twin()]
"""


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        info = tarfile.TarInfo("set/A/1.png")
        info.size = 100_000
        file.addfile(info, io.BytesIO(np.random.default_rng(0).bytes(100_000)))
    return out.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving({"/set.tar.gz": archive(), "/net.pth": b"weights"}) as served:
        yield served


@pytest.fixture
def tiny(server: Served, tmp_path: Path) -> tuple[object, ...]:
    plugin = tmp_path / "tiny_gan.py"
    plugin.write_text(PLUGIN.format(url=server.url))
    return ("--plugin", plugin, "data")


def test_the_list_has_every_published_set_with_its_terms(cli: Cli) -> None:
    shown = json.loads(cli.ok("--json", "data", "list"))
    sources = {row["id"]: row for row in shown["sources"]}
    for name in ("facades", "maps", "edges2shoes", "edges2handbags", "night2day", "cityscapes"):
        assert sources[f"pix2pix/{name}"]["licence"]
    assert all(row["url"] or row["by_hand"] for row in sources.values())
    assert all(row["layout"] and row["licence"] for row in sources.values())
    for row in sources.values():
        if row["url"]:
            ending = f".{row['archive']}" if row["archive"] else ".pth"
            assert row["url"].endswith(ending)
            assert (row["archive"] is None) == (row["kind"] == "checkpoint")
        else:
            assert "https://" in row["by_hand"]
    assert {row["id"] for row in shown["preparers"]} >= {"pix2pix/pairs"}
    lines = cli.ok("data", "list", "--family", "pix2pix").splitlines()
    assert any(line.startswith("pix2pix/maps ") and "239 MB" in line for line in lines)
    assert any(line.startswith("pix2pix/cityscapes ") and "by hand" in line for line in lines)
    assert any(line.startswith("prepare pix2pix/pairs A B OUT") for line in lines)


def test_a_download_is_shown_recorded_and_not_repeated(
    cli: Cli, tiny: tuple[object, ...], server: Served, tmp_path: Path
) -> None:
    words = (*tiny, "download", "tiny/set", "--out", tmp_path / "data")
    first = json.loads(cli.ok("--json", *words))
    assert "set (MB)" in cli.progress
    assert "done in" in cli.progress
    assert json.loads(cli.ok("--json", *words)) == first
    assert "already" in cli.progress
    assert Path(first["path"]) == tmp_path / "data" / "tiny" / "set"
    assert (first["files"], first["licence"]) == (1, "free")
    assert len(server.requests) == 1
    text = cli.ok(*tiny, "download", "net", "--out", tmp_path / "data")
    assert f"checkpoint: {tmp_path / 'data' / 'tiny' / 'net.pth'}" in text


def test_what_two_families_offer_alike_is_no_question(
    cli: Cli, tiny: tuple[object, ...], tmp_path: Path
) -> None:
    words = (*tiny, "download", "twin", "--out", tmp_path / "data")
    first = json.loads(cli.ok("--json", *words))
    assert first["id"] == "tiny/twin"
    second = json.loads(cli.ok("--json", *words, "--family", "twin"))
    assert second["id"] == "twin/twin"
    assert first["sha256"] == second["sha256"]


def test_an_interrupted_download_goes_on(
    cli: Cli, tiny: tuple[object, ...], server: Served, tmp_path: Path
) -> None:
    words = (*tiny, "download", "set", "--out", tmp_path / "data")
    server.break_after += [65_536, 0]
    sentence, hint = cli.refused(*words)
    assert "cannot be downloaded" in sentence
    assert "goes on where it stopped" in hint
    cli.ok(*words)
    assert [headers.get("Range") for _, headers in server.requests][-1] == "bytes=65536-"


def test_a_local_copy_takes_the_place_of_the_network(
    cli: Cli, tiny: tuple[object, ...], server: Served, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.tar.gz"
    copy.write_bytes(server.files["/set.tar.gz"])
    words = (*tiny, "download", "set", "--out", tmp_path / "data", "--url", copy.as_uri())
    cli.ok(*words)
    assert not server.requests


def test_mistakes_of_a_download_are_one_sentence_and_a_hint(
    cli: Cli, tiny: tuple[object, ...], server: Served, tmp_path: Path
) -> None:
    def refused(*words: object) -> tuple[str, str]:
        return cli.refused(*tiny, "download", *words, "--out", tmp_path / "data")

    assert "'setx'" in refused("setx")[0]
    assert "do you mean 'set'?" in refused("setx")[1]
    sentence, hint = refused("facades")
    assert "as 'pix2pix/facades' and as 'tiny/facades'" in sentence
    assert "--family" in hint
    assert refused("tiny/paper")[1] == "ask the authors"
    # What a person has to fetch may be another thing for each family.
    assert "as 'tiny/paper' and as 'twin/paper'" in refused("paper")[0]
    assert "is no address" in refused("set", "--url", "set.tar.gz")[0]
    server.files.clear()
    assert "404" in refused("set")[0]
    server.files["/set.tar.gz"] = b"<html>sorry</html>"
    assert "is no whole tar.gz archive" in refused("set")[0]
    (tmp_path / "file").write_text("")
    words = (*tiny, "download", "net", "--out", tmp_path / "file")
    assert "cannot be written" in cli.refused(*words)[0]


def write(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(sum(folder.name.encode()))
    for index in range(count):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def test_prepared_pairs_are_sound(cli: Cli, tmp_path: Path) -> None:
    a, b, out = write(tmp_path / "a", 10), write(tmp_path / "b", 10), tmp_path / "out"
    shown = json.loads(cli.ok("--json", "data", "prepare", "pairs", a, b, out, "-o", "val=0.2"))
    assert shown["counts"] == {"train": 7, "val": 2, "test": 1}
    report = json.loads(cli.ok("--json", "data", "verify", out, "--family", "pix2pix"))
    assert report["sound"]
    assert [row["pictures"] for row in report["figures"]] == [7, 2, 1]
    assert report["figures"][0]["modes"] == {"RGB": 7}
    text = cli.ok("data", "verify", out, "--family", "pix2pix")
    assert "80x40" in text
    # Each split is small, and so is each picture.
    assert "sound: 0 errors, 6 warnings" in text
    assert "hold pictures smaller than 64x64 and are enlarged" in text


def test_what_is_wrong_is_listed_and_the_exit_code_is_one(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for split in ("train", "val"):
        write(out / split, 30)
    for path in (out / "train").iterdir():
        path.write_bytes(b"no picture")
    words = ("data", "verify", out, "--family", "pix2pix")
    assert cli.call(*words) == 1
    shown = cli._capsys.readouterr()
    assert "Traceback" not in shown.err
    assert f"error: {out / 'train' / '0.png'}: cannot be read as a picture" in shown.out
    assert "more; --json lists them all" in shown.out
    assert shown.out.splitlines()[-1] == "not sound: 31 errors, 3 warnings"
    assert cli.call("--json", *words) == 1
    report = json.loads(cli._capsys.readouterr().out)
    assert len(report["problems"]) == 34
    assert not report["sound"]


def png_of_16_bits() -> bytes:
    """A colour PNG of 16 bits a channel, which Pillow reads and cannot write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    pixels = np.random.default_rng(0).integers(0, 65_536, (64, 64, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def colour(size: tuple[int, int] = (64, 64)) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def put(path: Path, kind: str) -> None:
    """Write a picture that is not read as it lies there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    match kind:
        case "palette":
            colour().quantize(8).save(path)
        case "cmyk":
            colour().convert("CMYK").save(path.with_suffix(".jpg"))
        case "turned":
            colour().save(path.with_suffix(".jpg"), exif=turned)
        case "deep colour":
            path.write_bytes(png_of_16_bits())
        case "deep grey":
            Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)).save(path)
        case "grey":
            colour().convert("L").save(path)
        case "clear":
            colour().convert("RGBA").save(path)
        case "small":
            colour((64, 40)).save(path)
        case _:
            colour().save(path)


CONVERTED = {
    "palette": "1 of 3 files have a palette, which becomes plain colours, such as 'x.png'",
    "cmyk": "1 of 3 files are CMYK, which becomes RGB, such as 'x.jpg'",
    "turned": "1 of 3 files are turned as their EXIF block says, such as 'x.jpg'",
    "deep colour": "1 of 3 files have 16 bits a channel, of which 8 are kept, such as 'x.png'",
    "deep grey": "1 of 3 files have 16 bits a channel, of which 8 are kept, such as 'x.png'",
    "grey": "1 of 3 files have 1 channel (grey) and are read with 3 channels (colour)",
    "clear": "1 of 3 files have 4 channels (colour and transparency) and are read with 3 channels",
    "small": "1 of 3 files are smaller than 64x64 and are enlarged, such as 'x.png'",
}


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    for split in ("trainA", "trainB", "testA", "testB"):
        for name in "ab":
            put(tmp_path / "set" / split / f"{name}.png", "plain")
            colour().rotate(hash_of(split + name)).save(tmp_path / "set" / split / f"{name}.png")
    return tmp_path / "set"


def hash_of(text: str) -> int:
    return sum(text.encode())


@pytest.mark.parametrize("kind", CONVERTED)
def test_what_is_converted_is_a_warning(cli: Cli, domains: Path, kind: str) -> None:
    words = ("data", "verify", domains, "--family", "cyclegan", "-o", "size=64")
    before = cli.ok(*words)
    assert "files" not in before
    put(domains / "trainB" / "x.png", kind)
    shown = cli.ok(*words)
    assert f"warning: {domains / 'trainB'}: {CONVERTED[kind]}" in shown
    mixed = "its files have 2 sizes, from 64x40 to 64x64, and are all brought to 64x64"
    assert (mixed in shown) == (kind == "small")
    # What is a warning here is read without a word.
    from gancompress.gan import read_picture

    (path,) = (domains / "trainB").glob("x.*")
    assert read_picture(path).shape[2] == 3


def test_a_pair_has_as_many_channels_as_the_wider_half(cli: Cli, tmp_path: Path) -> None:
    for place, split in enumerate(("train", "val", "test")):
        (tmp_path / split).mkdir()
        for name in (0, 1):
            grey = colour((128, 64)).rotate(2 * place + name).convert("L")
            grey.save(tmp_path / split / f"{name}.png")
    words = ("data", "verify", tmp_path, "--family", "pix2pix", "-o", "input_channels=1")
    assert "2 of 2 files have 1 channel (grey) and are read with 3 channels" in cli.ok(*words)
    assert "channel" not in cli.ok(*words, "-o", "output_channels=1")


def test_a_label_map_keeps_its_palette_and_its_depth(cli: Cli, tmp_path: Path) -> None:
    for place, split in enumerate(("train", "val", "test")):
        for name in (0, 1):
            put(tmp_path / split / "image" / f"{name}.png", "plain")
            colour().rotate(2 * place + name).save(tmp_path / split / "image" / f"{name}.png")
            put(tmp_path / split / "label" / f"{name}.png", "plain")
            colour().quantize(4).save(tmp_path / split / "label" / f"{name}.png")
    words = ("data", "verify", tmp_path, "--family", "gaugan", "-o", "classes=4")
    shown = cli.ok(*words)
    assert "palette" not in shown
    assert cli.call("data", "verify", tmp_path, "--family", "gaugan", "-o", "classes=2") == 1
    shown = cli._capsys.readouterr().out
    assert f"error: {tmp_path / 'val' / 'label' / '0.png'}: the labels 2, 3 are outside" in shown


def test_sets_that_are_too_small_for_a_metric_are_named(cli: Cli, domains: Path) -> None:
    words = ("data", "verify", domains, "--family", "cyclegan", "-o", "size=64", "--metric")
    assert cli.call(*words, "kid") == 1
    shown = cli._capsys.readouterr().out
    assert "error: test: the metric 'kid' needs at least 1,000 pictures, and there are 2" in shown
    small = ("kid", "--metric-option", "kid.subset_size=2")
    assert "needs at least" not in cli.ok(*words, *small)
    assert "there is no metric 'nose'" in cli.refused(*words, "nose")[0]


def test_a_training_can_begin_where_a_search_cannot_score(cli: Cli, domains: Path) -> None:
    for name in ("valA", "valB"):
        put(domains / name / "c.png", "plain")
        colour().rotate(hash_of(name) + 7).save(domains / name / "c.png")
    shown = cli.ok("data", "verify", domains, "--family", "cyclegan", "-o", "size=64")
    assert "warning: val: the metric 'frechet-lite0' needs at least 2 pictures" in shown


def test_mistakes_of_prepare_and_verify_are_one_sentence_and_a_hint(
    cli: Cli, tmp_path: Path
) -> None:
    a, out = write(tmp_path / "a", 5), tmp_path / "out"
    assert "no preparer 'pair'" in cli.refused("data", "prepare", "pair", a, a, out)[0]
    assert "takes 3 folders and got 1" in cli.refused("data", "prepare", "pairs", a)[0]
    words = ("data", "prepare", "pairs", a, a, out, "-o")
    assert "'val'" in cli.refused(*words, "val")[0]
    assert "'vall'" in cli.refused(*words, "vall=1")[0]
    assert "'val'" in cli.refused(*words, "val=2")[0]
    nowhere = tmp_path / "nowhere"
    assert "is not a folder" in cli.refused("data", "prepare", "pairs", a, nowhere, out)[0]
    assert not out.exists()
    full = cli.refused("data", "prepare", "pairs", a, a, write(tmp_path / "full", 1))
    assert "is there already" in full[0]
    assert "no family 'nope'" in cli.refused("data", "verify", a, "--family", "nope")[0]
    assert cli.call("data", "verify", nowhere, "--family", "pix2pix") == 1
    assert "is not a folder" in cli._capsys.readouterr().out


@pytest.mark.parametrize("verb", ["list", "download", "prepare", "verify"])
def test_every_verb_has_an_example(cli: Cli, verb: str) -> None:
    assert f"Example: gancompress data {verb}" in cli.ok("data", verb, "--help")
