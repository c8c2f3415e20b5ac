"""A Redis of its own, as the broker of Celery in the tests."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from pathlib import Path

from _bulk import wait_until


class Broker:
    """A broker in a folder of its own; with `keeps_data` it loses nothing when it is killed."""

    def __init__(self, folder: Path, *, keeps_data: bool) -> None:
        self._folder = folder
        self._keeps_data = keeps_data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        keeps = ["yes", "--appendfsync", "always"] if self._keeps_data else ["no"]
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", str(self._folder), "--appendonly", *keeps],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert wait_until(self._answers, 10)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as s:
            s.sendall(b"PING\r\n")
            return s.recv(64).startswith(b"+PONG")
        return False
