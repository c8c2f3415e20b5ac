"""Sending: make calls of the arguments of `send`, `broadcast` and `send_list`, and read their responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import attrs

from ecall_client import models
from ecall_client.api.message import send_message
from ecall_client.api.message_list import send_message_list
from ecall_client.operations import OperationResponse
from ecall_client.tables import MessageListResultSpec
from ecall_client.types import UNSET
from ecall_facade._call import Call, Effect, request_id_of
from ecall_facade._contents import check_content
from ecall_facade._error_factory import unreadable
from ecall_facade._json import as_iterable
from ecall_facade._lists import listed_items
from ecall_facade._notify import Notifiable, notification
from ecall_facade._parsing import read_error, read_id, read_time
from ecall_facade._request_parts import Extra, add_extra, private_words
from ecall_facade._sent_ids import ids_of_many, ids_of_one, match
from ecall_facade._settings import ClientOptions
from ecall_facade.errors import UsageError
from ecall_facade.numbers import RawAddress, normalize_all
from ecall_facade.results import ListEntry, SentBroadcast, SentList, SentMessage

Recipient: TypeAlias = str | RawAddress


@attrs.frozen(kw_only=True, repr=False)  # it has message text and numbers
class MessageArguments:
    """The arguments of a message beside its recipients, as callers pass them."""

    content: object
    sender: str | None = None
    page_limit: int | None = None
    notify: Notifiable = None
    extra: Extra | None = None


@attrs.frozen(repr=False)
class Composer:
    """Makes messages for one channel, and raises `UsageError` for all that is wrong with them.

    Attributes:
        options: Senders and region.
        channel: The channel.
    """

    options: ClientOptions
    channel: models.Channel

    def send(self, to: Recipient, arguments: MessageArguments) -> Call[SentMessage]:
        """Return the call that sends one message to one recipient."""
        content, pages = check_content(self.channel, arguments.content, arguments.page_limit)
        sender = self.options.sender(self.channel, arguments.sender)
        recipients, _ = normalize_all([to], self.options.region)
        body = models.MessageRequest(
            channel=self.channel,
            from_=sender,
            content=content,
            to=recipients[0],
            notification=notification(arguments.notify, self.options.region),
        )
        add_extra(body, arguments.extra)

        def read(response: OperationResponse) -> SentMessage:
            result = send_message.parse_success(response)
            ids = ids_of_one(result, response)
            return SentMessage(
                ids[0][0],
                read_time(result.timestamp, result.additional_properties),
                pages,
                request_id=request_id_of(response),
                content=response.content,
            )

        private = private_words(content, recipients, body.notification, arguments.extra)
        request = send_message.build_request(body=body)
        return Call(Effect.SEND_ONE, request, read, private)

    def broadcast(
        self, to: Iterable[Recipient], arguments: MessageArguments
    ) -> Call[SentBroadcast]:
        """Return the call that sends one message to many recipients."""
        content, _ = check_content(self.channel, arguments.content, arguments.page_limit)
        sender = self.options.sender(self.channel, arguments.sender)
        recipients, duplicates = normalize_all(to, self.options.region)
        body = models.MessageRequest(
            channel=self.channel,
            from_=sender,
            content=content,
            to_list=[models.ToAddressNumber(address=recipient) for recipient in recipients],
            notification=notification(arguments.notify, self.options.region),
        )
        add_extra(body, arguments.extra)

        def read(response: OperationResponse) -> SentBroadcast:
            result = send_message.parse_success(response)
            ids = ids_of_many(result, response)
            return SentBroadcast(
                tuple(message_id for message_id, _ in ids),
                recipients,
                duplicates,
                read_time(result.timestamp, result.additional_properties),
                match(recipients, ids),
                request_id=request_id_of(response),
                content=response.content,
            )

        private = private_words(content, recipients, body.notification, arguments.extra)
        request = send_message.build_request(body=body)
        return Call(Effect.SEND_MANY, request, read, private)

    def compose(self, to: Recipient, arguments: MessageArguments) -> models.MessageListItem:
        """Return a message for a list; `notify` is an argument of the list, and not read here."""
        content, _ = check_content(self.channel, arguments.content, arguments.page_limit)
        sender = self.options.sender(self.channel, arguments.sender)
        recipients, _ = normalize_all([to], self.options.region)
        item = models.MessageListItem(
            channel=self.channel, from_=sender, content=content, to=recipients[0]
        )
        add_extra(item, arguments.extra)
        return item


def send_list(
    options: ClientOptions, messages: object, notify: Notifiable, extra: Extra | None
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
    add_extra(body, extra)

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
        # Entries are matched by their order (inferred), so their number must be that of the messages.
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

    private = [*private_words(None, (), body.notification, extra)]
    for item in items:
        recipients = [item.to] if isinstance(item.to, str) else []
        private += private_words(item.content, recipients, UNSET, item.additional_properties)
    request = send_message_list.build_request(body=body)
    return Call(Effect.SEND_MANY, request, read, tuple(private))


def _plain(error: object) -> object:
    return error.to_dict() if isinstance(error, models.Error) else error
