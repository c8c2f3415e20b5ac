"""Transports that the caller brings: which of their exceptions are believed, and which come through."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h11
import httpx
import pytest
from _clients import NUMBER, TEXT, OpenClient
from _servers import REQUEST_ID, Server, drop, reply, sent

from ecall_facade import (
    ECallError,
    InvalidConfiguration,
    NotSent,
    OutcomeUnknown,
    ServiceUnreachable,
)

if TYPE_CHECKING:
    from ecall_facade import ECall

Change = Callable[[httpx.Response], httpx.Response]


class Wrapped(httpx.BaseTransport):
    """Sends, and then does to the answer what the test says."""

    def __init__(self, change: Change) -> None:
        self._inner = httpx.HTTPTransport()
        self._change = change

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        response.read()
        return self._change(response)

    def close(self) -> None:
        self._inner.close()


class AsyncWrapped(httpx.AsyncBaseTransport):
    """`Wrapped` for async clients."""

    def __init__(self, change: Change) -> None:
        self._inner = httpx.AsyncHTTPTransport()
        self._change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        await response.aread()
        return self._change(response)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Derived(httpx.HTTPTransport):
    """Made from one of httpx's own, which says nothing about what it does."""


class AsyncDerived(httpx.AsyncHTTPTransport):
    """The same for async clients."""


@contextmanager
def client(
    open_client: OpenClient, server: Server | str, change: Change, **options: Any
) -> Iterator[ECall]:
    transport = AsyncWrapped(change) if open_client.is_async else Wrapped(change)
    yield open_client(server, transport=transport, **options)


def raising(error: Exception) -> Change:
    def change(_: httpx.Response) -> httpx.Response:
        raise error

    return change


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("client error (SendRequest)"),
        httpx.ConnectTimeout("timed out"),
        httpx.PoolTimeout("timed out"),
        httpx.ProxyError("407"),
        httpx.UnsupportedProtocol("what?"),
        httpx.ReadError("reset"),
        httpx.StreamClosed(),
        h11.LocalProtocolError("too much data"),
        ConnectionRefusedError(111, "Connection refused"),
        TimeoutError("timed out"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_an_unknown_transport_after_sending_is_not_repeated(
    open_client: OpenClient, pauses: list[float], error: Exception
) -> None:
    with Server() as server, client(open_client, server, raising(error)) as ecall:
        for count in (1, 2):
            with pytest.raises(OutcomeUnknown) as caught:
                ecall.sms.send(NUMBER, TEXT)
            assert caught.value.may_have_been_sent
            assert TEXT not in str(caught.value)
            assert len(server.requests) == count
        with pytest.raises(OutcomeUnknown) as upload:
            ecall.media.upload(b"a file")
        assert not upload.value.may_have_been_sent
        assert pauses == []
        with pytest.raises(ServiceUnreachable):
            ecall.messages.status("m-1")


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), RecursionError(), RuntimeError("time limit")]
)
def test_an_exception_that_is_not_the_transports_own_comes_through(
    open_client: OpenClient, pauses: list[float], error: Exception
) -> None:
    """Such as the time limit of a job queue; nothing is sent after it."""
    with Server() as server, client(open_client, server, raising(error)) as ecall:
        for count, action in enumerate((send, upload, status), start=1):
            with pytest.raises(type(error)) as caught:
                action(ecall)
            assert caught.value is error
            assert len(server.requests) == count
    assert pauses == []


def send(ecall: ECall) -> object:
    return ecall.sms.send(NUMBER, TEXT)


def upload(ecall: ECall) -> object:
    return ecall.media.upload(b"a file")


def status(ecall: ECall) -> object:
    return ecall.messages.status("m-1")


class OwnError(Exception):
    """An exception of the package that a transport is defined in."""


def test_an_exception_of_the_transports_package_is_its_own(open_client: OpenClient) -> None:
    with Server() as server, client(open_client, server, raising(OwnError())) as ecall:
        with pytest.raises(OutcomeUnknown):
            ecall.sms.send(NUMBER, TEXT)
        assert len(server.requests) == 1


