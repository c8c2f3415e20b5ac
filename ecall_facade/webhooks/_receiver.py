"""The receiver, which checks callbacks and reads them. It does no I/O, so any framework can call it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ecall_facade.webhooks._callback_reader import MAX_BODY, CallbackReader, to_bytes
from ecall_facade.webhooks._events import Expected, ReceivedMessage, StatusUpdate, UnknownEvent
from ecall_facade.webhooks._headers import Headers, read_headers
from ecall_facade.webhooks._sources import DOCUMENTED_SOURCES


class Receiver:
    """Checks callbacks of the service and reads them.

    Refused callbacks are logged to `ecall_facade.webhooks`, once per peer and minute, without any content.

    Args:
        sources: Addresses and networks that callbacks may come from; by default the three documented ones.
            None accepts any caller; use one of the secrets below then.
        trusted_proxies: Addresses and networks of your own reverse proxies, and "unix:" if one of them connects by a
            Unix socket. Only what these wrote into `X-Forwarded-For` or `Forwarded` is believed.
        path_secret: At least 8 characters that must be one segment of the URL's path.
        basic_auth: A name and password that must be sent as HTTP Basic credentials. That the service keeps those of a
            URL when it calls it is inferred.
        max_body: The largest body or query that is read, in bytes.
        clock: Returns seconds, for the log of refusals.

    Raises:
        InvalidConfiguration: An argument cannot be used.
    """

    def __init__(
        self,
        *,
        sources: Iterable[str] | None = DOCUMENTED_SOURCES,
        trusted_proxies: Iterable[str] = (),
        path_secret: str | None = None,
        basic_auth: tuple[str, str] | None = None,
        max_body: int = MAX_BODY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = CallbackReader(
            sources, trusted_proxies, path_secret, basic_auth, max_body, clock
        )

    @property
    def max_body(self) -> int:
        """The largest body or query that is read, in bytes."""
        return self._reader.max_body

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
        """Check a callback and return its event.

        Args:
            body: The request's body.
            remote_addr: The peer's address as the server saw it, before any header was applied to it.
            headers: The framework's headers object as it is, or pairs of all lines. A plain mapping is enough without
                proxies; it cannot vouch for a proxy's header, because it may have lost lines.
            query: The query string, which is read if there is no body.
            path: The URL's path, needed for `path_secret`.
            expected: "message" if the URL is for inbound messages only.

        Returns:
            The event; an `UnknownEvent` if the callback is well-formed and not known.

        Raises:
            UntrustedSource: It does not come from the service; respond with its `status_code`.
            MalformedEvent: It cannot be read; respond with its `status_code`.
        """
        lines = read_headers(headers)
        self._reader.check(remote_addr, lines, path)
        query = to_bytes(query) if isinstance(query, str) else query
        return self._reader.read(body, remote_addr, lines, query, expected)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
