"""A fake eCall in process, and a client for it that is sync on the outside in both its forms."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx

from ecall_facade import AsyncECall, ECall

USERNAME, PASSWORD = "jane", "s3cret-of-jane"
REQUEST_ID = "req-0815"

ClientMaker = Callable[..., ECall]


class FakeService:
    """What comes in is kept in `requests`; what goes out is what `answer` and `fail` have said, the last of it forever.

    A service that was told nothing takes no request at all.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._outcomes: list[Callable[[], httpx.Response]] = []

    def answer(
        self,
        json: object = None,
        status: int = 200,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        given = {"x-f24-request-id": REQUEST_ID, **(headers or {})}
        body: dict[str, Any] = {"json": json} if content is None else {"content": content}
        self._outcomes.append(lambda: httpx.Response(status, headers=given, **body))

    def fail(self, error: Exception) -> None:
        def outcome() -> httpx.Response:
            raise error

        self._outcomes.append(outcome)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        assert self._outcomes, f"{request.method} {request.url} was not expected"
        return self._outcomes[min(len(self.requests), len(self._outcomes)) - 1]()

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)

    @property
    def request(self) -> httpx.Request:
        """The one request there was."""
        (request,) = self.requests
        return request

    @property
    def body(self) -> object:
        """The JSON of the one request there was."""
        return json.loads(self.request.content)


class _Blocking:
    """Stands for an async object: what it would give to an `await` is given at once."""

    def __init__(self, target: object, run: Callable[[Any], Any]) -> None:
        self._target = target
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return self._outside(getattr(self._target, name))

    def __repr__(self) -> str:
        return repr(self._target)

    def _outside(self, value: Any) -> Any:
        if inspect.iscoroutinefunction(value):
            return lambda *args, **kwargs: self._run(value(*args, **kwargs))
        if inspect.ismethod(value):
            return lambda *args, **kwargs: self._outside(value(*args, **kwargs))
        return _Blocking(value, self._run) if type(value).__module__ == AsyncECall.__module__ else value


@contextmanager
def blocking_client(service: FakeService, *, is_async: bool) -> Iterator[ClientMaker]:
    """Give a function that makes clients of the service; all its arguments are those of the client."""
    with asyncio.Runner() as runner:

        def make(*args: Any, **kwargs: Any) -> ECall:
            defaults = {"username": USERNAME, "password": PASSWORD} if not args else {}
            kwargs = {"transport": service.transport, **defaults, **kwargs}
            if is_async:
                return cast("ECall", _Blocking(AsyncECall(*args, **kwargs), runner.run))
            return ECall(*args, **kwargs)

        yield make
