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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from ecall_facade.sandbox import Sandbox, _app, _inbox, _recorded, _server, _store

pytestmark = pytest.mark.once

TEXT = {"type": "Text", "text": "Grüezi"}
SMS = {"channel": "Sms", "from": "ACME", "to": "+41791234567", "content": TEXT}
USERNAME, PASSWORD = "acme-api", "sesame-open-481516"
TOKEN = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
HARDENED = {
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


class Box:
    """A sandbox, with a client that has the credentials and one that, like a browser, has none."""

    def __init__(self, **options: Any) -> None:
        self.sandbox = Sandbox(username=USERNAME, password=PASSWORD, **options).start()
        # No certificates are loaded, which takes longer than all the rest.
        options = {"base_url": self.sandbox.url, "trust_env": False, "verify": False}
        self.api = httpx.Client(auth=(USERNAME, PASSWORD), **options)
        self.page = httpx.Client(event_hooks={"response": [hold_against_rules]}, **options)
        self._streams: list[Stream] = []

    def close(self) -> None:
        for stream in self._streams:  # of a test that failed; what it left open would fail others
            stream.close()
        self.api.close()
        self.page.close()
        self.sandbox.stop()

    def send(self, path: str = "message", **changes: Any) -> httpx.Response:
        return self.api.post(f"/api/v2/{path}", json={**SMS, **changes})

    def post(
        self, body: bytes, path: str = "message", content_type: str = "application/json"
    ) -> httpx.Response:
        return self.api.post(
            f"/api/v2/{path}", content=body, headers={"Content-Type": content_type}
        )

    def upload(self, data: bytes) -> str:
        return str(self.post(data, "media", "application/octet-stream").json()["mediaId"])

    def items(self) -> list[Any]:
        items = self.page.get("/inbox/items").json()["items"]
        assert isinstance(items, list)
        return items

    def detail(self, key: str) -> Any:
        answer = self.page.get(f"/inbox/items/{key}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def follow(self, since: int | None = None, last: int | None = None) -> Stream:
        version = self.page.get("/inbox/items").json()["version"] if since is None else since
        self._streams.append(Stream(self.sandbox, version, last))
        return self._streams[-1]


def hold_against_rules(response: httpx.Response) -> None:
    assert {name: response.headers[name] for name in HARDENED} == HARDENED
    assert response.headers["x-ecall-sandbox"].startswith("simulated")
    if (
        response.headers.get("content-type") == "application/json"
        and response.request.method != "HEAD"
    ):
        response.read()
        json.loads(response.content, parse_constant=pytest.fail)  # a browser knows no NaN
        response.content.decode("ascii")


class Stream:
    """Follows the events over a bare socket."""

    def __init__(self, sandbox: Sandbox, since: int, last: int | None) -> None:
        self._sock = socket.create_connection(
            ("127.0.0.1", httpx.URL(sandbox.url).port or 0), timeout=5
        )
        header = "" if last is None else f"Last-Event-ID: {last}\r\n"
        self._sock.sendall(
            f"GET /inbox/events?since={since} HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n".encode()
        )
        self._file = self._sock.makefile("rb")
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

    def next(self) -> tuple[str, str, Any]:
        """Give the next event: name, id, data; a comment is one without a name."""
        chunk = self._chunk()
        assert chunk.endswith("\n\n")
        if chunk.startswith(":"):
            return "", "", chunk
        assert chunk.count("\n") == 4  # three lines, and an empty one
        fields = dict(line.split(": ", 1) for line in chunk.strip("\n").split("\n"))
        return fields["event"], fields["id"], json.loads(fields["data"], parse_constant=pytest.fail)

    def items(self) -> list[Any]:
        name, version, data = self.next()
        assert name == "items"
        assert int(version) == data["version"]
        return list(data["items"])

    def has_ended(self) -> bool:
        return self._file.read() == b""

    def close(self) -> None:
        self._file.close()
        self._sock.close()


@pytest.fixture
def open_box() -> Iterator[Callable[..., Box]]:
    boxes: list[Box] = []

    def open_box(**options: Any) -> Box:
        boxes.append(Box(**options))
        return boxes[-1]

    yield open_box
    for box in boxes:
        box.close()


@pytest.fixture
def box(open_box: Callable[..., Box]) -> Box:
    box = open_box()
    box.sandbox.clock.freeze()
    return box


class Receiver(ThreadingHTTPServer):
    """The program that is being built: answers what its path says, and remembers what came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[Any] = []
        self.go = threading.Event()  # until then, /hang hangs
        self.url = f"http://anna:{PASSWORD}@127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        self.server.calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.path == "/drop":
            return
        if self.path == "/hang":
            self.server.go.wait(10)
        self.send_response(500 if self.path == "/500" else 200)
        self.send_header("Content-Length", "9")
        self.end_headers()
        self.wfile.write(b"<b>ok</b>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.go.set()
        server.shutdown()
        thread.join()


class TestMessages:
    def test_an_item_has_what_the_page_shows_of_a_message(self, box: Box) -> None:
        answer = box.send(to="0041791234567")
        (message,) = box.sandbox.messages
        asked = box.page.get("/inbox/items").json()
        assert asked["items"] == [
            {
                "key": f"message:{message.id}",
                "kind": "message",
                "id": message.id,
                "number": "+41791234567",
                "sender": "ACME",
                "channel": "Sms",
                "at": answer.json()["timestamp"],
                "state": "Pending",
                "error": None,
                "request_id": answer.headers["x-f24-request-id"],
                "list_id": None,
                "content": TEXT,
                "pages": 1,
                "encoding": "GSM-7",
                "media": None,
            }
        ]
        assert asked["status"] == {
            "messages": 1,
            "dropped": 0,
            "shown": 2000,
            "limits": {"messages": 100_000, "media": 1000, "requests": 2000},
            "inbound_url": None,
            "any_credentials": False,
            "version": asked["status"]["version"],
        }

    def test_only_an_sms_has_pages(self, box: Box) -> None:
        media_id = box.upload(PNG)
        box.send(
            channel="Whatsapp",
            **{"from": "+41791000001"},
            content={"type": "Image", "MEDIAID": media_id},
        )
        box.send(channel="Rcs")
        box.send(content={"type": "Text", "text": "ж" * 71})
        image, text, sms = box.items()
        assert (
            (image["pages"], image["encoding"]) == (text["pages"], text["encoding"]) == (None, None)
        )
        assert image["content"] == {"type": "Image", "mediaId": media_id}
        assert image["media"] == {"content_type": "image/png", "size": len(PNG), "kept": True}
        assert (sms["pages"], sms["encoding"]) == (2, "UCS-2")

    def test_an_item_says_that_its_file_was_dropped(self, open_box: Callable[..., Box]) -> None:
        box = open_box(max_media=1)
        media_id = box.upload(PNG)
        box.send(channel="Rcs", content={"type": "Document", "mediaId": media_id})
        box.upload(b"other")
        assert box.items()[0]["media"] == {
            "content_type": "application/octet-stream",
            "size": 0,
            "kept": False,
        }

    def test_the_details_of_a_message_have_its_request_and_response(self, box: Box) -> None:
        list_id = box.api.post("/api/v2/messagelist?a=b", json={"messages": [SMS, SMS]}).json()[
            "messageListId"
        ]
        box.sandbox.clock.advance(1)
        item = box.items()[0]
        assert item["list_id"] == list_id
        detail = box.detail(item["key"])
        assert detail["item"] == item
        assert [change["state"] for change in detail["history"]] == ["Pending", "Sent", "Delivered"]
        assert detail["history"][0]["at"] == item["at"] < detail["history"][2]["at"]
        assert detail["notifications"] == []
        request, answer = detail["request"], detail["response"]
        assert (request["method"], request["path"]) == ("POST", "/api/v2/messagelist?a=b")
        assert json.loads(request["body"]) == {"messages": [SMS, SMS]}
        assert not request["body_cut"]
        assert ["content-type", "application/json"] in request["headers"]
        assert (answer["status"], answer["note"]) == (200, None)
        assert json.loads(answer["body"])["messageListId"] == list_id
        assert ["x-f24-request-id", item["request_id"]] in answer["headers"]

    def test_the_details_of_a_message_have_its_notifications(self, box: Box) -> None:
        addresses = [
            {"type": "Email", "address": "//[@x"},
            {"type": "UrlPost", "address": "http://a:b@192.0.2.1/x"},
        ]
        box.send(notification={"addresses": addresses, "forEvent": "FinalOnly"})
        box.sandbox.clock.advance(1)
        deadline = time.monotonic() + 5
        while len(box.sandbox.notifications) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        detail = box.detail(box.items()[0]["key"])
        assert [(each["address"], each["outcome"]) for each in detail["notifications"]] == [
            ("//[@x", "recorded"),
            ("http://192.0.2.1/x", "skipped"),
        ]

    def test_the_details_name_the_fault_of_the_response(self, box: Box) -> None:
        box.send(to="+41790000502")
        with pytest.raises(httpx.TransportError):
            box.send(to="+41790000902")
        proxy, dropped = (box.detail(item["key"])["response"] for item in box.items())
        assert (proxy["status"], proxy["body"][:6]) == (502, "<html>")
        assert "the message was accepted" in proxy["note"]
        assert dropped == {
            "status": None,
            "headers": [],
            "body": "",
            "note": "the connection was dropped; the message was accepted",
        }

    def test_items_of_all_kinds_are_in_order(self, box: Box, receiver: Receiver) -> None:
        for step in range(3):
            box.send(content={"type": "Text", "text": str(step)})
            box.sandbox.clock.advance(0.002)
            box.send(to="nobody")
            box.sandbox.clock.advance(0.002)
            box.sandbox.reply("hi", url=receiver.url)
            box.sandbox.clock.advance(0.002)
        items = box.items()
        assert [item["kind"] for item in items] == ["message", "refused", "inbound"] * 3
        assert [item["at"] for item in items] == sorted(item["at"] for item in items)

    def test_only_the_newest_items_are_shown(
        self, open_box: Callable[..., Box], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_inbox, "SHOWN", 3)
        box = open_box(max_messages=5)
        for index in range(7):
            box.send(content={"type": "Text", "text": str(index)})
        asked = box.page.get("/inbox/items").json()
        assert [item["content"]["text"] for item in asked["items"]] == ["4", "5", "6"]
        assert (
            asked["status"]["messages"],
            asked["status"]["dropped"],
            asked["status"]["shown"],
        ) == (5, 2, 3)

    @pytest.mark.parametrize(
        "key", ["message:x", "refused:x", "refused:", "inbound:x", "request:x", "x", ":", "a/b"]
    )
    def test_the_details_of_an_unknown_key_are_answered_with_404(self, box: Box, key: str) -> None:
        answer = box.page.get(f"/inbox/items/{key}")
        assert answer.status_code == 404
        assert "no longer exists" in answer.json()["error"]

    def test_a_recorded_request_is_no_item(self, box: Box) -> None:
        request_id = box.send().headers["x-f24-request-id"]
        for kind in ("exchange", "refused"):
            assert box.page.get(f"/inbox/items/{kind}:{request_id}").status_code == 404


class TestRefused:
    def test_an_item_has_what_the_page_shows_of_a_refusal(self, box: Box) -> None:
        answer = box.send(to="0041791")
        (item,) = box.items()
        assert item.pop("at")
        assert item == {
            "key": f"refused:{answer.headers['x-f24-request-id']}",
            "kind": "refused",
            "number": "+41791",
            "others": 0,
            "channel": "Sms",
            "sender": "ACME",
            "content": TEXT,
            "status": 400,
            "reason": "InvalidContent · The request is not valid. · To: The number 0041791 is an invalid receiver: "
            "it is too short.",
            "request_id": answer.headers["x-f24-request-id"],
            "pages": 1,
            "encoding": "GSM-7",
            "media": None,
        }
        detail = box.detail(item["key"])
        assert detail["item"].items() >= item.items()
        assert (detail["history"], detail["notifications"]) == ([], [])
        assert (detail["response"]["status"], json.loads(detail["request"]["body"])["to"]) == (
            400,
            "0041791",
        )

    def test_a_refused_broadcast_names_its_first_recipient(self, box: Box) -> None:
        to_list = [
            {"type": "Number", "address": number}
            for number in ("+41791", "+41781234567", "+41782345678")
        ]
        box.send(to=None, toList=to_list)
        (item,) = box.items()
        assert (item["number"], item["others"]) == ("+41791", 2)

    def test_each_refused_message_of_a_list_is_shown(self, box: Box) -> None:
        bad = {**SMS, "to": None, "TOLIST": [{"type": "Number", "address": "+41791"}] * 2}
        answer = box.send("messagelist", messages=[SMS, {**SMS, "to": "+1"}, bad, 7, {}])
        request_id = answer.headers["x-f24-request-id"]
        message, *refused = box.items()
        assert message["kind"] == "message"
        assert [item["key"] for item in refused] == [
            f"refused:{request_id}:{place}" for place in (1, 2, 3, 4)
        ]
        assert [(item["number"], item["others"]) for item in refused] == [
            ("+1", 0),
            ("+41791", 1),
            ("", 0),
            ("", 0),
        ]
        assert {item["status"] for item in refused} == {None}
        assert "To: The number +1 is an invalid receiver" in refused[0]["reason"]
        for item in refused:
            assert box.detail(item["key"])["item"] == item
            assert box.detail(item["key"])["response"]["status"] == 200

    def test_refusals_of_a_large_list_are_shown(self, box: Box) -> None:
        box.send("messagelist", messages=[{**SMS, "to": "+1"}] * 1_000)
        items = box.items()
        assert len(items) == _recorded.MAX_REFUSED
        assert sum(1 + item["others"] for item in items) == 1_000
        assert box.detail(items[0]["key"])["request"]["body_cut"]
        assert box.detail(items[0]["key"])["curl"] is None

    def test_a_refused_list_is_one_item(self, box: Box) -> None:
        box.send("messagelist", messages=[SMS, SMS, SMS], notification=1)
        (item,) = box.items()
        assert (item["number"], item["others"], item["status"]) == ("+41791234567", 2, 400)

    def test_a_send_that_a_fault_prevented_is_shown_as_refused(self, box: Box) -> None:
        box.sandbox.fail_next(500, message="out of order")
        box.send()
        with pytest.raises(httpx.TransportError):
            box.send(to="+41790000901")
        box.send(to="+41790000403")
        found = [(item["number"], item["status"], item["reason"]) for item in box.items()]
        assert found == [
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
        self, box: Box, path: str, headers: dict[str, str], status: int
    ) -> None:
        with httpx.Client(base_url=box.sandbox.url, trust_env=False, verify=False) as client:
            credentials = {"Authorization": f"Basic {TOKEN}"}
            answer = client.post(path, json=SMS, headers={**credentials, **headers})
        assert answer.status_code == status
        (item,) = box.items()
        assert (item["number"], item["content"], item["status"]) == ("+41791234567", TEXT, status)
        assert json.loads(box.detail(item["key"])["request"]["body"]) == SMS

    def test_a_body_that_never_comes_holds_nobody_up(
        self, box: Box, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_app, "UNREAD_TIMEOUT", 0.05)
        with socket.create_connection(
            ("127.0.0.1", httpx.URL(box.sandbox.url).port or 0), timeout=5
        ) as sock:
            sock.sendall(
                b"POST /api/message HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
            )
            assert sock.recv(100).startswith(b"HTTP/1.1 401")
        (item,) = box.items()
        assert box.detail(item["key"])["request"]["body_cut"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe\x00",
            b"[]",
            b'"text"',
            b'{"from": "\\ud800"}',
            b'{"to": "\\ud800", "content": {"text": "\\udfff"}}',
            b'{"to": NaN}',
            b'{"channel": 1, "from": [], "to": {"a": 1}, "toList": "x", "content": {"text": 5, "mediaId": []}}',
            b'{"toList": [null, {"address": 5}, {"address": "+41791"}], "content": []}',
            b'{"content": {"type": "Text", "text": "x", "more": 1e999}}',
            b'{"messages": {"a": 1}}',
            '{"to": "\u2028\r\n", "content": {"text": "</script>\u2029data: x\\n\\nevent: y"}}'.encode(),
            b"[" * 100_000,
            b'{"content":' * 900 + b"1" + b"}" * 900,
            b'{"a": ' + b"9" * 5_000 + b"}",
            b'{"to": "' + b"x" * 100_000 + b'"}',
            b'{"content": {"text": "' + b"x" * 2**20 + b'"}}',
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_a_refused_request_may_have_any_body(self, box: Box, body: bytes) -> None:
        stream = box.follow()
        for path in ("message", "messagelist"):
            assert box.post(body, path).status_code == 400
            (item,) = stream.items()
            assert item == box.items()[-1]
            detail = box.detail(item["key"])
            assert detail["item"] == item
            assert detail["request"]["body"] == body[: _recorded.CUT].decode(errors="replace")
            assert detail["request"]["body_cut"] is (len(body) > _recorded.CUT)
        stream.close()

    @pytest.mark.parametrize("extra", [1e999, [1, {"a": -1e999}]])
    def test_numbers_that_json_cannot_express_are_shown_as_text(self, box: Box, extra: Any) -> None:
        stream = box.follow()
        text = json.dumps({**SMS, "content": {**TEXT, "extra": extra}}).replace("Infinity", "1e999")
        assert box.post(text.encode()).status_code == 200
        assert box.post(b'{"messages": [' + text.encode() + b"]}", "messagelist").status_code == 200
        for item in [*box.items(), *stream.items()]:
            assert str(item["content"]["extra"]).count("inf") == 1
        stream.close()

    def test_deeply_nested_messages_are_shown(self, box: Box) -> None:
        def is_taken(depth: int) -> bool:
            nested = b'{"a":' * depth + b"1" + b"}" * depth
            body = json.dumps({**SMS, "content": {**TEXT, "extra": 0}}).encode()
            return box.post(body.replace(b'"extra": 0', b'"extra": ' + nested)).status_code == 200

        low, high = 60, 5_000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_taken(middle) else (low, middle)
        box.sandbox.clear()
        stream = box.follow()
        for depth in range(low - 20, low + 1):  # the page's side has less room on the stack
            assert is_taken(depth)
        assert len(box.items()) == 21
        seen: set[str] = set()
        while len(seen) < 21:
            seen |= {item["key"] for item in stream.items()}
        for key in seen:
            assert box.detail(key)["item"]["kind"] == "message"
        stream.close()

    def test_a_refused_request_of_16_mb_is_kept_only_in_part(self, box: Box) -> None:
        for size in (2**24 - 100, 2**24 + 100):
            body = b'{"to": "+41791", "content": {"text": "' + b"x" * size + b'"}}'
            assert box.post(body).status_code in {400, 413}
        assert box.sandbox._store._request_bytes < 500_000
        assert [box.detail(item["key"])["request"]["body_cut"] for item in box.items()] == [
            True,
            True,
        ]

    def test_a_refused_upload_is_no_item(self, box: Box) -> None:
        form = "multipart/form-data; boundary=x"
        assert box.post(b"x", "media", form).status_code == 415
        assert box.items() == []


class TestBounds:
    def test_recorded_requests_are_bounded_in_number_and_size(
        self, open_box: Callable[..., Box], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_store, "KEPT_BYTES", 300_000)
        box = open_box()
        first = box.send().headers["x-f24-request-id"]
        for _ in range(10):
            box.post(b'{"content": {"text": "' + b"x" * 40_000 + b'"}}')
        store = box.sandbox._store
        assert store._request_bytes <= 300_000
        assert store._request_bytes == sum(each.weight for each in store._requests.values())
        assert 2 <= len(box.items()) < 10
        detail = box.detail(f"message:{box.sandbox.messages[0].id}")
        assert box.sandbox.messages[0].request_id == first
        assert (detail["request"], detail["response"], detail["curl"]) == (None, None, None)
        monkeypatch.setattr(_store, "KEPT", 1)
        box.send(to="+1")
        assert len(store._requests) == 1

    def test_headers_of_recorded_requests_count_as_size(self, box: Box) -> None:
        box.api.post("/api/message", json={}, headers={"X-Long": "x" * 30_000})
        assert box.sandbox._store._request_bytes > 30_000

    def test_lists_are_dropped_with_their_messages(self, open_box: Callable[..., Box]) -> None:
        box = open_box(max_messages=10)
        ids = [
            box.send("messagelist", messages=[SMS] * 4).json()["messageListId"] for _ in range(5)
        ]
        found = [box.api.get(f"/api/messagelist/{list_id}").status_code for list_id in ids]
        assert found == [404, 404, 404, 200, 200]
        big = box.send("messagelist", messages=[SMS] * 20).json()["messageListId"]
        assert len(box.api.get(f"/api/messagelist/{big}").json()["messages"]) == 10
        assert len(box.sandbox._store._lists) == 1

    def test_steps_of_dropped_messages_are_removed_from_the_queue(
        self, open_box: Callable[..., Box]
    ) -> None:
        box = open_box(max_messages=10)
        box.sandbox.clock.freeze()
        for _ in range(15):
            box.send("messagelist", messages=[SMS] * 100)
        assert len(box.sandbox._store._queue) <= 1_020
        box.sandbox.clock.advance(1)
        assert {message.state for message in box.sandbox.messages} == {"Delivered"}

    def test_inbound_messages_are_bounded_in_number(
        self, open_box: Callable[..., Box], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_store, "MAX_INBOUND", 2)
        box = open_box(inbound_url=receiver.url)
        for text in "abc":
            box.sandbox.reply(text, sender="+41791234567")
        assert [item["content"]["text"] for item in box.items()] == ["b", "c"]


class TestCurl:
    @pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
    @pytest.mark.parametrize("path", ["/api/v2/message", "/api/message?x=%20'"])
    def test_the_curl_line_sends_the_message_again(self, box: Box, path: str) -> None:
        text = 'It\'s $HOME `id` "$(id)" !! \\ @x\n%20 €ж🎁'
        body = json.dumps(
            {**SMS, "content": {"type": "Text", "text": text}}, ensure_ascii=False, indent=1
        )
        headers = {"Content-Type": "application/json; charset=utf-8", "X-API-Version": "2"}
        assert box.api.post(path, content=body.encode(), headers=headers).status_code == 200
        line = box.detail(box.items()[0]["key"])["curl"]
        assert PASSWORD not in line
        environment = {
            **os.environ,
            "ECALL_USERNAME": USERNAME,
            "ECALL_PASSWORD": PASSWORD,
            "no_proxy": "*",
        }
        done = subprocess.run(
            ["sh", "-c", line], env=environment, capture_output=True, check=True, timeout=30
        )
        assert json.loads(done.stdout).keys() == {"messageId", "timestamp"}
        first, second = box.sandbox.messages
        assert first.raw == second.raw
        assert second.text == text
        assert second.id == json.loads(done.stdout)["messageId"]

    @pytest.mark.parametrize(
        ("base_url", "quoted"),
        [
            (
                "https://mailbox.test/tools/sandbox",
                "https://mailbox.test/tools/sandbox/api/v2/message",
            ),
            ("https://a'; rm x", "'https://a'\"'\"'; rm x/api/v2/message'"),
        ],
    )
    def test_the_curl_line_has_the_address_that_the_page_was_reached_at(
        self, box: Box, base_url: str, quoted: str
    ) -> None:
        box.send()
        answer = box.page.get(
            f"/inbox/items/{box.items()[0]['key']}", params={"base_url": base_url}
        )
        assert answer.json()["curl"].endswith(f" {quoted}")

    def test_the_curl_line_reads_no_file(self, box: Box) -> None:
        box.post(b"@/etc/hostname")
        line = box.detail(box.items()[0]["key"])["curl"]
        assert " --data-raw @/etc/hostname " in line

    @pytest.mark.parametrize("body", [b"\xff", b'{"a": "\0"}', b'{"to": "' + b"x" * 70_000 + b'"}'])
    def test_there_is_no_curl_line_for_a_body_it_could_not_repeat(
        self, box: Box, body: bytes
    ) -> None:
        box.post(body)
        assert box.detail(box.items()[0]["key"])["curl"] is None


class TestSecrets:
    def test_no_response_of_the_page_has_a_password(
        self, open_box: Callable[..., Box], receiver: Receiver
    ) -> None:
        box = open_box(inbound_url=f"{receiver.url}/inbound", callback_url=f"{receiver.url}/told")
        stream = box.follow(since=0)
        address = f"http:\\/\\/anna:{PASSWORD}@127.0.0.1:{receiver.server_port}/"
        for to in ("+41791234567", "+4179"):
            body = json.dumps(
                {
                    **SMS,
                    "to": to,
                    "notification": {"Addresses": [{"type": "UrlPost", "ADDRESS": "…"}]},
                }
            ).replace(json.dumps("…"), f'"{address}"')
            box.api.post("/api/message", content=body.encode(), headers={
                "Content-Type": "application/json", "Cookie": PASSWORD, "Proxy-Authorization": PASSWORD,
            })  # fmt: skip
        assert len(box.sandbox.messages) == 1
        box.sandbox.reply("hi")
        box.page.post(
            "/inbox/reply",
            json={"number": "+41791234567", "text": "x", "url": f"{receiver.url}/drop"},
        )
        deadline = time.monotonic() + 5
        while len(box.sandbox.notifications) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        items = box.items()
        assert [item["kind"] for item in items] == ["message", "refused", "inbound", "inbound"]
        answers = [
            box.page.get("/inbox/items").text,
            *(box.page.get(f"/inbox/items/{item['key']}").text for item in items),
        ]
        answers.append(str([stream.next() for _ in range(2)]))
        told = json.loads(answers[1])["notifications"]
        assert {
            each["address"].removeprefix(f"http://127.0.0.1:{receiver.server_port}")
            for each in told
        } == {
            "/told",
            "/",
        }
        assert items[2]["url"] == f"http://127.0.0.1:{receiver.server_port}/inbound"
        for answer in answers:
            assert answer
            for secret in (PASSWORD, "anna", TOKEN, "authorization", "cookie"):
                assert secret not in answer.lower() or secret not in answer
        assert f"{address.partition('anna')[0]}...@127" in json.loads(answers[1])["request"]["body"]
        stream.close()


class TestReplies:
    def test_a_reply_from_the_page_is_posted_and_shown(
        self, open_box: Callable[..., Box], receiver: Receiver
    ) -> None:
        box = open_box(inbound_url=f"{receiver.url}/inbound")
        media_id = box.upload(PNG)
        answer = box.page.post(
            "/inbox/reply", json={"number": "+41791234567", "channel": "Sms", "text": "Ja, 🎁"}
        ).json()
        (item,) = box.items()
        assert item.pop("at") == receiver.calls[0]["timestamp"]
        assert answer == {"key": item["key"], "status": 200, "body": "<b>ok</b>", "reason": None}
        assert item == {
            "key": f"inbound:{item['id']}",
            "kind": "inbound",
            "id": receiver.calls[0]["messageId"],
            "number": "+41791234567",
            "sender": "Sandbox",
            "channel": "Sms",
            "content": {"type": "Text", "text": "Ja, 🎁"},
            "media": None,
            "url": f"http://127.0.0.1:{receiver.server_port}/inbound",
            "answer": {"status": 200, "body": "<b>ok</b>", "reason": None},
        }
        detail = box.detail(item["key"])
        assert detail["item"]["id"] == item["id"]
        assert (detail["request"], detail["response"], detail["curl"], detail["history"]) == (
            None,
            None,
            None,
            [],
        )
        asked = {
            "number": "0041791234567",
            "channel": "Whatsapp",
            "text": "",
            "media_id": media_id,
            "to": "",
            "url": "",
        }
        assert box.page.post("/inbox/reply", json=asked).json()["status"] == 200
        shown = box.items()[1]
        assert (shown["number"], shown["sender"], shown["media"]["size"]) == (
            "+41791234567",
            "+41791234567",
            len(PNG),
        )

    @pytest.mark.parametrize(
        ("path", "status", "reason"), [("/500", 500, None), ("/drop", None, "did not answer")]
    )
    def test_a_reply_that_failed_says_why(
        self, box: Box, receiver: Receiver, path: str, status: int | None, reason: str | None
    ) -> None:
        asked = {
            "number": "+41791234567",
            "channel": "Sms",
            "text": "x",
            "url": receiver.url + path,
        }
        answer = box.page.post("/inbox/reply", json=asked)
        assert answer.status_code == 200
        assert answer.json()["status"] == status
        assert (reason or "") in (answer.json()["reason"] or "")
        assert box.items()[0]["answer"] == {
            name: answer.json()[name] for name in ("status", "body", "reason")
        }

    def test_a_reply_is_shown_while_it_is_under_way(self, box: Box, receiver: Receiver) -> None:
        stream = box.follow()
        asked = {
            "number": "+41791234567",
            "channel": "Sms",
            "text": "x",
            "url": f"{receiver.url}/hang",
        }
        thread = threading.Thread(
            target=box.page.post, args=("/inbox/reply",), kwargs={"json": asked}
        )
        thread.start()
        (before,) = stream.items()
        receiver.go.set()
        (after,) = stream.items()
        thread.join()
        assert before["answer"] is None
        assert after == {**before, "answer": {"status": 200, "body": "<b>ok</b>", "reason": None}}
        stream.close()

    @pytest.mark.parametrize(
        ("asked", "problem"),
        [
            ({}, "No URL to post the reply to"),
            ({"url": "http://app.example/"}, "app.example is not this machine"),
            ({"url": "ftp://127.0.0.1/"}, "http://… or https://…"),
            ({"url": "http://127.0.0.1:9/", "text": ""}, "a text, a media_id or both"),
            ({"url": "http://127.0.0.1:9/", "channel": "sms"}, "Rcs, Sms, Whatsapp"),
            ({"url": "http://127.0.0.1:9/", "number": None}, "No message was sent by Sms"),
            ({"url": "http://127.0.0.1:9/", "media_id": "m-1"}, "There is no file"),
            ({"url": "http://127.0.0.1:9/", "text": "\ud800"}, "unpaired surrogate"),
            ({"text": 5}, "strings"),
        ],
    )
    def test_a_reply_from_the_page_that_cannot_be_posted_is_explained(
        self, box: Box, asked: dict[str, Any], problem: str
    ) -> None:
        body = json.dumps({"number": "+41791234567", "channel": "Sms", "text": "x", **asked})
        answer = box.page.post(
            "/inbox/reply", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 400
        assert problem in answer.json()["error"]
        assert box.items() == []


class TestWrites:
    @pytest.mark.parametrize("path", ["/inbox/reply", "/inbox/clear"])
    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("text/plain", b"{}"),
            ("application/x-www-form-urlencoded", b"{}"),
            (None, b"{}"),
            ("application/json", b""),
            ("application/json", b"[]"),
            ("application/json", b"["),
            ("application/json", b"[" * 60_000),
            ("application/json", b'{"a": "' + b"x" * 70_000 + b'"}'),
        ],
    )
    def test_a_write_of_the_page_must_be_a_json_object(
        self, box: Box, path: str, content_type: str | None, body: bytes
    ) -> None:
        box.send()
        answer = box.page.post(
            path, content=body, headers={"Content-Type": content_type} if content_type else {}
        )
        assert answer.status_code == 415
        assert "JSON object" in answer.json()["error"]
        assert len(box.items()) == 1

    def test_clear_from_the_page_forgets_everything(self, box: Box, receiver: Receiver) -> None:
        media_id = box.upload(PNG)
        box.send(notification={"addresses": [{"type": "Email", "address": "anna@example.ch"}]})
        list_id = box.send("messagelist", messages=[SMS, {}]).json()["messageListId"]
        box.send(to="+1")
        box.sandbox.reply("x", url=receiver.url)
        box.sandbox.fail_next(500)
        box.sandbox.clock.advance(1)
        deadline = time.monotonic() + 5
        while len(box.sandbox.notifications) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        message_id = box.sandbox.messages[0].id
        assert box.page.post("/inbox/clear", json={}).status_code == 204
        assert box.items() == []
        assert (box.sandbox.messages, box.sandbox.notifications) == ([], [])
        for path in (f"message/{message_id}", f"messagelist/{list_id}", f"media/{media_id}"):
            assert box.api.get(f"/api/{path}").status_code == 404
        assert box.page.get(f"/inbox/media/{media_id}").status_code == 404
        assert box.sandbox._store._folder is not None
        assert not list(box.sandbox._store._folder.iterdir())
        assert box.send().status_code == 200
        assert len(box.items()) == 1

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/inbox/reply", 405),
            ("GET", "/inbox/clear", 405),
            ("POST", "/inbox/items", 405),
            ("DELETE", "/inbox/items/x", 405),
            ("POST", "/", 405),
            ("GET", "/inbox/nothing", 404),
            ("GET", "/inbox/media/a/b", 404),
            ("GET", "/inbox/media/..%2f..%2fetc%2fpasswd", 404),
            ("HEAD", "/inbox/items", 200),
        ],
    )
    def test_other_requests_to_the_page_are_refused(
        self, box: Box, method: str, path: str, status: int
    ) -> None:
        url = httpx.URL(box.sandbox.url).copy_with(raw_path=path.encode())
        assert box.page.request(method, url).status_code == status

    def test_an_unexpected_error_of_the_page_is_answered_and_logged(
        self, box: Box, caplog: pytest.LogCaptureFixture
    ) -> None:
        box.sandbox._store.newest_of_all = None  # type: ignore[method-assign,assignment]
        answer = box.page.get("/inbox/items")
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": "Unexpected error in the sandbox; see its log."},
        )
        assert [record.name for record in caplog.records if record.levelname == "ERROR"] == [
            "ecall_facade.sandbox"
        ]


class TestEvents:
    def test_the_stream_has_new_and_changed_items(self, box: Box, receiver: Receiver) -> None:
        stream = box.follow()
        assert stream.headers["content-type"] == "text/event-stream"
        assert {name: stream.headers[name] for name in HARDENED} == HARDENED
        box.send()
        (item,) = stream.items()
        assert item == box.items()[0]
        for state, seconds in (("Sent", 0.1), ("Delivered", 0.1)):
            box.sandbox.clock.advance(seconds)
            assert stream.items() == [{**item, "state": state}]
        box.sandbox.reply("hi", url=receiver.url)
        assert stream.items()[0]["kind"] == "inbound"
        box.send(to="+1")
        while (found := stream.items()[-1])["kind"] == "inbound":
            """Its answer came after the first look."""
        assert found["kind"] == "refused"
        stream.close()

    def test_several_streams_have_the_same_events(self, box: Box) -> None:
        streams = [box.follow() for _ in range(5)]
        box.send()
        found = [stream.items() for stream in streams]
        assert found == [box.items()] * 5
        for stream in streams:
            stream.close()

    def test_a_stream_continues_where_it_was(self, box: Box) -> None:
        version = box.page.get("/inbox/items").json()["version"]
        for index in range(3):
            box.send(content={"type": "Text", "text": str(index)})
        for stream in (box.follow(since=version + 1), box.follow(since=0, last=version + 1)):
            assert [item["content"]["text"] for item in stream.items()] == ["1", "2"]
            stream.close()

    @pytest.mark.parametrize("since", [-1, 0, 10**14, 10**17])
    def test_a_stream_from_an_unknown_version_is_reset(self, box: Box, since: int) -> None:
        box.send()
        stream = box.follow(since=since)
        assert stream.next()[::2] == ("reset", {})
        box.send()
        assert len(stream.items()) == 1
        stream.close()

    def test_a_stream_of_an_earlier_sandbox_is_reset(
        self, box: Box, open_box: Callable[..., Box]
    ) -> None:
        for _ in range(3):
            box.send()
        version = box.page.get("/inbox/items").json()["version"]
        other = open_box()
        for _ in range(9):
            other.send()
        stream = other.follow(since=version)
        assert stream.next()[0] == "reset"
        stream.close()

    def test_a_stream_is_reset_by_clear(self, box: Box) -> None:
        box.send()
        stream = box.follow()
        box.sandbox.clear()
        assert stream.next()[0] == "reset"
        box.send()
        assert len(stream.items()) == 1
        stream.close()

    @pytest.mark.parametrize(("module", "name"), [(_store, "JOURNAL"), (_inbox, "SHOWN")])
    def test_a_stream_that_is_too_far_behind_is_reset(
        self, open_box: Callable[..., Box], monkeypatch: pytest.MonkeyPatch, module: Any, name: str
    ) -> None:
        monkeypatch.setattr(module, name, 10)
        box = open_box()
        box.sandbox.clock.freeze()
        version = box.page.get("/inbox/items").json()["version"]
        box.send("messagelist", messages=[SMS] * 11)
        stream = box.follow(since=version)
        name, now, _ = stream.next()
        assert (name, int(now)) == ("reset", version + 11)
        stream.close()
        stream = box.follow(since=version + 1)
        assert len(stream.items()) == 10
        stream.close()

    def test_a_stream_has_a_heartbeat(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_inbox, "HEARTBEAT", 0.2)
        began = time.monotonic()
        stream = box.follow()
        for _ in range(2):
            assert stream.next() == ("", "", ": still here\n\n")
        assert 0.3 < time.monotonic() - began < 3
        stream.close()

    def test_a_stream_ends_when_its_client_disconnects(self, box: Box) -> None:
        streams = [box.follow() for _ in range(3)]
        assert len(box.sandbox._inbox._streams) == 3
        for stream in streams:
            stream.close()
        deadline = time.monotonic() + 5
        while box.sandbox._inbox._streams and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not box.sandbox._inbox._streams

    def test_streams_end_with_the_sandbox_and_continue_after_a_start(
        self, box: Box, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_server, "GRACE", 10)
        streams = [box.follow() for _ in range(3)]
        version = box.page.get("/inbox/items").json()["version"]
        began = time.monotonic()
        box.sandbox.stop()
        assert time.monotonic() - began < 5
        assert all(stream.has_ended() for stream in streams)
        assert not [thread for thread in threading.enumerate() if thread.name == "ecall-sandbox"]
        assert not box.sandbox._inbox._streams
        for stream in streams:
            stream.close()
        gc.collect()  # a task or a generator that was left would warn
        box.sandbox.start()
        box.page.close()
        box.page = httpx.Client(base_url=box.sandbox.url, trust_env=False)
        stream = box.follow(since=version)
        box.send()
        assert len(stream.items()) == 1
        stream.close()

    def test_streams_end_even_if_a_reply_is_under_way(
        self, box: Box, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_server, "GRACE", 0.1)
        asked = {
            "number": "+41791234567",
            "channel": "Sms",
            "text": "x",
            "url": f"{receiver.url}/hang",
        }

        def ask() -> None:
            with pytest.raises(httpx.TransportError):
                box.page.post("/inbox/reply", json=asked)

        thread = threading.Thread(target=ask)
        thread.start()
        while not receiver.calls:
            time.sleep(0.01)
        began = time.monotonic()
        box.sandbox.stop()
        assert time.monotonic() - began < 5
        receiver.go.set()
        thread.join()


class TestFiles:
    @pytest.mark.parametrize(
        ("path", "content_type"),
        [
            ("/", "text/html; charset=utf-8"),
            ("/inbox.css", "text/css; charset=utf-8"),
            ("/inbox.js", "text/javascript; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
        ],
    )
    def test_the_files_of_the_page_are_served(self, box: Box, path: str, content_type: str) -> None:
        answer = box.page.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
        assert answer.content

    @pytest.mark.parametrize(
        ("path", "location"),
        [
            ("/inbox", "./"),
            ("/index.html", "./"),
            ("/inbox.html", "./"),
            ("/inbox/", "../"),
            ("/inbox/index.html", "../"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_other_addresses_that_people_try_lead_to_the_page(
        self, box: Box, method: str, path: str, location: str
    ) -> None:
        answer = box.page.request(method, path)
        assert (answer.status_code, answer.headers["location"]) == (307, location)
        assert httpx.URL(box.sandbox.url + path).join(location) == f"{box.sandbox.url}/"

    @pytest.mark.parametrize(
        "path", ["/favicon.ico", "/robots.txt", "/inbox2", "/messages", "/apis"]
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_an_address_outside_the_api_asks_for_no_password(
        self, box: Box, method: str, path: str
    ) -> None:
        answer = box.page.request(method, path)
        assert answer.status_code == 404
        assert "www-authenticate" not in answer.headers
        assert answer.headers["x-ecall-sandbox"]
        if method == "GET":
            assert "The inbox is at /" in answer.json()["error"]

    @pytest.mark.parametrize("path", ["/api/", "/api/message/x", "/API/v2/message/x", "/api/x"])
    def test_an_address_of_the_api_asks_for_a_password(self, box: Box, path: str) -> None:
        answer = box.api.get(path, auth=None)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")

    @pytest.mark.parametrize(
        ("data", "content_type"),
        [
            (PNG, "image/png"),
            (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "image/gif"),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + b"\x00" * 50, "image/jpeg"),
        ],
    )
    def test_pictures_are_served_to_be_shown(
        self, box: Box, data: bytes, content_type: str
    ) -> None:
        answer = box.page.get(f"/inbox/media/{box.upload(data)}")
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (
            200,
            content_type,
            data,
        )
        assert "content-disposition" not in answer.headers

    @pytest.mark.parametrize(
        "data",
        [
            b"<!DOCTYPE html><html><script>alert(1)</script></html>",
            b"<html><body onload=alert(1)>",
            b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"alert(1)",
            b"#!/usr/bin/env node\nalert(1)",
            b"%PDF-1.4\n",
            b"PK\x03\x04",
            b"\x00",
            b"{}",
            b"GIF89",
        ],
    )
    def test_files_that_could_run_something_are_downloads(self, box: Box, data: bytes) -> None:
        answer = box.page.get(f"/inbox/media/{box.upload(data)}")
        assert (answer.headers["content-type"], answer.content) == (
            "application/octet-stream",
            data,
        )
        assert answer.headers["content-disposition"].startswith("attachment")

    def test_a_range_of_a_file_can_be_requested(self, box: Box) -> None:
        media_id = box.upload(PNG)
        answer = box.page.get(f"/inbox/media/{media_id}", headers={"Range": "bytes=1-3"})
        assert (answer.status_code, answer.content) == (206, b"PNG")
        assert (
            box.page.get(f"/inbox/media/{media_id}", headers={"Range": "bytes=999-"}).status_code
            == 416
        )

    def test_a_dropped_file_is_answered_with_404(self, open_box: Callable[..., Box]) -> None:
        box = open_box(max_media=1)
        first, second = box.upload(PNG), box.upload(PNG)
        assert box.page.get(f"/inbox/media/{first}").status_code == 404
        path = box.sandbox._store.media_path(second)
        assert path
        path.unlink()
        assert box.page.get(f"/inbox/media/{second}").status_code == 404
