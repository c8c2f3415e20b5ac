"""Send jobs on many machines, with Celery (extra `celery`).

    app = Celery("reminders", broker="redis://…")
    send_chunk = register(app, "postgresql+psycopg://…")  # in the module that the workers load

    job = Ledger("postgresql+psycopg://…").job("reminders 2026-11-27", messages)
    job.enqueue(send_chunk)  # in the program that has the list

The queue distributes and repeats, the ledger decides: a task that is delivered twice, late, or not at
all sends nothing twice. What a broker lost is made good by enqueuing again.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from celery.exceptions import SoftTimeLimitExceeded

from ecall_facade import ECall
from ecall_facade.bulk._errors import LedgerError
from ecall_facade.bulk._ledger import Ledger
from ecall_facade.bulk._options import make_options

if TYPE_CHECKING:
    from celery import Celery
    from celery.app.task import Task

__all__ = ["ChunkTask", "register"]

TASK_NAME = "ecall_facade.send_chunk"
_log = logging.getLogger("ecall_facade.bulk")
_LONGEST_COUNTDOWN = 60.0
"""Seconds. A task that waits is held by a worker, and Redis delivers it again after an hour."""
_LEDGER_COUNTDOWN = 30.0
"""Seconds until a chunk is tried again whose ledger could not be reached."""
_VISIBILITY_TIMEOUT = 3600.0
"""Seconds; Celery's default for Redis."""
_DEFAULT_PREFETCH = 4


class ChunkTask(Protocol):
    """The task: it takes a job's id and a chunk's number. `job.enqueue` calls it for each chunk."""

    def delay(self, job_id: int, chunk: int, /) -> object:
        """Put a chunk into the queue."""
        ...

    def __call__(self, job_id: int, chunk: int, /) -> None:
        """Send a chunk here and now."""
        ...


def register(
    app: Celery,
    ledger: str | os.PathLike[str],
    *,
    client: Callable[[], ECall] = ECall,
    concurrency: int = 20,
    rate: float | None = None,
    name: str = TASK_NAME,
) -> ChunkTask:
    """Register the task that sends a chunk, and return it for `job.enqueue`.

    Messages of the queue hold two numbers: no recipient, no text and no password.
    The task is acknowledged when it is done, and delivered again if its worker dies. Workers take
    one task at a time (`worker_prefetch_multiplier` 1), unless the app says otherwise.

    Args:
        app: The app of the workers and of the program that enqueues.
        ledger: URL of the ledger, opened at the first task of each worker process.
        client: Makes the client of each worker process; by default from the environment.
        concurrency: The most messages that one task has under way, 1 to 100.
        rate: Messages in a second, of all workers together.
        name: Name of the task; another one for each further ledger of an app.

    Raises:
        InvalidConfiguration: An argument cannot be used.
    """
    make_options(concurrency, rate)
    worker = _Worker(ledger, client)
    longest = _check_settings(app)

    def send_chunk(task: Task[..., None], job_id: int, chunk: int) -> None:
        try:
            report = worker.ledger.send_chunk(
                worker.client, job_id, chunk, concurrency=concurrency, rate=rate
            )
        except SoftTimeLimitExceeded as error:
            # What was under way is finished and recorded; the rest is another task.
            raise task.retry(exc=error, countdown=0) from None
        except LedgerError as error:
            _log.warning("Chunk %d of job %d is tried again: %s", chunk, job_id, error)
            countdown = min(_LEDGER_COUNTDOWN, longest)
            raise task.retry(exc=error, countdown=countdown) from None
        if report.stopped is not None:
            _log.error("Job %d is stopped: %s", job_id, report.stopped.reason)
        elif report.retry_in is not None:
            raise task.retry(countdown=min(report.retry_in, longest))

    make_task = app.task(
        name=name,
        bind=True,
        acks_late=True,
        acks_on_failure_or_timeout=True,
        reject_on_worker_lost=True,
        ignore_result=True,
        max_retries=None,
        shared=False,  # with this app only: another one may have another ledger
    )
    return cast("ChunkTask", make_task(send_chunk))


def _check_settings(app: Celery) -> float:
    """Set what the task needs; return the longest countdown that the broker allows, in seconds."""
    settings = app.conf
    if settings.worker_prefetch_multiplier == _DEFAULT_PREFETCH:
        # Chunks that a busy worker holds back would wait while others have nothing to do.
        settings.worker_prefetch_multiplier = 1
    if settings.task_time_limit and not settings.task_soft_time_limit:
        _log.warning(
            "task_time_limit kills a worker process, which leaves messages unknown: set"
            " task_soft_time_limit below it, by more than the client's timeout"
        )
    options = cast("dict[str, float]", settings.broker_transport_options or {})
    visibility = float(options.get("visibility_timeout", _VISIBILITY_TIMEOUT))
    return min(_LONGEST_COUNTDOWN, visibility / 4)


class _Worker:
    """The ledger and the client of one worker process."""

    def __init__(self, url: str | os.PathLike[str], client: Callable[[], ECall]) -> None:
        self._url = url
        self._make_client = client
        self._ledger: Ledger | None = None
        self._client: ECall | None = None
        self._lock = threading.Lock()

    @property
    def ledger(self) -> Ledger:
        with self._lock:
            if self._ledger is None:
                self._ledger = Ledger(self._url)
            return self._ledger

    @property
    def client(self) -> ECall:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client
