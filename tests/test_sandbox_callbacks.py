"""The sandbox's status notifications and inbound messages, at a receiver of the standard library."""

from __future__ import annotations

import base64
import importlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from ecall_facade.sandbox import Notification, Sandbox

pytestmark = pytest.mark.once

SMS = {
    "channel": "Sms",
    "from": "ACME",
    "to": "+41791234567",
    "content": {"type": "Text", "text": "Grüezi"},
}
SPEC = yaml.safe_load((Path(__file__).parents[1] / "spec" / "ecall.yaml").read_text("utf-8"))
JSONSCHEMA: Any = importlib.import_module("jsonschema")  # it has no types of its own


class Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.calls: list[tuple[str, str, Any]] = []
        self.next_statuses: list[int] = []  # None left: that of the path, or 200
        self.authorizations: list[str | None] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a sandbox that stops breaks off its calls


class Handler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.authorizations.append(self.headers["Authorization"])
        self._take("GET", {name: values[0] for name, values in parse_qs(parts.query).items()})

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self.server.authorizations.append(self.headers["Authorization"])
        self._take("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _take(self, method: str, data: Any) -> None:
        path = urlsplit(self.path).path
        time.sleep({"/slow": 0.2, "/hang": 1}.get(path, 0))
        self.server.calls.append((method, path, data))
        status = int(path[1:]) if path[1:].isdigit() else 200
        self.send_response(
            self.server.next_statuses.pop(0) if self.server.next_statuses else status
        )
        self.send_header("Location", "/redirected")
        self.send_header("Set-Cookie", "a=b")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def notification(*addresses: tuple[str, str], **more: str) -> dict[str, object]:
    return {
        "addresses": [{"type": kind, "address": address} for kind, address in addresses],
        **more,
    }


def send(
    sandbox: Sandbox, path: str = "message", body: dict[str, object] | None = None, **more: object
) -> Any:
    auth = (sandbox.credentials["username"], sandbox.credentials["password"])
    with httpx.Client(base_url=sandbox.url, auth=auth, trust_env=False) as client:
        response = client.post(f"/api/v2/{path}", json={**(SMS if body is None else body), **more})
    assert response.status_code == 200, response.text
    return response.json()


def wait_for(sandbox: Sandbox, number: int) -> list[Notification]:
    deadline = time.monotonic() + 5
    while len(sandbox.notifications) < number and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)  # one too many would come by now
    assert len(sandbox.notifications) == number
    return sandbox.notifications


def test_url_post_and_url_are_called_in_order(receiver: Receiver) -> None:
    with Sandbox(sent_after=0.01, delivered_after=0.02) as sandbox:
        addresses = notification(
            ("UrlPost", f"{receiver.url}/slow"), ("Url", f"{receiver.url}/get?key=1")
        )
        message_id = send(sandbox, notification=addresses)["messageId"]
        attempts = wait_for(sandbox, 4)
        history = sandbox.messages[0].history
    assert [(method, path, data["state"]) for method, path, data in receiver.calls] == [
        ("POST", "/slow", "Sent"),
        ("GET", "/get", "Sent"),
        ("POST", "/slow", "Delivered"),
        ("GET", "/get", "Delivered"),
    ]
    schema = {"$ref": "#/components/schemas/StatusNotification", "components": SPEC["components"]}
    for _, path, data in receiver.calls:
        if path == "/slow":
            JSONSCHEMA.Draft202012Validator(schema).validate(data)
        else:
            assert data.pop("key") == "1"
        assert data.keys() == {"messageId", "state", "to", "timestamp"}
        assert (data["messageId"], data["to"]) == (message_id, "+41791234567")
        assert data["timestamp"].endswith("Z")
    assert {(each.outcome, each.status_code, each.message_id) for each in attempts} == {
        ("answered", 200, message_id)
    }
    assert [each.at for each in attempts] == [history[1].at] * 2 + [history[2].at] * 2
    assert receiver.url not in repr(attempts)


