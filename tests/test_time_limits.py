"""Exceptions that are not the transport's own, such as time limits, come through; nothing is sent after them."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import h11
import httpx
import pytest
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, TOKEN, USERNAME
from _servers import Exchange, Hangup, Server, full_backlog, reply, sent
from billiard.exceptions import SoftTimeLimitExceeded
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from ecall_facade import AsyncECall, ECall, OutcomeUnknown
from ecall_facade._settings import Account
from ecall_facade._transports.connections import open_async_pool, open_pool

if TYPE_CHECKING:
    from types import FrameType

    from _clients import OpenClient

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals"),
    # An exception that is raised into a thread may come up in the function that measures coverage.
    pytest.mark.again,
    # What is interrupted while it connects leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _sockets_are_collected() -> Iterator[None]:
    """Here, and not in another test."""
    yield
    gc.collect()


PENDING = reply(200, {"messageId": "m-1", "state": "Pending"})
BIG = 30_000_000


class TimeLimit(Exception):
    """What a program raises in its signal handler."""


def send(ecall: ECall) -> object:
    return ecall.sms.send(NUMBER, TEXT)


def send_list(ecall: ECall) -> object:
    return ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)])


def status(ecall: ECall) -> object:
    return ecall.messages.status("m-1")


def wait(ecall: ECall) -> object:
    return ecall.messages.wait("m-1", timeout=20)


def upload(ecall: ECall) -> object:
    return ecall.media.upload(b"x" * BIG)


def download(ecall: ECall) -> object:
    return ecall.media.download("f-1", to=io.BytesIO())


def stream(ecall: ECall) -> object:
    with ecall.media.stream("f-1") as chunks:
        return list(chunks)


Action = Callable[[ECall], object]
Fire = Callable[[], None]


def silent(exchange: Exchange, fire: Fire) -> None:
    fire()
    time.sleep(0.6)
    raise Hangup


def in_the_head(exchange: Exchange, fire: Fire) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nConte")
    fire()
    drip(exchange)


def in_the_body(exchange: Exchange, fire: Fire) -> None:
    exchange.send(reply(200, b"{", Content_Length="3000000"))
    fire()
    drip(exchange)


def drip(exchange: Exchange) -> None:
    for _ in range(100):
        exchange.send(b" ")
        time.sleep(0.01)
    raise Hangup


def retry_later(exchange: Exchange, fire: Fire) -> None:
    exchange.send(reply(429, retry_after="1.5"))
    fire()


def still_pending(exchange: Exchange, fire: Fire) -> None:
    exchange.send(PENDING)
    fire()


Moment = Callable[[Exchange, Fire], None]
SITUATIONS: list[tuple[Action, Moment]] = [
    (send, silent),
    (send, in_the_head),
    (send, in_the_body),
    (send, retry_later),
    (send_list, silent),
    (status, silent),
    (status, in_the_body),
    (status, retry_later),
    (upload, silent),
    (download, in_the_body),
    (stream, in_the_body),
    (wait, silent),
    (wait, in_the_head),
    (wait, in_the_body),
    (wait, still_pending),
]
situations = pytest.mark.parametrize(
    ("action", "moment"),
    SITUATIONS,
    ids=[f"{action.__name__}-{moment.__name__}" for action, moment in SITUATIONS],
)


def pool_of_one(url: str, *, is_async: bool = False) -> Any:
    open_transport = open_async_pool if is_async else open_pool
    return open_transport(Account.from_arguments(USERNAME, PASSWORD, url), size=1)


def open_sync(url: str, size: int = 1, timeout: float = 10) -> ECall:
    transport = open_pool(Account.from_arguments(USERNAME, PASSWORD, url), size=size)
    return ECall(
        USERNAME,
        PASSWORD,
        base_url=url,
        sender=SENDERS,
        timeout=timeout,
        transport=transport,
    )


def check_usable(ecall: ECall, server: Server, seen: int) -> None:
    """Nothing was sent after the exception, and the client lost no connection, slot or lock."""
    time.sleep(0.1)
    assert len(server.requests) == seen
    for _ in range(120):
        ecall.sms.send(NUMBER, TEXT)
    assert len(server.requests) == seen + 120


# Ways in which an exception arrives


@dataclass
class Limit:
    """A way in which a time limit reaches the code that runs."""

    error: type[BaseException]
    fire: Fire
    begin: Callable[[], Any] = field(default=lambda: None)


@contextmanager
def signal_handler(
    number: signal.Signals, error: type[BaseException], fire: Fire
) -> Iterator[Limit]:
    def handle(_: int, __: FrameType | None) -> None:
        raise error

    before = signal.signal(number, handle)
    try:
        yield Limit(error, fire)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(number, before)


@contextmanager
def timer() -> Iterator[Limit]:
    def fire() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    with signal_handler(signal.SIGALRM, TimeLimit, fire) as limit:
        yield limit


@contextmanager
def celerys_soft_limit() -> Iterator[Limit]:
    """A worker sends SIGUSR1 to the process that runs the task, whose handler raises."""

    def fire() -> None:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGUSR1)

    with signal_handler(signal.SIGUSR1, SoftTimeLimitExceeded, fire) as limit:
        yield limit


@contextmanager
def rqs_limit() -> Iterator[Limit]:
    def fire() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # the death penalty knows whole seconds only

    with cast("Any", UnixSignalDeathPenalty)(60, JobTimeoutException):
        yield Limit(JobTimeoutException, fire)


LIMITS = [timer, celerys_soft_limit, rqs_limit]
limits = pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.__name__)


@limits
@situations
def test_a_signal_handlers_exception_comes_through(
    limit: Callable[[], Any], action: Action, moment: Moment
) -> None:
    with limit() as way:

        def answer(exchange: Exchange) -> None:
            moment(exchange, way.fire)

        with Server(answer, sent(), keeps=False) as server:
            ecall = open_sync(server.url)
            with pytest.raises(way.error) as caught:
                action(ecall)
            assert caught.type is way.error
            check_usable(ecall, server, seen=1)
            ecall.close()


@limits
@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"  # socket.create_connection leaves it to the garbage collection
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("action", [send, status, upload, wait])
def test_a_signal_handlers_exception_comes_through_while_connecting(
    limit: Callable[[], Any], action: Action
) -> None:
    with limit() as way, full_backlog() as url:
        ecall = open_sync(url)
        way.fire() if way.error is not SoftTimeLimitExceeded else threading.Thread(
            target=way.fire
        ).start()
        with pytest.raises(way.error):
            action(ecall)
        begun = time.monotonic()
        with pytest.raises(Exception, match="No connection"):
            ecall.with_options(timeout=(0.2, 0.2), retry=False).sms.send(NUMBER, TEXT)
        assert time.monotonic() - begun < 2
        ecall.close()


@limits
def test_a_signal_handlers_exception_comes_through_while_a_body_is_written(
    limit: Callable[[], Any],
) -> None:
    """The service reads nothing, so that the socket takes no more."""
    with limit() as way:

        def stop_reading(exchange: Exchange) -> None:
            way.fire()
            time.sleep(0.6)
            raise Hangup

        with Server(stop_reading, reads=False) as stuck, Server() as server:
            ecall = open_sync(stuck.url)
            with pytest.raises(way.error):
                ecall.media.upload(b"x" * BIG)
            assert stuck.has_seen(1)
            ecall.close()
            other = open_sync(server.url)
            assert send(other)
            other.close()


@limits
def test_a_signal_handlers_exception_comes_through_while_a_pool_is_full(
    limit: Callable[[], Any],
) -> None:
    with limit() as way, Server(reply(200, b"x" * 9_000_000), sent()) as server:
        ecall = open_sync(server.url)
        with ecall.media.stream("f-1") as chunks:
            next(iter(chunks))
            starter = threading.Timer(0.1, way.fire)
            starter.start()
            with pytest.raises(way.error):
                send(ecall)
            starter.join()
        check_usable(ecall, server, seen=1)
        ecall.close()


# An exception that is raised into a thread


def raise_into(thread: threading.Thread, error: type[BaseException]) -> None:
    identity = ctypes.c_ulong(thread.ident or 0)
    found = ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(error))
    assert found == 1


class Worker(threading.Thread):
    """A thread that performs an action and keeps what it raises."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._action = action
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._action()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test looks at it
            self.error = error


