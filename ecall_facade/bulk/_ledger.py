"""The ledger: a database that knows of each message whether it was sent."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import attrs
from sqlalchemy import select, text

from ecall_facade.bulk import _schema
from ecall_facade.bulk._claims import Span
from ecall_facade.bulk._database import Database
from ecall_facade.bulk._errors import LedgerError
from ecall_facade.bulk._job import Job, JobFacts
from ecall_facade.bulk._options import GIVE_UP_AFTER, make_options
from ecall_facade.bulk._origin import begin_at
from ecall_facade.bulk._runs import recover
from ecall_facade.bulk._seen import LedgerSeen
from ecall_facade.bulk._send import send_rows
from ecall_facade.bulk._tracking import Report, write_reports
from ecall_facade.errors import InvalidConfiguration, UsageError
from ecall_facade.numbers import check_region

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from ecall_facade import ECall
    from ecall_facade.bulk._message import Message
    from ecall_facade.bulk._reports import SendReport
    from ecall_facade.webhooks import ReceivedMessage, StatusUpdate, UnknownEvent

_LARGEST_CHUNK = 100_000
_LONGEST_NAME = 200


@attrs.frozen
class Forgotten:
    """The result of `ledger.forget`."""

    jobs: tuple[str, ...]
    """Names of the jobs whose numbers and texts were removed."""
    unfinished: tuple[str, ...]
    """Names of the jobs that are old enough, but have messages that are pending, sending or
    unknown.
    """


class Ledger:
    """A database that knows of each message whether it was sent.

    It holds people's numbers and texts: an SQLite file is readable for its owner only.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        """Open a ledger, and make it if there is none.

        Args:
            url: `sqlite:///reminders.db`, or a path, for a file on a disk of this machine;
                `postgresql+psycopg://…` where several machines share the ledger.

        Raises:
            InvalidConfiguration: The URL, the database or the version of the ledger cannot be used.
            LedgerError: The database cannot be reached.
        """
        self._database = Database(url)
        self._seen: LedgerSeen | None = None

    def __repr__(self) -> str:
        return f"Ledger({self._database!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._seen is not None:
            self._seen.close()
        self._database.close()

    def job(
        self,
        name: str,
        messages: Iterable[Message] | None = None,
        *,
        region: str = "CH",
        chunk_size: int = 500,
    ) -> Job:
        """Return the job of this name, made of these messages; all of them are stored, or none.

        The same name with the same messages is the same job, with others it is refused.

        Args:
            name: What the job is known by, at most 200 characters.
            messages: What is to be sent; None for a job that is there.
            region: How numbers without a country are read; two letters of ISO 3166.
            chunk_size: Messages in a chunk, of which `job.enqueue` makes one task each.

        Raises:
            InvalidMessages: Some messages cannot be sent; all of them are named, nothing is stored.
            UsageError: There is no such job, or it has other messages.
            LedgerError: The database cannot be used.
        """
        check_job_name(name)
        if messages is None:
            return self._existing(name)
        from ecall_facade.bulk._load import insert_job, load  # loads phonenumbers (30 ms)

        region = check_region(region)
        if type(chunk_size) is not int or not 1 <= chunk_size <= _LARGEST_CHUNK:
            raise InvalidConfiguration(f"chunk_size must be a whole number, 1 to {_LARGEST_CHUNK}")
        if not self._has(name):
            with self._database.write() as connection:
                job_id = insert_job(connection, self._database, name, region, chunk_size)
                if job_id is not None:
                    load(connection, self._database, job_id, messages, region)
            if job_id is not None:
                with suppress(LedgerError):  # all is stored already
                    self._database.shorten_log()
                return self._existing(name)
        return self._same(self._existing(name), messages, region, chunk_size)

    def jobs(self) -> list[Job]:
        """Return all jobs, the oldest first.

        Raises:
            LedgerError: The database cannot be used.
        """
        with self._database.read() as connection:
            ids = connection.execute(text("SELECT id FROM ecall_job ORDER BY id")).scalars().all()
            return [
                Job(self._database, _facts(connection, _schema.job.c.id == number))
                for number in ids
            ]

    def send_chunk(
        self,
        client: ECall,
        job_id: int,
        chunk: int,
        *,
        concurrency: int = 20,
        rate: float | None = None,
        give_up_after: float = GIVE_UP_AFTER,
        longest_pause: float = 5.0,
    ) -> SendReport:
        """Send the pending messages of one chunk: what a task of any queue calls.

        It does no harm to call it twice, at once, or for a chunk that is finished.

        Args:
            client: Sends the messages, as for `job.send`.
            job_id: `job.id`.
            chunk: The chunk's number, from 0, as `job.enqueue` hands it out.
            concurrency: The most messages under way.
            rate: Messages in a second, together with all senders of the ledger that give a rate.
            give_up_after: Seconds without any connection to the service after which the job stops.
            longest_pause: Seconds; if the service asks for a longer pause, the call ends, and
                `retry_in` of its report says when the chunk is to be sent again.

        Raises:
            UsageError: There is no such job, an argument cannot be used, or the client is for
                another service than the one that took messages of the job before.
            LedgerError: The database cannot be used; the chunk can be sent again.
        """
        options = make_options(concurrency, rate, give_up_after)
        with self._database.read() as connection:
            job = Job(self._database, _facts(connection, _schema.job.c.id == job_id))
        if type(chunk) is not int or not 0 <= chunk * job.chunk_size < max(len(job), 1):
            raise UsageError(f"Job {job.id} has no chunk {chunk!r}")
        begin_at(self._database, job.id, client)
        first = chunk * job.chunk_size
        span = Span(first, first + job.chunk_size)
        options = attrs.evolve(options, span=span, longest_pause=longest_pause)
        return send_rows(self._database, job.id, client, options)

    def recover(self) -> int:
        """Make messages of senders that have died `unknown`; return how many there were.

        `send`, `track`, `resolve` and `enqueue` begin with it.

        Raises:
            LedgerError: The database cannot be used.
        """
        return recover(self._database)

    def record(self, event: StatusUpdate | ReceivedMessage | UnknownEvent) -> bool:
        """Write a delivery report down, of this ledger's messages or of others.

        Returns:
            Whether it was a delivery report that names its message.

        Raises:
            LedgerError: The database cannot be used.
        """
        from ecall_facade.webhooks import StatusUpdate

        if not isinstance(event, StatusUpdate) or not event.message_id:
            return False
        error = event.error
        report = Report(
            event.message_id,
            str(event.state.value),
            event.is_final,
            event.updated_at,
            None if error is None else (error.code or "the service reports an error"),
        )
        with self._database.write() as connection:
            write_reports(connection, self._database, [report])
        return True

    @property
    def seen(self) -> LedgerSeen:
        """The deduplicator for `WebhookApp(seen=…)` in any number of processes."""
        if self._seen is None:
            self._seen = LedgerSeen(self._database)
        return self._seen

    def forget(self, *, older_than: timedelta) -> Forgotten:
        """Remove numbers and texts of finished jobs; states, counts and ids stay.

        A job is finished if none of its messages is pending, sending or unknown.
        Keys of callbacks, and reports about messages of others, are removed if they are as old.

        Args:
            older_than: How long ago the last message of a job was recorded, at least.

        Raises:
            UsageError: `older_than` is not a timedelta, or is negative.
            LedgerError: The database cannot be used.
        """
        given = cast("object", older_than)
        if not isinstance(given, timedelta) or given < timedelta():
            raise UsageError("older_than must be a timedelta that is not negative")
        recover(self._database)
        seconds = older_than.total_seconds()
        with self._database.write() as connection:
            jobs = connection.execute(
                self._database.sql(
                    "SELECT j.id, j.name, (SELECT count(*) FROM ecall_message m"
                    " WHERE m.job_id = j.id AND m.state IN ('pending', 'sending', 'unknown'))"
                    " AS open_rows FROM ecall_job j WHERE NOT j.is_forgotten"
                    " AND coalesce((SELECT max(m.recorded_at) FROM ecall_message m"
                    " WHERE m.job_id = j.id), j.created_at) <= {now} - :seconds"
                    " ORDER BY j.id"
                ),
                {"seconds": seconds},
            ).all()
            for job in jobs:
                if not job.open_rows:
                    self._forget(connection, job.id)
            connection.execute(
                self._database.sql(
                    "DELETE FROM ecall_event WHERE run_id IS NULL"
                    " AND recorded_at <= {now} - :seconds"
                ),
                {"seconds": seconds},
            )
            # Reports about messages that are not of this ledger, such as one-time codes.
            connection.execute(
                self._database.sql(
                    "DELETE FROM ecall_delivery WHERE recorded_at <= {now} - :seconds"
                    " AND message_id NOT IN (SELECT message_id FROM ecall_message"
                    " WHERE message_id IS NOT NULL)"
                ),
                {"seconds": seconds},
            )
        if self._database.is_sqlite:
            self._database.wipe()
        return Forgotten(
            tuple(job.name for job in jobs if not job.open_rows),
            tuple(job.name for job in jobs if job.open_rows),
        )

    @staticmethod
    def _forget(connection: Connection, job_id: int) -> None:
        connection.execute(
            text(
                "UPDATE ecall_message SET recipient = NULL, text = NULL, fingerprint = NULL"
                " WHERE job_id = :job"
            ),
            {"job": job_id},
        )
        connection.execute(
            text("UPDATE ecall_job SET is_forgotten = true WHERE id = :job"), {"job": job_id}
        )

    def _existing(self, name: str) -> Job:
        with self._database.read() as connection:
            return Job(self._database, _facts(connection, _schema.job.c.name == name))

    def _has(self, name: str) -> bool:
        with self._database.read() as connection:
            statement = text("SELECT id FROM ecall_job WHERE name = :name")
            return connection.execute(statement, {"name": name}).scalar() is not None

    def _same(self, job: Job, messages: Iterable[Message], region: str, chunk_size: int) -> Job:
        """Return the job if it has these messages; refuse it if not."""
        from ecall_facade.bulk._load import digest_of

        digest, count = digest_of(messages)
        with self._database.read() as connection:
            stored = connection.execute(
                text("SELECT digest, region, chunk_size FROM ecall_job WHERE id = :id"),
                {"id": job.id},
            ).one()
        if stored.digest != digest:
            difference = (
                f"it has {len(job)} messages and these are {count}"
                if count != len(job)
                else "some of its messages differ from these"
            )
            raise UsageError(
                f"There is a job of this name with other messages: {difference}. Give the new one"
                " another name"
            )
        for setting, old, new in (
            ("region", stored.region, region),
            ("chunk_size", stored.chunk_size, chunk_size),
        ):
            if old != new:
                raise UsageError(
                    f"There is a job of this name with {setting}={old!r}, not {new!r}: leave"
                    f" {setting} as it was, or give the new job another name"
                )
        return job


def _facts(connection: Connection, condition: ColumnElement[bool]) -> JobFacts:
    columns = _schema.job.c
    row = connection.execute(
        select(
            columns.id, columns.name, columns.row_count, columns.region, columns.chunk_size
        ).where(condition)
    ).one_or_none()
    if row is None:
        raise UsageError("The ledger has no such job; ledger.jobs() lists those that it has")
    return JobFacts(row.id, row.name, row.row_count, row.region, row.chunk_size)


def check_job_name(name: object) -> None:
    """Refuse what cannot be the name of a job.

    Raises:
        UsageError: It is no str, blank, too long, or has control characters.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise UsageError("The job's name must be a str of printable characters")
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"The job's name must have at most {_LONGEST_NAME} characters")
