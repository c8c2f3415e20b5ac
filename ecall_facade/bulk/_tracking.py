"""Delivery states: asked for, or reported by callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

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

    from ecall_facade import ECall
    from ecall_facade.bulk._database import Database
    from ecall_facade.results import MessageStatus

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
class _OpenRow:
    """An accepted row whose state may still change; its age is in seconds."""

    position: int
    message_id: str
    age: float


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


def track_deliveries(
    database: Database,
    job_id: int,
    client: ECall,
    timeout: float | None,
    concurrency: int,
    on_progress: Callable[[int, int], object] | None,
) -> dict[str, int]:
    """Ask until all states are final or too old; return how many messages are in which."""
    deadline = None if timeout is None else time.monotonic() + timeout
    pause = _FIRST_PAUSE
    with ThreadPoolExecutor(concurrency, thread_name_prefix="ecall-track") as pool:
        while True:
            asked = 0.0
            after = -1
            while open_rows := _open_rows(database, job_id, after):
                after = open_rows[-1].position
                answers = list(pool.map(partial(_ask, client), open_rows))
                reports = [answer for answer in answers if isinstance(answer, Report)]
                with database.write() as connection:
                    write_reports(connection, database, reports)
                _tell(database, job_id, on_progress)
                if refusals := [answer for answer in answers if isinstance(answer, ECallError)]:
                    raise refusals[0]
                asked = max([0.0, *(a for a in answers if isinstance(a, float))])
                if asked or (deadline is not None and timeout and time.monotonic() > deadline):
                    break
            if not _open_rows(database, job_id, -1):
                break
            wait = max(pause, asked)
            if deadline is not None and time.monotonic() + wait > deadline:
                break
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)
    return delivery_counts(database, job_id)


def delivery_counts(database: Database, job_id: int) -> dict[str, int]:
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


def _open_rows(database: Database, job_id: int, after: int) -> list[_OpenRow]:
    """Return position, id and age in seconds of accepted rows whose state may still change."""
    with database.read() as connection:
        found = connection.execute(
            database.sql(
                "SELECT m.position, m.message_id, {now} - m.recorded_at AS age"
                " FROM ecall_message m LEFT JOIN ecall_delivery d ON d.message_id = m.message_id"
                " WHERE m.job_id = :job AND m.state = 'accepted' AND m.message_id IS NOT NULL"
                " AND m.position > :after AND (d.is_final IS NULL OR NOT d.is_final)"
                " AND m.recorded_at > {now} - :kept ORDER BY m.position LIMIT :limit"
            ),
            {"job": job_id, "after": after, "kept": KEPT_SECONDS, "limit": _BATCH},
        )
        return [_OpenRow(row.position, row.message_id, row.age) for row in found]


def _ask(client: ECall, row: _OpenRow) -> Report | ECallError | float | None:
    """Return a report, an error that ends the tracking, the pause asked for, or None for later."""
    try:
        status = client.messages.status(row.message_id)
    except NotFound:
        if row.age < _NEW_SECONDS:
            return None
        return Report(
            row.message_id, "Unknown", is_final=True, error="the service does not know it"
        )
    except (AuthenticationError, PermissionDenied) as error:
        return error
    except (RateLimited, ServerError) as error:
        return error.retry_after or 1.0
    except ECallError:
        return None  # it may pass
    return report_of(row.message_id, status)


def report_of(message_id: str, status: MessageStatus) -> Report:
    """Return the report that a status makes."""
    problem = status.error
    error = None if problem is None else (problem.code or "the service reports an error")
    return Report(message_id, str(status.state.value), status.is_final, status.updated_at, error)


def _tell(
    database: Database, job_id: int, on_progress: Callable[[int, int], object] | None
) -> None:
    if on_progress is None:
        return
    with database.read() as connection:
        row = connection.execute(
            text(
                "SELECT count(*) AS total, count(CASE WHEN d.is_final THEN 1 END) AS final"
                " FROM ecall_message m LEFT JOIN ecall_delivery d ON d.message_id = m.message_id"
                " WHERE m.job_id = :job AND m.state = 'accepted'"
            ),
            {"job": job_id},
        ).one()
    on_progress(row.final, row.total)
