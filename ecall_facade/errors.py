"""Everything that can go wrong, as one tree.

    ECallError                      request_id, may_have_been_sent
    ├── UsageError (ValueError)     found before anything was sent
    │   ├── InvalidNumber           names every bad recipient of the call
    │   ├── InvalidSender
    │   ├── InvalidText
    │   ├── InvalidMedia
    │   ├── MissingCredentials
    │   └── InvalidConfiguration
    ├── NotSent                     a send or upload that the service never saw
    ├── OutcomeUnknown              a send or upload whose response never came
    ├── ServiceUnreachable          a read without a response
    ├── UnreadableResponse          a response that could not be understood
    ├── APIError                    the service answered with an error status
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

`str(error)` says what happened, what to do, and the request id that support asks for. It never
contains a message text or a whole number; what the service said word for word is in the attributes
`message` and `body`.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ecall_facade.results import ErrorDetail, MessageStatus

__all__ = [
    "APIError",
    "AuthenticationError",
    "BadRequest",
    "ECallError",
    "ErrorDetail",
    "InvalidConfiguration",
    "InvalidMedia",
    "InvalidNumber",
    "InvalidSender",
    "InvalidText",
    "MalformedEvent",
    "MissingCredentials",
    "NotFound",
    "NotSent",
    "NumberProblem",
    "OutcomeUnknown",
    "PermissionDenied",
    "RateLimited",
    "ServerError",
    "ServiceUnreachable",
    "TooLarge",
    "UnreadableResponse",
    "UntrustedSource",
    "UsageError",
    "WaitTimeout",
    "WebhookError",
]

_KEPT_OF_A_BODY = 2000  # bytes


@attrs.frozen
class NumberProblem:
    """Why a recipient was refused."""

    position: int
    """The position of the recipient in the call, from 0."""
    value: str = attrs.field(repr=False)
    """The recipient as it was given."""
    reason: str
    """The reason why it was refused."""


def _restore(error_class: type[ECallError], state: dict[str, object]) -> ECallError:
    """Return a pickled error; not by calling its class, whose arguments are keyword-only."""
    error = error_class.__new__(error_class)
    error.__dict__.update(state)
    error.args = (error.explanation,)
    return error


class ECallError(Exception):
    """The base of all errors of this package."""

    explanation: str
    """The error in words, and the remedy, without the request id."""
    request_id: str | None
    """The service's `x-f24-request-id` (documented), or None without a response."""
    may_have_been_sent: bool
    """False only if it is certain that the failed call texted nobody, so that repeating it cannot
    text anybody twice.
    """

    def __init__(
        self, explanation: str, *, request_id: str | None = None, may_have_been_sent: bool = False
    ) -> None:
        super().__init__(explanation)
        self.explanation = explanation
        self.request_id = request_id
        self.may_have_been_sent = may_have_been_sent

    def __str__(self) -> str:
        """Return the explanation, with the request id if there is one."""
        return self.explanation + (f" (request id {self.request_id})" if self.request_id else "")

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.__dict__)


class UsageError(ECallError, ValueError):
    """The call cannot work as it was written; found before anything was sent."""


class InvalidNumber(UsageError):
    """A recipient is missing, or is not a number that can be texted."""

    problems: tuple[NumberProblem, ...]
    """Every bad recipient of the call, with the reason."""

    def __init__(self, explanation: str, problems: Sequence[NumberProblem] = ()) -> None:
        super().__init__(explanation)
        self.problems = tuple(problems)


class InvalidSender(UsageError):
    """The sender is missing for the channel, or breaks the channel's rules."""


class InvalidText(UsageError):
    """The text is empty, too long for the channel, or not valid Unicode."""


class InvalidMedia(UsageError):
    """The file is missing, empty or not readable, or the channel does not carry its type."""


class MissingCredentials(UsageError):
    """No username or password, neither as arguments nor in the environment."""


class InvalidConfiguration(UsageError):
    """An option of the client has a value that cannot work."""


class NotSent(ECallError):
    """No connection was made, so the service never saw the send or upload; it can be repeated."""


class OutcomeUnknown(ECallError):
    """The request went out and no response came; the service may have acted on it.

    Do not repeat it blindly.
    """


class ServiceUnreachable(ECallError):
    """A read got no response; it can be repeated at will."""


class UnreadableResponse(ECallError):
    """The service answered, and the response could not be understood, or contained no id."""

    status_code: int
    """The HTTP status of the response."""
    body: bytes
    """The first 2000 bytes of the response."""

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
        self.body = body[:_KEPT_OF_A_BODY]


class APIError(ECallError):
    """The service answered with an error status."""

    status_code: int
    """The HTTP status of the response."""
    code: str | None
    """The service's code, such as `InvalidContent` (documented); None if it gave none."""
    message: str | None
    """The service's words (documented); None if it gave none."""
    details: tuple[ErrorDetail, ...]
    """The service's messages about each parameter (observed)."""
    body: bytes
    """The first 2000 bytes of the response, whatever their shape."""
    retry_after: float | None
    """The pause that the service asks for, in seconds; None if it asks for none."""

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
        self.body = body[:_KEPT_OF_A_BODY]
        self.retry_after = retry_after


class BadRequest(APIError):
    """400: something in the request is wrong; `details` names the parameters."""


class AuthenticationError(APIError):
    """401: the credentials are wrong, or the REST interface is not switched on for the account."""


class PermissionDenied(APIError):
    """403: not allowed, or not enough credit (inferred from the sibling interface)."""


class NotFound(APIError):
    """404: no such thing, or no longer; delivery status is kept for seven days (documented)."""


class TooLarge(APIError):
    """413: the request is larger than the service takes."""


class RateLimited(APIError):
    """429: too many requests; `retry_after` is the pause that the service asks for, if any."""


class ServerError(APIError):
    """5xx: the service failed, or a proxy in front of it."""


class WaitTimeout(ECallError, TimeoutError):
    """`wait` reached its deadline."""

    status: MessageStatus | None
    """The last status that was seen, or None if none could be read."""

    def __init__(self, explanation: str, status: MessageStatus | None) -> None:
        request_id = status.request_id if status else None
        super().__init__(explanation, request_id=request_id, may_have_been_sent=True)
        self.status = status


class WebhookError(ECallError):
    """A callback was not accepted; `status_code` is the HTTP status to answer it with."""

    status_code: int = 400

    def __init__(self, explanation: str, *, status_code: int | None = None) -> None:
        super().__init__(explanation)
        self.status_code = status_code or self.status_code


class UntrustedSource(WebhookError):
    """The callback did not come from where the service calls from, or lacks the secret. 403, or 401 for a password.

    `str(error)` may be sent to the caller; the attributes are for whoever runs the receiver.
    """

    status_code = 403
    peer: str | None
    """The address that the server gave, or its printable form if it is not an IP address."""
    address: str | None
    """The caller's address, worked out with the help of the trusted proxies; None if that was not
    possible.
    """
    chain_ended_at: str | None
    """The last address that was reached while following the proxies back."""
    unnamed_proxy: str | None
    """An address that appears to be a proxy and is not in `trusted_proxies`, or None."""
    hint: str
    """What to look at."""

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
