"""What the sync and the async client share: all but the I/O."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import httpx

from ecall_client import models
from ecall_facade._calls import Content, Draft, Extra, Recipient, compose
from ecall_facade._policy import Policy, Reply
from ecall_facade._settings import Account, Options
from ecall_facade._transport import Connections

Transport = TypeVar("Transport", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)


class Setup(NamedTuple, Generic[Transport]):
    """What a client is made of; a copy with other options shares the account and the connections."""

    account: Account
    options: Options
    connections: Connections[Transport]

    @property
    def policy(self) -> Policy:
        return Policy(self.account, self.options)

    def until(self, deadline: float) -> Setup[Transport]:
        return self._replace(options=self.options._replace(deadline=deadline, retry=False))

    def describe(self, name: str) -> str:
        version = f"api_version={self.options.api_version!r}, version_in={self.options.version_in!r}"
        return f"{name}(base_url={self.account.base_url!r}, {version})"


class FileInfo:
    """What is known of a file that is being downloaded: `content_type`, and `size` in bytes; None where it is not."""

    def __init__(self, reply: Reply, response: httpx.Response) -> None:
        self._reply = reply
        self._response = response
        self.request_id = reply.request_id
        self.content_type: str | None = reply.headers.get("content-type")
        length = reply.headers.get("content-length", "")
        self.size = int(length) if length.isdecimal() and "content-encoding" not in reply.headers else None


class Composer:
    """The part of a channel that needs no I/O."""

    def __init__(self, options: Options, channel: models.Channel) -> None:
        self._options = options
        self._channel = channel

    def _draft(self, content: Content, sender: str | None, page_limit: int | None = None) -> Draft:
        return Draft.of(self._options, self._channel, content, sender, page_limit)


class TextComposer(Composer):
    """The part of SMS that needs no I/O."""

    def compose(
        self,
        to: Recipient,
        content: str | models.TextContent,
        *,
        sender: str | None = None,
        page_limit: int | None = None,
        extra: Extra | None = None,
    ) -> models.MessageListItem:
        """Make a message for `messages.send_list`, without sending it; arguments and errors are those of `send`."""
        return compose(self._draft(content, sender, page_limit), to, extra)


class ChatComposer(Composer):
    """The part of WhatsApp and RCS that needs no I/O."""

    def compose(
        self, to: Recipient, content: Content, *, sender: str | None = None, extra: Extra | None = None
    ) -> models.MessageListItem:
        """Make a message for `messages.send_list`, without sending it; arguments and errors are those of `send`."""
        return compose(self._draft(content, sender), to, extra)
