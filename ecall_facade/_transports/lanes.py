"""Pools of many lanes with one connection each: what a request costs does not grow with their number.

One pool of httpcore looks, for each request, at each of its connections, and for each of those at all others. From
thirty requests at a time on that is most of the work, and fifty at a time get half of what ten get.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Generic, TypeVar, cast

import httpx

T = TypeVar("T", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)

MAX_REQUESTS = 100
"""At a time, of one client; what is asked beyond waits."""
KEEPALIVE = 5.0
"""Seconds; a short life of idle connections keeps the chance low that a send meets one that was just closed."""


class _Pool(Generic[T]):
    """The lanes: the one used last is taken first, so that those that are not needed grow old, and are closed."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        first = make()  # at once, so that what is wrong with it comes up before anything is sent
        self._free = deque([(time.monotonic(), first)])
        self._all: set[T] = {first}

    def _take(self) -> T:
        try:
            return self._free.pop()[1]
        except IndexError:  # to ask first would let another thread come between
            self._all.add(lane := self._make())
            return lane

    def _give_back(self, lane: T) -> None:
        self._free.append((time.monotonic(), lane))

    def _take_old(self) -> T | None:
        """Take out the lane that has been free for the longest, if that is too long."""
        try:
            free = self._free[0]
            if time.monotonic() - free[0] < KEEPALIVE:
                return None
            self._free.remove(free)
        except (IndexError, ValueError):  # another thread has taken it
            return None
        self._all.discard(free[1])
        return free[1]

    def _take_all(self) -> set[T]:
        lanes = self._all.copy()
        self._all.clear()
        self._free.clear()
        return lanes


class Lanes(_Pool[httpx.BaseTransport], httpx.BaseTransport):
    """`make` gives a transport with one connection."""

    def __init__(self, make: Callable[[], httpx.BaseTransport]) -> None:
        super().__init__(make)
        self._room = threading.Semaphore(MAX_REQUESTS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._room.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise no_room()
        lane = None
        try:
            if (old := self._take_old()) is not None:
                old.close()
            lane = self._take()
            response = lane.handle_request(request)
        except BaseException:
            self._leave(lane)
            raise
        response.stream = _Stream(response.stream, partial(self._leave, lane))
        return response

    def _leave(self, lane: httpx.BaseTransport | None) -> None:
        if lane is not None:
            self._give_back(lane)
        self._room.release()

    def close(self) -> None:
        for lane in self._take_all():
            lane.close()


class AsyncLanes(_Pool[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport):
    """`Lanes` for async clients."""

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        super().__init__(make)
        self._room = Room()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._room.enter(request)
        lane = None
        try:
            if (old := self._take_old()) is not None:
                await old.aclose()
            lane = self._take()
            response = await lane.handle_async_request(request)
        except BaseException:
            self._leave(lane)
            raise
        response.stream = AsyncStream(response.stream, partial(self._leave, lane))
        return response

    def _leave(self, lane: httpx.AsyncBaseTransport | None) -> None:
        if lane is not None:
            self._give_back(lane)
        self._room.leave()

    async def aclose(self) -> None:
        for lane in self._take_all():
            await lane.aclose()


class Room:
    """A place for each request of an event loop that may be under way at a time; the others wait for one, in order."""

    def __init__(self) -> None:
        import anyio  # late, as a sync program needs none of it

        self._places = anyio.Semaphore(MAX_REQUESTS)

    async def enter(self, request: httpx.Request) -> None:
        import anyio

        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            try:
                with anyio.fail_after(request.extensions["timeout"]["pool"]):
                    await self._places.acquire()
            except TimeoutError:
                raise no_room() from None

    def leave(self) -> None:
        self._places.release()


def no_room() -> httpx.PoolTimeout:
    return httpx.PoolTimeout(f"{MAX_REQUESTS} requests are under way, and none of them ended in time")


class _Stream(httpx.SyncByteStream):
    """The body of an answer, which does something more when it is closed."""

    def __init__(self, stream: object, closed: Callable[[], None]) -> None:
        self._stream = cast("httpx.SyncByteStream", stream)
        self._closed = closed

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._closed()


class AsyncStream(httpx.AsyncByteStream):
    """The same for async clients."""

    def __init__(self, stream: object, closed: Callable[[], None]) -> None:
        self._stream = cast("httpx.AsyncByteStream", stream)
        self._closed = closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._closed()
