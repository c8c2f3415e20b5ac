"""An ASGI app that receives callbacks, to mount into any ASGI framework or to run by itself."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, cast

try:
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import PlainTextResponse, Response
except ModuleNotFoundError as error:
    raise ImportError(
        'The app for callbacks needs starlette: pip install "ecall-facade[webhooks]"'
    ) from error

from ecall_facade.errors import WebhookError
from ecall_facade.webhooks._events import (
    Event,
    Expected,
    ReceivedMessage,
    StatusUpdate,
    UnknownEvent,
)
from ecall_facade.webhooks._receiver import Receiver, lower, too_large
from ecall_facade.webhooks._seen import Busy, Seen, once

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Handler: TypeAlias = Callable[
    [StatusUpdate | ReceivedMessage | UnknownEvent], Awaitable[object] | object
]

INBOUND_PATH = "/api/webhooks/receivedmessage"
"""Where inbound messages are posted (documented), below wherever the app is mounted."""

_log = logging.getLogger("ecall_facade.webhooks")


class WebhookApp:
    """An ASGI app that gives each callback to a handler, and answers 200 when that is done.

    - `handler`: takes an event; a coroutine function, or a plain function, which is called in a thread.
    - `receiver`: what is trusted; default `Receiver()`, the documented addresses.
    - `seen`: drops events that were handled before, such as `SeenKeys()`; default none.

    Answers POST and GET at the app's own path and, for inbound messages, at `/api/webhooks/receivedmessage` below it:
    400, 401, 403, 404, 405, 413, 415 for what is not accepted, 500 where the handler failed and 503 where the same
    event is being handled, so that the service may try again (inferred), all with one line that repeats nothing.

    Behind a proxy name it in `Receiver(trusted_proxies=…)`, and let the server hand on the peer's own address: uvicorn
    with `--no-proxy-headers`.
    """

    def __init__(
        self, handler: Handler, *, receiver: Receiver | None = None, seen: Seen | None = None
    ) -> None:
        self._handler = handler
        call = getattr(handler, "__call__", None)  # noqa: B004  # of an object that is callable
        self._is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
        self._receiver = receiver or Receiver()
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _live(receive, send)
            return
        try:
            response = await self._answer(scope, receive)
        except _GoneError:
            return
        except WebhookError as error:
            challenge = (
                {"WWW-Authenticate": 'Basic realm="callbacks"'}
                if error.status_code == 401
                else None
            )
            response = PlainTextResponse(f"{error.explanation}\n", error.status_code, challenge)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = cast("str", scope["path"])
        headers = lower(scope["headers"])
        peer = cast("tuple[str, int] | None", scope.get("client"))
        remote_addr = peer[0] if peer else None
        # Before anything is read of somebody who is not trusted.
        self._receiver.check(remote_addr, headers, path)
        expected = self._expected(_below_mount(scope))
        if expected is None:
            return PlainTextResponse("There is nothing at this path\n", 404)
        if scope["method"] not in {"POST", "GET"}:
            return PlainTextResponse("Callbacks come by POST or GET\n", 405, {"Allow": "GET, POST"})
        body = await self._read(receive, headers)
        event = self._receiver.read(body, headers, scope["query_string"], expected)
        return await self._handle(event)

    def _expected(self, path: str) -> Expected | None:
        segments = self._receiver.segments(path)
        if not segments:
            return "any"
        return "message" if "/".join(["", *segments]).lower() == INBOUND_PATH else None

    async def _read(self, receive: Receive, headers: list[tuple[str, str]]) -> bytes:
        """Read the body, and stop reading at the limit."""
        limit = self._receiver.max_body
        length = next((value for name, value in headers if name == "content-length"), "")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large(limit)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
            if len(body) > limit:
                raise too_large(limit)
            if not message.get("more_body", False):
                return bytes(body)

    async def _handle(self, event: StatusUpdate | ReceivedMessage | UnknownEvent) -> Response:
        try:
            if self._seen is None:
                await self._call(event)
            else:
                with once(self._seen, event.key) as is_new:
                    if is_new:
                        await self._call(event)
        except Busy:
            return PlainTextResponse("The same event is being handled\n", 503, {"Retry-After": "5"})
        except Exception as error:  # noqa: BLE001  # whatever a handler raises, the service gets an answer
            # Neither the exception's words nor its frames are logged: they may hold the message.
            _log.error(
                "The handler failed for %s: %s at %s",
                event.key,
                type(error).__name__,
                _place(error),
            )
            return PlainTextResponse("The handler failed\n", 500)
        return PlainTextResponse("ok\n")

    async def _call(self, event: Event) -> None:
        if self._is_async:
            await cast("Callable[[Event], Awaitable[object]]", self._handler)(event)
        else:
            result = await run_in_threadpool(
                cast("Callable[[Event], object]", self._handler), event
            )
            if inspect.isawaitable(result):
                await result


class _GoneError(Exception):
    """The caller hung up before all of the body was there."""


def _below_mount(scope: Scope) -> str:
    """Give the path below the one where the app is mounted."""
    path, root = cast("str", scope["path"]), cast("str", scope.get("root_path", ""))
    # What a proxy has taken off the path is in the root path all the same, as FastAPI(root_path=…) says it.
    for prefix in (root, root.removeprefix(scope.get("app_root_path", ""))):
        if f"{path}/".startswith(f"{prefix}/"):
            return path[len(prefix) :]
    return path


def _place(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return (
        "an unknown place"
        if frame is None
        else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
    )


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the server's start and stop, where the app runs by itself."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
