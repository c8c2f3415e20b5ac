"""The sandbox's calls to the user's program: delivery reports, replies, repetitions and retries."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx
import pytest
from _receiver import CallbackReceiver, wait_until
from _sandbox import SMS, RunningSandbox, notification, to_list
from _servers import Exchange, Server, then
from _spec import problems

from ecall_facade.sandbox import Sandbox
from ecall_facade.sandbox._limits import Limits
from ecall_facade.sandbox._receivers import Receivers

pytestmark = pytest.mark.once

OpenSandbox: TypeAlias = Callable[..., RunningSandbox]
NOON = datetime(2026, 1, 15, 11, 0, tzinfo=UTC)
NOBODY = "http://127.0.0.1:9/"  # where no program listens
QUICK = Limits(callback_timeout=0.05)


def final(*urls: str) -> dict[str, object]:
    """Ask for the report of the final state at these URLs."""
    return notification(*(("UrlPost", url) for url in urls), forEvent="FinalOnly")


def test_url_post_and_url_are_called_with_each_state_in_order(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(sent_after=0.01, delivered_after=0.02)
    url = callback_receiver.url
    addresses = notification(("UrlPost", f"{url}/post"), ("Url", f"{url}/get?key=1"))
    message_id = running.send(notification=addresses).json()["messageId"]
    attempts = running.wait_for_notifications(4)
    assert [(call.method, call.path, call.data["state"]) for call in callback_receiver.calls] == [
        ("POST", "/post", "Sent"),
        ("GET", "/get", "Sent"),
        ("POST", "/post", "Delivered"),
        ("GET", "/get", "Delivered"),
    ]
    for call in callback_receiver.calls:
        if call.method == "POST":
            assert problems("#/components/schemas/StatusNotification", call.data) == []
        else:
            assert call.data.pop("key") == "1"
        assert call.data.keys() == {"messageId", "state", "to", "timestamp"}
        assert (call.data["messageId"], call.data["to"]) == (message_id, "+41791234567")
        assert call.data["timestamp"].endswith("Z")
    outcomes = {(each.outcome, each.status_code, each.message_id) for each in attempts}
    assert outcomes == {("answered", 200, message_id)}
    _, sent, delivered = running.sandbox.messages[0].history
    assert [each.at for each in attempts] == [sent.at] * 2 + [delivered.at] * 2
    assert callback_receiver.url not in repr(attempts)


@pytest.mark.parametrize(
    ("to", "event", "states"),
    [
        ("+41791234567", None, ["Sent", "Delivered"]), ("+41791234567", "All", ["Sent", "Delivered"]),
        ("+41791234567", "FinalOnly", ["Delivered"]), ("+41791234567", "SuccessOnly", ["Delivered"]),
        ("+41791234567", "ErrorOnly", []), ("+41790001001", "FinalOnly", ["Failed"]),
        ("+41790001001", "SuccessOnly", []), ("+41790001001", "ErrorOnly", ["Failed"]),
        ("+41790000004", "FinalOnly", ["Undelivered"]), ("+41790000004", "SuccessOnly", []),
        ("+41790000004", "ErrorOnly", ["Undelivered"]),
    ],
)  # fmt: skip
def test_the_event_of_a_notification_filters_its_reports(
    running: RunningSandbox, to: str, event: str | None, states: list[str]
) -> None:
    fields = {} if event is None else {"forEvent": event}
    running.sandbox.clock.freeze()
    running.send(to=to, notification=notification(("Email", "anna@example.ch"), **fields))
    running.sandbox.clock.advance(1)
    assert [each.state for each in running.wait_for_notifications(len(states))] == states


def test_each_message_of_a_list_and_a_broadcast_is_reported(
    running: RunningSandbox, callback_receiver: CallbackReceiver
) -> None:
    asked = final(callback_receiver.url)
    entries = running.send_list(SMS, SMS, notification=asked)["messages"]
    two = to_list("+41791234567", "+41781234567")
    ids = [entry["messageId"] for entry in entries]
    ids += running.send(to=None, toList=two, notification=asked).json()["messageIdList"]
    running.wait_for_notifications(4)
    assert sorted(call.data["messageId"] for call in callback_receiver.calls) == sorted(ids)


def test_every_change_is_also_reported_to_the_callback_url(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(callback_url=f"{callback_receiver.url}/all")
    running.sandbox.clock.freeze()
    running.send(notification=final(f"{callback_receiver.url}/own"))
    running.send(to="+41790001001")
    running.send(to="+41790000005")
    running.sandbox.clock.advance(minutes=2)
    running.wait_for_notifications(8)
    reported: dict[str, list[tuple[str, str]]] = {}
    for call in callback_receiver.calls:
        reported.setdefault(call.data["to"][-4:], []).append((call.path, call.data["state"]))
    assert reported == {
        "4567": [("/all", "Sent"), ("/all", "Delivered"), ("/own", "Delivered")],
        "1001": [("/all", "Sent"), ("/all", "Failed")],
        "0005": [("/all", "Pending"), ("/all", "Sent"), ("/all", "Delivered")],
    }
    (failed,) = (call.data for call in callback_receiver.calls if call.data["state"] == "Failed")
    assert failed["error"] == {"errorCode": "1001", "errorMessage": "timeout"}
    assert {each.type for each in running.sandbox.notifications} == {"UrlPost"}


def test_only_this_machine_is_called_and_nobody_is_texted(running: RunningSandbox) -> None:
    outcomes = {
        ("UrlPost", "https://app.example/hook"): "skipped",
        ("Url", "http://0.0.0.0/"): "skipped",
        ("UrlPost", "http://127.0.0.1.example/"): "skipped",
        ("UrlPost", "http://user@192.0.2.1/"): "skipped",
        ("Email", "anna@example.ch"): "recorded",
        ("Sms", "+41791234567"): "recorded",
    }
    for address in outcomes:
        running.send(notification=notification(address, forEvent="FinalOnly"))
    attempts = {(each.type, each.address): each for each in running.wait_for_notifications(6)}
    assert {key: each.outcome for key, each in attempts.items()} == outcomes
    reason = attempts["UrlPost", "https://app.example/hook"].reason
    assert "app.example is not this machine" in str(reason)


@pytest.mark.parametrize("hosts", [{"APP.invalid"}, "APP.invalid"])
def test_hosts_in_callback_hosts_are_called(open_sandbox: OpenSandbox, hosts: Any) -> None:
    # A name under .invalid never resolves, so this shows that it was tried, and disturbs nobody.
    running = open_sandbox(callback_hosts=hosts)
    running.send(notification=final("http://app.invalid/"))
    (attempt,) = running.wait_for_notifications(1)
    assert attempt.outcome == "failed"
    assert "Error" in str(attempt.reason)


def test_errors_of_a_receiver_are_recorded_and_redirects_and_proxies_are_not_followed(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, NOBODY)
    running = open_sandbox()
    url = callback_receiver.url
    running.send(notification=final(f"{url}/500", f"{url}/302", NOBODY))
    attempts = running.wait_for_notifications(3)
    assert [(each.outcome, each.status_code) for each in attempts] == [
        ("answered", 500),
        ("answered", 302),
        ("failed", None),
    ]
    assert "ConnectError" in str(attempts[2].reason)
    assert running.sandbox.messages[0].state == "Delivered"
    assert [call.path for call in callback_receiver.calls] == ["/500", "/302"]


def test_the_time_of_a_call_to_a_receiver_is_limited(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(_limits=QUICK)
    running.send(notification=final(f"{callback_receiver.url}/wait"))
    (attempt,) = running.wait_for_notifications(1)
    assert (attempt.outcome, attempt.status_code) == ("failed", None)
    assert "Timeout" in str(attempt.reason)


def test_calls_for_different_messages_are_made_at_the_same_time(
    running: RunningSandbox, callback_receiver: CallbackReceiver
) -> None:
    for _ in range(3):
        running.send(notification=final(f"{callback_receiver.url}/wait"))
    wait_until(lambda: len(callback_receiver.calls) == 3)  # none of which has got its response
    callback_receiver.go.set()


def test_stop_does_not_wait_for_a_receiver_and_start_continues(
    callback_receiver: CallbackReceiver,
) -> None:
    running = RunningSandbox(sent_after=0, delivered_after=0)
    with running:
        for _ in range(15):
            running.send(notification=final(f"{callback_receiver.url}/wait"))
        wait_until(lambda: callback_receiver.calls)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    callback_receiver.go.set()
    with running:
        asked = notification(("UrlPost", f"{callback_receiver.url}/after"))
        running.send(notification=asked)
        wait_until(lambda: [call.path for call in callback_receiver.calls].count("/after") == 2)


def test_reports_of_an_outage_come_after_it(callback_receiver: CallbackReceiver) -> None:
    running = RunningSandbox(callback_url=callback_receiver.url)
    running.sandbox.clock.freeze()
    with running:
        running.send()
    running.sandbox.clock.advance(1)
    assert running.sandbox.messages[0].state == "Delivered"
    assert callback_receiver.calls == []
    with running:
        running.wait_for_notifications(2)


def test_name_and_password_in_a_url_are_sent_as_basic_credentials(
    running: RunningSandbox, callback_receiver: CallbackReceiver
) -> None:
    url = callback_receiver.url.replace("//", "//acme:sesame%2C%20open@")
    addresses = notification(("UrlPost", url), ("Url", url), forEvent="FinalOnly")
    running.send(notification=addresses)
    running.wait_for_notifications(2)
    expected = f"Basic {base64.b64encode(b'acme:sesame, open').decode()}"
    assert [call.authorization for call in callback_receiver.calls] == [expected] * 2


@pytest.mark.parametrize("prefix", ["+41", "0041"])
@pytest.mark.parametrize(
    ("digits", "states"),
    [
        ("0006", ["Sent", "Sent", "Delivered", "Delivered"]),
        ("0007", ["Sent", "Delivered"]),
        ("0008", ["Delivered", "Sent"]),
    ],
)
@pytest.mark.parametrize("step", [0.2, 3600])
def test_reports_of_a_magic_recipient_come_twice_late_or_out_of_order(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver, prefix: str, digits: str, states: list[str],
    step: float,
) -> None:  # fmt: skip
    running = open_sandbox(callback_url=callback_receiver.url)
    running.sandbox.clock.freeze()
    running.send(to=f"{prefix}79000{digits}")
    for _ in range(2):
        running.sandbox.clock.advance(seconds=step)
        time.sleep(0.1)  # more than a tick of the sandbox
    assert running.sandbox.messages[0].state == "Delivered"
    if digits == "0007" and step < 1:
        assert callback_receiver.states == []  # the message is there, and its reports are late
    running.sandbox.clock.advance(seconds=31)
    running.wait_for_notifications(len(states))
    assert callback_receiver.states == states
    # A report that comes late still has the time of what it reports.
    times = {call.data["state"]: call.data["timestamp"] for call in callback_receiver.calls}
    assert times["Sent"] < times["Delivered"]


# --- replies


def test_a_reply_is_an_inbound_message_of_the_spec(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    url = f"{callback_receiver.url}/inbound"
    running = open_sandbox(seed=1, clock=lambda: NOON, inbound_url=url)
    running.send()
    running.send(to="+41787654321")
    reply = running.sandbox.reply
    ids = [message.id for message in running.sandbox.messages]
    assert reply("Grüezi, 🎁") == 200
    assert reply("a", sender="0791234567", to="+41791000001", channel="Rcs") == 200
    assert reply("b", url=f"{callback_receiver.url}/500") == 500
    assert [message.id for message in running.sandbox.messages] == ids  # replies are not messages
    first, second, third = (call.data for call in callback_receiver.calls)
    for data in (first, second, third):
        assert problems("#/components/schemas/ReceivedMessage", data) == []
    assert [call.path for call in callback_receiver.calls] == ["/inbound", "/inbound", "/500"]
    assert len({first["messageId"], second["messageId"], third["messageId"], *ids}) == 5
    assert first.pop("messageId")
    assert first == {
        "channel": "Sms",
        "from": "+41787654321",
        "to": "Sandbox",
        "content": {"type": "Text", "text": "Grüezi, 🎁"},
        "timestamp": "2026-01-15T11:00:00.000Z",
    }
    assert (second["from"], second["to"], second["channel"]) == ("0791234567", "+41791000001", "Rcs")  # fmt: skip


def test_a_reply_comes_from_the_newest_recipient_of_its_channel(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(inbound_url=callback_receiver.url)
    running.send(to="+41781111111")
    running.send()
    running.send(channel="Whatsapp", to="+41787654321", **{"from": "+41791000001"})
    for channel in ("Sms", "Whatsapp"):
        running.sandbox.reply("hi", channel=channel)
    senders = [call.data["from"] for call in callback_receiver.calls]
    assert senders == ["+41791234567", "+41787654321"]


def test_a_reply_may_have_a_file_that_was_uploaded(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(inbound_url=callback_receiver.url)
    media_id = running.upload(b"x")
    reply = running.sandbox.reply
    assert reply("see", media_id=media_id, sender="+41791234567", channel="Whatsapp") == 200
    assert reply(media_id=media_id, sender="+41791234567") == 200
    contents = [call.data["content"] for call in callback_receiver.calls]
    alone = {"type": "Document", "mediaId": media_id}
    assert contents == [{**alone, "text": "see"}, alone]


BAD_URLS = [
    ("https://app.example/inbound", "app.example is not this machine; name it in callback_hosts"),
    ("http://0.0.0.0/", "is not this machine"),
    ("http://127.0.0.1.example/", "is not this machine"),
    ("127.0.0.1:8000/inbound", "must be http://… or https://…"),
    ("ftp://127.0.0.1/", "must be http://… or https://…"),
    ("http://127.0.0.1:a/", "must be http://… or https://…"),
    ("", "must be http://… or https://…"),
    ("http://127.0.0.1:0/", "must have a port from 1 to 65535"),
    ("http://127.0.0.1:-1/", "must have a port from 1 to 65535"),
    ("http://127.0.0.1:65536/", "must have a port from 1 to 65535"),
]


@pytest.mark.parametrize(("url", "problem"), BAD_URLS)
def test_the_url_of_a_receiver_is_checked_before_it_is_called(url: str, problem: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: Sandbox(inbound_url=url),
        lambda: Sandbox(callback_url=url),
        lambda: Sandbox().reply("hi", sender="+41791234567", url=url),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=problem):
            call()


def test_urls_of_receivers_may_have_hosts_in_callback_hosts() -> None:
    url = "https://APP.example/x"
    Sandbox(inbound_url=url, callback_url=url, callback_hosts="App.example")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"url": None}, r"No URL to post the reply to: pass Sandbox\(inbound_url=…\)"),
        ({"sender": None}, "No message was sent by Sms"),
        ({"channel": "sms"}, "channel must be one of Rcs, Sms, Whatsapp"),
        ({"text": None}, "a text, a media_id or both"),
        ({"media_id": "f-1"}, "There is no file 'f-1'"),
        ({"text": "\ud800"}, "unpaired surrogate"),
    ],
)
def test_a_reply_that_cannot_be_posted_is_explained(given: dict[str, Any], problem: str) -> None:
    arguments: dict[str, Any] = {"text": "hi", "sender": "+41791234567", "url": NOBODY, **given}
    with pytest.raises(ValueError, match=problem):
        Sandbox().reply(**arguments)


def test_a_reply_without_a_response_is_a_connection_error(
    callback_receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, callback_receiver.url)
    sandbox = Sandbox(callback_hosts={"APP.invalid"}, _limits=QUICK)
    for url, error in (
        (NOBODY, "ConnectError"),
        ("http://app.invalid/", "ConnectError"),
        (f"{callback_receiver.url}/wait", "ReadTimeout"),
        (f"{callback_receiver.url}/drop", "RemoteProtocolError"),
    ):
        with pytest.raises(ConnectionError, match=f"did not answer: {error}"):
            sandbox.reply("hi", sender="+41791234567", url=url)


@pytest.mark.parametrize(
    ("body", "excerpt"), [(b"x" * 5000, "x" * 2000), (b"Gr\xfcezi", "Gr\ufffdezi"), (b"", "")]
)
def test_the_beginning_of_a_receivers_response_is_kept(
    callback_receiver: CallbackReceiver, body: bytes, excerpt: str
) -> None:
    callback_receiver.body = body
    receivers = Receivers(frozenset(), timeout=5)
    assert receivers.post(callback_receiver.url, {}) == (200, excerpt)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def send_forever(exchange: Exchange) -> None:
    with contextlib.suppress(OSError):
        while True:
            exchange.send(b"x" * 1000)


def send_slowly(exchange: Exchange) -> None:
    with contextlib.suppress(OSError):
        for byte in HEAD * 100:
            exchange.send(bytes([byte]))
            time.sleep(0.02)


def test_an_endless_response_is_read_only_in_part() -> None:
    began = time.monotonic()
    with Server(then(HEAD + b"\r\n", send_forever)) as server:
        assert Receivers(frozenset(), timeout=60).post(server.url, {}) == (200, "x" * 2000)
    assert time.monotonic() - began < 30


def test_a_response_that_cannot_be_decoded_has_no_excerpt() -> None:
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
    with Server(head + b"xxx") as server:
        assert Receivers(frozenset(), timeout=5).post(server.url, {}) == (200, "")


def test_a_response_that_comes_byte_by_byte_does_not_take_longer_than_the_limit() -> None:
    async def call(url: str) -> None:
        receivers = Receivers(frozenset(), timeout=0.3)
        with pytest.raises(TimeoutError):
            await receivers.call_async(receivers.make_request("POST", httpx.URL(url)))
        await receivers.aclose()

    began = time.monotonic()
    with Server(send_slowly) as server:
        asyncio.run(call(server.url))
    assert time.monotonic() - began < 20


# --- repeating what was called


def test_redeliver_repeats_all_reports_and_replies_unchanged(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(inbound_url=f"{callback_receiver.url}/inbound")
    url = callback_receiver.url
    running.send(notification=notification(("UrlPost", f"{url}/post"), ("Url", f"{url}/get?key=1")))
    running.wait_for_notifications(4)
    running.sandbox.reply("Yes")
    first = list(callback_receiver.calls)
    for times in (2, 3):  # what was repeated is not repeated twice the next time
        assert running.sandbox.redeliver() == [200] * 5
        assert callback_receiver.calls == first * times
    assert len(running.sandbox.notifications) == 12


def test_redeliver_repeats_only_what_is_named(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(inbound_url=callback_receiver.url)
    asked = notification(("UrlPost", callback_receiver.url))
    running.send(notification=asked)
    running.send(to="+41787654321", notification=asked)
    running.wait_for_notifications(4)
    running.sandbox.reply("Yes")
    calls = list(callback_receiver.calls)
    second = running.sandbox.messages[1]
    reports = [call for call in calls if call.data["messageId"] == second.id]
    delivered = next(
        each
        for each in running.sandbox.notifications
        if (each.message_id, each.state) == (second.id, "Delivered")
    )
    reply_id = calls[-1].data["messageId"]
    for what, expected in (
        (second.id, reports),
        (second, reports),
        (delivered, reports[1:]),
        (reply_id, calls[-1:]),
    ):
        before = len(callback_receiver.calls)
        assert running.sandbox.redeliver(what) == [200] * len(expected)
        assert callback_receiver.calls[before:] == expected


def test_redeliver_works_after_a_failure_and_while_the_sandbox_is_stopped(
    callback_receiver: CallbackReceiver,
) -> None:
    callback_receiver.next_statuses = [500]
    with RunningSandbox() as running:
        running.send(notification=final(callback_receiver.url))
        running.wait_for_notifications(1)
    assert running.sandbox.redeliver() == [200]
    assert [each.status_code for each in running.sandbox.notifications] == [500, 200]


def test_redeliver_says_that_there_is_nothing_to_repeat(running: RunningSandbox) -> None:
    sandbox = running.sandbox
    addresses = notification(
        ("Email", "anna@example.ch"), ("UrlPost", "https://app.example/"), forEvent="FinalOnly"
    )
    running.send(notification=addresses)
    running.wait_for_notifications(2)
    for what in (None, sandbox.messages[0], *sandbox.notifications, "unknown-id"):
        with pytest.raises(ValueError, match="no callback to repeat"):
            sandbox.redeliver(what)


def test_redeliver_makes_the_other_calls_when_one_gets_no_response(
    running: RunningSandbox, callback_receiver: CallbackReceiver
) -> None:
    running.send(notification=final(NOBODY, callback_receiver.url))
    running.wait_for_notifications(2)
    with pytest.raises(ConnectionError, match="1 of 2 callbacks got no response"):
        running.sandbox.redeliver()
    outcomes = [each.outcome for each in running.sandbox.notifications[2:]]
    assert outcomes == ["failed", "answered"]
    assert callback_receiver.states == ["Delivered"] * 2


def test_no_more_calls_than_messages_are_remembered(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(max_messages=2)
    for _ in range(3):
        running.send(notification=final(callback_receiver.url))
    wait_until(lambda: len(callback_receiver.calls) == 3)
    running.wait_for_notifications(2)
    assert running.sandbox.redeliver() == [200] * 2


# --- trying again


def test_without_a_policy_a_failed_call_is_not_repeated(
    running: RunningSandbox, callback_receiver: CallbackReceiver
) -> None:
    running.send(notification=final(f"{callback_receiver.url}/500"))
    running.wait_for_notifications(1)
    running.sandbox.clock.advance(hours=100)
    running.wait_for_notifications(1)


@pytest.mark.parametrize("status", [500, 404, 302, 204, 201])
def test_a_call_is_repeated_until_the_response_is_200(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver, status: int
) -> None:
    callback_receiver.next_statuses = [status, status]
    running = open_sandbox(callback_retries=[0, 0, 0])
    running.send(notification=final(callback_receiver.url))
    attempts = running.wait_for_notifications(3)
    assert [each.status_code for each in attempts] == [status, status, 200]
    assert [each.is_accepted for each in attempts] == [False, False, True]
    first, *others = callback_receiver.calls
    assert others == [first] * 2


def test_a_receiver_without_responses_is_called_as_often_as_the_policy_says(
    open_sandbox: OpenSandbox,
) -> None:
    running = open_sandbox(callback_retries=(0.01, 0.01))
    running.send(notification=notification(("Url", NOBODY), forEvent="FinalOnly"))
    assert {each.outcome for each in running.wait_for_notifications(3)} == {"failed"}


def test_retries_wait_for_the_time_of_the_sandbox(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    callback_receiver.next_statuses = [503] * 3
    running = open_sandbox(callback_retries=[60, 3600])
    running.sandbox.clock.freeze()
    running.send(notification=final(callback_receiver.url))
    for step, attempts in (
        (timedelta(seconds=10), 1), (timedelta(seconds=59), 1), (timedelta(seconds=2), 2),
        (timedelta(minutes=59), 2), (timedelta(minutes=2), 3), (timedelta(hours=100), 3),
    ):  # fmt: skip
        running.sandbox.clock.advance(step)
        running.wait_for_notifications(attempts)


def test_only_the_address_that_failed_is_called_again(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    running = open_sandbox(callback_retries=[0])
    running.send(notification=final(f"{callback_receiver.url}/500", callback_receiver.url))
    running.wait_for_notifications(3)
    assert [call.path for call in callback_receiver.calls] == ["/500", "/", "/500"]


def test_a_retry_that_is_due_while_the_sandbox_is_stopped_comes_after_it(
    callback_receiver: CallbackReceiver,
) -> None:
    callback_receiver.next_statuses = [500]
    running = RunningSandbox(callback_retries=[60])
    with running:
        running.send(notification=final(callback_receiver.url))
        running.wait_for_notifications(1)
    running.sandbox.clock.advance(minutes=5)
    with running:
        assert running.wait_for_notifications(2)[1].status_code == 200


def test_a_reply_that_fails_is_posted_as_often_as_the_policy_says(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    callback_receiver.next_statuses = [500, 202, 500, 500]
    running = open_sandbox(callback_retries=[0.01, 0.01])
    assert running.sandbox.reply("Yes", sender="+41791234567", url=callback_receiver.url) == 500
    wait_until(lambda: len(callback_receiver.calls) >= 3)
    time.sleep(0.15)
    first, *others = callback_receiver.calls
    assert others == [first] * 2


@pytest.mark.parametrize("retries", [[-1], [1, float("nan")], [1e10], "12", 5, [None], [True]])
def test_delays_of_a_retry_policy_are_numbers_of_seconds(retries: Any) -> None:
    with pytest.raises(ValueError, match="callback_retries must be a list of seconds"):
        Sandbox(callback_retries=retries)


# --- clear


def test_clear_forgets_what_was_called_and_what_is_to_be_tried_again(
    open_sandbox: OpenSandbox, callback_receiver: CallbackReceiver
) -> None:
    callback_receiver.next_statuses = [500, 500]
    running = open_sandbox(callback_retries=[60], inbound_url=callback_receiver.url)
    running.send(notification=final(callback_receiver.url))
    running.wait_for_notifications(1)
    assert running.sandbox.reply("Yes") == 500
    running.sandbox.clear()
    with pytest.raises(ValueError, match="no callback to repeat"):
        running.sandbox.redeliver()
    running.sandbox.clock.advance(minutes=5)
    running.wait_for_notifications(0)
    assert len(callback_receiver.calls) == 2


def test_clear_forgets_calls_that_are_under_way(
    running: RunningSandbox, callback_receiver: CallbackReceiver
) -> None:
    url = f"{callback_receiver.url}/wait"
    running.sandbox.clock.freeze()
    first = running.send(notification=notification(("UrlPost", url))).json()["messageId"]
    running.sandbox.clock.advance(1)
    wait_until(lambda: callback_receiver.calls)
    arguments = {"url": url, "sender": "+41791234567"}
    reply = threading.Thread(target=running.sandbox.reply, args=("hi",), kwargs=arguments)
    reply.start()
    wait_until(lambda: len(callback_receiver.calls) == 2)
    running.sandbox.clear()
    callback_receiver.go.set()
    reply.join()
    second = running.send(notification=final(callback_receiver.url)).json()["messageId"]
    running.sandbox.clock.advance(1)
    (attempt,) = running.wait_for_notifications(1)
    assert attempt.message_id == second
    reported = [
        call.data["state"] for call in callback_receiver.calls if call.data["messageId"] == first
    ]
    assert reported == ["Sent"]
    items = json.loads(running.page.get("/inbox/items").content)["items"]
    assert [item["kind"] for item in items] == ["message"]
