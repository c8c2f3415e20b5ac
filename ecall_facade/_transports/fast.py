"""The lanes of `transport="fast"`: h11, the parser that httpx has as well, straight on a socket or on an event loop.

What is saved is the layers between. What goes over the wire, and what is understood of an answer, is the same. A
connection is made on its own, before the request is written to it: an error is a `ConnectError` or a `ConnectTimeout`
because of where it came up, and not because of what somebody calls it.

Only small requests go this way. Files, where the network is what takes the time, go by httpx's own transports, and so
does everything while those are replaced, as vcrpy, respx and others do it.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from types import FunctionType
from typing import cast

import h11
import httpcore
import httpx

from ecall_facade._transports.lanes import KEEPALIVE
from ecall_facade.errors import InvalidConfiguration

_CHUNK = 64 * 1024
"""Bytes that a socket takes or gives at once."""


class Line(httpx.BaseTransport):
    """One connection, made when it is needed and kept for the next request; `plain` gives the transport for files."""

    def __init__(
        self, base_url: str, tls: ssl.SSLContext, plain: Callable[[], httpx.HTTPTransport]
    ) -> None:
        self._host, self._port, self._tls = _address(base_url, tls)
        self._make_plain = plain
        self._plain: httpx.HTTPTransport | None = None
        self._socket: socket.socket | None = None
        self._http = _Http()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not _is_small(request) or _is_replaced(
            httpx.HTTPTransport.handle_request, httpcore.ConnectionPool.handle_request
        ):
            self._plain = self._plain or self._make_plain()
            return self._plain.handle_request(request)
        seconds = request.extensions["timeout"]
        try:
            wire = self._connected(seconds["connect"])
            with _translated(httpx.WriteTimeout):
                data = self._http.write(request)
                wire.settimeout(seconds["write"])
                with contextlib.suppress(ConnectionError):  # it may have answered before it hung up
                    wire.sendall(data)
            with _translated(httpx.ReadTimeout):
                wire.settimeout(seconds["read"])
                while (head := _head(self.event())) is None:
                    pass
        except BaseException:
            self._hang_up()
            raise
        head.stream = _Body(self)
        return head

    def _connected(self, seconds: float) -> socket.socket:
        if self._socket is not None and self._http.is_fresh() and _is_quiet(self._socket):
            return self._socket
        self._hang_up()
        try:
            self._socket = socket.create_connection((self._host, self._port), seconds)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                self._socket = self._tls.wrap_socket(self._socket, server_hostname=self._host)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except Exception as error:
            raise httpx.ConnectError(str(error)) from error
        self._http = _Http()
        return self._socket

    def event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive(cast("socket.socket", self._socket).recv(_CHUNK))
        return event

    def finish(self) -> None:
        if not self._http.finish():
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close(self) -> None:
        self._hang_up()
        if self._plain is not None:
            self._plain.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, line: Line) -> None:
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        with _translated(httpx.ReadTimeout):
            while isinstance(event := self._line.event(), h11.Data):
                yield bytes(event.data)

    def close(self) -> None:
        self._line.finish()


class AsyncLine(httpx.AsyncBaseTransport):
    """`Line` for async clients, in asyncio."""

    def __init__(
        self, base_url: str, tls: ssl.SSLContext, plain: Callable[[], httpx.AsyncHTTPTransport]
    ) -> None:
        self._host, self._port, self._tls = _address(base_url, tls)
        self._make_plain = plain
        self._plain: httpx.AsyncHTTPTransport | None = None
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidConfiguration(
                "transport='fast' is for asyncio; leave it out where trio runs"
            ) from None
        self._wire: _Wire | None = None
        self._http = _Http()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not _is_small(request) or _is_replaced(
            httpx.AsyncHTTPTransport.handle_async_request,
            httpcore.AsyncConnectionPool.handle_async_request,
        ):
            self._plain = self._plain or self._make_plain()
            return await self._plain.handle_async_request(request)
        seconds = request.extensions["timeout"]
        try:
            wire = await self._connected(seconds["connect"])
            with _translated(httpx.ReadTimeout):
                wire.timeout = seconds["read"]
                wire.transport.write(
                    self._http.write(request)
                )  # what is not taken at once goes out meanwhile
                while (head := _head(await self.event())) is None:
                    pass
        except BaseException:
            self._hang_up()
            raise
        head.stream = _AsyncBody(self)
        return head

    async def _connected(self, seconds: float) -> _Wire:
        if self._wire is not None and self._http.is_fresh() and self._wire.is_quiet():
            return self._wire
        self._hang_up()
        try:
            async with asyncio.timeout(seconds):
                self._wire = wire = await self._reach(self._loop.time() + seconds)
                if self._tls is not None:
                    # Not by create_connection, which does not close a connection that is cancelled just then.
                    plain = wire.transport
                    wire.begin(
                        await self._loop.start_tls(
                            plain, wire, self._tls, server_hostname=self._host
                        )
                    )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(str(error)) from error
        except Exception as error:
            raise httpx.ConnectError(str(error)) from error
        self._http = _Http()
        return wire

    async def _reach(self, end: float) -> _Wire:
        """Try the host's addresses, each for its share of the time (asyncio's race of them may lose a socket)."""
        found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        hosts = list(dict.fromkeys(str(address[0]) for *_, address in found))
        while True:
            try:
                async with asyncio.timeout((end - self._loop.time()) / len(hosts)):
                    return (await self._loop.create_connection(_Wire, hosts.pop(0), self._port))[1]
            except OSError:
                if not hosts:
                    raise

    async def event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive(await cast("_Wire", self._wire).read())
        return event

    def finish(self) -> None:
        if not self._http.finish():
            self._hang_up()

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.transport.abort()
            self._wire = None

    async def aclose(self) -> None:
        self._hang_up()
        if self._plain is not None:
            await self._plain.aclose()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, line: AsyncLine) -> None:
        self._line = line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated(httpx.ReadTimeout):
            while isinstance(event := await self._line.event(), h11.Data):
                yield bytes(event.data)

    async def aclose(self) -> None:
        self._line.finish()


class _Wire(asyncio.Protocol):
    """What arrives on a connection, until it is read."""

    transport: asyncio.Transport
    timeout: float

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._error: Exception | None = None
        self._has_ended = False
        self._reader: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._wake()

    def eof_received(self) -> None:
        self._has_ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._error = exc
        self._has_ended = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def begin(self, secured: asyncio.Transport | None) -> None:
        """Go on in TLS; what came without it may come from anybody."""
        if secured is None or self._parts:
            raise ConnectionError("The connection did not begin with TLS")
        self.transport = secured

    def is_quiet(self) -> bool:
        if self._parts or self._has_ended or self.transport.is_closing():
            return False
        return _is_quiet(
            self.transport.get_extra_info("socket")
        )  # what the event loop has not seen yet counts, too

    async def read(self) -> bytes:
        if not self._parts and not self._has_ended:
            self._reader = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(self.timeout):
                await self._reader
        if not self._parts and self._error is not None:
            raise self._error
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class _Http:
    """The state of one connection in HTTP/1.1; without I/O."""

    def __init__(self) -> None:
        self._h11 = h11.Connection(
            h11.CLIENT, max_incomplete_event_size=100 * 1024
        )  # as httpcore has it
        self._done_at = 0.0
        self.next_event = self._h11.next_event

    def write(self, request: httpx.Request) -> bytes:
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        events = (head, h11.Data(data=request.content), h11.EndOfMessage())
        return b"".join(part for event in events if (part := self._h11.send(event)))

    def receive(self, data: bytes) -> None:
        if not data and self._h11.their_state is h11.SEND_RESPONSE:
            raise httpx.RemoteProtocolError("The connection was closed without an answer")
        self._h11.receive_data(data)

    def finish(self) -> bool:
        """Tell whether the connection can serve another request; not where more came than was asked for."""
        is_done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        if not is_done or self._h11.trailing_data[0]:
            return False
        self._h11.start_next_cycle()
        self._done_at = time.monotonic()
        return True

    def is_fresh(self) -> bool:
        return time.monotonic() - self._done_at < KEEPALIVE


def _head(event: object) -> httpx.Response | None:
    """Give an answer that is still without its body, or None for what only comes before it."""
    if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
        return None
    if not isinstance(event, h11.Response):
        raise httpx.RemoteProtocolError("The service wants to speak something else than HTTP")
    return httpx.Response(event.status_code, headers=event.headers.raw_items(), stream=_NO_BODY)


_NO_BODY = httpx.ByteStream(b"")


def _address(base_url: str, tls: ssl.SSLContext) -> tuple[str, int, ssl.SSLContext | None]:
    url = httpx.URL(base_url)
    host = url.raw_host.decode("ascii")
    if url.scheme == "http":
        return host, url.port or 80, None
    tls.set_alpn_protocols(["http/1.1"])
    return host, url.port or 443, tls


def _is_small(request: httpx.Request) -> bool:
    try:
        return request.extensions["form"] != "stream" and len(request.content) <= _CHUNK
    except httpx.RequestNotRead:
        return False


def _is_replaced(*functions: Callable[..., object]) -> bool:
    """Tell whether somebody stands in for httpx, and expects to see all requests."""
    # By its type, as a wrapper such as wrapt's claims to have the code of what it wraps.
    return any(
        type(one) is not FunctionType or one.__code__.co_filename not in _HOMES for one in functions
    )


_REPLACEABLE = (httpx.HTTPTransport, httpcore.ConnectionPool, httpcore.AsyncConnectionPool)
_HOMES = {one.__init__.__code__.co_filename for one in _REPLACEABLE}


def _is_quiet(wire: socket.socket) -> bool:
    """Tell whether nothing has come on an idle connection: neither its end nor an answer that nobody asked for."""
    if not hasattr(select, "poll"):  # as on Windows
        return not select.select([wire], [], [], 0)[0]
    poll = select.poll()
    poll.register(wire, select.POLLIN)
    return not poll.poll(0)


@contextlib.contextmanager
def _translated(late: type[httpx.TimeoutException]) -> Generator[None]:
    """Give the errors of httpx for those of a connection that was made."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except h11.ProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error
