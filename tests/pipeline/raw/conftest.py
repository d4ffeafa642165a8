"""A web server on the loopback interface that serves a folder, and can misbehave."""

from __future__ import annotations

import http.server
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Mirror:
    """A server of files, with its behaviour and the requests that it received."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    honours_ranges: bool = True
    break_after_bytes: int | None = None  # once
    wait_seconds: float = 0.0
    requests: list[tuple[str, str]] = field(default_factory=list)  # path, Range header


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    state = Mirror()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.requests.append((self.path, asked))
            time.sleep(state.wait_seconds)
            content = state.files.get(self.path.lstrip("/"))
            if content is None:
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.honours_ranges else 0
            if start >= len(content) > 0 and start:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            stop, state.break_after_bytes = state.break_after_bytes, None
            self.wfile.write(content[start:] if stop is None else content[start:stop])

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def small_files(small_mnist: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in small_mnist.iterdir()}
