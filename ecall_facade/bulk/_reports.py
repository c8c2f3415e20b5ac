"""Reports of `send` to its caller: progress, result, and why a job pauses or was stopped."""

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
    """A pause of a job, in which none of its senders sends."""

    cause: PauseCause
    """The kind of reason: "busy" if the service asked for it (429, or 503 with both headers),
    "unreachable" if there was no connection.
    """
    seconds: float
    """How long it still lasts."""
    reason: str
    """Why the last message was not taken, in words."""


@attrs.frozen
class JobStop:
    """Why a job was stopped with messages pending; the next `send` or `enqueue` lets it go on."""

    cause: StopCause
    """The kind of reason: "refused" if the service refuses the account, the sender or the kind of request;
    "unreachable" if there was no connection for longer than `give_up_after`; "unknown outcomes" if
    nobody knows of a hundred messages in a row whether they were sent; "usage" if the client cannot
    send the message, for lack of a sender for its channel, say.
    """
    reason: str
    """The cause in words, without the text and the whole number."""
    status_code: int | None = None
    """The HTTP status, if the service refused."""


@attrs.frozen
class SendProgress:
    """How far a job has come."""

    counts: Mapping[State, int]
    """Rows of the job by state, as all senders together have brought them."""
    total: int
    """Rows of the job."""
    accepted: int
    """Rows that this call has had accepted."""
    rejected: int
    """Rows that this call has had rejected."""
    unknown: int
    """Rows whose outcome this call did not learn."""
    pause: JobPause | None = None
    """Why the job pauses and for how long, or None if it does not."""


@attrs.frozen
class SendReport:
    """The result of one call of `send`."""

    counts: Mapping[State, int]
    """Rows of the job by state, as all senders together have brought them."""
    accepted: int
    """Rows that this call has had accepted."""
    rejected: int
    """Rows that this call has had rejected."""
    unknown: int
    """Rows whose outcome this call did not learn."""
    stopped: JobStop | None = None
    """Why the job was stopped with rows pending, or None."""
    pause: JobPause | None = None
    """Why a chunk was left for later, or None; `job.send` waits instead."""

    @property
    def retry_in(self) -> float | None:
        """Seconds after which a chunk is to be sent again, as the job pauses; else None."""
        return None if self.pause is None else self.pause.seconds
