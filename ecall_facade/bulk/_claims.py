"""How a sender takes rows: which ones, how many, and with a rate, when each may be posted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database

_AHEAD = 0.1
"""Seconds; slots of a rate are taken no further ahead, so that a sender that dies wastes few."""
_REFILL = 0.05
"""Seconds; slots are taken when fewer than this are left, so that a turn takes several."""

ALL = 2**31 - 1
"""Larger than any position."""


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
class Room:
    """How many rows a sender may take, and how many it has that are under way."""

    limit: int
    under_way: int


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
class Claims:
    """Rows that were taken.

    Attributes:
        rows: The rows, to be posted once the transaction is committed.
        wait: Seconds until the next slot of the rate.
        is_exhausted: Whether nothing is left to be taken.
    """

    rows: list[Claimed]
    wait: float = 0.0
    is_exhausted: bool = False


@attrs.frozen
class Claimer:
    """Takes rows of a job for one run, in the run's own transaction."""

    database: Database
    job_id: int
    run_id: int

    def claim(self, connection: Connection, limit: int, span: Span) -> Claims:
        """Take rows that are pending, in order, and move the span's cursor."""
        rows = self._claim_after(connection, limit, span)
        if not rows and span.after >= span.first:
            # Rows before the cursor may be pending again.
            span.rewind()
            rows = self._claim_after(connection, limit, span)
        return Claims(rows, is_exhausted=len(rows) < limit)

    def claim_slots(
        self, connection: Connection, limit: int, span: Span, rate: float, now: float
    ) -> Claims:
        """Take rows, each with a moment at which it may be posted.

        Args:
            rate: Messages in a second, together with all senders of the ledger that give a rate.
            now: The database's clock.
        """
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
            return Claims([], wait=max(first - now - _REFILL, 0.001))
        claims = self.claim(connection, min(limit, free), span)
        if not claims.rows:
            return claims
        next_slot = first + len(claims.rows) / rate
        connection.execute(
            self.database.sql("UPDATE ecall_ledger SET next_slot = :next, slot_seconds = :seconds"),
            {"next": next_slot, "seconds": 1 / rate},
        )
        timed = [
            attrs.evolve(row, delay=max(first + number / rate - now, 0.0))
            for number, row in enumerate(claims.rows)
        ]
        return Claims(timed, max(next_slot - now - _REFILL, 0.001), claims.is_exhausted)

    def _claim_after(self, connection: Connection, limit: int, span: Span) -> list[Claimed]:
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
                "run": self.run_id,
                "job": self.job_id,
                "after": span.after,
                "end": span.end,
                "limit": limit,
            },
        ).all()
        rows = [
            Claimed(
                run_id=self.run_id,
                position=row.position,
                recipient=row.recipient,
                is_raw=bool(row.is_raw),
                channel=row.channel,
                text=row.text,
                sender=row.sender,
            )
            for row in found
        ]
        rows.sort(key=lambda row: row.position)
        if rows:
            span.after = rows[-1].position
        return rows
