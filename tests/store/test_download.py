import errno
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Served, serving

from gancompress.errors import ConfigError, DataError, StorageError
from gancompress.store import cache_folder, download, fetch

DATA = bytes(range(256)) * 4000  # about 1 MB
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")


@pytest.fixture
def server() -> Iterator[Served]:
    with serving({"/a.bin": DATA}) as served:
        yield served


def kept(folder: Path) -> set[str]:
    """Files of a folder without locks."""
    return {p.name for p in folder.iterdir() if not p.name.endswith(".lock")}


def test_a_file_comes_whole_with_its_digest_and_only_once(server: Served, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    place = tmp_path / "deep" / "a.bin"
    for _ in range(2):
        got = fetch(f"{server.url}/a.bin", place, progress=lambda *at: seen.append(at))
        assert got == SHA
    assert place.read_bytes() == DATA
    assert len(server.requests) == 1
    assert kept(place.parent) == {"a.bin"}
    assert seen[-1] == (len(DATA), len(DATA))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_broken_connection_is_taken_up_where_it_broke(server: Served, tmp_path: Path) -> None:
    server.break_after += [327_680, 196_608]
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin") == SHA
    ranges = [headers.get("Range") for _, headers in server.requests]
    assert ranges == [None, "bytes=327680-", "bytes=524288-"]


def test_the_next_call_goes_on_where_the_last_one_stopped(server: Served, tmp_path: Path) -> None:
    place = tmp_path / "a.bin"
    server.break_after += [327_680, 0]
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        fetch(f"{server.url}/a.bin", place)
    assert "goes on where it stopped" in caught.value.hint
    assert not place.exists()
    assert (tmp_path / ".a.bin.partial").stat().st_size == 327_680
    server.requests.clear()
    assert fetch(f"{server.url}/a.bin", place) == SHA
    assert [headers["Range"] for _, headers in server.requests] == ["bytes=327680-"]
    assert kept(tmp_path) == {"a.bin"}


KILLED = """
import sys
from pathlib import Path
from gancompress.store import fetch
def slow(done, total):
    if done >= 500_000:
        print("here", flush=True)
        sys.stdin.read()
fetch(sys.argv[1], Path(sys.argv[2]), progress=slow)
"""


def test_a_process_that_was_killed_leaves_what_the_next_one_goes_on_with(
    server: Served, tmp_path: Path
) -> None:
    place = tmp_path / "a.bin"
    words = [sys.executable, "-c", KILLED, f"{server.url}/a.bin", str(place)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not place.exists()
    server.requests.clear()
    assert fetch(f"{server.url}/a.bin", place) == SHA
    begin = int(server.requests[0][1]["Range"].removeprefix("bytes=").removesuffix("-"))
    assert begin > 400_000


def test_another_version_on_the_server_is_fetched_from_the_beginning(
    server: Served, tmp_path: Path
) -> None:
    place = tmp_path / "a.bin"
    server.break_after += [327_680, 0]
    with pytest.raises(DataError):
        fetch(f"{server.url}/a.bin", place)
    newer = DATA[::-1]
    server.files["/a.bin"], server.tag = newer, '"v2"'
    fetch(f"{server.url}/a.bin", place)
    assert place.read_bytes() == newer


@pytest.mark.parametrize("tag", ['"v1"', "", 'W/"v1"'])
def test_a_server_that_cannot_send_parts_sends_the_whole_again(
    server: Served, tmp_path: Path, tag: str
) -> None:
    server.ranges, server.tag = False, tag
    server.break_after += [327_680, 100_000]
    with pytest.raises(DataError):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin") == SHA


def test_a_partial_file_that_is_longer_than_the_file_is_thrown_away(
    server: Served, tmp_path: Path
) -> None:
    (tmp_path / ".a.bin.partial").write_bytes(DATA + b"more")
    (tmp_path / ".a.bin.partial.json").write_text(json.dumps(server.tag))
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin") == SHA


def test_a_partial_file_that_is_whole_already_is_taken(server: Served, tmp_path: Path) -> None:
    (tmp_path / ".a.bin.partial").write_bytes(DATA)
    (tmp_path / ".a.bin.partial.json").write_text(json.dumps(server.tag))
    assert fetch(f"{server.url}/a.bin", tmp_path / "a.bin", sha256=SHA) == SHA
    assert len(server.requests) == 1


def test_a_file_with_another_digest_is_refused_and_not_kept(server: Served, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="damaged or another file: its SHA-256"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", sha256="0" * 64)
    assert kept(tmp_path) == set()


def test_a_file_of_another_size_is_refused_and_not_kept(server: Served, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1,024,000 bytes, not 5"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin", size=5)
    assert kept(tmp_path) == set()


def test_a_file_that_was_damaged_on_the_disk_is_fetched_again(
    server: Served, tmp_path: Path
) -> None:
    place = tmp_path / "a.bin"
    place.write_bytes(b"damaged")
    assert fetch(f"{server.url}/a.bin", place, sha256=SHA) == SHA
    place.write_bytes(b"damaged")
    assert fetch(f"{server.url}/a.bin", place, size=len(DATA)) == SHA


def test_a_page_that_is_not_there_is_one_sentence(server: Served, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b.bin' cannot be downloaded: HTTPError: 404"):
        fetch(f"{server.url}/b.bin", tmp_path / "b.bin")
    assert kept(tmp_path) == set()


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be downloaded: ConnectionError"):
        fetch("http://127.0.0.1:9/a.bin", tmp_path / "a.bin")


def test_an_address_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'ftp://x/a.bin' is no address"):
        fetch("ftp://x/a.bin", tmp_path / "a.bin")


def test_a_length_that_the_server_does_not_say(server: Served, tmp_path: Path) -> None:
    server.with_length = False
    seen: list[int | None] = []
    fetch(f"{server.url}/a.bin", tmp_path / "a.bin", progress=lambda _, of: seen.append(of))
    assert set(seen) == {None}
    assert (tmp_path / "a.bin").read_bytes() == DATA


def test_a_local_file_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "with space.bin"
    source.write_bytes(DATA)
    assert fetch(source.as_uri(), tmp_path / "a.bin", sha256=SHA) == SHA
    with pytest.raises(DataError, match=r"'/nowhere.bin' cannot be read"):
        fetch("file:///nowhere.bin", tmp_path / "b.bin")


def test_a_disk_without_room_is_noticed_before_the_transfer(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageError, match=r"no room for 1.0 MB: 0.0 MB are free"):
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    assert kept(tmp_path) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_fills_up_in_between_is_one_sentence(server: Served, tmp_path: Path) -> None:
    (tmp_path / ".a.bin.partial").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="cannot be written: the disk is full") as caught:
        fetch(f"{server.url}/a.bin", tmp_path / "a.bin")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert not (tmp_path / "a.bin").exists()


def test_a_folder_that_may_not_be_written_is_one_sentence(server: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(f"{server.url}/a.bin", tmp_path / "file" / "a.bin")


def test_the_proxy_of_the_environment_is_asked(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy gets whole addresses; this one has the file of a host that does not exist.
    server.files["http://data.invalid/a.bin"] = DATA
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    assert fetch("http://data.invalid/a.bin", tmp_path / "a.bin") == SHA
    assert server.requests[0][0] == "http://data.invalid/a.bin"


def test_the_cache_keeps_files_of_one_name_apart(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path / "cache"))
    first = download(f"{server.url}/a.bin", sha256=SHA)
    began = time.monotonic()
    assert download(f"{server.url}/a.bin", sha256=SHA) == first
    assert time.monotonic() - began < 5
    assert len(server.requests) == 1
    assert first.parent == cache_folder() / "downloads"
    server.files["/b/a.bin"] = DATA[1:]
    other = hashlib.sha256(DATA[1:]).hexdigest()
    assert download(f"{server.url}/b/a.bin", sha256=other) != first


def test_two_callers_at_once_fetch_a_file_once(server: Served, tmp_path: Path) -> None:
    found: list[str] = []
    url = f"{server.url}/a.bin"
    threads = [
        threading.Thread(target=lambda: found.append(fetch(url, tmp_path / "a.bin")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [SHA] * 3
    assert len(server.requests) == 1
