"""The sync client; `_async` holds its twin, line by line."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Literal, Self, TypeVar, cast

import httpx

from ecall_client import Client, models
from ecall_facade import _calls
from ecall_facade._base import ChatComposer, ClientBase, FileInfo, Setup, TextComposer
from ecall_facade._calls import Call, Content, Extra, Notifiable, Recipient
from ecall_facade._downloads import Target, writing
from ecall_facade._json import JSON
from ecall_facade._policy import Policy, make_stream_error
from ecall_facade._session import Session, sleep
from ecall_facade._settings import Account
from ecall_facade._transports.connections import Connections, checked, sync_pool
from ecall_facade._uploads import Progress, Source, Upload
from ecall_facade._wait import Until, Wait
from ecall_facade.errors import ECallError
from ecall_facade.results import (
    ListStatus,
    Media,
    MessageStatus,
    RawAnswer,
    SentBroadcast,
    SentList,
    SentMessage,
)

T = TypeVar("T")


class Runner:
    """Performs calls: the generated operations, over a session that applies the policy."""

    def __init__(self, setup: Setup[httpx.BaseTransport]) -> None:
        self.setup = setup
        self.options = setup.options
        self.session = Session(Policy(setup.account, setup.options), setup.connections)
        self._api = Client(base_url=setup.account.base_url)
        self._api.set_httpx_client(cast("httpx.Client", self.session))

    def run(self, call: Call[T]) -> T:
        try:
            response = call.sync(client=self._api)
        except ECallError:
            raise
        except Exception as error:  # nothing but our own errors gets out
            raise call.failure(error) from error
        return call.read(response)


class ECall(ClientBase[httpx.BaseTransport]):
    """A client of eCall.

    What is not given comes from the environment: `ECALL_USERNAME`, `ECALL_PASSWORD`, `ECALL_API_VERSION`,
    `ECALL_BASE_URL`, and the senders `ECALL_SENDER` (SMS), `ECALL_SENDER_WHATSAPP`, `ECALL_SENDER_RCS`.

    - `username`, `password`: of the account, or of an API sub-user (documented).
    - `api_version`: "v2" (default) or "v1"; `version_in`: "path" (default) or "header" (documented).
    - `base_url`: default `https://rest.ecall.ch` (documented); plain http only for this machine.
    - `sender`: a string for SMS, or a mapping from "sms", "whatsapp" and "rcs" to senders.
    - `region`: how numbers without a country are read; default "CH".
    - `timeout`: seconds, or a pair (to connect, of each read); default (5, 30).
    - `retry`: False switches all retries off; True (default) repeats only what cannot act twice.
    - `transport`: "fast", which takes a fraction of the time and needs the extra `fast` (docs/transports.md), or an
      httpx transport. Of any but httpx's own classes a connection error counts as an unknown outcome, as some report a
      request that was taken and dropped as one.

    One client serves many threads; of more than 100 requests at a time, the others wait.
    Raises `MissingCredentials` and `InvalidConfiguration`.
    """

    def _connections(
        self, account: Account, transport: httpx.BaseTransport | Literal["fast"] | None
    ) -> Connections[httpx.BaseTransport]:
        given = checked(transport, httpx.BaseTransport)
        return Connections(partial(sync_pool, account, fast=transport == "fast"), given, os.getpid)

    def _assemble(self, setup: Setup[httpx.BaseTransport]) -> None:
        self._setup = setup
        self._runner = runner = Runner(setup)
        self.sms = Sms(runner)
        self.whatsapp = Chat(runner, models.Channel.WHATSAPP)
        self.rcs = Chat(runner, models.Channel.RCS)
        self.messages = Messages(runner)
        self.media = MediaFiles(runner)

    def request(self, method: str, path: str, *, json: JSON = None) -> RawAnswer:
        """Call any path of the service, with the client's credentials, version, errors and rules for sending.

        The way out when a path of ours is wrong, or the service has what we do not know. `path` begins with a slash and
        is best written without a version, as `/api/message`. Anything but GET, HEAD and OPTIONS is taken for a send.
        Raises as the other methods do; an answer that is not JSON is none of them.
        """
        _calls.check_request(method, path, json)
        reply = self._runner.session.request(method, path, "raw", json=json)
        return RawAnswer(reply.status_code, dict(reply.headers), reply.content, reply.request_id)

    def close(self) -> None:
        """Close the connections; a copy made by `with_options` leaves them open."""
        if not self._is_copy and (pool := self._setup.connections.close()) is not None:
            pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Sms(TextComposer):
    """Texts by SMS."""

    def __init__(self, runner: Runner) -> None:
        super().__init__(runner.options, models.Channel.SMS)
        self._run = runner.run

    def send(
        self,
        to: Recipient,
        content: str | models.TextContent,
        *,
        sender: str | None = None,
        page_limit: int | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentMessage:
        """Send one text to one recipient; one POST, never repeated where the service may have taken it.

        - `to`: a number as people write it, or a `RawAddress`.
        - `sender`: at most 16 digits, or 11 characters of ASCII 32-126 (documented); default the client's.
        - `page_limit`: the most pages, 1 to 10; a longer text is refused before it is sent.
        - `notify`: who is told about the delivery: a URL, an e-mail address, a number, several of them, or `Notify`.
        - `extra`: fields that the service has and this package does not know.

        Raises a `UsageError` before anything is sent; `NotSent`, `OutcomeUnknown`, `UnreadableResponse` or an
        `APIError` after, each with `may_have_been_sent`.
        """
        call = _calls.send(self._draft(content, sender, page_limit), to, notify, extra)
        return self._run(call)

    def broadcast(
        self,
        to: Iterable[Recipient],
        content: str | models.TextContent,
        *,
        sender: str | None = None,
        page_limit: int | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentBroadcast:
        """Send one text to many recipients, in one POST; the other arguments and errors are those of `send`.

        Recipients that are the same number are sent to once, and the result names those left out. All bad ones are
        named in one `InvalidNumber`, before anything is sent.
        """
        call = _calls.broadcast(self._draft(content, sender, page_limit), to, notify, extra)
        return self._run(call)


class Chat(ChatComposer):
    """Texts and media by WhatsApp or RCS."""

    def __init__(self, runner: Runner, channel: models.Channel) -> None:
        super().__init__(runner.options, channel)
        self._run = runner.run

    def send(
        self,
        to: Recipient,
        content: Content,
        *,
        sender: str | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentMessage:
        """Send one message to one recipient; one POST, never repeated where the service may have taken it.

        - `to`: a number as people write it, or a `RawAddress`.
        - `content`: a text (WhatsApp at most 4096 characters, RCS 1000; documented), or `ImageContent`,
          `DocumentContent`, `AudioContent`, `VideoContent`, and by RCS `StickerContent`, of an uploaded file.
        - `sender`: WhatsApp: the registered number; RCS: the ID that the provider issued (documented); default the
          client's for the channel.
        - `notify`, `extra`: as in `sms.send`.

        Raises as `sms.send` does.
        """
        call = _calls.send(self._draft(content, sender), to, notify, extra)
        return self._run(call)

    def broadcast(
        self,
        to: Iterable[Recipient],
        content: Content,
        *,
        sender: str | None = None,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentBroadcast:
        """Send one message to many recipients, in one POST; the other arguments and errors are those of `send`.

        Recipients that are the same number are sent to once, and the result names those left out. All bad ones are
        named in one `InvalidNumber`, before anything is sent.
        """
        call = _calls.broadcast(self._draft(content, sender), to, notify, extra)
        return self._run(call)

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
        """Upload a file and send it, as the content that fits its kind: image, audio, video, else a document.

        `file` and `on_progress` are as in `media.upload`; `content_type` is guessed from the file's name, and has to be
        given where there is none. The other arguments are those of `send`. Raises as `media.upload` and `send` do; an
        error of the send has a note with the id of the file, so that it need not be uploaded again.
        """
        upload = Upload(file, content_type, on_progress)
        content = _calls.content_for(upload)
        # Made before the upload, so that all that can be wrong with the message is found before it.
        call = _calls.send(self._draft(content, sender), to, notify, extra)
        media = self._run(_calls.upload(upload, upload))
        content.media_id = media.media_id
        try:
            return self._run(call)
        except ECallError as error:
            error.add_note(f"The file was uploaded as media {media.media_id}")
            raise


class Messages:
    """Messages that are out, and lists of messages."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def status(self, message_id: str) -> MessageStatus:
        """Tell how far a message has come; the service keeps that for seven days (documented).

        Raises `NotFound` where it knows no such message (any more), `ServiceUnreachable`, or an `APIError`.
        """
        return self._runner.run(_calls.status(message_id))

    def wait(self, message_id: str, *, timeout: float, until: Until = "final") -> MessageStatus:
        """Wait until a message has got as far as asked, and give its status; one that failed is given, too.

        `timeout` is in seconds. `until` is "final" (its state will not change any more) or "sent" (it has left the
        service). Asks at once, after half a second, and then less and less often, up to every ten seconds. Errors that
        may pass are waited out, and so is a 404 in the first 30 seconds. Raises `WaitTimeout` with the last status.
        """
        wait = Wait(message_id, timeout, until)
        call = _calls.status(message_id)
        runner = Runner(self._runner.setup.until(wait.deadline))
        while True:
            seen: MessageStatus | ECallError
            try:
                seen = runner.run(call)
            except ECallError as error:
                seen = error
            if (done := wait.see(seen)) is not None:
                return done
            sleep(wait.pause)

    def send_list(
        self,
        messages: Iterable[models.MessageListItem],
        *,
        notify: Notifiable = None,
        extra: Extra | None = None,
    ) -> SentList:
        """Send many different messages, made by `compose`, in one POST.

        Some being refused does not fail the call: the result has an entry for each, in order. The path is inferred.
        `notify` and `extra` are as in `sms.send`, and the errors, too.
        """
        return self._runner.run(_calls.send_list(self._runner.options, messages, notify, extra))

    def list_status(self, list_id: str) -> ListStatus:
        """Tell how far the messages of a list have come; the path is inferred. Raises as `status` does."""
        return self._runner.run(_calls.list_status(list_id))


