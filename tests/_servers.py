"""Servers for the tests: real sockets on this machine that do what a script says, and count what reaches them."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Self, TypeAlias

REQUEST_ID = "6f1c9a52-req"
_CHUNK = 256 * 1024


class Hangup(Exception):
    """Raised by a response: the connection ends here."""


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    connection: int  # counted from 1
    body: bytes = b""
    size: int = 0
    checksum: int = 0  # CRC 32 of the body


@dataclass
class Exchange:
    """One request, and the means to respond to it."""

    request: Request
    socket: socket.socket
    server: Server
    secured: ssl.SSLContext | None = None  # set by a response: the connection goes on in TLS

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def wait_for_end(self) -> None:
        """Wait until the client or the test has had enough."""
        with contextlib.suppress(OSError):
            while self.socket.recv(_CHUNK):
                pass


Response: TypeAlias = bytes | Callable[[Exchange], None]


def reply(
    status: int = 200,
    body: object = None,
    *,
    request_id: str | None = REQUEST_ID,
    retry_after: str | None = None,
    **headers: str,
) -> bytes:
    """Make a response; a body that is not bytes is written as JSON. Header names are written with `_` for `-`."""
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    named = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    if request_id is not None:
        named["x-f24-request-id"] = request_id
    if retry_after is not None:
        named["Retry-After"] = retry_after
    if status in {204, 304}:
        del named["Content-Length"]
    reason = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Something"
    lines = [f"HTTP/1.1 {status} {reason}", *[f"{name}: {value}" for name, value in named.items()]]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def sent(message_id: str = "m-1") -> bytes:
    """Respond to a send, to one or to many, a list, or an upload: each finds the id it looks for."""
    return reply(
        200,
        {
            "messageId": message_id,
            "messageIdList": [message_id],
            "messageListId": "l-1",
            "messages": [{"messageId": message_id}],
            "mediaId": "f-1",
            "state": "Delivered",
            "timestamp": "2026-01-15T09:30:00Z",
        },
    )


def drop(exchange: Exchange) -> None:
    """Close the connection without a word."""
    raise Hangup


def reset(exchange: Exchange) -> None:
    """Break the connection off."""
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Hangup


def hang(exchange: Exchange) -> None:
    """Never respond."""
    exchange.wait_for_end()
    raise Hangup


def cut(data: bytes) -> Response:
    """Send this much, and close the connection."""

    def respond(exchange: Exchange) -> None:
        exchange.send(data)
        raise Hangup

    return respond


def then(data: bytes, following: Callable[[Exchange], None]) -> Response:
    """Send this much, and do something else."""

    def respond(exchange: Exchange) -> None:
        exchange.send(data)
        following(exchange)

    return respond


class Server:
    """A server on a free port. Each request takes the next response of the script; the last one serves for all others.

    `reads` says whether bodies are read before the response; `keeps` whether they are kept. A server that
    `speaks_first` says that, and closes the connection.
    """

    def __init__(
        self,
        *script: Response,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        reads: bool = True,
        keeps: bool = True,
        speaks_first: bytes = b"",
    ) -> None:
        self._script = script or (sent(),)
        self._tls = tls
        self._reads = reads
        self._keeps = keeps
        self._speaks_first = speaks_first
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._stopped = False
        self.requests: list[Request] = []
        self.connections = 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stopped = True
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        with socket.socket(self._listener.family) as caller, contextlib.suppress(OSError):
            caller.connect((self.host, self.port))  # wakes the thread that accepts
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()
        self._listener.close()

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def has_closed(self) -> bool:
        """Return whether no connection is open, after waiting for those that are being closed."""
        until = time.monotonic() + 10
        while self._open and time.monotonic() < until:
            time.sleep(0.01)
        return not self._open

    def has_seen(self, count: int) -> bool:
        """Return whether exactly so many requests have come, after waiting for those that are on their way."""
        for _ in range(1000):
            if len(self.requests) >= count:
                break
            time.sleep(0.005)
        return len(self.requests) == count

    def _start(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with self._lock:
                if self._stopped:
                    connection.close()
                    return
                self.connections += 1
                self._open.add(connection)
            self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        tls = self._tls
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            stack.callback(self._forget, connection)
            stack.enter_context(contextlib.suppress(OSError, Hangup))
            if self._speaks_first:
                connection.recv(_CHUNK)
                connection.sendall(self._speaks_first)
                return
            while True:
                if tls is not None:
                    connection = self._secure(connection, tls)
                    stack.enter_context(connection)
                    stack.callback(self._forget, connection)
                    connection.do_handshake()
                with connection.makefile("rb") as reader:
                    tls = self._converse(connection, reader, number)
                if tls is None:
                    return

    def _secure(self, plain: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        with self._lock:
            if self._stopped:
                raise Hangup
            self._open.discard(plain)
            secured = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
            self._open.add(secured)
            return secured

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)

    def _converse(
        self, connection: socket.socket, reader: BinaryIO, number: int
    ) -> ssl.SSLContext | None:
        """Respond to requests until the connection ends, or is to go on in TLS."""
        while request := self._read(reader, number):
            with self._lock:
                response = self._script[min(len(self.requests), len(self._script) - 1)]
                self.requests.append(request)
            exchange = Exchange(request, connection, self)
            if isinstance(response, bytes):
                exchange.send(response)
            else:
                response(exchange)
            if exchange.secured is not None:
                return exchange.secured
        return None

    def _read(self, reader: BinaryIO, number: int) -> Request | None:
        first = reader.readline()
        if not first:
            return None
        method, path, _ = first.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while line := reader.readline().strip().decode("latin-1"):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        request = Request(method, path, headers, number)
        if self._reads:
            parts: list[bytes] = []
            for part in _body(reader, headers):
                request.size += len(part)
                request.checksum = zlib.crc32(part, request.checksum)
                if self._keeps:
                    parts.append(part)
            request.body = b"".join(parts)
        return request


def _body(reader: BinaryIO, headers: dict[str, str]) -> Iterable[bytes]:
    if headers.get("transfer-encoding") == "chunked":
        while size := int(reader.readline(), 16):
            yield from _exactly(reader, size)
            reader.readline()
        reader.readline()
    else:
        yield from _exactly(reader, int(headers.get("content-length", "0")))


def _exactly(reader: BinaryIO, size: int) -> Iterable[bytes]:
    while size:
        part = reader.read(min(size, _CHUNK))
        if not part:
            raise Hangup
        size -= len(part)
        yield part


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port on which nobody listens, unless a test does.

    It is kept, as a port that is let go is soon another test's, whose server would meet what is meant for nobody.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # so that others can listen there, if they do that
        keeper.bind(("127.0.0.1", 0))
        yield int(keeper.getsockname()[1])


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """Yield the URL of a server with a full backlog: a connection attempt gets no response at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            guest = stack.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
