"""What the caller of a send learns: how far it has come, what it brought, why it pauses or stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

from ecall_facade.bulk._schema import State

PauseCause: TypeAlias = Literal["busy", "unreachable"]
"""Why a job pauses: the service asked for it, or there was no connection."""
StopCause: TypeAlias = Literal["refused", "unreachable", "unknown outcomes", "usage"]
"""Why a job was stopped; `JobStop` says what each one means."""


@attrs.frozen
class JobPause:
    """That all senders of a job wait before they send more.

    Attributes:
        cause: "busy" if the service asked for it (429, or 503 with both headers), "unreachable" if
            there was no connection.
        seconds: How long it still lasts.
        reason: What the last message met that was not taken, in words.
    """

    cause: PauseCause
    seconds: float
    reason: str


@attrs.frozen
class JobStop:
    """Why a job was stopped with messages pending; the next `send` or `enqueue` lets it go on.

    Attributes:
        cause: "refused" if the service refuses the account, the sender or the kind of request;
            "unreachable" if there was no connection for longer than `give_up_after`;
            "unknown outcomes" if nobody knows of a hundred messages in a row whether they were sent;
            "usage" if the client cannot send the message, for lack of a sender for its channel, say.
        reason: The cause in words, without the text and the whole number.
        status_code: The HTTP status, if the service refused.
    """

    cause: StopCause
    reason: str
    status_code: int | None = None


@attrs.frozen
class SendProgress:
    """How far a job has come.

    Attributes:
        counts: Rows of the job by state, as all senders together have brought them.
        total: Rows of the job.
        accepted: Rows that this call has had accepted.
        rejected: Rows that this call has had rejected.
        unknown: Rows whose outcome this call did not learn.
        pause: Why the job pauses and for how long, or None if it does not.
    """

    counts: Mapping[State, int]
    total: int
    accepted: int
    rejected: int
    unknown: int
    pause: JobPause | None = None


@attrs.frozen
class SendReport:
    """What a call has brought.

    Attributes:
        counts: Rows of the job by state, as all senders together have brought them.
        accepted: Rows that this call has had accepted.
        rejected: Rows that this call has had rejected.
        unknown: Rows whose outcome this call did not learn.
        stopped: Why the job was stopped with rows pending, or None.
        pause: Why a chunk was left for later, or None; `job.send` waits instead.
    """

    counts: Mapping[State, int]
    accepted: int
    rejected: int
    unknown: int
    stopped: JobStop | None = None
    pause: JobPause | None = None

    @property
    def retry_in(self) -> float | None:
        """Seconds after which a chunk is to be sent again, as the job pauses; else None."""
        return None if self.pause is None else self.pause.seconds
