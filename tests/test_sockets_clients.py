"""One client in many places: threads, event loops, processes, copies; and what is left when it is closed."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from _clients import E164, NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _servers import Exchange, Response, Server, drop, hang, reply, reset, sent

from ecall_facade import (
    AsyncECall,
    ECall,
    ECallError,
    InvalidConfiguration,
    NotSent,
    OutcomeUnknown,
)

if TYPE_CHECKING:
    from _clients import OpenClient

THREADS, SENDS = 24, 50


LOOPS = ("trio", "asyncio", "uvloop")


def echo(exchange: Exchange) -> None:
    """Respond with an id that is made of the message's text, so that a response can be matched with its request."""
    exchange.send(sent(f"id of {json.loads(exchange.request.body)['content']['text']}"))


def check_echoes(server: Server, threads: int, sends: int) -> None:
    assert len(server.requests) == threads * sends
    assert set(Counter(request.body for request in server.requests).values()) == {1}


@pytest.mark.long
def test_one_client_serves_many_threads() -> None:
    with (
        Server(echo) as server,
        ECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS) as ecall,
    ):
        together = threading.Barrier(THREADS)

        def work(name: int) -> None:
            together.wait(10)
            for number in range(SENDS):
                text = f"message {name}/{number}"
                assert ecall.sms.send(NUMBER, text).message_id == f"id of {text}"

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(work, range(THREADS)))
        check_echoes(server, THREADS, SENDS)
        assert server.connections <= THREADS


def test_one_async_client_serves_many_tasks() -> None:
    async def main(url: str) -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS) as ecall:

            async def work(name: int) -> None:
                for number in range(10):
                    text = f"message {name}/{number}"
                    assert (await ecall.sms.send(NUMBER, text)).message_id == f"id of {text}"

            await asyncio.gather(*map(work, range(THREADS)))

    with Server(echo) as server:
        asyncio.run(main(server.url))
        check_echoes(server, THREADS, 10)
        assert server.connections <= THREADS


def test_one_async_client_serves_event_loops_in_many_threads() -> None:
    """Each with an event loop of its own, and so with connections of its own."""
    with Server(echo) as server:
        ecall = AsyncECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS)
        together = threading.Barrier(THREADS)

        async def main(name: int) -> None:
            for number in range(10):
                text = f"message {name}/{number}"
                assert (await ecall.sms.send(NUMBER, text)).message_id == f"id of {text}"

        def work(name: int) -> None:
            together.wait(10)
            asyncio.run(main(name))

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(work, range(THREADS)))
        check_echoes(server, THREADS, 10)
        assert server.connections == THREADS


def run_in(name: str, function: Callable[[], Awaitable[object]]) -> None:
    async def main() -> None:
        await function()

    if name == "trio":
        trio.run(main)
    elif name == "uvloop":
        asyncio.Runner(loop_factory=pytest.importorskip("uvloop").new_event_loop).run(main())
    else:
        asyncio.run(main())


@pytest.mark.parametrize(
    ("first", "second"),
    [(first, second) for first in LOOPS for second in LOOPS],
)
def test_one_async_client_works_in_event_loops_one_after_the_other(first: str, second: str) -> None:
    """Each has connections of its own; those of the first are closed when it ends, and no warning is left."""
    with Server() as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ecall = AsyncECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS)

        async def send() -> None:
            for _ in range(2):
                assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"

        async def send_and_close() -> None:
            await send()
            await ecall.aclose()

        run_in(first, send)
        run_in(second, send)
        run_in(second, send_and_close)
        gc.collect()
        assert [request.connection for request in server.requests] == [1, 1, 2, 2, 3, 3]
        with pytest.raises(InvalidConfiguration, match="closed"):
            run_in(first, send)
    assert [str(warning.message) for warning in caught] == []


# asyncio tells of each connection that is let go.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_async_client_outlives_event_loops_that_were_closed_without_shutdown() -> None:
    """As some programs make one for each call; what was open in them is let go, so that it does not pile up."""
    with Server() as server:
        ecall = AsyncECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS)
        for _ in range(5):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(ecall.sms.send(NUMBER, TEXT))
            loop.close()
        asyncio.run(ecall.media.upload(b"a file"))
        for _ in range(100):
            gc.collect()
            if not server.open:
                break
            time.sleep(0.01)
        assert (server.connections, server.open) == (6, 0)


