"""Delivery states: asked for, or reported by callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread
import attrs
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from ecall_facade.bulk import _schema
from ecall_facade.errors import (
    AuthenticationError,
    ECallError,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade import AsyncECall, ECall
    from ecall_facade.bulk._database import Database
    from ecall_facade.results import MessageStatus

OnTracked: TypeAlias = Callable[[int, int], object]
"""Called with how many states are final, and of how many messages."""

KEPT_SECONDS = 7 * 24 * 3600
"""How long the service keeps a delivery state (documented)."""
_NEW_SECONDS = 30
"""A message that the service does not know yet may only be too new."""
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 300.0
_BATCH = 200


@attrs.frozen
class Report:
    """How far a message has come."""

    message_id: str
    state: str
    is_final: bool
    updated_at: datetime | None = None
    error: str | None = None


@attrs.frozen
class OpenRow:
    """An accepted row whose state may still change; its age is in seconds."""

    position: int
    message_id: str
    age: float


Answer: TypeAlias = Report | ECallError | float | None
"""A report, an error that ends the tracking, seconds to pause, or None for later."""


def write_reports(connection: Connection, database: Database, reports: Sequence[Report]) -> None:
    """Write reports down. One that is final stays, whatever comes late."""
    if not reports:
        return
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    statement = insert(_schema.delivery).values(recorded_at=database.sql("{now}"))
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[_schema.delivery.c.message_id],
        set_={
            "state": new.state,
            "is_final": new.is_final,
            "updated_at": new.updated_at,
            "error": new.error,
            "recorded_at": new.recorded_at,
        },
        where=_schema.delivery.c.is_final.is_(False),
    )
    for report in sorted(reports, key=lambda report: report.message_id):
        connection.execute(
            statement,
            {
                "message_id": report.message_id,
                "state": report.state,
                "is_final": report.is_final,
                "updated_at": report.updated_at.isoformat() if report.updated_at else None,
                "error": report.error,
            },
        )


class Tracking:
    """Which messages to ask about next, and how long to wait before: all but the asking itself.

    Args:
        database: Where the reports are written.
        job_id: The job.
        timeout: Seconds after which to end in any case; 0 asks once for each message.
    """

    def __init__(self, database: Database, job_id: int, timeout: float | None) -> None:
        self._database = database
        self._job_id = job_id
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._is_bounded = bool(timeout)
        self._after = -1
        self._pause = _FIRST_PAUSE

    def next_batch(self) -> list[OpenRow]:
        """Return messages to ask about; none at the end of a round, in which each was asked about."""
        rows = self._open_rows(self._after)
        if rows:
            self._after = rows[-1].position
        return rows

    def record(self, answers: Sequence[Answer]) -> float:
        """Write reports down; return the seconds for which the service asks to pause.

        Raises:
            ECallError: The service refuses to tell.
        """
        reports = [answer for answer in answers if isinstance(answer, Report)]
        with self._database.write() as connection:
            write_reports(connection, self._database, reports)
        if refusals := [answer for answer in answers if isinstance(answer, ECallError)]:
            raise refusals[0]
        return max([0.0, *(answer for answer in answers if isinstance(answer, float))])

    def is_late(self) -> bool:
        """Return whether the time is over; with a timeout of 0, the round is finished all the same."""
        is_over = self._deadline is not None and time.monotonic() > self._deadline
        return is_over and self._is_bounded

    def end_round(self, asked: float) -> float | None:
        """Begin at the first message again; return how long to wait before, or None at the end.

        Args:
            asked: Seconds for which the service asks to pause.
        """
        self._after = -1
        if not self._open_rows(-1):
            return None
        wait = max(self._pause, asked)
        if self._deadline is not None and time.monotonic() + wait > self._deadline:
            return None
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return wait

    def counts(self) -> dict[str, int]:
        """Return how many messages are in which delivery state."""
        return count_deliveries(self._database, self._job_id)

    def _open_rows(self, after: int) -> list[OpenRow]:
        database = self._database
        with database.read() as connection:
            found = connection.execute(
                database.sql(
                    "SELECT m.position, m.message_id, {now} - m.recorded_at AS age"
                    " FROM ecall_message m"
                    " LEFT JOIN ecall_delivery d ON d.message_id = m.message_id"
                    " WHERE m.job_id = :job AND m.state = 'accepted' AND m.message_id IS NOT NULL"
                    " AND m.position > :after AND (d.is_final IS NULL OR NOT d.is_final)"
                    " AND m.recorded_at > {now} - :kept ORDER BY m.position LIMIT :limit"
                ),
                {"job": self._job_id, "after": after, "kept": KEPT_SECONDS, "limit": _BATCH},
            )
            return [OpenRow(row.position, row.message_id, row.age) for row in found]

    def count_final(self) -> tuple[int, int]:
        """Return how many states are final, and how many messages were accepted."""
        with self._database.read() as connection:
            row = connection.execute(
                text(
                    "SELECT count(*) AS total, count(CASE WHEN d.is_final THEN 1 END) AS final"
                    " FROM ecall_message m"
                    " LEFT JOIN ecall_delivery d ON d.message_id = m.message_id"
                    " WHERE m.job_id = :job AND m.state = 'accepted'"
                ),
                {"job": self._job_id},
            ).one()
        return row.final, row.total


def track_deliveries(
    tracking: Tracking, client: ECall, concurrency: int, on_progress: OnTracked | None
) -> dict[str, int]:
    """Ask until all states are final or too old; return how many messages are in which."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="ecall-track") as pool:
        while True:
            asked = 0.0
            while not asked and not tracking.is_late() and (batch := tracking.next_batch()):
                asked = tracking.record(list(pool.map(partial(_ask, client), batch)))
                if on_progress is not None:
                    on_progress(*tracking.count_final())
            wait = tracking.end_round(asked)
            if wait is None:
                return tracking.counts()
            time.sleep(wait)


