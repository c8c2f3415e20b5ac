"""The ASGI app: its responses, its log, and that each event is handled once. The last part is at real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from _webhook_servers import serve_asgi
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ecall_facade.webhooks import (
    ReceivedMessage,
    Receiver,
    SeenKeys,
    StatusUpdate,
    UnknownEvent,
    WebhookApp,
)
from ecall_facade.webhooks._deduplication import Claim

SERVICE, STRANGER = "193.93.208.200", "198.51.100.66"
SECRET = "n0t-guessable"  # invented, as all secrets here
TEXT = "Der Code von Anna Muster ist 481 516"
NUMBER = "+41791234567"
INBOUND = "/api/webhooks/receivedmessage"
STATUS, STATUS_KEY = b'{"messageId": "m-1", "state": "Delivered"}', "status:m-1:Delivered"
CONTENT = {"type": "Text", "text": TEXT}
MESSAGE = json.dumps({"messageId": "i-1", "from": NUMBER, "content": CONTENT}).encode()
MESSAGE_KEY = Receiver().receive(MESSAGE, remote_addr=SERVICE).key
JSON = ("Content-Type", "application/json")

AnyEvent: TypeAlias = StatusUpdate | ReceivedMessage | UnknownEvent


@dataclass
class Response:
    """What the app sent, and how many chunks of the body it has read for that."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks_read: int = 0


async def deliver_async(
    app: ASGIApp,
    body: bytes = STATUS,
    *,
    path: str = "/",
    method: str = "POST",
    headers: Sequence[tuple[str, str]] = (JSON,),
    query: bytes = b"",
    peer: tuple[str, int] | None = (SERVICE, 443),
    chunks: Iterable[bytes] | None = None,
    hangs_up: bool = False,
    **scope: Any,
) -> Response:
    """Call the app as a server does: with the body in chunks, after which the client may hang up."""
    response = Response()
    remaining = iter([body] if chunks is None else chunks)
    following: bytes | None = next(remaining, b"")

    async def receive() -> dict[str, Any]:
        nonlocal following
        current, following = following, next(remaining, None)
        if current is None:
            return {"type": "http.disconnect"}
        response.chunks_read += 1
        has_more = following is not None or hangs_up
        return {"type": "http.request", "body": current, "more_body": has_more}

    is_finished = False

    async def send(message: Any) -> None:
        nonlocal is_finished
        if message["type"] == "http.response.start":
            assert not response.status
            response.status = message["status"]
            response.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            response.body += message.get("body", b"")
            is_finished = not message.get("more_body", False)

    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    full = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode("utf-8", "replace"), "root_path": "",
        "query_string": query, "headers": raw, "client": peer, "server": ("127.0.0.1", 80), "scheme": "https",
        "http_version": "1.1", "asgi": {"version": "3.0"}, **scope,
    }  # fmt: skip
    await app(full, receive, send)
    if response.status:
        assert is_finished
        assert response.body.count(b"\n") == 1
        assert response.body.endswith(b"\n")  # it is one line
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert int(response.headers["content-length"]) == len(response.body)
    return response


def deliver(app: ASGIApp, *arguments: Any, **options: Any) -> Response:
    return asyncio.run(deliver_async(app, *arguments, **options))


class Handler:
    """A plain handler that keeps its events, and raises these errors first."""

    def __init__(self, *errors: BaseException) -> None:
        self.events: list[AnyEvent] = []
        self.errors = list(errors)

    def __call__(self, event: AnyEvent) -> None:
        self.events.append(event)
        if self.errors:
            raise self.errors.pop(0)

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.events]


def ignore(event: AnyEvent) -> None:
    pass


def fail(event: AnyEvent) -> None:
    pytest.fail("was handled")


def as_async(handler: Callable[[AnyEvent], None]) -> Callable[[AnyEvent], Awaitable[None]]:
    async def handle(event: AnyEvent) -> None:
        await asyncio.sleep(0)
        handler(event)

    return handle


# --- the status of the response


