"""The server side of the sandbox's page, over real sockets: its JSON, its stream, its files, and what it hides."""

from __future__ import annotations

import base64
import gc
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeAlias

import httpx
import pytest
from _receiver import CallbackReceiver, wait_until
from _sandbox import SMS, TEXT, RunningSandbox, notification, to_list

from ecall_facade.sandbox._http import KEPT_BYTES
from ecall_facade.sandbox._items import write_json
from ecall_facade.sandbox._limits import DEFAULT_LIMITS, Limits
from ecall_facade.sandbox._recorded import MAX_REFUSED, RecordedRequest

pytestmark = pytest.mark.once

OpenInbox: TypeAlias = "Callable[..., Inbox]"
PASSWORD = "sesame-open-481516"
TOKEN = base64.b64encode(f"acme-api:{PASSWORD}".encode()).decode()
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Inbox(RunningSandbox):
    """A running sandbox whose page is read as a browser does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(username="acme-api", password=PASSWORD, **options)
        self._open_streams: list[Stream] = []

    def __enter__(self) -> Self:
        super().__enter__()
        self.page.event_hooks = {"response": [check_page_response]}
        return self

    def __exit__(self, *details: object) -> None:
        for stream in self._open_streams:
            stream.close()
        super().__exit__(*details)

    def post_bytes(self, body: bytes, path: str = "message") -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return self.api.post(f"/api/v2/{path}", content=body, headers=headers)

    def items(self) -> list[Any]:
        return list(self.page.get("/inbox/items").json()["items"])

    def details(self, key: str) -> Any:
        response = self.page.get(f"/inbox/items/{key}")
        assert response.status_code == 200, response.text
        return response.json()

    def reply(self, **fields: object) -> httpx.Response:
        asked = {"number": "+41791234567", "channel": "Sms", "text": "x", **fields}
        headers = {"Content-Type": "application/json"}
        return self.page.post("/inbox/reply", content=json.dumps(asked), headers=headers)

    def version(self) -> int:
        return int(self.page.get("/inbox/items").json()["version"])

    def follow(self, since: int | None = None, last: int | None = None) -> Stream:
        stream = Stream(self.sandbox.url, self.version() if since is None else since, last)
        self._open_streams.append(stream)
        return stream


def check_page_response(response: httpx.Response) -> None:
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    assert response.headers["x-ecall-sandbox"].startswith("simulated")
    is_json = response.headers.get("content-type") == "application/json"
    if is_json and response.request.method != "HEAD":
        response.read()
        json.loads(response.content, parse_constant=pytest.fail)  # browsers cannot read NaN
        response.content.decode("ascii")


class Stream:
    """Server-sent events, read from a bare socket."""

    def __init__(self, url: str, since: int, last: int | None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=5)
        header = "" if last is None else f"Last-Event-ID: {last}\r\n"
        head = f"GET /inbox/events?since={since} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n"
        self._socket.sendall(head.encode())
        self._file = self._socket.makefile("rb")
        assert self._file.readline() == b"HTTP/1.1 200 OK\r\n"
        self.headers = dict(line.split(": ", 1) for line in iter(self._line, ""))
        assert self._chunk() == "retry: 1000\n\n"

    def _line(self) -> str:
        return self._file.readline().decode().rstrip("\r\n")

    def _chunk(self) -> str:
        size = int(self._line() or "0", 16)
        chunk = self._file.read(size).decode()
        self._line()
        return chunk

    def next(self) -> tuple[str, Any]:
        """Return the name and the data of the next event; a comment has no name."""
        chunk = self._chunk()
        assert chunk.endswith("\n\n")
        if chunk.startswith(":"):
            return "", chunk
        assert chunk.count("\n") == 4  # three lines, and an empty one
        fields = dict(line.split(": ", 1) for line in chunk.strip("\n").split("\n"))
        data = json.loads(fields["data"], parse_constant=pytest.fail)
        assert int(fields["id"]) == data.get("version", int(fields["id"]))
        return fields["event"], data

    def items(self) -> list[Any]:
        name, data = self.next()
        assert name == "items"
        return list(data["items"])

    def has_ended(self) -> bool:
        return self._file.read() == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def open_inbox() -> Iterator[OpenInbox]:
    inboxes: list[Inbox] = []

    def open_inbox(**options: Any) -> Inbox:
        inboxes.append(Inbox(**options).__enter__())
        return inboxes[-1]

    yield open_inbox
    for inbox in inboxes:
        inbox.__exit__()


@pytest.fixture
def inbox(open_inbox: OpenInbox) -> Inbox:
    inbox = open_inbox()
    inbox.sandbox.clock.freeze()
    return inbox


# --- messages


def test_an_item_has_what_the_page_shows_of_a_message(inbox: Inbox) -> None:
    response = inbox.send(to="0041791234567")
    (message,) = inbox.sandbox.messages
    shown = inbox.page.get("/inbox/items").json()
    assert shown["items"] == [
        {
            "key": f"message:{message.id}", "kind": "message", "id": message.id, "number": "+41791234567",
            "sender": "ACME", "channel": "Sms", "at": response.json()["timestamp"], "state": "Pending", "error": None,
            "request_id": response.headers["x-f24-request-id"], "list_id": None, "content": TEXT, "pages": 1,
            "encoding": "GSM-7", "media": None,
        }
    ]  # fmt: skip
    assert shown["status"].pop("version")
    assert shown["status"] == {
        "messages": 1,
        "dropped": 0,
        "shown": 2000,
        "limits": {"messages": 100_000, "media": 1000, "requests": 2000},
        "inbound_url": None,
        "any_credentials": False,
    }


def test_only_an_sms_has_pages_and_only_a_file_has_a_size(inbox: Inbox) -> None:
    media_id = inbox.upload(PNG)
    inbox.send(channel="Rcs", content={"type": "Image", "MEDIAID": media_id})
    inbox.send(channel="Rcs")
    inbox.send(content={"type": "Text", "text": "ж" * 71})
    image, text, sms = inbox.items()
    assert image["content"] == {"type": "Image", "mediaId": media_id}
    assert image["media"] == {"content_type": "image/png", "size": len(PNG), "kept": True}
    assert [(item["pages"], item["encoding"]) for item in (image, text, sms)] == [
        (None, None),
        (None, None),
        (2, "UCS-2"),
    ]


def test_an_item_says_that_its_file_was_dropped(open_inbox: OpenInbox) -> None:
    inbox = open_inbox(max_media=1)
    media_id = inbox.upload(PNG)
    inbox.send(channel="Rcs", content={"type": "Document", "mediaId": media_id})
    inbox.upload(b"other")
    (item,) = inbox.items()
    assert item["media"] == {"content_type": "application/octet-stream", "size": 0, "kept": False}


def test_the_details_of_a_message_have_its_request_and_response(inbox: Inbox) -> None:
    body = {"messages": [SMS, SMS]}
    list_id = inbox.post("/api/v2/messagelist?a=b", body).json()["messageListId"]
    inbox.sandbox.clock.advance(1)
    item = inbox.items()[0]
    assert item["list_id"] == list_id
    details = inbox.details(item["key"])
    assert details["item"] == item
    assert [change["state"] for change in details["history"]] == ["Pending", "Sent", "Delivered"]
    assert details["history"][0]["at"] == item["at"] < details["history"][2]["at"]
    assert details["notifications"] == []
    request, response = details["request"], details["response"]
    assert (request["method"], request["path"]) == ("POST", "/api/v2/messagelist?a=b")
    assert (json.loads(request["body"]), request["body_cut"]) == (body, False)
    assert ["content-type", "application/json"] in request["headers"]
    assert (response["status"], response["note"]) == (200, None)
    assert json.loads(response["body"])["messageListId"] == list_id
    assert ["x-f24-request-id", item["request_id"]] in response["headers"]


def test_the_details_of_a_message_have_its_own_notifications(inbox: Inbox) -> None:
    addresses = ("Email", "//[@x"), ("UrlPost", "http://a:b@192.0.2.1/x")
    inbox.send(notification=notification(*addresses, forEvent="FinalOnly"))
    inbox.send(notification=notification(("Email", "other@example.ch"), forEvent="FinalOnly"))
    inbox.sandbox.clock.advance(1)
    inbox.wait_for_notifications(3)
    details = inbox.details(inbox.items()[0]["key"])
    shown = [(each["address"], each["outcome"], each["state"]) for each in details["notifications"]]
    assert shown == [
        ("//[@x", "recorded", "Delivered"),
        ("http://192.0.2.1/x", "skipped", "Delivered"),
    ]


def test_the_details_name_the_fault_of_the_response(inbox: Inbox) -> None:
    url, auth = f"{inbox.sandbox.url}/api/v2/message", inbox.api.auth
    httpx.post(url, json={**SMS, "to": "+41790000502"}, auth=auth, trust_env=False)
    with pytest.raises(httpx.TransportError):
        inbox.send(to="+41790000902")
    proxy, dropped = (inbox.details(item["key"])["response"] for item in inbox.items())
    assert (proxy["status"], proxy["body"][:6]) == (502, "<html>")
    assert "the message was accepted" in proxy["note"]
    note = "the connection was dropped; the message was accepted"
    assert dropped == {"status": None, "headers": [], "body": "", "note": note}


def test_items_of_all_kinds_are_in_order(inbox: Inbox, callback_receiver: CallbackReceiver) -> None:
    for step in range(3):
        inbox.send(content={"type": "Text", "text": str(step)})
        inbox.sandbox.clock.advance(0.002)
        inbox.send(to="nobody")
        inbox.sandbox.clock.advance(0.002)
        inbox.sandbox.reply("hi", url=callback_receiver.url)
        inbox.sandbox.clock.advance(0.002)
    items = inbox.items()
    assert [item["kind"] for item in items] == ["message", "refused", "inbound"] * 3
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


def test_only_the_newest_items_are_shown(open_inbox: OpenInbox) -> None:
    inbox = open_inbox(max_messages=5, _limits=Limits(items=3))
    for index in range(7):
        inbox.send(content={"type": "Text", "text": str(index)})
    shown = inbox.page.get("/inbox/items").json()
    assert [item["content"]["text"] for item in shown["items"]] == ["4", "5", "6"]
    status = shown["status"]
    assert (status["messages"], status["dropped"], status["shown"]) == (5, 2, 3)
    inbox.sandbox.clear()
    assert inbox.page.get("/inbox/items").json()["status"]["dropped"] == 0


def test_the_details_of_an_unknown_key_get_404(inbox: Inbox) -> None:
    request_id = inbox.send().headers["x-f24-request-id"]
    for key in (
        "message:x", "refused:x", "refused:", "inbound:x", "request:x", "x", ":", "a/b", f"refused:{request_id}",
        f"request:{request_id}",
    ):  # fmt: skip
        response = inbox.page.get(f"/inbox/items/{key}")
        assert response.status_code == 404, key
        assert "no longer exists" in response.json()["error"]


# --- refused requests and messages


def test_an_item_has_what_the_page_shows_of_a_refusal(inbox: Inbox) -> None:
    request_id = inbox.send(to="0041791").headers["x-f24-request-id"]
    (item,) = inbox.items()
    details = inbox.details(item["key"])
    assert details["item"] == item
    assert item.pop("at")
    assert item == {
        "key": f"refused:{request_id}", "kind": "refused", "number": "+41791", "others": 0, "channel": "Sms",
        "sender": "ACME", "content": TEXT, "status": 400,
        "reason": "InvalidContent · The request is not valid. · To: The number 0041791 is an invalid receiver: "
        "it is too short.",
        "request_id": request_id, "pages": 1, "encoding": "GSM-7", "media": None,
    }  # fmt: skip
    assert (details["history"], details["notifications"]) == ([], [])
    assert details["response"]["status"] == 400
    assert json.loads(details["request"]["body"])["to"] == "0041791"


def test_each_refused_message_of_a_list_is_shown(inbox: Inbox) -> None:
    bad = {**SMS, "to": None, "TOLIST": to_list("+41791", "+41791")}
    body = {"messages": [SMS, {**SMS, "to": "+1"}, bad, 7, {}]}
    request_id = inbox.post("/api/v2/messagelist", body).headers["x-f24-request-id"]
    message, *refused = inbox.items()
    assert message["kind"] == "message"
    keys = [f"refused:{request_id}:{place}" for place in (1, 2, 3, 4)]
    assert [item["key"] for item in refused] == keys
    recipients = [(item["number"], item["others"]) for item in refused]
    assert recipients == [("+1", 0), ("+41791", 1), ("", 0), ("", 0)]
    assert {item["status"] for item in refused} == {None}
    assert "To: The number +1 is an invalid receiver" in refused[0]["reason"]
    for item in refused:
        details = inbox.details(item["key"])
        assert (details["item"], details["response"]["status"]) == (item, 200)


def test_many_refused_messages_of_a_list_are_counted(inbox: Inbox) -> None:
    inbox.send_list(*[{**SMS, "to": "+1"}] * 1_000)
    items = inbox.items()
    assert len(items) == MAX_REFUSED
    assert sum(1 + item["others"] for item in items) == 1_000
    details = inbox.details(items[0]["key"])
    assert (details["request"]["body_cut"], details["curl"]) == (True, None)


def test_a_refused_list_or_broadcast_is_one_item(inbox: Inbox) -> None:
    inbox.post("/api/v2/messagelist", {"messages": [SMS, SMS, SMS], "notification": 1})
    inbox.send(to=None, toList=to_list("+41791", "+41781234567", "+41782345678"))
    shown = [(item["number"], item["others"], item["status"]) for item in inbox.items()]
    assert shown == [("+41791234567", 2, 400), ("+41791", 2, 400)]


def test_a_send_that_a_fault_prevented_is_shown_as_refused(inbox: Inbox) -> None:
    inbox.sandbox.fail_next(500, message="out of order")
    inbox.send()
    with pytest.raises(httpx.TransportError):
        inbox.send(to="+41790000901")
    inbox.send(to="+41790000403")
    assert [(item["number"], item["status"], item["reason"]) for item in inbox.items()] == [
        ("+41791234567", 500, "planned: 500, out of order"),
        ("+41790000901", None, "the connection was dropped"),
        ("+41790000403", 403, "Not enough credit (the sandbox's number)."),
    ]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/v2/message", {"Authorization": "Basic eDp5"}, 401),
        ("/api/v3/message", {}, 400),
        ("/api/v2/mesage", {}, 404),
        ("/api/v2/message", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_a_request_that_was_refused_unread_is_shown(
    inbox: Inbox, path: str, headers: dict[str, str], status: int
) -> None:
    credentials = {"Authorization": f"Basic {TOKEN}"}
    response = httpx.post(
        inbox.sandbox.url + path, json=SMS, headers={**credentials, **headers}, trust_env=False
    )
    assert response.status_code == status
    (item,) = inbox.items()
    assert (item["number"], item["content"], item["status"]) == ("+41791234567", TEXT, status)
    assert json.loads(inbox.details(item["key"])["request"]["body"]) == SMS


def test_the_response_does_not_wait_long_for_a_body_that_is_not_needed(
    open_inbox: OpenInbox,
) -> None:
    inbox = open_inbox(_limits=Limits(unread_timeout=0.05))
    head = b"POST /api/message HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    address = ("127.0.0.1", httpx.URL(inbox.sandbox.url).port or 0)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 401")
    (item,) = inbox.items()
    assert inbox.details(item["key"])["request"]["body_cut"]
    assert DEFAULT_LIMITS.unread_timeout < 1


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe\x00", b"[]", b'{"to": "\\ud800", "content": {"text": "\\udfff"}}', b'{"to": NaN}',
        b'{"channel": 1, "from": [], "to": {"a": 1}, "toList": "x", "content": {"text": 5, "mediaId": []}}',
        b'{"toList": [null, {"address": 5}, {"address": "+41791"}], "content": []}', b'{"messages": {"a": 1}}',
        b'{"content": {"type": "Text", "text": "x", "more": 1e999}}',
        '{"to": "\u2028\r\n", "content": {"text": "</script>\u2029data: x\\n\\nevent: y"}}'.encode(),
        b'{"content":' * 900 + b"1" + b"}" * 900, b'{"to": "' + b"x" * 100_000 + b'"}',
        b'{"content": {"text": "' + b"x" * 2**20 + b'"}}',
    ],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_a_refused_request_may_have_any_body(inbox: Inbox, body: bytes) -> None:
    stream = inbox.follow()
    for path in ("message", "messagelist"):
        assert inbox.post_bytes(body, path).status_code == 400
        (item,) = stream.items()
        assert item == inbox.items()[-1]
        details = inbox.details(item["key"])
        assert details["item"] == item
        assert details["request"]["body"] == body[:KEPT_BYTES].decode(errors="replace")
        assert details["request"]["body_cut"] is (len(body) > KEPT_BYTES)
    stream.close()


def test_the_content_of_a_large_refused_message_is_not_shown(inbox: Inbox) -> None:
    for size in (KEPT_BYTES - 100, KEPT_BYTES):
        inbox.send(to="+1", content={"type": "Text", "text": "x" * size})
    assert [len(item["content"].get("text", "")) for item in inbox.items()] == [KEPT_BYTES - 100, 0]


def test_a_refused_upload_is_not_an_item(inbox: Inbox) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert inbox.api.post("/api/v2/media", content=b"x", headers=headers).status_code == 415
    assert inbox.items() == []


@pytest.mark.parametrize("extra", [1e999, [1, {"a": -1e999}]])
def test_infinite_numbers_are_shown_as_text(inbox: Inbox, extra: Any) -> None:
    stream = inbox.follow()
    content = {**TEXT, "extra": extra}
    text = json.dumps({**SMS, "content": content}).replace("Infinity", "1e999").encode()
    assert inbox.post_bytes(text).status_code == 200
    assert inbox.post_bytes(b'{"messages": [' + text + b"]}", "messagelist").status_code == 200
    for item in [*inbox.items(), *stream.items()]:
        assert str(item["content"]["extra"]).count("inf") == 1
    stream.close()


def test_the_most_deeply_nested_message_that_is_accepted_is_shown(inbox: Inbox) -> None:
    def is_accepted(depth: int) -> bool:
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        body = json.dumps({**SMS, "content": {**TEXT, "extra": 0}}).encode()
        return (
            inbox.post_bytes(body.replace(b'"extra": 0', b'"extra": ' + nested)).status_code == 200
        )

    low, high = 60, 5_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_accepted(middle) else (low, middle)
    inbox.sandbox.clear()
    for depth in range(low - 5, low + 1):  # less of the stack is left when they are shown
        assert is_accepted(depth)
    items = inbox.items()
    assert len(items) == 6
    for item in items:
        assert inbox.details(item["key"])["item"]["kind"] == "message"


def test_json_for_the_page_is_cut_below_fifty_levels() -> None:
    data: object = float("inf")
    for _ in range(60):
        data = [data]
    assert write_json(data) == "[" * 50 + json.dumps("…") + "]" * 50


# --- what is kept of requests


def test_the_weight_of_a_recorded_request_includes_headers_and_refused_messages(
    inbox: Inbox,
) -> None:
    inbox.post("/api/message", {}, headers={"X-Long": "x" * 30_000})
    inbox.send(to="+1", content={"type": "Text", "text": "x" * 20_000})
    _, entries = inbox.sandbox._store.newest_of_all(10)
    first, second = (entry for entry in entries if isinstance(entry, RecordedRequest))
    assert 30_000 < first.weight < 40_000
    assert second.weight > 40_000  # the text is in the body and in the item


def test_a_large_request_is_kept_only_in_part(inbox: Inbox) -> None:
    for size in (2**24 - 100, 2**24 + 100):
        body = b'{"to": "+41791", "content": {"text": "' + b"x" * size + b'"}}'
        assert inbox.post_bytes(body).status_code in {400, 413}
    _, entries = inbox.sandbox._store.newest_of_all(10)
    for entry in entries:
        assert isinstance(entry, RecordedRequest)
        assert entry.weight < 250_000
        assert inbox.details(f"refused:{entry.request_id}")["request"]["body_cut"]


def test_the_details_of_a_message_whose_request_was_dropped_are_without_it(
    open_inbox: OpenInbox,
) -> None:
    inbox = open_inbox(_limits=Limits(requests=1))
    inbox.send()
    inbox.send()
    details = inbox.details(inbox.items()[0]["key"])
    assert (details["request"], details["response"], details["curl"]) == (None, None, None)


def test_inbound_messages_are_limited_in_number(
    open_inbox: OpenInbox, callback_receiver: CallbackReceiver
) -> None:
    inbox = open_inbox(inbound_url=callback_receiver.url, _limits=Limits(inbound=2))
    for text in "abc":
        inbox.sandbox.reply(text, sender="+41791234567")
    assert [item["content"]["text"] for item in inbox.items()] == ["b", "c"]


# --- the curl command


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("path", ["/api/v2/message", "/api/message?x=%20'"])
def test_the_curl_command_sends_the_message_again(inbox: Inbox, path: str) -> None:
    text = 'It\'s $HOME `id` "$(id)" !! \\ @x\n%20 €ж🎁'
    content = {"type": "Text", "text": text}
    body = json.dumps({**SMS, "content": content}, ensure_ascii=False, indent=1)
    headers = {"Content-Type": "application/json; charset=utf-8", "X-API-Version": "2"}
    assert inbox.api.post(path, content=body.encode(), headers=headers).status_code == 200
    line = inbox.details(inbox.items()[0]["key"])["curl"]
    assert PASSWORD not in line
    credentials = {"ECALL_USERNAME": "acme-api", "ECALL_PASSWORD": PASSWORD, "no_proxy": "*"}
    done = subprocess.run(
        ["sh", "-c", line], env={**os.environ, **credentials}, capture_output=True, check=True, timeout=30
    )  # fmt: skip
    assert json.loads(done.stdout).keys() == {"messageId", "timestamp"}
    first, second = inbox.sandbox.messages
    assert first.raw == second.raw
    assert second.text == text
    details = [inbox.details(item["key"])["request"] for item in inbox.items()]
    assert [["x-api-version", "2"] in each["headers"] for each in details] == [True, True]


@pytest.mark.parametrize(
    ("base_url", "end"),
    [
        (
            "https://mailbox.test/tools/sandbox",
            " https://mailbox.test/tools/sandbox/api/v2/message",
        ),
        ("https://a'; rm x", " 'https://a'\"'\"'; rm x/api/v2/message'"),
    ],
)
def test_the_curl_command_has_the_address_of_the_page(
    inbox: Inbox, base_url: str, end: str
) -> None:
    inbox.send()
    key = inbox.items()[0]["key"]
    response = inbox.page.get(f"/inbox/items/{key}", params={"base_url": base_url})
    assert response.json()["curl"].endswith(end)
    forged = {"X-Forwarded-Proto": "https"}  # is not read, as the page says where it was reached
    response = inbox.page.get(f"/inbox/items/{key}", headers=forged)
    assert response.json()["curl"].endswith(f" {inbox.sandbox.url}/api/v2/message")


def test_the_curl_command_does_not_read_a_file(inbox: Inbox) -> None:
    inbox.post_bytes(b"@/etc/hostname")
    line = inbox.details(inbox.items()[0]["key"])["curl"]
    assert " --data-raw @/etc/hostname " in line


@pytest.mark.parametrize("body", [b"\xff", b'{"a": "\0"}', b'{"to": "' + b"x" * 70_000 + b'"}'])
def test_there_is_no_curl_command_for_a_body_it_could_not_repeat(inbox: Inbox, body: bytes) -> None:
    inbox.post_bytes(body)
    assert inbox.details(inbox.items()[0]["key"])["curl"] is None


def test_no_response_of_the_page_has_a_password(
    open_inbox: OpenInbox, callback_receiver: CallbackReceiver
) -> None:
    own = callback_receiver.url
    secret = own.replace("//", f"//anna:{PASSWORD}@")
    inbox = open_inbox(inbound_url=f"{secret}/inbound", callback_url=f"{secret}/told")
    stream = inbox.follow(since=0)
    escaped = f"{secret}/".replace("/", "\\/")
    asked = {"Addresses": [{"type": "UrlPost", "ADDRESS": "…"}]}
    for to in ("+41791234567", "+4179"):
        body = json.dumps({**SMS, "to": to, "notification": asked})
        body = body.replace(json.dumps("…"), f'"{escaped}"')
        headers = {
            "Content-Type": "application/json",
            "Cookie": PASSWORD,
            "Proxy-Authorization": PASSWORD,
        }
        inbox.api.post("/api/message", content=body.encode(), headers=headers)
    assert len(inbox.sandbox.messages) == 1
    inbox.sandbox.reply("hi")
    inbox.reply(url=f"{secret}/drop")
    inbox.wait_for_notifications(4)
    shown = inbox.page.get("/inbox/items").json()
    assert [item["kind"] for item in shown["items"]] == ["message", "refused", "inbound", "inbound"]
    assert shown["status"]["inbound_url"] == shown["items"][2]["url"] == f"{own}/inbound"
    details = [inbox.page.get(f"/inbox/items/{item['key']}").text for item in shown["items"]]
    reported = {each["address"] for each in json.loads(details[0])["notifications"]}
    assert reported == {f"{own}/told", f"{own}/"}
    assert f"{escaped.partition('anna')[0]}...@127" in json.loads(details[0])["request"]["body"]
    for text in (*details, json.dumps(shown), str([stream.next() for _ in range(2)])):
        for word in (PASSWORD, "anna", TOKEN, "authorization", "cookie"):
            assert word not in text


# --- replies, clear and other writes


def test_a_reply_from_the_page_is_posted_and_shown(
    open_inbox: OpenInbox, callback_receiver: CallbackReceiver
) -> None:
    inbox = open_inbox(inbound_url=f"{callback_receiver.url}/inbound")
    media_id = inbox.upload(PNG)
    response = inbox.reply(text="Ja, 🎁").json()
    (item,) = inbox.items()
    outcome = {"status": 200, "body": "<b>ok</b>", "reason": None}
    assert response == {"key": item["key"], **outcome}
    details = inbox.details(item["key"])
    assert details["item"]["id"] == item["id"]
    assert [details[name] for name in ("request", "response", "curl", "history")] == [None, None, None, []]  # fmt: skip
    posted = callback_receiver.calls[0].data
    assert item == {
        "key": f"inbound:{item['id']}", "kind": "inbound", "id": posted["messageId"], "number": "+41791234567",
        "sender": "Sandbox", "channel": "Sms", "content": {"type": "Text", "text": "Ja, 🎁"}, "media": None,
        "url": f"{callback_receiver.url}/inbound", "response": outcome, "at": posted["timestamp"],
    }  # fmt: skip
    fields = {"number": "0041791234567", "channel": "Whatsapp", "media_id": media_id}
    assert inbox.reply(**fields, text="", to="", url="").json()["status"] == 200
    shown = inbox.items()[1]
    assert (shown["number"], shown["sender"]) == ("+41791234567", "+41791234567")
    assert shown["media"]["size"] == len(PNG)


@pytest.mark.parametrize(
    ("path", "status", "reason"), [("/500", 500, None), ("/drop", None, "did not answer")]
)
def test_a_reply_that_failed_says_why(
    inbox: Inbox, callback_receiver: CallbackReceiver, path: str, status: int | None, reason: str | None
) -> None:  # fmt: skip
    response = inbox.reply(url=callback_receiver.url + path)
    assert response.status_code == 200
    outcome = response.json()
    del outcome["key"]
    assert outcome["status"] == status
    assert (reason or "") in (outcome["reason"] or "")
    assert inbox.items()[0]["response"] == outcome


def test_a_reply_is_shown_while_it_is_under_way(
    inbox: Inbox, callback_receiver: CallbackReceiver
) -> None:
    stream = inbox.follow()
    url = f"{callback_receiver.url}/wait"
    thread = threading.Thread(target=inbox.reply, kwargs={"url": url})
    thread.start()
    (before,) = stream.items()
    callback_receiver.go.set()
    (after,) = stream.items()
    thread.join()
    assert before["response"] is None
    outcome = {"status": 200, "body": "<b>ok</b>", "reason": None}
    assert after == {**before, "response": outcome}
    stream.close()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "No URL to post the reply to"),
        ({"url": "http://app.example/"}, "app.example is not this machine"),
        ({"url": "http://127.0.0.1:9/", "channel": "sms"}, "Rcs, Sms, Whatsapp"),
        ({"url": "http://127.0.0.1:9/", "number": None}, "No message was sent by Sms"),
        ({"text": 5}, "strings"),
    ],
)
def test_a_reply_from_the_page_that_cannot_be_posted_is_explained(
    inbox: Inbox, fields: dict[str, Any], problem: str
) -> None:
    response = inbox.reply(**fields)
    assert response.status_code == 400
    assert problem in response.json()["error"]
    assert inbox.items() == []


@pytest.mark.parametrize("path", ["/inbox/reply", "/inbox/clear"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"{}"), ("application/x-www-form-urlencoded", b"{}"), (None, b"{}"), ("application/json", b""),
        ("application/json", b"[]"), ("application/json", b"["), ("application/json", b"[" * 60_000),
        ("application/json", b'{"a": "' + b"x" * 70_000 + b'"}'),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_a_write_from_the_page_must_be_a_json_object(
    inbox: Inbox, path: str, content_type: str | None, body: bytes
) -> None:
    inbox.send()
    headers = {"Content-Type": content_type} if content_type else {}
    response = inbox.page.post(path, content=body, headers=headers)
    assert response.status_code == 415
    assert "JSON object" in response.json()["error"]
    assert len(inbox.items()) == 1


def test_clear_from_the_page_forgets_everything(
    inbox: Inbox, callback_receiver: CallbackReceiver
) -> None:
    media_id = inbox.upload(PNG)
    inbox.send(notification=notification(("Email", "anna@example.ch")))
    inbox.send(to="+1")
    inbox.sandbox.reply("x", url=callback_receiver.url)
    inbox.sandbox.fail_next(500)
    inbox.sandbox.clock.advance(1)
    inbox.wait_for_notifications(2)
    assert inbox.page.post("/inbox/clear", json={}).status_code == 204
    assert inbox.items() == []
    assert (inbox.sandbox.messages, inbox.sandbox.notifications) == ([], [])
    assert inbox.page.get(f"/inbox/media/{media_id}").status_code == 404
    assert inbox.send().status_code == 200
    assert len(inbox.items()) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/inbox/reply", 405), ("GET", "/inbox/clear", 405), ("POST", "/inbox/items", 405),
        ("DELETE", "/inbox/items/x", 405), ("POST", "/", 405), ("GET", "/inbox/nothing", 404),
        ("GET", "/inbox/media/a/b", 404), ("GET", "/inbox/media/..%2f..%2fetc%2fpasswd", 404),
        ("HEAD", "/inbox/items", 200),
    ],
)  # fmt: skip
def test_other_requests_to_the_page_are_refused(
    inbox: Inbox, method: str, path: str, status: int
) -> None:
    url = httpx.URL(inbox.sandbox.url).copy_with(raw_path=path.encode())
    assert inbox.page.request(method, url).status_code == status


# --- the stream of changes


def test_the_stream_has_new_and_changed_items(
    inbox: Inbox, callback_receiver: CallbackReceiver
) -> None:
    stream = inbox.follow()
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["x-accel-buffering"] == "no"
    assert {name: stream.headers[name] for name in HEADERS} == HEADERS
    inbox.send()
    (item,) = stream.items()
    assert item == inbox.items()[0]
    for state, seconds in (("Sent", 0.1), ("Delivered", 0.1)):
        inbox.sandbox.clock.advance(seconds)
        assert stream.items() == [{**item, "state": state}]
    inbox.sandbox.reply("hi", url=callback_receiver.url)
    assert stream.items()[0]["kind"] == "inbound"
    inbox.send(to="+1")
    while (found := stream.items()[-1])["kind"] == "inbound":
        """The response to the reply came after the first look."""
    assert found["kind"] == "refused"


def test_several_streams_have_the_same_events(inbox: Inbox) -> None:
    streams = [inbox.follow() for _ in range(5)]
    inbox.send()
    assert [stream.items() for stream in streams] == [inbox.items()] * 5


def test_a_stream_continues_where_it_was(inbox: Inbox) -> None:
    version = inbox.version()
    for index in range(3):
        inbox.send(content={"type": "Text", "text": str(index)})
    for stream in (inbox.follow(since=version + 1), inbox.follow(since=0, last=version + 1)):
        assert [item["content"]["text"] for item in stream.items()] == ["1", "2"]


@pytest.mark.parametrize("since", [-1, 0, 10**14, 10**17])
def test_a_stream_from_an_unknown_version_is_reset(inbox: Inbox, since: int) -> None:
    inbox.send()
    stream = inbox.follow(since=since)
    assert stream.next() == ("reset", {})
    inbox.send()
    assert len(stream.items()) == 1


def test_a_stream_of_an_earlier_sandbox_is_reset(inbox: Inbox, open_inbox: OpenInbox) -> None:
    for _ in range(3):
        inbox.send()
    version = inbox.version()
    other = open_inbox()
    for _ in range(9):
        other.send()
    assert other.follow(since=version).next() == ("reset", {})


def test_a_stream_is_reset_by_clear(inbox: Inbox) -> None:
    inbox.send()
    stream = inbox.follow()
    inbox.sandbox.clear()
    assert stream.next() == ("reset", {})
    inbox.send()
    assert len(stream.items()) == 1


@pytest.mark.parametrize("limits", [Limits(items=10), Limits(journal=10)])
def test_a_stream_that_is_too_far_behind_is_reset(open_inbox: OpenInbox, limits: Limits) -> None:
    inbox = open_inbox(_limits=limits)
    inbox.sandbox.clock.freeze()
    version = inbox.version()
    inbox.send_list(*[SMS] * 11)
    assert inbox.follow(since=version).next() == ("reset", {})
    assert len(inbox.follow(since=version + 1).items()) == 10


def test_a_quiet_stream_has_a_heartbeat(open_inbox: OpenInbox) -> None:
    inbox = open_inbox(_limits=Limits(heartbeat=0.2))
    began = time.monotonic()
    stream = inbox.follow()
    for _ in range(2):
        assert stream.next() == ("", ": still here\n\n")
    assert 0.3 < time.monotonic() - began < 5


def test_a_stream_ends_when_its_client_disconnects(inbox: Inbox) -> None:
    streams = [inbox.follow() for _ in range(3)]
    assert len(inbox.sandbox._inbox._streams) == 3
    for stream in streams:
        stream.close()
    wait_until(lambda: not inbox.sandbox._inbox._streams)


def test_streams_end_with_the_sandbox_and_continue_after_a_start(open_inbox: OpenInbox) -> None:
    inbox = open_inbox(_limits=Limits(stop_timeout=20))
    streams = [inbox.follow() for _ in range(3)]
    version = inbox.version()
    began = time.monotonic()
    inbox.sandbox.stop()
    assert time.monotonic() - began < 10
    assert all(stream.has_ended() for stream in streams)
    for stream in streams:
        stream.close()
    gc.collect()  # a task or a generator that was left would warn
    inbox.sandbox.start()
    stream = inbox.follow(since=version)
    inbox.send()
    assert len(stream.items()) == 1


def test_the_sandbox_stops_while_a_reply_is_under_way(
    open_inbox: OpenInbox, callback_receiver: CallbackReceiver
) -> None:
    inbox = open_inbox(_limits=Limits(stop_timeout=0.1))

    def ask() -> None:
        with pytest.raises(httpx.TransportError):
            inbox.reply(url=f"{callback_receiver.url}/wait")

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: callback_receiver.calls)
    began = time.monotonic()
    inbox.sandbox.stop()
    assert time.monotonic() - began < 5
    callback_receiver.go.set()
    thread.join()


# --- files


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/inbox.css", "text/css; charset=utf-8"),
        ("/inbox.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
def test_the_files_of_the_page_are_served(inbox: Inbox, path: str, content_type: str) -> None:
    response = inbox.page.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, content_type)
    assert response.content


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_addresses_outside_the_api_lead_to_the_page_and_ask_for_no_password(
    inbox: Inbox, method: str
) -> None:
    for path, location in {
        "/inbox": "./", "/index.html": "./", "/inbox.html": "./", "/inbox/": "../", "/inbox/index.html": "../",
    }.items():  # fmt: skip
        response = inbox.page.request(method, path)
        assert (response.status_code, response.headers["location"]) == (307, location)
        assert httpx.URL(inbox.sandbox.url + path).join(location) == f"{inbox.sandbox.url}/"
    for path in ("/favicon.ico", "/robots.txt", "/inbox2", "/messages", "/apis"):
        response = inbox.page.request(method, path)
        assert response.status_code == 404
        assert "www-authenticate" not in response.headers
        if method == "GET":
            assert "The inbox is at /" in response.json()["error"]


@pytest.mark.parametrize("path", ["/api/", "/api/message/x", "/API/v2/message/x", "/api/x"])
def test_an_address_of_the_api_asks_for_a_password(inbox: Inbox, path: str) -> None:
    response = inbox.api.get(path, auth=None)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic")


def test_pictures_are_served_to_be_shown(inbox: Inbox) -> None:
    for data, content_type in (
        (PNG, "image/png"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "image/gif"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + b"\x00" * 50, "image/jpeg"),
    ):
        response = inbox.page.get(f"/inbox/media/{inbox.upload(data)}")
        assert (response.status_code, response.content) == (200, data)
        assert response.headers["content-type"] == content_type
        assert "content-disposition" not in response.headers


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><script>alert(1)</script></html>", b"<html><body onload=alert(1)>",
        b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b"alert(1)",
        b"#!/usr/bin/env node\nalert(1)", b"%PDF-1.4\n", b"PK\x03\x04", b"\x00", b"{}", b"GIF89",
    ],
    ids=lambda data: repr(data[:20]),
)  # fmt: skip
def test_files_that_could_run_something_are_downloads(inbox: Inbox, data: bytes) -> None:
    response = inbox.page.get(f"/inbox/media/{inbox.upload(data)}")
    assert (response.headers["content-type"], response.content) == (
        "application/octet-stream",
        data,
    )
    assert response.headers["content-disposition"].startswith("attachment")


def test_a_range_of_a_file_can_be_requested(inbox: Inbox) -> None:
    path = f"/inbox/media/{inbox.upload(PNG)}"
    response = inbox.page.get(path, headers={"Range": "bytes=1-3"})
    assert (response.status_code, response.content) == (206, b"PNG")
    assert inbox.page.get(path, headers={"Range": "bytes=999-"}).status_code == 416


def test_a_file_that_is_gone_gets_404(open_inbox: OpenInbox) -> None:
    inbox = open_inbox(max_media=1)
    first, second = inbox.upload(PNG), inbox.upload(PNG)
    inbox.send(channel="Rcs", content={"type": "Image", "mediaId": second})
    assert inbox.page.get(f"/inbox/media/{first}").status_code == 404
    path = inbox.sandbox._store.media.path(second)
    assert path
    path.unlink()  # as a cleaner of temporary files does
    assert inbox.page.get(f"/inbox/media/{second}").status_code == 404
    assert inbox.items()[0]["media"]["kept"] is False
