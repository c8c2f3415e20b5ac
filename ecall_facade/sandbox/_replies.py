"""Inbound messages: what a person would reply on the phone."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import attrs

from ecall_client.models import Channel, DocumentContent, TextContent
from ecall_client.tables import ReceivedContentSpec, ReceivedMessageSpec
from ecall_facade._settings import SENDER_NAMES
from ecall_facade.sandbox._clock import write_time
from ecall_facade.sandbox._messages import Inbound
from ecall_facade.sandbox._receivers import SUCCESS
from ecall_facade.sandbox._rules import CHANNELS, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecall_facade._json import JSON
    from ecall_facade._settings import ChannelName
    from ecall_facade.sandbox._callbacks import Callbacks
    from ecall_facade.sandbox._receivers import Receivers
    from ecall_facade.sandbox._store import Store

SENDERS: Mapping[ChannelName, str] = {
    "sms": "Sandbox",
    "whatsapp": "+41791234567",
    "rcs": "sandbox-agent",
}


class Replies:
    """Posts inbound messages to the user's program, and remembers them. May be used from any thread.

    Args:
        store: The messages and files.
        receivers: Makes the calls.
        callbacks: Schedules further attempts.
        url: Where replies are posted to by default.
    """

    def __init__(
        self, store: Store, receivers: Receivers, callbacks: Callbacks, url: str | None
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._callbacks = callbacks
        self.url = url

    def post(
        self,
        text: str | None,
        sender: str | None,
        to: str | None,
        channel: str,
        media_id: str | None,
        url: str | None,
    ) -> Inbound:
        """Post a reply, and return it with the response, or with the reason why there is none.

        Raises:
            ValueError: It cannot be posted.
        """
        target = url if url is not None else self.url
        if target is None:
            raise ValueError(
                "No URL to post the reply to: pass Sandbox(inbound_url=…), reply(…, url=…) or --inbound-url on the "
                "command line"
            )
        self._receivers.check(target)
        if channel not in CHANNELS:
            raise ValueError(f"channel must be one of {', '.join(CHANNELS)}")
        if text is None and media_id is None:
            raise ValueError("A reply needs a text, a media_id or both")
        if media_id is not None and not self._store.has_media(media_id):
            raise ValueError(f"There is no file {media_id!r}; upload it first")
        if sender is None:
            newest = self._store.newest(channel)
            if newest is None:
                raise ValueError(f"No message was sent by {channel} yet; pass reply(…, sender=…)")
            sender = newest.recipient
        if to is None:
            to = SENDERS[SENDER_NAMES[Channel(channel)]]
        at = self._store.clock()
        message_id = self._store.new_id("inbound")
        message: dict[str, JSON] = {
            ReceivedMessageSpec.message_id: message_id,
            ReceivedMessageSpec.channel: channel,
            ReceivedMessageSpec.from_: sender,
            ReceivedMessageSpec.to: to,
            ReceivedMessageSpec.content: _content(text, media_id),
            ReceivedMessageSpec.timestamp: write_time(at),
        }
        try:
            json.dumps(message, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError(
                "The reply contains an unpaired surrogate; the text was decoded wrongly"
            ) from None
        inbound = Inbound(message_id, message, at, target)
        self._store.put_inbound(inbound)
        return self._deliver(inbound, 0)

    def redeliver(self, reply_id: str | None) -> list[int | None]:
        """Post each reply once more, or only the one with this id.

        Returns:
            The status codes of the responses; None for a receiver that did not answer.
        """
        replies = [
            inbound for inbound in self._store.inbound_messages() if reply_id in {None, inbound.id}
        ]
        return [self._post(inbound).status for inbound in replies]

    def _deliver(self, inbound: Inbound, number: int) -> Inbound:
        """Post a reply; if it is not accepted, the retry policy says when it is posted again."""
        generation = self._store.generation
        inbound = self._post(inbound)
        if inbound.status != SUCCESS:
            # A daemon thread, as a receiver that hangs must not keep the sandbox from stopping.
            again = threading.Thread(
                target=self._deliver,
                args=(inbound, number + 1),
                name="ecall-sandbox-reply",
                daemon=True,
            )
            self._callbacks.retry(number, generation, again.start)
        return inbound

    def _post(self, inbound: Inbound) -> Inbound:
        try:
            status, body = self._receivers.post(inbound.url, inbound.json)
            inbound = attrs.evolve(inbound, status=status, body=body, reason=None, is_over=True)
        except ConnectionError as error:
            inbound = attrs.evolve(inbound, status=None, body="", reason=str(error), is_over=True)
        self._store.put_inbound(inbound)
        return inbound


def _content(text: str | None, media_id: str | None) -> dict[str, JSON]:
    # How the service names the types of files is not known; that there is a media id says that it is one.
    content_type = type_of(TextContent if media_id is None else DocumentContent)
    content: dict[str, JSON] = {ReceivedContentSpec.type_: content_type}
    if text is not None:
        content[ReceivedContentSpec.text] = text
    if media_id is not None:
        content[ReceivedContentSpec.media_id] = media_id
    return content
