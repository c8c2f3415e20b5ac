"""Pauses and stops of a job, which hold for all its senders.

Every method runs inside one transaction of the caller; only the database's clock is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ecall_facade.bulk._reports import JobPause, JobStop, PauseCause

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from ecall_facade.bulk._database import Database


@attrs.frozen
class PauseRequest:
    """A row that the service did not take for now.

    Attributes:
        retry_after: Seconds that the service asked for, or None.
        is_unreachable: Whether there was no connection at all.
        reason: Of the row that made it known.
    """

    retry_after: float | None
    is_unreachable: bool
    reason: str


@attrs.frozen
class Backoff:
    """How long senders pause where the service does not say it, and when they give up.

    Attributes:
        first: Seconds of the first pause; each further one is twice as long.
        longest: Seconds of the longest one.
        give_up_after: Seconds without any connection after which the job stops.
    """

    first: float = 1.0
    longest: float = 60.0
    give_up_after: float = 300.0

    def seconds(self, number: int) -> float:
        """Return the length of a pause; they are counted from 1."""
        return min(self.longest, self.first * 2.0 ** min(number - 1, 30))


@attrs.frozen
class Pauses:
    """The pauses and the stop of one job."""

    database: Database
    job_id: int
    backoff: Backoff

    def begin(self, connection: Connection, requests: Sequence[PauseRequest]) -> JobPause:
        """Let all senders of the job pause; stop it if there was no connection for too long."""
        job = connection.execute(
            self.database.sql(
                "SELECT pauses, paused_until, pause_seconds, unreachable_since, {now} AS now"
                " FROM ecall_job WHERE id = :job {for_update}"
            ),
            {"job": self.job_id},
        ).one()
        left = max((job.paused_until or 0.0) - job.now, 0.0)
        left = min(left, job.pause_seconds or 0.0)
        # Rows that were under way when a pause began do not make it longer.
        number = job.pauses if left else job.pauses + 1
        asked = [each.retry_after for each in requests if each.retry_after is not None]
        seconds = left or self.backoff.seconds(number)
        if asked:
            seconds = max(left, *asked, self.backoff.first / 2)
        is_unreachable = all(each.is_unreachable for each in requests)
        # A moment in the future is that of a clock that was set back since.
        since = min(job.unreachable_since or job.now, job.now) if is_unreachable else None
        cause: PauseCause = "unreachable" if is_unreachable else "busy"
        reason = next(each.reason for each in requests if is_unreachable or not each.is_unreachable)
        connection.execute(
            self.database.sql(
                "UPDATE ecall_job SET pauses = :pauses, paused_until = :until,"
                " pause_seconds = :seconds, pause_cause = :cause, pause_reason = :reason,"
                " unreachable_since = :since WHERE id = :job"
            ),
            {
                "pauses": number,
                "until": job.now + seconds,
                "seconds": seconds,
                "cause": cause,
                "reason": reason,
                "since": since,
                "job": self.job_id,
            },
        )
        if since is not None and job.now - since >= self.backoff.give_up_after:
            self.stop(connection, JobStop("unreachable", reason))
        return JobPause(cause, seconds, reason)

    def left(self, connection: Connection, job: Row[Any]) -> JobPause | None:
        """Return the pause that the job is in.

        Args:
            connection: Of the transaction.
            job: The row of the job, with the database's clock as `now`.
        """
        seconds: float = (job.paused_until or 0.0) - job.now
        longest: float = job.pause_seconds or 0.0
        if seconds > longest:
            # The clock of the database was set back: the pause begins again.
            seconds = longest
            connection.execute(
                self.database.sql("UPDATE ecall_job SET paused_until = :until WHERE id = :job"),
                {"until": job.now + longest, "job": self.job_id},
            )
        return JobPause(job.pause_cause, seconds, job.pause_reason) if seconds > 0 else None

    def end(self, connection: Connection) -> None:
        """Forget earlier pauses, as the service has answered since."""
        connection.execute(
            self.database.sql(
                "UPDATE ecall_job SET pauses = 0, unreachable_since = NULL WHERE id = :job"
            ),
            {"job": self.job_id},
        )

    def stop(self, connection: Connection, stop: JobStop) -> None:
        """Stop the job; the first reason stays."""
        connection.execute(
            self.database.sql(
                "UPDATE ecall_job SET stop_cause = :cause, stop_reason = :reason,"
                " stop_status = :status WHERE id = :job AND stop_cause IS NULL"
            ),
            {
                "cause": stop.cause,
                "reason": stop.reason,
                "status": stop.status_code,
                "job": self.job_id,
            },
        )

    def stopped(self, connection: Connection) -> JobStop | None:
        """Return why the job is stopped, or None."""
        job = connection.execute(
            self.database.sql(
                "SELECT stop_cause, stop_reason, stop_status FROM ecall_job WHERE id = :job"
            ),
            {"job": self.job_id},
        ).one()
        return stop_of(job)

    def allow(self, connection: Connection) -> None:
        """Let a job go on that was stopped, as a person has asked for it."""
        connection.execute(
            self.database.sql(
                "UPDATE ecall_job SET stop_cause = NULL, stop_reason = NULL, stop_status = NULL,"
                " pauses = 0, unreachable_since = NULL WHERE id = :job"
            ),
            {"job": self.job_id},
        )


def stop_of(job: Row[Any]) -> JobStop | None:
    """Return why a job is stopped, as its row says."""
    if job.stop_cause is None:
        return None
    return JobStop(job.stop_cause, job.stop_reason, job.stop_status)
