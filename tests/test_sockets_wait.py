"""Waiting for a message: what is waited out, what is not, and that it ends in time whatever the service does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from _servers import REQUEST_ID, Answer, Server, cut, drop, hang, reply, reset, then

from ecall_facade import (
    AuthenticationError,
    BadRequest,
    DeliveryState,
    ECallError,
    NotFound,
    PermissionDenied,
    WaitTimeout,
    _wait,
)

if TYPE_CHECKING:
    from _clients import OpenClient

PENDING, SENT, DELIVERED, FAILED = (
    reply(200, {"messageId": "m-1", "state": state})
    for state in ("Pending", "Sent", "Delivered", "Failed")
)
PASSING: dict[str, Answer] = {
    "not there yet": reply(404),
    "500": reply(500),
    "502": reply(502, b"<html>"),
    "503": reply(503),
    "503 with both": reply(503, retry_after="0"),
    "504": reply(504),
    "408": reply(408),
    "429": reply(429, retry_after="0"),
    "dropped": drop,
    "reset": reset,
    "cut": cut(b"HTTP/1.1 200 OK\r\nConte"),
    "cut in the body": cut(reply(200, b"{", Content_Length="30")),
    "HTML": reply(200, b"<html>"),
    "empty": reply(200),
    "a list": reply(200, [{"state": "Delivered"}]),
}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wait, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_wait, "_LONGEST_PAUSE", 0.05)


def test_wait_returns_when_the_message_is_delivered(open_client: OpenClient) -> None:
    with Server(reply(404), PENDING, reply(500), SENT, drop, SENT, DELIVERED) as server:
        status = open_client(server).messages.wait("m-1", timeout=20)
        assert status.state is DeliveryState.DELIVERED
        assert status.is_final
        assert status.request_id == REQUEST_ID
        assert len(server.requests) == 7


def test_wait_until_sent_returns_when_the_message_is_sent(open_client: OpenClient) -> None:
    with Server(PENDING, SENT, DELIVERED) as server:
        assert (
            open_client(server).messages.wait("m-1", timeout=20, until="sent").state
            is DeliveryState.SENT
        )
        assert len(server.requests) == 2


def test_wait_returns_a_message_that_failed(open_client: OpenClient) -> None:
    with Server(PENDING, FAILED) as server:
        for until in ("final", "sent"):
            assert (
                open_client(server).messages.wait("m-1", timeout=20, until=until).state
                is DeliveryState.FAILED
            )


@pytest.mark.parametrize("trouble", PASSING)
def test_wait_absorbs_errors_that_may_pass(open_client: OpenClient, trouble: str) -> None:
    with Server(PENDING, PASSING[trouble], PASSING[trouble], DELIVERED) as server:
        assert open_client(server).messages.wait("m-1", timeout=20).state is DeliveryState.DELIVERED
        assert len(server.requests) == 4


def test_wait_survives_a_service_that_is_down_for_a_while(
    open_client: OpenClient, closed_port: int
) -> None:
    with pytest.raises(WaitTimeout) as caught:
        open_client(f"http://127.0.0.1:{closed_port}").messages.wait("m-1", timeout=0.2)
    assert caught.value.status is None
    assert caught.value.may_have_been_sent


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


def test_wait_raises_a_404_that_stays(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the first 30 seconds the message may be too new; then there is none."""
    monkeypatch.setattr(_wait, "_NEW", 0.1)
    with Server(reply(404)) as server:
        begun = time.monotonic()
        with pytest.raises(NotFound, match="seven days"):
            open_client(server).messages.wait("m-1", timeout=20)
        assert 0.1 <= time.monotonic() - begun < 5
        assert len(server.requests) > 2


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
    open_client: OpenClient, script: list[Answer], state: DeliveryState | None
) -> None:
    """The timeout is for the whole of it, whatever each read may take."""
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
def test_wait_keeps_the_pause_that_the_service_asks_for(open_client: OpenClient, code: int) -> None:
    """Where it goes beyond the timeout, there is nothing to wait for."""
    with Server(PENDING, reply(code, retry_after="100")) as server:
        begun = time.monotonic()
        with pytest.raises(WaitTimeout, match="100 s") as caught:
            open_client(server).messages.wait("m-1", timeout=50)
        assert time.monotonic() - begun < 5
        assert caught.value.status is not None
        assert len(server.requests) == 2
    with Server(reply(code, retry_after="0.3"), DELIVERED) as server:
        begun = time.monotonic()
        open_client(server).messages.wait("m-1", timeout=50)
        assert time.monotonic() - begun >= 0.3


def test_wait_also_keeps_the_timeout_of_the_client(open_client: OpenClient) -> None:
    """One look that hangs does not eat up the whole time."""
    with Server(hang, hang, DELIVERED) as server:
        status = open_client(server, timeout=(1, 0.2)).messages.wait("m-1", timeout=20)
        assert status.state is DeliveryState.DELIVERED
        assert len(server.requests) >= 3


def test_wait_asks_less_and_less_often(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(PENDING) as server:
        with pytest.raises(WaitTimeout):
            open_client(server).messages.wait("m-1", timeout=0.5)
        assert 5 < len(server.requests) < 40
        assert server.connections == 1