@pytest.mark.parametrize(
    ("event", "states"),
    [
        (None, ["Sent", "Delivered"]),
        ("All", ["Sent", "Delivered"]),
        ("FinalOnly", ["Delivered"]),
        ("SuccessOnly", ["Delivered"]),
        ("ErrorOnly", []),
    ],
)
def test_the_event_of_a_notification_filters_reports(
    receiver: Receiver, event: str | None, states: list[str]
) -> None:
    more = {} if event is None else {"forEvent": event}
    with Sandbox() as sandbox:
        send(sandbox, notification=notification(("UrlPost", receiver.url), **more))
        if not states:
            time.sleep(0.25)
        assert [each.state for each in wait_for(sandbox, len(states))] == states
    assert [data["state"] for _, _, data in receiver.calls] == states


def test_each_message_of_a_list_and_a_broadcast_is_reported(receiver: Receiver) -> None:
    told = notification(("UrlPost", receiver.url), forEvent="FinalOnly")
    with Sandbox() as sandbox:
        ids = [
            entry["messageId"]
            for entry in send(
                sandbox, "messagelist", {"messages": [SMS, SMS], "notification": told}
            )["messages"]
        ]
        to_list = [
            {"type": "Number", "address": "+41791234567"},
            {"type": "Number", "address": "+41781234567"},
        ]
        ids += send(sandbox, to=None, toList=to_list, notification=told)["messageIdList"]
        wait_for(sandbox, 4)
    assert sorted(data["messageId"] for _, _, data in receiver.calls) == sorted(ids)


def test_only_this_machine_is_called_and_nobody_is_texted() -> None:
    with Sandbox() as sandbox:
        for kind, address in (
            ("UrlPost", "https://app.example/hook"),
            ("Url", "http://0.0.0.0/"),
            ("UrlPost", "http://127.0.0.1.example/"),
            ("UrlPost", "http://user@192.0.2.1/"),
            ("Email", "anna@example.ch"),
            ("Sms", "+41791234567"),
        ):
            send(sandbox, notification=notification((kind, address), forEvent="FinalOnly"))
        attempts = {each.address: each for each in wait_for(sandbox, 6)}
    assert {each.outcome for each in attempts.values() if each.type.startswith("Url")} == {
        "skipped"
    }
    assert "app.example is not this machine" in str(attempts["https://app.example/hook"].reason)
    assert {each.outcome for each in attempts.values() if not each.type.startswith("Url")} == {
        "recorded"
    }


def test_named_hosts_are_called() -> None:
    # Nothing there: a name under .invalid never resolves, so it was tried and no one was disturbed.
    with Sandbox(callback_hosts={"APP.invalid"}) as sandbox:
        send(
            sandbox,
            notification=notification(("UrlPost", "http://app.invalid/"), forEvent="FinalOnly"),
        )
        (attempt,) = wait_for(sandbox, 1)
    assert attempt.outcome == "failed"
    assert "Error" in str(attempt.reason)
    assert Sandbox(callback_hosts="app.test")._callbacks._hosts == {"app.test"}


