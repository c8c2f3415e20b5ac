"""Messages become rows of a ledger: checked, hashed, and stored all or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from ecall_facade.bulk import _schema
from ecall_facade.bulk._check import check_message
from ecall_facade.bulk._message import Message
from ecall_facade.bulk._problems import InvalidMessages, RowProblem
from ecall_facade.errors import UsageError
from ecall_facade.numbers import RawAddress

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database

_BATCH = 2000
_COLUMNS = (
    "job_id",
    "position",
    "line",
    "fingerprint",
    "recipient",
    "is_raw",
    "channel",
    "text",
    "sender",
    "reference",
    "state",
)
_encode = json.JSONEncoder(default=repr).encode


class Digest:
    """A hash over messages as they were read, so that a job is known again.

    Not over normalised ones: another version of phonenumbers would make another job of them. Nor over
    lines and file names, which are for error messages only.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, message: Message) -> None:
        """Add a message."""
        to, is_raw = message.to, "false"
        if isinstance(to, RawAddress):
            to, is_raw = to.value, "true"
        # A list in JSON, made by hand: the encoder takes five times as long for a list.
        sender = "null" if message.sender is None else _encode(message.sender)
        reference = "null" if message.reference is None else _encode(message.reference)
        parts = f"{_encode(to)}, {is_raw}, {_encode(message.text)}, {_encode(message.channel)}"
        self._hash.update(f"[{parts}, {sender}, {reference}]\n".encode())
        self.count += 1

    def hexdigest(self) -> str:
        """Return the hash of all that was added."""
        return self._hash.hexdigest()


def digest_of(messages: Iterable[Message]) -> tuple[str, int]:
    """Return the hash over messages, and how many there are."""
    digest = Digest()
    for message in messages:
        digest.add(message)
    return digest.hexdigest(), digest.count


def insert_job(
    connection: Connection, database: Database, name: str, region: str, chunk_size: int
) -> int | None:
    """Insert a job without rows; return its id, or None if there is one of that name.

    Another process that inserts the same name at this moment is waited for.
    """
    insert = sqlite.insert if database.is_sqlite else postgresql.insert
    statement = (
        insert(_schema.job)
        .values(
            name=name,
            digest="",
            row_count=0,
            region=region,
            chunk_size=chunk_size,
            created_at=database.sql("{now}"),
        )
        .on_conflict_do_nothing()
        .returning(_schema.job.c.id)
    )
    return connection.execute(statement).scalar()


def load(
    connection: Connection,
    database: Database,
    job_id: int,
    messages: Iterable[Message],
    region: str,
) -> None:
    """Store the rows of a new job.

    Raises:
        InvalidMessages: Some messages cannot be used; all of them are named.
    """
    digest = Digest()
    problems: list[RowProblem] = []
    rows = _checked(messages, job_id, region, digest, problems)
    # By the driver: it takes tuples as they are, SQLAlchemy would look at each value.
    place = "?" if database.is_sqlite else "%s"
    insert = (
        f"INSERT INTO ecall_message ({', '.join(_COLUMNS)}) VALUES"  # noqa: S608  # our own names; values are bound
        f" ({', '.join(place for _ in _COLUMNS)})"
    )
    try:
        while batch := list(islice(rows, _BATCH)):
            if not problems:  # nothing will be stored otherwise
                connection.exec_driver_sql(insert, batch)
    except InvalidMessages as error:
        problems += error.problems
    if problems:
        problems.sort(key=lambda problem: (problem.line is None, problem.line or 0))
        raise InvalidMessages(problems)
    if not digest.count:
        raise UsageError("The job has no messages")
    _mark_duplicates(connection, job_id)
    connection.execute(
        text("UPDATE ecall_job SET digest = :digest, row_count = :rows WHERE id = :job"),
        {"digest": digest.hexdigest(), "rows": digest.count, "job": job_id},
    )


def _mark_duplicates(connection: Connection, job_id: int) -> None:
    connection.execute(
        text(
            "UPDATE ecall_message SET state = 'duplicate' WHERE job_id = :job AND position IN"
            " (SELECT position FROM (SELECT position, row_number() OVER"
            " (PARTITION BY fingerprint ORDER BY position) AS number"
            " FROM ecall_message WHERE job_id = :job) AS numbered WHERE number > 1)"
        ),
        {"job": job_id},
    )


def _checked(
    messages: Iterable[Message],
    job_id: int,
    region: str,
    digest: Digest,
    problems: list[RowProblem],
) -> Iterator[tuple[object, ...]]:
    for position, message in enumerate(messages):
        # Not every caller checks types.
        if not isinstance(message, Message):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError("messages must be an iterable of Message, as read_messages returns")
        digest.add(message)
        checked = check_message(message, region)
        if isinstance(checked, str):
            line = message.line if message.line is not None else digest.count
            problems.append(RowProblem(message.source, line, checked))
            yield ()
            continue
        yield (
            job_id,
            position,
            message.line,
            checked.fingerprint,
            checked.recipient,
            isinstance(message.to, RawAddress),
            message.channel,
            message.text,
            message.sender,
            message.reference,
            "pending",
        )
