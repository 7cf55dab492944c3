"""Downloads, from a server on this machine that can also break off or send something else."""

import functools
import gc
import logging
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gancompress.errors import DataError, MissingExtraError, StorageError
from gancompress.store import download

CONTENT = bytes(range(256)) * 400
SHA256 = sha256(CONTENT).hexdigest()
# requests leaves the socket of a response that breaks off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
OTHER = sha256(CONTENT[::-1]).hexdigest()[:8]


class Server:
    """What the handler sends, and how often it was asked."""

    def __init__(self) -> None:
        self.mode = "whole"
        self.asked = 0
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    def __init__(self, server: Server, *args: object) -> None:
        self._state = server
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._state.asked += 1
        if self._state.mode == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        content = CONTENT[::-1] if self._state.mode == "corrupt" else CONTENT
        self.wfile.write(content[: len(content) // 2])
        if self._state.mode != "interrupted":
            self.wfile.write(content[len(content) // 2 :])
        else:
            self.wfile.flush()
            self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, state))
    state.url = f"http://127.0.0.1:{http.server_port}/weights.pth"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()
    gc.collect()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path / "cache"))
    logging.getLogger("pooch").setLevel(logging.WARNING)
    return tmp_path / "cache" / "downloads"


def fetch(server: Server) -> Path:
    return download(server.url, sha256=SHA256, extra="fid", hint="fetch it by hand")


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_is_fetched_once(server: Server, folder: Path) -> None:
    path = fetch(server)
    assert path.read_bytes() == CONTENT
    assert path == fetch(server)
    assert server.asked == 1
    assert kept(folder) == [f"{SHA256[:8]}-weights.pth"]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("interrupted", "cannot be downloaded"),
        ("missing", "cannot be downloaded: HTTPError: 404"),
        ("corrupt", f"damaged or another file: its SHA-256 begins with '{OTHER}'"),
    ],
)
def test_what_goes_wrong_leaves_nothing_and_the_next_try_succeeds(
    server: Server, folder: Path, mode: str, words: str
) -> None:
    server.mode = mode
    with pytest.raises(DataError) as caught:
        fetch(server)
    assert words in caught.value.message
    assert server.url in caught.value.message
    assert caught.value.hint == "fetch it by hand"
    assert kept(folder) == []

    server.mode = "whole"
    assert fetch(server).read_bytes() == CONTENT


def test_a_server_that_is_not_there(server: Server, folder: Path) -> None:
    with pytest.raises(DataError, match="cannot be downloaded: ConnectionError"):
        download("http://127.0.0.1:9/x.pth", sha256=SHA256, extra="fid")
    assert kept(folder) == []


def test_a_kept_file_that_was_damaged_is_fetched_again(server: Server) -> None:
    path = fetch(server)
    path.write_bytes(CONTENT[:100])
    assert fetch(server).read_bytes() == CONTENT
    assert server.asked == 2


def test_two_callers_at_once_fetch_it_once(server: Server) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(server))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.read_bytes() for path in found}) == 1
    assert (len(found), server.asked) == (3, 1)


def test_a_cache_that_cannot_be_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GANCOMPRESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(server)


def test_the_downloader_is_an_extra(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(MissingExtraError) as caught:
        fetch(server)
    assert "gancompress[fid]" in caught.value.hint
