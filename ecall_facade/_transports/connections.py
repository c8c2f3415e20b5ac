"""Where the connections of a client live: a pool for each place where it is used."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Generic, Literal, TypeVar, cast

import httpx

from ecall_facade._settings import Account
from ecall_facade._transports.environment import find_proxy, make_tls_context
from ecall_facade._transports.lanes import KEEPALIVE, AsyncLanes, Lanes
from ecall_facade.errors import InvalidConfiguration

T = TypeVar("T", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)


class Connections(Generic[T]):
    """The pool of a client and its copies: made at first use, and anew in a forked process or another event loop."""

    def __init__(self, make: Callable[[], T], given: T | None, place: Callable[[], object]) -> None:
        self._make = make
        self._given = given
        self._place = place
        self._pools: dict[object, T] = {}
        self._keepers: dict[object, AsyncGenerator[None, None]] = {}
        self._closed = False

    def get(self) -> T:
        if self._closed:
            raise InvalidConfiguration("The client is closed; make a new one")
        if self._given is not None:
            return self._given
        place = self._place()
        pool = self._pools.get(place)
        return pool if pool is not None else self._open(place)

    def _open(self, place: object) -> T:
        # The pool of an event loop that was closed without more ado can only be let go. The pool of a parent process
        # stays untouched: closing it here would disturb the parent's TLS connections.
        for other in list(self._pools):  # a copy, as other threads open pools as well
            if _is_closed_loop(other):
                self._pools.pop(other, None)
                self._keepers.pop(other, None)
        try:
            pool = self._pools.setdefault(place, self._make())
        except InvalidConfiguration:
            raise
        except Exception as error:  # noqa: BLE001  # a proxy or certificates that the environment names and that cannot be used
            kind = type(error).__name__
            raise InvalidConfiguration(
                f"No connection can be made with the environment's settings ({kind})"
            ) from None
        if isinstance(pool, httpx.AsyncBaseTransport):
            self._keepers[place] = keeper = self._keep(place, pool)
            with contextlib.suppress(
                StopIteration
            ):  # it gets to its yield without waiting for anything
                keeper.__anext__().send(None)
        return pool

    async def _keep(
        self, place: object, pool: httpx.AsyncBaseTransport
    ) -> AsyncGenerator[None, None]:
        """Close a pool when its event loop ends: asyncio and trio both finish the async generators begun in them."""
        try:
            yield
        finally:
            self._pools.pop(place, None)
            self._keepers.pop(place, None)
            await pool.aclose()

    def close(self) -> T | None:
        """End the use, and give what is to be closed here: a pool, or its keeper, which closes it."""
        self._closed = True
        if self._given is not None:
            return self._given
        place = self._place()
        pool = self._pools.pop(place, None)
        return cast("T | None", self._keepers.pop(place, None) or pool)


def checked(transport: T | Literal["fast"] | None, kind: type[T]) -> T | None:
    """Give the caller's own transport; refuse one of the other kind, which would fail at the first request."""
    if transport is None or transport == "fast":
        return None
    if not isinstance(cast("object", transport), kind):
        raise InvalidConfiguration(f"transport is 'fast', or an httpx.{kind.__name__}")
    return transport


def event_loop() -> object:
    """Give what stands for the running event loop."""
    import asyncio  # late, as a sync program needs none of it

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio  # the only other that httpx runs on

        return trio.lowlevel.current_trio_token()


def _is_closed_loop(place: object) -> bool:
    return bool(
        getattr(place, "is_closed", bool)()
    )  # of asyncio's loops; not of trio's, nor of processes


def sync_pool(account: Account, *, fast: bool = False) -> Lanes:
    tls, proxy = make_tls_context(account), find_proxy(account)
    plain = partial(httpx.HTTPTransport, verify=tls, proxy=proxy, limits=_LIMITS)
    if proxy or not fast:  # through a proxy the client is not what takes the time
        return Lanes(plain)
    from ecall_facade._transports.fast import Line

    return Lanes(partial(Line, account.base_url, tls, plain))


def async_pool(account: Account, *, fast: bool = False) -> AsyncLanes:
    tls, proxy = make_tls_context(account), find_proxy(account)
    plain = partial(httpx.AsyncHTTPTransport, verify=tls, proxy=proxy, limits=_LIMITS)
    if proxy or not fast:  # through a proxy the client is not what takes the time
        return AsyncLanes(plain)
    from ecall_facade._transports.fast import AsyncLine

    return AsyncLanes(partial(AsyncLine, account.base_url, tls, plain))


# No limit to connections: a lane has one request at a time, but httpcore may count one for ever that was cancelled.
_LIMITS = httpx.Limits(keepalive_expiry=KEEPALIVE)
