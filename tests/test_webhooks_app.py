"""The ASGI app: what it answers, what it logs, and that each delivery is handled once. Some of it on real sockets."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import uvicorn
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

SERVICE = "193.93.208.200"
STRANGER = "198.51.100.66"
SECRET = "n0t-guessable"  # invented, as all secrets here
TEXT = "Der Code von Anna Muster ist 481 516"
NUMBER = "+41791234567"
INBOUND = "/api/webhooks/receivedmessage"
STATUS = b'{"messageId": "m-1", "state": "Delivered"}'
MESSAGE = json.dumps(
    {"messageId": "i-1", "from": NUMBER, "content": {"type": "Text", "text": TEXT}}
).encode()
MESSAGE_KEY = Receiver().receive(MESSAGE, remote_addr=SERVICE).key
JSON = ("Content-Type", "application/json")

AnyEvent: TypeAlias = StatusUpdate | ReceivedMessage | UnknownEvent


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks_read: int = 0
    finished: bool = False


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
) -> Answer:
    """Call the app as a server does. One that hangs up does so after the chunks, before the body's end."""
    answer = Answer()
    waiting = iter([body] if chunks is None else chunks)
    following: bytes | None = next(waiting, b"")

    async def receive() -> dict[str, Any]:
        nonlocal following
        current, following = following, next(waiting, None)
        if current is None:
            return {"type": "http.disconnect"}
        answer.chunks_read += 1
        return {
            "type": "http.request",
            "body": current,
            "more_body": following is not None or hangs_up,
        }

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert not answer.status
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")
            answer.finished = not message.get("more_body", False)

    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    full = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode("utf-8", "replace"), "root_path": "",
        "query_string": query, "headers": raw, "client": peer, "server": ("127.0.0.1", 80), "scheme": "https",
        "http_version": "1.1", "asgi": {"version": "3.0"}, **scope,
    }  # fmt: skip
    await app(full, receive, send)
    if answer.status:
        assert answer.finished
        assert answer.body.count(b"\n") == 1
        assert answer.body.endswith(b"\n")  # one line
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert int(answer.headers["content-length"]) == len(answer.body)
    return answer


def deliver(app: ASGIApp, *args: Any, **more: Any) -> Answer:
    return asyncio.run(deliver_async(app, *args, **more))


class Handler:
    """A plain handler that keeps what it was given, and fails as often as it was told."""

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


def nothing(event: AnyEvent) -> None:
    pass


def fail(event: AnyEvent) -> None:
    pytest.fail("was handled")


