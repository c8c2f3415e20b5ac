"""A sync transport that keeps one deadline over all phases of a request.

httpx limits each phase: each address of a host, each read. A response that comes byte by byte never
exceeds such a limit, so `wait` needs one for all phases together.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable

import httpcore
import httpx

from ecall_facade import _clock

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class DeadlineTransport(httpx.HTTPTransport):
    """httpx's transport, in which a request's extension `deadline` limits connecting, TLS and reading.

    It is for one request at a time.
    """

    def __init__(
        self, verify: ssl.SSLContext, proxy: httpx.Proxy | None, limits: httpx.Limits
    ) -> None:
        super().__init__(verify=verify, proxy=proxy, limits=limits)
        # httpx has no argument for the network backend of its pool.
        pool = self._pool
        self._backend = _Backend(pool._network_backend)  # pyright: ignore[reportPrivateUsage]  # see above
        pool._network_backend = self._backend  # pyright: ignore[reportPrivateUsage]  # see above

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._backend.deadline = request.extensions.get("deadline")
        return super().handle_request(request)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner
        self.deadline: float | None = None

    def limit(self, timeout: float | None) -> float | None:
        """Return the seconds that a phase may take: its own limit, or the time that is left."""
        if self.deadline is None:
            return timeout
        left = max(self.deadline - _clock.monotonic(), 0.001)
        return left if timeout is None else min(timeout, left)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that accepts; all of them share the limit."""
        limit = self.limit(timeout)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        end = None if limit is None else _clock.monotonic() + limit
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        while True:
            share = None if end is None else max((end - _clock.monotonic()) / len(addresses), 0.001)
            try:
                stream = self._inner.connect_tcp(
                    addresses.pop(0), port, share, local_address, socket_options
                )
                return _Stream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_unix_socket(path, self.limit(timeout), socket_options)
        return _Stream(stream, self)

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.limit(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.limit(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = self._backend.limit(timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, limit), self._backend)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)
