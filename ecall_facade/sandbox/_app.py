"""The sandbox's HTTP side: an ASGI app with the six operations, the versions, credentials and errors."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import logging
import os
import re
import sys
from collections import deque
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast
from urllib.parse import unquote

import attrs
from dateutil import tz
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ecall_client.tables import (
    OPERATIONS,
    ErrorSpec,
    MediaUploadResultSpec,
    MessageListEntrySpec,
    MessageListRequestSpec,
    MessageListResultSpec,
    MessageListStatusResultSpec,
    MessageResultSpec,
    MessageStatusResultSpec,
)
from ecall_facade._call import REQUEST_ID
from ecall_facade._json import JSON
from ecall_facade.sandbox import _rules as rules
from ecall_facade.sandbox._magic import MagicFaults, find_magic_recipient
from ecall_facade.sandbox._recorded import (
    CUT,
    RecordedRequest,
    reason_of,
    refused_entries,
    refused_whole,
)
from ecall_facade.sandbox._rules import RefusedError
from ecall_facade.sandbox._store import NotificationSettings, Record, Step, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from ecall_facade.sandbox._faults import Fault

MAX_JSON = 16 * 2**20
"""The largest JSON body in bytes: there to bound memory; no limit of the service is known."""
CHUNK = 256 * 2**10
UNREAD_TIMEOUT = 0.5  # seconds for the body of a request that is refused whatever it says
_FORM = "application/x-www-form-urlencoded"
OCTET_STREAM = "application/octet-stream"
SIMULATION_NOTICE = "simulated; not the service, and partly inferred"


def _resource(operation: str) -> str:
    """Return the word behind `/api/` in the path of an operation."""
    return OPERATIONS[operation].path.lower().removeprefix("/api/").partition("/")[0]


_MEDIA = _resource("upload_media")
_PATH = re.compile(
    rf"/api(?:/v(\d[^/]*))?/({'|'.join(sorted({_resource(name) for name in OPERATIONS}))})(?:/([^/]+))?/?",
    re.IGNORECASE,
)
_VERSIONS = {"1": 1, "1.0": 1, "2": 2, "2.0": 2}
_SWISS = tz.gettz("Europe/Zurich")
_log = logging.getLogger("ecall_facade.sandbox")

# InvalidContent is the only error code that is known. The others are result codes of eCall's sibling interfaces; where
# none fits, the sandbox has its own, which begin with Sandbox.
CODES = {
    400: "InvalidContent",
    401: "AccNoUser",
    403: "AccNoUnits",
    404: "IDDoesNotExist",
    405: "SandboxMethodNotAllowed",
    413: "SandboxTooLarge",
    415: "SandboxUnsupportedMediaType",
    429: "SandboxTooManyRequests",
}

Handler: TypeAlias = "Callable[[ApiCall], Awaitable[Response]]"


@attrs.define
class ApiCall:
    """A request to the API, and what becomes of it.

    Attributes:
        version: The version of the API, 1 or 2.
        id: The id in the path, or an empty string.
        body: The body, or None until it is read; of a long one the beginning.
        is_cut: Whether `body` is only the beginning.
        fault: The fault that it meets.
        refused: The messages of a list that were refused: place, message and error.
    """

    request: Request
    request_id: str
    at: datetime
    version: int = 1
    id: str = ""
    body: bytes | None = attrs.field(default=None, repr=False)
    is_cut: bool = False
    fault: Fault | None = None
    refused: list[tuple[int, JSON, dict[str, JSON]]] = attrs.field(factory=list, repr=False)


class _StoppedError(Exception):
    """A fault is played instead of handling the request."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.note)
        self.fault = fault