async def track_deliveries_async(
    tracking: Tracking, client: AsyncECall, concurrency: int, on_progress: OnTracked | None
) -> dict[str, int]:
    """Ask as `track_deliveries` does, by tasks; only the database is used in threads."""
    run = anyio.to_thread.run_sync
    limit = anyio.CapacityLimiter(concurrency)
    while True:
        asked = 0.0
        while not asked and not tracking.is_late() and (batch := await run(tracking.next_batch)):
            asked = await _ask_batch(tracking, client, batch, limit)
            if on_progress is not None:
                on_progress(*await run(tracking.count_final))
        wait = await run(tracking.end_round, asked)
        if wait is None:
            return await run(tracking.counts)
        await anyio.sleep(wait)


async def _ask_batch(
    tracking: Tracking, client: AsyncECall, batch: Sequence[OpenRow], limit: anyio.CapacityLimiter
) -> float:
    answers: list[Answer] = []

    async def ask(row: OpenRow) -> None:
        async with limit:
            answers.append(await _ask_async(client, row))

    asked = 0.0
    try:
        async with anyio.create_task_group() as group:
            for row in batch:
                group.start_soon(ask, row)
    finally:
        # What is known by now is recorded, whatever ends the asking.
        with anyio.CancelScope(shield=True):
            asked = await anyio.to_thread.run_sync(tracking.record, answers)
    return asked


def _ask(client: ECall, row: OpenRow) -> Answer:
    try:
        return report_of(row.message_id, client.messages.status(row.message_id))
    except ECallError as error:
        return _answer_of(error, row)


async def _ask_async(client: AsyncECall, row: OpenRow) -> Answer:
    try:
        return report_of(row.message_id, await client.messages.status(row.message_id))
    except ECallError as error:
        return _answer_of(error, row)


def _answer_of(error: ECallError, row: OpenRow) -> Answer:
    """Return what the error of a read means for its message."""
    if isinstance(error, NotFound):
        if row.age < _NEW_SECONDS:
            return None
        unknown = "the service does not know it"
        return Report(row.message_id, "Unknown", is_final=True, error=unknown)
    if isinstance(error, (AuthenticationError, PermissionDenied)):
        return error
    if isinstance(error, (RateLimited, ServerError)):
        return error.retry_after or 1.0
    return None  # it may pass


def report_of(message_id: str, status: MessageStatus) -> Report:
    """Return the report that a status makes."""
    problem = status.error
    error = None if problem is None else (problem.code or "the service reports an error")
    return Report(message_id, str(status.state.value), status.is_final, status.updated_at, error)


def count_deliveries(database: Database, job_id: int) -> dict[str, int]:
    """Return how many accepted messages are in which delivery state; "" for none."""
    with database.read() as connection:
        found = connection.execute(
            text(
                "SELECT coalesce(d.state, '') AS state, count(*) AS rows FROM ecall_message m"
                " LEFT JOIN ecall_delivery d ON d.message_id = m.message_id"
                " WHERE m.job_id = :job AND m.state = 'accepted' GROUP BY coalesce(d.state, '')"
            ),
            {"job": job_id},
        )
        return {row.state: row.rows for row in found}
