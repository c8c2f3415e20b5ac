"""`wait` ends at its timeout whatever the service does; a closed client does not retry; a huge body is refused."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import freezegun
import httpx
import pytest
import trustme
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _servers import Exchange, Hangup, Server, full_backlog, reply

from ecall_facade import (
    AsyncECall,
    ECall,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    UnreadableResponse,
    WaitTimeout,
)

if TYPE_CHECKING:
    from _clients import OpenClient
    from _servers import Response

TIMEOUT = 0.6
READ_TIMEOUT = 30


def dripping(start: bytes, drop: bytes) -> Response:
    def respond(exchange: Exchange) -> None:
        exchange.send(start)
        for _ in range(1000):
            exchange.send(drop)
            time.sleep(0.01)
        raise Hangup

    return respond


HEAD = b"HTTP/1.1 200 OK\r\nx-a: "
BODY = reply(200, b"{", Content_Length="30000")
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
DRIPS = {
    "in the head": dripping(HEAD, b"x"),
    "in the body": dripping(BODY, b" "),
    "in chunks": dripping(CHUNKED, b"1\r\n \r\n"),
    "informational": dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


# anyio may lose a connection that is cancelled while it is made, and leave it to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _sockets_are_collected() -> Iterator[None]:
    """Here, and not in another test."""
    yield
    gc.collect()


@contextlib.contextmanager
def ends_in_time(limit: float = TIMEOUT, extra: float = 1.5) -> Iterator[None]:
    begun = time.clock_gettime(time.CLOCK_MONOTONIC)
    with pytest.raises(WaitTimeout):
        yield
    assert limit * 0.5 <= time.clock_gettime(time.CLOCK_MONOTONIC) - begun < limit + extra


@pytest.mark.long
@pytest.mark.parametrize("drip", DRIPS)
def test_wait_ends_while_a_response_drips(open_client: OpenClient, drip: str) -> None:
    with Server(DRIPS[drip]) as server, ends_in_time():
        open_client(server, timeout=READ_TIMEOUT).messages.wait("m-1", timeout=TIMEOUT)


@pytest.mark.long
def test_wait_ends_while_a_connection_hangs(open_client: OpenClient) -> None:
    with full_backlog() as url, ends_in_time():
        open_client(url, timeout=READ_TIMEOUT).messages.wait("m-1", timeout=TIMEOUT)


@pytest.mark.long
def test_wait_ends_while_a_tls_handshake_hangs(open_client: OpenClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ends_in_time():
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        open_client(url, timeout=READ_TIMEOUT).messages.wait("m-1", timeout=TIMEOUT)


@pytest.mark.long
def test_wait_ends_while_a_tls_handshake_drips(open_client: OpenClient) -> None:
    """A record of TLS that never becomes complete."""
    begin = b"\x16\x03\x03\x40\x00"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(begin)
                    for _ in range(300):
                        connection.sendall(b"\0")
                        time.sleep(0.01)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with ends_in_time():
            url = f"https://127.0.0.1:{listener.getsockname()[1]}"
            open_client(url, timeout=READ_TIMEOUT).messages.wait("m-1", timeout=TIMEOUT)
        thread.join(10)


def give_addresses(
    monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[tuple[str, int]]
) -> None:
    """Let a name have these addresses, in this order."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        asked = host.decode() if isinstance(host, bytes) else host
        return found if asked == name else real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def fill(stack: contextlib.ExitStack, listener: socket.socket) -> None:
    """Fill the backlog of a listener, so that further connection attempts hang."""
    listener.listen(0)
    for _ in range(4):
        guest = stack.enter_context(socket.socket())
        guest.setblocking(False)
        guest.connect_ex(listener.getsockname())


@pytest.fixture
def hanging_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host with eight addresses that take no connection."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(socket.socket())
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        listeners = [first]
        for number in range(2, 9):
            listener = stack.enter_context(socket.socket())
            listener.bind((f"127.0.0.{number}", port))
            listeners.append(listener)
        for listener in listeners:
            fill(stack, listener)
        addresses = [listener.getsockname() for listener in listeners]
        give_addresses(monkeypatch, "rest.ecall.example", addresses)
        yield f"https://rest.ecall.example:{port}"


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no address 127.0.0.2")
def test_wait_ends_while_each_address_of_a_host_hangs(
    open_client: OpenClient, hanging_addresses: str
) -> None:
    with ends_in_time():
        open_client(hanging_addresses, timeout=READ_TIMEOUT).messages.wait("m-1", timeout=TIMEOUT)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no address 127.0.0.2")
def test_the_addresses_of_a_host_share_the_connect_timeout(
    open_client: OpenClient, hanging_addresses: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(NotSent):
        open_client(hanging_addresses, timeout=(TIMEOUT, 30), retry=False).sms.send(NUMBER, TEXT)
    assert time.monotonic() - begun < TIMEOUT + 1.5


@pytest.mark.long
@pytest.mark.parametrize("drip", DRIPS)
def test_wait_ends_under_a_frozen_clock(drip: str) -> None:
    with (
        Server(DRIPS[drip]) as server,
        ECall(
            USERNAME, PASSWORD, base_url=server.url, sender=SENDERS, timeout=READ_TIMEOUT
        ) as ecall,
        freezegun.freeze_time("2026-01-15"),
        ends_in_time(),
    ):
        ecall.messages.wait("m-1", timeout=TIMEOUT)


@pytest.mark.long
def test_wait_polls_and_ends_under_a_frozen_clock() -> None:
    pending = reply(200, {"messageId": "m-1", "state": "Pending"})
    with Server(pending) as server:
        ecall = ECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS)
        with ecall, freezegun.freeze_time("2026-01-15"), ends_in_time(1.2):
            ecall.messages.wait("m-1", timeout=1.2)
        assert 2 <= len(server.requests) < 10


