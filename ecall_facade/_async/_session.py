"""Performs calls: sends their requests as the policy says, and reads the responses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade import _clock
from ecall_facade._attempt import (
    MAX_BODY,
    Attempt,
    BodyTooLargeError,
    Failed,
    Received,
)
from ecall_facade._call import Call, T
from ecall_facade._policy import Tries, read_result
from ecall_facade._requests import build_http_request
from ecall_facade._settings import Account, Options
from ecall_facade._transports.connections import AsyncConnections, show_location
from ecall_facade._transports.limits import limit_async


class AsyncSession:
    """Performs the calls of one client.

    Args:
        account: Where requests go, and as whom.
        options: Version, time limits and retries.
        connections: The HTTP clients, which copies of a client share.
    """

    def __init__(self, account: Account, options: Options, connections: AsyncConnections) -> None:
        self.account = account
        self.options = options
        self.connections = connections

    async def run(self, call: Call[T], deadline: float | None = None) -> T:
        """Return the result of a call.

        Args:
            call: What is asked for.
            deadline: On the clock of `_clock.monotonic`; the call is tried once and ends by then.

        Raises:
            ECallError: The call failed.
        """
        received = await self._perform(call, deadline, is_stream=False)
        return read_result(call, received.data)

    @asynccontextmanager
    async def open(
        self, call: Call[OperationResponse]
    ) -> AsyncGenerator[tuple[OperationResponse, httpx.Response], None]:
        """Open a response for reading its body.

        Raises:
            ECallError: The call failed.
        """
        received = await self._perform(call, None, is_stream=True)
        try:
            yield read_result(call, received.data), received.http
        finally:
            await received.http.aclose()

    async def _perform(self, call: Call[T], deadline: float | None, *, is_stream: bool) -> Received:
        request = build_http_request(self.account, self.options, call, deadline)
        tries = Tries(call, request, retry=self.options.retry and deadline is None)
        client = self.connections.client()
        while True:
            attempt = await self._try(client, request, call, is_stream=is_stream)
            pause = tries.pause_after(attempt)
            if isinstance(attempt, Received) and pause is None:
                return attempt
            await _clock.sleep_async(pause or 0.0)
            if self.connections.is_closed:  # meanwhile, so that nothing more may be sent
                raise tries.error(attempt)
            client = self.connections.client()

    async def _try(
        self, client: httpx.AsyncClient, request: httpx.Request, call: Call[T], *, is_stream: bool
    ) -> Attempt:
        received: OperationResponse | None = None
        deadline: float | None = request.extensions.get("deadline")
        try:
            with limit_async(request):
                response = await client.send(request, stream=True)
                show_location(response)
                received = OperationResponse(response.status_code, response.headers, b"")
                if is_stream and response.is_success:
                    return Received(received, response)
                try:
                    content = await _read_body(response, deadline)
                finally:
                    await response.aclose()
            received = OperationResponse(response.status_code, response.headers, content)
            return Received(received, response)
        except BaseException as error:
            trust = self.connections.trust
            callers_own = call.caller_errors.first
            if callers_own is None and isinstance(error, Exception) and trust.is_own(error):
                return Failed(error, trust.proves_unsent(error), received)
            trust.remove_frames(error)
            if callers_own is None or not isinstance(error, Exception):
                raise
            trust.remove_frames(callers_own)
            raise callers_own from None


async def _read_body(response: httpx.Response, deadline: float | None) -> bytes:
    size = 0
    chunks: list[bytes] = []
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise BodyTooLargeError
        # A transport of the caller's keeps no deadline, but may return between chunks.
        if deadline is not None and _clock.monotonic() > deadline:
            raise httpx.ReadTimeout("the response was not complete in time")
        chunks.append(chunk)
    return b"".join(chunks)
