"""The API of the sandbox: an ASGI app with the six operations."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections import deque
from datetime import UTC
from email.utils import format_datetime
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ecall_client.tables import (
    OPERATIONS,
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
from ecall_facade.sandbox._api_call import (
    ApiCall,
    check_credentials,
    read_version,
    require_file_type,
)
from ecall_facade.sandbox._clock import write_time
from ecall_facade.sandbox._errors import UNEXPECTED, RefusedError, error_json, invalid
from ecall_facade.sandbox._http import OCTET_STREAM, SIMULATION_HEADER, SIMULATION_NOTICE
from ecall_facade.sandbox._magic import MagicFaults, find_magic_recipient
from ecall_facade.sandbox._messages import NotificationSettings, Record, Step
from ecall_facade.sandbox._recorded import (
    RecordedRequest,
    reason_of,
    refused_entries,
    refused_whole,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from ecall_facade.sandbox._faults import Fault
    from ecall_facade.sandbox._limits import Limits
    from ecall_facade.sandbox._store import Store

_CHUNK = 256 * 2**10  # bytes of a download that are read at once
_log = logging.getLogger("ecall_facade.sandbox")

_Handler: TypeAlias = "Callable[[ApiCall], Awaitable[Response]]"


def _resource(operation: str) -> str:
    """Return the word behind `/api/` in the path of an operation."""
    return OPERATIONS[operation].path.lower().removeprefix("/api/").partition("/")[0]


_MEDIA = _resource("upload_media")
_RESOURCES = "|".join(sorted({_resource(name) for name in OPERATIONS}))
_PATH = re.compile(
    rf"/api(?:/v(?P<version>\d[^/]*))?/(?P<resource>{_RESOURCES})(?:/(?P<id>[^/]+))?/?",
    re.IGNORECASE,
)


class App:
    """Handles the requests of the API.

    Args:
        store: The messages and files.
        credentials: `username:password`, or None to accept any.
        max_media_size: The largest file in bytes, or None for no limit.
        limits: The bounds of the sandbox.
    """

    def __init__(
        self, store: Store, credentials: str | None, max_media_size: int | None, limits: Limits
    ) -> None:
        self._store = store
        self._credentials = None if credentials is None else credentials.encode()
        self._max_media_size = max_media_size
        self._limits = limits
        self._planned: deque[Fault] = deque()
        self._magic_faults = MagicFaults()
        handlers: dict[str, _Handler] = {
            "send_message": self._send_message,
            "get_message_status": self._message_status,
            "send_message_list": self._send_list,
            "get_message_list_status": self._list_status,
            "upload_media": self._upload,
            "get_media": self._download,
        }
        # By the word in the path, and whether an id follows it.
        self._handlers: dict[tuple[str, bool], tuple[str, _Handler]] = {
            (_resource(name), "{" in OPERATIONS[name].path): (OPERATIONS[name].method, handler)
            for name, handler in handlers.items()
        }

    def add_faults(self, fault: Fault, times: int) -> None:
        """Plan a fault for the next requests."""
        self._planned.extend([fault] * times)

    def clear(self) -> None:
        """Forget the faults that were planned, and those of magic recipients that were played."""
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
        response.headers[SIMULATION_HEADER] = SIMULATION_NOTICE
        if request.method == "POST" and f"/{_MEDIA}" not in request.scope["path"].lower():
            self._store.add_request(await self._record(call, response))
        if fault is None:
            await response(scope, receive, send)
        else:
            await fault.send(response, scope, receive, send)

    async def _respond(self, call: ApiCall) -> Response:
        try:
            check_credentials(call.request, self._credentials)
            # Not `if self._planned`, as another thread may clear it in between.
            with contextlib.suppress(IndexError):
                call.fault = self._planned.popleft()
            if call.fault is not None and not call.fault.accepts:
                return call.fault.response_to(None)
            response = await self._handle(call)
        except RefusedError as error:
            return _json(error.json, error.status, error.headers)
        except _PlayedError as played:
            return played.fault.response_to(None)
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001 - the last resort of a server
            _log.exception("Unexpected error in the sandbox")
            return _json(
                error_json(UNEXPECTED, "Unexpected error in the sandbox; see its log."), 500
            )
        return response if call.fault is None else call.fault.response_to(response)

    async def _handle(self, call: ApiCall) -> Response:
        request = call.request
        # The raw path, as an id may contain an escaped slash.
        match = _PATH.fullmatch(request.scope["raw_path"].decode("latin-1"))
        if match is None:
            raise _unknown_path()
        call.version = read_version(match["version"], request.headers.getlist("X-API-Version"))
        call.id = unquote(match["id"] or "")
        known = self._handlers.get((match["resource"].lower(), match["id"] is not None))
        if known is None:
            raise _unknown_path()
        method, handler = known
        if request.method != method:
            raise RefusedError(405, f"Only {method} is allowed here.", headers={"Allow": method})
        return await handler(call)

    async def _send_message(self, call: ApiCall) -> Response:
        body = await call.read_json(self._limits.json_bytes)
        _, request = rules.parse(body)
        message, notification = rules.check_message(request, call.version, self._store.has_media)
        self._play_fault(call, message.recipients)
        records = self._make_records(message, notification, body, call)
        self._store.add(records)
        return _json(
            {
                **_ids(message, records),
                MessageResultSpec.timestamp: write_time(call.at, call.version),
            }
        )

    async def _send_list(self, call: ApiCall) -> Response:
        raw, request = rules.parse(await call.read_json(self._limits.json_bytes))
        items, notification = rules.check_list(request)
        checked = [_check_item(item, call.version, self._store.has_media) for item in items]
        accepted = [message for message in checked if isinstance(message, rules.ValidMessage)]
        self._play_fault(call, [to for message in accepted for to in message.recipients])
        list_id = self._store.new_id("list")
        records: list[Record] = []
        entries: list[JSON] = []
        for place, (message, raw_item) in enumerate(zip(checked, _raw_messages(raw), strict=True)):
            if isinstance(message, RefusedError):
                entries.append({MessageListEntrySpec.error: message.json})
                call.refused.append((place, items[place], message.json))
                continue
            body = json.dumps(raw_item).encode()
            added = self._make_records(message, notification, body, call, list_id)
            # What the service returns for a toList within a list is not known; this is what it returns for one
            # outside of a list.
            entries.append(_ids(message, added))
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
            call.fault = self._magic_faults.find(recipients)
            if call.fault is not None and not call.fault.accepts:
                raise _PlayedError(call.fault)

    def _make_records(
        self,
        message: rules.ValidMessage,
        notification: NotificationSettings,
        body: bytes,
        call: ApiCall,
        list_id: str | None = None,
    ) -> list[Record]:
        return [
            Record(
                id=self._store.new_id("message"),
                channel=sys.intern(message.channel),  # very many messages have the same one
                sender=sys.intern(message.sender),
                recipient=recipient,
                body=body,
                accepted_at=call.at,
                request_id=call.request_id,
                list_id=list_id,
                timeline=self._timeline(recipient),
                notification=notification,
            )
            for recipient in message.recipients
        ]

    def _timeline(self, recipient: str) -> tuple[Step, ...]:
        magic = find_magic_recipient(recipient)
        return magic.timeline if magic and magic.timeline else self._store.timeline

    async def _message_status(self, call: ApiCall) -> Response:
        record = self._store.status(call.id)
        if record is None:
            raise RefusedError(
                404, "There is no message with this id, or it is older than seven days."
            )
        return _json(status_json(record, call.version))

    async def _list_status(self, call: ApiCall) -> Response:
        records = self._store.list_status(call.id)
        if records is None:
            raise RefusedError(
                404, "There is no list with this id, or it is older than seven days."
            )
        statuses: list[JSON] = [status_json(record, call.version) for record in records]
        return _json(
            {
                MessageListStatusResultSpec.message_list_id: call.id,
                MessageListStatusResultSpec.messages: statuses,
            }
        )

    async def _upload(self, call: ApiCall) -> Response:
        require_file_type(call.request)
        media_id = self._store.new_id("media")
        size = 0
        with self._store.media.write(media_id) as file:
            async for chunk in call.request.stream():
                size += len(chunk)
                if self._max_media_size is not None and size > self._max_media_size:
                    raise RefusedError(
                        413, f"The file is larger than {self._max_media_size} bytes."
                    )
                file.write(chunk)
            if not size:
                raise invalid({"Body": ["The file is empty."]})
        return _json({MediaUploadResultSpec.media_id: media_id})

    async def _download(self, call: ApiCall) -> Response:
        file = self._store.media.open(call.id)
        if file is None:
            raise RefusedError(404, "There is no file with this id.")
        return _File(file)

    async def _record(self, call: ApiCall, response: Response) -> RecordedRequest:
        """Return what the page shows of a send."""
        if call.body is None:
            await call.read_unread(self._limits.unread_timeout)
        fault = call.fault
        is_accepted = response.status_code < 300 if fault is None else fault.accepts
        if is_accepted:
            refused = refused_entries(call.request_id, call.refused)
        else:
            try:
                _, asked = rules.parse(call.body or b"")
            except RefusedError:
                asked = {}
            reason = fault.note if fault else reason_of(json.loads(bytes(response.body)))
            status = None if fault and fault.drop else response.status_code
            refused = refused_whole(call.request_id, asked, status, reason)
        return RecordedRequest.from_call(call, response, refused)


class _PlayedError(Exception):
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI calls it
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        with self._file:
            await send(start)
            while chunk := self._file.read(_CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


def status_json(record: Record, version: int) -> dict[str, JSON]:
    """Return the status of a message as the API writes it."""
    step = record.step
    status: dict[str, JSON] = {
        MessageStatusResultSpec.message_id: record.id,
        MessageStatusResultSpec.state: step.state,
        MessageStatusResultSpec.timestamp: write_time(record.accepted_at + step.after, version),
    }
    if step.error is not None:
        status[MessageStatusResultSpec.error] = step.error
    return status


def _ids(message: rules.ValidMessage, records: list[Record]) -> dict[str, JSON]:
    """Return the ids that were given to a message: one, or one for each recipient of a `toList`."""
    ids: list[JSON] = [record.id for record in records]
    if message.is_broadcast:
        return {MessageResultSpec.message_id_list: ids}
    return {MessageResultSpec.message_id: ids[0]}


def _unknown_path() -> RefusedError:
    return RefusedError(404, "There is no operation at this path.", code="SandboxUnknownPath")


def _check_item(
    item: JSON, version: int, has_media: Callable[[str], bool]
) -> rules.ValidMessage | RefusedError:
    try:
        return rules.check_list_item(item, version, has_media)
    except RefusedError as error:
        return error


def _raw_messages(raw: dict[str, JSON]) -> list[JSON]:
    """Return the messages of a list as they came, whichever letter case their name has."""
    name = MessageListRequestSpec.messages
    if name in raw:
        return cast("list[JSON]", raw[name])
    others = [value for other, value in raw.items() if other.lower() == name.lower()]
    return cast("list[JSON]", others[-1])


def _json(
    payload: Mapping[str, JSON], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json.dumps(payload).encode(), status, headers, media_type="application/json")