class TestStatus:
    def test_200_when_it_is_handled(self) -> None:
        handler = Handler()
        answer = deliver(WebhookApp(handler))
        assert (answer.status, answer.body) == (200, b"ok\n")
        assert handler.keys == ["status:m-1:Delivered"]
        assert isinstance(handler.events[0], StatusUpdate)

    @pytest.mark.parametrize(
        ("body", "headers", "query"),
        [
            (b"{", [JSON], b""),
            (b"", [], b""),
            (b"hello", [], b""),
            (b"\xff", [JSON], b""),
            (b"[" * 50_000, [JSON], b""),
            (b"", [], b"hello"),
            (f'"{TEXT}'.encode(), [JSON], b""),
        ],
    )
    def test_400(self, body: bytes, headers: list[tuple[str, str]], query: bytes) -> None:
        answer = deliver(WebhookApp(fail), body, headers=headers, query=query)
        assert answer.status == 400
        assert answer.body.startswith(b"The callback ")

    def test_401_asks_for_a_password(self) -> None:
        app = WebhookApp(nothing, receiver=Receiver(basic_auth=("callbacks", "secret word")))
        right = "Basic " + base64.b64encode(b"callbacks:secret word").decode()
        for value in (None, "", "Basic x", right[:-4], right.replace("Basic", "Bearer")):
            answer = deliver(
                app, headers=[JSON, *([] if value is None else [("Authorization", value)])]
            )
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == 'Basic realm="callbacks"'
            assert answer.chunks_read == 0
        assert deliver(app, headers=[JSON, ("Authorization", right)]).status == 200

    @pytest.mark.parametrize(
        "peer", [(STRANGER, 1), None, ("", 0), ("testclient", 50000), ("/run/app.sock", 0)]
    )
    @pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
    @pytest.mark.parametrize("path", ["/", INBOUND, "/elsewhere"])
    def test_403_tells_a_stranger_nothing_and_reads_nothing_of_them(
        self, peer: tuple[str, int] | None, method: str, path: str
    ) -> None:
        headers = [
            JSON,
            ("X-Forwarded-For", SERVICE),
            ("Forwarded", f"for={SERVICE}"),
            ("Content-Length", "9" * 10),
        ]
        answer = deliver(WebhookApp(fail), peer=peer, method=method, path=path, headers=headers)
        assert answer.status == 403
        assert answer.chunks_read == 0
        assert "www-authenticate" not in answer.headers
        assert not any(character.isdigit() for character in answer.body.decode())

    def test_403_where_the_server_knows_no_client(self) -> None:
        async def main() -> list[int]:
            statuses: list[int] = []

            async def send(message: Any) -> None:
                statuses.append(message.get("status", 0))

            scope = {
                "type": "http",
                "method": "POST",
                "path": "/",
                "headers": [],
                "query_string": b"",
            }
            await WebhookApp(fail)(scope, asyncio.sleep, send)  # type: ignore[arg-type]
            return statuses

        assert asyncio.run(main())[0] == 403

    @pytest.mark.parametrize(
        "path",
        [
            "/x",
            "/favicon.ico",
            "/api",
            "/api/webhooks",
            f"{INBOUND}/x",
            f"{INBOUND}s",
            f"/x{INBOUND}",
            "/%2F",
            "/\u0130",
            "/..",
        ],
    )
    def test_404(self, path: str) -> None:
        answer = deliver(WebhookApp(fail), path=path)
        assert answer.status == 404
        assert answer.chunks_read == 0

    @pytest.mark.parametrize(
        "method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "PROPFIND", ""]
    )
    @pytest.mark.parametrize("path", ["/", INBOUND])
    def test_405_says_what_is_allowed(self, method: str, path: str) -> None:
        answer = deliver(WebhookApp(fail), method=method, path=path)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, POST"
        assert answer.chunks_read == 0

    def test_413_by_what_is_announced(self) -> None:
        app = WebhookApp(fail, receiver=Receiver(max_body=1000))
        for length in ("1001", "99999999999", "1" * 5000, "00001001"):
            answer = deliver(app, headers=[JSON, ("Content-Length", length)])
            assert (answer.status, answer.chunks_read) == (413, 0)
            assert answer.body == b"The callback has more than 1000 bytes\n"

    def test_413_by_what_comes(self) -> None:
        app = WebhookApp(fail, receiver=Receiver(max_body=1000))
        for headers in (
            [JSON],
            [JSON, ("Content-Length", "5")],
            [JSON, ("Content-Length", "x")],
            [JSON, ("Content-Length", "-1")],
        ):
            sent = 0

            def chunks() -> Iterator[bytes]:
                nonlocal sent
                for _ in range(1_000_000):
                    sent += 1
                    yield b" " * 100

            answer = deliver(app, headers=headers, chunks=chunks())
            assert answer.status == 413
            assert answer.chunks_read == 11  # the eleventh is over the limit
            assert sent == 12  # the driver looks one ahead

    def test_413_for_a_long_query(self) -> None:
        assert (
            deliver(WebhookApp(fail), b"", method="GET", query=b"a=" + b"1" * 70_000).status == 413
        )

    def test_what_just_fits_is_taken_in_any_pieces(self) -> None:
        handler = Handler()
        app = WebhookApp(handler, receiver=Receiver(max_body=len(STATUS)))
        for size in (1, 7, len(STATUS), 1000):
            chunks = [STATUS[at : at + size] for at in range(0, len(STATUS), size)]
            for more in ([], [b""], [b""] * 5):
                headers = [JSON, ("Content-Length", str(len(STATUS)))]
                assert deliver(app, chunks=[*more, *chunks, *more], headers=headers).status == 200
        assert set(handler.keys) == {"status:m-1:Delivered"}

    @pytest.mark.parametrize(
        "content_type", ["text/xml", "multipart/form-data; boundary=x", "image/png"]
    )
    def test_415(self, content_type: str) -> None:
        answer = deliver(WebhookApp(fail), b"<message/>", headers=[("Content-Type", content_type)])
        assert answer.status == 415

    @pytest.mark.parametrize(
        "error",
        [ValueError(TEXT), OSError(5, TEXT), ExceptionGroup("x", [ValueError()]), RuntimeError()],
    )
    def test_500_when_the_handler_failed(self, error: Exception) -> None:
        for handler in (Handler(error), async_of(Handler(error))):
            answer = deliver(WebhookApp(handler), MESSAGE)
            assert (answer.status, answer.body) == (500, b"The handler failed\n")

    def test_503_while_the_same_is_handled(self) -> None:
        async def main() -> None:
            started, may_end = asyncio.Event(), asyncio.Event()

            async def handle(event: AnyEvent) -> None:
                started.set()
                await may_end.wait()

            app = WebhookApp(handle, seen=SeenKeys())
            first = asyncio.create_task(deliver_async(app))
            await started.wait()
            second = await deliver_async(app)
            assert (second.status, second.body) == (503, b"The same event is being handled\n")
            assert second.headers["retry-after"] == "5"
            may_end.set()
            assert (await first).status == 200
            assert (await deliver_async(app)).status == 200

        asyncio.run(main())

    def test_no_answer_repeats_what_was_sent(self) -> None:
        app = WebhookApp(Handler(*[ValueError(TEXT)] * 99), receiver=Receiver(max_body=500))
        marks = ["Muster", "481", NUMBER, "xyzzy"]
        body = json.dumps({"messageId": "xyzzy", "text": TEXT, "from": NUMBER}).encode()
        answers = [
            deliver(app, body),
            deliver(app, body[:-1]),
            deliver(app, body + b" " * 500),
            deliver(app, b"<x>" + body, headers=[("Content-Type", "text/xyzzy")]),
            deliver(app, body, path="/xyzzy"),
            deliver(app, body, method="XYZZY"),
            deliver(app, body, peer=("xyzzy", 1)),
            deliver(app, b"", query=b"xyzzy", method="GET"),
        ]
        assert [answer.status for answer in answers] == [500, 400, 413, 415, 404, 405, 403, 400]
        for answer in answers:
            said = str([answer.body.decode(), answer.headers])
            assert not [mark for mark in marks if mark.lower() in said.lower()]


