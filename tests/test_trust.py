"""Which exceptions are the transport's own, and which of them prove that nothing was sent."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import h11
import httpcore
import httpx
import idna
import pytest
from _attempts import AMBIGUOUS, NEVER_CONNECTED, class_name

from ecall_facade._transports.trust import Trust


class OtherTransport(httpx.BaseTransport):
    """A transport of somebody else's."""


class SubclassOfTheTransport(httpx.HTTPTransport):
    """One that httpx's transport was made into; what it does to errors is not known."""


class ErrorOfThisPackage(Exception):
    """Defined in the package of `OtherTransport`, which is this module."""


class ClientConnectorError(Exception):
    """Named like the error of aiohttp, but not aiohttp's."""


def no_response(_: httpx.Request) -> httpx.Response:
    raise NotImplementedError


OWN = [
    *NEVER_CONNECTED,
    *AMBIGUOUS,
    httpx.InvalidURL("no"),
    httpx.StreamConsumed(),
    httpcore.ReadError("reset"),
    h11.RemoteProtocolError("no"),
    anyio.EndOfStream(),
    anyio.ClosedResourceError(),
    idna.IDNAError("no"),
    TimeoutError("network"),
    ConnectionResetError(104, "reset"),
]
FOREIGN = [
    RuntimeError("x"),
    KeyError("x"),
    AssertionError("x"),
    ValueError("x"),
    asyncio.InvalidStateError("x"),
    ErrorOfThisPackage("x"),
]


@pytest.mark.parametrize("error", OWN, ids=class_name)
@pytest.mark.parametrize("transport", [None, OtherTransport()])
def test_errors_of_the_network_and_of_httpx_are_the_transports_own(
    error: Exception, transport: Any
) -> None:
    assert Trust(transport).is_own(error)


@pytest.mark.parametrize("error", FOREIGN, ids=class_name)
def test_any_other_exception_is_foreign(error: Exception) -> None:
    assert not Trust(None).is_own(error)
    assert not Trust(httpx.MockTransport(no_response)).is_own(error)


def test_an_exception_from_the_package_of_the_callers_transport_is_its_own() -> None:
    trust = Trust(OtherTransport())
    assert trust.is_own(ErrorOfThisPackage("x"))
    assert not trust.is_own(RuntimeError("x"))


@pytest.mark.parametrize(
    "transport",
    [
        None,
        httpx.HTTPTransport(),
        httpx.AsyncHTTPTransport(),
        httpx.MockTransport(no_response),
    ],
    ids=lambda transport: type(transport).__name__,
)
def test_a_connection_error_of_a_known_transport_proves_that_nothing_was_sent(
    transport: Any,
) -> None:
    trust = Trust(transport)
    for error in [*NEVER_CONNECTED, httpx.PoolTimeout("busy")]:
        assert trust.proves_unsent(error)
    for error in [*AMBIGUOUS, *FOREIGN]:
        assert not trust.proves_unsent(error)


@pytest.mark.parametrize("transport", [OtherTransport(), SubclassOfTheTransport()])
def test_no_error_of_an_unknown_transport_proves_that_nothing_was_sent(transport: Any) -> None:
    trust = Trust(transport)
    for error in [*NEVER_CONNECTED, httpx.PoolTimeout("busy"), *AMBIGUOUS]:
        assert not trust.proves_unsent(error)


def test_the_cause_has_to_be_aiohttps_own_class() -> None:
    error = httpx.ConnectError("refused")
    error.__cause__ = ClientConnectorError("refused")
    assert not Trust(OtherTransport()).proves_unsent(error)
    of_aiohttp = type("ClientConnectorError", (Exception,), {})
    of_aiohttp.__module__ = "aiohttp.client_exceptions"
    error.__cause__ = type("ClientConnectorDNSError", (of_aiohttp,), {})("refused")
    assert Trust(OtherTransport()).proves_unsent(error)
    lost = httpx.ReadError("reset")
    lost.__cause__ = error.__cause__
    assert not Trust(OtherTransport()).proves_unsent(lost)
