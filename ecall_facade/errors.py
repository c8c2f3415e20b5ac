"""Everything that can go wrong, as one tree.

    ECallError                      request_id, may_have_been_sent
    ├── UsageError (ValueError)     found before anything was sent
    │   ├── InvalidNumber           a recipient cannot be one; all of the call's are named
    │   ├── InvalidSender
    │   ├── InvalidText
    │   ├── InvalidMedia
    │   ├── MissingCredentials
    │   └── InvalidConfiguration
    ├── NotSent                     a send or upload that the service never saw
    ├── OutcomeUnknown              a send or upload whose answer never came
    ├── ServiceUnreachable          a read that got no answer
    ├── UnreadableResponse          an answer that could not be understood
    ├── APIError                    the service said no
    │   ├── BadRequest              400
    │   ├── AuthenticationError     401
    │   ├── PermissionDenied        403
    │   ├── NotFound                404
    │   ├── TooLarge                413
    │   ├── RateLimited             429
    │   └── ServerError             5xx
    ├── WaitTimeout (TimeoutError)  the message has not come as far as was asked
    └── WebhookError                a callback that was not accepted
        ├── UntrustedSource
        └── MalformedEvent

`str(error)` says what happened, what to do, and the request id that support asks for. It never holds a message text or
a whole number; what the service said word for word is in attributes (`message` and `body`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecall_facade.results import MessageStatus


@attrs.frozen
class ErrorDetail:
    """What the service said about one parameter of a request (observed): its name, and the messages."""

    parameter: str | None
    messages: tuple[str, ...] = attrs.field(repr=False)


@attrs.frozen
class NumberProblem:
    """Why a recipient was refused: its position in the call (from 0), what was given, and the reason."""

    position: int
    value: str = attrs.field(repr=False)
    reason: str


def _restore(cls: type[ECallError], state: dict[str, object]) -> ECallError:
    error = cls.__new__(cls)
    error.__dict__.update(state)
    error.args = (error.explanation,)
    return error


class ECallError(Exception):
    """The base of all errors of this package.

    `request_id` is the service's `x-f24-request-id` (documented), or None where there was no answer.
    `may_have_been_sent` is False only where it is certain that nobody was texted by the call that failed, so that
    repeating it cannot text anybody twice.
    """

    def __init__(
        self, explanation: str, *, request_id: str | None = None, may_have_been_sent: bool = False
    ) -> None:
        super().__init__(explanation)
        self.explanation = explanation
        self.request_id = request_id
        self.may_have_been_sent = may_have_been_sent

    def __str__(self) -> str:
        """Give the explanation, with the request id where there is one."""
        return self.explanation + (f" (request id {self.request_id})" if self.request_id else "")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.__dict__)


class UsageError(ECallError, ValueError):
    """The call cannot work as it was written; found before anything was sent."""


class InvalidNumber(UsageError):
    """A recipient is missing or cannot be one; `problems` names every bad one of the call."""

    def __init__(self, explanation: str, problems: Sequence[NumberProblem] = ()) -> None:
        super().__init__(explanation)
        self.problems = tuple(problems)


class InvalidSender(UsageError):
    """The sender is missing for the channel, or breaks the channel's rules."""


class InvalidText(UsageError):
    """The text is empty, too long for the channel, or not valid Unicode."""


class InvalidMedia(UsageError):
    """The file is missing, empty or not readable, or its kind does not fit the channel."""


class MissingCredentials(UsageError):
    """No username or password, neither as arguments nor in the environment."""


class InvalidConfiguration(UsageError):
    """An option of the client has a value that cannot work."""


class NotSent(ECallError):
    """No connection was made, so the service never saw the send or upload; it can be repeated."""


class OutcomeUnknown(ECallError):
    """The request went out and no answer came; the service may have acted on it. Do not repeat it blindly."""


class ServiceUnreachable(ECallError):
    """A read got no answer; it can be repeated at will."""