class _File(Response):
    """A file in chunks. The server waits in `send` while the client does not read."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(
            headers={"content-length": str(os.fstat(file.fileno()).st_size)},
            media_type=OCTET_STREAM,
        )
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        with self._file:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            while chunk := self._file.read(CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


class App:
    """Handles the requests of the API.

    Args:
        store: The messages and files.
        credentials: `username:password`, or None to accept any.
        max_media_size: The largest file in bytes, or None for no limit.
    """

    def __init__(self, store: Store, credentials: str | None, max_media_size: int | None) -> None:
        self._store = store
        self._credentials = None if credentials is None else credentials.encode()
        self._max_media_size = max_media_size
        self._planned: deque[Fault] = deque()
        self._magic_faults = MagicFaults()
        handlers: dict[str, Handler] = {
            "send_message": self._send_message,
            "get_message_status": self._message_status,
            "send_message_list": self._send_list,
            "get_message_list_status": self._list_status,
            "upload_media": self._upload,
            "get_media": self._download,
        }
        self._handlers: dict[tuple[str, bool], tuple[str, Handler]] = {
            (_resource(name), "{" in OPERATIONS[name].path): (OPERATIONS[name].method, handler)
            for name, handler in handlers.items()
        }

    def add_faults(self, fault: Fault, times: int) -> None:
        self._planned.extend([fault] * times)

    def clear(self) -> None:
        """Forget the faults that were planned."""
        self._planned.clear()
        self._magic_faults = MagicFaults()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = ApiCall(request, self._store.new_id("request"), self._store.clock())
        try:
            response = await self._respond(call)
        except ClientDisconnect:
            return
        fault = call.fault
        date = format_datetime(self._store.clock().astimezone(UTC), usegmt=True)
        for name, value in (("date", date), (REQUEST_ID, call.request_id)):
            if fault is None or name not in fault.headers:
                response.headers[name] = value
        response.headers["x-ecall-sandbox"] = SIMULATION_NOTICE
        if request.method == "POST" and f"/{_MEDIA}" not in request.scope["path"].lower():
            self._store.add_request(await _record(call, response))
        if fault is None:
            await response(scope, receive, send)
        else:
            await fault.send(response, scope, receive, send)

    async def _respond(self, call: ApiCall) -> Response:
        try:
            self._authenticate(call.request)
            # Not `if self._planned`, as another thread may clear it in between.
            with contextlib.suppress(IndexError):
                call.fault = self._planned.popleft()
            if call.fault is not None and not call.fault.accepts:
                return call.fault.response_to(None)
            response = await self._handle(call)
            return response if call.fault is None else call.fault.response_to(response)
        except RefusedError as error:
            return _json(error.json, error.status, error.headers)
        except _StoppedError as stopped:
            return stopped.fault.response_to(None)
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001 - the last resort of a server
            _log.exception("Unexpected error in the sandbox")
            return _json(
                {
                    ErrorSpec.error_code: "SandboxFailure",
                    ErrorSpec.error_message: "Unexpected error in the sandbox; see its log.",
                },
                500,
            )

    def _authenticate(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            given = (
                base64.b64decode(token.strip(), validate=True) if scheme.lower() == "basic" else b""
            )
        except ValueError:
            given = b""
        if self._credentials is None and b":" in given:
            return
        if self._credentials is None or not hmac.compare_digest(given, self._credentials):
            challenge = {"WWW-Authenticate": 'Basic realm="eCall sandbox", charset="UTF-8"'}
            raise _refused(401, "The credentials are missing or wrong.", challenge)

    async def _handle(self, call: ApiCall) -> Response:
        request = call.request
        # The raw path, as an id may contain an escaped slash.
        match = _PATH.fullmatch(request.scope["raw_path"].decode("latin-1"))
        if match is None:
            raise _refused(404, "There is no operation at this path.", code="SandboxUnknownPath")
        call.version = _version(match[1], request.headers.getlist("X-API-Version"))
        call.id = unquote(match[3] or "")
        known = self._handlers.get((match[2].lower(), match[3] is not None))
        if known is None:
            raise _refused(404, "There is no operation at this path.", code="SandboxUnknownPath")
        method, handler = known
        if request.method != method:
            raise _refused(405, f"Only {method} is allowed here.", {"Allow": method})
        return await handler(call)

    async def _send_message(self, call: ApiCall) -> Response:
        body = await _read_json(call)
        _, request = rules.parse(body)
        message, notification = rules.check_message(request, call.version, self._store.has_media)
        self._play_fault(call, message.recipients)
        records = self._records(message, notification, body, call)
        self._store.add(records)
        ids: list[JSON] = [record.id for record in records]
        named: dict[str, JSON] = (
            {MessageResultSpec.message_id_list: ids}
            if message.is_broadcast
            else {MessageResultSpec.message_id: ids[0]}
        )
        return _json({**named, MessageResultSpec.timestamp: write_time(call.at, call.version)})

    async def _send_list(self, call: ApiCall) -> Response:
        raw, request = rules.parse(await _read_json(call))
        items, notification = rules.check_list(request)
        checked = [_check_item(item, call.version, self._store.has_media) for item in items]
        self._play_fault(
            call,
            [
                to
                for message in checked
                if isinstance(message, rules.ValidMessage)
                for to in message.recipients
            ],
        )
        list_id = self._store.new_id("list")
        records: list[Record] = []
        entries: list[JSON] = []
        for place, (message, raw_item) in enumerate(zip(checked, _raw_messages(raw), strict=True)):
            if isinstance(message, RefusedError):
                entries.append({MessageListEntrySpec.error: message.json})
                call.refused.append((place, items[place], message.json))
                continue
            added = self._records(
                message, notification, json.dumps(raw_item).encode(), call, list_id
            )
            ids: list[JSON] = [record.id for record in added]
            # How the service answers a toList within a list is not known; this is its answer to one outside a list.
            entries.append(
                {MessageResultSpec.message_id_list: ids}
                if message.is_broadcast
                else {MessageListEntrySpec.message_id: ids[0]}
            )
            records += added
        self._store.add_list(list_id, tuple(record.id for record in records))
        self._store.add(records)
        return _json(
            {
                MessageListResultSpec.message_list_id: list_id,
                MessageListResultSpec.messages: entries,
            }
        )

    def _play_fault(self, call: ApiCall, recipients: list[str]) -> None:
        """Play the fault of a magic recipient, unless a test planned another one."""
        if call.fault is None:
            call.fault = self._magic_faults.of(recipients)
            if call.fault is not None and not call.fault.accepts:
                raise _StoppedError(call.fault)

    def _records(
        self,
        message: rules.ValidMessage,
        notification: NotificationSettings,
        body: bytes,
        call: ApiCall,
        list_id: str | None = None,
    ) -> list[Record]:
        channel = sys.intern(message.channel)  # very many messages have the same one
        sender = sys.intern(message.sender)
        rest = (body, call.at, call.request_id, list_id)
        return [
            Record(
                self._store.new_id("message"),
                channel,
                sender,
                recipient,
                *rest,
                self._timeline(recipient),
                notification,
            )
            for recipient in message.recipients
        ]

    def _timeline(self, recipient: str) -> tuple[Step, ...]:
        magic = find_magic_recipient(recipient)
        return magic.timeline if magic and magic.timeline else self._store.timeline

    async def _message_status(self, call: ApiCall) -> Response:
        record = self._store.status(call.id)
        if record is None:
            raise _refused(404, "There is no message with this id, or it is older than seven days.")
        return _json(_status(record, call.version))

    async def _list_status(self, call: ApiCall) -> Response:
        records = self._store.list_status(call.id)
        if records is None:
            raise _refused(404, "There is no list with this id, or it is older than seven days.")
        return _json(
            {
                MessageListStatusResultSpec.message_list_id: call.id,
                MessageListStatusResultSpec.messages: [
                    _status(record, call.version) for record in records
                ],
            }
        )

    async def _upload(self, call: ApiCall) -> Response:
        _require_file_type(call.request)
        media_id = self._store.new_id("media")
        size = 0
        with self._store.write_media(media_id) as file:
            async for chunk in call.request.stream():
                size += len(chunk)
                if self._max_media_size is not None and size > self._max_media_size:
                    raise _refused(413, f"The file is larger than {self._max_media_size} bytes.")
                file.write(chunk)
            if not size:
                raise rules.invalid({"Body": ["The file is empty."]})
        return _json({MediaUploadResultSpec.media_id: media_id})

    async def _download(self, call: ApiCall) -> Response:
        file = self._store.open_media(call.id)
        if file is None:
            raise _refused(404, "There is no file with this id.")
        return _File(file)


def write_time(at: datetime, version: int = 2) -> str:
    """Return a timestamp: for v2 in UTC with Z (documented), for v1 in Swiss time without an offset (inferred)."""
    if version == 2:
        return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    return at.astimezone(_SWISS).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _status(record: Record, version: int) -> dict[str, JSON]:
    step = record.step
    status: dict[str, JSON] = {
        MessageStatusResultSpec.message_id: record.id,
        MessageStatusResultSpec.state: step.state,
        MessageStatusResultSpec.timestamp: write_time(record.accepted_at + step.after, version),
    }
    return status if step.error is None else {**status, MessageStatusResultSpec.error: step.error}


def _version(in_path: str | None, in_header: list[str]) -> int:
    """Return the version of a request, which is 1 if it names none (documented)."""
    named = {*in_header, *([] if in_path is None else [in_path])}
    versions = {_VERSIONS.get(name) for name in named} or {1}
    version = versions.pop()
    if version is None or None in versions:
        problem = f"There is no version {', '.join(sorted(named - _VERSIONS.keys()))[:40]}; there are 1 and 2."
    elif versions:
        problem = "The path and the header name different versions."  # inferred
    else:
        return version
    raise RefusedError(400, "SandboxUnknownVersion", problem, {"X-API-Version": [problem]})


def _require_file_type(request: Request) -> None:
    """Refuse forms: which media types the service takes is not known, but it takes a binary file."""
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if "/" not in given or given.startswith("multipart/") or given == _FORM:
        raise _refused(415, f"The content type must be that of a file, such as {OCTET_STREAM}.")


def _require_type(request: Request, expected: str) -> None:
    given, _, parameters = request.headers.get("Content-Type", "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    if given.strip().lower() != expected or (
        charset and charset[1].lower() not in {"utf-8", "utf8"}
    ):
        raise _refused(415, f"The content type must be {expected}.")


async def _read_json(call: ApiCall) -> bytes:
    _require_type(call.request, "application/json")
    body = bytearray()
    async for chunk in call.request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            call.body, call.is_cut = bytes(body[:CUT]), True
            raise _refused(413, f"The body is larger than {MAX_JSON} bytes.")
    call.body = bytes(body)
    return call.body


async def _read_unread(call: ApiCall) -> None:
    """Read the body of a request that was refused without reading it, so that the page can show it."""
    body, more = b"", True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(UNREAD_TIMEOUT):
            while more and len(body) <= CUT:
                message = await call.request.receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
    call.body, call.is_cut = body, more


async def _record(call: ApiCall, response: Response) -> RecordedRequest:
    if call.body is None:
        await _read_unread(call)
    body, fault = call.body or b"", call.fault
    if response.status_code < 300 if fault is None else fault.accepts:
        refused = refused_entries(call.request_id, call.refused)
    else:
        try:
            _, asked = rules.parse(body)
        except RefusedError:
            asked = {}
        reason = fault.note if fault else reason_of(json.loads(bytes(response.body)))
        status = None if fault and fault.drop else response.status_code
        refused = refused_whole(call.request_id, asked, status, reason)
    return RecordedRequest.from_response(
        call.request, call.request_id, call.at, body, call.is_cut, response, fault, refused
    )


def _check_item(
    item: JSON, version: int, has_media: Callable[[str], bool]
) -> rules.ValidMessage | RefusedError:
    try:
        return rules.check_list_item(item, version, has_media)
    except RefusedError as error:
        return error


def _raw_messages(raw: dict[str, JSON]) -> list[JSON]:
    wanted = MessageListRequestSpec.messages
    found = (
        raw.get(wanted)
        or [value for name, value in raw.items() if name.lower() == wanted.lower()][-1]
    )
    return cast("list[JSON]", found)


def _json(
    payload: Mapping[str, JSON], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json.dumps(payload).encode(), status, headers, media_type="application/json")


def _refused(
    status: int, message: str, headers: Mapping[str, str] | None = None, code: str | None = None
) -> RefusedError:
    return RefusedError(status, code or CODES[status], message, headers=headers)
