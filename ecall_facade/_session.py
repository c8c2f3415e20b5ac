"""The sessions that do what the policy says; it is they who wait, for an answer or between two tries."""

from __future__ import annotations

import time
from typing import Any, cast

import httpx

from ecall_facade._policy import Attempt, Form, Policy, Reply
from ecall_facade._transports.connections import Connections
from ecall_facade._transports.lanes import AsyncLanes, Lanes

# Only of these it is known that a connection error means that nothing was sent; another transport's word for it is
# not believed, as some report a request that was taken and dropped as a connection error.
_BELIEVED = (Lanes, AsyncLanes, httpx.HTTPTransport, httpx.AsyncHTTPTransport, httpx.MockTransport)

sleep = time.sleep


async def sleep_async(seconds: float) -> None:
    import anyio

    await anyio.sleep(seconds)


class Session:
    """Performs requests as the policy says, on a pool that it may share.

    It stands where the generated code expects an httpx client, and does what that asks of one: `request`. A whole
    client would decide a second time about URL, headers, cookies, redirects and credentials, and cost as much again.
    """

    def __init__(self, policy: Policy, connections: Connections[httpx.BaseTransport]) -> None:
        self._policy = policy
        self._connections = connections

    def request(self, method: str, url: str, form: Form = "json", **parts: Any) -> Reply:
        """Perform a request; `parts` are headers, json and content."""
        plan = self._policy.plan(method.upper(), url, form, **parts)
        pool = self._connections.get()
        steps = self._policy.exchange(plan)
        attempt: Attempt | None = None
        try:
            while True:
                if (pause := steps.send(attempt)) is not None:
                    sleep(pause)
                attempt = _attempt(pool, plan.request, form)
        except StopIteration as done:
            return cast("Reply", done.value)


def _attempt(pool: httpx.BaseTransport, request: httpx.Request, form: Form) -> Attempt:
    believed = type(pool) in _BELIEVED
    reply = None
    try:
        response = pool.handle_request(request)
        reply = Reply(response.status_code, response.headers, response=response)
        if form == "stream" and reply.is_success:
            return Attempt(reply)
        try:
            if response.is_stream_consumed or "content-encoding" in response.headers:
                content = response.read()
            else:
                content = b"".join(cast("httpx.SyncByteStream", response.stream))
        finally:
            response.close()
    except Exception as error:  # noqa: BLE001  # whatever a transport raises, the caller gets an error of ours
        return Attempt(reply, error, believed)
    return Attempt(reply._replace(content=content, response=None))


class AsyncSession:
    """`Session` for async clients."""

    def __init__(self, policy: Policy, connections: Connections[httpx.AsyncBaseTransport]) -> None:
        self._policy = policy
        self._connections = connections

    async def request(self, method: str, url: str, form: Form = "json", **parts: Any) -> Reply:
        """Perform a request; `parts` are headers, json and content."""
        plan = self._policy.plan(method.upper(), url, form, **parts)
        pool = self._connections.get()
        steps = self._policy.exchange(plan)
        attempt: Attempt | None = None
        try:
            while True:
                if (pause := steps.send(attempt)) is not None:
                    await sleep_async(pause)
                attempt = await _attempt_async(pool, plan.request, form)
        except StopIteration as done:
            return cast("Reply", done.value)


async def _attempt_async(
    pool: httpx.AsyncBaseTransport, request: httpx.Request, form: Form
) -> Attempt:
    believed = type(pool) in _BELIEVED
    reply = None
    try:
        response = await pool.handle_async_request(request)
        reply = Reply(response.status_code, response.headers, response=response)
        if form == "stream" and reply.is_success:
            return Attempt(reply)
        try:
            if response.is_stream_consumed or "content-encoding" in response.headers:
                content = await response.aread()
            else:
                content = b"".join(
                    [part async for part in cast("httpx.AsyncByteStream", response.stream)]
                )
        finally:
            await response.aclose()
    except Exception as error:  # noqa: BLE001  # as in `_attempt`
        return Attempt(reply, error, believed)
    return Attempt(reply._replace(content=content, response=None))
