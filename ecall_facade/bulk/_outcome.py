"""The meaning of a send's success or error for its row, and for the whole job."""

from __future__ import annotations

from enum import Enum, auto

import attrs

from ecall_client.tables import MessageRequestSpec
from ecall_facade.errors import (
    APIError,
    BadRequest,
    ECallError,
    InvalidNumber,
    InvalidText,
    NotSent,
    OutcomeUnknown,
    UsageError,
)

SENDER_GONE = "sender gone"
"""Begins the reason of a row whose sender ended before it recorded what became of the row."""
NO_ANSWER = "no answer"
"""Begins the reason of a row whose request went out and was not answered."""
_LONGEST_REASON = 500
_STOPPING_STATUSES = {401, 403, 404, 405, 415}
_REJECTING_STATUSES = {400, 413, 422}


class Verdict(Enum):
    """The state of a row after a try."""

    ACCEPTED = auto()
    """The service took it."""
    PAUSE = auto()
    """Not taken: the row is pending again, and all senders of the job pause."""
    STOP = auto()
    """Not taken, and no other would be: the row is pending again, and the job stops."""
    REJECTED = auto()
    """Not taken, for a reason that lies in the row."""
    UNKNOWN = auto()
    """It may have been taken."""


@attrs.frozen
class Outcome:
    """The meaning of a try.

    Attributes:
        verdict: What becomes of the row.
        reason: Why, without the text and the whole number.
        retry_after: Seconds that the service asked to pause, or None.
        is_unreachable: Whether the service could not be reached at all.
        status_code: The HTTP status of a stop, or None if nothing was sent.
    """

    verdict: Verdict
    reason: str | None = None
    retry_after: float | None = None
    is_unreachable: bool = False
    status_code: int | None = None


def outcome_of(error: ECallError | None) -> Outcome:
    """Return what the error of a single send means for its row; None stands for a success."""
    if error is None:
        return Outcome(Verdict.ACCEPTED)
    reason = str(error)[:_LONGEST_REASON]
    if isinstance(error, NotSent):
        return Outcome(Verdict.PAUSE, reason, is_unreachable=True)
    if isinstance(error, UsageError):
        is_about_row = isinstance(error, (InvalidNumber, InvalidText))
        return Outcome(Verdict.REJECTED if is_about_row else Verdict.STOP, reason)
    if isinstance(error, OutcomeUnknown):
        return Outcome(Verdict.UNKNOWN, f"{NO_ANSWER}: {reason}")
    if isinstance(error, APIError) and _is_refused_unseen(error):
        return Outcome(Verdict.PAUSE, reason, error.retry_after)
    if error.may_have_been_sent or not isinstance(error, APIError):
        return Outcome(Verdict.UNKNOWN, reason)
    if error.status_code == 429:
        return Outcome(Verdict.PAUSE, reason, error.retry_after)
    if error.status_code in _STOPPING_STATUSES or is_about_sender(error):
        return Outcome(Verdict.STOP, reason, status_code=error.status_code)
    if error.status_code in _REJECTING_STATUSES:
        return Outcome(Verdict.REJECTED, reason)
    return Outcome(Verdict.UNKNOWN, reason)


def is_about_sender(error: APIError) -> bool:
    """Return whether a 400 refuses the sender, and so every message from it (observed)."""
    # ASP.NET may name a parameter by its path: "$.from", "request.From".
    names = {(detail.parameter or "").rpartition(".")[2].lower() for detail in error.details}
    return isinstance(error, BadRequest) and MessageRequestSpec.from_.lower() in names


def _is_refused_unseen(error: APIError) -> bool:
    # A proxy in front answers 503 as well, after having passed the message on; only the service
    # sends both headers.
    return (
        error.status_code == 503 and error.retry_after is not None and error.request_id is not None
    )
