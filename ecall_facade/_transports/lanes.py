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

    def __init__(self, make: Callable[[], T], release: Callable[[], None]) -> None:
        self._make = make
        self._release = release
        first = make()  # at once, so that what is wrong with it comes up before anything is sent
        self._free = deque([(time.monotonic(), first)])
        self._all: set[T] = {first}

    def _take(self) -> T:
        try:
            return self._free.pop()[1]
        except IndexError:  # to ask first would let another thread come between
            self._all.add(lane := self._make())
            return lane

    def _leave(self, lane: T | None, *, is_good: bool) -> None:
        if lane is not None and is_good:
            self._free.append((time.monotonic(), lane))
        elif (
            lane is not None
        ):  # to be closed by the next request: httpcore may keep a connection that was cancelled
            self._free.appendleft((-KEEPALIVE, lane))
        self._release()

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
        lanes, self._all = self._all, set()
        self._free.clear()
        return lanes


class Lanes(_Pool[httpx.BaseTransport], httpx.BaseTransport):
    """`make` gives a transport with one connection."""

    def __init__(self, make: Callable[[], httpx.BaseTransport]) -> None:
        self._room = threading.Semaphore(MAX_REQUESTS)
        self._turn = threading.Lock()
        super().__init__(make, self._room.release)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._enter(request.extensions["timeout"]["pool"])
        lane = None
        try:
            if (old := self._take_old()) is not None:
                old.close()
            lane = self._take()
            response = lane.handle_request(request)
        except BaseException:
            self._leave(lane, is_good=False)
            raise
        response.stream = _Stream(response.stream, partial(self._leave, lane))
        return response

    def _enter(self, seconds: float) -> None:
        # One waits for the room, the others for their turn: a thread that has just left and comes again is quicker than
        # one that first has to wake up, which might never get in.
        end = time.monotonic() + seconds
        if not self._turn.acquire(timeout=seconds):
            raise no_room()
        try:
            if not self._room.acquire(timeout=max(end - time.monotonic(), 0)):
                raise no_room()
        finally:
            self._turn.release()

    def close(self) -> None:
        for lane in self._take_all():
            lane.close()


class AsyncLanes(_Pool[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport):
    """`Lanes` for async clients."""

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        import anyio  # late, as a sync program needs none of it

        self._room = anyio.Semaphore(MAX_REQUESTS)
        super().__init__(make, self._room.release)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._enter(request.extensions["timeout"]["pool"])
        lane = None
        try:
            if (old := self._take_old()) is not None:
                await old.aclose()
            lane = self._take()
            response = await lane.handle_async_request(request)
        except BaseException:
            self._leave(lane, is_good=False)
            raise
        response.stream = _Stream(response.stream, partial(self._leave, lane))
        return response

    async def _enter(self, seconds: float) -> None:
        import anyio

        try:
            if self._room.value:
                return self._room.acquire_nowait()
            with anyio.fail_after(seconds):
                await self._room.acquire()
        except TimeoutError:
            raise no_room() from None

    async def aclose(self) -> None:
        import anyio.lowlevel

        for lane in self._take_all():
            await lane.aclose()
        await anyio.lowlevel.checkpoint()  # in which asyncio closes the sockets of fast lanes


def no_room() -> httpx.PoolTimeout:
    return httpx.PoolTimeout(
        f"{MAX_REQUESTS} requests are under way, and none of them ended in time"
    )


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, which gives its lane back when it is closed."""

    def __init__(self, stream: object, closed: Callable[..., None]) -> None:
        self._stream = cast("httpx.ByteStream", stream)
        self._closed = closed

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    def close(self) -> None:
        is_good = False
        try:
            self._stream.close()
            is_good = True
        finally:
            self._closed(is_good=is_good)

    async def aclose(self) -> None:
        is_good = False
        try:
            await self._stream.aclose()
            is_good = True
        finally:
            self._closed(is_good=is_good)
