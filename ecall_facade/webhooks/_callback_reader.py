"""Checking and reading a callback in two steps, between which an app may read the body."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable

from ecall_facade.errors import (
    InvalidConfiguration,
    MalformedEvent,
    UntrustedSource,
    WebhookError,
)
from ecall_facade.webhooks._body import parse
from ecall_facade.webhooks._events import (
    Expected,
    ReceivedMessage,
    StatusUpdate,
    UnknownEvent,
    read_event,
)
from ecall_facade.webhooks._headers import HeaderLines
from ecall_facade.webhooks._refusals import RefusalLog
from ecall_facade.webhooks._sources import Sources, show_peer

MAX_BODY = 64 * 1024


class CallbackReader:
    """Checks callbacks and reads them; `Receiver` describes its arguments."""

    def __init__(
        self,
        sources: Iterable[str] | None,
        trusted_proxies: Iterable[str],
        path_secret: str | None,
        basic_auth: tuple[str, str] | None,
        max_body: int,
        clock: Callable[[], float],
    ) -> None:
        self._sources = Sources(sources, trusted_proxies)
        if path_secret is not None and (len(path_secret) < 8 or "/" in path_secret):
            raise InvalidConfiguration(
                "path_secret must have at least 8 characters and must not contain '/'"
            )
        if basic_auth is not None and (not all(basic_auth) or ":" in basic_auth[0]):
            raise InvalidConfiguration(
                "basic_auth must be a name without ':' and a password, both not empty"
            )
        if max_body < 1:
            raise InvalidConfiguration("max_body must be a positive number of bytes")
        self._path_secret = None if path_secret is None else to_bytes(path_secret)
        self._credentials = None if basic_auth is None else to_bytes(":".join(basic_auth))
        self._refusals = RefusalLog(clock)
        self.max_body = max_body

    def check(self, remote_addr: str | None, headers: HeaderLines, path: str) -> None:
        """Raise `UntrustedSource` unless the callback comes from a source and has the secrets."""
        try:
            self._sources.check(remote_addr, headers)
            self._check_secrets(remote_addr, headers, path)
        except WebhookError as error:
            self._refusals.write(error, remote_addr)
            raise

    def segments(self, path: str) -> list[str]:
        """Return the segments of a path that was checked, without the secret."""
        return [
            segment
            for segment in path.split("/")
            if segment and to_bytes(segment) != self._path_secret
        ]

    def read(
        self,
        body: bytes,
        remote_addr: str | None,
        headers: HeaderLines,
        query: bytes,
        expected: Expected,
    ) -> StatusUpdate | ReceivedMessage | UnknownEvent:
        """Return the event of a callback that was checked."""
        if len(body) > self.max_body or len(query) > self.max_body:
            raise self.refuse_too_large(remote_addr)
        try:
            _check_completeness(body, headers, query)
            content = parse(body, query, headers.first("content-type"))
        except MalformedEvent as error:
            self._refusals.write(error, remote_addr)
            raise
        return read_event(content, expected)

    def refuse_too_large(self, remote_addr: str | None) -> MalformedEvent:
        """Log the refusal of a body or query that is too large, and return its error."""
        error = MalformedEvent(f"The callback has more than {self.max_body} bytes", status_code=413)
        self._refusals.write(error, remote_addr)
        return error

    def _check_secrets(self, remote_addr: str | None, headers: HeaderLines, path: str) -> None:
        if self._path_secret is not None:
            segments = to_bytes(path).split(b"/")
            # All are compared, so that the time does not tell which one it was.
            if sum(hmac.compare_digest(segment, self._path_secret) for segment in segments) == 0:
                raise UntrustedSource(
                    "The callback's path does not contain the secret", peer=show_peer(remote_addr)
                )
        if self._credentials is not None:
            given = _read_basic_credentials(headers.first("authorization"))
            if not hmac.compare_digest(given, self._credentials):
                raise UntrustedSource(
                    "The callback's credentials are missing or wrong",
                    status_code=401,
                    peer=show_peer(remote_addr),
                )


def _check_completeness(body: bytes, headers: HeaderLines, query: bytes) -> None:
    """Raise `MalformedEvent` if the body, which may end in the middle of a text, is not all that was sent."""
    length = headers.first("content-length")
    if length.isdecimal() and len(body) < int(length[:20]):
        raise MalformedEvent(
            "The callback's body is incomplete: the caller hung up, or something read it before"
        )
    if not (body or query) and "chunked" in headers.first("transfer-encoding").lower():
        raise MalformedEvent("The server did not pass on the chunked body", status_code=411)


def to_bytes(text: str) -> bytes:
    """Encode any string."""
    return text.encode("utf-8", "surrogatepass")  # an unpaired surrogate as well


def _read_basic_credentials(value: str) -> bytes:
    scheme, _, token = value.partition(" ")
    try:
        return base64.b64decode(token.strip(), validate=True) if scheme.lower() == "basic" else b""
    except ValueError:
        return b""
