"""Faults that a response can have, as data: planned by a test, or played for a magic recipient."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, cast

import attrs
from starlette.responses import Response

from ecall_facade.sandbox._errors import CODES, UNEXPECTED, error_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Receive, Scope, Send

FOREVER = 120.0  # seconds without a response, after which the connection is dropped

# The server closes the connection at a header that is not of this form.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"([!-~]([ -~]*[!-~])?)?")


@attrs.frozen
class Fault:
    """A fault in a response.

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

    @classmethod
    def from_plan(
        cls,
        status: int,
        code: str | None,
        message: str | None,
        headers: Mapping[str, str | None],
        body: str | bytes | None,
    ) -> Fault:
        """Return the fault that a test has planned.

        Raises:
            ValueError: No such response can be sent.
        """
        if not 200 <= status <= 599:
            raise ValueError("status must be from 200 to 599")
        if body is None:
            error = error_json(
                code or CODES.get(status, UNEXPECTED),
                message or "This failure was planned with fail_next().",
            )
            body, content_type = json.dumps(error), "application/json"
        elif code is not None or message is not None:
            raise ValueError("code and message must not be passed together with body")
        else:
            content_type = "text/html" if body[:1] in {"<", b"<"} else "text/plain"
        named: dict[str, str | None] = {"content-type": content_type}
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value or ""):
                raise ValueError(
                    f"The header {name!r} is not valid: name and value must be ASCII, and the value must not "
                    "begin or end with a blank"
                )
            named[name.lower()] = value
        return cls(
            f"planned: {status}" if message is None else f"planned: {status}, {message}",
            status=status,
            body=body.encode() if isinstance(body, str) else body,
            headers=named,
        )

    def response_to(self, response: Response | None) -> Response:
        """Return the response to send.

        Args:
            response: The response without the fault, or None if the request was not handled.
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
                """The client is still waiting."""
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
