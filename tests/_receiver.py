"""The program that receives callbacks: a web server that keeps what it was told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit


class Call(NamedTuple):
    """A request that arrived; `data` is the JSON of its body, or its query."""

    method: str
    path: str
    data: Any
    authorization: str | None


class CallbackReceiver(ThreadingHTTPServer):
    """Responds with 200, unless the path or a test says otherwise.

    `/500` gets that status, `/drop` no response, and `/wait` one as soon as `go` is set.

    Attributes:
        calls: What arrived, oldest first.
        next_statuses: The statuses of the next responses.
        body: The body of all responses.
        go: Lets the responses to `/wait` go.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.calls: list[Call] = []
        self.next_statuses: list[int] = []
        self.body = b"<b>ok</b>"
        self.go = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore that a sandbox that stops breaks off its calls."""

    @property
    def states(self) -> list[str]:
        """The states that were reported; "reply" for an inbound message."""
        return [call.data.get("state", "reply") for call in self.calls]


class _Handler(BaseHTTPRequestHandler):
    server: CallbackReceiver  # pyright: ignore[reportIncompatibleVariableOverride]  # no other makes it

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self._take("GET", {name: values[0] for name, values in query.items()})

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self._take("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _take(self, method: str, data: Any) -> None:
        path = urlsplit(self.path).path
        self.server.calls.append(Call(method, path, data, self.headers["Authorization"]))
        if path == "/drop":
            return
        if path == "/wait":
            self.server.go.wait(10)
        status = int(path[1:]) if path[1:].isdigit() else 200
        if self.server.next_statuses:
            status = self.server.next_statuses.pop(0)
        self.send_response(status)
        self.send_header("Location", "/redirected")
        self.send_header("Set-Cookie", "a=b")
        if status != 204:
            self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.005)
