"""A real HTTP server on the loopback interface, as well or as badly behaved as a test asks."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Behavior:
    """What the server gives, changed by tests while it runs.

    Parameters
    ----------
    content : bytes
        The file.
    ranges : bool
        Whether it continues at a byte.
    cut : int or None
        Bytes after which each answer breaks off.
    status : int or None
        An error that it answers instead.
    pace : float
        Seconds between two pieces of 16 kB.
    """

    content: bytes
    ranges: bool = True
    cut: int | None = None
    status: int | None = None
    pace: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    url: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


def _handler(behavior: Behavior) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            behavior.asked.append(wanted)
            if behavior.status is not None:
                self.send_error(behavior.status)
                return
            content, start = behavior.content, 0
            match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
            if behavior.ranges and match:
                start = int(match[1])
                if start >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:][: behavior.cut]
            with contextlib.suppress(ConnectionError):  # the client was killed
                for at in range(0, len(body), 1 << 14):
                    self.wfile.write(body[at : at + (1 << 14)])
                    if behavior.pace:
                        behavior.stop.wait(behavior.pace)

        def log_message(self, *args: object) -> None:
            """Stay quiet."""

    return Handler


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet about clients that were killed."""


@contextlib.contextmanager
def serve(content: bytes) -> Iterator[Behavior]:
    behavior = Behavior(content)
    server = _Server(("127.0.0.1", 0), _handler(behavior))
    behavior.url = f"http://127.0.0.1:{server.server_address[1]}/weights/model.pth"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield behavior
    finally:
        behavior.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port of this computer where nobody answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
