"""How the sandbox starts and stops, and what it leaves alone in the process that it runs in."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from ecall_facade.sandbox import Sandbox

SMS = {
    "channel": "Sms",
    "from": "ACME",
    "to": "+41791234567",
    "content": {"type": "Text", "text": "x"},
}


def auth(sandbox: Sandbox) -> tuple[str, str]:
    return sandbox.credentials["username"], sandbox.credentials["password"]


def send(sandbox: Sandbox, client: httpx.Client | None = None) -> int:
    post = httpx.post if client is None else client.post
    return post(f"{sandbox.url}/api/message", json=SMS, auth=auth(sandbox)).status_code


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def stored_files(tmp_path: Path) -> list[Path]:
    """Return the uploaded files of the sandboxes of a test."""
    return [path for folder in tmp_path.glob("ecall-sandbox-*") for path in folder.iterdir()]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_sandbox_starts_fast() -> None:
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        with Sandbox():
            times.append(time.perf_counter() - began)
    assert min(times) < 0.15  # the others may have had a busy machine


def test_a_sandbox_stops_cleanly_with_idle_connections_open() -> None:
    others = set(threading.enumerate())  # such as that of a sandbox for the whole session
    sandbox = Sandbox().start()
    with httpx.Client() as client:
        assert send(sandbox, client) == 200
        port = httpx.URL(sandbox.url).port
        sandbox.stop()
    assert not [
        thread for thread in set(threading.enumerate()) - others if thread.name == "ecall-sandbox"
    ]
    gc.collect()  # a socket that was left open would warn
    assert port is not None
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))


def test_stop_and_start_play_an_outage() -> None:
    with Sandbox() as sandbox, httpx.Client() as client:
        url = sandbox.url
        for number in range(3):
            assert send(sandbox, client) == 200
            sandbox.stop()
            with pytest.raises(httpx.TransportError):
                client.get(url)
            assert len(sandbox.messages) == number + 1
            sandbox.start()
            assert sandbox.url == url


@pytest.mark.long
def test_stop_breaks_off_an_upload_and_a_download_under_way(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        header = httpx.BasicAuth(*auth(sandbox))._auth_header
        octets = {"Content-Type": "application/octet-stream"}
        media = httpx.post(
            f"{sandbox.url}/api/media", content=b"x" * 2**23, headers=octets, auth=auth(sandbox)
        ).json()
        address = ("127.0.0.1", httpx.URL(sandbox.url).port)
        head = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: {header}\r\nContent-Type: application/octet-stream\r\n"
        with (
            socket.create_connection(address) as upload,
            socket.create_connection(address) as download,
        ):
            upload.sendall(f"POST /api/media {head}Content-Length: 1000000\r\n\r\nxxx".encode())
            download.sendall(f"GET /api/media/{media['mediaId']} {head}\r\n".encode())
            assert download.recv(100)
            began = time.perf_counter()
            sandbox.stop()
            assert time.perf_counter() - began < 3
    gc.collect()
    assert [path.name for path in stored_files(tmp_path)] == [media["mediaId"]]


def test_an_upload_that_breaks_off_leaves_no_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox() as sandbox:
        header = httpx.BasicAuth(*auth(sandbox))._auth_header
        with socket.create_connection(("127.0.0.1", httpx.URL(sandbox.url).port)) as sock:
            sock.sendall(
                f"POST /api/media HTTP/1.1\r\nHost: localhost\r\nAuthorization: {header}\r\n"
                "Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\nxxx".encode()
            )
            time.sleep(0.05)
        time.sleep(0.05)
        assert stored_files(tmp_path) == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_files_beyond_the_limit_and_cleared_files_are_removed(tmp_path: Path) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    with Sandbox(max_media=2) as sandbox:
        url = f"{sandbox.url}/api/media"
        for _ in range(3):
            httpx.post(url, content=b"x", headers=headers, auth=auth(sandbox))
        assert len(stored_files(tmp_path)) == 2
        sandbox.clear()
        assert stored_files(tmp_path) == []


def test_files_are_removed_with_the_sandbox(tmp_path: Path) -> None:
    sandbox = Sandbox()
    with sandbox:
        headers = {"Content-Type": "application/octet-stream"}
        httpx.post(f"{sandbox.url}/api/media", content=b"x", headers=headers, auth=auth(sandbox))
    assert len(stored_files(tmp_path)) == 1
    del sandbox
    gc.collect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_process_that_was_forked_does_not_remove_the_files(tmp_path: Path) -> None:
    done = run(
        "import os, sys, tempfile, httpx\n"
        "from ecall_facade.sandbox import Sandbox\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "with Sandbox(username='a', password='b') as sandbox:\n"
        "    headers = {'Content-Type': 'application/octet-stream'}\n"
        "    httpx.post(sandbox.url + '/api/media', content=b'x', headers=headers, auth=('a', 'b'))\n"
        "if os.fork() == 0:\n"
        "    sys.exit()\n"
        "os.wait()\n"
        "print(len(os.listdir(os.path.join(tempfile.tempdir, *os.listdir(tempfile.tempdir)))))"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)
    assert list(tmp_path.iterdir()) == []  # the process itself has removed them


def test_wrong_use_of_a_sandbox_is_explained() -> None:
    sandbox = Sandbox()
    for name in ("url", "credentials"):
        with pytest.raises(RuntimeError, match="not running"):
            getattr(sandbox, name)
    assert repr(sandbox) == "<Sandbox stopped, 0 messages>"
    sandbox.stop()
    with sandbox:
        with pytest.raises(RuntimeError, match="already running"):
            sandbox.start()
        assert repr(sandbox) == f"<Sandbox {sandbox.url}, 0 messages>"
        port = httpx.URL(sandbox.url).port
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            Sandbox(port=port or 0).start()


@pytest.mark.parametrize(
    "options",
    [
        {"username": ""}, {"password": ""}, {"username": "a:b"}, {"sent_after": -1},
        {"sent_after": 2, "delivered_after": 1}, {"delivered_after": float("inf")},
        {"sent_after": 1e15, "delivered_after": None}, {"max_messages": 0}, {"max_media": 0},
    ],
)  # fmt: skip
def test_invalid_options_of_a_sandbox_are_explained(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Sandbox(**options)


def test_a_sandbox_leaves_signals_and_logging_alone(caplog: pytest.LogCaptureFixture) -> None:
    def look() -> list[object]:
        loggers = [
            logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error", "uvicorn.access")
        ]
        state: list[object] = [
            (each.level, [*each.handlers], each.propagate, each.disabled) for each in loggers
        ]
        return [*state, *(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))]

    before = look()
    with caplog.at_level(logging.INFO):
        before = look()
        with Sandbox() as sandbox:
            assert look() == before
            send(sandbox)
            with socket.create_connection(("127.0.0.1", httpx.URL(sandbox.url).port)) as sock:
                sock.sendall(b"nonsense\r\n\r\n")
                assert sock.recv(100).startswith(b"HTTP/1.1 400")
        assert look() == before
    assert {record.name for record in caplog.records} <= {
        "httpx",
        "asyncio",
    }  # asyncio talks in debug mode


def test_a_program_may_forget_to_stop_it() -> None:
    done = run(
        "import httpx\n"
        "from ecall_facade.sandbox import Sandbox\n"
        "sandbox = Sandbox().start()\n"
        "client = httpx.Client(trust_env=False)\n"
        "print(client.get(sandbox.url + '/api').status_code)\n"
        "client.close()\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("401\n", "", 0)


def test_the_package_is_imported_without_the_sandbox() -> None:
    done = run(
        "import sys, ecall_facade\n"
        "print([name for name in sys.modules if name.startswith(('uvicorn', 'starlette', 'ecall_facade.sandbox'))])"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_a_missing_extra_of_the_sandbox_is_named(name: str) -> None:
    done = run(f"import sys; sys.modules[{name!r}] = None\nimport ecall_facade.sandbox")
    assert done.stderr.splitlines()[-1].endswith('pip install "ecall-facade[sandbox]"')


@pytest.mark.long
def test_many_sandboxes_can_run_side_by_side() -> None:
    sandboxes = [Sandbox().start() for _ in range(10)]
    try:
        assert len({sandbox.url for sandbox in sandboxes}) == 10
        assert [send(sandbox) for sandbox in sandboxes] == [200] * 10
    finally:
        for sandbox in sandboxes:
            sandbox.stop()
