import functools
import gc
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gancompress.metrics import Lite0Features


@pytest.fixture(scope="session")
def lite0() -> Lite0Features:
    """A shallow extractor: the tests are about what is done with features."""
    return Lite0Features(block=2)


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serve a file by HTTP on this machine; give its address."""
    servers: list[ThreadingHTTPServer] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    def start(path: Path) -> str:
        handler = functools.partial(Quiet, directory=str(path.parent))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/{path.name}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
    gc.collect()
