"""Connection pools in which a request costs the same whatever the number of connections.

httpcore's pool looks, for each request, at each of its connections, and for each of those at all
others: from thirty requests at a time on that is most of the work, and fifty at a time get half of
the rate of ten. Here each connection is a transport of its own, and the one that was used last is
taken first. This bridges the time until the generator moves to httpx2, whose pool has no such cost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Generic, TypeVar, cast

import httpx

from ecall_facade import _clock

T = TypeVar("T", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)

MAX_CONNECTIONS = 100
"""The number of requests that one client sends at a time; others wait."""
KEEPALIVE = 5.0
"""Seconds; a longer idle time makes it likelier that a send meets a connection that was just closed."""


class _Idle(Generic[T]):
    """The connections that serve no request at the moment, and when they became idle."""

    def __init__(self, connect: Callable[[], T], keepalive: float) -> None:
        self._connect = connect
        self._keepalive = keepalive
        first = connect()  # at once, so that a bad setting is found before anything is sent
        self._idle = deque([(_clock.monotonic(), first)])
        self._all: set[T] = {first}

    def acquire(self) -> T:
        try:
            return self._idle.pop()[1]
        except IndexError:  # asking first would let another thread take the last one
            connection = self._connect()
            self._all.add(connection)
            return connection

    def release(self, connection: T, *, is_reusable: bool) -> None:
        if is_reusable:
            self._idle.append((_clock.monotonic(), connection))
        else:
            # The next request closes it: httpcore may keep a connection that was cancelled.
            self._idle.appendleft((-self._keepalive, connection))

    def pop_expired(self) -> T | None:
        """Return the connection that has been idle for the longest, if that is too long."""
        try:
            since, connection = oldest = self._idle[0]
            if _clock.monotonic() - since < self._keepalive:
                return None
            self._idle.remove(oldest)
        except (IndexError, ValueError):  # another thread has taken it
            return None
        self._all.discard(connection)
        return connection

    def pop_all(self) -> set[T]:
        connections, self._all = self._all, set()
        self._idle.clear()
        return connections


class _Places:
    """Limits how many requests are under way; others wait, first come, first served.

    The time limit of a job queue, an exception of a signal handler or one that is raised into a
    thread, may come at any step. So each of them leaves what it holds: a lock by `with`, a place in
    the queue or in the pool by `finally` and, if it comes in there as well, by a finalizer.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.free = size
        self.lock = threading.RLock()  # a finalizer may run while its thread holds the lock
        self._queue: deque[threading.Condition] = deque()

    def wait_for_free(self, seconds: float) -> None:
        """Wait for a free place; the caller holds the lock."""
        if self.free and not self._queue:
            return
        end = _clock.monotonic() + seconds
        turn = threading.Condition(self.lock)
        self._queue.append(turn)
        try:
            while not self.free or self._queue[0] is not turn:
                left = end - _clock.monotonic()
                if left <= 0:
                    raise pool_timeout(self.size)
                turn.wait(left)
        finally:
            self._queue.remove(turn)
            self.wake_first()

    def wake_first(self) -> None:
        if self.free and self._queue:
            self._queue[0].notify()


class _Place:
    """The place of one request, and its connection."""

    _is_held = False  # here, as the finalizer runs even where the constructor was interrupted

    def __init__(self, places: _Places, connections: _Idle[httpx.BaseTransport]) -> None:
        self._places = places
        self._connections = connections
        self.connection: httpx.BaseTransport | None = None

    def acquire(self, seconds: float) -> None:
        places = self._places
        with places.lock:
            places.wait_for_free(seconds)
            # Between two assignments no exception can come.
            places.free -= 1
            self._is_held = True

    def release(self, *, is_reusable: bool) -> None:
        places = self._places
        with places.lock:
            if not self._is_held:
                return
            if self.connection is not None:
                self._connections.release(self.connection, is_reusable=is_reusable)
            places.free += 1
            self._is_held = False
            places.wake_first()

    def __del__(self) -> None:
        if self._is_held:
            self.release(is_reusable=False)


class ConnectionPool(httpx.BaseTransport):
    """A connection pool for sync clients.

    Args:
        connect: Returns a transport with one connection.
        size: The most connections.
        keepalive: Seconds after which an idle connection is closed.
    """

    def __init__(
        self,
        connect: Callable[[], httpx.BaseTransport],
        size: int = MAX_CONNECTIONS,
        keepalive: float = KEEPALIVE,
    ) -> None:
        self._places = _Places(size)
        self._connections = _Idle(connect, keepalive)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        place = _Place(self._places, self._connections)
        try:
            place.acquire(request.extensions["timeout"]["pool"])
            expired = self._connections.pop_expired()
            if expired is not None:
                expired.close()
            place.connection = connection = self._connections.acquire()
            response = connection.handle_request(request)
        except BaseException:
            place.release(is_reusable=False)
            raise
        response.stream = _Stream(response.stream, place.release)
        return response

    def close(self) -> None:
        for connection in self._connections.pop_all():
            connection.close()


class AsyncConnectionPool(httpx.AsyncBaseTransport):
    """A connection pool for async clients; see `ConnectionPool`."""

    def __init__(
        self,
        connect: Callable[[], httpx.AsyncBaseTransport],
        size: int = MAX_CONNECTIONS,
        keepalive: float = KEEPALIVE,
    ) -> None:
        import anyio  # late: a sync program does not need it

        self._size = size
        self._free = anyio.Semaphore(size)
        self._connections = _Idle(connect, keepalive)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._wait_for_free(request.extensions["timeout"]["pool"])
        connection = None
        try:
            expired = self._connections.pop_expired()
            if expired is not None:
                await expired.aclose()
            connection = self._connections.acquire()
            response = await connection.handle_async_request(request)
        except BaseException:
            self._release(connection, is_reusable=False)
            raise
        response.stream = _Stream(response.stream, partial(self._release, connection))
        return response

    async def _wait_for_free(self, seconds: float) -> None:
        import anyio

        if self._free.value:
            self._free.acquire_nowait()
            return
        try:
            with anyio.fail_after(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise pool_timeout(self._size) from None

    def _release(self, connection: httpx.AsyncBaseTransport | None, *, is_reusable: bool) -> None:
        if connection is not None:
            self._connections.release(connection, is_reusable=is_reusable)
        self._free.release()

    async def aclose(self) -> None:
        for connection in self._connections.pop_all():
            await connection.aclose()


def pool_timeout(size: int) -> httpx.PoolTimeout:
    return httpx.PoolTimeout(f"{size} requests are under way, and none of them ended in time")


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response, which releases its connection when it is closed."""

    def __init__(self, stream: object, release: Callable[..., None]) -> None:
        self._stream = cast("httpx.ByteStream", stream)
        self._release = release

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    def close(self) -> None:
        is_reusable = False
        try:
            self._stream.close()
            is_reusable = True
        finally:
            self._release(is_reusable=is_reusable)

    async def aclose(self) -> None:
        is_reusable = False
        try:
            await self._stream.aclose()
            is_reusable = True
        finally:
            self._release(is_reusable=is_reusable)
