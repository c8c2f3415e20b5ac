"""The task of Celery in this process: what it sets, and what it does with each report."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from _bulk import messages
from _servers import Server, reply
from celery import Celery
from celery.app.task import Task
from celery.exceptions import Retry, SoftTimeLimitExceeded

from ecall_facade import ECall, InvalidConfiguration
from ecall_facade.bulk import Job, Ledger, LedgerError, SendReport
from ecall_facade.bulk import _ledger as ledger_module
from ecall_facade.bulk.celery import register

pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of Celery and kombu themselves
    # A worker keeps its ledger and its client for as long as its process lives.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger.job("a", messages(20), chunk_size=8)
    gc.collect()  # here, and not in a test of another file, which would be blamed


def task_for(
    tmp_path: Path, url: str = "http://127.0.0.1:9", **settings: object
) -> Task[..., None]:
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.update(settings)
    register(
        app,
        tmp_path / "ledger.db",
        client=partial(ECall, "u", "p", base_url=url, sender="ACME"),
        concurrency=4,
    )
    return app.tasks["ecall_facade.send_chunk"]


def test_a_task_sends_its_chunk(job: Job, tmp_path: Path) -> None:
    with Server(reply(200, {"messageId": "m"})) as server:
        task = task_for(tmp_path, server.url)
        task(job.id, 2)
        task(job.id, 2)
        assert "".join(row.state[0] for row in job.rows()) == "p" * 16 + "a" * 4
        task(job.id, 0)
    assert len(server.requests) == 12


def test_the_task_has_the_settings_that_it_needs(job: Job, tmp_path: Path) -> None:
    app = Celery("test", broker="memory://", set_as_current=False)
    register(app, tmp_path / "ledger.db")
    task = app.tasks["ecall_facade.send_chunk"]
    assert task.acks_late
    assert task.reject_on_worker_lost
    assert task.ignore_result
    assert task.max_retries is None
    assert app.conf.worker_prefetch_multiplier == 1


def test_what_the_app_says_itself_stays(tmp_path: Path) -> None:
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.worker_prefetch_multiplier = 2
    register(app, tmp_path / "ledger.db")
    assert app.conf.worker_prefetch_multiplier == 2


def test_a_hard_limit_without_a_soft_one_is_pointed_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task_for(tmp_path, task_time_limit=60)
    assert "task_soft_time_limit" in caplog.text


@pytest.mark.parametrize("concurrency", [0, 101])
def test_a_concurrency_that_cannot_work_is_refused(tmp_path: Path, concurrency: int) -> None:
    app = Celery("test", broker="memory://", set_as_current=False)
    with pytest.raises(InvalidConfiguration):
        register(app, tmp_path / "ledger.db", concurrency=concurrency)


def test_a_pause_puts_the_chunk_back_into_the_queue(job: Job, tmp_path: Path) -> None:
    with Server(reply(429, {}, retry_after="1000")) as server:
        task = task_for(tmp_path, server.url)
        with pytest.raises(Retry) as caught:
            task.apply((job.id, 0), throw=True)
    # Well below the time after which Redis delivers a task again.
    assert caught.value.when == 60


def test_a_stopped_job_is_logged_and_not_tried_again(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(reply(401, {})) as server:
        task_for(tmp_path, server.url)(job.id, 0)
    assert "Job 1 is stopped" in caplog.text


@pytest.mark.parametrize(
    ("error", "countdown"),
    [
        (lambda: SoftTimeLimitExceeded(), 0),
        (lambda: LedgerError("cannot be reached", is_temporary=True), 30),
    ],
    ids=["soft time limit", "no ledger"],
)
def test_what_is_not_finished_is_tried_again(
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Callable[[], Exception],
    countdown: int,
) -> None:
    def fail(*arguments: object, **named: object) -> SendReport:
        raise error()

    # Which Celery raises in the middle of a task, and a server that went away: both are played by
    # real ones in slow/test_bulk_celery.py and slow/test_bulk_failures.py.
    monkeypatch.setattr(ledger_module.Ledger, "send_chunk", fail)
    with pytest.raises(Retry) as caught:
        task_for(tmp_path).apply((job.id, 0), throw=True)
    assert caught.value.when == countdown
