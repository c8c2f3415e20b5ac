"""Everything that breaks while a job is sent: processes, disks, databases. Nobody gets anything twice."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _bulk import (
    CountingService,
    Sender,
    check_nothing_lost,
    finish,
    kill,
    messages,
    postgresql,
    runs_under_way,
    start_sender,
    wait_until,
    with_shifted_clock,
)

from ecall_facade import ECall
from ecall_facade.bulk import Job, Ledger, LedgerError
from ecall_facade.bulk._database import Database
from ecall_facade.bulk._runs import recover

pytestmark = pytest.mark.once

# `benchmarks/kill_bulk` runs these tests with more of both.
ROWS = int(os.environ.get("KILL_ROWS", "600"))
KILLS = int(os.environ.get("KILL_KILLS", "8"))
# Seconds; responses take so long that the rows last until the last kill.
SPREAD = float(os.environ.get("KILL_SPREAD", "3"))

ROOT = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("mount"),
    reason="mounting a file system needs root on Linux",
)


def client(service: CountingService) -> ECall:
    return ECall("tester", "secret", base_url=service.url, sender="ACME", timeout=(2, 10))


def kill_after_claims(
    job: Job,
    url: str,
    service: CountingService,
    kills: int,
    environments: list[dict[str, str]],
    *,
    seed: int,
) -> int:
    """Kill senders at random moments, each after a claim, and start others; then let them finish.

    Returns how many of the killed ones had rows under way.
    """
    chance = random.Random(seed)
    running = [Sender(url, job.name, one) for one in environments]
    killed: set[int] = set()
    hits = 0

    def living_with_rows() -> list[int]:
        runs = runs_under_way(job) - killed
        return [number for number, sender in enumerate(running) if sender.run_id in runs]

    try:
        for _ in range(kills):
            assert wait_until(lambda: bool(living_with_rows()) or not job.counts()["pending"])
            time.sleep(chance.uniform(0, 0.08))
            chosen = chance.choice(living_with_rows() or [0])
            kill(running[chosen].process)
            killed.add(running[chosen].run_id)
            hits += running[chosen].run_id in runs_under_way(job)
            running[chosen] = Sender(url, job.name, environments[chosen])
    finally:
        service.spread = 0  # for the rest
        outputs = [finish(sender.process) for sender in running]
    assert all("SendReport" in output for output in outputs)
    finish(start_sender(url, job.name, 20, service.environment))
    return hits


@pytest.mark.parametrize("drops", [0.0, 0.02], ids=["", "with lost answers"])
def test_senders_that_are_killed_send_nothing_twice(tmp_path: Path, drops: float) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with CountingService(drops=drops) as service, Ledger(url) as ledger:
        job = ledger.job("a", messages(ROWS))
        environments = [service.environment]
        hits = kill_after_claims(job, url, service, KILLS, environments, seed=1)
        of_dead = check_nothing_lost(job, service, 20, kills=KILLS)
    # A few end between the recording of their last rows and the taking of others.
    assert len(of_dead) >= KILLS * 3 // 4
    assert hits >= KILLS * 3 // 4


@pytest.mark.parametrize(
    "clocks",
    [(0, 0, 0), (0, 0, 3600, -3600)],
    ids=["three", "four, two of them with clocks an hour off"],
)
def test_several_senders_that_are_killed_send_nothing_twice(
    ledger_url: str, clocks: tuple[int, ...], tmp_path: Path
) -> None:
    with CountingService(0, drops=0.01, spread=SPREAD) as service, Ledger(ledger_url) as ledger:
        job = ledger.job("a", messages(2 * ROWS))
        environments: list[dict[str, str]] = []
        for clock in clocks:
            folder = tmp_path / f"clock{clock}"
            folder.mkdir(exist_ok=True)
            one = service.environment
            environments.append(with_shifted_clock(one, clock, folder) if clock else one)
        hits = kill_after_claims(job, ledger_url, service, KILLS, environments, seed=2)
        of_dead = check_nothing_lost(job, service, 20, kills=KILLS)
    assert len(of_dead) >= KILLS // 2
    assert hits >= KILLS // 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_keep_its_parents_lock(ledger_url: str, tmp_path: Path) -> None:
    program = """