def test_errors_of_a_receiver_do_not_affect_the_sandbox(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Sandbox() as sandbox:
        addresses = [f"{receiver.url}/500", f"{receiver.url}/302", "http://127.0.0.1:9/"]
        send(
            sandbox,
            notification=notification(
                *(("UrlPost", each) for each in addresses), forEvent="FinalOnly"
            ),
        )
        attempts = wait_for(sandbox, 3)
        assert [each.outcome for each in attempts] == ["answered", "answered", "failed"]
        assert [each.status_code for each in attempts] == [500, 302, None]
        assert "ConnectError" in str(attempts[2].reason)
        assert sandbox.messages[0].state == "Delivered"
    assert [path for _, path, _ in receiver.calls] == ["/500", "/302"]


def test_stop_does_not_wait_for_a_receiver_and_start_goes_on(receiver: Receiver) -> None:
    sandbox = Sandbox(sent_after=0, delivered_after=0)
    with sandbox:
        for _ in range(15):
            send(sandbox, notification=notification(("UrlPost", f"{receiver.url}/hang")))
        time.sleep(0.1)
        began = time.perf_counter()
    assert time.perf_counter() - began < 0.8
    with sandbox:
        known = len(sandbox.notifications)
        send(sandbox, notification=notification(("UrlPost", receiver.url)))
        assert [each.outcome for each in wait_for(sandbox, known + 2)[-2:]] == ["answered"] * 2


def test_the_time_that_a_receiver_has_is_limited(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecall_facade.sandbox._callbacks.TIMEOUT", 0.05)
    with Sandbox() as sandbox:
        send(
            sandbox,
            notification=notification(("UrlPost", f"{receiver.url}/slow"), forEvent="FinalOnly"),
        )
        (attempt,) = wait_for(sandbox, 1)
    assert (attempt.outcome, attempt.status_code) == ("failed", None)
    assert "Timeout" in str(attempt.reason)


def test_name_and_password_in_a_url_are_sent(receiver: Receiver) -> None:
    url = receiver.url.replace("//", "//acme:sesame%2C%20open@")
    with Sandbox() as sandbox:
        send(
            sandbox, notification=notification(("UrlPost", url), ("Url", url), forEvent="FinalOnly")
        )
        assert [each.outcome for each in wait_for(sandbox, 2)] == ["answered"] * 2
    assert (
        receiver.authorizations == [f"Basic {base64.b64encode(b'acme:sesame, open').decode()}"] * 2
    )


class TestReply:
    def test_a_reply_is_an_inbound_message_of_the_spec(self, receiver: Receiver) -> None:
        now = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
        with Sandbox(seed=1, clock=lambda: now, inbound_url=f"{receiver.url}/inbound") as sandbox:
            send(sandbox)
            send(sandbox, body={**SMS, "to": "+41787654321"})
            ids = [message.id for message in sandbox.messages]
            assert sandbox.reply("Grüezi, 🎁") == 200
            assert sandbox.reply("a", sender="0791234567", to="+41791000001", channel="Rcs") == 200
            assert sandbox.reply("b", url=f"{receiver.url}/500") == 500
            assert [
                message.id for message in sandbox.messages
            ] == ids  # what comes in is none of what went out
        schema = {"$ref": "#/components/schemas/ReceivedMessage", "components": SPEC["components"]}
        for _, _, data in receiver.calls:
            JSONSCHEMA.Draft202012Validator(schema).validate(data)
        (method, path, first), (_, _, second), (_, other, third) = receiver.calls
        assert (method, path, other) == ("POST", "/inbound", "/500")
        assert len({first["messageId"], second["messageId"], third["messageId"], *ids}) == 5
        assert first.pop("messageId")
        assert first == {
            "channel": "Sms",
            "from": "+41787654321",
            "to": "Sandbox",
            "content": {"type": "Text", "text": "Grüezi, 🎁"},
            "timestamp": "2026-01-15T09:30:00.000Z",
        }
        assert (second["from"], second["to"], second["channel"]) == (
            "0791234567",
            "+41791000001",
            "Rcs",
        )

    def test_a_reply_comes_from_the_newest_recipient_of_its_channel(
        self, receiver: Receiver
    ) -> None:
        with Sandbox(inbound_url=receiver.url) as sandbox:
            send(sandbox)
            send(
                sandbox,
                body={**SMS, "channel": "Whatsapp", "from": "+41791000001", "to": "+41787654321"},
            )
            for channel in ("Sms", "Whatsapp"):
                sandbox.reply("hi", channel=channel)
        assert [data["from"] for _, _, data in receiver.calls] == ["+41791234567", "+41787654321"]

    def test_a_reply_with_a_file_needs_an_uploaded_one(self, receiver: Receiver) -> None:
        with Sandbox(inbound_url=receiver.url) as sandbox:
            auth = (sandbox.credentials["username"], sandbox.credentials["password"])
            headers = {"Content-Type": "application/octet-stream"}
            uploaded = httpx.post(
                f"{sandbox.url}/api/media",
                content=b"x",
                auth=auth,
                headers=headers,
                trust_env=False,
            )
            media_id = uploaded.json()["mediaId"]
            assert (
                sandbox.reply("see", media_id=media_id, sender="+41791234567", channel="Whatsapp")
                == 200
            )
            with pytest.raises(ValueError, match="There is no file 'f-1'"):
                sandbox.reply(media_id="f-1", sender="+41791234567")
        assert receiver.calls[0][2]["content"] == {
            "type": "Document",
            "text": "see",
            "mediaId": media_id,
        }

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"url": None}, r"No URL to post the reply to: pass Sandbox\(inbound_url=…\)"),
            ({"sender": None}, "No message was sent by Sms"),
            ({"channel": "sms"}, "channel must be one of Rcs, Sms, Whatsapp"),
            ({"text": None}, "a text, a media_id or both"),
            (
                {"url": "https://app.example/inbound"},
                "app.example is not this machine; name it in callback_hosts",
            ),
            ({"url": "http://0.0.0.0/"}, "is not this machine"),
            ({"url": "http://127.0.0.1.example/"}, "is not this machine"),
            ({"url": "127.0.0.1:8000/inbound"}, "must be http://… or https://…"),
            ({"url": "ftp://127.0.0.1/"}, "must be http://… or https://…"),
            ({"url": "http://127.0.0.1:a/"}, "must be http://… or https://…"),
        ],
    )
    def test_a_reply_that_cannot_be_posted_is_explained(
        self, receiver: Receiver, given: dict[str, Any], problem: str
    ) -> None:
        arguments: dict[str, Any] = {
            "text": "hi",
            "sender": "+41791234567",
            "url": receiver.url,
            **given,
        }
        with pytest.raises(ValueError, match=problem):
            Sandbox().reply(**arguments)
        assert receiver.calls == []

    def test_a_reply_without_a_response_is_a_connection_error(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, receiver.url)
        sandbox = Sandbox(callback_hosts={"APP.invalid"})
        for url in ("http://127.0.0.1:9/", "http://app.invalid/"):
            with pytest.raises(ConnectionError, match="did not answer: ConnectError"):
                sandbox.reply("hi", sender="+41791234567", url=url)
        monkeypatch.setattr("ecall_facade.sandbox._callbacks.TIMEOUT", 0.05)
        with pytest.raises(ConnectionError, match="did not answer: ReadTimeout"):
            sandbox.reply("hi", sender="+41791234567", url=f"{receiver.url}/slow")


