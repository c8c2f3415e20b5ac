"""The JSON that the page shows: an item for each message, reply and refusal, and the details of one."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import puremagic

from ecall_client.models import Channel
from ecall_client.tables import ImageContentSpec, ReceivedMessageSpec, TextContentSpec
from ecall_facade._json import as_dict
from ecall_facade.sandbox._clock import write_time
from ecall_facade.sandbox._http import OCTET_STREAM
from ecall_facade.sandbox._messages import Inbound, Message
from ecall_facade.sandbox._recorded import RecordedRequest, with_plus
from ecall_facade.text import measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ecall_facade._json import JSON
    from ecall_facade.sandbox._callbacks import Notification
    from ecall_facade.sandbox._media import MediaFiles
    from ecall_facade.sandbox._store import Entry

    Item = dict[str, JSON]

# Media types that a browser shows without running anything. All other files are downloads.
_HARMLESS = re.compile(r"image/(png|jpeg|gif|webp|bmp)|audio/.+|video/.+")
_MAX_DEPTH = 50  # levels of nested JSON that are shown
_CACHE_SIZE = 2_000


class Items:
    """Writes entries of the store as the page shows them.

    Args:
        media: The files that messages refer to.
    """

    def __init__(self, media: MediaFiles) -> None:
        self._media = media
        self._media_type = lru_cache(_CACHE_SIZE)(_guess_media_type)

    def items(self, entry: Entry) -> list[Item]:
        """Return the items of an entry; of a request, one for each of its refused messages."""
        if isinstance(entry, Message):
            return [self._message(entry)]
        if isinstance(entry, Inbound):
            return [self._inbound(entry)]
        return [self._refused(refused, entry) for refused in entry.refused]

    def find_file(self, media_id: str) -> tuple[Path, str, int] | None:
        """Return the path, media type and size of a file, or None if it is gone."""
        path = self._media.path(media_id)
        try:
            return (path, self._media_type(path), path.stat().st_size) if path else None
        except OSError:
            return None

    def _message(self, message: Message) -> Item:
        content = _content(message)
        return {
            "key": f"message:{message.id}",
            "kind": "message",
            "id": message.id,
            "number": with_plus(message.recipient),
            "sender": message.sender,
            "channel": message.channel,
            "at": write_time(message.accepted_at),
            "state": message.state,
            "error": message.error,
            "request_id": message.request_id,
            "list_id": message.list_id,
            "content": content,
            **self._sizes(message.channel, content),
        }

    def _refused(self, refused: Item, request: RecordedRequest) -> Item:
        channel, content = cast("str", refused["channel"]), as_dict(refused["content"])
        return {**refused, "at": write_time(request.at), **self._sizes(channel, content)}

    def _inbound(self, inbound: Inbound) -> Item:
        message = inbound.json
        content = cast("dict[str, JSON]", message[ReceivedMessageSpec.content])
        return {
            "key": f"inbound:{inbound.id}",
            "kind": "inbound",
            "id": inbound.id,
            "number": with_plus(cast("str", message[ReceivedMessageSpec.from_])),
            "sender": message[ReceivedMessageSpec.to],
            "channel": message[ReceivedMessageSpec.channel],
            "at": write_time(inbound.at),
            "content": content,
            "media": self._file(content),
            "url": without_password(inbound.url),
            "response": inbound_response(inbound) if inbound.is_over else None,
        }

    def _sizes(self, channel: str, content: Mapping[str, object]) -> Item:
        text = content.get(TextContentSpec.text)
        size = measure(text) if channel == Channel.SMS and isinstance(text, str) else None
        return {
            "pages": size.pages if size else None,
            "encoding": size.encoding if size else None,
            "media": self._file(content),
        }

    def _file(self, content: Mapping[str, object]) -> JSON:
        media_id = content.get(ImageContentSpec.media_id)
        if not isinstance(media_id, str):
            return None
        found = self.find_file(media_id)
        if found is None:
            return {"content_type": OCTET_STREAM, "size": 0, "kept": False}
        _, media_type, size = found
        return {"content_type": media_type, "size": size, "kept": True}


def is_harmless(media_type: str) -> bool:
    """Return whether a browser shows files of a media type without running anything."""
    return _HARMLESS.fullmatch(media_type) is not None


def message_details(message: Message, notifications: Iterable[Notification]) -> Item:
    """Return the history of a message, and the attempts to report its states."""
    history: list[JSON] = [{"state": state, "at": write_time(at)} for state, at in message.history]
    attempts: list[JSON] = [
        {
            "type": each.type,
            "address": without_password(each.address),
            "state": each.state,
            "at": write_time(each.at),
            "outcome": each.outcome,
            "status_code": each.status_code,
            "reason": each.reason,
        }
        for each in notifications
        if each.message_id == message.id
    ]
    return {"history": history, "notifications": attempts}


def request_details(recorded: RecordedRequest | None, base_url: str) -> Item:
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


def inbound_response(inbound: Inbound) -> Item:
    """Return the response to an inbound message, or why there is none."""
    return {"status": inbound.status, "body": inbound.body, "reason": inbound.reason}


def without_password(url: str) -> str:
    """Return a URL without its name and password."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an e-mail address may look like a broken URL
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def write_json(data: object) -> str:
    """Return JSON for a browser, whatever a request contained: infinite numbers, or very deep nesting."""
    try:
        return json.dumps(data, allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps(_cut(data, _MAX_DEPTH), allow_nan=False)


def _cut(data: object, depth: int) -> object:
    if isinstance(data, (dict, list)) and not depth:
        return "…"
    if isinstance(data, dict):
        named = cast("dict[str, object]", data)
        return {name: _cut(value, depth - 1) for name, value in named.items()}
    if isinstance(data, list):
        return [_cut(value, depth - 1) for value in cast("list[object]", data)]
    return str(data) if isinstance(data, float) and not math.isfinite(data) else data


def _content(message: Message) -> dict[str, JSON]:
    try:
        return message.content
    except RecursionError:  # it is nested nearly as deep as can be read
        return {}


def _guess_media_type(path: Path) -> str:
    """Return the media type of a file by its first bytes."""
    with path.open("rb") as file:
        begin = file.read(4096)
    try:
        # It does not say what its other arguments are.
        return puremagic.from_string(begin, mime=True) or OCTET_STREAM  # pyright: ignore[reportUnknownMemberType]
    except (puremagic.PureError, ValueError):
        return OCTET_STREAM
