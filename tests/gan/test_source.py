import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from serving import Served, serving

from gancompress.errors import DataError, RunError
from gancompress.events import Notice, RunEvent, StageFinished, StageProgress, StageStarted
from gancompress.gan import Source, fetch_source


def archive(names: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as file:
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


PICTURES = archive({"tiny/train/1.png": b"one", "tiny/val/2.png": b"two!"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving({"/tiny.tar.gz": PICTURES, "/g.pth": b"weights"}) as served:
        yield served


@pytest.fixture
def tiny(server: Served) -> Source:
    return Source("tiny", "data", f"{server.url}/tiny.tar.gz", "tar.gz")


def lock(folder: Path) -> dict[str, dict[str, object]]:
    return dict(json.loads((folder / "downloads.lock.json").read_text())["files"])


def test_a_set_is_unpacked_recorded_and_not_fetched_twice(
    server: Served, tiny: Source, tmp_path: Path
) -> None:
    events: list[RunEvent] = []
    for _ in range(2):
        assert fetch_source(tiny, tmp_path, emit=events.append) == tmp_path / "tiny"
    assert (tmp_path / "tiny" / "val" / "2.png").read_bytes() == b"two!"
    assert len(server.requests) == 1
    entry = lock(tmp_path)[tiny.url]
    assert (entry["files"], entry["unpacked"], entry["size"]) == (2, 7, len(PICTURES))
    kinds = [type(event) for event in events]
    assert kinds == [StageStarted, StageProgress, StageFinished, Notice]
    visible = {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")}
    assert visible == {"tiny", "downloads.lock.json"}


def test_a_file_is_kept_and_checked_against_its_first_download(
    server: Served, tmp_path: Path
) -> None:
    source = Source("g", "checkpoint", f"{server.url}/g.pth")
    path = fetch_source(source, tmp_path)
    assert path == tmp_path / "g.pth"
    path.write_bytes(b"damaged")
    assert fetch_source(source, tmp_path).read_bytes() == b"weights"
    path.unlink()
    server.files["/g.pth"] = b"anothr!"
    with pytest.raises(DataError, match="damaged or another file"):
        fetch_source(source, tmp_path)
    assert not path.exists()


def test_what_is_no_archive_is_not_trusted(server: Served, tiny: Source, tmp_path: Path) -> None:
    server.files["/tiny.tar.gz"] = b"<html>please log in</html>"
    with pytest.raises(DataError, match=r"is no whole tar\.gz archive"):
        fetch_source(tiny, tmp_path)
    assert not (tmp_path / "downloads.lock.json").exists()
    server.files["/tiny.tar.gz"] = PICTURES
    assert fetch_source(tiny, tmp_path).is_dir()


def test_known_size_and_digest_are_checked_at_once(tiny: Source, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not '00"):
        fetch_source(replace(tiny, sha256="0" * 64), tmp_path)
    with pytest.raises(DataError, match="bytes, not 3"):
        fetch_source(replace(tiny, size=3), tmp_path)


def test_a_folder_that_has_changed_is_named_and_left_alone(tiny: Source, tmp_path: Path) -> None:
    folder = fetch_source(tiny, tmp_path)
    (folder / "val" / "2.png").unlink()
    with pytest.raises(DataError, match=r"has 1 files of 3 bytes, and was unpacked with 2 of 7"):
        fetch_source(tiny, tmp_path)
    assert (folder / "train" / "1.png").is_file()


def test_a_folder_of_somebody_else_is_left_alone(tiny: Source, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    with pytest.raises(DataError, match="was not downloaded by this command"):
        fetch_source(tiny, tmp_path)


def test_a_mirror_must_have_the_same(server: Served, tiny: Source, tmp_path: Path) -> None:
    fetch_source(tiny, tmp_path / "a")
    mirror = tmp_path / "mirror.tar.gz"
    mirror.write_bytes(PICTURES)
    gone = replace(tiny, url="http://gone.invalid/tiny.tar.gz")
    assert fetch_source(gone, tmp_path / "b", url=mirror.as_uri()).is_dir()
    assert list(lock(tmp_path / "b")) == [gone.url]


def test_what_a_person_must_fetch_says_how(tmp_path: Path) -> None:
    source = Source("x", "data", "", by_hand="register at https://example.org")
    with pytest.raises(DataError, match="cannot be downloaded by itself") as caught:
        fetch_source(source, tmp_path)
    assert caught.value.hint == "register at https://example.org"


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {"x": {}}}', '{"files": {"x": 3}}'])
def test_a_damaged_lock_is_one_sentence(tiny: Source, tmp_path: Path, text: str) -> None:
    (tmp_path / "downloads.lock.json").write_text(text)
    with pytest.raises(RunError, match="is damaged"):
        fetch_source(tiny, tmp_path)