@situations
def test_an_exception_raised_into_a_thread_comes_through(action: Action, moment: Moment) -> None:
    worker: Worker

    def fire() -> None:
        time.sleep(0.05)
        raise_into(worker, TimeLimit)

    def answer(exchange: Exchange) -> None:
        moment(exchange, fire)

    with Server(answer, sent(), keeps=False) as server:
        ecall = open_sync(server.url)
        worker = Worker(lambda: action(ecall))
        worker.start()
        worker.join(10)
        assert type(worker.error) is TimeLimit
        check_usable(ecall, server, seen=1)
        ecall.close()


def test_an_exception_raised_into_threads_that_wait_for_a_pool_comes_through() -> None:
    """Each of them may hold what the others wait for."""
    with Server(reply(200, b"x" * 9_000_000), sent()) as server:
        ecall = open_sync(server.url, timeout=5)
        with ecall.media.stream("f-1") as chunks:
            next(iter(chunks))
            workers = [Worker(lambda: send(ecall)) for _ in range(4)]
            for worker in workers:
                worker.start()
            time.sleep(0.2)
            for worker in workers:
                raise_into(worker, TimeLimit)
            time.sleep(0.1)
        for worker in workers:
            worker.join(10)
        assert [type(worker.error) for worker in workers] == [TimeLimit] * 4
        check_usable(ecall, server, seen=1)
        ecall.close()