def reported(receiver: Receiver) -> list[str]:
    return [data.get("state", "reply") for _, _, data in receiver.calls]


class TestRedelivery:
    def test_redeliver_repeats_all_reports_and_replies_unchanged(self, receiver: Receiver) -> None:
        with Sandbox(inbound_url=f"{receiver.url}/inbound") as sandbox:
            addresses = notification(
                ("UrlPost", f"{receiver.url}/post"), ("Url", f"{receiver.url}/get?key=1")
            )
            send(sandbox, notification=addresses)
            wait_for(sandbox, 4)
            sandbox.reply("Yes")
            first = list(receiver.calls)
            assert sandbox.redeliver() == [200] * 5
            assert receiver.calls == first * 2
            # What was repeated is not repeated twice the next time.
            assert sandbox.redeliver() == [200] * 5
            assert receiver.calls == first * 3
            assert len(sandbox.notifications) == 12

    @pytest.mark.parametrize("way", ["id", "message", "notification", "reply"])
    def test_redeliver_repeats_only_what_is_named(self, receiver: Receiver, way: str) -> None:
        with Sandbox(inbound_url=receiver.url) as sandbox:
            told = notification(("UrlPost", receiver.url))
            send(sandbox, notification=told)
            send(sandbox, to="+41787654321", notification=told)
            wait_for(sandbox, 4)
            sandbox.reply("Yes")
            second = sandbox.messages[1]
            reports = [call for call in receiver.calls if call[2]["messageId"] == second.id]
            delivered = next(
                each
                for each in sandbox.notifications
                if (each.message_id, each.state) == (second.id, "Delivered")
            )
            reply_id = receiver.calls[-1][2]["messageId"]
            what, expected = {
                "id": (second.id, reports),
                "message": (second, reports),
                "notification": (delivered, reports[1:]),
                "reply": (reply_id, receiver.calls[-1:]),
            }[way]
            before = len(receiver.calls)
            assert sandbox.redeliver(what) == [200] * len(expected)
            assert receiver.calls[before:] == expected

    def test_redeliver_works_after_a_failure_and_while_the_sandbox_is_stopped(
        self, receiver: Receiver
    ) -> None:
        receiver.next_statuses = [500]
        with Sandbox() as sandbox:
            told = notification(("UrlPost", receiver.url), forEvent="FinalOnly")
            send(sandbox, notification=told)
            wait_for(sandbox, 1)
        assert sandbox.redeliver() == [200]
        assert [each.status_code for each in sandbox.notifications] == [500, 200]

    def test_redeliver_says_that_there_is_nothing_to_repeat(self, receiver: Receiver) -> None:
        with Sandbox() as sandbox:
            with pytest.raises(ValueError, match="no callback to repeat"):
                sandbox.redeliver()
            addresses = notification(
                ("Email", "anna@example.ch"),
                ("UrlPost", "https://app.example/"),
                forEvent="FinalOnly",
            )
            send(sandbox, notification=addresses)
            wait_for(sandbox, 2)
            for what in (None, sandbox.messages[0], *sandbox.notifications, "unknown-id"):
                with pytest.raises(ValueError, match="no callback to repeat"):
                    sandbox.redeliver(what)
            sandbox.clear()
            with pytest.raises(ValueError, match="no callback to repeat"):
                sandbox.redeliver()

    def test_redeliver_calls_the_others_where_one_receiver_does_not_answer(
        self, receiver: Receiver
    ) -> None:
        with Sandbox() as sandbox:
            addresses = notification(
                ("UrlPost", "http://127.0.0.1:9/"), ("UrlPost", receiver.url), forEvent="FinalOnly"
            )
            send(sandbox, notification=addresses)
            wait_for(sandbox, 2)
            with pytest.raises(ConnectionError, match="1 of 2 callbacks got no response"):
                sandbox.redeliver()
            assert [each.outcome for each in sandbox.notifications[2:]] == ["failed", "answered"]
        assert reported(receiver) == ["Delivered"] * 2


