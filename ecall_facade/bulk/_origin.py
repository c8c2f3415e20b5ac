"""Which service a job was sent by: another one does not know its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from sqlalchemy import text

from ecall_facade._settings import is_loopback_host
from ecall_facade.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade import AsyncECall, ECall
    from ecall_facade.bulk._database import Database

_LOOPBACK = "loopback"
"""Stands for all addresses of this machine: sandboxes come and go, on a port of their own each."""


def origin_of(base_url: str) -> str:
    """Return what the ledger keeps of a base URL."""
    return _LOOPBACK if is_loopback_host(httpx.URL(base_url).host) else base_url


def get_origin(database: Database, job_id: int) -> str | None:
    """Return which service a job was sent by, or None before it was sent."""
    with database.read() as connection:
        return _stored(connection, job_id)


def set_origin(database: Database, job_id: int, origin: str) -> None:
    """Record which service the messages of a job are known by."""
    with database.write() as connection:
        connection.execute(
            text("UPDATE ecall_job SET base_url = :origin WHERE id = :job"),
            {"origin": origin, "job": job_id},
        )


def begin_at(database: Database, job_id: int, client: ECall | AsyncECall) -> None:
    """Remember the service of the first send, and refuse another one for the others.

    Raises:
        UsageError: Some messages of the job were sent by another service.
    """
    origin = origin_of(client.base_url)
    stored = get_origin(database, job_id)
    if stored == origin:
        return
    if stored is not None and _has_sent(database, job_id):
        raise _other_service(stored, origin)
    set_origin(database, job_id, origin)


def check_origin(database: Database, job_id: int, client: ECall | AsyncECall) -> None:
    """Refuse a client of another service than that of the sends.

    Raises:
        UsageError: Some messages of the job were sent by another service.
    """
    origin = origin_of(client.base_url)
    stored = get_origin(database, job_id)
    if stored is not None and stored != origin and _has_sent(database, job_id):
        raise _other_service(stored, origin)


def _other_service(stored: str, origin: str) -> UsageError:
    names = {_LOOPBACK: "a service on this machine, such as a sandbox"}
    return UsageError(
        f"The job was sent by {names.get(stored, stored)}, and this client is for"
        f" {names.get(origin, origin)}, which does not know its messages. Use the former, or"
        " another job. If both are the same service, say so: job.set_base_url(…), or --other-base-url"
        " of `ecall bulk send`"
    )


def _stored(connection: Connection, job_id: int) -> str | None:
    statement = text("SELECT base_url FROM ecall_job WHERE id = :job")
    origin: str | None = connection.execute(statement, {"job": job_id}).scalar_one()
    return origin


def _has_sent(database: Database, job_id: int) -> bool:
    with database.read() as connection:
        found = connection.execute(
            text(
                "SELECT 1 FROM ecall_message WHERE job_id = :job"
                " AND state IN ('sending', 'accepted', 'unknown') LIMIT 1"
            ),
            {"job": job_id},
        )
        return found.first() is not None