def test_connection_errors_of_a_subclass_of_httpx_transports_are_not_retried(
    open_client: OpenClient, pauses: list[float], closed_port: int
) -> None:
    """It may well do something else; the price is that a refused connection is an unknown outcome."""
    for url, cause in (
        (f"http://127.0.0.1:{closed_port}", httpx.ConnectError),
        (None, httpx.RemoteProtocolError),
    ):
        with Server(drop) as server:
            transport = AsyncDerived() if open_client.is_async else Derived()
            with pytest.raises(OutcomeUnknown) as caught:
                open_client(url or server, transport=transport).sms.send(NUMBER, TEXT)
            assert isinstance(caught.value.__cause__, cause)
            assert len(server.requests) == (0 if url else 1)
    assert pauses == []


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("timed out")]
)
def test_connection_errors_of_httpx_transports_are_retried(
    open_client: OpenClient, pauses: list[float], error: Exception, closed_port: int
) -> None:
    calls: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise error

    with pytest.raises(NotSent):
        open_client("https://rest.ecall.example", transport=httpx.MockTransport(handle)).sms.send(
            NUMBER, TEXT
        )
    assert len(calls) == 3

    transport = httpx.AsyncHTTPTransport() if open_client.is_async else httpx.HTTPTransport()
    with pytest.raises(NotSent):
        open_client(f"http://127.0.0.1:{closed_port}", transport=transport).sms.send(NUMBER, TEXT)


def as_it_is(response: httpx.Response) -> httpx.Response:
    return response


def made_anew(response: httpx.Response) -> httpx.Response:
    return httpx.Response(response.status_code, headers=response.headers, content=response.content)


def from_json(_: httpx.Response) -> httpx.Response:
    return httpx.Response(
        200, json={"messageId": "m-1", "mediaId": "f-1"}, headers={"x-f24-request-id": REQUEST_ID}
    )


def zipped(_: httpx.Response) -> httpx.Response:
    content = gzip.compress(b'{"messageId": "m-1", "mediaId": "f-1"}')
    return httpx.Response(
        200, content=content, headers={"content-encoding": "gzip", "x-f24-request-id": REQUEST_ID}
    )


@pytest.mark.parametrize("change", [as_it_is, made_anew, from_json, zipped])
def test_responses_of_other_transports_are_read(open_client: OpenClient, change: Change) -> None:
    """Those that keep what they have read, or make answers of their own, give as good ones."""
    with Server(sent()) as server, client(open_client, server, change) as ecall:
        for _ in range(2):
            result = ecall.sms.send(NUMBER, TEXT)
            assert result.message_id == "m-1"
            assert result.request_id == REQUEST_ID
        assert ecall.media.upload(b"a file").media_id == "f-1"
        with ecall.media.stream("f-1") as chunks:
            assert b'"m-1"' in b"".join(chunks)
    with (
        Server(reply(429, retry_after="0"), sent()) as server,
        client(open_client, server, as_it_is) as ecall,
    ):
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert len(server.requests) == 2


def test_a_refusal_is_believed_over_any_transport(
    open_client: OpenClient, pauses: list[float]
) -> None:
    with (
        Server(reply(503, retry_after="0")) as server,
        client(open_client, server, as_it_is) as ecall,
    ):
        with pytest.raises(ECallError):
            ecall.sms.send(NUMBER, TEXT)
        assert len(server.requests) == 3


def test_a_transport_of_the_wrong_kind_is_refused(open_client: OpenClient) -> None:
    """A sync one for an async client, and the other way round."""
    transport = httpx.HTTPTransport() if open_client.is_async else httpx.AsyncHTTPTransport()
    with pytest.raises(InvalidConfiguration, match="BaseTransport"):
        open_client("https://rest.ecall.example", transport=transport)


class Closing(httpx.MockTransport):
    """Keeps whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True

    async def aclose(self) -> None:
        self.is_closed = True


def test_a_transport_is_closed_with_its_client_even_if_it_was_never_used(
    open_client: OpenClient,
) -> None:
    transport = Closing(lambda _: httpx.Response(200))
    open_client("https://rest.ecall.example", transport=transport).close()
    assert transport.is_closed
