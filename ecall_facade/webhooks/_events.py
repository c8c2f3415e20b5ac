"""From the body or query of a callback to a typed event, whatever shape it has.

That callbacks exist and where they come from is documented; their fields are not. The names read first are those of the
spec (inferred), then those of eCall's sibling interfaces.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Literal, TypeAlias, cast
from urllib.parse import parse_qsl

import attrs

from ecall_client import models
from ecall_client.models import DeliveryState
from ecall_facade._json import JSON, as_dict, as_list, normalize_names
from ecall_facade._parsing import read_error, read_id, read_state
from ecall_facade._timestamps import read_timestamp
from ecall_facade.errors import MalformedEvent
from ecall_facade.numbers import mask
from ecall_facade.results import Problem

MAX_DEPTH = 32  # of JSON in JSON
MAX_FIELDS = 200  # of a form or a query
_FORM = "application/x-www-form-urlencoded"

Expected: TypeAlias = Literal["any", "message"]

# How the sibling interfaces name the same things; by lower case, as letter case does not count.
_SIBLING_NAMES = {
    "jobid": "messageId",
    "number": "to",
    "addressto": "to",
    "addressfrom": "from",
    "message": "text",
    "sendstate": "state",
    "status": "state",
    "finishdate": "timestamp",
}
_PLAIN = re.compile(r"[\w.:-]{1,80}", re.ASCII)


def _masked(value: str | None) -> str:
    return "None" if value is None else repr(mask(value))


@attrs.frozen
class Event:
    """What all events have: `key`, the same for each delivery of the same event, and `raw`, all that was sent."""

    key: str = attrs.field(kw_only=True)
    raw: JSON = attrs.field(kw_only=True, repr=False)


@attrs.frozen
class StatusUpdate(Event):
    """A message has come further. `state` and `is_final` are as in `MessageStatus`; None is what was not said."""

    message_id: str | None
    state: DeliveryState
    is_final: bool = False
    recipient: str | None = attrs.field(default=None, repr=_masked)
    updated_at: datetime | None = None
    error: Problem | None = None


@attrs.frozen
class ReceivedMessage(Event):
    """Somebody has written to one of your numbers. An unknown `channel` keeps its name; None is what was not said."""

    message_id: str | None
    sender: str | None = attrs.field(default=None, repr=_masked)
    recipient: str | None = attrs.field(default=None, repr=_masked)
    text: str | None = attrs.field(default=None, repr=False)
    media_id: str | None = None
    channel: models.Channel | None = None
    received_at: datetime | None = None


@attrs.frozen
class UnknownEvent(Event):
    """A well-formed callback that is neither; `raw` has it."""


def parse(body: bytes, query: bytes, content_type: str) -> JSON:
    """Read a body (JSON or a form), or without one a query; `MalformedEvent` where it is none of these."""
    kind = content_type.partition(";")[0].strip().lower()
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        kind, text = _FORM, query.strip()
    if not text:
        raise MalformedEvent("The callback has neither a body nor a query")
    # What is said to be a form may be JSON all the same, which a form cannot look like.
    if kind.endswith("json") or text[:1] in b"{[":
        return _parse_json(text)
    if kind in {_FORM, "text/plain", ""}:
        return _parse_form(text)
    raise MalformedEvent("The callback is neither JSON nor a form", status_code=415)


def _parse_json(text: bytes) -> JSON:
    try:
        data = cast("JSON", json.loads(text))
    except (ValueError, RecursionError):
        raise MalformedEvent("The callback is not JSON that can be read") from None
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH:  # as nearly always
        return data
    level: list[object] = [data]
    for _ in range(MAX_DEPTH):
        inside = (inner for outer in level for inner in (*as_dict(outer).values(), *as_list(outer)))
        level = [inner for inner in inside if isinstance(inner, (dict, list))]
        if not level:
            return data
    raise MalformedEvent(f"The callback's JSON is more than {MAX_DEPTH} levels deep")


def _parse_form(text: bytes) -> JSON:
    try:
        fields = parse_qsl(
            text.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise MalformedEvent("The callback is not a form that can be read") from None
    return dict(reversed(fields))  # of a name that is there twice the first counts


def read_event(data: JSON, expected: Expected) -> StatusUpdate | ReceivedMessage | UnknownEvent:
    """Give the event that the data stands for."""
    fields = as_dict(normalize_names(data))
    has_state = "state" in fields
    for name, value in list(fields.items()):
        if (ours := _SIBLING_NAMES.get(name.lower())) is not None:
            fields.setdefault(ours, value)
    if expected == "message" or (not has_state and fields.keys() & {"content", "text", "mediaId"}):
        return _received_message(fields, data)
    if "state" in fields or "resultcode" in {name.lower() for name in fields}:
        return _status_update(fields, data)
    return UnknownEvent(key=_key("unknown", None, data), raw=data)


def _status_update(fields: dict[str, object], data: JSON) -> StatusUpdate:
    said = fields.get("state")
    state, is_final = read_state(said)
    message_id = read_id(fields.get("messageId"))
    return StatusUpdate(
        message_id,
        state,
        is_final,
        read_id(fields.get("to")),
        read_timestamp(fields.get("timestamp")),
        read_error(fields.get("error")),
        key=_key("status", message_id, said if message_id and said is not None else data),
        raw=data,
    )


def _received_message(fields: dict[str, object], data: JSON) -> ReceivedMessage:
    content = as_dict(fields.get("content"))
    texts = [fields.get("content"), content.get("text"), fields.get("text")]
    channel = fields.get("channel")
    message_id = read_id(fields.get("messageId"))
    return ReceivedMessage(
        message_id,
        read_id(fields.get("from")),
        read_id(fields.get("to")),
        next((text for text in texts if isinstance(text, str)), None),
        read_id(content.get("mediaId") or fields.get("mediaId")),
        models.Channel(channel) if isinstance(channel, str) else None,
        read_timestamp(fields.get("timestamp")),
        key=_key("message", message_id, None if message_id else data),
        raw=data,
    )


def _key(kind: str, message_id: str | None, rest: object) -> str:
    """Give a key that is fit for a log: ids and states as they are, all else as a digest."""
    named = [part for part in (message_id, rest) if part is not None]
    if message_id and all(
        isinstance(part, (str, int)) and _PLAIN.fullmatch(str(part)) for part in named
    ):
        return ":".join([kind, *(str(part) for part in named)])
    return f"{kind}:{hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:32]}"
