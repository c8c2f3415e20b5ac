"""examples/celery_notification.py: with a real worker and a real Redis, workers that are killed included."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from _broker import Broker
from _bulk import wait_until
from _clients import E164
from _processes import environment, variables_of
from _programs import EXAMPLES, run_python

from ecall_facade.bulk import Ledger
from ecall_facade.sandbox import Sandbox

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        shutil.which("redis-server") is None, reason="needs redis-server (Debian: redis-server)"
    ),
]

SLOW, ACCEPTED_AND_CUT, NO_CREDIT = "+41790000903", "+41790000902", "+41790000403"


class Stage:
    """A sandbox, a broker and a worker."""

    def __init__(self, folder: Path, sandbox: Sandbox, broker: Broker) -> None:
        self.sandbox = sandbox
        self.ledger_url = f"sqlite:///{folder}/ledger.db"
        self.log = folder / "worker.log"
        self._variables = environment(
            folder,
            **variables_of(sandbox),
            CELERY_BROKER=broker.url,
            ECALL_LEDGER=self.ledger_url,
        )

    def call(self, function: str, *arguments: str) -> None:
        """Call a function of the example as an application does."""
        program = f"import celery_notification as c; c.{function}{arguments}"
        result = run_python("-c", program, environment=self._variables)
        assert result.returncode == 0, result.stderr

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "celery_notification", "worker",
                 "-c", "1", "-l", "INFO", "--without-gossip", "--without-mingle"],
                cwd=EXAMPLES,
                env=self._variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(60)

    def says(self, words: str) -> bool:
        """Whether the worker's log has these words, now or soon."""
        return wait_until(lambda: words in self.log.read_text("utf-8"), 60)

    def counts(self, job: str) -> dict[str, int]:
        with Ledger(self.ledger_url) as ledger:
            return {str(state): count for state, count in ledger.job(job).counts().items() if count}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    broker = Broker(tmp_path, keeps_data=True)
    broker.start()
    try:
        with Sandbox() as sandbox:
            yield Stage(tmp_path, sandbox, broker)
    finally:
        broker.kill()


def recipients(sandbox: Sandbox) -> list[str]:
    return [message.recipient for message in sandbox.messages]


def test_a_notification_that_is_queued_twice_is_sent_once(stage: Stage) -> None:
    for _ in range(2):
        stage.call("notify", "order 17 is shipped", E164, "Your order is on its way")
    with stage.worker():
        assert wait_until(lambda: stage.counts("order 17 is shipped") == {"accepted": 1}, 60)
        stage.call("notify", "order 17 is shipped", E164, "Your order is on its way")
    assert recipients(stage.sandbox) == [E164]


def test_a_notification_of_a_killed_worker_is_not_sent_again(stage: Stage) -> None:
    """The worker is killed while it waits for the response to a text that the service took."""
    stage.call("notify", "order 18", SLOW, "Your order is on its way")
    with stage.worker() as worker:
        stage.sandbox.wait_for(to=SLOW, timeout=60)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(30)
    assert stage.counts("order 18") == {"sending": 1}
    with stage.worker():
        stage.call("notify", "order 18", SLOW, "Your order is on its way")
        stage.call("request_code", E164, "481516")
        stage.sandbox.wait_for(to=E164, timeout=60)  # so the worker has looked at what came before
    assert stage.counts("order 18") == {"unknown": 1}
    assert recipients(stage.sandbox) == [SLOW, E164]


def test_a_code_is_sent_again_only_if_the_service_did_not_take_it(stage: Stage) -> None:
    stage.sandbox.fail_next(429, headers={"Retry-After": "11"})
    with stage.worker():
        stage.call("request_code", E164, "481516")
        assert stage.says("Retry in 11")
        stage.sandbox.wait_for(to=E164, text="481516", timeout=60)
        stage.call("request_code", ACCEPTED_AND_CUT, "108234")
        assert stage.says("A code may not have been sent")
        stage.call("request_code", NO_CREDIT, "232342")
        assert stage.says("PermissionDenied")
    assert recipients(stage.sandbox) == [E164, ACCEPTED_AND_CUT]
    said = stage.log.read_text("utf-8")
    assert not [secret for secret in ("481516", "108234", E164, ACCEPTED_AND_CUT) if secret in said]