class TestPaths:
    @pytest.mark.parametrize("path", ["", "/", "//"])
    def test_its_own_path(self, path: str) -> None:
        handler = Handler()
        app = WebhookApp(handler)
        assert deliver(app, path=path).status == deliver(app, MESSAGE, path=path).status == 200
        assert [type(event) for event in handler.events] == [StatusUpdate, ReceivedMessage]

    @pytest.mark.parametrize("spell", [str, str.upper, str.title, str.swapcase])
    @pytest.mark.parametrize("end", ["", "/"])
    def test_the_documented_path_of_inbound_messages(
        self, spell: Callable[[str], str], end: str
    ) -> None:
        handler = Handler()
        app = WebhookApp(handler)
        for body in (MESSAGE, b'{"somethingNew": 1}', b'{"messageId": "i-1"}'):
            assert deliver(app, body, path=spell(INBOUND) + end).status == 200
        assert [type(event) for event in handler.events] == [ReceivedMessage] * 3

    def test_both_methods_at_both_paths(self) -> None:
        handler = Handler()
        app = WebhookApp(handler)
        query = b"messageId=m-1&state=Delivered"
        for path in ("/", INBOUND):
            assert deliver(app, b"", method="GET", path=path, query=query, headers=[]).status == 200
            assert (
                deliver(app, b"", method="POST", path=path, query=query, headers=[]).status == 200
            )
        assert handler.keys == ["status:m-1:Delivered"] * 2 + ["message:m-1"] * 2

    @pytest.mark.parametrize(
        "mount", ["/hooks", "/a/b/ecall", "/api/webhooks", f"/{SECRET}", f"/hooks/{SECRET}"]
    )
    @pytest.mark.parametrize("secret", [None, SECRET])
    def test_mounted_in_starlette(self, mount: str, secret: str | None) -> None:
        handler = Handler()
        app = Starlette(
            routes=[Mount(mount, WebhookApp(handler, receiver=Receiver(path_secret=secret)))]
        )
        below = "" if secret is None or SECRET in mount else f"/{SECRET}"
        for path in (mount + below, f"{mount}{below}/"):
            if path != mount:  # starlette redirects to the one with a slash, or does not know it
                assert deliver(app, path=path).status == 200
        assert deliver(app, MESSAGE, path=mount + below + INBOUND).status == 200
        assert deliver(app, MESSAGE, path=f"{mount}{below}{INBOUND.upper()}/").status == 200
        assert deliver(app, path=f"{mount}{below}/x").status == 404
        assert {type(event) for event in handler.events} == {StatusUpdate, ReceivedMessage}
        if below:
            assert (
                deliver(app, path=f"{mount}/").status
                == deliver(app, path=mount + INBOUND).status
                == 403
            )

    @pytest.mark.parametrize("has_prefix", [True, False])
    def test_below_a_root_path(self, has_prefix: bool) -> None:
        """Servers have the root path in the path; a proxy that takes it off leaves it to FastAPI(root_path=…)."""
        handler = Handler()
        inner = WebhookApp(handler)
        for app, mount in ((inner, ""), (Starlette(routes=[Mount("/hooks", inner)]), "/hooks")):
            before = "/v1" if has_prefix else ""
            for path, status in (("/", 200), (INBOUND, 200), ("/x", 404)):
                assert deliver(app, path=before + mount + path, root_path="/v1").status == status
        assert handler.keys == ["status:m-1:Delivered", "message:m-1"] * 2

    def test_a_root_path_is_taken_off_in_whole_segments(self) -> None:
        assert deliver(WebhookApp(nothing), path="/hooks/", root_path="/hook").status == 404
        assert (
            deliver(WebhookApp(nothing), path=f"/hook{INBOUND[1:]}", root_path="/hook").status
            == 404
        )
        assert deliver(WebhookApp(nothing), path="/hook", root_path="/hook").status == 200
        # A prefix that looks like the documented path is no reason to lose that.
        assert deliver(WebhookApp(nothing), path=f"/api{INBOUND}", root_path="/api").status == 200

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            (f"/{SECRET}", 200), (f"/{SECRET}/", 200), (f"/{SECRET}{INBOUND}", 200),
            (f"/{SECRET}{INBOUND.title()}", 200), (f"{INBOUND}/{SECRET}", 200), (f"/{SECRET}/x", 404),
            (f"/x/{SECRET}", 404), ("/", 403), (INBOUND, 403), (f"/{SECRET.upper()}", 403), (f"/{SECRET}x/", 403),
            (f"/{SECRET[:5]}/{SECRET[5:]}", 403), ("/x", 403),
        ],
    )  # fmt: skip
    def test_a_secret_in_the_path(self, path: str, status: int) -> None:
        handler = Handler()
        app = WebhookApp(handler, receiver=Receiver(path_secret=SECRET))
        assert deliver(app, MESSAGE, path=path).status == status
        assert [type(event) for event in handler.events] == [ReceivedMessage] * (status == 200)


