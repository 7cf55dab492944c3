"""A small HTTP server in a thread, with the faults that real ones have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar


@dataclass
class Served:
    """What a server has, how it behaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tag: str = '"v1"'
    break_after: list[int] = field(default_factory=list)  # of each coming transfer, in bytes
    with_length: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    served: ClassVar[Served]

    def do_GET(self) -> None:
        served = self.served
        served.requests.append((self.path, dict(self.headers)))
        data = served.files.get(self.path.removeprefix(served.url))
        if data is None:
            self.send_error(404)
            return
        begin = self._begin(data)
        if begin > len(data) - 1 and begin:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if served.with_length:
            self.send_header("Content-Length", str(len(data) - begin))
        if served.tag:
            self.send_header("ETag", served.tag)
        self.end_headers()
        end = len(data)
        if served.break_after:
            end = min(end, begin + served.break_after.pop(0))
        self.wfile.write(data[begin:end])

    def _begin(self, data: bytes) -> int:
        wanted = self.headers.get("Range")
        if not self.served.ranges or not wanted or self.headers.get("If-Range") != self.served.tag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Served]:
    served = Served(files)
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
