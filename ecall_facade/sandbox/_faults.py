"""Faults that a response can have, as data: planned by a test, or played for a magic recipient."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import attrs
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Receive, Scope, Send

FOREVER = 120.0  # seconds without a response, after which the connection is dropped after all


@attrs.frozen
class Fault:
    """What is wrong with a response.

    Attributes:
        note: What happened, for people.
        accepts: Whether the request is handled first.
        status: Replaces the response by one with this status, `body` and `headers`.
        body: The body of that response.
        headers: Headers by lower-case name; None leaves one out that every response has.
        rewrite: Changes the body of the response.
        delay: Seconds before the response is sent.
        cut: Whether the connection ends after half of the response.
        drop: Whether the connection ends without a response.
    """

    note: str
    accepts: bool = False
    status: int | None = None
    body: bytes = attrs.field(default=b"", repr=False)
    headers: Mapping[str, str | None] = attrs.field(factory=dict[str, "str | None"])
    rewrite: Callable[[bytes], bytes] | None = None
    delay: float = 0.0
    cut: bool = False
    drop: bool = False

    def response_to(self, response: Response | None) -> Response:
        """Return the response to send.

        Args:
            response: The right one, or None if the request was not handled.
        """
        if self.status is not None or response is None:
            named = {name: value for name, value in self.headers.items() if value is not None}
            return Response(self.body, self.status or 500, named)
        if self.rewrite is None:
            return response
        return Response(
            self.rewrite(bytes(response.body)), response.status_code, media_type="application/json"
        )

    async def send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, late, in part or not at all."""
        if self.delay:
            try:
                await asyncio.wait_for(_disconnect(receive), self.delay)
            except TimeoutError:
                pass
            else:
                return
        if self.drop:
            if transport := scope.get("state", {}).get("transport"):
                cast("asyncio.Transport", transport).abort()
                await _disconnect(receive)
            return
        await response(scope, receive, _half(send) if self.cut else send)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        """Discard the rest of the request."""


def _half(send: Send) -> Send:
    """Return a `send` that leaves out the second half of a body.

    The server closes the connection, as the response stays unfinished.
    """

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body: bytes = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return send_half