def async_of(handler: Callable[[AnyEvent], None]) -> Callable[[AnyEvent], Awaitable[None]]:
    async def handle(event: AnyEvent) -> None:
        await asyncio.sleep(0)
        handler(event)

    return handle


class TestHandlers:
    """Whatever can be called can be a handler."""

    def handlers(self, called: list[str]) -> dict[str, Any]:
        loop = threading.get_ident()

        def note(name: str, is_async: bool) -> None:
            called.append(name)
            assert (
                threading.get_ident() == loop
            ) is is_async  # what may block gets a thread of its own

        def plain(event: AnyEvent) -> str:
            note("plain", is_async=False)
            return "something that nobody looks at"

        async def coroutine(event: AnyEvent) -> None:
            await asyncio.sleep(0)
            note("coroutine", is_async=True)

        def awaitable(event: AnyEvent) -> Awaitable[None]:
            return coroutine(event)

        class Plain:
            def __call__(self, event: AnyEvent) -> None:
                note("object", is_async=False)

            def method(self, event: AnyEvent) -> None:
                note("method", is_async=False)

        class Async:
            async def __call__(self, event: AnyEvent) -> None:
                await asyncio.sleep(0)
                note("async object", is_async=True)

            async def method(self, event: AnyEvent) -> None:
                note("async method", is_async=True)

        def two(more: str, event: AnyEvent) -> None:
            note(f"partial {more}", is_async=False)

        async def async_two(more: str, event: AnyEvent) -> None:
            note(f"async partial {more}", is_async=True)

        return {
            "plain": plain,
            "coroutine": coroutine,
            "awaitable": awaitable,
            "lambda": lambda event: plain(event),
            "object": Plain(),
            "method": Plain().method,
            "async object": Async(),
            "async method": Async().method,
            "partial": functools.partial(two, "x"),
            "async partial": functools.partial(async_two, "x"),
        }

    @pytest.mark.parametrize(
        "name",
        ["plain", "coroutine", "awaitable", "lambda", "object", "method", "async object", "async method", "partial",
         "async partial"],
    )  # fmt: skip
    def test_each_kind(self, name: str) -> None:
        called: list[str] = []
        assert deliver(WebhookApp(self.handlers(called)[name])).status == 200
        assert len(called) == 1

    def test_the_answer_waits_for_the_handler(self) -> None:
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

    def test_a_slow_plain_handler_holds_up_nobody(self) -> None:
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


