"""The recipes on the servers that run them: Gunicorn, Uvicorn and Waitress, by TCP and by Unix socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from ecall_facade.webhooks import DOCUMENTED_SOURCES

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE, STRANGER = DOCUMENTED_SOURCES[0], "198.51.100.66"
FORM = "application/x-www-form-urlencoded"
# For Django under ASGI, and for Gunicorn with Uvicorn's worker, as docs/reference/webhooks.md shows it.
ASGI_MODULE = """
import webhooks_django
from django.core.asgi import get_asgi_application

application = get_asgi_application()
"""
WORKER_MODULE = """
from uvicorn.workers import UvicornWorker


class CallbackWorker(UvicornWorker):
    CONFIG_KWARGS = {**UvicornWorker.CONFIG_KWARGS, "proxy_headers": False}
"""

GUNICORN = ("gunicorn", "--bind={address}", "--workers=1", "--no-control-socket")
ASGI_GUNICORN = (*GUNICORN, "--worker-class=callback_worker.CallbackWorker")
UVICORN = ("uvicorn", "--no-proxy-headers")
WAITRESS = ("waitress", "--no-clear-untrusted-proxy-headers", "--threads=2")


@dataclass
class Server:
    family: int
    address: tuple[str, int] | str
    log: Path

    def call(self, request: bytes) -> int:
        """Send a request as it is; return the status."""
        with socket.socket(self.family, socket.SOCK_STREAM) as connection:
            connection.settimeout(20)
            connection.connect(self.address)
            connection.sendall(request)
            response = b""
            while chunk := connection.recv(65_536):
                response += chunk
        return int(response.split(maxsplit=2)[1])

    def post(self, body: bytes, content_type: str, *, chunked: bool, caller: str = SOURCE) -> int:
        lines = [
            "POST /ecall/ HTTP/1.1",
            "Host: a.test",
            "Connection: close",
            f"Content-Type: {content_type}",
            f"X-Forwarded-For: {SOURCE}",  # which anybody can send
            f"X-Forwarded-For: {caller}",  # which the proxy adds
            f"X_Forwarded_For: {SOURCE}",  # which becomes the same in WSGI, unless it is dropped
        ]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
            half = len(body) // 2
            pieces = [body[:half], body[half:], b""]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        else:
            lines.append(f"Content-Length: {len(body)}")
        return self.call("\r\n".join([*lines, "", ""]).encode() + body)


@contextlib.contextmanager
def serve(command: tuple[str, ...], app: str, folder: Path, how: str) -> Iterator[Server]:
    (folder / "django_asgi.py").write_text(ASGI_MODULE, "utf-8")
    (folder / "callback_worker.py").write_text(WORKER_MODULE, "utf-8")
    path = folder / "s"
    family: int = socket.AF_UNIX if how == "unix" else socket.AF_INET
    address: tuple[str, int] | str = str(path)
    if how == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = free.getsockname()
    host, port = ("", 0) if isinstance(address, str) else address
    options = {
        "gunicorn": [],
        "uvicorn": [f"--uds={path}"] if how == "unix" else [f"--host={host}", f"--port={port}"],
        "waitress": [f"--unix-socket={path}"] if how == "unix" else [f"--listen={host}:{port}"],
    }[command[0]]
    bind = f"unix:{path}" if how == "unix" else f"{host}:{port}"
    environment = {
        **os.environ,
        "CALLBACK_PROXIES": "unix:" if how == "unix" else "127.0.0.1",
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), str(folder)]),
        "PYTHONUNBUFFERED": "1",
        "FORWARDED_ALLOW_IPS": "*",
    }
    arguments = [part.format(address=bind) for part in command[1:]]
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", command[0], *arguments, *options, app],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Server(family, address, log)
        try:
            wait_until_ready(server, process)
            yield server
        finally:
            process.terminate()


def wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, server.log.read_text("utf-8")
        with contextlib.suppress(OSError, IndexError):
            server.call(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            return
        time.sleep(0.05)
    pytest.fail(server.log.read_text("utf-8"))


SERVERS = {
    "fastapi-uvicorn": (UVICORN, "webhooks_fastapi:app"),
    "fastapi-gunicorn": (ASGI_GUNICORN, "webhooks_fastapi:app"),
    "fastapi-gunicorn-asgi": ((*GUNICORN, "--worker-class=asgi"), "webhooks_fastapi:app"),
    "starlette-uvicorn": (UVICORN, "webhooks_starlette:app"),
    "starlette-gunicorn": (ASGI_GUNICORN, "webhooks_starlette:app"),
    "flask-gunicorn": (GUNICORN, "webhooks_flask:app"),
    "flask-waitress": (WAITRESS, "webhooks_flask:app"),
    "django-gunicorn": (GUNICORN, "webhooks_django"),
    "django-waitress": (WAITRESS, "webhooks_django:application"),
    "django-uvicorn": (UVICORN, "django_asgi:application"),
}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")  # short, as the path of a Unix socket has to be


@pytest.mark.parametrize("how", ["tcp", "unix"])
@pytest.mark.parametrize("name", SERVERS)
def test_each_recipe_takes_bodies_with_length_and_chunked(
    name: str, how: str, folder: Path
) -> None:
    command, app = SERVERS[name]
    with serve(command, app, folder, how) as server:
        statuses: list[int] = []
        for number, chunked in enumerate((False, True)):
            report = {"messageId": f"m-{number}", "state": "Delivered"}
            reply = {"JobID": f"j-{number}", "AddressFrom": "+41791234567", "Message": "Grüezi 💙"}
            statuses += [
                server.post(json.dumps(report).encode(), "application/json", chunked=chunked),
                server.post(urlencode(reply).encode(), FORM, chunked=chunked),
                server.post(
                    json.dumps(report).encode(),
                    "application/json",
                    chunked=chunked,
                    caller=STRANGER,
                ),
                server.post(b"{" + b" " * 70_000, "application/json", chunked=chunked),
            ]
        broken_off = (
            f"POST /ecall/ HTTP/1.1\r\nHost: a.test\r\nContent-Type: {FORM}\r\n"
            f"X-Forwarded-For: {SOURCE}\r\nContent-Length: 99\r\n\r\nfrom=1&text=hal"
        )
        with socket.socket(server.family, socket.SOCK_STREAM) as connection:
            connection.connect(server.address)
            connection.sendall(broken_off.encode())
        last = {"messageId": "m-9", "state": "Delivered"}
        statuses.append(server.post(json.dumps(last).encode(), "application/json", chunked=False))
    output = server.log.read_text("utf-8")
    assert statuses == [200, 200, 403, 413] * 2 + [200], output
    printed = [line for line in output.splitlines() if line.startswith(("Message", "A reply"))]
    assert printed == [
        "Message m-0 is Delivered",
        "A reply by None has 8 characters",
        "Message m-1 is Delivered",
        "A reply by None has 8 characters",
        "Message m-9 is Delivered",
    ]
    assert "Traceback" not in output
    assert f"caller {STRANGER}" in output  # the refusal leaves a trace


@pytest.mark.parametrize("app", ["webhooks_flask:app", "webhooks_django:application"])
def test_waitress_drops_the_header_unless_it_is_told_not_to(app: str, folder: Path) -> None:
    with serve(("waitress",), app, folder, "tcp") as server:
        body = b'{"messageId": "m-1", "state": "Delivered"}'
        assert server.post(body, "application/json", chunked=False) == 403
    output = server.log.read_text("utf-8")
    assert "passed on neither X-Forwarded-For nor Forwarded" in output
