"""Clients for the tests with sockets: one face, under which a sync client or an async one works."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

from _servers import Server

from ecall_facade import AsyncECall, ECall
from ecall_facade._settings import Senders

USERNAME, PASSWORD = "acme-api", "Zwölf-Schlösser-und-1-Riegel"
TOKEN = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
SENDERS: Senders = {"sms": "ACME", "whatsapp": "+41 79 100 00 01", "rcs": "acme-rcs"}

NUMBER, E164, INTERNATIONAL = "+41 79 123 45 67", "+41791234567", "0041791234567"
OTHER_NUMBER, OTHER_E164 = "+41 78 765 43 21", "+41787654321"
TEXT = "Your code is 481 516, see you soon"


class OpenClient(Protocol):
    """Opens a client for a server or a URL; the options are those of the client."""

    is_async: bool

    def __call__(self, server: Server | str, **options: Any) -> ECall: ...

    def send_together(self, ecall: ECall, count: int) -> None: ...


class Opener:
    """`OpenClient`, which closes what it has opened."""

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self._stack = contextlib.ExitStack()
        self._run: Callable[[Any], Any] = (
            self._stack.enter_context(asyncio.Runner()).run if is_async else lambda x: x
        )

    def __call__(self, server: Server | str, **options: Any) -> ECall:
        url = server.url if isinstance(server, Server) else server
        options = {"sender": SENDERS, "timeout": 10, "base_url": url, **options}
        if self.is_async:
            client = cast("ECall", _Outside(AsyncECall(USERNAME, PASSWORD, **options), self._run))
            self._stack.callback(cast("Any", client).aclose)
        else:
            client = ECall(USERNAME, PASSWORD, **options)
            self._stack.callback(client.close)
        return client

    def send_together(self, ecall: ECall, count: int) -> None:
        """Send so many messages at a time, in threads or in tasks."""
        if self.is_async:
            inside = cast("Any", ecall)._inside

            async def send_all() -> None:
                await asyncio.gather(*[inside.sms.send(NUMBER, TEXT) for _ in range(count)])

            self._run(send_all())
        else:
            with ThreadPoolExecutor(count) as threads:
                list(threads.map(lambda _: ecall.sms.send(NUMBER, TEXT), range(count)))

    def close(self) -> None:
        self._stack.close()


class _Outside:
    """An async object from outside its event loop: whatever has to be awaited is."""

    def __init__(self, inside: object, run: Callable[[Any], Any]) -> None:
        self._inside = inside
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return self._wrap(getattr(self._inside, "aclose" if name == "close" else name))

    def __repr__(self) -> str:
        return repr(self._inside)

    def _wrap(self, value: Any) -> Any:
        if inspect.iscoroutinefunction(value):
            return lambda *args, **kwargs: self._run(value(*args, **kwargs))
        if inspect.ismethod(value):
            return lambda *args, **kwargs: self._wrap(value(*args, **kwargs))
        if isinstance(value, AbstractAsyncContextManager) and not isinstance(value, AsyncECall):
            return self._manage(value)
        is_async_part = type(value).__module__.startswith("ecall_facade._async.")
        return _Outside(value, self._run) if is_async_part else value

    @contextlib.contextmanager
    def _manage(self, manager: AbstractAsyncContextManager[object]) -> Iterator[object]:
        async def leave(*details: Any) -> bool | None:
            return await manager.__aexit__(*details)

        async def enter() -> object:
            return await manager.__aenter__()

        value = self._run(enter())
        try:
            yield self._wrap(value)
        except BaseException as error:
            if not self._run(leave(type(error), error, error.__traceback__)):
                raise
        else:
            self._run(leave(None, None, None))

    def __iter__(self) -> Iterator[Any]:
        iterator = cast("Any", self._inside).__aiter__()

        async def following() -> tuple[Any, bool]:
            try:
                return await anext(iterator), True
            except StopAsyncIteration:
                return None, False

        while True:
            value, is_there = self._run(following())
            if not is_there:
                return
            yield value
