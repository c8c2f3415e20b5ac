"""For the tests of bulk sending: a service that counts, senders that are killed, databases of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from _servers import Answer, Exchange, Hangup, Server, reply

from ecall_facade.bulk import Job, Ledger, Message

CREDENTIALS = {"ECALL_USERNAME": "tester", "ECALL_PASSWORD": "secret", "ECALL_SENDER": "ACME"}

SENDER = """
import sys
from ecall_facade import ECall
from ecall_facade.bulk import Ledger

ledger, job, concurrency = sys.argv[1:4]
with ECall() as ecall, Ledger(ledger) as ledger:
    print(ledger.job(job).send(ecall, concurrency=int(concurrency)))
"""
"""A program that sends a job; killed at any moment and started again."""


def messages(count: int) -> Iterator[Message]:
    """Yield messages whose texts tell them apart, as the number that they go to is of a few."""
    for number in range(count):
        yield Message(f"+4179{number % 9000 + 1000000:07d}", f"message {number}", line=number + 2)


class CountingService:
    """A service that takes every message, and knows how often it got each.

    Args:
        latency: Seconds before each response.
        drops: Share of the requests after which the connection is cut instead of a response; half
            of these messages count as received, as no client can tell the two apart.
    """

    def __init__(self, latency: float = 0.03, drops: float = 0.0, seed: int = 1) -> None:
        self.received: Counter[str] = Counter()
        self.dropped = 0
        self.requests = 0
        self._latency = latency
        self._drops = drops
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        answers: list[Answer] = [self._answer]
        self._server = Server(*answers, keeps=True)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def environment(self) -> dict[str, str]:
        """What a client in another process needs."""
        return {**os.environ, **CREDENTIALS, "ECALL_BASE_URL": self.url}

    @property
    def twice(self) -> list[str]:
        """The messages that were received more than once."""
        return [text for text, count in self.received.items() if count > 1]

    def _answer(self, exchange: Exchange) -> None:
        text = json.loads(exchange.request.body)["content"]["text"]
        exchange.request.body = b""
        with self._lock:
            self.requests += 1
            is_dropped = self._random.random() < self._drops
            is_received = not is_dropped or self._random.random() < 0.5
            self.dropped += is_dropped
            self.received[text] += is_received
        time.sleep(self._latency)
        if is_dropped:
            raise Hangup
        exchange.send(reply(200, {"messageId": f"id-{text.split()[-1]}"}))


def newest_claim(job: Job) -> int:
    """Return the newest run that has rows under way; 0 for none."""
    return max((row.run_id or 0 for row in job.rows("sending")), default=0)


def wait_until(condition: Any, seconds: float = 30) -> bool:
    """Wait until a condition holds; return whether it does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def start_sender(
    url: str, job: str, concurrency: int, environment: dict[str, str]
) -> subprocess.Popen[str]:
    """Start a program that sends a job."""
    return subprocess.Popen(
        [sys.executable, "-c", SENDER, url, job, str(concurrency)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process as a power cut does: it can do nothing about it."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a program that has to succeed; return what it says."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def check_nothing_lost(
    job: Job, service: CountingService, concurrency: int, *, kills: int
) -> dict[int | None, int]:
    """Check what has to hold after any number of kills; return unknown rows by dead sender."""
    assert not service.twice
    counts = job.counts()
    assert counts["pending"] == counts["sending"] == 0
    assert sum(counts.values()) == len(job)
    accepted = {row.text for row in job.rows("accepted")}
    assert accepted <= set(service.received)
    unknown = list(job.rows("unknown"))
    of_dead = Counter(row.run_id for row in unknown if (row.reason or "").startswith("sender gone"))
    unanswered = [row for row in unknown if (row.reason or "").startswith("no answer")]
    assert len(unanswered) + of_dead.total() == len(unknown)
    assert all(count <= concurrency for count in of_dead.values())
    assert len(of_dead) <= kills
    assert len(unanswered) <= service.dropped
    # Whoever got a message is known, or suspected.
    suspected = {row.text for row in unknown}
    assert set(service.received) <= accepted | suspected
    return dict(of_dead)


# PostgreSQL and Redis, in folders of their own


def postgresql_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    program = shutil.which("initdb")
    return Path(program).resolve().parent if program else None


class PostgreSQL:
    """A server of PostgreSQL in a folder, which can be stopped hard and started again."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._user: str | None = None
        if os.geteuid() == 0:  # it refuses to run as root
            self._user = "postgres"
            shutil.chown(folder, "postgres")
        self._run("initdb", "-N", "-A", "trust", "-U", "ledger", "-D", str(folder / "data"))
        self.port = 5432
        self.url = f"postgresql+psycopg://ledger@/postgres?host={folder}&port={self.port}"

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c max_connections=60"
        self._run(
            "pg_ctl", "-w", "-D", str(self._folder / "data"), "-o", options,
            "-l", str(self._folder / "log"), "start",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-w", "-D", str(self._folder / "data"), "-m", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        if self._user:
            command = ["runuser", "-u", self._user, "--", *command]
        result = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr


@contextlib.contextmanager
def postgresql(folder: Path, programs: Path) -> Iterator[PostgreSQL]:
    """Start a server, and stop it at the end."""
    server = PostgreSQL(folder, programs)
    server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(AssertionError):  # a test may have stopped it
            server.stop()


def open_ledger(url: str) -> Ledger:
    """Open a ledger, as soon as its database is there."""
    return Ledger(url)
