"""Performs calls: sends their requests as the policy says, and reads the responses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from ecall_client.operations import OperationResponse
from ecall_facade import _clock
from ecall_facade._async._try import try_once
from ecall_facade._attempt import Received
from ecall_facade._call import Call, T
from ecall_facade._policy import Tries, read_result
from ecall_facade._requests import build_http_request
from ecall_facade._settings import Account, ClientOptions
from ecall_facade._transports.connections import AsyncConnections


class AsyncSession:
    """Performs the calls of one client.

    Args:
        account: Where requests go, and as whom.
        options: Version, time limits and retries.
        connections: The HTTP clients, which copies of a client share.
    """

    def __init__(
        self, account: Account, options: ClientOptions, connections: AsyncConnections
    ) -> None:
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
            attempt = await try_once(
                client, request, call.caller_errors, self.connections.trust, is_stream=is_stream
            )
            pause = tries.pause_after(attempt)
            if isinstance(attempt, Received) and pause is None:
                return attempt
            await _clock.sleep_async(pause or 0.0)
            if self.connections.is_closed:  # meanwhile, so that nothing more may be sent
                raise tries.error(attempt)
            client = self.connections.client()