def test_a_callback_that_was_handled_gets_200() -> None:
    handler = Handler()
    response = deliver(WebhookApp(handler))
    assert (response.status, response.body) == (200, b"ok\n")
    assert handler.keys == [STATUS_KEY]
    assert isinstance(handler.events[0], StatusUpdate)


@pytest.mark.parametrize(
    ("body", "headers", "query"),
    [
        (b"{", [JSON], b""), (b"", [], b""), (b"hello", [], b""), (b"\xff", [JSON], b""),
        (b"[" * 50_000, [JSON], b""), (b"", [], b"hello"), (f'"{TEXT}'.encode(), [JSON], b""),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_a_callback_that_cannot_be_read_gets_400(
    body: bytes, headers: list[tuple[str, str]], query: bytes
) -> None:
    response = deliver(WebhookApp(fail), body, headers=headers, query=query)
    assert response.status == 400
    assert response.body.startswith(b"The callback ")


def test_wrong_credentials_get_401_with_a_challenge() -> None:
    app = WebhookApp(ignore, receiver=Receiver(basic_auth=("callbacks", "secret word")))
    right = "Basic " + base64.b64encode(b"callbacks:secret word").decode()
    for value in (None, "Basic x"):
        headers = [JSON, *([] if value is None else [("Authorization", value)])]
        response = deliver(app, headers=headers)
        assert (response.status, response.chunks_read) == (401, 0)
        assert response.headers["www-authenticate"] == 'Basic realm="callbacks"'
    assert deliver(app, headers=[JSON, ("Authorization", right)]).status == 200


@pytest.mark.parametrize(
    "peer", [(STRANGER, 1), None, ("", 0), ("testclient", 50000), ("/run/app.sock", 0)]
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("path", ["/", INBOUND, "/elsewhere"])
def test_a_stranger_gets_403_before_anything_is_read(
    peer: tuple[str, int] | None, method: str, path: str
) -> None:
    forged = [("X-Forwarded-For", SERVICE), ("Forwarded", f"for={SERVICE}"), ("Content-Length", "9" * 10)]  # fmt: skip
    response = deliver(
        WebhookApp(fail), peer=peer, method=method, path=path, headers=[JSON, *forged]
    )
    assert (response.status, response.chunks_read) == (403, 0)
    assert "www-authenticate" not in response.headers
    assert not any(character.isdigit() for character in response.body.decode())


@pytest.mark.parametrize(
    "path",
    [
        "/x", "/favicon.ico", "/api", "/api/webhooks", f"{INBOUND}/x", f"{INBOUND}s", f"/x{INBOUND}", "/%2F", "/\u0130",
        "/..",
    ],
)  # fmt: skip
def test_a_callback_to_another_path_gets_404(path: str) -> None:
    response = deliver(WebhookApp(fail), path=path)
    assert (response.status, response.chunks_read) == (404, 0)


@pytest.mark.parametrize(
    "method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "PROPFIND", ""]
)
@pytest.mark.parametrize("path", ["/", INBOUND])
def test_a_callback_by_another_method_gets_405_with_allow(method: str, path: str) -> None:
    response = deliver(WebhookApp(fail), method=method, path=path)
    assert (response.status, response.chunks_read) == (405, 0)
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("length", ["1001", "99999999999", "1" * 5000, "00001001"])
def test_a_body_that_is_announced_as_too_large_gets_413_unread(length: str) -> None:
    app = WebhookApp(fail, receiver=Receiver(max_body=1000))
    response = deliver(app, headers=[JSON, ("Content-Length", length)])
    assert (response.status, response.chunks_read) == (413, 0)
    assert response.body == b"The callback has more than 1000 bytes\n"


@pytest.mark.parametrize("length", [None, "5", "x", "-1"])
def test_a_body_that_turns_out_to_be_too_large_gets_413_at_the_limit(length: str | None) -> None:
    app = WebhookApp(fail, receiver=Receiver(max_body=1000))
    headers = [JSON, *([] if length is None else [("Content-Length", length)])]
    response = deliver(app, headers=headers, chunks=(b" " * 100 for _ in range(1_000_000)))
    assert response.status == 413
    assert response.chunks_read == 11  # the eleventh is over the limit


def test_a_query_that_is_too_large_gets_413() -> None:
    query = b"a=" + b"1" * 70_000
    assert deliver(WebhookApp(fail), b"", method="GET", query=query).status == 413


def test_a_body_of_just_the_limit_is_accepted_in_any_parts() -> None:
    handler = Handler()
    app = WebhookApp(handler, receiver=Receiver(max_body=len(STATUS)))
    headers = [JSON, ("Content-Length", str(len(STATUS)))]
    for size in (1, 7, len(STATUS), 1000):
        parts = [STATUS[at : at + size] for at in range(0, len(STATUS), size)]
        for empty in ([], [b""], [b""] * 5):
            response = deliver(app, chunks=[*empty, *parts, *empty], headers=headers)
            assert response.status == 200
    assert set(handler.keys) == {STATUS_KEY}


@pytest.mark.parametrize(
    "content_type", ["text/xml", "multipart/form-data; boundary=x", "image/png"]
)
def test_a_body_of_another_media_type_gets_415(content_type: str) -> None:
    response = deliver(WebhookApp(fail), b"<message/>", headers=[("Content-Type", content_type)])
    assert response.status == 415


@pytest.mark.parametrize(
    "error",
    [ValueError(TEXT), OSError(5, TEXT), ExceptionGroup("x", [ValueError()]), RuntimeError()],
)
@pytest.mark.parametrize("wrap", [lambda handler: handler, as_async], ids=["plain", "async"])
def test_a_callback_whose_handler_fails_gets_500(error: Exception, wrap: Any) -> None:
    response = deliver(WebhookApp(wrap(Handler(error))), MESSAGE)
    assert (response.status, response.body) == (500, b"The handler failed\n")


def test_an_event_that_is_being_handled_gets_503() -> None:
    async def main() -> None:
        has_started, may_end = asyncio.Event(), asyncio.Event()

        async def handle(event: AnyEvent) -> None:
            has_started.set()
            await may_end.wait()

        app = WebhookApp(handle, seen=SeenKeys())
        first = asyncio.create_task(deliver_async(app))
        await has_started.wait()
        second = await deliver_async(app)
        assert (second.status, second.body) == (503, b"The same event is being handled\n")
        assert second.headers["retry-after"] == "5"
        may_end.set()
        assert (await first).status == 200
        assert (await deliver_async(app)).status == 200

    asyncio.run(main())


def test_no_response_of_the_webhook_app_repeats_what_was_sent() -> None:
    app = WebhookApp(Handler(*[ValueError(TEXT)] * 99), receiver=Receiver(max_body=500))
    body = json.dumps({"messageId": "xyzzy", "text": TEXT, "from": NUMBER}).encode()
    responses = [
        deliver(app, body),
        deliver(app, body[:-1]),
        deliver(app, body + b" " * 500),
        deliver(app, b"<x>" + body, headers=[("Content-Type", "text/xyzzy")]),
        deliver(app, body, path="/xyzzy"),
        deliver(app, body, method="XYZZY"),
        deliver(app, body, peer=("xyzzy", 1)),
        deliver(app, b"", query=b"xyzzy", method="GET"),
    ]
    assert [each.status for each in responses] == [500, 400, 413, 415, 404, 405, 403, 400]
    for response in responses:
        text = str([response.body.decode(), response.headers]).lower()
        assert not [mark for mark in ("muster", "481", NUMBER, "xyzzy") if mark in text]


# --- paths


@pytest.mark.parametrize("path", ["", "/", "//"])
def test_the_path_of_the_webhook_app_takes_reports_and_messages(path: str) -> None:
    handler = Handler()
    app = WebhookApp(handler)
    assert deliver(app, path=path).status == deliver(app, MESSAGE, path=path).status == 200
    assert [type(event) for event in handler.events] == [StatusUpdate, ReceivedMessage]


@pytest.mark.parametrize("spell", [str, str.upper, str.title, str.swapcase])
@pytest.mark.parametrize("end", ["", "/"])
def test_the_documented_path_takes_messages_in_any_letter_case(
    spell: Callable[[str], str], end: str
) -> None:
    handler = Handler()
    app = WebhookApp(handler)
    for body in (MESSAGE, b'{"somethingNew": 1}', b'{"messageId": "i-1"}'):
        assert deliver(app, body, path=spell(INBOUND) + end).status == 200
    assert [type(event) for event in handler.events] == [ReceivedMessage] * 3


def test_both_paths_take_post_and_get_with_a_query() -> None:
    handler = Handler()
    app = WebhookApp(handler)
    query = b"messageId=m-1&state=Delivered"
    for path in ("/", INBOUND):
        for method in ("GET", "POST"):
            response = deliver(app, b"", method=method, path=path, query=query, headers=[])
            assert response.status == 200
    assert handler.keys == [STATUS_KEY] * 2 + ["message:m-1"] * 2


@pytest.mark.parametrize("mount", ["/hooks", "/a/b/ecall", "/api/webhooks", f"/hooks/{SECRET}"])
@pytest.mark.parametrize("secret", [None, SECRET])
def test_the_webhook_app_can_be_mounted_in_starlette(mount: str, secret: str | None) -> None:
    handler = Handler()
    inner = WebhookApp(handler, receiver=Receiver(path_secret=secret))
    app = Starlette(routes=[Mount(mount, inner)])
    below = "" if secret is None or SECRET in mount else f"/{SECRET}"
    for body, path, status in (
        (STATUS, f"{below}/", 200), (MESSAGE, below + INBOUND, 200), (MESSAGE, f"{below}{INBOUND.upper()}/", 200),
        (STATUS, f"{below}/x", 404), (STATUS, "/", 403 if below else 200), (STATUS, INBOUND, 403 if below else 200),
    ):  # fmt: skip
        assert deliver(app, body, path=mount + path).status == status, path
    assert {type(event) for event in handler.events} == {StatusUpdate, ReceivedMessage}


@pytest.mark.parametrize("has_prefix", [True, False])
def test_the_webhook_app_works_below_a_root_path(has_prefix: bool) -> None:
    """A server has the root path in the path; a proxy may remove it, with FastAPI(root_path=…)."""
    handler = Handler()
    inner = WebhookApp(handler)
    before = "/v1" if has_prefix else ""
    for app, mount in ((inner, ""), (Starlette(routes=[Mount("/hooks", inner)]), "/hooks")):
        for path, status in (("/", 200), (INBOUND, 200), ("/x", 404)):
            assert deliver(app, path=before + mount + path, root_path="/v1").status == status
    assert handler.keys == [STATUS_KEY, "message:m-1"] * 2


@pytest.mark.parametrize(
    ("path", "root_path", "status"),
    [
        ("/hooks/", "/hook", 404),
        (f"/hook{INBOUND[1:]}", "/hook", 404),
        ("/hook", "/hook", 200),
        (f"/api{INBOUND}", "/api", 200),
    ],
)
def test_a_root_path_is_removed_in_whole_segments(path: str, root_path: str, status: int) -> None:
    assert deliver(WebhookApp(ignore), path=path, root_path=root_path).status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/{SECRET}", 200), (f"/{SECRET}/", 200), (f"/{SECRET}{INBOUND}", 200),
        (f"/{SECRET}{INBOUND.title()}", 200), (f"{INBOUND}/{SECRET}", 200), (f"/{SECRET}/x", 404),
        (f"/x/{SECRET}", 404), ("/", 403), (INBOUND, 403), (f"/{SECRET.upper()}", 403), ("/x", 403),
    ],
)  # fmt: skip
def test_a_secret_in_the_path_is_not_part_of_the_path_below_the_mount(
    path: str, status: int
) -> None:
    handler = Handler()
    app = WebhookApp(handler, receiver=Receiver(path_secret=SECRET))
    assert deliver(app, MESSAGE, path=path).status == status
    assert [type(event) for event in handler.events] == [ReceivedMessage] * (status == 200)


# --- handlers


def make_handlers(note: Callable[[str, bool], None]) -> dict[str, Any]:
    """Return a handler of each kind; each notes its name and whether it is in the event loop."""

    def plain(event: AnyEvent) -> str:
        note("plain", False)
        return "is ignored"

    async def coroutine(event: AnyEvent) -> None:
        await asyncio.sleep(0)
        note("coroutine", True)

    class Both:
        async def __call__(self, event: AnyEvent) -> None:
            note("async object", True)

        def method(self, event: AnyEvent) -> None:
            note("method", False)

    return {
        "plain": plain,
        "coroutine": coroutine,
        "lambda": lambda event: coroutine(event),
        "method": Both().method,
        "async object": Both(),
        "partial": functools.partial(lambda more, event: plain(event), "x"),
        "async partial": functools.partial(coroutine),
    }


@pytest.mark.parametrize("name", make_handlers(lambda name, is_async: None))
def test_any_callable_can_handle_events(name: str) -> None:
    called: list[str] = []
    loop = threading.get_ident()

    def note(name: str, is_async: bool) -> None:
        called.append(name)
        # A plain function may block, so it gets a thread.
        assert (threading.get_ident() == loop) is is_async

    assert deliver(WebhookApp(make_handlers(note)[name])).status == 200
    assert len(called) == 1


def test_the_response_to_a_callback_waits_for_the_handler() -> None:
    order: list[str] = []

    def slow(event: AnyEvent) -> None:
        time.sleep(0.05)
        order.append("handled")

    async def slow_async(event: AnyEvent) -> None:
        await asyncio.sleep(0.05)
        order.append("handled")

    for handler in (slow, slow_async, lambda event: slow_async(event)):
        assert deliver(WebhookApp(handler)).status == 200
        order.append("answered")
    assert order == ["handled", "answered"] * 3


def test_a_slow_plain_handler_does_not_hold_up_other_callbacks() -> None:
    may_end = threading.Event()

    def handle(event: AnyEvent) -> None:
        if isinstance(event, ReceivedMessage):
            assert may_end.wait(10)

    async def main() -> list[int]:
        app = WebhookApp(handle)
        slow = asyncio.create_task(deliver_async(app, MESSAGE))
        statuses = [(await deliver_async(app)).status for _ in range(5)]
        assert not slow.done()
        may_end.set()
        return [*statuses, (await slow).status]

    assert asyncio.run(main()) == [200] * 6


# --- deduplication


class RecordingSeen:
    """A deduplicator that keeps its calls, and fails at one of them."""

    def __init__(self, fails_at: str = "") -> None:
        self.calls: list[str] = []
        self._inner = SeenKeys()
        self._fails_at = fails_at

    def _note(self, name: str, key: str) -> None:
        self.calls.append(f"{name} {key}")
        if name == self._fails_at:
            raise OSError(TEXT)

    def claim(self, key: str) -> Claim:
        self._note("claim", key)
        return self._inner.claim(key)

    def succeed(self, key: str) -> None:
        self._note("succeed", key)
        self._inner.succeed(key)

    def fail(self, key: str) -> None:
        self._note("fail", key)
        self._inner.fail(key)


@pytest.mark.parametrize("wrap", [lambda handler: handler, as_async], ids=["plain", "async"])
def test_an_event_is_handled_until_that_succeeds_and_then_not_again(wrap: Any) -> None:
    handler = Handler(ValueError(), OSError())
    app = WebhookApp(wrap(handler), seen=SeenKeys())
    assert [deliver(app).status for _ in range(6)] == [500, 500, 200, 200, 200, 200]
    assert len(handler.events) == 3
    query = b"messageId=m-1&State=Delivered"
    assert deliver(app, b"", method="GET", query=query, headers=[]).status == 200
    assert len(handler.events) == 3  # the same event by GET is not handled again either
    assert deliver(app, MESSAGE).status == 200
    assert len(handler.events) == 4


def test_without_a_deduplicator_each_delivery_is_handled() -> None:
    handler = Handler()
    app = WebhookApp(handler)
    assert [deliver(app).status for _ in range(3)] == [200] * 3
    assert len(handler.events) == 3


def test_only_accepted_callbacks_reach_the_deduplicator() -> None:
    seen = RecordingSeen()
    app = WebhookApp(ignore, seen=seen)
    deliver(app, peer=(STRANGER, 1))
    deliver(app, b"{")
    deliver(app, path="/x")
    deliver(app, hangs_up=True)
    assert seen.calls == []
    deliver(app)
    assert seen.calls == [f"claim {STATUS_KEY}", f"succeed {STATUS_KEY}"]


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()])
def test_an_event_whose_handling_was_interrupted_is_handled_again(error: BaseException) -> None:
    async def handle(event: AnyEvent) -> None:
        if errors:
            raise errors.pop()

    errors = [error]
    seen = RecordingSeen()
    app = WebhookApp(handle, seen=seen)
    with pytest.raises(type(error)):
        deliver(app)
    assert seen.calls[-1] == f"fail {STATUS_KEY}"
    assert deliver(app).status == 200


