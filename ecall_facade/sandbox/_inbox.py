"""The server side of the page that shows the messages: its files, its JSON and its stream of changes."""

from __future__ import annotations

import asyncio
import json
import logging
from importlib import resources
from typing import TYPE_CHECKING, cast

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from ecall_client.models import Channel
from ecall_facade._version import __version__
from ecall_facade.sandbox._http import OCTET_STREAM, SIMULATION_HEADER, SIMULATION_NOTICE
from ecall_facade.sandbox._items import (
    Items,
    inbound_response,
    is_harmless,
    message_details,
    request_details,
    without_password,
    write_json,
)
from ecall_facade.sandbox._messages import Message
from ecall_facade.sandbox._recorded import RecordedRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.types import Message as Part
    from starlette.types import Receive, Scope, Send

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._callbacks import Callbacks
    from ecall_facade.sandbox._limits import Limits
    from ecall_facade.sandbox._replies import Replies
    from ecall_facade.sandbox._store import Store

POLL = 0.1  # seconds between two looks for changes
MAX_WRITE = 64 * 2**10  # bytes of a request from the page

_FILES = {
    "/": ("inbox.html", "text/html; charset=utf-8"),
    "/inbox.css": ("inbox.css", "text/css; charset=utf-8"),
    "/inbox.js": ("inbox.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# Other addresses at which people look for the page. Relative, as the sandbox does not know whether a reverse proxy
# serves it below a path.
_REDIRECTS = {
    "/inbox": "./",
    "/index.html": "./",
    "/inbox.html": "./",
    "/inbox/": "../",
    "/inbox/index.html": "../",
}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    SIMULATION_HEADER: SIMULATION_NOTICE,
}
_NOT_AN_OBJECT = "The body must be a JSON object, with Content-Type: application/json."
_log = logging.getLogger("ecall_facade.sandbox")


class Inbox:
    """Serves the page, and what it shows.

    Args:
        store: The messages.
        callbacks: The attempts to report changes.
        replies: Posts replies.
        clear: Forgets everything that the sandbox keeps.
        any_credentials: Whether the API accepts any credentials, which the page says.
        limits: The bounds of the sandbox.
    """

    def __init__(
        self,
        store: Store,
        callbacks: Callbacks,
        replies: Replies,
        clear: Callable[[], None],
        any_credentials: bool,
        limits: Limits,
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._replies = replies
        self._clear_all = clear
        self._any_credentials = any_credentials
        self._max_items = limits.items
        self._heartbeat = limits.heartbeat
        self._items = Items(store.media)
        self._streams: set[asyncio.Task[None]] = set()
        self._router = Router(
            [
                *(Route(path, self._get_file) for path in _FILES),
                *(Route(path, self._get_redirect) for path in _REDIRECTS),
                Route("/inbox/items", self._get_items),
                Route("/inbox/items/{key:path}", self._get_details),
                Route("/inbox/events", self._get_events),
                Route("/inbox/media/{id}", self._get_media),
                Route("/inbox/reply", self._post_reply, methods=["POST"]),
                Route("/inbox/clear", self._post_clear, methods=["POST"]),
            ],
            redirect_slashes=False,
            default=_not_found,
        )

    def takes(self, request: Request) -> bool:
        """Return whether a request is for the page, and not for the API."""
        path: str = request.scope["path"]
        if path in _FILES or path in _REDIRECTS or path.startswith("/inbox/"):
            return True
        # Somebody who looks for the page: the API's 401 would make a browser ask for a password.
        is_api = f"{path.lower()}/".startswith("/api/")
        is_read = request.method in {"GET", "HEAD"}
        return is_read and not is_api and "authorization" not in request.headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def send_safely(part: Part) -> None:
            nonlocal has_started
            has_started = True
            if part["type"] == "http.response.start":
                MutableHeaders(scope=part).update(_HEADERS)
            await send(part)

        try:
            await self._router(scope, receive, send_safely)
        except ClientDisconnect:
            return
        except Exception:
            _log.exception("Unexpected error in the sandbox's inbox")
            if has_started:
                raise
            await _json({"error": "Unexpected error in the sandbox; see its log."}, 500)(
                scope, receive, send_safely
            )

    def stop(self) -> None:
        """End the streams, which never end by themselves."""
        for task in self._streams:
            task.cancel()

    async def _get_file(self, request: Request) -> Response:
        name, content_type = _FILES[request.url.path]
        content = (resources.files("ecall_facade.sandbox") / "page" / name).read_bytes()
        return Response(content, headers={"content-type": content_type})

    async def _get_redirect(self, request: Request) -> Response:
        return RedirectResponse(_REDIRECTS[request.url.path])

    async def _get_items(self, _request: Request) -> Response:
        version, entries = self._store.newest_of_all(self._max_items)
        items = [item for entry in entries for item in self._items.items(entry)]
        # The sort is stable, so items of one moment stay in their order.
        items.sort(key=lambda item: cast("str", item["at"]))
        newest = items[-self._max_items :]
        return _json({"version": version, "items": newest, "status": self._status()})

    async def _get_details(self, request: Request) -> Response:
        key: str = request.path_params["key"]
        kind, _, name = key.partition(":")
        entry = self._store.get(f"request:{name.partition(':')[0]}" if kind == "refused" else key)
        items = [] if entry is None else self._items.items(entry)
        item = next((item for item in items if item["key"] == key), None)
        if item is None:
            gone = "This message no longer exists: it was dropped for newer ones, or cleared."
            return _json({"error": gone}, 404)
        details: dict[str, JSON] = {"history": [], "notifications": []}
        recorded: object = entry
        if isinstance(entry, Message):
            recorded = self._store.get(f"request:{entry.request_id}")
            details = message_details(entry, self._callbacks.snapshot())
        if not isinstance(recorded, RecordedRequest):
            recorded = None
        # The page knows its own address; behind a reverse proxy the sandbox does not.
        own = f"{request.url.scheme}://{request.url.netloc}"
        base_url = request.query_params.get("base_url") or own
        return _json({"item": item, **details, **request_details(recorded, base_url)})

    async def _get_events(self, request: Request) -> Response:
        given = request.headers.get("last-event-id") or request.query_params.get("since", "")
        since = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else -1
        return _Stream(self._streams, self._follow(since))

    async def _follow(self, version: int) -> AsyncGenerator[str]:
        """Yield the events since a version: items that are new or changed, or a reset if they are too many."""
        yield "retry: 1000\n\n"
        quiet = 0.0
        while True:
            version, keys = self._store.changes_since(version)
            quiet = quiet + POLL if keys == [] else 0.0
            if keys is None or len(keys) > self._max_items:
                yield _event("reset", version, {})
            elif keys:
                entries = [entry for key in keys if (entry := self._store.get(key))]
                items = [item for entry in entries for item in self._items.items(entry)]
                data = {"version": version, "items": items, "status": self._status()}
                yield _event("items", version, data)
            elif quiet >= self._heartbeat:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(POLL)

    async def _get_media(self, request: Request) -> Response:
        found = self._items.find_file(request.path_params["id"])
        if found is None:
            return _json({"error": "There is no file with this id."}, 404)
        path, media_type, _ = found
        if is_harmless(media_type):
            return FileResponse(path, media_type=media_type)
        return FileResponse(path, media_type=OCTET_STREAM, filename=path.name)

    async def _post_reply(self, request: Request) -> Response:
        asked = await _read(request)
        if asked is None:
            return _json({"error": _NOT_AN_OBJECT}, 415)
        names = ("text", "number", "to", "channel", "media_id", "url")
        values = [asked.get(name) for name in names]
        if not all(value is None or isinstance(value, str) for value in values):
            return _json({"error": "All fields of a reply must be strings."}, 400)
        # An empty field of the form is one that was not filled in.
        filled = [cast("str | None", value) or None for value in values]
        text, number, to, channel, media_id, url = filled
        try:
            inbound = await run_in_threadpool(
                self._replies.post, text, number, to, channel or Channel.SMS.value, media_id, url
            )
        except ValueError as error:
            return _json({"error": f"{error}."}, 400)
        return _json({"key": f"inbound:{inbound.id}", **inbound_response(inbound)})

    async def _post_clear(self, request: Request) -> Response:
        if await _read(request) is None:
            return _json({"error": _NOT_AN_OBJECT}, 415)
        self._clear_all()
        return Response(status_code=204)

    def _status(self) -> dict[str, JSON]:
        inbound_url = self._replies.url
        return {
            "messages": len(self._store),
            "dropped": self._store.dropped,
            "shown": self._max_items,
            "limits": dict(self._store.limits),
            "inbound_url": None if inbound_url is None else without_password(inbound_url),
            "any_credentials": self._any_credentials,
            "version": __version__,
        }


class _Stream(StreamingResponse):
    """Server-sent events, until the client disconnects or the server stops."""

    def __init__(self, streams: set[asyncio.Task[None]], events: AsyncGenerator[str]) -> None:
        headers = {
            "content-type": "text/event-stream",
            "x-accel-buffering": "no",  # nginx would keep events back until its buffer is full
        }
        super().__init__(events, headers=headers)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.ensure_future(super().__call__(scope, receive, send))
        self._streams.add(task)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            self._streams.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    error = "There is nothing at this address. The inbox is at /, and the API below /api/."
    await _json({"error": error}, 404)(scope, receive, send)


def _json(payload: object, status: int = 200) -> Response:
    return Response(write_json(payload), status, media_type="application/json")


def _event(name: str, version: int, data: object) -> str:
    # JSON in ASCII has no line breaks.
    return f"event: {name}\nid: {version}\ndata: {write_json(data)}\n\n"


async def _read(request: Request) -> dict[str, object] | None:
    """Return the body of a write, or None if it is not a JSON object, such as a form on another web site."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_WRITE:
            return None
    try:
        asked: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", asked) if isinstance(asked, dict) else None
