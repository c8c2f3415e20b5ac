"""`ledger.seen`: the deduplicator of callbacks for many processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from _bulk import wait_until
from starlette.testclient import TestClient

from ecall_facade.bulk import Ledger
from ecall_facade.webhooks import StatusUpdate, WebhookApp

CLAIMER = """
import sys, time
from ecall_facade.bulk import Ledger
ledger = Ledger(sys.argv[1])
for key in sys.argv[2:]:
    print(ledger.seen.claim(key), flush=True)
time.sleep(60)
"""

RACER = """
import sys
from ecall_facade.bulk import Ledger
ledger = Ledger(sys.argv[1])
sys.stdin.readline()
won = [str(key) for key in range(200) if ledger.seen.claim(f"key-{key}") == "new"]
for key in won:
    ledger.seen.succeed(f"key-{key}")
print(" ".join(won))
"""


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger(ledger_url) as ledger:
        yield ledger


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_key_is_new_then_in_progress_then_done(ledger: Ledger) -> None:
    seen = ledger.seen
    assert seen.claim("a") == "new"
    assert seen.claim("a") == "in progress"
    assert seen.claim("b") == "new"
    seen.succeed("a")
    assert seen.claim("a") == "done"
    seen.fail("b")
    assert seen.claim("b") == "new"
    seen.fail("a")  # it is done, which nobody can undo
    assert seen.claim("a") == "done"


def test_a_key_claimed_by_another_ledger_object_is_in_progress(
    ledger: Ledger, ledger_url: str
) -> None:
    with Ledger(ledger_url) as other:
        assert ledger.seen.claim("a") == "new"
        assert other.seen.claim("a") == "in progress"
        ledger.seen.succeed("a")
        assert other.seen.claim("a") == "done"


def test_a_ledger_that_is_closed_releases_its_keys(ledger: Ledger, ledger_url: str) -> None:
    with Ledger(ledger_url) as other:
        assert other.seen.claim("a") == "new"
    assert ledger.seen.claim("a") == "new"


@pytest.mark.slow
def test_two_processes_share_the_events_between_them(ledger: Ledger, ledger_url: str) -> None:
    processes = [start(RACER, ledger_url) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    won = [output.split() for output in outputs]
    assert sorted(won[0] + won[1], key=int) == [str(key) for key in range(200)]
    assert ledger.seen.claim("key-7") == "done"


@pytest.mark.slow
def test_a_key_of_a_process_that_died_is_taken_over(ledger: Ledger, ledger_url: str) -> None:
    process = start(CLAIMER, ledger_url, "a", "b")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in "ab"] == ["new\n", "new\n"]
    assert ledger.seen.claim("a") == "in progress"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert wait_until(lambda: ledger.seen.claim("a") == "new", 10)
    assert ledger.seen.claim("a") == "in progress"
    assert ledger.seen.claim("b") == "new"


def test_callbacks_are_handled_once_and_recorded(ledger: Ledger, ledger_url: str) -> None:
    handled: list[str] = []
    lock = threading.Lock()

    def handle(event: object) -> None:
        assert isinstance(event, StatusUpdate)
        with lock:
            handled.append(event.key)
        assert ledger.record(event)

    with Ledger(ledger_url) as other:
        apps = [
            WebhookApp(handle, seen=ledger.seen),
            WebhookApp(handle, seen=other.seen),
        ]
        body = {"messageId": "m-1", "state": "Delivered"}
        for app in apps * 2:
            with TestClient(app, client=("193.93.208.200", 50000)) as client:
                assert client.post("/", json=body).status_code == 200
    assert len(handled) == 1
