"""Messages inside the sandbox, outbound and inbound."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias, cast

import attrs

from ecall_client.models import DeliveryState, NotificationEvent
from ecall_client.tables import MessageRequestSpec, TextContentSpec
from ecall_facade._json import JSON, normalize_names
from ecall_facade.numbers import mask

State: TypeAlias = DeliveryState
Address: TypeAlias = tuple[str, str]  # its type, itself


class NotificationSettings(NamedTuple):
    """The addresses of a message's `notification`, and the event that filters the reports to them."""

    addresses: tuple[Address, ...] = ()
    event: str = NotificationEvent.ALL.value


class Step(NamedTuple):
    """A state, and how long after acceptance it is reached."""

    after: timedelta
    state: State
    error: dict[str, JSON] | None = None


class StateChange(NamedTuple):
    """A state that a message has reached, and when."""

    state: State
    at: datetime


@attrs.define(eq=False)
class Record:
    """A message inside the sandbox. It is small, as there are many."""

    id: str
    channel: str
    sender: str = attrs.field(repr=False)
    recipient: str = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)  # JSON as it came, parsed only when it is read
    accepted_at: datetime
    request_id: str
    list_id: str | None
    timeline: tuple[Step, ...] = attrs.field(repr=False)
    notification: NotificationSettings = attrs.field(repr=False)
    done: int = 0  # index of the last step in the timeline that was taken

    @property
    def step(self) -> Step:
        return self.timeline[self.done]


@attrs.frozen
class Inbound:
    """An inbound message to the user's program."""

    id: str
    """Its id."""
    json: dict[str, JSON] = attrs.field(repr=False)
    """The body that is posted."""
    at: datetime
    """When it was first posted."""
    url: str = attrs.field(repr=False)
    """Where it is posted to."""
    status: int | None = None
    """The status code of the response."""
    body: str = attrs.field(default="", repr=False)
    """The beginning of the body of the response."""
    reason: str | None = None
    """Why there is no response."""
    is_over: bool = False
    """Whether there is a response, or a reason for none."""


@attrs.frozen
class Message:
    """A message as it was when it was read from the sandbox. It does not change afterwards."""

    id: str
    """The `messageId`."""
    channel: str
    """`Sms`, `Whatsapp` or `Rcs`."""
    sender: str
    """The sender as it came."""
    recipient: str = attrs.field(repr=mask)
    """The recipient as it came."""
    state: State
    """Its state."""
    error: dict[str, JSON] | None
    """Why it failed, or None."""
    accepted_at: datetime
    """When it was accepted, by the sandbox's clock."""
    request_id: str
    """The id of the request that it came with."""
    list_id: str | None
    """The id of its list, or None."""
    _steps: tuple[Step, ...] = attrs.field(repr=False, alias="steps")
    _body: bytes = attrs.field(repr=False, alias="body")

    @classmethod
    def from_record(cls, record: Record, done: int) -> Message:
        """Return the message as it is after that step of its timeline."""
        _, state, error = record.timeline[done]
        return cls(
            id=record.id,
            channel=record.channel,
            sender=record.sender,
            recipient=record.recipient,
            state=state,
            error=error,
            accepted_at=record.accepted_at,
            request_id=record.request_id,
            list_id=record.list_id,
            steps=record.timeline[: done + 1],
            body=record.body,
        )

    @property
    def history(self) -> tuple[StateChange, ...]:
        """All states that it has had, and when each was reached; the current one is last."""
        return tuple(StateChange(step.state, self.accepted_at + step.after) for step in self._steps)

    @property
    def raw(self) -> dict[str, JSON]:
        """The JSON of the request as it came; for a list, the part of this message."""
        return cast("dict[str, JSON]", json.loads(self._body))

    @property
    def content(self) -> dict[str, JSON]:
        """The content of the message, with its names in the spelling of the documentation."""
        return copy.deepcopy(_content(self._body))

    @property
    def text(self) -> str | None:
        """The text, or None if it has none."""
        text = self.content.get(TextContentSpec.text)
        return text if isinstance(text, str) else None


@lru_cache(64)
def _content(body: bytes) -> dict[str, JSON]:
    """Return the content in a request. It is cached, as all messages of a broadcast have the same body."""
    message = cast("dict[str, dict[str, JSON]]", normalize_names(json.loads(body)))
    return message[MessageRequestSpec.content]
