# Made by scripts/unasync from ecall_facade/_async/_try.py; change that file.

"""Makes one try of a request, and reads the response."""

from __future__ import annotations

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade._attempt import MAX_BODY, Attempt, BodyTooLargeError, Failed, Received
from ecall_facade._call import CallerErrors
from ecall_facade._transports.client_parts import show_location
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
    try:
        with limit(request):
            response = client.send(request, stream=True)
            show_location(response)
            received = OperationResponse(response.status_code, response.headers, b"")
            if is_stream and response.is_success:
                return Received(received, response)
            try:
                content = _read_body(response)
            finally:
                response.close()
        received = OperationResponse(response.status_code, response.headers, content)
        return Received(received, response)
    except Exception as error:
        callers_own = caller_errors.first
        if callers_own is not None:
            raise callers_own from None
        if not trust.is_own(error):
            raise
        return Failed(error, trust.proves_unsent(error), received)


def _read_body(response: httpx.Response) -> bytes:
    size = 0
    chunks: list[bytes] = []
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise BodyTooLargeError
        chunks.append(chunk)
    return b"".join(chunks)