def test_a_thread_that_is_interrupted_when_its_turn_comes_leaves_it_to_the_next() -> None:
    with Server(reply(200, b"x" * 9_000_000), sent()) as server:
        ecall = open_sync(server.url, timeout=10)
        first, second = (Worker(lambda: send(ecall)) for _ in range(2))
        with ecall.media.stream("f-1") as chunks:
            next(iter(chunks))
            for worker in (first, second):
                worker.start()
                time.sleep(0.2)  # so that they wait in this order
            raise_into(first, TimeLimit)  # it comes when the thread wakes up
            time.sleep(0.1)
        second.join(5)
        assert not second.is_alive()
        assert (type(first.error), second.error) == (TimeLimit, None)
        check_usable(ecall, server, seen=2)
        ecall.close()


# Async code


async def drive(ecall: AsyncECall, action: Action) -> None:
    if action is send:
        await ecall.sms.send(NUMBER, TEXT)
    elif action is send_list:
        await ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)])
    elif action is status:
        await ecall.messages.status("m-1")
    elif action is wait:
        await ecall.messages.wait("m-1", timeout=20)
    elif action is upload:
        await ecall.media.upload(b"x" * BIG)
    elif action is download:
        await ecall.media.download("f-1", to=io.BytesIO())
    else:
        async with ecall.media.stream("f-1") as chunks:
            async for _ in chunks:
                pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@situations
def test_a_signal_handlers_exception_ends_an_event_loop(action: Action, moment: Moment) -> None:
    """It may be raised in the loop itself, which then cancels its tasks."""
    with timer() as way:

        def answer(exchange: Exchange) -> None:
            moment(exchange, way.fire)

        with Server(answer, sent(), keeps=False) as server:

            async def main() -> None:
                transport = pool_of_one(server.url, is_async=True)
                ecall = AsyncECall(
                    USERNAME,
                    PASSWORD,
                    base_url=server.url,
                    sender=SENDERS,
                    transport=transport,
                )
                await drive(ecall, action)

            with pytest.raises(TimeLimit):
                asyncio.run(main())
            time.sleep(0.1)
            assert len(server.requests) == 1
            gc.collect()  # what the broken event loop left open


@situations
def test_a_cancelled_task_sends_nothing_more(action: Action, moment: Moment) -> None:
    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[None]

    def answer(exchange: Exchange) -> None:
        def fire() -> None:
            time.sleep(0.05)
            loop.call_soon_threadsafe(task.cancel)

        moment(exchange, fire)

    with Server(answer, sent(), keeps=False) as server:

        async def main() -> None:
            nonlocal loop, task
            loop = asyncio.get_running_loop()
            transport = pool_of_one(server.url, is_async=True)
            async with AsyncECall(
                USERNAME, PASSWORD, base_url=server.url, sender=SENDERS, transport=transport
            ) as ecall:
                task = asyncio.create_task(drive(ecall, action))
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert len(server.requests) == 1
                for _ in range(120):
                    await ecall.sms.send(NUMBER, TEXT)
                assert len(server.requests) == 121

        asyncio.run(main())


# What the caller's own code raises

