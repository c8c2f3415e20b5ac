"""The receiver: whether a callback is to be trusted, and what it says. Pure; any framework can call it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from typing import cast

from ecall_facade.errors import InvalidConfiguration, MalformedEvent, UntrustedSource
from ecall_facade.webhooks._events import (
    Expected,
    ReceivedMessage,
    StatusUpdate,
    UnknownEvent,
    parse,
    read_event,
)
from ecall_facade.webhooks._sources import DOCUMENTED_SOURCES, Headers, Sources

MAX_BODY = 64 * 1024


class Receiver:
    """Checks callbacks of the service and reads them.

    - `sources`: addresses and networks that callbacks may come from; default the three documented ones. None lets
      anybody call, which asks for one of the secrets below.
    - `trusted_proxies`: your own reverse proxies. Only what these have written into `X-Forwarded-For` or `Forwarded`
      is believed.
    - `path_secret`: has to be one segment of the URL's path. `basic_auth`: a name and password that have to be sent as
      HTTP Basic credentials. That the service keeps them when it calls a URL that has them is inferred.
    - `max_body`: bytes; default 64 KiB.

    Raises `InvalidConfiguration`.
    """

    def __init__(
        self,
        *,
        sources: Iterable[str] | None = DOCUMENTED_SOURCES,
        trusted_proxies: Iterable[str] = (),
        path_secret: str | None = None,
        basic_auth: tuple[str, str] | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        self._sources = Sources(sources, trusted_proxies)
        if path_secret is not None and (len(path_secret) < 8 or "/" in path_secret):
            raise InvalidConfiguration("path_secret has at least 8 characters and no slash")
        if basic_auth is not None and (not all(basic_auth) or ":" in basic_auth[0]):
            raise InvalidConfiguration("basic_auth is a name without a colon, and a password")
        if max_body < 1:
            raise InvalidConfiguration("max_body is a positive number of bytes")
        self._path_secret = None if path_secret is None else _bytes(path_secret)
        self._credentials = None if basic_auth is None else _bytes(":".join(basic_auth))
        self.max_body = max_body

    def receive(
        self,
        body: bytes,
        *,
        remote_addr: str | None,
        headers: Headers = (),
        query: bytes | str = b"",
        path: str = "",
        expected: Expected = "any",
    ) -> StatusUpdate | ReceivedMessage | UnknownEvent:
        """Check a callback and give its event.

        `remote_addr` is the peer's address as the server saw it, before any header was applied to it. `query` counts
        where there is no body. `path` is needed for `path_secret`. `expected` "message" says that the URL is for
        inbound messages only. What is well-formed and not known is an `UnknownEvent`. Raises `UntrustedSource` or
        `MalformedEvent`, whose `status_code` is the answer to give.
        """
        named = lower(headers)
        self.check(remote_addr, named, path)
        return self.read(body, named, _bytes(query) if isinstance(query, str) else query, expected)

    def segments(self, path: str) -> list[str]:
        """Give the segments of a path that was checked, without the secret."""
        return [
            segment
            for segment in path.split("/")
            if segment and _bytes(segment) != self._path_secret
        ]

    def read(
        self, body: bytes, headers: list[tuple[str, str]], query: bytes, expected: Expected
    ) -> StatusUpdate | ReceivedMessage | UnknownEvent:
        """Give the event of a callback that was checked; header names in lower case."""
        if len(body) > self.max_body or len(query) > self.max_body:
            raise too_large(self.max_body)
        content_type = next((value for name, value in headers if name == "content-type"), "")
        return read_event(parse(body, query, content_type), expected)

    def check(self, remote_addr: str | None, headers: list[tuple[str, str]], path: str) -> None:
        """Raise `UntrustedSource` unless the callback comes from a source and has the secrets."""
        self._sources.check(remote_addr, headers)
        if self._path_secret is not None:
            segments = _bytes(path).split(b"/")
            # All are compared, so that the time does not tell which one it was.
            if sum(hmac.compare_digest(segment, self._path_secret) for segment in segments) == 0:
                raise UntrustedSource("The callback's path does not hold the secret")
        if self._credentials is not None:
            given = next((value for name, value in headers if name == "authorization"), "")
            if not hmac.compare_digest(_basic(given), self._credentials):
                raise UntrustedSource(
                    "The callback's credentials are missing or wrong", status_code=401
                )

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def too_large(limit: int) -> MalformedEvent:
    return MalformedEvent(f"The callback has more than {limit} bytes", status_code=413)


def lower(headers: Headers) -> list[tuple[str, str]]:
    """Give headers of any kind as pairs, with the names in lower case."""
    pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    return [(_text(name).lower(), _text(value)) for name, value in pairs]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # which has no text that it cannot encode


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _basic(value: str) -> bytes:
    scheme, _, token = value.partition(" ")
    try:
        return base64.b64decode(token.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
