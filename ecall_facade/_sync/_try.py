# Made by scripts/unasync from ecall_facade/_async/_try.py; change that file.

"""Makes one try of a request, and reads the response."""

from __future__ import annotations

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade import _clock
from ecall_facade._attempt import MAX_BODY, Attempt, BodyTooLargeError, Failed, Received
from ecall_facade._call import CallerErrors
from ecall_facade._transports.limits import limit
from ecall_facade._transports.trust import Trust


def try_once(
    client: httpx.Client,
    request: httpx.Request,
    caller_errors: CallerErrors,
    trust: Trust,
    *,
    is_stream: bool,
) -> Attempt:
    """Return what came of one try.

    Args:
        client: Sends the request.
        request: What is sent.
        caller_errors: What the caller's own code raised while the body was read.
        trust: Knows which errors are the transport's.
        is_stream: Whether the body of a successful response is left to be read.
    """
    received: OperationResponse | None = None
    deadline: float | None = request.extensions.get("deadline")
    try:
        with limit(request):
            response = client.send(request, stream=True)
            received = OperationResponse(response.status_code, response.headers, b"")
            if is_stream and response.is_success:
                return Received(received, response)
            try:
                content = _read_body(response, deadline)
            finally:
                response.close()
        received = OperationResponse(response.status_code, response.headers, content)
        return Received(received, response)
    except BaseException as error:
        callers_own = caller_errors.first
        if callers_own is None and isinstance(error, Exception) and trust.is_own(error):
            return Failed(error, trust.proves_unsent(error), received)
        trust.remove_frames(error)
        if callers_own is None or not isinstance(error, Exception):
            raise
        trust.remove_frames(callers_own)
        raise callers_own from None


def _read_body(response: httpx.Response, deadline: float | None) -> bytes:
    size = 0
    chunks: list[bytes] = []
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise BodyTooLargeError
        # A transport of the caller's keeps no deadline, but may return between chunks.
        if deadline is not None and _clock.monotonic() > deadline:
            raise httpx.ReadTimeout("the response was not complete in time")
        chunks.append(chunk)
    return b"".join(chunks)