class UnreadableResponse(ECallError):
    """The service answered, and what it said could not be understood, or held no id.

    `status_code` is the answer's, `body` its first 2000 bytes.
    """

    def __init__(
        self,
        explanation: str,
        *,
        status_code: int,
        body: bytes,
        request_id: str | None = None,
        may_have_been_sent: bool = True,
    ) -> None:
        super().__init__(explanation, request_id=request_id, may_have_been_sent=may_have_been_sent)
        self.status_code = status_code
        self.body = body[:2000]


class APIError(ECallError):
    """The service answered with an error status.

    `code`, `message` and `details` are what it said (its error shape is documented, the inside of `details`
    observed); they are None or empty where it said nothing that could be read. `body` has the answer's first 2000
    bytes, whatever their shape.
    """

    def __init__(
        self,
        explanation: str,
        *,
        status_code: int,
        code: str | None = None,
        message: str | None = None,
        details: tuple[ErrorDetail, ...] = (),
        body: bytes = b"",
        retry_after: float | None = None,
        request_id: str | None = None,
        may_have_been_sent: bool = True,
    ) -> None:
        super().__init__(explanation, request_id=request_id, may_have_been_sent=may_have_been_sent)
        self.status_code = status_code
        self.code = code
        self.message = message
        self.details = details
        self.body = body[:2000]
        self.retry_after = retry_after


class BadRequest(APIError):
    """400: something in the request is wrong; `details` names the parameters."""


class AuthenticationError(APIError):
    """401: the credentials are wrong, or the REST interface is not switched on for the account."""


class PermissionDenied(APIError):
    """403: not allowed, or not enough credit (inferred from the sibling interface)."""


class NotFound(APIError):
    """404: no such thing (any more): delivery status is kept for seven days (documented)."""


class TooLarge(APIError):
    """413: the request is larger than the service takes."""


class RateLimited(APIError):
    """429: too many requests; `retry_after` is the pause in seconds that the service asked for, or None."""


class ServerError(APIError):
    """5xx: the service or a proxy in front of it failed; `retry_after` in seconds, or None."""


STATUS_ERRORS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    413: TooLarge,
    429: RateLimited,
    **dict.fromkeys(range(500, 600), ServerError),
}
"""The class for each status that has one; `APIError` itself is for the others."""


class WaitTimeout(ECallError, TimeoutError):
    """`wait` reached its deadline; `status` is the last that was seen, or None where none could be read."""

    def __init__(self, explanation: str, status: MessageStatus | None) -> None:
        request_id = status.request_id if status else None
        super().__init__(explanation, request_id=request_id, may_have_been_sent=True)
        self.status = status


class WebhookError(ECallError):
    """A callback was not accepted; `status_code` is the HTTP status to answer it with."""

    status_code = 400

    def __init__(self, explanation: str, *, status_code: int | None = None) -> None:
        super().__init__(explanation)
        self.status_code = status_code or self.status_code


class UntrustedSource(WebhookError):
    """The callback did not come from where the service calls from, or lacks the secret. 403, or 401 for a password.

    `str(error)` may be sent to the caller; the attributes are for whoever runs the receiver.

    Attributes:
        peer: The address that the server gave, or its printable form if it is not an IP address.
        address: The caller's address, worked out with the help of the trusted proxies; None if that was not possible.
        chain_ended_at: The last address that was reached while following the proxies back.
        unnamed_proxy: An address that appears to be a proxy and is not in `trusted_proxies`, or None.
        hint: What to look at.
    """

    status_code = 403

    def __init__(
        self,
        explanation: str,
        *,
        status_code: int | None = None,
        peer: str | None = None,
        address: str | None = None,
        chain_ended_at: str | None = None,
        unnamed_proxy: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(explanation, status_code=status_code)
        self.peer = peer
        self.address = address
        self.chain_ended_at = chain_ended_at
        self.unnamed_proxy = unnamed_proxy
        self.hint = hint


class MalformedEvent(WebhookError):
    """The callback could not be read at all. 400; 413 where it is too large; 415 for another kind of body."""
