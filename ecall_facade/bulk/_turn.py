"""The protocol: how a sender takes rows, and how it records what became of them.

Every function here runs inside one transaction of the sender's own connection.

A row is `sending` in a committed transaction before its POST. It becomes `pending` again only by the
sender that took it, with proof that the service did not, or by a person. So between two POSTs of one
row stands such a proof, or a person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from ecall_facade.bulk._outcome import SENDER_GONE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database
    from ecall_facade.bulk._schema import State

_AHEAD = 0.1
"""Seconds; slots of a rate are taken no further ahead, so that a sender that dies wastes few."""
_REFILL = 0.05
"""Seconds; slots are taken when fewer than this are left, so that a turn takes several."""


class SenderLost(Exception):
    """Others have declared this sender dead, as its lock was free; it must not take rows."""


@attrs.frozen
class Claimed:
    """A row that this sender has taken.

    Attributes:
        run_id: The run that took it.
        position: The row's place in the job.
        delay: Seconds until it may be posted, from the moment that the claim was made.
        due: The same as a moment of this process's monotonic clock.
    """

    run_id: int
    position: int
    recipient: str = attrs.field(repr=False)
    is_raw: bool
    channel: str
    text: str = attrs.field(repr=False)
    sender: str | None
    delay: float = 0.0
    due: float = 0.0


@attrs.frozen
class Pause:
    """That the service did not take a row for now.

    Attributes:
        retry_after: Seconds that the service asked for, or None.
        is_unreachable: Whether there was no connection at all.
        reason: Of the row that made it known.
    """

    retry_after: float | None
    is_unreachable: bool
    reason: str


@attrs.frozen
class Result:
    """What became of a row that a run had taken."""

    run_id: int
    position: int
    state: State
    message_id: str | None = None
    reason: str | None = None
    pause: Pause | None = None
    stop: str | None = None
    was_posted: bool = True


@attrs.frozen
class Backoff:
    """How long senders pause where the service does not say it, and for how often at most.

    Attributes:
        first: Seconds of the first pause; each further one is twice as long.
        longest: Seconds of the longest one.
        most: Pauses without any connection in between, after which the job stops.
    """

    first: float = 1.0
    longest: float = 60.0
    most: int = 10

    def seconds(self, number: int) -> float:
        """Return the length of a pause; they are counted from 1."""
        return min(self.longest, self.first * 2.0 ** min(number - 1, 30))


@attrs.frozen
class Room:
    """How many rows a sender may take, and how many it has that are under way."""

    limit: int
    under_way: int


ALL = 2**31 - 1
"""Larger than any position."""


@attrs.define
class Span:
    """The rows that a sender looks through: a whole job, or a chunk.

    Attributes:
        first: The first position.
        end: The position after the last.
        after: Rows up to this position have been looked at.
    """

    first: int
    end: int = ALL
    after: int = -1

    def __attrs_post_init__(self) -> None:
        self.rewind()

    def rewind(self) -> None:
        """Begin at the first row again."""
        self.after = self.first - 1


@attrs.frozen
class Turn:
    """What a turn brought.

    Attributes:
        claimed: Rows to be posted, once the transaction is committed.
        wait: Seconds until another claim makes sense, of a pause or a rate.
        is_paused: Whether the job pauses.
        stopped: Why the job is stopped, or None.
        is_exhausted: Whether nothing is left to be taken.
    """

    claimed: list[Claimed] = attrs.field(factory=list)
    wait: float = 0.0
    is_paused: bool = False
    stopped: str | None = None
    is_exhausted: bool = False


@attrs.frozen
class ClaimProtocol:
    """The protocol for one job on one database."""

    database: Database
    job_id: int
    backoff: Backoff = attrs.field(factory=Backoff)

    def take_turn(
        self,
        connection: Connection,
        run_id: int,
        results: Sequence[Result],
        room: Room,
        span: Span,
        rate: float | None,
    ) -> Turn:
        """Record results and take rows, as far as there is nothing against it.

        Args:
            connection: Of the run, inside a transaction.
            run_id: The run that takes rows.
            results: What became of rows that this process has taken, by this run or an earlier one.
            room: How many rows may be taken.
            span: The rows among which to look; its cursor moves.
            rate: Messages in a second, together with all senders that give a rate.
        """
        job = connection.execute(
            self.database.sql(
                "SELECT r.is_gone, j.stopped, j.paused_until, j.pause_seconds, j.pauses,"
                " {now} AS now FROM ecall_run r, ecall_job j"
                " WHERE r.id = :run AND j.id = :job {for_update OF r}"
            ),
            {"run": run_id, "job": self.job_id},
        ).one()
        self.record(connection, results)
        stopped: str | None = job.stopped
        if reason := next((result.stop for result in results if result.stop), None):
            stopped = stopped or reason
            self._stop(connection, reason)
        pauses = [result.pause for result in results if result.pause]
        if pauses:
            paused, stopped_now = self._pause(connection, pauses)
            return Turn(wait=paused, is_paused=True, stopped=stopped or stopped_now)
        if job.is_gone:
            raise SenderLost
        left = self._pause_left(connection, job.paused_until, job.pause_seconds, job.now)
        if left > 0:
            return Turn(wait=left, is_paused=True, stopped=stopped)
        # The service answers again. What is answered during a pause was posted before it.
        if job.pauses and any(r.was_posted for r in results):
            connection.execute(
                self.database.sql("UPDATE ecall_job SET pauses = 0 WHERE id = :job"),
                {"job": self.job_id},
            )
            limit = room.limit
        elif job.pauses:  # one row finds out whether the pause is over
            limit = 0 if room.under_way else min(room.limit, 1)
        else:
            limit = room.limit
        if stopped or limit <= 0:
            return Turn(stopped=stopped)
        if rate is None:
            rows = self._claim(connection, run_id, limit, span)
            return Turn(rows, is_exhausted=len(rows) < limit)
        return self._claim_slots(connection, run_id, limit, span, rate, job.now)

    def record(self, connection: Connection, results: Sequence[Result]) -> None:
        """Write down what became of rows.

        The result of a row that others declared `unknown` is written all the same: it is the truth,
        and nobody sends the row again. A row that a person has resolved is no longer the run's.
        """
        if not results:
            return
        connection.execute(
            self.database.sql(
                "UPDATE ecall_message SET state = :state, message_id = :message_id,"
                " reason = :reason, recorded_at = {now}"
                " WHERE job_id = :job AND position = :position AND run_id = :run"
                " AND (state = 'sending' OR state = 'unknown')"
            ),
            [
                {
                    "state": result.state,
                    "message_id": result.message_id,
                    "reason": None if result.state == "pending" else result.reason,
                    "job": self.job_id,
                    "position": result.position,
                    "run": result.run_id,
                }
                for result in sorted(results, key=lambda result: result.position)
            ],
        )

    def _claim(self, connection: Connection, run_id: int, limit: int, span: Span) -> list[Claimed]:
        rows = self._claim_after(connection, run_id, limit, span)
        if not rows and span.after >= span.first:
            # Rows before the cursor may be pending again.
            span.rewind()
            rows = self._claim_after(connection, run_id, limit, span)
        return rows

    def _claim_after(
        self, connection: Connection, run_id: int, limit: int, span: Span
    ) -> list[Claimed]:
        found = connection.execute(
            self.database.sql(
                # Materialized: PostgreSQL may run a subquery again for each row of the update,
                # finds others each time as it skips those that are locked, and takes too many.
                "WITH chosen AS MATERIALIZED (SELECT position FROM ecall_message"
                " WHERE job_id = :job AND state = 'pending' AND position > :after"
                " AND position < :end ORDER BY position LIMIT :limit {for_update SKIP LOCKED})"
                " UPDATE ecall_message SET state = 'sending', run_id = :run, reason = NULL"
                " WHERE job_id = :job AND position IN (SELECT position FROM chosen)"
                " RETURNING position, recipient, is_raw, channel, text, sender"
            ),
            {
                "run": run_id,
                "job": self.job_id,
                "after": span.after,
                "end": span.end,
                "limit": limit,
            },
        ).all()
        rows = [
            Claimed(
                run_id, row.position, row.recipient, bool(row.is_raw), row.channel, row.text,
                row.sender,
            )
            for row in found
        ]  # fmt: skip
        rows.sort(key=lambda row: row.position)
        if rows:
            span.after = rows[-1].position
        return rows

    def _claim_slots(
        self,
        connection: Connection,
        run_id: int,
        limit: int,
        span: Span,
        rate: float,
        now: float,
    ) -> Turn:
        """Take rows, each with a moment at which it may be posted."""
        slots = connection.execute(
            self.database.sql(
                "SELECT next_slot, slot_seconds FROM ecall_ledger WHERE id = 1 {for_update}"
            )
        ).one()
        first = max(slots.next_slot or 0.0, now)
        if first > now + _AHEAD + 2 * (slots.slot_seconds or 0.0) + 1.0:
            first = now + 1 / rate  # the clock of the database was set back
        free = math.floor((now + _AHEAD - first) * rate) + 1
        if first > now + _REFILL or free < 1:
            return Turn(wait=max(first - now - _REFILL, 0.001))
        rows = self._claim(connection, run_id, min(limit, free), span)
        if not rows:
            return Turn(is_exhausted=True)
        next_slot = first + len(rows) / rate
        connection.execute(
            self.database.sql("UPDATE ecall_ledger SET next_slot = :next, slot_seconds = :seconds"),
            {"next": next_slot, "seconds": 1 / rate},
        )
        timed = [
            attrs.evolve(row, delay=max(first + number / rate - now, 0.0))
            for number, row in enumerate(rows)
        ]
        is_exhausted = len(rows) < min(limit, free)
        return Turn(timed, wait=max(next_slot - now - _REFILL, 0.001), is_exhausted=is_exhausted)

    def _pause(self, connection: Connection, pauses: Sequence[Pause]) -> tuple[float, str | None]:
        """Let all senders of the job pause; return for how long, and why the job stops if it does."""
        job = connection.execute(
            self.database.sql(
                "SELECT stopped, pauses, paused_until, pause_seconds, {now} AS now"
                " FROM ecall_job WHERE id = :job {for_update}"
            ),
            {"job": self.job_id},
        ).one()
        left = max((job.paused_until or 0.0) - job.now, 0.0)
        left = min(left, job.pause_seconds or 0.0)
        # Rows that were under way when a pause began do not make it longer.
        number = job.pauses if left else job.pauses + 1
        asked = [pause.retry_after for pause in pauses if pause.retry_after is not None]
        seconds = left or self.backoff.seconds(number)
        if asked:
            seconds = max(left, *asked, self.backoff.first / 2)
        connection.execute(
            self.database.sql(
                "UPDATE ecall_job SET pauses = :pauses, paused_until = :until,"
                " pause_seconds = :seconds WHERE id = :job"
            ),
            {
                "pauses": number,
                "until": job.now + seconds,
                "seconds": seconds,
                "job": self.job_id,
            },
        )
        stopped: str | None = job.stopped
        if number > self.backoff.most and all(pause.is_unreachable for pause in pauses):
            stopped = stopped or pauses[0].reason
            self._stop(connection, pauses[0].reason)
        return seconds, stopped

    def _pause_left(
        self,
        connection: Connection,
        paused_until: float | None,
        pause_seconds: float | None,
        now: float,
    ) -> float:
        left = (paused_until or 0.0) - now
        longest = pause_seconds or 0.0
        if left <= longest:
            return max(left, 0.0)
        # The clock of the database was set back: the pause begins again.
        connection.execute(
            self.database.sql("UPDATE ecall_job SET paused_until = :until WHERE id = :job"),
            {"until": now + longest, "job": self.job_id},
        )
        return longest

    def _stop(self, connection: Connection, reason: str) -> None:
        connection.execute(
            self.database.sql(
                "UPDATE ecall_job SET stopped = :reason WHERE id = :job AND stopped IS NULL"
            ),
            {"reason": reason, "job": self.job_id},
        )

    def allow(self, connection: Connection) -> None:
        """Let a job go on that was stopped, as a person has asked for it."""
        connection.execute(
            self.database.sql("UPDATE ecall_job SET stopped = NULL, pauses = 0 WHERE id = :job"),
            {"job": self.job_id},
        )


def bury(connection: Connection, database: Database, run_id: int) -> int:
    """Declare a run dead, and make its rows `unknown`; return how many there were.

    The run is locked first, so that it can take no row between the two steps.
    """
    gone = connection.execute(
        database.sql("UPDATE ecall_run SET is_gone = true WHERE id = :run AND NOT is_gone"),
        {"run": run_id},
    )
    if not gone.rowcount:
        return 0
    connection.execute(database.sql("DELETE FROM ecall_event WHERE run_id = :run"), {"run": run_id})
    rows = connection.execute(
        database.sql(
            "UPDATE ecall_message SET state = 'unknown', recorded_at = {now},"
            " reason = :reason WHERE run_id = :run AND state = 'sending'"
        ),
        {
            "run": run_id,
            "reason": f"{SENDER_GONE}: it ended before it recorded what became of the message",
        },
    )
    return rows.rowcount
