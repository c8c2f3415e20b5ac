"""Jobs on Celery with a real Redis: workers and the broker are killed, and nobody gets anything twice."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from _broker import Broker
from _bulk import CountingService, check_nothing_lost, messages, newest_claim, wait_until
from _servers import Server, reply

from ecall_facade.bulk import Job, Ledger

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        shutil.which("redis-server") is None, reason="needs redis-server (Debian: redis-server)"
    ),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds worker processes in /proc"),
    # Of Celery and kombu themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TESTS = Path(__file__).parents[1]
# `benchmarks/kill_bulk` runs the test of kills with more of both.
ROWS = int(os.environ.get("KILL_ROWS", "900"))
KILLS = int(os.environ.get("KILL_KILLS", "8"))
# Seconds; responses take so long that the rows last until the last kill.
SPREAD = float(os.environ.get("KILL_SPREAD", "0"))


class Workers:
    """Worker programs of Celery, with two processes each."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "celery", "-A", "_bulk_worker", "worker",
                     "-c", "2", "-l", "INFO", "--without-gossip", "--without-mingle",
                     "-n", f"w{time.monotonic_ns()}@test"],
                    cwd=TESTS,
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )  # fmt: skip

    def kill_whole(self, number: int) -> None:
        process = self.running.pop(number)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_child(self, number: int, chance: random.Random) -> bool:
        children = children_of(self.running[number].pid)
        if not children:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(children), signal.SIGKILL)
        return True

    def close(self) -> None:
        while self.running:
            self.kill_whole(0)


def children_of(parent: int) -> list[int]:
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found.append(int(folder.name))
    return found


