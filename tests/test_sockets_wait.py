"""Waiting for a message over sockets; the rules are in the tables of `test_wait.py`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from _servers import REQUEST_ID, Response, Server, drop, hang, reply, then

from ecall_facade import (
    AuthenticationError,
    BadRequest,
    DeliveryState,
    ECallError,
    NotFound,
    PermissionDenied,
    WaitTimeout,
)

if TYPE_CHECKING:
    from _clients import OpenClient

PENDING, SENT, DELIVERED, FAILED = (
    reply(200, {"messageId": "m-1", "state": state})
    for state in ("Pending", "Sent", "Delivered", "Failed")
)


@pytest.mark.usefixtures("pauses")
def test_wait_returns_when_the_message_is_delivered(open_client: OpenClient) -> None:
    """Responses that may pass are waited out; `test_wait.py` has the table of them."""
    page = reply(200, b"<html>")
    script: list[Response] = [reply(404), PENDING, reply(500), SENT, drop, page, SENT, DELIVERED]
    with Server(*script) as server:
        status = open_client(server).messages.wait("m-1", timeout=100)
        assert status.state is DeliveryState.DELIVERED
        assert status.is_final
        assert status.request_id == REQUEST_ID
        assert len(server.requests) == len(script)


@pytest.mark.usefixtures("pauses")
def test_wait_until_sent_returns_when_the_message_is_sent(open_client: OpenClient) -> None:
    with Server(PENDING, SENT, DELIVERED) as server:
        assert (
            open_client(server).messages.wait("m-1", timeout=20, until="sent").state
            is DeliveryState.SENT
        )
        assert len(server.requests) == 2


@pytest.mark.usefixtures("pauses")
def test_wait_returns_a_message_that_failed(open_client: OpenClient) -> None:
    with Server(PENDING, FAILED) as server:
        for until in ("final", "sent"):
            assert (
                open_client(server).messages.wait("m-1", timeout=20, until=until).state
                is DeliveryState.FAILED
            )


def test_wait_survives_a_service_that_is_down_for_a_while(
    open_client: OpenClient, closed_port: int
) -> None:
    with pytest.raises(WaitTimeout) as caught:
        open_client(f"http://127.0.0.1:{closed_port}").messages.wait("m-1", timeout=0.2)
    assert caught.value.status is None
    assert caught.value.may_have_been_sent


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    ("code", "error"),
    [(400, BadRequest), (401, AuthenticationError), (403, PermissionDenied), (409, ECallError)],
)
def test_wait_raises_errors_that_will_not_pass(
    open_client: OpenClient, code: int, error: type[ECallError]
) -> None:
    with Server(PENDING, reply(code)) as server:
        with pytest.raises(error) as caught:
            open_client(server).messages.wait("m-1", timeout=20)
        assert not isinstance(caught.value, WaitTimeout)
        assert caught.value.may_have_been_sent
        assert caught.value.request_id == REQUEST_ID
        assert len(server.requests) == 2


def test_wait_raises_a_404_that_stays(open_client: OpenClient, pauses: list[float]) -> None:
    """For the first 30 seconds the message may be too new; then there is none."""
    with Server(reply(404)) as server:
        with pytest.raises(NotFound, match="seven days"):
            open_client(server).messages.wait("m-1", timeout=100)
        assert 30 <= sum(pauses) < 50
        assert len(server.requests) == len(pauses) + 1


@pytest.mark.parametrize(
    ("script", "state"),
    [
        ([PENDING], DeliveryState.PENDING),
        ([PENDING, SENT, hang], DeliveryState.SENT),
        ([SENT, drop], DeliveryState.SENT),
        ([hang], None),
        ([then(b"HTTP/1.1 200 OK\r\nContent-Le", hang)], None),
        ([then(reply(200, b"{", Content_Length="30"), hang)], None),
        ([reply(404)], None),
    ],
    ids=["pending", "then hangs", "then drops", "hangs", "in headers", "in body", "404"],
)
def test_wait_ends_at_its_timeout(
    open_client: OpenClient, script: list[Response], state: DeliveryState | None
) -> None:
    """The timeout is for all requests together, whatever each read may take."""
    with Server(*script) as server:
        ecall = open_client(server, timeout=(30, 30))
        begun = time.monotonic()
        with pytest.raises(WaitTimeout) as caught:
            ecall.messages.wait("m-1", timeout=0.4)
        assert 0.3 <= time.monotonic() - begun < 5
        error = caught.value
        assert isinstance(error, TimeoutError)
        assert (error.status.state if error.status else None) == state
        assert error.may_have_been_sent
        assert "0.4 s" in str(error)


@pytest.mark.parametrize("code", [429, 503])
def test_wait_keeps_the_pause_that_the_service_asks_for(
    open_client: OpenClient, pauses: list[float], code: int
) -> None:
    """If it goes beyond the timeout, there is nothing to wait for."""
    with Server(PENDING, reply(code, retry_after="100")) as server:
        with pytest.raises(WaitTimeout, match="100 s") as caught:
            open_client(server).messages.wait("m-1", timeout=50)
        assert caught.value.status is not None
        assert len(server.requests) == 2
    pauses.clear()
    with Server(reply(code, retry_after="7"), DELIVERED) as server:
        open_client(server).messages.wait("m-1", timeout=50)
    assert pauses == [7.0]


@pytest.mark.usefixtures("pauses")
def test_wait_also_keeps_the_timeout_of_the_client(open_client: OpenClient) -> None:
    """One request that hangs does not take the whole time."""
    with Server(hang, hang, DELIVERED) as server:
        status = open_client(server, timeout=(1, 0.2)).messages.wait("m-1", timeout=20)
        assert status.state is DeliveryState.DELIVERED
        assert len(server.requests) >= 3
