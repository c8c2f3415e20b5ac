"""What calls give back: frozen, typed, each with the request id and, in `raw`, the answer's own JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

import attrs

from ecall_client.models.delivery_state import DeliveryState
from ecall_facade._json import JSON, as_list, spell
from ecall_facade._policy import read_problem
from ecall_facade._timestamps import read_timestamp
from ecall_facade.errors import ErrorDetail

if TYPE_CHECKING:
    from ecall_client.models import MessageListItem

__all__ = [
    "ListEntry", "ListStatus", "Media", "MessageStatus", "Problem", "RawAnswer", "Result", "SentBroadcast", "SentList",
    "SentMessage",
]  # fmt: skip

# The send states of the sibling interfaces; that REST uses them is inferred.
_STATE_NUMBERS = {
    0: DeliveryState.PENDING,
    1: DeliveryState.SENT,
    2: DeliveryState.FAILED,
    3: DeliveryState.SCHEDULED,
    8: DeliveryState.DELIVERED,
    9: DeliveryState.SENT,
    10: DeliveryState.SENT,
}
_STATE_WORDS = {state.value.lower(): state for state in DeliveryState}
_FINAL_STATES = {DeliveryState.DELIVERED, DeliveryState.UNDELIVERED, DeliveryState.FAILED}
_SENT_FOR_GOOD = 10  # sent, and no report will come


def _masked(recipients: tuple[str, ...]) -> str:
    from ecall_facade.numbers import mask

    return repr(tuple(mask(recipient) for recipient in recipients))


@attrs.frozen
class Result:
    """What all results have: `request_id`, which support asks for, and `raw`."""

    request_id: str | None = attrs.field(default=None, kw_only=True)
    _answer: bytes | dict[str, JSON] = attrs.field(
        default=b"{}", kw_only=True, repr=False, eq=False
    )

    @property
    def raw(self) -> dict[str, JSON]:
        """The answer's JSON as it came, with what the spec does not know; parsed anew at each access."""
        if isinstance(self._answer, dict):
            return self._answer
        data = json.loads(self._answer)
        return cast("dict[str, JSON]", data) if isinstance(data, dict) else {}


@attrs.frozen
class SentMessage(Result):
    """A message that the service accepted. `pages` is our own count for a text by SMS, None for anything else."""

    message_id: str
    sent_at: datetime | None = None
    pages: int | None = None


@attrs.frozen
class SentBroadcast(Result):
    """One text that the service accepted for many recipients.

    `recipients` are those that it was sent to, in E.164 and in order; `duplicates` those that were left out because
    the same number came earlier. `message_ids` are as the service listed them. `ids_by_recipient` matches the two
    where the answer allows it (it names the recipients, or has as many ids as there were recipients and so is read in
    their order, which is inferred); else it is empty.
    """

    message_ids: tuple[str, ...]
    recipients: tuple[str, ...] = attrs.field(repr=_masked)
    duplicates: tuple[str, ...] = attrs.field(default=(), repr=_masked)
    sent_at: datetime | None = None
    ids_by_recipient: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)


@attrs.frozen
class Problem:
    """What the service said was wrong with one message: its code, its words, and details by parameter."""

    code: str | None = None
    message: str | None = attrs.field(default=None, repr=False)
    details: tuple[ErrorDetail, ...] = ()


@attrs.frozen
class ListEntry:
    """What became of one message of a list: a `message_id`, or an `error`; neither where the answer did not say."""

    message: MessageListItem = attrs.field(repr=False)
    message_id: str | None = None
    error: Problem | None = None


@attrs.frozen
class SentList(Result):
    """A list that the service accepted, with one entry per message in the order they were given."""

    list_id: str
    entries: tuple[ListEntry, ...] = ()

    @property
    def accepted(self) -> tuple[ListEntry, ...]:
        """The entries that the service took."""
        return tuple(entry for entry in self.entries if entry.message_id is not None)

    @property
    def rejected(self) -> tuple[ListEntry, ...]:
        """The entries that the service refused."""
        return tuple(
            entry for entry in self.entries if entry.error is not None and entry.message_id is None
        )


@attrs.frozen
class MessageStatus(Result):
    """How far a message has come.

    `state` keeps a word or number that is not known as its own value. `is_final` says that it will not change any
    more. `updated_at` is in UTC, or None where the answer has no time. The fields of the answer are inferred.
    """

    message_id: str
    state: DeliveryState = DeliveryState.UNKNOWN
    is_final: bool = False
    updated_at: datetime | None = None
    error: Problem | None = None


@attrs.frozen
class ListStatus(Result):
    """How far the messages of a list have come, in the order of the answer."""

    list_id: str
    messages: tuple[MessageStatus, ...] = ()


@attrs.frozen
class Media(Result):
    """A file that the service keeps. `size` is in bytes; `content_type` is None where it is not known."""

    media_id: str
    content_type: str | None = None
    size: int | None = None


@attrs.frozen
class RawAnswer:
    """An answer as it came, to `request`. `raw` is its JSON, or None where it is none."""

    status_code: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)
    request_id: str | None = None

    @property
    def raw(self) -> JSON:
        """The answer's JSON; parsed anew at each access."""
        try:
            return cast("JSON", json.loads(self.content))
        except (ValueError, RecursionError):
            return None


def read_id(value: object) -> str | None:
    """Read an id: a string, or a number for one; .NET's words for none, 0 and the empty Guid, are none."""
    text = str(value or "") if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    return (
        text
        if text.strip().strip("{}") not in {"", "00000000-0000-0000-0000-000000000000"}
        else None
    )


def read_state(value: object) -> tuple[DeliveryState, bool]:
    """Read a state, and whether it is final, from a word in any letter case or a number."""
    is_numeric = isinstance(value, str) and value.strip().isdecimal() and len(value) < 10
    if is_numeric or (isinstance(value, float) and value.is_integer()):
        value = int(cast("str | float", value))
    if isinstance(value, int) and not isinstance(value, bool):
        state = _STATE_NUMBERS.get(value) or DeliveryState(cast("str", value))
        return state, state in _FINAL_STATES or value == _SENT_FOR_GOOD
    if isinstance(value, str) and value.strip():
        state = _STATE_WORDS.get(value.strip().lower()) or DeliveryState(value)
        return state, state in _FINAL_STATES
    return DeliveryState.UNKNOWN, False


def read_time(named: object, others: Mapping[str, object]) -> datetime | None:
    """Read a timestamp; its name is not known, so where ours is not there, the only other value that is one counts."""
    if (time := read_timestamp(named)) is not None:
        return time
    # Of a mere number, or digits, it cannot be told whether they are a time.
    candidates = [value for value in others.values() if isinstance(value, str) and ":" in value]
    times = [time for value in candidates if (time := read_timestamp(value))]
    return times[0] if len(times) == 1 else None


def read_error(value: object) -> Problem | None:
    """Read the error of one message from the service's error shape, or from bare words, numbers or `true`."""
    if isinstance(value, bool):
        return Problem(code="true") if value else None
    if isinstance(value, (int, float)):
        return Problem(code=str(value))
    if items := as_list(value):  # a shape that is not known, but its words are kept
        value = " ".join(
            item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
            for item in items
        )
    if not value or not isinstance(value, (dict, str)):
        return None
    return Problem(*read_problem(spell(cast("JSON", value))))