@pytest.mark.parametrize("fails_at", ["claim", "succeed", "fail"])
def test_a_callback_gets_500_if_the_deduplicator_fails(
    fails_at: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler(*([ValueError()] if fails_at == "fail" else []))
    app = WebhookApp(handler, seen=RecordingSeen(fails_at))
    assert deliver(app).status == 500
    assert TEXT not in caplog.text
    assert "OSError" in caplog.text


# --- the log


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("ecall_facade")]


@pytest.mark.parametrize("wrap", [lambda handler: handler, as_async], ids=["plain", "async"])
def test_a_handler_that_fails_is_logged_without_any_content(
    wrap: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def handle(event: AnyEvent) -> None:
        try:
            os.environ[TEXT]
        except KeyError as error:
            raise ValueError(f"cannot store {event.raw} {TEXT} {NUMBER}") from error

    caplog.set_level(logging.DEBUG)
    app = WebhookApp(wrap(handle), receiver=Receiver(path_secret=SECRET))
    assert deliver(app, MESSAGE, path=f"/{SECRET}").status == 500
    (record,) = own_records(caplog)
    assert (record.name, record.levelno) == ("ecall_facade.webhooks", logging.ERROR)
    message = record.getMessage()
    assert message.startswith(f"The handler failed for {MESSAGE_KEY}: ValueError at {__file__}:")
    assert message.rpartition(":")[2].isdigit()
    assert record.exc_info is None
    for secret in ("Muster", "481 516", NUMBER, NUMBER[3:], SECRET, "KeyError"):
        assert secret not in caplog.text
        assert secret not in str(vars(record))


def test_an_id_that_may_be_a_text_or_a_number_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for message_id in (f"{TEXT}\nINFO forged", NUMBER, "\x1b[31m"):
        body = json.dumps({"messageId": message_id, "state": TEXT}).encode()
        deliver(WebhookApp(Handler(ValueError())), body)
    assert len(caplog.records) == 3
    for secret in ("Muster", "forged", NUMBER, "\x1b"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"peer": (STRANGER, 1)}, 403),
        ({"peer": None}, 403),
        ({"body": b"{" + TEXT.encode()}, 400),
        ({"body": TEXT.encode() * 5000}, 413),
        ({"headers": [("Content-Length", "99999")]}, 413),
        ({"body": b"<x>", "headers": [("Content-Type", f"text/{NUMBER}")]}, 415),
    ],
)
def test_a_refusal_is_logged_once_a_minute_without_any_content(
    options: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = WebhookApp(ignore)
    assert [deliver(app, **options).status for _ in range(3)] == [status] * 3
    (record,) = own_records(caplog)
    assert record.getMessage().startswith(f"Refused a callback with {status}: ")
    for secret in ("Muster", "481 516", NUMBER):
        assert secret not in caplog.text


def test_accepted_callbacks_and_wrong_paths_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "ecall_facade")
    app = WebhookApp(ignore, seen=SeenKeys())
    for options in ({}, {}, {"path": "/x"}, {"method": "PUT"}, {"hangs_up": True}):
        deliver(app, **options)
    assert own_records(caplog) == []