class Memory:
    """A memory that tells what it was asked, and breaks where it is told."""

    def __init__(self, breaks_at: str = "") -> None:
        self.calls: list[str] = []
        self.inner = SeenKeys()
        self.breaks_at = breaks_at

    def _note(self, name: str, key: str) -> None:
        self.calls.append(f"{name} {key}")
        if name == self.breaks_at:
            raise OSError(TEXT)

    def claim(self, key: str) -> Claim:
        self._note("claim", key)
        return self.inner.claim(key)

    def succeed(self, key: str) -> None:
        self._note("succeed", key)
        self.inner.succeed(key)

    def fail(self, key: str) -> None:
        self._note("fail", key)
        self.inner.fail(key)


class TestSeen:
    @pytest.mark.parametrize("make", [lambda handler: handler, async_of])
    def test_what_failed_is_handled_again_and_what_is_done_is_not(self, make: Any) -> None:
        handler = Handler(ValueError(), OSError())
        app = WebhookApp(make(handler), seen=SeenKeys())
        assert [deliver(app).status for _ in range(6)] == [500, 500, 200, 200, 200, 200]
        assert len(handler.events) == 3
        assert deliver(app, MESSAGE).status == 200
        assert len(handler.events) == 4

    def test_without_a_memory_each_delivery_is_handled(self) -> None:
        handler = Handler()
        app = WebhookApp(handler)
        assert [deliver(app).status for _ in range(3)] == [200] * 3
        assert len(handler.events) == 3

    def test_what_is_not_accepted_is_not_remembered(self) -> None:
        memory = Memory()
        app = WebhookApp(nothing, seen=memory)
        deliver(app, peer=(STRANGER, 1))
        deliver(app, b"{")
        deliver(app, path="/x")
        deliver(app, hangs_up=True)
        assert memory.calls == []
        deliver(app)
        assert memory.calls == ["claim status:m-1:Delivered", "succeed status:m-1:Delivered"]

    @pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()])
    def test_what_is_broken_off_is_handled_again(self, error: BaseException) -> None:
        async def handle(event: AnyEvent) -> None:
            if errors:
                raise errors.pop()

        errors = [error]
        memory = Memory()
        app = WebhookApp(handle, seen=memory)
        with pytest.raises(type(error)):
            deliver(app)
        assert memory.calls[-1] == "fail status:m-1:Delivered"
        assert deliver(app).status == 200

    @pytest.mark.parametrize("breaks_at", ["claim", "succeed", "fail"])
    def test_a_memory_that_breaks_is_a_failure_and_no_more(
        self, breaks_at: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = WebhookApp(
            Handler(*([ValueError()] if breaks_at == "fail" else [])), seen=Memory(breaks_at)
        )
        assert deliver(app).status == 500
        assert TEXT not in caplog.text
        assert "OSError" in caplog.text

    def test_the_same_by_post_and_by_get_is_handled_once(self) -> None:
        handler = Handler()
        app = WebhookApp(handler, seen=SeenKeys())
        assert deliver(app).status == 200
        query = b"messageId=m-1&State=Delivered"
        assert deliver(app, b"", method="GET", query=query, headers=[]).status == 200
        assert len(handler.events) == 1


class TestLog:
    @pytest.mark.parametrize("is_async", [True, False])
    def test_a_handler_that_failed_is_logged_without_any_content(
        self, is_async: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        def handle(event: AnyEvent) -> None:
            try:
                os.environ[TEXT]
            except KeyError as error:
                raise ValueError(f"cannot store {event.raw} {TEXT} {NUMBER}") from error

        caplog.set_level(logging.DEBUG)
        app = WebhookApp(
            async_of(handle) if is_async else handle, receiver=Receiver(path_secret=SECRET)
        )
        assert deliver(app, MESSAGE, path=f"/{SECRET}").status == 500
        (record,) = [record for record in caplog.records if record.name.startswith("ecall_facade")]
        assert (record.name, record.levelno) == ("ecall_facade.webhooks", logging.ERROR)
        said = record.getMessage()
        assert said.startswith(f"The handler failed for {MESSAGE_KEY}: ValueError at ")
        assert f"{__file__}:" in said
        assert said.rpartition(":")[2].isdigit()
        assert record.exc_info is None
        for secret in ("Muster", "481 516", NUMBER, NUMBER[3:], SECRET, "KeyError"):
            assert secret not in caplog.text
            assert secret not in str(vars(record))

    def test_an_id_that_is_none_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        for message_id in (f"{TEXT}\nINFO forged", NUMBER, "\x1b[31m"):
            deliver(
                WebhookApp(Handler(ValueError())),
                json.dumps({"messageId": message_id, "state": TEXT}).encode(),
            )
        assert len(caplog.records) == 3
        for secret in ("Muster", "forged", NUMBER, "\x1b"):
            assert secret not in caplog.text

    @pytest.mark.parametrize(
        ("more", "status"),
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
        self, more: dict[str, Any], status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = WebhookApp(nothing)
        assert [deliver(app, **more).status for _ in range(3)] == [status] * 3
        (record,) = [record for record in caplog.records if record.name.startswith("ecall_facade")]
        assert record.getMessage().startswith(f"Refused a callback with {status}: ")
        for secret in ("Muster", "481 516", NUMBER):
            assert secret not in caplog.text

    def test_nothing_else_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "ecall_facade")
        app = WebhookApp(nothing, seen=SeenKeys())
        for more in ({}, {}, {"path": "/x"}, {"method": "PUT"}, {"hangs_up": True}):
            deliver(app, **more)
        assert [record for record in caplog.records if record.name.startswith("ecall_facade")] == []


class TestProtocol:
    @pytest.mark.parametrize("chunks", [[b""], [STATUS], [STATUS[:10], STATUS[10:]]])
    @pytest.mark.parametrize("layers", [0, 1, 2])
    def test_a_caller_who_hangs_up_is_answered_below_middleware_and_nothing_is_handled(
        self, chunks: list[bytes], layers: int
    ) -> None:
        async def pass_on(request: Request, call_next: Any) -> Any:
            return await call_next(request)

        app: ASGIApp = WebhookApp(fail)
        for _ in range(layers):
            app = BaseHTTPMiddleware(app, dispatch=pass_on)
        answer = deliver(app, chunks=chunks, hangs_up=True)
        assert answer.status == 400  # which nobody reads
        assert answer.chunks_read == len(chunks)

    def test_lifespan(self) -> None:
        async def main() -> list[str]:
            messages = iter(["lifespan.startup", "lifespan.shutdown"])
            sent: list[str] = []

            async def receive() -> dict[str, str]:
                return {"type": next(messages)}

            async def send(message: Any) -> None:
                sent.append(message["type"])

            await WebhookApp(fail)({"type": "lifespan"}, receive, send)
            return sent

        assert asyncio.run(main()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    def test_websockets_are_not_answered(self) -> None:
        async def never(*_: Any) -> Any:
            pytest.fail("was used")

        asyncio.run(
            WebhookApp(fail)({"type": "websocket", "path": "/", "headers": []}, never, never)
        )

    def test_trusted_proxies_and_header_lines(self) -> None:
        app = WebhookApp(nothing, receiver=Receiver(trusted_proxies=["10.0.0.1"]))
        for lines, status in (
            ([SERVICE], 200), ([STRANGER], 403), ([SERVICE, STRANGER], 403), ([STRANGER, SERVICE], 200), ([], 403),
        ):  # fmt: skip
            headers = [JSON, *(("X-Forwarded-For", line) for line in lines)]
            assert deliver(app, headers=headers, peer=("10.0.0.1", 1)).status == status

    @given(
        st.binary(max_size=80),
        st.text(st.characters(max_codepoint=255), max_size=20),
        st.text(max_size=20),
        st.binary(max_size=20),
        st.sampled_from(["GET", "POST", "PUT"]),
        st.sampled_from([(SERVICE, 1), (STRANGER, 1), None]),
    )
    @settings(max_examples=200)
    def test_any_call_gets_an_answer(
        self,
        body: bytes,
        header: str,
        path: str,
        query: bytes,
        method: str,
        peer: tuple[str, int] | None,
    ) -> None:
        headers = [("Content-Type", header), ("Content-Length", header), ("Forwarded", header)]
        handler = Handler()
        app = WebhookApp(
            handler, receiver=Receiver(trusted_proxies=[STRANGER], max_body=60), seen=SeenKeys()
        )
        status = deliver(
            app, body, path=path, headers=headers, query=query, method=method, peer=peer
        ).status
        assert status in {200, 400, 403, 404, 405, 413, 415}
        assert len(handler.events) == (status == 200)


# --- real sockets


@contextlib.contextmanager
def serve(app: ASGIApp, **options: Any) -> Iterator[int]:
    """Run an app with uvicorn in a thread; give its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        config = uvicorn.Config(app, log_config=None, ws="none", access_log=False, **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            deadline = time.monotonic() + 10
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.005)
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


def request(
    body: bytes,
    *,
    path: str = "/",
    headers: Sequence[tuple[str, str]] = (JSON,),
    method: str = "POST",
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: a.test",
        "Connection: close",
        f"Content-Length: {len(body)}",
    ]
    return (
        "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers), "", ""]).encode()
        + body
    )


async def call(port: int, *parts: bytes, pause: float = 0) -> tuple[int, bytes]:
    """Send the parts on a connection of their own; give the status and the body of the answer."""
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


LOCAL = Receiver(sources=["127.0.0.1"])


@pytest.mark.parametrize("is_async", [True, False])
def test_two_hundred_deliveries_at_once(is_async: bool) -> None:
    handled: Counter[str] = Counter()
    lock = threading.Lock()

    def note(event: AnyEvent) -> None:
        with lock:
            handled[event.key] += 1

    async def slow_async(event: AnyEvent) -> None:
        await asyncio.sleep(0.2)
        note(event)

    def slow(event: AnyEvent) -> None:
        time.sleep(0.05)
        note(event)

    async def main(port: int) -> list[tuple[int, bytes]]:
        bodies = [
            json.dumps({"messageId": f"m-{number}", "state": "Delivered"}).encode()
            for number in range(200)
        ]
        # Some come in two pieces, so that deliveries overlap in all their parts.
        return await asyncio.gather(
            *(
                call(port, *((whole[:150], whole[150:]) if number % 2 else (whole,)), pause=0.01)
                for number, whole in enumerate(map(request, bodies))
            )
        )

    app = WebhookApp(slow_async if is_async else slow, receiver=LOCAL, seen=SeenKeys())
    with serve(app, proxy_headers=False) as port:
        answers = asyncio.run(main(port))
    assert answers == [(200, b"ok\n")] * 200
    assert handled == {f"status:m-{number}:Delivered": 1 for number in range(200)}


@pytest.mark.parametrize("is_async", [True, False])
def test_one_event_that_is_delivered_fifty_times_at_once(is_async: bool) -> None:
    handler = Handler()

    async def slow_async(event: AnyEvent) -> None:
        await asyncio.sleep(0.3)
        handler(event)

    def slow(event: AnyEvent) -> None:
        time.sleep(0.3)
        handler(event)

    async def main(port: int) -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(call(port, request(STATUS)) for _ in range(50)))

    app = WebhookApp(slow_async if is_async else slow, receiver=LOCAL, seen=SeenKeys())
    with serve(app, proxy_headers=False) as port:
        answers = Counter(status for status, _ in asyncio.run(main(port)))
        assert asyncio.run(call(port, request(STATUS))) == (200, b"ok\n")
    assert handler.keys == ["status:m-1:Delivered"]
    assert answers.total() == 50
    assert answers.keys() <= {200, 503}
    assert answers[200] >= 1


def test_bodies_on_real_sockets(caplog: pytest.LogCaptureFixture) -> None:
    handler = Handler()
    app = WebhookApp(handler, receiver=Receiver(sources=["127.0.0.1"], max_body=10_000))
    chunked = b"POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = b"2000\r\n" + b" " * 0x2000 + b"\r\n"

    async def hang_up(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(STATUS)[:-5])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main(port: int) -> list[int]:
        await hang_up(port)
        calls = [
            call(port, request(STATUS)),
            call(port, chunked, b"%x\r\n%b\r\n0\r\n\r\n" % (len(STATUS), STATUS)),
            call(port, chunked, endless, endless),  # and never an end
            call(port, request(STATUS).replace(b"Content-Length: ", b"Content-Length: 99999")),
            call(port, request(b"{")),
            call(port, request(b"", method="GET", path="/?messageId=m-2&state=Sent", headers=())),
            call(port, request(b"", method="HEAD")),
            call(port, request(MESSAGE, path="/API/WebHooks/Received%4Dessage?x=1")),
            call(port, request(MESSAGE, path="/api%2Fwebhooks%2Freceivedmessage")),
        ]
        return [(await each)[0] for each in calls]

    with serve(app, proxy_headers=False) as port:
        assert asyncio.run(main(port)) == [200, 200, 413, 413, 400, 200, 405, 200, 200]
    assert handler.keys == ["status:m-1:Delivered"] * 2 + ["status:m-2:Sent"] + [MESSAGE_KEY] * 2
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


class TestForwardedAllowIps:
    """uvicorn itself believes `X-Forwarded-For`, of everybody where FORWARDED_ALLOW_IPS=*, unless it is told not to."""

    FORGED = ("X-Forwarded-For", SERVICE)

    @pytest.fixture(autouse=True)
    def _allow_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")

    @staticmethod
    def watched(app: ASGIApp, clients: list[str]) -> ASGIApp:
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
    def test_without_proxy_headers_a_forgery_is_refused(
        self, headers: list[tuple[str, str]]
    ) -> None:
        clients: list[str] = []
        with serve(self.watched(WebhookApp(fail), clients), proxy_headers=False) as port:
            status, body = asyncio.run(call(port, request(STATUS, headers=[JSON, *headers])))
        assert clients == ["127.0.0.1"]
        assert (status, body) == (
            403,
            b"The callback does not come from an address of the service\n",
        )

    def test_with_proxy_headers_the_same_forgery_is_believed(self) -> None:
        """This is what uvicorn does by default; no app can tell the difference, so the flag has to be there."""
        handler = Handler()
        clients: list[str] = []
        with serve(self.watched(WebhookApp(handler), clients)) as port:
            assert asyncio.run(call(port, request(STATUS)))[0] == 403
            assert asyncio.run(call(port, request(STATUS, headers=[JSON, self.FORGED])))[0] == 200
            two = ("X-Forwarded-For", f"{SERVICE}, {STRANGER}")
            assert asyncio.run(call(port, request(STATUS, headers=[JSON, two])))[0] == 200
        assert clients == ["127.0.0.1", SERVICE, SERVICE]  # the leftmost, which anybody can write
        assert len(handler.events) == 2

    def test_a_named_proxy_is_believed_by_the_receiver_alone(self) -> None:
        app = WebhookApp(nothing, receiver=Receiver(trusted_proxies=["127.0.0.1"]))
        with serve(app, proxy_headers=False) as port:
            for value, status in (
                (SERVICE, 200),
                (f"{STRANGER}, {SERVICE}", 200),
                (f"{SERVICE}, {STRANGER}", 403),
            ):
                answer = asyncio.run(
                    call(port, request(STATUS, headers=[JSON, ("X-Forwarded-For", value)]))
                )
                assert answer[0] == status


def test_beside_other_routes_on_a_real_socket() -> None:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    handler = Handler()
    receiver = Receiver(sources=["127.0.0.1"], path_secret=SECRET)
    app = Starlette(
        routes=[Route("/", hello), Mount("/ecall", WebhookApp(handler, receiver=receiver))]
    )
    with serve(app, proxy_headers=False, root_path="/v1") as port:
        paths = [
            f"/ecall/{SECRET}",
            f"/ecall/{SECRET.replace('n', '%6E')}{INBOUND}",
            "/ecall/",
            f"/ecall/{SECRET}/x",
        ]
        answers = [asyncio.run(call(port, request(MESSAGE, path=path)))[0] for path in paths]
        assert asyncio.run(call(port, request(b"", method="GET"))) == (200, b"hello")
    assert answers == [200, 200, 403, 404]
    assert handler.keys == [MESSAGE_KEY] * 2
