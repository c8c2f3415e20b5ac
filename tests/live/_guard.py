"""The transport of the live tests: it keeps what goes over the wire, and lets through what was allowed and no more."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx


class NotAllowed(Exception):
    """A request could have texted somebody that nobody had allowed; it did not go out."""


@dataclass
class Exchange:
    """One request and its response, or what came instead of one."""

    method: str
    path: str
    """As it went out, with the version."""
    status: int = 0
    """0 if there was no response."""
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""
    error: str = ""

    @property
    def json(self) -> Any:
        """The JSON of the response; None if it is not JSON in UTF-8."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None


class Guard(httpx.BaseTransport):
    """Passes requests on and keeps them; what could text somebody only as often as allowed."""

    def __init__(self, inner: httpx.BaseTransport, sends_allowed: int) -> None:
        self._inner = inner
        self.sends_left = sends_allowed
        self.exchanges: list[Exchange] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Do what a transport does."""
        if can_send(request.method, request.url.path, request.read()):
            if self.sends_left < 1:
                raise NotAllowed(f"{request.method} {request.url.path}")
            self.sends_left -= 1
        exchange = Exchange(request.method, request.url.raw_path.decode("ascii"))
        self.exchanges.append(exchange)
        try:
            response = self._inner.handle_request(request)
            exchange.status, exchange.headers = response.status_code, response.headers
            exchange.body = response.read()
        except Exception as error:
            exchange.error = type(error).__name__
            raise
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def can_send(method: str, path: str, body: bytes) -> bool:
    """Return whether a request could text somebody.

    Any could but a read, an upload, and what names nobody and says nothing.
    """
    if method in {"GET", "HEAD", "OPTIONS"} or path.lower().rstrip("/").endswith("/media"):
        return False
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return True
    return data not in ({}, {"messages": []})
