"""The results of calls: frozen, typed, with the request id and, in `raw`, the JSON of the response."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

import attrs

from ecall_client.models.delivery_state import DeliveryState
from ecall_facade._json import JSON

if TYPE_CHECKING:
    from ecall_client.models import MessageListItem

__all__ = [
    "ErrorDetail",
    "FailureReason",
    "ListEntry",
    "ListStatus",
    "Media",
    "MessageStatus",
    "RawResponse",
    "Result",
    "SentBroadcast",
    "SentList",
    "SentMessage",
]


def _masked(recipients: tuple[str, ...]) -> str:
    from ecall_facade._masking import mask

    return repr(tuple(mask(recipient) for recipient in recipients))


@attrs.frozen
class ErrorDetail:
    """The service's messages about one parameter of a request (observed)."""

    parameter: str | None
    """The name of the parameter, such as `To`."""
    messages: tuple[str, ...] = attrs.field(repr=False)
    """The service's explanations of what is wrong with it."""


@attrs.frozen
class FailureReason:
    """The reason why the service refused a message, or could not deliver it."""

    code: str | None = None
    """The service's code."""
    message: str | None = attrs.field(default=None, repr=False)
    """The service's explanation."""
    details: tuple[ErrorDetail, ...] = ()
    """The service's messages about each parameter."""


@attrs.frozen
class Result:
    """The base of all results."""

    request_id: str | None = attrs.field(default=None, kw_only=True)
    """The service's `x-f24-request-id`, which support asks for (documented)."""
    _content: bytes | dict[str, JSON] = attrs.field(
        default=b"{}", alias="content", kw_only=True, repr=False, eq=False
    )

    @property
    def raw(self) -> dict[str, JSON]:
        """The JSON of the response as it came; parsed again at each access."""
        if isinstance(self._content, dict):
            return self._content
        data = json.loads(self._content)
        return cast("dict[str, JSON]", data) if isinstance(data, dict) else {}


@attrs.frozen
class SentMessage(Result):
    """A message that the service accepted."""

    message_id: str
    """Identifies the message, for its status."""
    sent_at: datetime | None = None
    """When the service accepted it, in UTC."""
    pages: int | None = None
    """The number of SMS pages, counted by this package; None for other channels."""


@attrs.frozen
class SentBroadcast(Result):
    """One text that the service accepted for many recipients."""

    message_ids: tuple[str, ...]
    """The ids, in the order of the response."""
    recipients: tuple[str, ...] = attrs.field(repr=_masked)
    """The recipients it was sent to, in E.164, in the order they were given."""
    duplicates: tuple[str, ...] = attrs.field(default=(), repr=_masked)
    """The recipients that were left out because the same number came earlier."""
    sent_at: datetime | None = None
    """When the service accepted it, in UTC."""
    ids_by_recipient: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    """The id for each recipient, if the response names the recipients, or if it has one id for each
    of them, which are then matched by their order (inferred); otherwise empty.
    """


@attrs.frozen
class ListEntry:
    """The outcome of one message of a list."""

    message: MessageListItem = attrs.field(repr=False)
    """The message."""
    message_id: str | None = None
    """Its id, if the service accepted it."""
    error: FailureReason | None = None
    """Why the service refused it. If both are None, the response does not say."""


@attrs.frozen
class SentList(Result):
    """A list that the service accepted."""

    list_id: str
    """Identifies the list, for its status."""
    entries: tuple[ListEntry, ...] = ()
    """One for each message, in the order they were given."""

    @property
    def accepted(self) -> tuple[ListEntry, ...]:
        """The entries that the service accepted."""
        return tuple(entry for entry in self.entries if entry.message_id is not None)

    @property
    def rejected(self) -> tuple[ListEntry, ...]:
        """The entries that the service refused."""
        return tuple(
            entry for entry in self.entries if entry.error is not None and entry.message_id is None
        )


@attrs.frozen
class MessageStatus(Result):
    """The delivery status of a message; the fields of the response are inferred."""

    message_id: str
    """Identifies the message."""
    state: DeliveryState = DeliveryState.UNKNOWN
    """The delivery state; an unknown word or number is kept as its value."""
    is_final: bool = False
    """Whether the state can no longer change."""
    updated_at: datetime | None = None
    """When the state changed, in UTC; None if the response has no time."""
    error: FailureReason | None = None
    """Why the message failed."""


@attrs.frozen
class ListStatus(Result):
    """The delivery status of the messages of a list."""

    list_id: str
    """Identifies the list."""
    messages: tuple[MessageStatus, ...] = ()
    """The status of each message, in the order of the response."""


@attrs.frozen
class Media(Result):
    """A file that the service keeps."""

    media_id: str
    """Identifies the file, for messages and downloads."""
    content_type: str | None = None
    """Its media type, or None if it is not known."""
    size: int | None = None
    """Its size in bytes, or None if it is not known."""


@attrs.frozen
class RawResponse:
    """The response to `request`, as it came."""

    status_code: int
    """The HTTP status."""
    headers: Mapping[str, str] = attrs.field(repr=False)
    """The headers, by lower-case name."""
    content: bytes = attrs.field(repr=False)
    """The body."""
    request_id: str | None = None
    """The service's `x-f24-request-id`."""

    @property
    def raw(self) -> JSON:
        """The JSON of the response, or None if it is not JSON; parsed again at each access."""
        try:
            return cast("JSON", json.loads(self.content))
        except (ValueError, RecursionError):
            return None
