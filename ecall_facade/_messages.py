"""Sending: how calls that send are made of what callers give, and how their responses are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import attrs

from ecall_client import models
from ecall_client.api.message import send_message
from ecall_client.api.message_list import send_message_list
from ecall_client.operations import OperationResponse
from ecall_client.tables import REQUEST_NAMES, MessageListResultSpec, MessageResultSpec
from ecall_client.types import Unset
from ecall_facade._call import Call, Effect, request_id_of
from ecall_facade._contents import ContentModel, check_content
from ecall_facade._error_factory import unreadable
from ecall_facade._json import JSON, as_iterable, iterate_items, iterate_strings
from ecall_facade._json_input import check_json
from ecall_facade._lists import listed_items
from ecall_facade._notify import Notifiable, notification
from ecall_facade._parsing import read_error, read_id, read_time
from ecall_facade._settings import Options
from ecall_facade.errors import UsageError
from ecall_facade.numbers import RawAddress, normalize_all
from ecall_facade.results import ListEntry, SentBroadcast, SentList, SentMessage

Recipient: TypeAlias = str | RawAddress
Extra: TypeAlias = Mapping[str, JSON]
B = TypeVar("B", models.MessageRequest, models.MessageListItem, models.MessageListRequest)


@attrs.frozen(repr=False)
class Composer:
    """Makes messages for one channel; all that can be wrong with them is found here.

    Attributes:
        options: Senders and region.
        channel: The channel.
    """

    options: Options
    channel: models.Channel

    def send(
        self,
        to: Recipient,
        content: object,
        *,
        sender: str | None,
        notify: Notifiable,
        extra: Extra | None,
        page_limit: int | None = None,
    ) -> Call[SentMessage]:
        """Return the call that sends one message to one recipient."""
        model, pages = check_content(self.channel, content, page_limit)
        from_ = self.options.sender(self.channel, sender)
        recipients, _ = normalize_all([to], self.options.region)
        body = models.MessageRequest(
            channel=self.channel,
            from_=from_,
            content=model,
            to=recipients[0],
            notification=notification(notify, self.options.region),
        )
        _add_extra(body, extra)

        def read(response: OperationResponse) -> SentMessage:
            result = send_message.parse_success(response)
            ids = _ids_of_one(result, response)
            return SentMessage(
                ids[0][0],
                read_time(result.timestamp, result.additional_properties),
                pages,
                request_id=request_id_of(response),
                content=response.content,
            )

        private = (*_texts(model), *recipients, *_notified(body.notification), *_strings(extra))
        request = send_message.build_request(body=body)
        return Call(Effect.SEND_ONE, request, read, private)

    def broadcast(
        self,
        to: Iterable[Recipient],
        content: object,
        *,
        sender: str | None,
        notify: Notifiable,
        extra: Extra | None,
        page_limit: int | None = None,
    ) -> Call[SentBroadcast]:
        """Return the call that sends one message to many recipients."""
        model, _ = check_content(self.channel, content, page_limit)
        from_ = self.options.sender(self.channel, sender)
        recipients, duplicates = normalize_all(to, self.options.region)
        body = models.MessageRequest(
            channel=self.channel,
            from_=from_,
            content=model,
            to_list=[models.ToAddressNumber(address=recipient) for recipient in recipients],
            notification=notification(notify, self.options.region),
        )
        _add_extra(body, extra)

        def read(response: OperationResponse) -> SentBroadcast:
            result = send_message.parse_success(response)
            ids = _ids_of_many(result, response)
            return SentBroadcast(
                tuple(message_id for message_id, _ in ids),
                recipients,
                duplicates,
                read_time(result.timestamp, result.additional_properties),
                _match(recipients, ids),
                request_id=request_id_of(response),
                content=response.content,
            )

        private = (*_texts(model), *recipients, *_notified(body.notification), *_strings(extra))
        request = send_message.build_request(body=body)
        return Call(Effect.SEND_MANY, request, read, private)

    def compose(
        self,
        to: Recipient,
        content: object,
        *,
        sender: str | None,
        extra: Extra | None,
        page_limit: int | None = None,
    ) -> models.MessageListItem:
        """Return a message for a list."""
        model, _ = check_content(self.channel, content, page_limit)
        from_ = self.options.sender(self.channel, sender)
        recipients, _ = normalize_all([to], self.options.region)
        item = models.MessageListItem(
            channel=self.channel, from_=from_, content=model, to=recipients[0]
        )
        _add_extra(item, extra)
        return item


def send_list(
    options: Options, messages: object, notify: Notifiable, extra: Extra | None
) -> Call[SentList]:
    """Return the call that sends many different messages.

    Raises:
        UsageError: They are not messages made by `compose`, or there are none.
    """
    iterable = as_iterable(messages)
    if iterable is None:
        raise UsageError("messages must be a list of messages made by compose(…)")
    given = list(iterable)
    items = [item for item in given if isinstance(item, models.MessageListItem)]
    if not given:
        raise UsageError("The list is empty; make its messages with compose(…)")
    if len(items) < len(given):
        wrong = [
            str(position)
            for position, item in enumerate(given)
            if not isinstance(item, models.MessageListItem)
        ]
        raise UsageError(
            f"Not made by compose(…): the messages at {', '.join(wrong)} (counted from 0)"
        )
    body = models.MessageListRequest(
        messages=items, notification=notification(notify, options.region)
    )
    _add_extra(body, extra)

    def read(response: OperationResponse) -> SentList:
        result = send_message_list.parse_success(response)
        list_id = read_id(result.message_list_id)
        if list_id is None:
            raise unreadable(
                f"the response has no {MessageListResultSpec.message_list_id}",
                response,
                Effect.SEND_MANY,
            )
        found = [
            models.MessageListEntry.from_dict(item)
            for _, item in listed_items(response, MessageListResultSpec.messages)
        ]
        # Matched by their order (inferred). Another number of entries cannot be matched; `raw` has it.
        outcomes = found if len(found) == len(items) else [models.MessageListEntry()] * len(items)
        entries = [
            ListEntry(item, read_id(outcome.message_id), read_error(_plain(outcome.error)))
            for item, outcome in zip(items, outcomes, strict=True)
        ]
        return SentList(
            list_id,
            tuple(entries),
            request_id=request_id_of(response),
            content=response.content,
        )

    private = [*_notified(body.notification), *_strings(extra)]
    for item in items:
        private += [
            *_texts(item.content),
            *_strings(item.to),
            *_strings(item.additional_properties),
        ]
    request = send_message_list.build_request(body=body)
    return Call(Effect.SEND_MANY, request, read, tuple(private))


# Parts of requests


def _add_extra(body: B, extra: Extra | None) -> None:
    """Add the caller's own fields.

    Raises:
        UsageError: One of them is known, so that it would be there twice and the service would choose.
    """
    if extra is None:
        return
    check_json(extra, "extra")
    known = sorted({name for name, _ in iterate_items(extra) if name.lower() in REQUEST_NAMES})
    if known:
        raise UsageError(
            f"extra must not contain fields that have their own argument: {', '.join(known)}"
        )
    body.additional_properties.update(extra)


def _texts(content: ContentModel) -> tuple[str, ...]:
    return (content.text,) if isinstance(content, models.TextContent) else ()


def _notified(given: models.Notification | Unset) -> tuple[str, ...]:
    if isinstance(given, Unset) or isinstance(given.addresses, Unset):
        return ()
    return tuple(address.address for address in given.addresses)


def _strings(value: object) -> tuple[str, ...]:
    return tuple(iterate_strings(value))


# Parts of responses


Ids: TypeAlias = Sequence[tuple[str, str | None]]
"""Each id, with its recipient where that is named."""


def _ids_of_one(result: models.MessageResult, response: OperationResponse) -> Ids:
    one = read_id(result.message_id)
    # One recipient is answered by one id and many by a list; the other way round is read as well.
    ids = [(one, None)] if one else _listed_ids(result)
    return _ids_or_error(ids, MessageResultSpec.message_id, response)


def _ids_of_many(result: models.MessageResult, response: OperationResponse) -> Ids:
    many = _listed_ids(result)
    one = read_id(result.message_id)
    ids = [(one, None)] if one and not many else many
    return _ids_or_error(ids, MessageResultSpec.message_id_list, response)


def _ids_or_error(ids: Ids, name: str, response: OperationResponse) -> Ids:
    if not ids:
        raise unreadable(f"the response has no {name}", response, Effect.SEND_MANY)
    return ids


def _listed_ids(result: models.MessageResult) -> Ids:
    if not isinstance(result.message_id_list, list):
        return []
    found: list[tuple[str | None, object]] = [
        (read_id(item.message_id), _recipient_of(item))
        if isinstance(item, models.AddressedMessageId)
        else (read_id(item), None)
        for item in result.message_id_list
    ]
    return [
        (message_id, recipient if isinstance(recipient, str) else None)
        for message_id, recipient in found
        if message_id is not None
    ]


def _recipient_of(item: models.AddressedMessageId) -> object:
    """Return the recipient; its name is inferred, so that any value that looks like a number counts."""
    if item.address:
        return item.address
    for value in item.additional_properties.values():
        if isinstance(value, str) and value.startswith(("+", "00")):
            return value
    return None


def _match(recipients: tuple[str, ...], ids: Ids) -> dict[str, str]:
    """Return the id for each recipient, as far as the response allows to match them."""
    named = {_e164(address): message_id for message_id, address in ids if address is not None}
    if named:
        return {recipient: named[recipient] for recipient in recipients if recipient in named}
    if len(ids) == len(recipients):
        pairs = zip(recipients, ids, strict=True)
        return {recipient: message_id for recipient, (message_id, _) in pairs}
    return {}


def _e164(address: str) -> str:
    return f"+{address[2:]}" if address.startswith("00") else address


def _plain(error: object) -> object:
    return error.to_dict() if isinstance(error, models.Error) else error
