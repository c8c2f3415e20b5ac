"""The server side of the page that shows the messages: its files, its JSON and its stream of changes."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import puremagic
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, Router

from ecall_client.models import Channel
from ecall_client.tables import ImageContentSpec, ReceivedMessageSpec, TextContentSpec
from ecall_facade._json import as_dict
from ecall_facade._version import __version__
from ecall_facade.sandbox._app import OCTET_STREAM, SIMULATION_NOTICE, write_time
from ecall_facade.sandbox._recorded import RecordedRequest, with_plus
from ecall_facade.sandbox._store import Inbound, Message
from ecall_facade.text import measure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from starlette.types import Message as Part
    from starlette.types import Receive, Scope, Send

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._callbacks import Callbacks
    from ecall_facade.sandbox._replies import Replies
    from ecall_facade.sandbox._store import Store

SHOWN = 2_000
"""How many items the page shows at most: the newest."""
POLL = 0.1  # seconds between two checks for changes
HEARTBEAT = 10.0  # seconds
MAX_WRITE = 64 * 2**10  # bytes of a request from the page

_FILES = {
    "/": ("inbox.html", "text/html; charset=utf-8"),
    "/inbox.css": ("inbox.css", "text/css; charset=utf-8"),
    "/inbox.js": ("inbox.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# Other addresses at which people look for the page. Relative, as the sandbox does not know below which path of a
# reverse proxy it is.
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
    "x-ecall-sandbox": SIMULATION_NOTICE,
}
# Media types that a browser shows without running anything. All other files are downloads.
_HARMLESS = re.compile(r"image/(png|jpeg|gif|webp|bmp)|audio/.+|video/.+")
_MAX_DEPTH = 50  # levels of nested JSON that are shown
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
    """

    def __init__(
        self,
        store: Store,
        callbacks: Callbacks,
        replies: Replies,
        clear: Callable[[], None],
        any_credentials: bool,
    ) -> None:
        self._store = store
        self._callbacks = callbacks
        self._replies = replies
        self._clear_all = clear
        self._any_credentials = any_credentials
        self._streams: set[asyncio.Task[None]] = set()
        self._sniffed = lru_cache(SHOWN)(_sniff)
        self._router = Router(
            [
                *(Route(path, self._file) for path in _FILES),
                *(Route(path, self._redirect) for path in _REDIRECTS),
                Route("/inbox/items", self._items),
                Route("/inbox/items/{key:path}", self._detail),
                Route("/inbox/events", self._events),
                Route("/inbox/media/{id}", self._media),
                Route("/inbox/reply", self._reply, methods=["POST"]),
                Route("/inbox/clear", self._clear, methods=["POST"]),
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

    async def _file(self, request: Request) -> Response:
        name, content_type = _FILES[request.url.path]
        content = (resources.files("ecall_facade.sandbox") / "page" / name).read_bytes()
        return Response(content, headers={"content-type": content_type})

    async def _redirect(self, request: Request) -> Response:
        return RedirectResponse(_REDIRECTS[request.url.path])

    async def _items(self, request: Request) -> Response:  # noqa: ARG002
        version, entries = self._store.newest_of_all(SHOWN)
        items = [item for entry in entries for item in self._shown(entry)]
        items.sort(
            key=lambda item: cast("str", item["at"])
        )  # stable, so those of one moment stay in their order
        return _json({"version": version, "items": items[-SHOWN:], "status": self._status()})

    async def _detail(self, request: Request) -> Response:
        key: str = request.path_params["key"]
        kind, _, name = key.partition(":")
        entry = self._store.get(f"request:{name.partition(':')[0]}" if kind == "refused" else key)
        item = (
            next((item for item in self._shown(entry) if item["key"] == key), None)
            if entry
            else None
        )
        if entry is None or item is None:
            return _json(
                {
                    "error": "This message no longer exists: it was dropped for newer ones, or cleared."
                },
                404,
            )
        detail: dict[str, JSON] = {"item": item, "history": [], "notifications": []}
        recorded: object = entry
        if isinstance(entry, Message):
            recorded = self._store.get(f"request:{entry.request_id}")
            detail["history"] = [
                {"state": state, "at": write_time(at)} for state, at in entry.history
            ]
            detail["notifications"] = [
                {
                    "type": told.type, "address": _without_password(told.address), "state": told.state,
                    "at": write_time(told.at), "outcome": told.outcome, "status_code": told.status_code,
                    "reason": told.reason,
                }
                for told in self._callbacks.snapshot() if told.message_id == entry.id
            ]  # fmt: skip
        # The page knows its own address; behind a reverse proxy the sandbox does not.
        own = f"{request.url.scheme}://{request.url.netloc}"
        base_url = request.query_params.get("base_url") or own
        return _json(
            {
                **detail,
                **_request_and_response(
                    recorded if isinstance(recorded, RecordedRequest) else None, base_url
                ),
            }
        )

    async def _events(self, request: Request) -> Response:
        given = request.headers.get("last-event-id") or request.query_params.get("since", "")
        since = int(given) if given.isascii() and given.isdigit() and len(given) < 16 else -1
        return _Stream(self._streams, self._follow(since))

    async def _follow(self, version: int) -> AsyncGenerator[str]:
        yield "retry: 1000\n\n"
        quiet = 0.0
        while True:
            version, keys = self._store.changes_since(version)
            quiet = 0.0 if keys or keys is None else quiet + POLL
            if keys is None or len(keys) > SHOWN:
                yield _event("reset", version, {})
            elif keys:
                items = [
                    item
                    for key in keys
                    if (entry := self._store.get(key))
                    for item in self._shown(entry)
                ]
                yield _event(
                    "items", version, {"version": version, "items": items, "status": self._status()}
                )
            elif quiet >= HEARTBEAT:
                quiet = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(POLL)

    async def _media(self, request: Request) -> Response:
        found = self._find(request.path_params["id"])
        if found is None:
            return _json({"error": "There is no file with this id."}, 404)
        path, sniffed, _ = found
        if _HARMLESS.fullmatch(sniffed):
            return FileResponse(path, media_type=sniffed)
        return FileResponse(path, media_type=OCTET_STREAM, filename=path.name)

    async def _reply(self, request: Request) -> Response:
        asked = await _read(request)
        if asked is None:
            return _json({"error": _NOT_AN_OBJECT}, 415)
        values = {
            name: asked.get(name) for name in ("text", "number", "to", "channel", "media_id", "url")
        }
        if not all(value is None or isinstance(value, str) for value in values.values()):
            return _json({"error": "All fields of a reply must be strings."}, 400)
        # An empty field of the form is one that was not filled in.
        text, number, to, channel, media_id, url = (
            cast("str | None", value) or None for value in values.values()
        )
        try:
            inbound = await run_in_threadpool(
                self._replies.post, text, number, to, channel or Channel.SMS.value, media_id, url
            )
        except ValueError as error:
            return _json({"error": f"{error}."}, 400)
        return _json({"key": f"inbound:{inbound.id}", **_answer(inbound)})

    async def _clear(self, request: Request) -> Response:
        if await _read(request) is None:
            return _json({"error": _NOT_AN_OBJECT}, 415)
        self._clear_all()
        return Response(status_code=204)

    def _status(self) -> dict[str, JSON]:
        return {
            "messages": len(self._store),
            "dropped": self._store.dropped,
            "shown": SHOWN,
            "limits": dict(self._store.limits),
            "inbound_url": self._replies.url and _without_password(self._replies.url),
            "any_credentials": self._any_credentials,
            "version": __version__,
        }

    def _shown(self, entry: Message | RecordedRequest | Inbound) -> list[dict[str, JSON]]:
        """Return the items that the page shows of an entry; of a request, its refused messages."""
        if isinstance(entry, Message):
            content = _content(entry)
            return [
                {
                    "key": f"message:{entry.id}",
                    "kind": "message",
                    "id": entry.id,
                    "number": with_plus(entry.recipient),
                    "sender": entry.sender,
                    "channel": entry.channel,
                    "at": write_time(entry.accepted_at),
                    "state": entry.state,
                    "error": entry.error,
                    "request_id": entry.request_id,
                    "list_id": entry.list_id,
                    "content": content,
                    **self._measured(entry.channel, content),
                }
            ]
        if isinstance(entry, RecordedRequest):
            at = write_time(entry.at)
            return [
                {
                    **refused,
                    "at": at,
                    **self._measured(cast("str", refused["channel"]), as_dict(refused["content"])),
                }
                for refused in entry.refused
            ]
        message = entry.json
        content = cast("dict[str, JSON]", message[ReceivedMessageSpec.content])
        return [
            {
                "key": f"inbound:{entry.id}", "kind": "inbound", "id": entry.id,
                "number": with_plus(cast("str", message[ReceivedMessageSpec.from_])),
                "sender": message[ReceivedMessageSpec.to],
                "channel": message[ReceivedMessageSpec.channel],
                "at": write_time(entry.at),
                "content": content, "media": self._file_of(content), "url": _without_password(entry.url),
                "answer": _answer(entry) if entry.is_over else None,
            }
        ]  # fmt: skip

    def _measured(
        self, channel: str, content: dict[str, object] | dict[str, JSON]
    ) -> dict[str, JSON]:
        text = content.get(TextContentSpec.text)
        size = measure(text) if channel == Channel.SMS and isinstance(text, str) else None
        return {
            "pages": size.pages if size else None,
            "encoding": size.encoding if size else None,
            "media": self._file_of(content),
        }

    def _file_of(self, content: dict[str, object] | dict[str, JSON]) -> JSON:
        media_id = content.get(ImageContentSpec.media_id)
        if not isinstance(media_id, str):
            return None
        found = self._find(media_id)
        if found is None:
            return {"content_type": OCTET_STREAM, "size": 0, "kept": False}
        return {"content_type": found[1], "size": found[2], "kept": True}

    def _find(self, media_id: str) -> tuple[Path, str, int] | None:
        """Return path, media type and size of a file, or None if it is gone."""
        path = self._store.media_path(media_id)
        try:
            return (path, self._sniffed(path), path.stat().st_size) if path else None
        except OSError:
            return None


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
    return Response(_dump(payload), status, media_type="application/json")


def _event(name: str, version: int, data: object) -> str:
    return (
        f"event: {name}\nid: {version}\ndata: {_dump(data)}\n\n"  # JSON in ASCII has no line breaks
    )


def _dump(data: object) -> str:
    """Return JSON, also of a request with numbers beyond a float (1e999) or with very deep nesting."""
    try:
        return json.dumps(data, allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps(_cut(data, _MAX_DEPTH), allow_nan=False)


def _cut(data: object, depth: int) -> object:
    if isinstance(data, (dict, list)) and not depth:
        return "…"
    if isinstance(data, dict):
        return {
            name: _cut(value, depth - 1) for name, value in cast("dict[str, object]", data).items()
        }
    if isinstance(data, list):
        return [_cut(value, depth - 1) for value in cast("list[object]", data)]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data


def _content(message: Message) -> dict[str, JSON]:
    try:
        return message.content
    except RecursionError:  # it nests as deep as could just be read when it came
        return {}


async def _read(request: Request) -> dict[str, object] | None:
    """Return the body of a write, or None if it is not a JSON object, as from a form on another site."""
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "application/json"
    ):
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


def _sniff(path: Path) -> str:
    """Return the media type of a file by its first bytes."""
    with path.open("rb") as file:
        begin = file.read(4096)
    try:
        return puremagic.from_string(begin, mime=True) or OCTET_STREAM  # pyright: ignore[reportUnknownMemberType]
    except (puremagic.PureError, ValueError):
        return OCTET_STREAM


def _without_password(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # an e-mail address may look like a broken URL
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _answer(inbound: Inbound) -> dict[str, JSON]:
    return {"status": inbound.status, "body": inbound.body, "reason": inbound.reason}


def _request_and_response(recorded: RecordedRequest | None, base_url: str) -> dict[str, JSON]:
    """Return the request and the response behind an item."""
    if recorded is None:
        return {"request": None, "response": None, "curl": None}
    return {
        "request": {
            "at": write_time(recorded.at),
            "method": recorded.method,
            "path": recorded.path,
            "headers": [[*pair] for pair in recorded.headers],
            "body": recorded.body.decode(errors="replace"),
            "body_cut": recorded.is_cut,
        },
        "response": {
            "status": recorded.status,
            "headers": [[*pair] for pair in recorded.response_headers],
            "body": recorded.response_body.decode(errors="replace"),
            "note": recorded.note,
        },
        "curl": recorded.curl(base_url),
    }