OWN_ERRORS: list[Exception] = [
    OSError(5, "Input/output error"),
    TimeoutError("the disk took too long"),
    ConnectionResetError("the network share is gone"),
    ValueError("no"),
    TimeLimit(),
    httpx.ReadTimeout("the source is a download"),
    httpx.ConnectError("the source is a download"),
    h11.RemoteProtocolError("the source is a download"),
]
own_errors = pytest.mark.parametrize("error", OWN_ERRORS, ids=lambda error: type(error).__name__)


class FailingFile(io.BytesIO):
    """A file that can be read for a while."""

    def __init__(self, error: Exception, good_chunks: int) -> None:
        super().__init__(b"x" * 2_000_000)
        self._error = error
        self._good_chunks = good_chunks
        self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        if size:
            self.reads += 1
            if self.reads > self._good_chunks:
                raise self._error
        return super().read(size)


@own_errors
@pytest.mark.parametrize("good_chunks", [0, 3])
def test_what_an_uploads_source_raises_comes_through(
    open_client: OpenClient, pauses: list[float], error: Exception, good_chunks: int
) -> None:
    with Server(sent(), keeps=False) as server:
        ecall = open_client(
            server, transport=pool_of_one(server.url, is_async=open_client.is_async)
        )
        for _ in range(3):
            with pytest.raises(type(error)) as caught:
                ecall.media.upload(FailingFile(error, good_chunks))
            assert caught.value is error
        assert pauses == []
        check_usable(ecall, server, seen=len(server.requests))


@own_errors
def test_what_a_progress_callback_raises_comes_through(
    open_client: OpenClient, pauses: list[float], error: Exception
) -> None:
    def fail(done: int, total: int | None) -> None:
        raise error

    file = reply(200, b"x" * 2_000_000)
    with Server(file, file, sent()) as server:
        ecall = open_client(
            server, transport=pool_of_one(server.url, is_async=open_client.is_async)
        )
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                ecall.media.download("f-1", to=io.BytesIO(), on_progress=fail)
            assert caught.value is error
        for _ in range(3):
            with pytest.raises(type(error)) as caught:
                ecall.media.upload(b"x" * 2_000_000, on_progress=fail)
            assert caught.value is error
        assert pauses == []
        check_usable(ecall, server, seen=len(server.requests))


@own_errors
def test_what_a_downloads_target_raises_comes_through(
    open_client: OpenClient, pauses: list[float], error: Exception
) -> None:
    class Full(io.BytesIO):
        def write(self, chunk: Any, /) -> int:
            if chunk:
                raise error
            return 0

    with Server(reply(200, b"x" * 2_000_000), sent()) as server:
        ecall = open_client(
            server, transport=pool_of_one(server.url, is_async=open_client.is_async)
        )
        with pytest.raises(type(error)) as caught:
            ecall.media.download("f-1", to=Full())
        assert caught.value is error
        check_usable(ecall, server, seen=1)


def test_an_exception_while_the_head_is_written_shows_no_credentials() -> None:
    """Sentry reports the variables of each frame; those that write hold the request's head."""

    def interrupt(frame: FrameType, event: str, function: object) -> None:
        is_write = event == "c_call" and getattr(function, "__name__", "") in {"send", "sendall"}
        if is_write and TOKEN in repr(frame.f_locals):
            sys.setprofile(None)
            raise TimeLimit

    with Server() as server:
        ecall = open_sync(server.url)
        try:
            sys.setprofile(interrupt)
            with pytest.raises(TimeLimit) as caught:
                send(ecall)
        finally:
            sys.setprofile(None)
        step = caught.value.__traceback__
        while step is not None:
            variables = repr(step.tb_frame.f_locals)
            assert TOKEN not in variables
            assert PASSWORD not in variables
            step = step.tb_next
        check_usable(ecall, server, seen=len(server.requests))
        ecall.close()


def test_an_oserror_of_a_signal_handler_is_taken_for_the_networks() -> None:
    """It cannot be told from it, as the docs say; nothing is sent after it all the same."""

    def fire() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.1)

    def answer(exchange: Exchange) -> None:
        silent(exchange, fire)

    with signal_handler(signal.SIGALRM, TimeoutError, fire), Server(answer) as server:
        ecall = open_sync(server.url)
        with pytest.raises(OutcomeUnknown):
            send(ecall)
        assert server.has_seen(1)
        ecall.close()