class Own(httpx.BaseTransport):
    """A caller's own transport, over httpx's."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class AsyncOwn(httpx.AsyncBaseTransport):
    """`Own` for async clients."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.mark.long
@pytest.mark.parametrize("drip", [None, "in the body", "in chunks"])
def test_wait_ends_over_a_transport_of_the_callers(
    open_client: OpenClient, drip: str | None
) -> None:
    """In sync code one read timeout later, as nothing can interrupt such a transport."""

    def silent(exchange: Exchange) -> None:
        exchange.wait_for_end()
        raise Hangup

    with Server(DRIPS[drip] if drip else silent) as server:
        transport = AsyncOwn() if open_client.is_async else Own()
        extra = 1.5 if open_client.is_async else 1 + 1.5
        with ends_in_time(extra=extra):
            open_client(server, timeout=(5, 1), transport=transport).messages.wait(
                "m-1", timeout=TIMEOUT
            )


# A client that is closed during the pause before a retry


@pytest.mark.long
def test_a_client_closed_before_a_retry_does_not_retry() -> None:
    for response, error in (
        (reply(429, retry_after="0.6"), RateLimited),
        (reply(503, retry_after="0.6"), ServerError),
    ):
        with Server(response) as server:
            ecall = ECall(USERNAME, PASSWORD, base_url=server.url, sender=SENDERS)
            timer = threading.Timer(0.2, ecall.close)
            timer.start()
            with pytest.raises(error) as caught:
                ecall.sms.send(NUMBER, TEXT)
            timer.join()
            assert caught.value.request_id
            assert len(server.requests) == 1


def test_an_async_client_closed_before_a_retry_does_not_retry() -> None:
    async def main(url: str) -> None:
        ecall = AsyncECall(USERNAME, PASSWORD, base_url=url, sender=SENDERS)
        send = asyncio.create_task(ecall.sms.send(NUMBER, TEXT))
        await asyncio.sleep(0.2)
        await ecall.aclose()
        with pytest.raises(RateLimited):
            await send

    with Server(reply(429, retry_after="0.6")) as server:
        asyncio.run(main(server.url))
        assert len(server.requests) == 1


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no address 127.0.0.2")
@pytest.mark.parametrize("fault", ["refuses", "hangs"])
def test_a_dead_address_of_a_host_leaves_time_for_the_next_one(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(Server())
        dead = stack.enter_context(socket.socket())
        dead.bind(("127.0.0.2", server.port))
        if fault == "hangs":
            fill(stack, dead)
        give_addresses(monkeypatch, "localhost", [dead.getsockname(), (server.host, server.port)])
        ecall = open_client(f"http://localhost:{server.port}", timeout=(3, 30), retry=False)
        begun = time.monotonic()
        assert ecall.sms.send(NUMBER, TEXT).message_id
        assert time.monotonic() - begun < 2.8  # the dead one has half of the time at most
        assert len(server.requests) == 1


@pytest.mark.long
@pytest.mark.parametrize("drip", ["in the head", "in the body"])
def test_wait_ends_while_a_response_drips_over_tls(
    open_client: OpenClient, drip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with Server(DRIPS[drip], tls=tls) as server, ends_in_time():
        open_client(server, timeout=READ_TIMEOUT).messages.wait("m-1", timeout=TIMEOUT)


# A compressed body that is far larger than it seems


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b" " * 1024 * 1024
    parts = [packer.compress(block) for _ in range(megabytes)]
    return b"".join([*parts, packer.flush()])


@pytest.mark.long
def test_a_gzip_bomb_is_unreadable(open_client: OpenClient) -> None:
    with Server(reply(200, bomb(300), Content_Encoding="gzip")) as server:
        ecall = open_client(server)
        with pytest.raises(UnreadableResponse) as caught:
            ecall.sms.send(NUMBER, TEXT)
        assert caught.value.may_have_been_sent
        assert caught.value.request_id
        assert len(server.requests) == 1
        assert server.has_closed()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no module resource")
def test_a_gzip_bomb_does_not_take_its_memory() -> None:
    program = """
        import resource, sys
        from ecall_facade import ECall, UnreadableResponse
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with ECall("user", "password", base_url=sys.argv[1], sender="ACME") as ecall:
            try:
                ecall.sms.send("+41791234567", "Hello")
            except UnreadableResponse:
                after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                print((after - before) // 1024)
    """
    with Server(reply(200, bomb(1000), Content_Encoding="gzip")) as server:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), server.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert 0 <= int(done.stdout) < 200


def test_a_compressed_response_of_a_usual_size_is_read(open_client: OpenClient) -> None:
    body = gzip.compress(b'{"messageId": "m-1"}' + b" " * 1_000_000)
    with Server(reply(200, body, Content_Encoding="gzip")) as server:
        assert open_client(server).sms.send(NUMBER, TEXT).message_id == "m-1"


def test_a_send_is_ambiguous_where_its_response_drips_beyond_the_read_timeout(
    open_client: OpenClient,
) -> None:
    """A read timeout is for each read, and no retry follows it."""

    def stop(exchange: Exchange) -> None:
        exchange.send(HEAD)
        exchange.wait_for_end()
        raise Hangup

    with Server(stop) as server:
        with pytest.raises(OutcomeUnknown):
            open_client(server, timeout=(5, 0.2)).sms.send(NUMBER, TEXT)
        assert server.has_seen(1)