class MediaStream(FileInfo):
    """The chunks of a file on its way; `content_type`, and `size` in bytes, are None where they are not known."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_bytes()
        except Exception as error:  # noqa: BLE001  # nothing but our own errors gets out
            raise make_stream_error(error, self._reply) from None


class MediaFiles:
    """Files that messages carry."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def upload(
        self,
        source: Source,
        *,
        content_type: str | None = None,
        on_progress: Progress | None = None,
    ) -> Media:
        """Upload a file: a path, bytes, or an open binary file, which is read in chunks and not closed.

        `content_type` is guessed from the name where it is not given. `on_progress(done, total)` is called with bytes;
        `total` is None for a stream of unknown length, and `done` begins anew if the upload is tried again. The path
        and the form of the upload are inferred. Raises `InvalidMedia` before anything is sent, then as a send does; an
        upload texts nobody, so `may_have_been_sent` is False.
        """
        upload = Upload(source, content_type, on_progress)
        return self._runner.run(_calls.upload(upload, upload))

    @contextmanager
    def stream(self, media_id: str) -> Generator[MediaStream, None, None]:
        """Open a file for reading: a context manager that yields its chunks, as they come, without keeping them.

        The path is inferred. Raises `NotFound`, `ServiceUnreachable` (also when it breaks off), `UnreadableResponse`
        (an answer without a file), or an `APIError`.
        """
        headers = {"Accept-Encoding": "identity"}  # so that the length that is told is the file's
        reply = self._runner.session.request(
            "GET", _calls.media_path(media_id), "stream", headers=headers
        )
        response = cast("httpx.Response", reply.response)
        try:
            yield MediaStream(reply, response)
        finally:
            response.close()

    def download(self, media_id: str, to: Target, *, on_progress: Progress | None = None) -> Media:
        """Download a file to a path or into an open binary file, in chunks.

        A path is written completely or not at all, and what was there before is replaced. `on_progress(done, total)` is
        called with bytes; `total` is None where it is not known. Raises `InvalidMedia` where `to` cannot be written,
        else as `stream` does; an `OSError` of the disk comes through.
        """
        done = 0
        with writing(to) as file, self.stream(media_id) as chunks:
            for chunk in chunks:
                file.write(chunk)
                done += len(chunk)
                if on_progress is not None:
                    on_progress(done, chunks.size)
        return Media(media_id, chunks.content_type, done, request_id=chunks.request_id)
