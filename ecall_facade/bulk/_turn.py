"""The protocol: how a sender takes rows, and how it records what became of them.

Every function here runs inside one transaction of the sender's own connection.

A row is `sending` in a committed transaction before its POST. It becomes `pending` again only by the
sender that took it, with proof that the service did not, or by a person. So between two POSTs of one
row stands such a proof, or a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from ecall_facade.bulk._claims import Claimed, Claimer, Room, Span
from ecall_facade.bulk._outcome import SENDER_GONE
from ecall_facade.bulk._pauses import Backoff, PauseRequest, Pauses, stop_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ecall_facade.bulk._database import Database
    from ecall_facade.bulk._reports import JobPause, JobStop
    from ecall_facade.bulk._schema import State


class SenderLost(Exception):
    """Others have declared this sender dead, as its lock was free; it must not take rows."""


@attrs.frozen
class Result:
    """The outcome of a row that a run had taken."""

    run_id: int
    position: int
    state: State
    message_id: str | None = None
    reason: str | None = None
    pause: PauseRequest | None = None
    stop: JobStop | None = None
    was_posted: bool = True


@attrs.frozen
class Turn:
    """The result of a turn.

    Attributes:
        claimed: Rows to be posted, once the transaction is committed.
        wait: Seconds until another claim makes sense, of a pause or a rate.
        pause: The pause that the job is in.
        stop: Why the job is stopped.
        is_exhausted: Whether nothing is left to be taken.
    """

    claimed: list[Claimed] = attrs.field(factory=list)
    wait: float = 0.0
    pause: JobPause | None = None
    stop: JobStop | None = None
    is_exhausted: bool = False


@attrs.frozen
class ClaimProtocol:
    """The protocol for one job on one database."""

    database: Database
    job_id: int
    backoff: Backoff = attrs.field(factory=Backoff)

    @property
    def pauses(self) -> Pauses:
        """The pauses and the stop of the job."""
        return Pauses(self.database, self.job_id, self.backoff)

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
                "SELECT r.is_gone, j.*, {now} AS now FROM ecall_run r, ecall_job j"
                " WHERE r.id = :run AND j.id = :job {for_update OF r}"
            ),
            {"run": run_id, "job": self.job_id},
        ).one()
        self.record(connection, results)
        stop = stop_of(job)
        if new_stop := next((result.stop for result in results if result.stop), None):
            stop = stop or new_stop
            self.pauses.stop(connection, new_stop)
        requests = [result.pause for result in results if result.pause]
        if requests:
            pause = self.pauses.begin(connection, requests)
            return Turn(
                wait=pause.seconds, pause=pause, stop=stop or self.pauses.stopped(connection)
            )
        if job.is_gone:
            raise SenderLost
        if current := self.pauses.left(connection, job):
            return Turn(wait=current.seconds, pause=current, stop=stop)
        limit = room.limit
        if job.pauses:
            # What is answered during a pause was posted before it; what is answered now shows that
            # the pause is over. Until then one row finds out.
            if any(result.was_posted for result in results):
                self.pauses.end(connection)
            else:
                limit = 0 if room.under_way else min(room.limit, 1)
        if stop or limit <= 0:
            return Turn(stop=stop)
        claimer = Claimer(self.database, self.job_id, run_id)
        if rate is None:
            claims = claimer.claim(connection, limit, span)
        else:
            claims = claimer.claim_slots(connection, limit, span, rate, job.now)
        return Turn(claims.rows, claims.wait, is_exhausted=claims.is_exhausted)

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
