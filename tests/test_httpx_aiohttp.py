"""Sends over httpx-aiohttp's transport, a library: nothing is sent twice, and what is believed of its errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from _clients import NUMBER, OTHER_NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _servers import REQUEST_ID, Server, reply, sent
from httpx_aiohttp import AiohttpTransport
from test_sockets_sends import AMBIGUOUS, REFUSED, Trouble

from ecall_facade import APIError, AsyncECall, ECallError, NotSent, OutcomeUnknown

T = TypeVar("T")
TLS = ssl.create_default_context()  # one for all, as reading the authorities takes 20 ms
# aiohttp warns of what httpx-aiohttp leaves open after an error.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def with_client(url: str, action: Callable[[AsyncECall], Awaitable[T]], read: float = 5) -> T:
    async def main() -> T:
        async with AsyncECall(
            USERNAME,
            PASSWORD,
            base_url=url,
            sender=SENDERS,
            timeout=(5, read),
            transport=AiohttpTransport(verify=TLS, trust_env=False),
        ) as ecall:
            return await action(ecall)

    return asyncio.run(main())


def error_of(
    url: str, action: Callable[[AsyncECall], Awaitable[object]], read: float
) -> ECallError | None:
    try:
        with_client(url, action, read)
    except ECallError as error:
        return error
    return None


async def send(ecall: AsyncECall) -> object:
    return await ecall.sms.send(NUMBER, TEXT)


async def broadcast(ecall: AsyncECall) -> object:
    return await ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT)


async def send_list(ecall: AsyncECall) -> object:
    return await ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)])


SENDS = [send, broadcast, send_list]


@pytest.mark.parametrize("trouble", [*AMBIGUOUS, *REFUSED], ids=lambda trouble: trouble.name)
def test_a_send_over_httpx_aiohttp_is_made_once(pauses: list[float], trouble: Trouble) -> None:
    for action in SENDS:
        with Server(trouble.response) as server:
            error = error_of(server.url, action, 0.2 if trouble.hangs else 5)
            if trouble in AMBIGUOUS:
                # aiohttp reads some responses that httpx cannot.
                assert error is None or error.may_have_been_sent
            else:
                assert error is not None
            assert not isinstance(error, NotSent)
            assert server.has_seen(1)
    assert pauses == []


@pytest.mark.parametrize("action", SENDS)
def test_a_refused_connection_over_httpx_aiohttp_is_not_sent(
    pauses: list[float], action: Callable[[AsyncECall], Awaitable[object]], closed_port: int
) -> None:
    with pytest.raises(NotSent) as caught:
        with_client(f"http://127.0.0.1:{closed_port}", action)
    assert not caught.value.may_have_been_sent
    assert len(pauses) == 2


@pytest.mark.parametrize("is_connector_error", [True, False])
def test_only_aiohttps_connector_error_proves_that_nothing_was_sent(
    pauses: list[float], is_connector_error: bool, closed_port: int
) -> None:
    """httpx-aiohttp calls a dropped connection a connect timeout."""
    with Server(lambda exchange: exchange.socket.shutdown(2)) as server:
        url = f"http://127.0.0.1:{closed_port}" if is_connector_error else server.url
        with pytest.raises(NotSent if is_connector_error else OutcomeUnknown) as caught:
            with_client(url, send)
        assert len(server.requests) == (0 if is_connector_error else 1)
    # By the class alone the two cannot be told apart.
    assert type(caught.value.__cause__).__name__ == "ConnectTimeout"


def test_a_429_over_httpx_aiohttp_is_tried_again(pauses: list[float]) -> None:
    with Server(reply(429, retry_after="0"), sent()) as server:
        with_client(server.url, send)
        assert len(server.requests) == 2


@pytest.mark.parametrize("location", ["mailto:x", "http://xn--a-.example/"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_location_over_httpx_aiohttp_does_not_lose_the_response(
    location: str, status: int
) -> None:
    with Server(reply(status, Location=location)) as server:
        with pytest.raises(APIError) as caught:
            with_client(server.url, send)
        assert (caught.value.status_code, caught.value.request_id) == (status, REQUEST_ID)
        assert server.has_seen(1)
