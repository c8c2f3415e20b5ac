"""The HTTP clients of a client of eCall: one for each owner, which is a process or an event loop."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Generator
from functools import partial

import httpx

from ecall_facade._settings import Account
from ecall_facade._transports.client_parts import (
    FixedAuth,
    NoCookies,
    hide_location,
    hide_location_async,
)
from ecall_facade._transports.environment import find_proxy, make_tls_context
from ecall_facade._transports.pools import (
    KEEPALIVE,
    MAX_CONNECTIONS,
    AsyncConnectionPool,
    ConnectionPool,
)
from ecall_facade._transports.trust import Trust
from ecall_facade.errors import InvalidConfiguration


class Connections:
    """The HTTP clients of a sync client and its copies; one for each process.

    Args:
        account: Where requests go, and as whom.
        transport: The caller's own transport, or None for a connection pool.
    """

    def __init__(self, account: Account, transport: httpx.BaseTransport | None) -> None:
        check_transport(transport, httpx.BaseTransport)
        self._account = account
        self._transport = transport
        self._clients: dict[int, httpx.Client] = {}
        self.is_closed: bool = False
        self.trust: Trust = Trust(transport)

    def client(self) -> httpx.Client:
        """Return the HTTP client of this process.

        Raises:
            InvalidConfiguration: The client is closed, or the environment's settings cannot be used.
        """
        if self.is_closed:
            raise closed_error()
        # The one of a parent process stays untouched: closing it would disturb its connections.
        owner = os.getpid()
        client = self._clients.get(owner)
        if client is None:
            client = self._clients.setdefault(owner, self._open())
        return client

    def _open(self) -> httpx.Client:
        return httpx.Client(
            transport=self._transport or open_pool(self._account),
            auth=FixedAuth(self._account),
            cookies=NoCookies(),
            event_hooks={"response": [hide_location]},
            trust_env=False,
        )

    def close(self) -> None:
        self.is_closed = True
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()
        elif self._transport is not None:
            self._transport.close()


class AsyncConnections:
    """`Connections` of an async client; one HTTP client for each event loop."""

    def __init__(self, account: Account, transport: httpx.AsyncBaseTransport | None) -> None:
        check_transport(transport, httpx.AsyncBaseTransport)
        self._account = account
        self._transport = transport
        self._clients: dict[object, httpx.AsyncClient] = {}
        self._finalizers: dict[object, AsyncGenerator[None, None]] = {}
        self.is_closed: bool = False
        self.trust: Trust = Trust(transport)

    def client(self) -> httpx.AsyncClient:
        """Return the HTTP client of the running event loop; raises as that of `Connections`."""
        if self.is_closed:
            raise closed_error()
        owner = running_loop()
        client = self._clients.get(owner)
        return client if client is not None else self._open(owner)

    def _open(self, owner: object) -> httpx.AsyncClient:
        # Clients of event loops that were closed without running their finalizers are dropped.
        for other in list(self._clients):  # a copy, as other threads open clients as well
            if is_closed_loop(other):
                self._clients.pop(other, None)
                self._finalizers.pop(other, None)
        client = httpx.AsyncClient(
            transport=self._transport or open_async_pool(self._account),
            auth=FixedAuth(self._account),
            cookies=NoCookies(),
            event_hooks={"response": [hide_location_async]},
            trust_env=False,
        )
        client = self._clients.setdefault(owner, client)
        if self._transport is None:
            finalizer = self._finalizers[owner] = self._finalize(owner, client)
            with contextlib.suppress(StopIteration):  # it reaches its yield without waiting
                finalizer.__anext__().send(None)
        return client

    async def _finalize(
        self, owner: object, client: httpx.AsyncClient
    ) -> AsyncGenerator[None, None]:
        """Close a client when its event loop ends.

        asyncio and trio both finish the async generators that were begun in them.
        """
        try:
            yield
        finally:
            self._clients.pop(owner, None)
            self._finalizers.pop(owner, None)
            await client.aclose()

    async def aclose(self) -> None:
        self.is_closed = True
        owner = running_loop()
        finalizer = self._finalizers.pop(owner, None)
        client = self._clients.pop(owner, None)
        if finalizer is not None:
            await finalizer.aclose()
        elif client is not None:
            await client.aclose()
        elif self._transport is not None:
            await self._transport.aclose()


def check_transport(transport: object, kind: type[object]) -> None:
    """Raise if a transport is of the other kind, which would fail at the first request."""
    if transport is not None and not isinstance(transport, kind):
        raise InvalidConfiguration(f"transport must be an httpx.{kind.__name__}")


def closed_error() -> InvalidConfiguration:
    return InvalidConfiguration("The client is closed; make a new one")


def open_pool(
    account: Account, size: int = MAX_CONNECTIONS, keepalive: float = KEEPALIVE
) -> ConnectionPool:
    """Return a connection pool with the environment's proxy and certificates."""
    # Late: it loads httpcore, and with it every event loop that is installed.
    from ecall_facade._transports.deadline import DeadlineTransport

    with named_setting():
        tls, proxy = make_tls_context(account), find_proxy(account)
        connect = partial(DeadlineTransport, tls, proxy, _limits(keepalive))
        return ConnectionPool(connect, size, keepalive)


def open_async_pool(
    account: Account, size: int = MAX_CONNECTIONS, keepalive: float = KEEPALIVE
) -> AsyncConnectionPool:
    """Return a connection pool for the running event loop."""
    with named_setting():
        tls, proxy = make_tls_context(account), find_proxy(account)
        connect = partial(
            httpx.AsyncHTTPTransport, verify=tls, proxy=proxy, limits=_limits(keepalive)
        )
        return AsyncConnectionPool(connect, size, keepalive)


@contextlib.contextmanager
def named_setting() -> Generator[None, None, None]:
    """Raise `InvalidConfiguration` for whatever httpx raises about a setting of the environment."""
    try:
        yield
    except InvalidConfiguration:
        raise
    except Exception as error:  # noqa: BLE001  # whatever httpx, httpcore and ssl raise for it
        kind = type(error).__name__
        raise InvalidConfiguration(
            f"No connection can be made with the environment's settings ({kind})"
        ) from None


def _limits(keepalive: float) -> httpx.Limits:
    # No limit to connections: each transport has one request at a time, but httpcore may count a
    # connection for good that was cancelled.
    return httpx.Limits(keepalive_expiry=keepalive)


def running_loop() -> object:
    """Return an object that identifies the running event loop."""
    import asyncio  # late: a sync program does not need it

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio  # the only other one that httpx runs on

        return trio.lowlevel.current_trio_token()


def is_closed_loop(owner: object) -> bool:
    import asyncio

    return isinstance(owner, asyncio.AbstractEventLoop) and owner.is_closed()