import os, sys, time
from ecall_facade.bulk._database import Database
from ecall_facade.bulk._runs import Run
database = Database(sys.argv[1])
run = Run(database)
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""
    Ledger(ledger_url).close()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, ledger_url],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        database = Database(ledger_url)
        with database.read() as connection:
            statement = database.sql("SELECT count(*) FROM ecall_run WHERE NOT is_gone")
            assert connection.execute(statement).scalar() == 1
        recover(database)
        with database.read() as connection:
            assert connection.execute(statement).scalar() == 1  # both live
        os.kill(process.pid, signal.SIGKILL)

        def is_known() -> bool:
            recover(database)
            with database.read() as connection:
                return connection.execute(statement).scalar() == 0

        assert wait_until(is_known, 10)
        database.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_ledger_that_was_opened_before_a_fork_works_in_the_child(ledger_url: str) -> None:
    program = """
import os, sys
from ecall_facade import ECall
from ecall_facade.bulk import Ledger
ledger = Ledger(sys.argv[1])
job = ledger.job("a")
job.counts()
children = []
with ECall() as ecall:
    for _ in range(3):
        child = os.fork()
        if child == 0:
            job.send(ecall, concurrency=5)
            os._exit(0)
        children.append(child)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
print(job.counts()["accepted"])
"""
    with CountingService(latency=0.01) as service, Ledger(ledger_url) as ledger:
        ledger.job("a", messages(200))
        result = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, ledger_url],
            env=service.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.stdout.split("\n")[:2] == ["[0, 0, 0]", "200"], result.stderr
    assert not service.twice