# --- ASGI


@pytest.mark.parametrize("chunks", [[b""], [STATUS], [STATUS[:10], STATUS[10:]]])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_client_that_disconnects_does_not_break_middleware_and_nothing_is_handled(
    chunks: list[bytes], layers: int
) -> None:
    async def pass_on(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app: ASGIApp = WebhookApp(fail)
    for _ in range(layers):
        app = BaseHTTPMiddleware(app, dispatch=pass_on)
    response = deliver(app, chunks=chunks, hangs_up=True)
    assert response.status == 400  # which nobody reads
    assert response.chunks_read == len(chunks)


def test_the_webhook_app_confirms_lifespan_events() -> None:
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(WebhookApp(fail)({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_webhook_app_ignores_websockets() -> None:
    async def never(*_: Any) -> Any:
        pytest.fail("was used")

    scope = {"type": "websocket", "path": "/", "headers": []}
    asyncio.run(WebhookApp(fail)(scope, never, never))


@given(
    st.binary(max_size=80),
    st.text(st.characters(max_codepoint=255), max_size=20),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from([(SERVICE, 1), (STRANGER, 1), None]),
)
@settings(max_examples=200)
def test_any_request_to_the_webhook_app_gets_a_response(
    body: bytes, header: str, path: str, query: bytes, method: str, peer: tuple[str, int] | None
) -> None:
    headers = [("Content-Type", header), ("Content-Length", header), ("Forwarded", header)]
    handler = Handler()
    receiver = Receiver(trusted_proxies=[STRANGER], max_body=60)
    app = WebhookApp(handler, receiver=receiver, seen=SeenKeys())
    response = deliver(app, body, path=path, headers=headers, query=query, method=method, peer=peer)
    assert response.status in {200, 400, 403, 404, 405, 413, 415}
    assert len(handler.events) == (response.status == 200)


# --- real sockets


@contextlib.contextmanager
def serve(app: ASGIApp, **options: Any) -> Iterator[int]:
    """Run an app with uvicorn, and yield its port."""
    with serve_asgi(app, **options) as url:
        yield int(url.rpartition(":")[2])


def request_bytes(
    body: bytes,
    *,
    path: str = "/",
    headers: Sequence[tuple[str, str]] = (JSON,),
    method: str = "POST",
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1", "Host: a.test", "Connection: close", f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers), "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + body


async def call_async(port: int, *parts: bytes, pause: float = 0) -> tuple[int, bytes]:
    """Send the parts on a connection; return the status and the body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        head, _, body = (await asyncio.wait_for(reader.read(), 30)).partition(b"\r\n\r\n")
        return (int(head.split()[1]), body) if head else (0, b"")
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def call(port: int, *parts: bytes) -> tuple[int, bytes]:
    return asyncio.run(call_async(port, *parts))


LOCAL = Receiver(sources=["127.0.0.1"])


@pytest.mark.long
@pytest.mark.parametrize("is_async", [True, False])
def test_two_hundred_deliveries_at_once_are_handled_once_each(is_async: bool) -> None:
    handled: Counter[str] = Counter()
    lock = threading.Lock()

    def note(event: AnyEvent) -> None:
        with lock:
            handled[event.key] += 1

    async def slow_async(event: AnyEvent) -> None:
        await asyncio.sleep(0.2)
        note(event)

    def slow(event: AnyEvent) -> None:
        time.sleep(0.02)
        note(event)

    async def main(port: int) -> list[tuple[int, bytes]]:
        reports = [{"messageId": f"m-{number}", "state": "Delivered"} for number in range(200)]
        requests = [request_bytes(json.dumps(report).encode()) for report in reports]
        # Every second one comes in two parts, so that deliveries overlap in all their phases.
        parts = [
            (each[:150], each[150:]) if place % 2 else (each,)
            for place, each in enumerate(requests)
        ]
        return await asyncio.gather(*(call_async(port, *each, pause=0.01) for each in parts))

    app = WebhookApp(slow_async if is_async else slow, receiver=LOCAL, seen=SeenKeys())
    with serve(app) as port:
        responses = asyncio.run(main(port))
    assert responses == [(200, b"ok\n")] * 200
    assert handled == {f"status:m-{number}:Delivered": 1 for number in range(200)}


def test_bodies_of_each_framing_arrive_over_a_real_socket(caplog: pytest.LogCaptureFixture) -> None:
    handler = Handler()
    app = WebhookApp(handler, receiver=Receiver(sources=["127.0.0.1"], max_body=10_000))
    chunked = b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(STATUS), STATUS)
    announced = request_bytes(STATUS).replace(b"Content-Length: ", b"Content-Length: 99999")
    query = "/?messageId=m-2&state=Sent"

    async def hang_up(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes(STATUS)[:-5])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    with serve(app) as port:
        asyncio.run(hang_up(port))
        for parts, status in (
            ([request_bytes(STATUS)], 200),
            ([chunked, whole], 200),
            ([chunked, endless, endless], 413),
            ([announced], 413),
            ([request_bytes(b"{")], 400),
            ([request_bytes(b"", method="GET", path=query, headers=())], 200),
            ([request_bytes(b"", method="HEAD")], 405),
            ([request_bytes(MESSAGE, path="/API/WebHooks/Received%4Dessage?x=1")], 200),
            ([request_bytes(MESSAGE, path="/api%2Fwebhooks%2Freceivedmessage")], 200),
        ):
            assert call(port, *parts)[0] == status, parts
    assert handler.keys == [STATUS_KEY] * 2 + ["status:m-2:Sent"] + [MESSAGE_KEY] * 2
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


FORGED = ("X-Forwarded-For", SERVICE)


def with_clients(app: ASGIApp, clients: list[str]) -> ASGIApp:
    """Return an app that keeps the address of each client that the server gives."""

    async def watch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            clients.append(scope["client"][0])
        await app(scope, receive, send)

    return watch


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [FORGED],
        [("X-Forwarded-For", f"{SERVICE}, {STRANGER}")],
        [FORGED, ("Forwarded", f"for={SERVICE}")],
    ],
)
def test_with_no_proxy_headers_a_forged_header_is_refused(
    headers: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    clients: list[str] = []
    with serve(with_clients(WebhookApp(fail), clients)) as port:
        status, body = call(port, request_bytes(STATUS, headers=[JSON, *headers]))
    assert clients == ["127.0.0.1"]
    refusal = b"The callback does not come from an address of the service\n"
    assert (status, body) == (403, refusal)


def test_without_no_proxy_headers_uvicorn_hides_the_forgery_from_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It replaces the peer's address by what the header says, which no app can notice."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    handler = Handler()
    clients: list[str] = []
    two = ("X-Forwarded-For", f"{SERVICE}, {STRANGER}")
    with serve(with_clients(WebhookApp(handler), clients), proxy_headers=True) as port:
        for headers, status in (([], 403), ([FORGED], 200), ([two], 200)):
            assert call(port, request_bytes(STATUS, headers=[JSON, *headers]))[0] == status
    assert clients == ["127.0.0.1", SERVICE, SERVICE]  # the leftmost, which anybody can write
    assert len(handler.events) == 2


def test_the_webhook_app_works_beside_other_routes_at_a_real_socket() -> None:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    handler = Handler()
    receiver = Receiver(sources=["127.0.0.1"], path_secret=SECRET)
    mount = Mount("/ecall", WebhookApp(handler, receiver=receiver))
    app = Starlette(routes=[Route("/", hello), mount])
    escaped = SECRET.replace("n", "%6E")
    with serve(app, root_path="/v1") as port:
        for path, status in (
            (f"/ecall/{SECRET}", 200),
            (f"/ecall/{escaped}{INBOUND}", 200),
            ("/ecall/", 403),
            (f"/ecall/{SECRET}/x", 404),
        ):
            assert call(port, request_bytes(MESSAGE, path=path))[0] == status
        assert call(port, request_bytes(b"", method="GET")) == (200, b"hello")
    assert handler.keys == [MESSAGE_KEY] * 2
