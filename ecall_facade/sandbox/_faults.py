"""What can go wrong with an answer, as data: planned by a test, or asked for by a magic recipient."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import attrs
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Receive, Scope, Send

FOREVER = 120.0  # seconds without an answer, after which the connection is dropped all the same


@attrs.frozen
class Fault:
    """An answer that is not as it should be.

    `accepts` is whether the request is acted on first. With a `status` the answer is replaced; names of headers are
    lower case, and None leaves one out. `rewrite` changes the JSON of a true answer. `delay` is in seconds. Half of the
    answer comes with `cut`, and none with `drop`, before the connection ends. `note` tells a person what happened.
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

    def answer(self, true: Response | None) -> Response:
        """Give the answer that goes out in place of the true one, which there is where the request is acted on."""
        if self.status is not None or true is None:
            named = {name: value for name, value in self.headers.items() if value is not None}
            return Response(self.body, self.status or 500, named)
        if self.rewrite is None:
            return true
        return Response(
            self.rewrite(bytes(true.body)), true.status_code, media_type="application/json"
        )

    async def send(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, or as much of it as there is to be."""
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
        """Read on: what is left of the request interests nobody."""


def _half(send: Send) -> Send:
    """Leave the second half of a body out. The server ends the connection of an answer that stays unfinished."""

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body: bytes = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return send_half