class TestRetries:
    def test_without_a_policy_a_failed_callback_is_not_repeated(self, receiver: Receiver) -> None:
        with Sandbox() as sandbox:
            told = notification(("UrlPost", f"{receiver.url}/500"), forEvent="FinalOnly")
            send(sandbox, notification=told)
            wait_for(sandbox, 1)
            sandbox.clock.advance(hours=100)
            wait_for(sandbox, 1)

    @pytest.mark.parametrize("status", [500, 404, 302, 204, 201])
    def test_anything_but_200_is_repeated_until_it_is_200(
        self, receiver: Receiver, status: int
    ) -> None:
        receiver.next_statuses = [status, status]
        with Sandbox(callback_retries=[0, 0, 0]) as sandbox:
            told = notification(("UrlPost", receiver.url), forEvent="FinalOnly")
            send(sandbox, notification=told)
            attempts = wait_for(sandbox, 3)
        assert [each.status_code for each in attempts] == [status, status, 200]
        assert receiver.calls[0] == receiver.calls[1] == receiver.calls[2]

    def test_a_receiver_that_does_not_answer_is_called_as_often_as_the_policy_says(self) -> None:
        with Sandbox(callback_retries=(0.01, 0.01)) as sandbox:
            told = notification(("Url", "http://127.0.0.1:9/"), forEvent="FinalOnly")
            send(sandbox, notification=told)
            assert {each.outcome for each in wait_for(sandbox, 3)} == {"failed"}

    def test_retries_wait_for_the_time_of_the_sandbox(self, receiver: Receiver) -> None:
        receiver.next_statuses = [503] * 3
        with Sandbox(callback_retries=[60, 3600]) as sandbox:
            sandbox.clock.freeze()
            told = notification(("UrlPost", receiver.url), forEvent="FinalOnly")
            send(sandbox, notification=told)
            sandbox.clock.advance(seconds=10)
            wait_for(sandbox, 1)
            sandbox.clock.advance(seconds=59)
            wait_for(sandbox, 1)
            sandbox.clock.advance(seconds=2)
            wait_for(sandbox, 2)
            sandbox.clock.advance(minutes=59)
            wait_for(sandbox, 2)
            sandbox.clock.advance(minutes=2)
            wait_for(sandbox, 3)
            sandbox.clock.advance(hours=100)
            wait_for(sandbox, 3)

    def test_only_the_address_that_failed_is_called_again(self, receiver: Receiver) -> None:
        with Sandbox(callback_retries=[0]) as sandbox:
            addresses = notification(
                ("UrlPost", f"{receiver.url}/500"), ("UrlPost", receiver.url), forEvent="FinalOnly"
            )
            send(sandbox, notification=addresses)
            wait_for(sandbox, 3)
        assert [path for _, path, _ in receiver.calls] == ["/500", "/", "/500"]

    def test_a_retry_that_is_due_while_the_sandbox_is_stopped_comes_after_it(
        self, receiver: Receiver
    ) -> None:
        receiver.next_statuses = [500]
        sandbox = Sandbox(callback_retries=[60])
        with sandbox:
            send(
                sandbox, notification=notification(("UrlPost", receiver.url), forEvent="FinalOnly")
            )
            wait_for(sandbox, 1)
        sandbox.clock.advance(minutes=5)
        with sandbox:
            assert wait_for(sandbox, 2)[1].status_code == 200

    def test_clear_forgets_retries(self, receiver: Receiver) -> None:
        receiver.next_statuses = [500]
        with Sandbox(callback_retries=[60], inbound_url=receiver.url) as sandbox:
            send(
                sandbox, notification=notification(("UrlPost", receiver.url), forEvent="FinalOnly")
            )
            wait_for(sandbox, 1)
            receiver.next_statuses = [500]
            assert sandbox.reply("Yes") == 500
            sandbox.clear()
            sandbox.clock.advance(minutes=5)
            wait_for(sandbox, 0)
        assert len(receiver.calls) == 2

    @pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/"])
    def test_a_reply_that_fails_is_posted_again(self, receiver: Receiver, url: str) -> None:
        receiver.next_statuses = [500, 500]
        with Sandbox(callback_retries=[0.01, 0.01]) as sandbox:
            if url:
                with pytest.raises(ConnectionError):
                    sandbox.reply("Yes", sender="+41791234567", url=url)
                return
            assert sandbox.reply("Yes", sender="+41791234567", url=receiver.url) == 500
            deadline = time.monotonic() + 5
            while len(receiver.calls) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)
        assert len(receiver.calls) == 3
        assert receiver.calls[0] == receiver.calls[1] == receiver.calls[2]

    @pytest.mark.parametrize("retries", [[-1], [1, float("nan")], [1e10], "12", 5, [None], [True]])
    def test_delays_of_a_retry_policy_are_numbers_of_seconds(self, retries: Any) -> None:
        with pytest.raises(ValueError, match="callback_retries must be a list of seconds"):
            Sandbox(callback_retries=retries)


class TestMagicRecipients:
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
        self, receiver: Receiver, prefix: str, digits: str, states: list[str], step: float
    ) -> None:
        with Sandbox(callback_url=receiver.url) as sandbox:
            sandbox.clock.freeze()
            send(sandbox, to=f"{prefix}79000{digits}")
            for _ in range(2):
                sandbox.clock.advance(seconds=step)
                time.sleep(0.15)
            assert sandbox.messages[0].state == "Delivered"
            if digits == "0007" and step < 1:
                assert reported(receiver) == []  # the message is there, and its reports are late
            sandbox.clock.advance(seconds=31)
            wait_for(sandbox, len(states))
        assert reported(receiver) == states
        # A report that comes late still has the time of what it reports.
        by_state = {data["state"]: data["timestamp"] for _, _, data in receiver.calls}
        assert by_state["Sent"] < by_state["Delivered"]