def test_an_async_client_works_on_uvloop(pauses: list[float], closed_port: int) -> None:
    """The event loop of many servers, which knows some things by other names."""

    async def main(url: str) -> None:
        options: dict[str, Any] = {"sender": SENDERS, "timeout": (5, 0.2)}
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, **options) as ecall:
            assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"
            assert (await ecall.media.upload(bytes(1_000_000))).media_id == "f-1"
            for _ in range(3):
                with pytest.raises(OutcomeUnknown):
                    await ecall.sms.send(NUMBER, TEXT)
            await asyncio.gather(*[ecall.sms.send(NUMBER, TEXT) for _ in range(20)])

    uvloop = pytest.importorskip("uvloop")
    with Server(sent(), sent(), drop, reset, hang, sent()) as server:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(server.url))
            with pytest.raises(NotSent):
                runner.run(main(f"http://127.0.0.1:{closed_port}"))
        assert len(server.requests) == 25
    assert len(pauses) == 2


def test_an_async_client_works_on_trio(pauses: list[float]) -> None:
    """The whole of it, retries and files and all."""

    async def main(url: str) -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS) as ecall:
            assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"
            assert (await ecall.messages.wait("m-1", timeout=5)).state == "Delivered"
            assert (await ecall.media.upload(bytes(1_000_000))).media_id == "f-1"
            async with ecall.media.stream("f-1") as chunks:
                assert b'"m-1"' in b"".join([chunk async for chunk in chunks])
            with trio.move_on_after(0.05) as scope:
                await ecall.messages.wait("m-2", timeout=5)
            assert scope.cancelled_caught
            assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"

    with Server(reply(429), sent(), sent(), sent(), sent(), hang, sent()) as server:
        trio.run(main, server.url)
        assert [request.connection for request in server.requests] == [1, 1, 1, 1, 1, 1, 2]
    with pytest.raises(NotSent):
        trio.run(main, server.url)


FORK_SYNC = """
import os, sys
from ecall_facade import ECall

ecall = ECall("user", "password", base_url=sys.argv[1], sender="ACME")
ecall.sms.send("+41 79 123 45 67", "parent")
child = os.fork()
if child == 0:
    ecall.sms.send("+41 79 123 45 67", "child")
    ecall.sms.send("+41 79 123 45 67", "child")
    ecall.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ecall.sms.send("+41 79 123 45 67", "parent")
ecall.close()
"""
FORK_ASYNC = """
import asyncio, os, sys
from ecall_facade import AsyncECall

ecall = AsyncECall("user", "password", base_url=sys.argv[1], sender="ACME")

async def send(text):
    await ecall.sms.send("+41 79 123 45 67", text)

async def send_twice(text):
    await send(text)
    await send(text)

with asyncio.Runner() as runner:
    runner.run(send("parent"))
    child = os.fork()
    if child == 0:
        asyncio.run(send_twice("child"))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    runner.run(send("parent"))
    runner.run(ecall.aclose())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("script", [FORK_SYNC, FORK_ASYNC], ids=["sync", "async"])
def test_a_client_works_on_both_sides_of_a_fork(script: str) -> None:
    """The child opens connections of its own, and leaves the parent's alone. Over TLS it would matter the most."""
    with Server(echo) as server:
        result = run_script(script, server.url)
        assert (result.returncode, result.stderr) == (0, "")
        texts = [json.loads(request.body)["content"]["text"] for request in server.requests]
        assert texts == ["parent", "child", "child", "parent"]
        assert [request.connection for request in server.requests] == [1, 2, 2, 1]


