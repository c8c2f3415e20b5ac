# Made by scripts/unasync from ecall_facade/_async/_channels.py; change that file.

"""Sending by one channel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import attrs

from ecall_client import models
from ecall_facade._contents import Content, RcsContent, SmsContent, WhatsappContent, file_content
from ecall_facade._files import upload_call
from ecall_facade._messages import Composer, MessageArguments, Recipient
from ecall_facade._notify import Notifiable
from ecall_facade._request_parts import Extra
from ecall_facade._sync._session import Session
from ecall_facade._uploads import Chunks, Progress, Source, open_upload
from ecall_facade.errors import ECallError
from ecall_facade.results import SentBroadcast, SentMessage

C = TypeVar("C", bound=Content)


class Sms:
    """Texts by SMS."""

    def __init__(self, session: Session, composer: Composer) -> None:
        self._session = session
        self._composer = composer

    def send(
        self,
        to: Recipient,
        content: SmsContent,
        *,
        sender: str | None = None,
        page_limit: int | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentMessage:
        """Send one text to one recipient.

        The request is never repeated if the service may have taken it. If the call is cancelled or
        interrupted, the outcome is unknown.

        Args:
            to: A number as people write it, or a `RawAddress`.
            content: The text.
            sender: At most 16 digits, or 11 characters of ASCII 32-126 (documented); default the
                client's.
            page_limit: The most pages, 1 to 10 (default); a longer text is refused before it is sent.
            notify: Who is notified about the delivery: a URL, an e-mail address, a number, several of
                them, or `Notify`.
            extra: Fields that the service has and this package does not know.

        Raises:
            UsageError: An argument cannot be sent; raised before anything is sent.
            NotSent: No connection was made.
            OutcomeUnknown: No response came; the message may have been sent.
            UnreadableResponse: The response cannot be understood.
            APIError: The service refused the message, or failed.
        """
        arguments = MessageArguments(
            content=content, sender=sender, page_limit=page_limit, notify=notify, extra=extra
        )
        return self._session.run(self._composer.send(to, arguments))

    def broadcast(
        self,
        to: Iterable[Recipient],
        content: SmsContent,
        *,
        sender: str | None = None,
        page_limit: int | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentBroadcast:
        """Send one text to many recipients, in one request.

        Recipients that are the same number are sent to once, and the result names those left out.

        Args:
            to: The recipients, as in `send`.
            content: The text.
            sender: As in `send`.
            page_limit: As in `send`.
            notify: As in `send`.
            extra: As in `send`.

        Raises:
            InvalidNumber: Names all bad recipients; raised before anything is sent.
            ECallError: As `send` raises.
        """
        arguments = MessageArguments(
            content=content, sender=sender, page_limit=page_limit, notify=notify, extra=extra
        )
        return self._session.run(self._composer.broadcast(to, arguments))

    def compose(
        self,
        to: Recipient,
        content: SmsContent,
        *,
        sender: str | None = None,
        page_limit: int | None = None,
        extra: Extra | None = None,
    ) -> models.MessageListItem:
        """Return a message for `messages.send_list`, without sending it.

        The arguments are those of `send`.

        Raises:
            UsageError: An argument cannot be sent.
        """
        arguments = MessageArguments(
            content=content, sender=sender, page_limit=page_limit, extra=extra
        )
        return self._composer.compose(to, arguments)


class _MediaChannel(Generic[C]):
    """Texts and media by a channel that carries contents of the types C."""

    def __init__(self, session: Session, composer: Composer) -> None:
        self._session = session
        self._composer = composer

    def send(
        self,
        to: Recipient,
        content: C,
        *,
        sender: str | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentMessage:
        """Send one message to one recipient.

        The request is never repeated if the service may have taken it. If the call is cancelled or
        interrupted, the outcome is unknown.

        Args:
            to: A number as people write it, or a `RawAddress`.
            content: A text (WhatsApp at most 4096 characters, RCS 1000; documented), or an uploaded
                file: `ImageContent`, `DocumentContent`, `AudioContent`, `VideoContent`, and by RCS
                `StickerContent`.
            sender: WhatsApp: the registered number; RCS: the ID that the provider issued (documented);
                default the client's for the channel.
            notify: Who is notified about the delivery: a URL, an e-mail address, a number, several of
                them, or `Notify`.
            extra: Fields that the service has and this package does not know.

        Raises:
            UsageError: An argument cannot be sent; raised before anything is sent.
            NotSent: No connection was made.
            OutcomeUnknown: No response came; the message may have been sent.
            UnreadableResponse: The response cannot be understood.
            APIError: The service refused the message, or failed.
        """
        arguments = MessageArguments(content=content, sender=sender, notify=notify, extra=extra)
        return self._session.run(self._composer.send(to, arguments))

    def broadcast(
        self,
        to: Iterable[Recipient],
        content: C,
        *,
        sender: str | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentBroadcast:
        """Send one message to many recipients, in one request.

        Recipients that are the same number are sent to once, and the result names those left out.

        Args:
            to: The recipients, as in `send`.
            content: As in `send`.
            sender: As in `send`.
            notify: As in `send`.
            extra: As in `send`.

        Raises:
            InvalidNumber: Names all bad recipients; raised before anything is sent.
            ECallError: As `send` raises.
        """
        arguments = MessageArguments(content=content, sender=sender, notify=notify, extra=extra)
        return self._session.run(self._composer.broadcast(to, arguments))

    def send_file(
        self,
        to: Recipient,
        file: Source,
        *,
        content_type: str | None = None,
        sender: str | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
        on_progress: Progress | None = None,
    ) -> SentMessage:
        """Upload a file and send it as the content that fits it: image, audio, video or document.

        All that can be wrong with the message is found before the upload.

        Args:
            to: As in `send`.
            file: A path, bytes, or an open binary file.
            content_type: The media type; by default guessed from the name of the file.
            sender: As in `send`.
            notify: As in `send`.
            extra: As in `send`.
            on_progress: Called with the bytes done and the total; see `media.upload`.

        Raises:
            InvalidMedia: The file cannot be read, or its type is not known.
            ECallError: As `media.upload` and `send` raise; an error of the send has a note with the id
                of the uploaded file.
        """
        upload = open_upload(file, content_type, on_progress)
        arguments = MessageArguments(
            content=file_content(upload), sender=sender, notify=notify, extra=extra
        )
        self._composer.send(to, arguments)  # raises now what is wrong with the message
        media = self._session.run(upload_call(upload, Chunks(upload)))
        arguments = attrs.evolve(arguments, content=file_content(upload, media.media_id))
        try:
            return self._session.run(self._composer.send(to, arguments))
        except ECallError as error:
            error.add_note(f"The file was uploaded as media {media.media_id}")
            raise

    def compose(
        self,
        to: Recipient,
        content: C,
        *,
        sender: str | None = None,
        extra: Extra | None = None,
    ) -> models.MessageListItem:
        """Return a message for `messages.send_list`, without sending it.

        The arguments are those of `send`.

        Raises:
            UsageError: An argument cannot be sent.
        """
        arguments = MessageArguments(content=content, sender=sender, extra=extra)
        return self._composer.compose(to, arguments)


class Whatsapp(_MediaChannel[WhatsappContent]):
    """Texts and media by WhatsApp."""


class Rcs(_MediaChannel[RcsContent]):
    """Texts and media by RCS."""
