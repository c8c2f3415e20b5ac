"""The pool of lanes, over httpx's transports and over the fast ones: how many, for how long, at which cost."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
import httpx
import pytest
import trio
import vcr
import wrapt
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _counting import Count
from _servers import Exchange, Server, drop, reply, sent
from pytest_recording import network

from ecall_facade import AsyncECall, ECall, InvalidConfiguration, NotSent, OutcomeUnknown
from ecall_facade._transports import connections, fast, lanes

if TYPE_CHECKING:
    from _clients import OpenClient


class Crowd:
    """An answer that keeps all requests waiting until so many are there, and counts how many are there at a time."""

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


def test_what_is_asked_beyond_waits(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_REQUESTS", 5)
    crowd = Crowd(5)
    with Server(crowd) as server:
        open_client.send_together(open_client(server), 25)
        assert len(server.requests) == 25
        assert crowd.most == 5
        assert server.connections == 5


def test_a_hundred_at_a_time(open_client: OpenClient) -> None:
    crowd = Crowd(lanes.MAX_REQUESTS)
    with Server(crowd) as server:
        open_client.send_together(open_client(server), 120)
        assert len(server.requests) == 120
        assert crowd.most == lanes.MAX_REQUESTS == 100


def test_who_waits_too_long_has_sent_nothing(
    open_client: OpenClient, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not tried again; as soon as there is room, all is well, also where a waiting one gave up."""
    monkeypatch.setattr(lanes, "MAX_REQUESTS", 1)
    with Server(reply(200, b"x" * 9_000_000), sent()) as server:
        ecall = open_client(server, timeout=(5, 0.1))
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


@pytest.mark.parametrize("transport", [None, "fast"])
def test_who_gives_up_waiting_leaves_the_place(
    monkeypatch: pytest.MonkeyPatch, transport: Any
) -> None:
    monkeypatch.setattr(lanes, "MAX_REQUESTS", 1)
    may_go_on = threading.Event()

    def slow(exchange: Exchange) -> None:
        assert may_go_on.wait(10)
        exchange.send(sent("slow"))

    async def main(url: str) -> None:
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


@pytest.mark.parametrize("transport", [None, "fast"])
def test_no_thread_is_passed_over(monkeypatch: pytest.MonkeyPatch, transport: Any) -> None:
    """Not even by those who are quicker, as they have just been in and come again at once."""
    monkeypatch.setattr(lanes, "MAX_REQUESTS", 4)
    counts = [0] * 8
    with (
        Server() as server,
        ECall(
            USERNAME, PASSWORD, base_url=server.url, sender=SENDERS, transport=transport
        ) as ecall,
    ):

        def work(name: int) -> None:
            while max(counts) < 100:
                ecall.sms.send(NUMBER, TEXT)
                counts[name] += 1

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
    assert min(counts) > 20, counts


@pytest.mark.parametrize("transport", [None, "fast"])
def test_whenever_a_send_is_cancelled_the_next_one_goes_out(transport: Any) -> None:
    """At whichever step; httpcore keeps some connections that were cancelled, and would wait for them."""

    async def send_after(steps: int, url: str) -> bool:
        options: dict[str, Any] = {"sender": SENDERS, "transport": transport, "timeout": (5, 1)}
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


@pytest.mark.parametrize("transport", [None, "fast"])
def test_a_client_that_is_closed_while_its_task_is_cancelled(transport: Any) -> None:
    """In a scope of anyio, where every wait is cancelled again, all connections are closed, not just the first."""

    async def main(server: Server) -> None:
        with anyio.CancelScope() as scope:
            async with AsyncECall(
                USERNAME, PASSWORD, base_url=server.url, sender=SENDERS, transport=transport
            ) as ecall:
                await asyncio.gather(*[ecall.sms.send(NUMBER, TEXT) for _ in range(5)])
                assert server.open == 5
                scope.cancel()
        for _ in range(100):
            if not server.open:
                break
            await asyncio.sleep(0.01)
        assert server.open == 0

    with Server(Crowd(5)) as server:
        asyncio.run(main(server))


