"""Exit codes of the command, and the failures that end it with one of them."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ecall_facade.cli._terminal import make_printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON
    from ecall_facade.errors import ECallError


class Exit(IntEnum):
    """Exit codes; after `send`, 2, 3 and 4 mean that nobody was texted, all others that somebody may have been."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "done"
    FAILED = 1, "any other failure; a message that was accepted is named"
    USAGE = 2, "usage error: arguments or credentials, or the sandbox cannot start"
    REJECTED = 3, "rejected by the service: nobody was texted"
    NOT_SENT = 4, "not sent, as there was no connection: nobody was texted"
    UNKNOWN = 5, "outcome unknown: it may have been sent, so do not repeat it blindly"
    UNDELIVERED = 6, "the message failed or was not delivered"
    INTERRUPTED = 130, "interrupted"


class Failure(Exception):
    """Ends a command with an exit code and a message.

    Args:
        code: The exit code.
        kind: The name of the error, for programs.
        message: What went wrong, for people; control characters are replaced.
        request_id: The request id of the response, if there was one.
        may_have_been_sent: Whether a message may have been sent.
        details: Further fields of the JSON object.
    """

    def __init__(
        self,
        code: Exit,
        kind: str,
        message: str,
        *,
        request_id: str | None = None,
        may_have_been_sent: bool = False,
        details: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = make_printable(message)
        self.data: dict[str, JSON] = {
            "type": kind,
            "message": self.message,
            "request_id": request_id,
            "may_have_been_sent": may_have_been_sent,
            **(details or {}),
        }


def usage_error(message: str) -> Failure:
    """Return the failure for a command that cannot work as it was called."""
    return Failure(Exit.USAGE, "UsageError", message)


def to_failure(error: Exception, *, is_send: bool = False) -> Failure | None:
    """Return the failure for an error, or None for an unexpected one.

    Args:
        error: What the command raised.
        is_send: Whether the command sends a message, which decides what the exit code says about it.
    """
    # Imported here because `ecall --help` needs neither httpx nor the errors.
    from ecall_facade.errors import APIError, ECallError

    if isinstance(error, Failure):
        return error
    if isinstance(error, OSError) and not isinstance(error, ECallError):
        name = f": {Path(error.filename).name}" if isinstance(error.filename, str) else ""
        return Failure(Exit.FAILED, type(error).__name__, f"{error.strerror or error}{name}")
    if not isinstance(error, ECallError):
        return None
    details: dict[str, JSON] = {}
    if isinstance(error, APIError):
        details = {
            "status_code": error.status_code,
            "code": error.code,
            "retry_after": error.retry_after,
        }
    return Failure(
        _exit_code(error, is_send),
        type(error).__name__,
        ". ".join([str(error), *getattr(error, "__notes__", [])]),
        request_id=error.request_id,
        may_have_been_sent=error.may_have_been_sent,
        details=details,
    )


def _exit_code(error: ECallError, is_send: bool) -> Exit:
    from ecall_facade.errors import APIError, NotSent, UsageError

    if isinstance(error, UsageError):
        return Exit.USAGE
    if isinstance(error, NotSent):
        return Exit.NOT_SENT
    if is_send and error.may_have_been_sent:
        return Exit.UNKNOWN
    if isinstance(error, APIError) and 400 <= error.status_code < 500:
        return Exit.REJECTED
    return Exit.NOT_SENT if is_send else Exit.FAILED  # the upload before a send failed
