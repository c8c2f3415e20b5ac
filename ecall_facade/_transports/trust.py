"""Exceptions of a transport: whether they are its own, and whether they prove that nothing was sent."""

from __future__ import annotations

from types import TracebackType

import httpx

from ecall_facade._transports.pools import AsyncConnectionPool, ConnectionPool

_NEVER_CONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
)
# Only of these it is known that a connection error means that nothing was sent. Others report a
# request that was taken and dropped as a connection error.
_TRUSTED = (
    ConnectionPool,
    AsyncConnectionPool,
    httpx.HTTPTransport,
    httpx.AsyncHTTPTransport,
    httpx.MockTransport,
)
# Of httpx-aiohttp's transport the counting tests prove it, for a connection error with this cause.
_TRUSTED_CAUSES = {("aiohttp.client_exceptions", "ClientConnectorError")}
_HTTP_PACKAGES = {"httpx", "httpcore", "h11", "anyio", "idna"}
# What a transport is made of, beside its own package.
_BUILT_ON = {"httpx_aiohttp": "aiohttp"}
# What writes for them, and has the bytes of a request in its variables.
_WRITING_PACKAGES = {"asyncio", "socket", "ssl", "trio"}
_OWN_TRANSPORTS = "ecall_facade._transports."


class Trust:
    """Judges the exceptions that come out of a transport.

    Args:
        transport: The caller's own transport; None stands for the pools of this package.
    """

    def __init__(self, transport: object | None) -> None:
        self._is_trusted = transport is None or type(transport) in _TRUSTED
        self._packages = set(_HTTP_PACKAGES)
        if transport is not None:
            package = _package(type(transport))
            self._packages |= {package, _BUILT_ON.get(package, package)}

    def is_own(self, error: Exception) -> bool:
        """Return whether an exception is the transport's own.

        Any other one, such as the time limit of a job queue, belongs to the caller.
        """
        if isinstance(error, (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)):
            return True
        return _package(type(error)) in self._packages

    def remove_frames(self, error: BaseException) -> None:
        """Remove the frames of the transport from the traceback of an exception.

        Their variables hold the head of the request, with the credentials, and Sentry reports the
        variables of every frame. Frames of the caller's own code stay.
        """
        steps: list[TracebackType] = []
        step = error.__traceback__
        while step is not None:
            steps.append(step)
            step = step.tb_next
        kept: TracebackType | None = None
        for step in reversed(steps):
            if not self._is_of_transport(step):
                kept = TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
        error.__traceback__ = kept

    def _is_of_transport(self, step: TracebackType) -> bool:
        module = str(step.tb_frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if package in self._packages or package in _WRITING_PACKAGES:
            return True
        return module.startswith(_OWN_TRANSPORTS)

    def proves_unsent(self, error: Exception) -> bool:
        """Return whether an exception proves that the service saw nothing of the request."""
        if not isinstance(error, _NEVER_CONNECTED):
            return False
        return self._is_trusted or _is_trusted_cause(error.__cause__)


def _package(kind: type[object]) -> str:
    return kind.__module__.partition(".")[0]


def _is_trusted_cause(cause: BaseException | None) -> bool:
    if cause is None:
        return False
    return any((kind.__module__, kind.__name__) in _TRUSTED_CAUSES for kind in type(cause).__mro__)