def run_script(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


EVENT_LOOPS = """
import asyncio, sys
from ecall_facade import AsyncECall

ecall = AsyncECall("user", "password", base_url=sys.argv[1], sender="ACME")

async def send():
    await ecall.sms.send("+41 79 123 45 67", "hello")

for _ in range(3):
    asyncio.run(send())
"""
LEFT_OPEN = """
import sys
from ecall_facade import ECall

ecall = ECall("user", "password", base_url=sys.argv[1], sender="ACME")
ecall.sms.send("+41 79 123 45 67", "hello")
ecall.with_options(retry=False).sms.send("+41 79 123 45 67", "hello")
with ecall.with_options(retry=False) as copy:
    copy.sms.send("+41 79 123 45 67", "hello")
ecall.close()
ecall.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("script", [EVENT_LOOPS, LEFT_OPEN], ids=["loops", "copies"])
def test_a_closed_client_leaves_no_connection_open(script: str) -> None:
    """In a process of its own, where every socket that is left open is told."""
    with Server() as server:
        result = run_script(script, server.url)
        assert (result.returncode, result.stderr) == (0, "")
        assert len(server.requests) == 3


def test_copies_of_a_client_share_its_connections(open_client: OpenClient) -> None:
    """Whatever is closed of them, the client they come from stays open; and with it they end."""
    with Server() as server:
        ecall = open_client(server)
        copies = [
            ecall.with_options(timeout=5),
            ecall.with_options(retry=False, api_version="v1"),
            ecall,
        ]
        for copy in copies:
            copy.sms.send(NUMBER, TEXT)
        copies[0].with_options(region="DE").sms.send(NUMBER, TEXT)
        for copy in copies[:2]:
            copy.close()
            copy.sms.send(NUMBER, TEXT)
        ecall.sms.send(NUMBER, TEXT)
        assert server.connections == 1
        assert server.requests[1].path == "/api/v1/message"
        count = len(server.requests)
        ecall.close()
        ecall.close()
        for client in [ecall, *copies]:
            with pytest.raises(InvalidConfiguration, match="closed") as caught:
                client.sms.send(NUMBER, TEXT)
            assert not caught.value.may_have_been_sent
        for call in (
            partial(ecall.messages.status, "m-1"),
            partial(ecall.messages.wait, "m-1", timeout=5),
            partial(ecall.media.upload, b"a file"),
            partial(ecall.request, "GET", "/api/account"),
            partial(ecall.media.stream("f-1").__enter__),
        ):
            with pytest.raises(InvalidConfiguration, match="closed"):
                call()
        assert len(server.requests) == count


def test_a_client_that_was_never_used_can_be_closed(open_client: OpenClient) -> None:
    ecall = open_client("https://rest.ecall.example")
    ecall.close()
    with pytest.raises(InvalidConfiguration, match="closed"):
        ecall.sms.send(NUMBER, TEXT)


def test_a_cancelled_send_is_not_repeated() -> None:
    """The cancellation comes through, and nobody else gets the response that comes too late."""
    arrived, may_answer = threading.Event(), threading.Event()

    def late(exchange: Exchange) -> None:
        arrived.set()
        may_answer.wait(10)
        exchange.send(sent("late"))

    async def main(url: str) -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS) as ecall:
            await ecall.sms.send(NUMBER, TEXT)
            task = asyncio.create_task(ecall.sms.send(NUMBER, TEXT))
            assert await asyncio.to_thread(arrived.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_answer.set()
            for number in range(2):
                assert (await ecall.sms.send(NUMBER, TEXT)).message_id == f"m-{number}"
            with pytest.raises(TimeoutError) as caught:
                await asyncio.wait_for(ecall.sms.send(NUMBER, TEXT), 0.05)
            assert caught.type is TimeoutError
            assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-3"

    with Server(sent(), late, sent("m-0"), sent("m-1"), hang, sent("m-3")) as server:
        asyncio.run(main(server.url))
        assert [request.connection for request in server.requests] == [1, 1, 2, 2, 2, 3]


def test_a_send_that_is_cancelled_in_a_pause_is_not_repeated() -> None:
    """It is not tried again behind the caller's back."""

    async def main(url: str) -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS) as ecall:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ecall.sms.send(NUMBER, TEXT), 0.1)
            await asyncio.sleep(0.3)

    with Server(reply(429, retry_after="0.3")) as server:
        asyncio.run(main(server.url))
        assert len(server.requests) == 1


def test_a_cancelled_upload_or_download_does_no_harm_to_the_client(tmp_path: Path) -> None:
    """No part of a file is left, and no connection with half a response in it is used again."""

    async def main(url: str) -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS) as ecall:
            for call in (
                ecall.media.upload(bytes(20_000_000)),
                ecall.media.download("f-1", to=tmp_path / "new"),
            ):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(call, 0.2)
            assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"

    def respond(exchange: Exchange) -> None:
        if "/message" in exchange.request.path:
            exchange.send(sent())
        else:
            exchange.send(reply(200, bytes(1000), Content_Length="2000"))
            exchange.wait_for_end()

    with Server(respond) as server:
        asyncio.run(main(server.url))
        assert server.connections == 3
    assert list(tmp_path.iterdir()) == []


def test_what_one_call_meets_does_not_harm_the_next(open_client: OpenClient) -> None:
    """After each kind of trouble the client goes on, on a connection that is good."""
    script: list[Response] = [
        drop,
        sent(),
        reply(500),
        sent(),
        reply(200, b"<html>"),
        sent(),
        reply(200, b"{", Content_Length="9"),
        sent(),
    ]
    with Server(*script) as server:
        ecall = open_client(server, timeout=(5, 0.3))
        for _ in range(4):
            with pytest.raises(ECallError):
                ecall.sms.send(E164, TEXT)
            assert ecall.sms.send(E164, TEXT).message_id == "m-1"
        assert len(server.requests) == 8
