"""Make a typed event from the data of a callback, whatever shape it has.

That callbacks exist and where they come from is documented; their fields are not.
The names read first are those of the spec (inferred), then those of eCall's sibling interfaces.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from ecall_client import models
from ecall_client.models import DeliveryState
from ecall_client.tables import ReceivedContentSpec, ReceivedMessageSpec, StatusNotificationSpec
from ecall_client.types import Unset
from ecall_facade._json import JSON, as_dict, normalize_names
from ecall_facade._masking import masked_repr
from ecall_facade._parsing import read_error, read_id, read_state
from ecall_facade._timestamps import read_timestamp
from ecall_facade.results import FailureReason
from ecall_facade.webhooks._body import Content, storable

Expected: TypeAlias = Literal["any", "message"]

# The spec's names for each of the sibling interfaces' names, which are in lower case.
_SIBLING_NAMES = {
    "jobid": (StatusNotificationSpec.message_id, ReceivedMessageSpec.message_id),
    "number": (StatusNotificationSpec.to, ReceivedMessageSpec.to),
    "addressto": (StatusNotificationSpec.to, ReceivedMessageSpec.to),
    "addressfrom": (ReceivedMessageSpec.from_,),
    "message": (ReceivedContentSpec.text,),
    "sendstate": (StatusNotificationSpec.state,),
    "status": (StatusNotificationSpec.state,),
    "finishdate": (StatusNotificationSpec.timestamp, ReceivedMessageSpec.timestamp),
}
_RESULT_CODE = "resultcode"
_STATE = StatusNotificationSpec.state
_CONTENT = {ReceivedMessageSpec.content, ReceivedContentSpec.text, ReceivedContentSpec.media_id}
_PLAIN = re.compile(r"[\w.:-]{1,80}", re.ASCII)
# A plus sign that was not escaped in a form or query reads as a space.
_LOST_PLUS_OF_A_NUMBER = re.compile(r"\s+(?=\d)", re.ASCII)
_LOST_PLUS_OF_A_TIME = re.compile(
    r"(\d\d:\d\d[\d:.,]*|T\d{4,6}|\d{13})\s+(\d\d:?\d\d(?:\)/)?)", re.ASCII
)


@attrs.frozen
class Event:
    """The base of all events."""

    key: str = attrs.field(kw_only=True)
    """The same for each delivery of the same event; safe to log, without a text or a whole number.
    """
    raw: JSON = attrs.field(kw_only=True, repr=False)
    """All that was sent, as it came. Bytes that could not be decoded are surrogates, of which
    `.encode("utf-8", "surrogateescape")` makes bytes again.
    """


@attrs.frozen
class StatusUpdate(Event):
    """The delivery status of a message has changed."""

    message_id: str | None
    """As the send returned it, or None if the callback did not say."""
    state: DeliveryState
    """As in `MessageStatus`."""
    is_final: bool = False
    """Whether no further change will come."""
    recipient: str | None = attrs.field(default=None, repr=masked_repr)
    """The number that the message was sent to, or None."""
    updated_at: datetime | None = None
    """When the state changed, in UTC, or None."""
    error: FailureReason | None = None
    """Why the message failed, or None."""


@attrs.frozen
class ReceivedMessage(Event):
    """Somebody wrote to one of your numbers."""

    message_id: str | None
    """Identifies the inbound message, or None if the callback did not say."""
    sender: str | None = attrs.field(default=None, repr=masked_repr)
    """Who wrote, or None."""
    recipient: str | None = attrs.field(default=None, repr=masked_repr)
    """Your number, or None."""
    text: str | None = attrs.field(default=None, repr=False)
    """The text, or None. It can always be encoded and stored: NULs, unpaired surrogates and
    bytes that could not be decoded are U+FFFD.
    """
    media_id: str | None = None
    """The id of the attached file, or None."""
    channel: models.Channel | None = None
    """The channel; an unknown one keeps its name."""
    received_at: datetime | None = None
    """When the message came, in UTC, or None."""


@attrs.frozen
class UnknownEvent(Event):
    """A well-formed callback that is neither of the others, such as an array of messages; `raw` has it."""


def read_event(
    content: Content, expected: Expected
) -> StatusUpdate | ReceivedMessage | UnknownEvent:
    """Return the event that the content stands for."""
    data = content.data
    fields = as_dict(normalize_names(storable(data)))
    if not isinstance(data, dict):
        return UnknownEvent(key=_digest_key("unknown", data), raw=data)
    # Looked at before the siblings' names are added: a message may have a "status", which is one of them.
    has_state = _STATE in fields
    has_result_code = False
    for name, value in list(fields.items()):
        lower_name = name.lower()
        has_result_code |= lower_name == _RESULT_CODE
        for spec_name in _SIBLING_NAMES.get(lower_name, ()):
            fields.setdefault(spec_name, value)
    if expected == "message" or (not has_state and not _CONTENT.isdisjoint(fields)):
        return _received_message(fields, content)
    if has_result_code or _STATE in fields:
        return _status_update(fields, content)
    return UnknownEvent(key=_digest_key("unknown", data), raw=data)


def _status_update(fields: dict[str, object], content: Content) -> StatusUpdate:
    report = models.StatusNotification.from_dict(fields)
    given_state: object = None if isinstance(report.state, Unset) else report.state
    state, is_final = read_state(given_state)
    message_id = read_id(report.message_id)
    recipient = _read_number(report.to, content)
    if message_id is None or not isinstance(given_state, (str, int)):
        key = _digest_key("status", content.data)
    else:
        # The recipients of one send may share an id.
        key = _key("status", [message_id, given_state], [_canonical(recipient)])
    return StatusUpdate(
        message_id,
        state,
        is_final,
        recipient,
        _read_time(report.timestamp, content),
        # Not the model's, which has no place for an error of another shape.
        read_error(fields.get(StatusNotificationSpec.error)),
        key=key,
        raw=content.data,
    )


def _received_message(fields: dict[str, object], content: Content) -> ReceivedMessage:
    message = models.ReceivedMessage.from_dict(fields)
    bare_content = models.ReceivedContent.from_dict(fields)
    inner = message.content
    inner_content = inner if isinstance(inner, models.ReceivedContent) else models.ReceivedContent()
    texts: list[object] = [inner, inner_content.text, bare_content.text]
    text = next((text for text in texts if isinstance(text, str)), None)
    channel: object = message.channel
    message_id = read_id(message.message_id)
    sender = _read_number(message.from_, content)
    recipient = _read_number(message.to, content)
    media_id = read_id(inner_content.media_id or bare_content.media_id)
    received_at = _read_time(message.timestamp, content)
    if message_id is None:
        key = _digest_key("message", content.data)
    else:
        # It is not known whether an id stands for one reply or, as a job id may, for several.
        when = None if received_at is None else received_at.isoformat()
        key = _key("message", [message_id], [_canonical(sender), _canonical(recipient), when])
    return ReceivedMessage(
        message_id,
        sender,
        recipient,
        text,
        media_id,
        models.Channel(channel) if isinstance(channel, str) else None,
        received_at,
        key=key,
        raw=content.data,
    )


def _read_number(value: object, content: Content) -> str | None:
    number = read_id(value)
    if number is None or not content.is_form:
        return number
    return _LOST_PLUS_OF_A_NUMBER.sub("+", number, count=1) if number[:1].isspace() else number


def _read_time(value: object, content: Content) -> datetime | None:
    if content.is_form and isinstance(value, str) and len(value) <= 100:
        value = _LOST_PLUS_OF_A_TIME.sub(r"\1+\2", value)
    return read_timestamp(value)


def _canonical(number: str | None) -> str | None:
    """Return a form that is the same for all international spellings of a number."""
    if number is None or not re.fullmatch(r"[+\d\s()./-]+", number):
        return number
    return re.sub(r"\D", "", number).lstrip("0")


def _key(kind: str, readable: list[str | int], private: list[str | None]) -> str:
    """Return a key that is safe to log: ids and states as they are, everything else as a digest."""
    words = [str(part) for part in readable]
    digest = [_digest([*words, *private])[:16]] if any(private) else []
    if all(_PLAIN.fullmatch(word) for word in words):
        return ":".join([kind, *words, *digest])
    return _digest_key(kind, *readable, *private)


def _digest_key(kind: str, *parts: object) -> str:
    return f"{kind}:{_digest(parts)[:32]}"


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