class Stage:
    """A ledger, a broker, a service and workers."""

    def __init__(
        self,
        folder: Path,
        url: str,
        service_url: str,
        *,
        keeps_data: bool = True,
    ) -> None:
        self.broker = Broker(folder, keeps_data=keeps_data)
        self.broker.start()
        self.log = folder / "workers.log"
        self.environment = {
            **os.environ,
            "TEST_BROKER": self.broker.url,
            "TEST_LEDGER": url,
            "ECALL_USERNAME": "u",
            "ECALL_PASSWORD": "p",
            "ECALL_SENDER": "ACME",
            "ECALL_BASE_URL": service_url,
            "PYTHONWARNINGS": "ignore",
        }
        self.workers = Workers(self.environment, self.log)

    def enqueue(self, job: str) -> int:
        """Enqueue as another program does."""
        program = (
            "import os, sys; from _bulk_worker import send_chunk; from ecall_facade.bulk import Ledger;"
            "print(Ledger(os.environ['TEST_LEDGER']).job(sys.argv[1]).enqueue(send_chunk))"
        )
        result = subprocess.run(
            [sys.executable, "-c", program, job],
            cwd=TESTS,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,  # a loaded machine is no failure
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return int(result.stdout)

    def finish(self, job: Job, service: CountingService) -> None:
        """Enqueue again until nothing is left, as a person does."""

        def is_finished() -> bool:
            counts = job.counts()
            return not counts["pending"] and not counts["sending"]

        for _ in range(6):
            if wait_until(is_finished, 15):
                break
            self.enqueue(job.name)
        assert wait_until(is_finished, 5), (job.counts(), self.log.read_text()[-4000:])

    def close(self) -> None:
        self.workers.close()
        self.broker.kill()


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ecall-celery-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize(
    ("kills", "broker_kills", "keeps_data"),
    [(KILLS, 0, True), (KILLS * 5 // 8, KILLS // 4, True), (KILLS * 5 // 8, KILLS // 4, False)],
    ids=["workers", "workers and a broker that keeps its data", "workers and one that does not"],
)
def test_killed_workers_and_brokers_send_nothing_twice(
    folder: Path,
    ledger_url: str,
    kills: int,
    broker_kills: int,
    keeps_data: bool,
) -> None:
    chance = random.Random(kills)
    with (
        CountingService(latency=0.05, drops=0.01, spread=SPREAD) as service,
        Ledger(ledger_url) as ledger,
    ):
        job = ledger.job("a", messages(ROWS), chunk_size=-(-ROWS // 15))
        stage = Stage(folder, ledger_url, service.url, keeps_data=keeps_data)
        try:
            for _ in range(2):
                stage.workers.start()
            assert stage.enqueue("a") == 15
            last = 0
            moves = ["child", "whole"] * kills
            for number in range(kills):
                newest = wait_for_claim(job, last)
                last = max(last, newest)
                time.sleep(chance.uniform(0, 0.1))
                if broker_kills and number % 2:
                    broker_kills -= 1
                    stage.broker.kill()
                    stage.broker.start()
                if moves[number] == "whole":
                    stage.workers.kill_whole(0)
                    stage.workers.start()
                else:
                    stage.workers.kill_child(0, chance)
                if not job.counts()["pending"]:
                    break
                if number == kills // 2:
                    stage.enqueue("a")
            service.spread = 0  # for the rest
            stage.finish(job, service)
            ledger.recover()
            # A worker that is killed as a whole has two senders.
            check_nothing_lost(job, service, 10, kills=2 * kills)
        finally:
            stage.close()


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder}/ledger.db"


def wait_for_claim(job: Job, last: int) -> int:
    found = [0]

    def is_claimed() -> bool:
        found[0] = newest_claim(job)
        return found[0] > last or not job.counts()["pending"]

    wait_until(is_claimed, 10)
    return found[0]


def test_a_task_that_is_delivered_many_times_sends_once(folder: Path) -> None:
    with CountingService(latency=0.02) as service, Ledger(sqlite_url(folder)) as ledger:
        job = ledger.job("a", messages(200), chunk_size=50)
        stage = Stage(folder, sqlite_url(folder), service.url)
        try:
            for _ in range(5):
                assert stage.enqueue("a") == 4
            for _ in range(2):
                stage.workers.start()
            stage.finish(job, service)
        finally:
            stage.close()
        assert job.counts()["accepted"] == 200
    assert not service.twice


def test_a_worker_that_is_asked_to_stop_finishes_its_chunk(folder: Path) -> None:
    with CountingService(latency=0.1) as service, Ledger(sqlite_url(folder)) as ledger:
        job = ledger.job("a", messages(300), chunk_size=100)
        stage = Stage(folder, sqlite_url(folder), service.url)
        try:
            stage.workers.start()
            stage.enqueue("a")
            assert wait_until(lambda: service.requests > 0)
            process = stage.workers.running.pop()
            process.terminate()
            process.wait(30)
            counts = job.counts()
            assert counts["sending"] == counts["unknown"] == 0
            assert counts["accepted"] % 100 == 0
            assert counts["accepted"]
        finally:
            stage.close()


def test_a_soft_time_limit_finishes_what_is_under_way_and_goes_on_later(folder: Path) -> None:
    with CountingService(latency=0.2) as service, Ledger(sqlite_url(folder)) as ledger:
        job = ledger.job("a", messages(120), chunk_size=120)
        stage = Stage(folder, sqlite_url(folder), service.url)
        stage.environment["TEST_SOFT_LIMIT"] = "1"
        stage.environment["TEST_VISIBILITY_TIMEOUT"] = "60"
        try:
            stage.workers.start()
            stage.enqueue("a")
            stage.finish(job, service)
        finally:
            stage.close()
        assert job.counts()["accepted"] == 120
        assert "retry" in stage.log.read_text().lower()
    assert not service.twice


def test_a_chunk_of_a_service_that_asks_for_a_long_pause_comes_back(folder: Path) -> None:
    with (
        Server(reply(429, {}, retry_after="7"), reply(200, {"messageId": "m"})) as server,
        Ledger(sqlite_url(folder)) as ledger,
    ):
        job = ledger.job("a", messages(40), chunk_size=20)
        stage = Stage(folder, sqlite_url(folder), server.url)
        stage.environment["TEST_VISIBILITY_TIMEOUT"] = "8"
        try:
            stage.workers.start()
            stage.enqueue("a")
            assert wait_until(lambda: job.counts()["accepted"] == 40, 60), job.counts()
        finally:
            stage.close()
        assert len(server.requests) == 41


def test_messages_of_the_queue_hold_two_numbers_only(folder: Path) -> None:
    with Ledger(sqlite_url(folder)) as ledger:
        ledger.job("a", messages(10), chunk_size=5)
        stage = Stage(folder, sqlite_url(folder), "http://127.0.0.1:9")
        try:
            stage.enqueue("a")
            with redis.Redis(port=stage.broker.port) as client:
                kept = repr(client.lrange("celery", 0, -1))
        finally:
            stage.close()
    bodies = [
        json.loads(base64.b64decode(found)) for found in re.findall(r'"body": "([^"]+)"', kept)
    ]
    assert sorted(body[0] for body in bodies) == [[1, 0], [1, 1]]
    assert "message" not in "".join(repr(body[0]) for body in bodies)
