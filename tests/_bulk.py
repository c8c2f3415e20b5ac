"""For the tests of bulk sending: a service that counts, senders that are killed, databases of their own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import psycopg
import pytest
from _servers import Exchange, Hangup, Response, Server, reply
from psycopg import sql

from ecall_facade.bulk import Job, Message

CREDENTIALS = {"ECALL_USERNAME": "tester", "ECALL_PASSWORD": "secret", "ECALL_SENDER": "ACME"}

SENDER = """
import sys
from ecall_facade import ECall
from ecall_facade.bulk import Ledger, _sending


class Run(_sending.Run):
    def __init__(self, database):
        super().__init__(database)
        print(self.id, flush=True)


_sending.Run = Run  # so that the test knows whom it kills
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
        latency: Seconds before each response; with `spread`, up to so many more, by chance.
        drops: Share of the requests after which the connection is cut instead of a response; half
            of these messages count as received, as no client can tell the two apart.
    """

    def __init__(
        self, latency: float = 0.03, drops: float = 0.0, *, spread: float = 0.0, seed: int = 1
    ) -> None:
        self.received: Counter[str] = Counter()
        self.dropped = 0
        self.requests = 0
        self.latency = latency
        self.spread = spread
        self._drops = drops
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        responses: list[Response] = [self._respond]
        self._server = Server(*responses, keeps=True)

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

    def _respond(self, exchange: Exchange) -> None:
        text = json.loads(exchange.request.body)["content"]["text"]
        exchange.request.body = b""
        with self._lock:
            self.requests += 1
            is_dropped = self._random.random() < self._drops
            is_received = not is_dropped or self._random.random() < 0.5
            self.dropped += is_dropped
            self.received[text] += is_received
            seconds = self.latency + self.spread * self._random.random()
        time.sleep(seconds)
        if is_dropped:
            raise Hangup
        exchange.send(reply(200, {"messageId": f"id-{text.split()[-1]}"}))


def newest_claim(job: Job) -> int:
    """Return the newest run that has rows under way; 0 for none."""
    return max(runs_under_way(job), default=0)


def runs_under_way(job: Job) -> set[int]:
    """Return the runs that have rows under way."""
    return {row.run_id for row in job.rows("sending") if row.run_id is not None}


class Sender:
    """A program that sends a job."""

    def __init__(self, url: str, job: str, environment: dict[str, str]) -> None:
        self.process = start_sender(url, job, 20, environment)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        self.run_id = int(line)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> bool:
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
    """Start a program that sends a job; its first line is the number of its run."""
    return subprocess.Popen(
        [sys.executable, "-c", SENDER, url, job, str(concurrency)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


SHIFTED_CLOCK = """
import time
_time, _gmtime = time.time, time.gmtime
time.time = lambda: _time() + {offset}
time.time_ns = lambda: int((_time() + {offset}) * 1e9)
"""


def with_shifted_clock(environment: dict[str, str], offset: int, folder: Path) -> dict[str, str]:
    """Return an environment in which the clock of programs is off by some seconds.

    With libfaketime where it is installed; else Python's clock only.
    """
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if libraries:
        # Preloaded: the program `faketime` forks, so that a kill would hit it and not the sender.
        return {
            **environment,
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME": f"{offset:+d}s",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
    (folder / "sitecustomize.py").write_text(SHIFTED_CLOCK.format(offset=offset))
    return {**environment, "PYTHONPATH": str(folder)}


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
    counts = job.counts()
    accepted = {row.text for row in job.rows("accepted")}
    unknown = list(job.rows("unknown"))
    of_dead = Counter(row.run_id for row in unknown if (row.reason or "").startswith("sender gone"))
    unanswered = [row for row in unknown if (row.reason or "").startswith("no answer")]
    # `benchmarks/kill_bulk` shows it.
    sys.stdout.write(
        f"\n{len(job):,} rows, {kills} kills: received twice {len(service.twice)},"
        f" without a state {len(job) - sum(counts.values()) + counts['pending'] + counts['sending']},"
        f" accepted {counts['accepted']:,}; unknown {len(unknown)}, of these {of_dead.total()} of"
        f" {len(of_dead)} dead senders (at most {max(of_dead.values(), default=0)} each) and"
        f" {len(unanswered)} of {service.dropped} lost answers\n"
    )
    assert not service.twice
    assert counts["pending"] == counts["sending"] == 0
    assert sum(counts.values()) == len(job)
    assert accepted <= set(service.received)
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
        self._numbers = itertools.count(1)
        self._user: str | None = None
        if os.geteuid() == 0:  # it refuses to run as root
            self._user = "postgres"
            shutil.chown(folder, "postgres")
        self._run("initdb", "-N", "-A", "trust", "-U", "ledger", "-D", str(folder / "data"))
        self.port = 5432
        self.url = f"postgresql+psycopg://ledger@/postgres?host={folder}&port={self.port}"
        self.conninfo = f"host={folder} port={self.port} user=ledger dbname=postgres"

    def new_database(self) -> str:
        """Make an empty schema; return the URL of a ledger in it."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.conninfo) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return f"{self.url}&options=-csearch_path%3D{name}"

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
def postgresql() -> Iterator[PostgreSQL]:
    """Start a server in a folder of its own, and stop it at the end; skip the test without one."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed (Debian: postgresql)")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    # Not in pytest's folder, which another user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="ecall-pg-"))
    server = PostgreSQL(folder, programs)
    server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(AssertionError):  # a test may have stopped it
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
