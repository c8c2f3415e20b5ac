"""Checked by mypy and basedpyright, never run: the types of all public methods and of what they return."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from typing import assert_type

from ecall_facade import (
    APIError,
    AsyncECall,
    Channel,
    DeliveryState,
    ECall,
    ECallError,
    ErrorDetail,
    FailureReason,
    InvalidNumber,
    ListEntry,
    ListStatus,
    Media,
    MessageListItem,
    MessageStatus,
    NumberProblem,
    RateLimited,
    RawResponse,
    SentBroadcast,
    SentList,
    SentMessage,
    TextContent,
    UnreadableResponse,
    UntrustedSource,
    WaitTimeout,
    WebhookError,
    text,
)
from ecall_facade.bulk import (
    Forgotten,
    InvalidMessages,
    Job,
    JobPause,
    JobStop,
    Ledger,
    LedgerSeen,
    Messages,
    Row,
    RowProblem,
    SendProgress,
    SendReport,
    State,
    read_messages,
)
from ecall_facade.numbers import mask, normalize
from ecall_facade.sandbox import Credentials, Message, Notification, Sandbox
from ecall_facade.webhooks import (
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
    WebhookApp,
    handle_once,
)


def methods(ecall: ECall) -> None:
    with ecall as opened:
        assert_type(opened, ECall)
    assert_type(ecall.base_url, str)
    assert_type(ecall.with_options(timeout=5), ECall)
    assert_type(ecall.request("GET", "/api/message"), RawResponse)
    assert_type(ecall.sms.send("079", "hi"), SentMessage)
    assert_type(ecall.sms.broadcast(["079"], "hi"), SentBroadcast)
    assert_type(ecall.sms.compose("079", "hi"), MessageListItem)
    assert_type(ecall.whatsapp.send("079", "hi"), SentMessage)
    assert_type(ecall.whatsapp.broadcast(["079"], "hi"), SentBroadcast)
    assert_type(ecall.whatsapp.compose("079", "hi"), MessageListItem)
    assert_type(ecall.whatsapp.send_file("079", "menu.pdf"), SentMessage)
    assert_type(ecall.rcs.send("079", "hi"), SentMessage)
    assert_type(ecall.rcs.broadcast(["079"], "hi"), SentBroadcast)
    assert_type(ecall.rcs.compose("079", "hi"), MessageListItem)
    assert_type(ecall.rcs.send_file("079", b"data", content_type="image/png"), SentMessage)
    assert_type(ecall.messages.status("m-1"), MessageStatus)
    assert_type(ecall.messages.wait("m-1", timeout=60, until="sent"), MessageStatus)
    assert_type(ecall.messages.send_list([]), SentList)
    assert_type(ecall.messages.list_status("l-1"), ListStatus)
    assert_type(ecall.media.upload("plan.pdf"), Media)
    assert_type(ecall.media.download("f-1", to="copy.pdf"), Media)
    with ecall.media.stream("f-1") as chunks:
        assert_type(chunks.size, int | None)
        assert_type(chunks.content_type, str | None)
        assert_type(iter(chunks), Iterator[bytes])
    ecall.close()


async def async_methods(ecall: AsyncECall) -> None:
    async with ecall as opened:
        assert_type(opened, AsyncECall)
    assert_type(ecall.base_url, str)
    assert_type(ecall.with_options(timeout=5), AsyncECall)
    assert_type(await ecall.request("GET", "/api/message"), RawResponse)
    assert_type(await ecall.sms.send("079", "hi"), SentMessage)
    assert_type(await ecall.sms.broadcast(["079"], "hi"), SentBroadcast)
    assert_type(ecall.sms.compose("079", "hi"), MessageListItem)
    assert_type(await ecall.whatsapp.send("079", "hi"), SentMessage)
    assert_type(await ecall.whatsapp.broadcast(["079"], "hi"), SentBroadcast)
    assert_type(ecall.whatsapp.compose("079", "hi"), MessageListItem)
    assert_type(await ecall.whatsapp.send_file("079", "menu.pdf"), SentMessage)
    assert_type(await ecall.rcs.send("079", "hi"), SentMessage)
    assert_type(await ecall.rcs.broadcast(["079"], "hi"), SentBroadcast)
    assert_type(ecall.rcs.compose("079", "hi"), MessageListItem)
    assert_type(await ecall.rcs.send_file("079", b"data", content_type="image/png"), SentMessage)
    assert_type(await ecall.messages.status("m-1"), MessageStatus)
    assert_type(await ecall.messages.wait("m-1", timeout=60, until="sent"), MessageStatus)
    assert_type(await ecall.messages.send_list([]), SentList)
    assert_type(await ecall.messages.list_status("l-1"), ListStatus)
    assert_type(await ecall.media.upload("plan.pdf"), Media)
    assert_type(await ecall.media.download("f-1", to="copy.pdf"), Media)
    async with ecall.media.stream("f-1") as chunks:
        assert_type(chunks.size, int | None)
        assert_type(chunks.content_type, str | None)
        assert_type(aiter(chunks), AsyncIterator[bytes])
    await ecall.aclose()


def results(
    sent: SentMessage,
    many: SentBroadcast,
    lot: SentList,
    status: MessageStatus,
    statuses: ListStatus,
    media: Media,
    raw: RawResponse,
) -> None:
    assert_type(sent.request_id, str | None)
    assert_type(
        (sent.message_id, sent.sent_at, sent.pages), tuple[str, datetime | None, int | None]
    )
    assert_type(
        (many.message_ids, many.recipients, many.duplicates),
        tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    )
    assert_type(many.ids_by_recipient, Mapping[str, str])
    assert_type(many.sent_at, datetime | None)
    assert_type(lot.list_id, str)
    assert_type(
        (lot.entries, lot.accepted, lot.rejected),
        tuple[tuple[ListEntry, ...], tuple[ListEntry, ...], tuple[ListEntry, ...]],
    )
    (entry,) = lot.entries
    assert_type(entry.message, MessageListItem)
    assert_type((entry.message_id, entry.error), tuple[str | None, FailureReason | None])
    assert_type(status.message_id, str)
    assert_type((status.state, status.is_final), tuple[DeliveryState, bool])
    assert_type((status.updated_at, status.error), tuple[datetime | None, FailureReason | None])
    assert_type((statuses.list_id, statuses.messages), tuple[str, tuple[MessageStatus, ...]])
    assert_type(
        (media.media_id, media.content_type, media.size), tuple[str, str | None, int | None]
    )
    assert_type((raw.status_code, raw.headers), tuple[int, Mapping[str, str]])
    assert_type((raw.content, raw.request_id), tuple[bytes, str | None])


def errors(ecall: ECall) -> None:
    try:
        ecall.sms.send("079", TextContent(text="hi"))
    except InvalidNumber as error:
        assert_type(error.problems, tuple[NumberProblem, ...])
        (problem,) = error.problems
        assert_type((problem.position, problem.value, problem.reason), tuple[int, str, str])
    except RateLimited as error:
        assert_type(error.retry_after, float | None)
    except APIError as error:
        assert_type((error.status_code, error.code), tuple[int, str | None])
        assert_type((error.message, error.body), tuple[str | None, bytes])
        assert_type(error.details, tuple[ErrorDetail, ...])
        (detail,) = error.details
        assert_type((detail.parameter, detail.messages), tuple[str | None, tuple[str, ...]])
    except UnreadableResponse as error:
        assert_type((error.status_code, error.body), tuple[int, bytes])
    except WaitTimeout as error:
        assert_type(error.status, MessageStatus | None)
    except UntrustedSource as error:
        assert_type((error.peer, error.address, error.hint), tuple[str | None, str | None, str])
    except WebhookError as error:
        assert_type(error.status_code, int)
    except ECallError as error:
        assert_type((error.explanation, error.request_id), tuple[str, str | None])
        assert_type(error.may_have_been_sent, bool)


def failure(reason: FailureReason) -> None:
    assert_type((reason.code, reason.message), tuple[str | None, str | None])
    assert_type(reason.details, tuple[ErrorDetail, ...])


def numbers_and_texts() -> None:
    assert_type(normalize("079 123 45 67"), str)
    assert_type(mask("+41791234567"), str)
    size = text.measure("hi")
    assert_type((size.units, size.pages, size.units_left), tuple[int, int, int])
    assert_type(text.to_gsm("hi"), str)


def bulk(ecall: ECall) -> None:
    messages = read_messages("people.csv", text="Hello {name}")
    assert_type(messages, Messages)
    with Ledger("sqlite:///reminders.db") as ledger:
        assert_type(ledger, Ledger)
        assert_type(ledger.job("a", messages), Job)
        assert_type(ledger.jobs(), list[Job])
        assert_type(ledger.send_chunk(ecall, 1, 0), SendReport)
        assert_type(ledger.recover(), int)
        assert_type(ledger.seen, LedgerSeen)
        assert_type(ledger.forget(older_than=timedelta(days=30)), Forgotten)
        job = ledger.job("a")
    assert_type((job.id, job.name, job.chunk_size, len(job)), tuple[int, str, int, int])
    assert_type(job.counts(), dict[State, int])
    assert_type(job.deliveries(), dict[str, int])
    assert_type(job.rows("unknown"), Iterator[Row])
    report = job.send(ecall, on_progress=tell)
    assert_type(report, SendReport)
    assert_type((report.accepted, report.rejected, report.unknown), tuple[int, int, int])
    assert_type((report.stopped, report.pause), tuple[JobStop | None, JobPause | None])
    assert_type(report.retry_in, float | None)
    assert_type(job.track(ecall), dict[str, int])
    assert_type(job.resolve("pending", rows=[1]), int)
    assert_type(job.export("report.csv"), int)
    assert_type(job.enqueue(lambda job_id, chunk: None), int)
    for row in job.rows():
        assert_type(
            (row.position, row.line, row.to, row.text),
            tuple[int, int | None, str | None, str | None],
        )
        assert_type((row.state, row.delivery), tuple[State, DeliveryState | None])


async def bulk_async(ecall: AsyncECall, job: Job) -> None:
    assert_type(await job.send_async(ecall), SendReport)
    assert_type(await job.track_async(ecall), dict[str, int])


def tell(progress: SendProgress) -> None:
    assert_type(progress.counts, Mapping[State, int])
    assert_type((progress.accepted, progress.total), tuple[int, int])


def problems(error: InvalidMessages) -> None:
    assert_type(error.problems, tuple[RowProblem, ...])
    (problem,) = error.problems
    assert_type((problem.source, problem.line, problem.reason), tuple[str | None, int | None, str])


def webhooks(receiver: Receiver, headers: Mapping[str, str]) -> None:
    event = receiver.receive(b"{}", remote_addr="127.0.0.1", headers=headers)
    assert_type(event, StatusUpdate | ReceivedMessage | UnknownEvent)
    with handle_once(SeenKeys(), event.key) as is_new:
        assert_type(is_new, bool)
    match event:
        case StatusUpdate():
            assert_type(event.message_id, str | None)
            assert_type((event.state, event.is_final), tuple[DeliveryState, bool])
            assert_type((event.recipient, event.updated_at), tuple[str | None, datetime | None])
            assert_type(event.error, FailureReason | None)
        case ReceivedMessage():
            assert_type(
                (event.sender, event.recipient, event.text),
                tuple[str | None, str | None, str | None],
            )
            assert_type((event.channel, event.received_at), tuple[Channel | None, datetime | None])
            assert_type(event.media_id, str | None)
        case UnknownEvent():
            assert_type(event.key, str)
    WebhookApp(lambda event: None, receiver=receiver, seen=SeenKeys())


def sandbox() -> None:
    with Sandbox(delivered_after=None) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.url, str)
        assert_type(sandbox.credentials, Credentials)
        ecall = ECall(**sandbox.credentials)
        assert_type(ecall, ECall)
        assert_type(sandbox.messages, list[Message])
        assert_type(sandbox.notifications, list[Notification])
        message = sandbox.wait_for(to="079 123 45 67", text="code")
        assert_type((message.id, message.recipient, message.text), tuple[str, str, str | None])
        assert_type(message.state, DeliveryState)
        assert_type(sandbox.reply("Thank you"), int)
        assert_type(sandbox.redeliver(), list[int])
        assert_type(sandbox.media("f-1"), bytes)
        sandbox.fail_next(429, headers={"Retry-After": "1"})
        sandbox.clear()
