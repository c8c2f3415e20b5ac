"""An ASGI app that receives callbacks, to mount in any ASGI framework or to run by itself."""

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
from ecall_facade.webhooks._deduplication import InProgress, Seen, handle_once
from ecall_facade.webhooks._events import (
    Event,
    Expected,
    ReceivedMessage,
    StatusUpdate,
    UnknownEvent,
)
from ecall_facade.webhooks._headers import HeaderLines, read_headers
from ecall_facade.webhooks._receiver import Receiver

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

Handler: TypeAlias = Callable[
    [StatusUpdate | ReceivedMessage | UnknownEvent], Awaitable[object] | object
]

INBOUND_PATH = "/api/webhooks/receivedmessage"
"""Where inbound messages are posted (documented), below the path where the app is mounted."""

_log = logging.getLogger("ecall_facade.webhooks")


class WebhookApp:
    """An ASGI app that passes each callback to a handler, and responds with 200 when that is done.

    It takes POST and GET at its own path and, for inbound messages, at `/api/webhooks/receivedmessage` below it.
    What is not accepted gets 400, 401, 403, 404, 405, 413 or 415.
    If the handler fails the response is 500, and if the same event is being handled 503, so that the service may try
    again (inferred).
    Each response is one line that repeats nothing of the callback.

    Behind a proxy, name it in `Receiver(trusted_proxies=…)`, and let the server hand on the peer's own address: start
    Uvicorn with `--no-proxy-headers`.

    Args:
        handler: Takes an event; a coroutine function, or a plain function, which is called in a thread.
        receiver: Decides what is trusted; by default `Receiver()`, which trusts the documented addresses.
        seen: A deduplicator, such as `SeenKeys()`, for events that are delivered again; by default none.
    """

    def __init__(
        self, handler: Handler, *, receiver: Receiver | None = None, seen: Seen | None = None
    ) -> None:
        self._handler = handler
        self._is_async = inspect.iscoroutinefunction(handler)
        # Unlike `receive`, its steps allow to read no more of a body than is wanted, from nobody who is not trusted.
        self._reader = (receiver or Receiver())._reader  # pyright: ignore[reportPrivateUsage]
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _take_part_in_lifespan(receive, send)
            return
        try:
            response = await self._respond(scope, receive)
        except _DisconnectedError:
            # Nobody reads it, but to middleware an app that sends nothing looks broken.
            response = PlainTextResponse("The caller hung up\n", 400)
        except WebhookError as error:
            response = PlainTextResponse(f"{error.explanation}\n", error.status_code)
            if error.status_code == 401:
                response.headers["WWW-Authenticate"] = 'Basic realm="callbacks"'
        await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response:
        path = cast("str", scope["path"])
        headers = read_headers(cast("list[tuple[bytes, bytes]]", scope["headers"]))
        peer = cast("tuple[str, int] | None", scope.get("client"))
        remote_addr = peer[0] if peer else None
        # Nothing is read from a caller who is not trusted.
        self._reader.check(remote_addr, headers, path)
        expected = self._expected(_below_mount(scope))
        if expected is None:
            return PlainTextResponse("There is nothing at this path\n", 404)
        if scope["method"] not in {"POST", "GET"}:
            return PlainTextResponse("Callbacks come by POST or GET\n", 405, {"Allow": "GET, POST"})
        body = await self._read_body(receive, remote_addr, headers)
        query = cast("bytes", scope["query_string"])
        event = self._reader.read(body, remote_addr, headers, query, expected)
        return await self._handle(event)

    def _expected(self, path: str) -> Expected | None:
        """Return what may come at a path below the mount, or None if there is nothing at it."""
        segments = self._reader.segments(path)
        if not segments:
            return "any"
        return "message" if "/".join(["", *segments]).lower() == INBOUND_PATH else None

    async def _read_body(
        self, receive: Receive, remote_addr: str | None, headers: HeaderLines
    ) -> bytes:
        """Read the body, but no more of it than the limit."""
        limit = self._reader.max_body
        length = headers.first("content-length")
        if length.isdecimal() and int(length[:20]) > limit:
            raise self._reader.refuse_too_large(remote_addr)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectedError
            body += message.get("body", b"")
            if len(body) > limit:
                raise self._reader.refuse_too_large(remote_addr)
            if not message.get("more_body", False):
                return bytes(body)

    async def _handle(self, event: StatusUpdate | ReceivedMessage | UnknownEvent) -> Response:
        try:
            if self._seen is None:
                await self._call(event)
            else:
                with handle_once(self._seen, event.key) as is_new:
                    if is_new:
                        await self._call(event)
        except InProgress:
            return PlainTextResponse("The same event is being handled\n", 503, {"Retry-After": "5"})
        except Exception as error:  # noqa: BLE001  # whatever a handler raises, the service gets a response
            # Neither the exception's text nor its frames are logged, because they may hold the message.
            _log.error(
                "The handler failed for %s: %s at %s",
                event.key,
                type(error).__name__,
                _raised_at(error),
            )
            return PlainTextResponse("The handler failed\n", 500)
        return PlainTextResponse("ok\n")

    async def _call(self, event: Event) -> None:
        if self._is_async:  # no thread is needed
            await cast("Callable[[Event], Awaitable[object]]", self._handler)(event)
        else:
            result = await run_in_threadpool(
                cast("Callable[[Event], object]", self._handler), event
            )
            if inspect.isawaitable(result):
                await result


class _DisconnectedError(Exception):
    """The caller hung up before all of the body had arrived."""


def _below_mount(scope: Scope) -> str:
    """Return the path below the one where the app is mounted."""
    path = cast("str", scope["path"])
    root = cast("str", scope.get("root_path", ""))
    # FastAPI(root_path=…) names a prefix that a proxy may have removed from the path already.
    for prefix in (root, root.removeprefix(scope.get("app_root_path", ""))):
        if f"{path}/".startswith(f"{prefix}/"):
            return path[len(prefix) :]
    return path


def _raised_at(error: Exception) -> str:
    """Return the file and line that raised the error."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "an unknown place"
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"


async def _take_part_in_lifespan(receive: Receive, send: Send) -> None:
    """Confirm the server's start and stop, if the app runs by itself."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
