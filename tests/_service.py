"""A fake eCall in process: it responds as it is told, and keeps the requests."""

from __future__ import annotations

from collections.abc import Callable
from json import dumps, loads
from typing import Any

import httpx

REQUEST_ID = "req-0815"


class FakeService:
    """Keeps the requests, and responds as `respond` and `fail` were called; the last of these is repeated.

    A service that was told nothing takes no request at all.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._handle)
        self._outcomes: list[Callable[[], httpx.Response]] = []

    def respond(
        self,
        json: object = None,
        status: int = 200,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        given = {"x-f24-request-id": REQUEST_ID, **(headers or {})}
        body = (
            dumps(json).encode() if content is None else content
        )  # with all that is not quite JSON, such as NaN
        self._outcomes.append(lambda: httpx.Response(status, headers=given, content=body))

    def fail(self, error: Exception) -> None:
        def outcome() -> httpx.Response:
            raise error

        self._outcomes.append(outcome)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self._outcomes:
            raise AssertionError(f"{request.method} {request.url} was not expected")
        return self._outcomes[min(len(self.requests), len(self._outcomes)) - 1]()

    @property
    def request(self) -> httpx.Request:
        """The one request there was."""
        (request,) = self.requests
        return request

    @property
    def body(self) -> Any:
        """The JSON of the one request there was."""
        return loads(self.request.content)
