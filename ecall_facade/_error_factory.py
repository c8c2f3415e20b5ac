"""Make errors from responses, and from exceptions of the transport."""

from __future__ import annotations

import json
from typing import TypeVar

import httpx

from ecall_client.operations import OperationResponse
from ecall_client.tables import OPERATIONS
from ecall_facade import errors
from ecall_facade._attempt import Attempt, Received
from ecall_facade._call import Call, Effect, request_id_of
from ecall_facade._json import JSON, normalize_names
from ecall_facade._parsing import read_error_shape
from ecall_facade._quoting import without_private
from ecall_facade._retries import may_have_been_sent, retry_after

E = TypeVar("E", bound=errors.ECallError)

STATUS_ERRORS: dict[int, type[errors.APIError]] = {
    400: errors.BadRequest,
    401: errors.AuthenticationError,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    413: errors.TooLarge,
    429: errors.RateLimited,
    **dict.fromkeys(range(500, 600), errors.ServerError),
}
_CACHED = "Settings are cached by the service for a while, so a change takes time to show."
_HINTS = {
    **dict.fromkeys(
        range(300, 400),
        "The service redirects the request, and redirects are never followed; check base_url.",
    ),
    401: "Check in eCall's portal that the REST interface is switched on, and that these are the"
    f" credentials of the account or of an API sub-user. {_CACHED}",
    403: "Check in eCall's portal the credit, the approval of the sender and the rights of the API"
    f" sub-user. {_CACHED}",
}
_STATUS_IS_KEPT = "The service keeps the status of a message for seven days."
_V1_PATH = (
    "That v1 is at /api/v1/ is inferred; version_in='header' states the version as documented."
)


def error_from_attempt(
    call: Call[object], request: httpx.Request, attempt: Attempt
) -> errors.ECallError:
    """Return the error for a try that did not succeed.

    Args:
        call: What was asked for.
        request: The HTTP request that was tried.
        attempt: The outcome of the try.
    """
    response, effect = attempt.data, call.effect
    if isinstance(attempt, Received):
        return _error_from_status(call, request, attempt.data)
    if response is not None and not 200 <= response.status_code <= 299:
        return _error_from_status(call, request, response)
    error: errors.ECallError
    reason = describe(attempt.error)
    if effect.is_read:
        error = errors.ServiceUnreachable(
            f"No response from the service: {reason}",
            request_id=request_id_of(response) if response else None,
            may_have_been_sent=effect is Effect.READ_STATUS,
        )
    elif response is not None:
        error = unreadable(f"the response broke off ({reason})", response, effect)
    elif attempt.is_unsent:
        error = errors.NotSent(f"No connection to the service, nothing was sent: {reason}")
    elif effect is Effect.UPLOAD:
        error = errors.OutcomeUnknown(
            f"No response, and the service may have stored the file: {reason}"
        )
    else:
        error = errors.OutcomeUnknown(
            "No response, and the message may have been sent; do not repeat it before you know:"
            f" {reason}",
            may_have_been_sent=True,
        )
    return caused_by(attempt.error, error)


def caused_by(cause: Exception, error: E) -> E:
    """Return the error with its cause, but without the cause's frames, which have request headers."""
    cause.__cause__ = cause.__context__ = None
    error.__cause__ = cause.with_traceback(None)
    return error


def interrupted_download(cause: Exception, response: OperationResponse) -> errors.ECallError:
    """Return the error for a download that broke off."""
    explanation = f"The download broke off: {describe(cause)}"
    return errors.ServiceUnreachable(explanation, request_id=request_id_of(response))


def unreadable(
    problem: str, response: OperationResponse, effect: Effect
) -> errors.UnreadableResponse:
    """Return the error for a response that cannot be understood.

    Args:
        problem: What is wrong with it.
        response: The response.
        effect: What the call does.
    """
    accepted = "; the message was most likely accepted, do not repeat it" if effect.is_send else ""
    return errors.UnreadableResponse(
        f"The service answered {response.status_code}, but {problem}{accepted}",
        status_code=response.status_code,
        body=response.content,
        request_id=request_id_of(response),
        may_have_been_sent=effect.is_send or effect is Effect.READ_STATUS,
    )


def _error_from_status(
    call: Call[object], request: httpx.Request, response: OperationResponse
) -> errors.APIError:
    status = response.status_code
    try:
        shape: JSON = json.loads(response.content)
        code, message, details = read_error_shape(normalize_names(shape))
    except (ValueError, RecursionError):
        code, message, details = None, None, ()
    parts = [f"{detail.parameter}: {' '.join(detail.messages)}" for detail in details]
    said = " · ".join(text for text in (code, message, *parts) if text)
    explanation = f"The service answered {status}"
    if said:
        explanation += f": {without_private(said[:2000], call.private)[:500]}"
    pause = retry_after(response.headers)
    hints = _hints(call, request, status, pause)
    if hints:
        explanation = " ".join([explanation.rstrip(".") + ".", *hints])
    error_class = STATUS_ERRORS.get(status, errors.APIError)
    return error_class(
        explanation,
        status_code=status,
        code=code,
        message=message,
        details=details,
        body=response.content,
        retry_after=pause,
        request_id=request_id_of(response),
        may_have_been_sent=may_have_been_sent(call.effect, status, response.headers),
    )


def _hints(
    call: Call[object], request: httpx.Request, status: int, pause: float | None
) -> list[str]:
    hints = [_HINTS[status]] if status in _HINTS else []
    if status == 404:
        if call.effect is Effect.READ_STATUS:
            hints.append(_STATUS_IS_KEPT)
        operation = OPERATIONS.get(call.request.operation)
        if operation is not None and operation.level == "inferred":
            hints.append(
                f"The path {operation.path} is inferred, not documented;"
                " request(…) can call another one."
            )
        if "/api/v1/" in request.url.path:
            hints.append(_V1_PATH)
    if pause is not None:
        hints.append(f"The service asks for a pause of {pause:.0f} s.")
    return hints


def describe(error: Exception) -> str:
    """Return the description of a transport's exception, in short.

    The words of an unknown exception might quote a header or the body, so only its class is named.
    """
    words = str(error)[:200] if isinstance(error, (httpx.TransportError, OSError)) else ""
    return f"{type(error).__name__}: {words}".rstrip(": ")