def test_an_interrupted_program_finishes_what_is_under_way(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with CountingService(latency=0.2) as service, Ledger(url) as ledger:
        job = ledger.job("a", messages(400))
        process = start_sender(url, "a", 20, service.environment)
        assert wait_until(lambda: service.requests > 0)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        counts = job.counts()
        assert counts["sending"] == counts["unknown"] == 0
        assert counts["accepted"] == service.requests


# Disks


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory on a folder."""
    folder.mkdir(exist_ok=True)
    result = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        pytest.skip(f"mount is not allowed here: {result.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill a file system, but for some bytes."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    with ballast.open("rb+") as file:
        file.truncate(max(ballast.stat().st_size - leave, 0))
    return ballast


@ROOT
def test_a_job_that_does_not_fit_on_the_disk_is_not_stored_at_all(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk, Ledger(disk / "a.db") as ledger:
        with pytest.raises(LedgerError, match="full"):
            ledger.job("a", messages(50_000))
        assert not ledger.jobs()
        assert len(ledger.job("b", messages(50))) == 50


@ROOT
@pytest.mark.parametrize("leave", [0, 9000, 60_000])
def test_a_full_disk_ends_the_sending_and_the_same_goes_on_when_it_was_freed(
    tmp_path: Path, leave: int
) -> None:
    with (
        mounted(tmp_path / "disk", "size=16m") as disk,
        CountingService(latency=0.02) as service,
        client(service) as ecall,
        Ledger(disk / "a.db") as ledger,
    ):
        job = ledger.job("a", messages(400))
        ballast: list[Path] = []

        def fill_up(progress: object) -> None:
            if service.requests > 50 and not ballast:
                ballast.append(fill(disk, leave))

        error: LedgerError | None = None
        try:
            job.send(ecall, concurrency=10, on_progress=fill_up)
        except LedgerError as caught:
            error = caught
        # What is left may be enough: SQLite writes over the log that is there.
        assert error is not None or leave
        if error is not None:
            assert "full" in str(error)
            assert error.unrecorded <= 10
            sent = service.requests
            with pytest.raises(LedgerError, match="full"):
                job.send(ecall, concurrency=10)
            assert service.requests == sent  # nothing is sent that cannot be recorded
        ballast[0].unlink()
        job.send(ecall, concurrency=10)
        counts = job.counts()
        assert counts["pending"] == counts["sending"] == 0
        assert counts["unknown"] <= 10
        assert counts["accepted"] + counts["unknown"] == 400
    assert not service.twice


@ROOT
def test_a_ledger_on_a_read_only_file_system_can_be_looked_at_only(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        with Ledger(disk / "a.db") as ledger:
            ledger.job("a", messages(50))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with (
            CountingService() as service,
            client(service) as ecall,
            Ledger(disk / "a.db") as ledger,
        ):
            job = ledger.job("a")
            assert job.counts()["pending"] == 50
            assert len(list(job.rows())) == 50
            with pytest.raises(LedgerError, match="read-only"):
                job.send(ecall)
        assert not service.requests
        with pytest.raises(LedgerError, match="Read-only file system"):
            Ledger(disk / "b.db")


def test_a_ledger_whose_writes_begin_to_fail_ends_the_sending(tmp_path: Path) -> None:
    with (
        CountingService(latency=0.05) as service,
        client(service) as ecall,
        Ledger(tmp_path / "a.db") as ledger,
    ):
        job = ledger.job("a", messages(400))
        database = Database(tmp_path / "a.db")

        def make_writes_fail(progress: object) -> None:
            if service.requests > 50:
                with database.write() as connection:
                    connection.execute(
                        database.sql(
                            "CREATE TRIGGER IF NOT EXISTS fail BEFORE UPDATE ON ecall_message"
                            " BEGIN SELECT raise(ABORT, 'disk I/O error'); END"
                        )
                    )

        with pytest.raises(LedgerError, match="reports an error") as caught:
            job.send(ecall, concurrency=10, on_progress=make_writes_fail)
        assert 0 < caught.value.unrecorded <= 10
        with database.write() as connection:
            connection.execute(database.sql("DROP TRIGGER fail"))
        database.close()
        counts = job.send(ecall).counts
        assert counts["unknown"] == caught.value.unrecorded
        assert counts["accepted"] == 400 - caught.value.unrecorded
    assert not service.twice


# A database that goes away


def test_a_database_that_goes_away_and_comes_back_loses_nothing() -> None:
    with (
        postgresql() as server,
        CountingService(latency=0.05) as service,
        client(service) as ecall,
        Ledger(server.url) as ledger,
    ):
        job = ledger.job("a", messages(600))
        stopped: list[float] = []

        def restart() -> None:
            assert wait_until(lambda: service.requests > 60)
            server.stop("immediate")
            stopped.append(time.monotonic())
            time.sleep(1.5)
            server.start()

        thread = threading.Thread(target=restart)
        thread.start()
        report = job.send(ecall, concurrency=20)
        thread.join()
        assert stopped
        assert report.stopped is None
        counts = job.counts()
        assert counts["accepted"] == 600
        assert service.requests == 600
    assert not service.twice


def test_a_database_that_ends_its_connections_loses_nothing(ledger_url: str) -> None:
    if ledger_url.startswith("sqlite"):
        pytest.skip("a file has no connection that a server can end")
    with (
        Ledger(ledger_url) as ledger,
        CountingService(latency=0.05) as service,
        client(service) as ecall,
    ):
        job = ledger.job("a", messages(500))
        killer = Database(ledger_url)

        def end_connections() -> None:
            for _ in range(5):
                time.sleep(0.15)
                with contextlib.suppress(LedgerError), killer.write() as connection:
                    connection.execute(
                        killer.sql(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            " WHERE pid <> pg_backend_pid() AND application_name = 'ecall-facade'"
                        )
                    )

        threads = [threading.Thread(target=end_connections)]
        threads += [threading.Thread(target=lambda: job.send(ecall, concurrency=20)) for _ in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        job.send(ecall)
        assert job.counts()["accepted"] == 500
        killer.close()
    assert not service.twice


def test_a_database_that_stays_away_ends_the_sending_with_one_message() -> None:
    program = """
import sys
from ecall_facade import ECall
from ecall_facade.bulk import Ledger, LedgerError
from ecall_facade.bulk._database import Database
from ecall_facade.bulk._options import SendOptions
from ecall_facade.bulk._send import send_rows
with ECall() as ecall:
    job = Ledger(sys.argv[1]).job("a")
    try:
        send_rows(Database(sys.argv[1]), job.id, ecall, SendOptions(patience=2))
    except LedgerError as error:
        print(error.unrecorded, error)
"""
    with (
        postgresql() as server,
        CountingService(latency=0.3) as service,
        Ledger(server.url) as ledger,
    ):
        job = ledger.job("a", messages(600))
        process = subprocess.Popen(
            [sys.executable, "-c", program, server.url],
            env=service.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert wait_until(lambda: service.requests > 30)
        server.stop("immediate")
        output, errors = process.communicate(timeout=60)
        assert "cannot be reached" in output, errors
        unrecorded = int(output.split()[0])
        assert 0 < unrecorded <= 20
        server.start()
        with client(service) as ecall:
            counts = job.send(ecall).counts
        assert counts["unknown"] == unrecorded
        assert counts["accepted"] == 600 - unrecorded
    assert not service.twice


def test_a_suspended_sender_that_was_taken_for_dead_sends_nothing_twice(ledger_url: str) -> None:
    """Its lock was lost, as by a partition of the network; it finds out at its next turn."""
    with (
        Ledger(ledger_url) as ledger,
        CountingService(latency=0.1) as service,
        client(service) as ecall,
    ):
        job = ledger.job("a", messages(300))
        database = Database(ledger_url)

        def declare_dead(progress: object) -> None:
            with database.write() as connection:
                for statement in (
                    "UPDATE ecall_run SET is_gone = true",
                    "UPDATE ecall_message SET state = 'unknown' WHERE state = 'sending'",
                ):
                    connection.execute(database.sql(statement))

        job.send(ecall, concurrency=10, on_progress=declare_dead)
        counts = job.counts()
        assert counts["accepted"] == 300
        database.close()
    assert not service.twice
