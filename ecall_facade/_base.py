"""What the sync and the async client share: all but the I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Literal, NamedTuple, Self, TypeVar

import httpx

from ecall_client import models
from ecall_facade import _settings as settings
from ecall_facade._calls import Content, Draft, Extra, Recipient, check_content, compose
from ecall_facade._policy import Kind, Reply, unreadable
from ecall_facade._transports.connections import Connections

Transport = TypeVar("Transport", bound=httpx.BaseTransport | httpx.AsyncBaseTransport)


class Setup(NamedTuple, Generic[Transport]):
    """What a client is made of; a copy with other options shares the account and the connections."""

    account: settings.Account
    options: settings.Options
    connections: Connections[Transport]

    def until(self, deadline: float) -> Setup[Transport]:
        return self._replace(options=self.options._replace(deadline=deadline, retry=False))


class ClientBase(ABC, Generic[Transport]):
    """The settings of a client, and its copies."""

    _setup: Setup[Transport]
    _is_copy = False

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        api_version: settings.ApiVersion | None = None,
        version_in: settings.VersionIn = "path",
        base_url: str | None = None,
        sender: settings.Senders | None = None,
        region: str = "CH",
        timeout: settings.Timeout = settings.DEFAULT_TIMEOUT,
        retry: bool = True,
        transport: Transport | Literal["fast"] | None = None,
    ) -> None:
        account = settings.Account.of(username, password, base_url)
        options = settings.make_options(
            None, api_version, version_in, sender, region, timeout, retry
        )
        self._assemble(Setup(account, options, self._connections(account, transport)))

    @abstractmethod
    def _connections(
        self, account: settings.Account, transport: Transport | Literal["fast"] | None
    ) -> Connections[Transport]: ...

    @abstractmethod
    def _assemble(self, setup: Setup[Transport]) -> None: ...

    def with_options(
        self,
        *,
        api_version: settings.ApiVersion | None = None,
        version_in: settings.VersionIn | None = None,
        sender: settings.Senders | None = None,
        region: str | None = None,
        timeout: settings.Timeout | None = None,
        retry: bool | None = None,
    ) -> Self:
        """Give a copy with other options; what is not named stays.

        The copy shares the connections and never closes them. Credentials and `base_url` cannot be changed. Raises
        `InvalidConfiguration`.
        """
        old = self._setup
        options = settings.make_options(
            old.options, api_version, version_in, sender, region, timeout, retry
        )
        copy = type(self).__new__(type(self))
        copy._is_copy = True
        copy._assemble(old._replace(options=options))
        return copy

    def __repr__(self) -> str:
        options = self._setup.options
        version = f"api_version={options.api_version!r}, version_in={options.version_in!r}"
        return f"{type(self).__name__}(base_url={self._setup.account.base_url!r}, {version})"


class FileInfo:
    """What is known of a file that is being downloaded: `content_type`, and `size` in bytes; None where it is not."""

    def __init__(self, reply: Reply, response: httpx.Response) -> None:
        if reply.status_code in {
            204,
            205,
        }:  # an empty file would take the place of one that is there
            raise unreadable("with no file", reply, Kind.FETCH)
        self._reply = reply
        self._response = response
        self.request_id = reply.request_id
        self.content_type: str | None = reply.headers.get("content-type")
        length = reply.headers.get("content-length", "")
        self.size = (
            int(length) if length.isdecimal() and "content-encoding" not in reply.headers else None
        )


class Composer:
    """The part of a channel that needs no I/O."""

    def __init__(self, options: settings.Options, channel: models.Channel) -> None:
        self._options = options
        self._channel = channel

    def _draft(self, content: Content, sender: str | None, page_limit: int | None = None) -> Draft:
        model, pages = check_content(self._channel, content, page_limit)
        parts = {
            "channel": self._channel,
            "from_": self._options.sender(self._channel, sender),
            "content": model,
        }
        return Draft(self._options, parts, pages)


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
        self,
        to: Recipient,
        content: Content,
        *,
        sender: str | None = None,
        extra: Extra | None = None,
    ) -> models.MessageListItem:
        """Make a message for `messages.send_list`, without sending it; arguments and errors are those of `send`."""
        return compose(self._draft(content, sender), to, extra)
