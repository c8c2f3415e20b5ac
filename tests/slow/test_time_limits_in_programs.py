"""Time limits of job queues and of gevent, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _servers import Exchange, Hangup, Server, reply, sent

if TYPE_CHECKING:
    from _servers import Response

pytestmark = pytest.mark.skipif(os.name == "nt", reason="prefork and signals need POSIX")


def silent(exchange: Exchange) -> None:
    exchange.wait_for_end()
    raise Hangup


SITUATIONS: dict[str, tuple[str, Response]] = {
    "send": ("send", silent),
    "status": ("status", silent),
    "upload": ("upload", silent),
    "download": ("download", silent),
    "pause before a retry": ("send", reply(429, retry_after="9")),
    "wait, in a request": ("wait", silent),
    "wait, between requests": ("wait", reply(429, retry_after="30")),
}
ACTIONS = """
    import io, json, sys
    from ecall_facade import ECall

    def act(action, ecall):
        if action == "send":
            ecall.sms.send("+41791234567", "Hello")
        elif action == "status":
            ecall.messages.status("m-1")
        elif action == "upload":
            ecall.media.upload(b"x" * 1000)
        elif action == "download":
            ecall.media.download("f-1", to=io.BytesIO())
        elif action == "wait":
            ecall.messages.wait("m-1", timeout=60)

    def open_client(url):
        return ECall("user", "password", base_url=url, sender="ACME", timeout=20)
"""
GEVENT = """
    from gevent import monkey

    monkey.patch_all()
    import gevent

    class Limit(Exception):
        pass

    action, url, kind = sys.argv[1:]
    ecall = open_client(url)
    seen = "nothing"
    limit = gevent.Timeout(2, Limit if kind == "exception" else None)
    limit.start()
    try:
        act(action, ecall)
    except (gevent.Timeout, Limit) as error:
        seen = type(error).__name__
    finally:
        limit.close()
    for _ in range(120):
        ecall.sms.send("+41791234567", "Hello")
    print(seen)
"""
CELERY = """
    import os
    from celery import Celery
    from celery.exceptions import SoftTimeLimitExceeded

    app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
    ecall = open_client(os.environ["URL"])

    @app.task(name="limited", soft_time_limit=2)
    def limited(action):
        try:
            act(action, ecall)
        except SoftTimeLimitExceeded:
            return [os.getpid(), "SoftTimeLimitExceeded"]
        except Exception as error:
            return [os.getpid(), type(error).__name__]
        return [os.getpid(), "nothing"]

    @app.task(name="send_many")
    def send_many():
        for _ in range(120):
            ecall.sms.send("+41791234567", "Hello")
        return os.getpid()
"""


def write(folder: Path, name: str, *parts: str) -> Path:
    path = folder / name
    path.write_text("\n".join(textwrap.dedent(part) for part in parts), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["timeout", "exception"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_gevents_timeout_comes_through(tmp_path: Path, situation: str, kind: str) -> None:
    action, response = SITUATIONS[situation]
    patch, rest = GEVENT.split("import gevent\n", 1)
    program = write(tmp_path, "program.py", patch, ACTIONS, "    import gevent\n" + rest)
    with Server(response, sent()) as server:
        done = subprocess.run(
            [sys.executable, str(program), action, server.url, kind],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.strip() == ("Limit" if kind == "exception" else "Timeout"), done.stderr
        assert len(server.requests) == 121


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_celerys_soft_time_limit_comes_through(
    tmp_path: Path, redis_url: str, situation: str
) -> None:
    """In a prefork worker; the same child then sends 120 messages with the same client."""
    action, response = SITUATIONS[situation]
    write(tmp_path, "tasks.py", ACTIONS, CELERY)
    caller = """
        import json, sys
        from tasks import limited, send_many
        first = limited.delay(sys.argv[1]).get(timeout=40)
        print(json.dumps([first, send_many.delay().get(timeout=40)]))
    """
    write(tmp_path, "caller.py", caller)
    with Server(response, sent()) as server:
        variables = {**os.environ, "BROKER": redis_url, "URL": server.url}
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "-A", "tasks", "worker"),
                *("--pool", "prefork", "--concurrency", "1", "--loglevel", "WARNING"),
                *("--without-gossip", "--without-mingle"),
            ],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            done = subprocess.run(
                [sys.executable, "caller.py", action],
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
        finally:
            worker.terminate()
            worker.wait(20)
        assert done.returncode == 0, done.stderr
        (process, seen), later = json.loads(done.stdout)
        assert seen == "SoftTimeLimitExceeded"
        assert process == later
        assert len(server.requests) == 121