def test_connections_that_are_not_needed_are_closed(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was used last serves; the others grow old, and go one by one."""
    monkeypatch.setattr(lanes, "KEEPALIVE", 0.2)
    with Server(Crowd(6)) as server:
        ecall = open_client(server)
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


def test_an_idle_connection_is_not_used_for_long(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other end might be about to close it."""
    for module in (lanes, fast):
        monkeypatch.setattr(module, "KEEPALIVE", 0.1)
    monkeypatch.setattr(connections, "_LIMITS", httpx.Limits(keepalive_expiry=0.1))
    with Server() as server:
        ecall = open_client(server)
        for pause in (0, 0, 0.15, 0):
            time.sleep(pause)
            ecall.sms.send(NUMBER, TEXT)
        assert [request.connection for request in server.requests] == [1, 1, 2, 2]


@pytest.mark.parametrize("is_late", [True, False])
def test_an_answer_that_nobody_asked_for(open_client: OpenClient, is_late: bool) -> None:
    """It is not taken for that of the next message; docs/transports.md tells where httpx's transports cannot see it."""
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
        sees_it = is_late or open_client.is_fast
        assert ecall.sms.send(NUMBER, TEXT).message_id == ("m-2" if sees_it else "stale")
        assert server.connections == (2 if sees_it else 1)


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


def test_what_a_send_costs_does_not_grow_with_the_connections(open_client: OpenClient) -> None:
    with Server(*[sent()] * 20, Crowd(60)) as server:
        ecall = open_client(server)
        few = min(calls_of_a_send(ecall) for _ in range(10))
        for _ in range(10):
            ecall.sms.send(NUMBER, TEXT)
        open_client.send_together(ecall, 60)
        assert server.connections == 60
        many = min(calls_of_a_send(ecall) for _ in range(10))
    assert 100 < many <= few * 1.05


def test_fast_is_for_asyncio() -> None:
    async def main() -> None:
        async with AsyncECall(USERNAME, PASSWORD, sender=SENDERS, transport="fast") as ecall:
            await ecall.sms.send(NUMBER, TEXT)

    with pytest.raises(InvalidConfiguration, match="trio"):
        trio.run(main)


class TestWhereHttpxIsReplaced:
    """Who stands in for httpx, as in the tests of an application, gets to see what `fast` would send."""

    @staticmethod
    def send(url: str, *, is_async: bool) -> str:
        if not is_async:
            with ECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS, transport="fast") as ecall:
                return ecall.sms.send(NUMBER, TEXT).message_id

        async def main() -> str:
            async with AsyncECall(
                USERNAME, PASSWORD, base_url=url, sender=SENDERS, transport="fast"
            ) as ecall:
                return (await ecall.sms.send(NUMBER, TEXT)).message_id

        return asyncio.run(main())

    @pytest.mark.parametrize("is_async", [False, True])
    def test_by_vcrpy(self, tmp_path: Path, is_async: bool) -> None:
        with Server() as server:
            for mode in ("once", "none"):
                with vcr.use_cassette(
                    str(tmp_path / "cassette.yaml"), record_mode=mode
                ) as cassette:
                    assert self.send(server.url, is_async=is_async) == "m-1"
                    assert len(cassette) == 1
            assert len(server.requests) == 1

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("layer", [httpx, httpcore])
    def test_by_others(self, monkeypatch: pytest.MonkeyPatch, layer: Any, is_async: bool) -> None:
        def handle(*_: object) -> Any:
            return layer.Response(200, content=b'{"messageId": "replaced"}')

        async def handle_async(*_: object) -> Any:
            return handle()

        name = "HTTPTransport" if layer is httpx else "ConnectionPool"
        if is_async:
            monkeypatch.setattr(
                getattr(layer, f"Async{name}"), "handle_async_request", handle_async
            )
        else:
            monkeypatch.setattr(getattr(layer, name), "handle_request", handle)
        with Server() as server:
            assert self.send(server.url, is_async=is_async) == "replaced"
            assert server.connections == 0

    @pytest.mark.parametrize("is_async", [False, True])
    def test_by_instrumentation(self, monkeypatch: pytest.MonkeyPatch, is_async: bool) -> None:
        """OpenTelemetry and others wrap with wrapt, and what that makes says that it is what is in it."""
        seen: list[object] = []

        def watch(wrapped: Any, _: object, arguments: Any, options: Any) -> Any:
            seen.append(arguments[0].url)
            return wrapped(*arguments, **options)

        owner, name = (
            (httpx.AsyncHTTPTransport, "handle_async_request")
            if is_async
            else (httpx.HTTPTransport, "handle_request")
        )
        monkeypatch.setattr(owner, name, wrapt.FunctionWrapper(getattr(owner, name), watch))
        with Server() as server:
            assert self.send(server.url, is_async=is_async) == "m-1"
            assert seen == [f"{server.url}/api/v2/message"]

    # The block raises what Python does not expect there, and so leaves its socket to the collector.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("is_async", [False, True])
    def test_by_nobody_but_with_the_network_blocked(self, is_async: bool) -> None:
        with Server() as server:
            with network.blocking_context(), pytest.raises(NotSent):
                self.send(server.url, is_async=is_async)
            assert server.connections == 0
