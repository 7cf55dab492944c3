"""``gancompress data``, against a server of this machine and folders made here."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

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
            "paper": Source("paper", "data", "", by_hand="ask the authors"),
        }}

@hookimpl
def gancompress_families():
    return [Tiny()]
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
    assert refused("paper")[1] == "ask the authors"
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
    assert "sound: 0 errors, 3 warnings" in text


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
    assert shown.out.splitlines()[-1] == "not sound: 31 errors, 2 warnings"
    assert cli.call("--json", *words) == 1
    report = json.loads(cli._capsys.readouterr().out)
    assert len(report["problems"]) == 33
    assert not report["sound"]


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
