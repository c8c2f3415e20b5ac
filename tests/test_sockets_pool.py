"""The connection pool: how many connections, for how long, at which cost."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _counting import Count
from _servers import Exchange, Server, drop, reply, sent

from ecall_facade import AsyncECall, ECall, NotSent, OutcomeUnknown
from ecall_facade._settings import Account
from ecall_facade._transports.connections import open_async_pool, open_pool
from ecall_facade._transports.pools import MAX_CONNECTIONS

if TYPE_CHECKING:
    from _clients import OpenClient


def pool(open_client: OpenClient, url: str, **limits: Any) -> Any:
    """Return a connection pool with limits of its own, for a client."""
    account = Account.from_arguments(USERNAME, PASSWORD, url)
    return (open_async_pool if open_client.is_async else open_pool)(account, **limits)


class Barrier:
    """An answer that keeps all requests waiting until so many are there, and counts them."""

    def __init__(self, size: int) -> None:
        self.most = 0
        self._size = size
        self._there = 0
        self._was_full = False
        self._condition = threading.Condition()

    def __call__(self, exchange: Exchange) -> None:
        with self._condition:
            self._there += 1
            self.most = max(self.most, self._there)
            self._was_full |= self._there == self._size
            self._condition.notify_all()
            assert self._condition.wait_for(lambda: self._was_full, 10)
        time.sleep(0.01)  # in which one too many would come as well
        with self._condition:
            self._there -= 1
        exchange.send(sent())


def test_requests_beyond_the_size_of_the_pool_wait(
    open_client: OpenClient,
) -> None:
    barrier = Barrier(5)
    with Server(barrier) as server:
        ecall = open_client(server, transport=pool(open_client, server.url, size=5))
        open_client.send_together(ecall, 25)
        assert len(server.requests) == 25
        assert barrier.most == 5
        assert server.connections == 5


@pytest.mark.long
def test_a_client_sends_a_hundred_requests_at_a_time(open_client: OpenClient) -> None:
    barrier = Barrier(MAX_CONNECTIONS)
    with Server(barrier) as server:
        open_client.send_together(open_client(server), 120)
        assert len(server.requests) == 120
        assert barrier.most == MAX_CONNECTIONS == 100


def test_a_request_that_waits_too_long_for_the_pool_was_not_sent(
    open_client: OpenClient, pauses: list[float]
) -> None:
    """And is not tried again; as soon as there is room, all is well, also where a waiting one gave up."""
    with Server(reply(200, b"x" * 9_000_000), sent()) as server:
        transport = pool(open_client, server.url, size=1)
        ecall = open_client(server, timeout=(5, 0.1), transport=transport)
        with ecall.media.stream("f-1") as chunks:
            next(iter(chunks))
            for _ in range(2):
                with pytest.raises(NotSent, match="1 requests are under way") as caught:
                    ecall.sms.send(NUMBER, TEXT)
                assert isinstance(caught.value.__cause__, httpx.PoolTimeout)
        assert len(server.requests) == 1
        for _ in range(2):
            assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
    assert pauses == []


def test_a_request_that_stops_waiting_leaves_the_queue() -> None:
    may_go_on = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert may_go_on.wait(10)
        exchange.send(sent("slow"))

    async def main(url: str) -> None:
        transport = open_async_pool(Account.from_arguments(USERNAME, PASSWORD, url), size=1)
        async with AsyncECall(
            USERNAME, PASSWORD, base_url=url, sender=SENDERS, transport=transport
        ) as ecall:
            first = asyncio.create_task(ecall.sms.send(NUMBER, TEXT))
            await asyncio.sleep(0.05)
            waiting = [asyncio.create_task(ecall.sms.send(NUMBER, TEXT)) for _ in range(3)]
            await asyncio.sleep(0.05)
            waiting[0].cancel()
            waiting[2].cancel()
            may_go_on.set()
            results = await asyncio.gather(first, *waiting, return_exceptions=True)
            assert [type(result).__name__ for result in results] == [
                *("SentMessage", "CancelledError", "SentMessage", "CancelledError")
            ]
            assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"

    with Server(slow, sent()) as server:
        asyncio.run(main(server.url))
        assert len(server.requests) == 3


@pytest.mark.long
def test_waiting_threads_are_served_in_order() -> None:
    """Not even by those who are quicker, as they have just been in and come again at once."""
    counts = [0] * 8
    with (
        Server() as server,
        ECall(
            USERNAME,
            PASSWORD,
            base_url=server.url,
            sender=SENDERS,
            transport=open_pool(Account.from_arguments(USERNAME, PASSWORD, server.url), size=4),
        ) as ecall,
    ):

        def work(name: int) -> None:
            while max(counts) < 100:
                ecall.sms.send(NUMBER, TEXT)
                counts[name] += 1

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
    assert min(counts) > 20, counts


def test_whenever_a_send_is_cancelled_the_next_one_goes_out() -> None:
    """At whichever step; httpcore keeps some connections that were cancelled, and would wait for them."""

    async def send_after(steps: int, url: str) -> bool:
        options: dict[str, Any] = {"sender": SENDERS, "timeout": (5, 1)}
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, **options) as ecall:
            task = asyncio.create_task(ecall.sms.send(NUMBER, TEXT))
            for _ in range(steps):
                await asyncio.sleep(0)
            was_late = not task.cancel()
            await asyncio.wait([task])
            for _ in range(2):
                assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"
            return was_late

    async def main(url: str) -> None:
        for steps in range(100):
            if await send_after(steps, url):
                break

    with Server() as server:
        asyncio.run(main(server.url))
        assert server.connections > 1


def test_a_client_can_be_closed_while_its_task_is_cancelled() -> None:
    """In a scope of anyio, where every wait is cancelled again, all connections are closed, not just the first."""

    async def main(server: Server) -> None:
        with anyio.CancelScope() as scope:
            async with AsyncECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS) as ecall:
                await asyncio.gather(*[ecall.sms.send(NUMBER, TEXT) for _ in range(5)])
                assert server.open == 5
                scope.cancel()
        for _ in range(100):
            if not server.open:
                break
            await asyncio.sleep(0.01)
        assert server.open == 0

    with Server(Barrier(5)) as server:
        asyncio.run(main(server))


def test_idle_connections_are_closed(
    open_client: OpenClient,
) -> None:
    """The one that was used last serves; the others grow old, and go one by one."""
    with Server(Barrier(6)) as server:
        ecall = open_client(server, transport=pool(open_client, server.url, keepalive=0.2))
        open_client.send_together(ecall, 6)
        assert server.open == 6
        ecall.sms.send(NUMBER, TEXT)
        assert len({request.connection for request in server.requests}) == 6
        time.sleep(0.25)
        for _ in range(6):
            ecall.sms.send(NUMBER, TEXT)
        for _ in range(100):
            if server.open == 1:
                break
            time.sleep(0.01)
        assert server.open == 1


def test_an_idle_connection_is_not_used_for_long(open_client: OpenClient) -> None:
    """The other end might be about to close it."""
    with Server() as server:
        ecall = open_client(server, transport=pool(open_client, server.url, keepalive=0.1))
        for pause in (0, 0, 0.15, 0):
            time.sleep(pause)
            ecall.sms.send(NUMBER, TEXT)
        assert [request.connection for request in server.requests] == [1, 1, 2, 2]


@pytest.mark.parametrize("is_late", [True, False])
def test_an_unsolicited_response_is_not_taken_for_the_next_one(
    open_client: OpenClient, is_late: bool
) -> None:
    """It is not taken for that of the next message.

    docs/reference/transports.md says where httpx's transports cannot see it.
    """
    came_late = threading.Event()

    def twice(exchange: Exchange) -> None:
        exchange.send(sent("m-1") + (b"" if is_late else sent("stale")))
        if is_late:
            time.sleep(0.05)
            exchange.send(sent("stale"))
        came_late.set()

    with Server(twice, sent("m-2")) as server:
        ecall = open_client(server)
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert came_late.wait(5)
        assert ecall.sms.send(NUMBER, TEXT).message_id == ("m-2" if is_late else "stale")
        assert server.connections == (2 if is_late else 1)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_connection_that_drops_is_no_reason_to_repeat(
    open_client: OpenClient, method: str
) -> None:
    """Whatever the method is called, and also on a connection that has served before."""
    with Server(sent(), drop) as server:
        ecall = open_client(server)
        ecall.sms.send(NUMBER, TEXT)
        for count in (2, 3):
            with pytest.raises(OutcomeUnknown):
                ecall.request(method, "/api/message", json={"to": "x"})
            assert server.has_seen(count)


def calls_of_a_send(ecall: ECall) -> int:
    with Count() as count:
        ecall.sms.send(NUMBER, TEXT)
    return count.calls


@pytest.mark.long
def test_what_a_send_costs_does_not_grow_with_the_connections(open_client: OpenClient) -> None:
    with Server(*[sent()] * 20, Barrier(60)) as server:
        ecall = open_client(server)
        few = min(calls_of_a_send(ecall) for _ in range(10))
        for _ in range(10):
            ecall.sms.send(NUMBER, TEXT)
        open_client.send_together(ecall, 60)
        assert server.connections == 60
        many = min(calls_of_a_send(ecall) for _ in range(10))
    assert 100 < many <= few * 1.05
