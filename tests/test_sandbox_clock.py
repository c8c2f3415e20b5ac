"""The sandbox's clock: what is due when it is advanced, what is reported, and what clear() forgets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from ecall_facade import ECall, NotFound, Notify
from ecall_facade.sandbox import Clock, Sandbox

pytestmark = pytest.mark.once

BEGIN = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
TEXT, NUMBER = "Your code is 481 516", "+41 79 123 45 67"


class Receiver(ThreadingHTTPServer):
    """Takes reports; those to /slow only after `go` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.calls: list[tuple[str, Any]] = []
        self.go = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        self.server.calls.append(
            (self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        )
        if self.path == "/slow":
            self.server.go.wait(5)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

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


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def send(sandbox: Sandbox, **options: Any) -> str:
    with ECall(**sandbox.credentials) as ecall:
        return ecall.sms.send(NUMBER, TEXT, **options).message_id


class TestClock:
    def test_the_clock_runs_by_itself(self) -> None:
        clock = Clock()
        before = clock()
        assert before.tzinfo is UTC
        assert abs(datetime.now(UTC) - before) < timedelta(seconds=5)
        time.sleep(0.01)
        assert clock() - before >= timedelta(seconds=0.01)

    @pytest.mark.parametrize(
        ("arguments", "options", "seconds"),
        [
            ((), {}, 0.0),
            ((1.5,), {}, 1.5),
            ((timedelta(days=1),), {}, 86400.0),
            ((), {"seconds": 1, "minutes": 2, "hours": 3}, 10_921.0),
            ((timedelta(seconds=1),), {"seconds": 0.5}, 1.5),
            ((60,), {"seconds": -30}, 30.0),
        ],
    )
    def test_the_clock_can_be_advanced(
        self, arguments: Any, options: dict[str, float], seconds: float
    ) -> None:
        clock = Clock(lambda: BEGIN)
        clock.advance(*arguments, **options)
        clock.advance(*arguments, **options)
        assert (clock() - BEGIN).total_seconds() == 2 * seconds

    @pytest.mark.parametrize("step", [-0.001, timedelta(microseconds=-1)])
    def test_the_clock_cannot_be_moved_back(self, step: float | timedelta) -> None:
        clock = Clock(lambda: BEGIN)
        with pytest.raises(ValueError, match="only be moved forward"):
            clock.advance(step)
        assert clock() == BEGIN

    def test_a_frozen_clock_stands_still(self) -> None:
        times = [BEGIN, BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=9)]
        clock = Clock(lambda: times.pop(0))
        clock.advance(hours=1)
        clock.freeze()
        clock.freeze()
        assert clock() == clock() == BEGIN + timedelta(hours=1)
        clock.advance(minutes=1)
        assert clock() == BEGIN + timedelta(hours=1, minutes=1)
        assert len(times) == 2

    def test_the_repr_of_a_clock_shows_its_time(self) -> None:
        clock = Clock(lambda: BEGIN)
        assert repr(clock) == "<Clock 2026-01-15T09:30:00.000+00:00>"
        clock.freeze()
        assert repr(clock) == "<Clock 2026-01-15T09:30:00.000+00:00, frozen>"


class TestMessages:
    def test_advancing_the_clock_moves_messages_on(self) -> None:
        with Sandbox(sent_after=60, delivered_after=3600, clock=lambda: BEGIN) as sandbox:
            message_id = send(sandbox)
            with ECall(**sandbox.credentials) as ecall:
                for step, state in (
                    (59, "Pending"),
                    (1, "Sent"),
                    (3539, "Sent"),
                    (1, "Delivered"),
                    (1e6, "Delivered"),
                ):
                    sandbox.clock.advance(step)
                    assert sandbox.messages[0].state == state
                    if step < 1e6:  # after which nobody may ask any more
                        assert str(ecall.messages.status(message_id).state) == state
            times = [(at - BEGIN).total_seconds() for _, at in sandbox.messages[0].history]
            assert times == [0, 60, 3600]

    def test_messages_keep_their_state_while_the_clock_is_frozen(self) -> None:
        with Sandbox(sent_after=0.01, delivered_after=0.02) as sandbox:
            sandbox.clock.freeze()
            send(sandbox)
            time.sleep(0.08)
            states = [sandbox.messages[0].state]
            sandbox.clock.advance(seconds=0.01)
            states.append(sandbox.messages[0].state)
            assert states == ["Pending", "Sent"]

    @pytest.mark.parametrize(
        ("version", "stamp"),
        [("v1", "2026-01-15T11:30:01.000"), ("v2", "2026-01-15T10:30:01.000Z")],
    )
    def test_messages_have_the_time_of_the_clock_in_each_version(
        self, version: Any, stamp: str
    ) -> None:
        with Sandbox(sent_after=1, delivered_after=2, clock=lambda: BEGIN) as sandbox:
            sandbox.clock.advance(hours=1)
            with ECall(**sandbox.credentials, api_version=version) as ecall:
                sent = ecall.sms.send(NUMBER, TEXT)
                assert sent.sent_at == BEGIN + timedelta(hours=1)
                sandbox.clock.advance(1.5)
                status = ecall.messages.status(sent.message_id)
            assert status.raw["timestamp"] == stamp
            assert status.updated_at == BEGIN + timedelta(hours=1, seconds=1)

    def test_the_date_header_has_the_time_of_the_clock(self) -> None:
        with Sandbox(clock=lambda: BEGIN) as sandbox:
            sandbox.clock.advance(hours=1)
            answer = httpx.get(f"{sandbox.url}/api/message/x", trust_env=False)
        assert answer.headers["date"] == "Thu, 15 Jan 2026 10:30:00 GMT"

    def test_advancing_the_clock_by_seven_days_ends_status_queries(self) -> None:
        with Sandbox() as sandbox, ECall(**sandbox.credentials) as ecall:
            sandbox.clock.freeze()
            lot = ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)])
            message_id = str(lot.entries[0].message_id)
            sandbox.clock.advance(timedelta(days=7))
            assert ecall.messages.status(message_id).is_final
            assert len(ecall.messages.list_status(lot.list_id).messages) == 1
            sandbox.clock.advance(timedelta(milliseconds=1))
            for read in (
                lambda: ecall.messages.status(message_id),
                lambda: ecall.messages.list_status(lot.list_id),
            ):
                with pytest.raises(NotFound, match="seven days"):
                    read()
            assert len(sandbox.messages) == 1


class TestReports:
    def test_reports_that_are_due_after_advancing_come_at_once(self, receiver: Receiver) -> None:
        with Sandbox(sent_after=60, delivered_after=3600) as sandbox:
            sandbox.clock.freeze()
            message_id = send(sandbox, notify=Notify(receiver.url))
            sandbox.clock.advance(hours=2)
            wait_until(lambda: len(sandbox.notifications) == 2)
            accepted_at = sandbox.messages[0].accepted_at
        assert [(told["messageId"], told["state"]) for _, told in receiver.calls] == [
            (message_id, "Sent"),
            (message_id, "Delivered"),
        ]
        assert [each.at - accepted_at for each in sandbox.notifications] == [
            timedelta(minutes=1),
            timedelta(hours=1),
        ]

    def test_every_change_is_also_reported_to_the_callback_url(self, receiver: Receiver) -> None:
        with Sandbox(callback_url=f"{receiver.url}/all") as sandbox:
            sandbox.clock.freeze()
            send(sandbox, notify=Notify(f"{receiver.url}/own", for_event="FinalOnly"))
            with ECall(**sandbox.credentials) as ecall:
                ecall.sms.send("+41 79 000 10 01", TEXT)
                ecall.sms.send("+41 79 000 00 05", TEXT)
            sandbox.clock.advance(minutes=2)
            wait_until(lambda: len(sandbox.notifications) == 8)
        told = [(path, data["to"][-4:], data["state"]) for path, data in receiver.calls]
        assert [(path, state) for path, to, state in told if to == "4567"] == [
            ("/all", "Sent"),
            ("/all", "Delivered"),
            ("/own", "Delivered"),
        ]
        assert [(path, state) for path, to, state in told if to == "1001"] == [
            ("/all", "Sent"),
            ("/all", "Failed"),
        ]
        assert [state for _, to, state in told if to == "0005"] == ["Pending", "Sent", "Delivered"]
        failed = next(data for _, data in receiver.calls if data["state"] == "Failed")
        assert failed["error"] == {"errorCode": "1001", "errorMessage": "timeout"}
        assert {each.type for each in sandbox.notifications} == {"UrlPost"}

    def test_reports_of_an_outage_come_after_it(self, receiver: Receiver) -> None:
        sandbox = Sandbox(callback_url=receiver.url)
        sandbox.clock.freeze()
        with sandbox:
            send(sandbox)
        sandbox.clock.advance(1)
        assert sandbox.messages[0].state == "Delivered"
        assert receiver.calls == []
        with sandbox:
            wait_until(lambda: len(sandbox.notifications) == 2)


class TestClear:
    def test_clear_forgets_everything_but_the_time(self) -> None:
        with Sandbox(clock=lambda: BEGIN) as sandbox, ECall(**sandbox.credentials) as ecall:
            message_id = send(sandbox, notify=Notify("anna@example.ch"))
            media_id = ecall.media.upload(b"GIF89a").media_id
            sandbox.clock.advance(1)
            wait_until(lambda: len(sandbox.notifications) == 2)
            sandbox.fail_next(500, times=3)
            sandbox.clear()
            assert (sandbox.messages, sandbox.notifications) == ([], [])
            with pytest.raises(NotFound):
                ecall.messages.status(message_id)
            with pytest.raises(KeyError):
                sandbox.media(media_id)
            assert sandbox.clock() == BEGIN + timedelta(seconds=1)
            assert send(sandbox) != message_id
            assert len(sandbox.messages) == 1

    def test_clear_forgets_reports_that_are_under_way(self, receiver: Receiver) -> None:
        with Sandbox() as sandbox:
            sandbox.clock.freeze()
            first = send(sandbox, notify=Notify(f"{receiver.url}/slow"))
            sandbox.clock.advance(1)
            wait_until(lambda: receiver.calls)
            reply = threading.Thread(
                target=sandbox.reply,
                args=("hi",),
                kwargs={"url": f"{receiver.url}/slow", "sender": "+41791234567"},
            )
            reply.start()
            wait_until(lambda: len(receiver.calls) == 2)
            sandbox.clear()
            receiver.go.set()
            reply.join()
            second = send(sandbox, notify=Notify(receiver.url, for_event="FinalOnly"))
            sandbox.clock.advance(1)
            wait_until(lambda: sandbox.notifications)
            time.sleep(0.05)  # what was under way would be there by now
            assert [each.message_id for each in sandbox.notifications] == [second]
            assert {told["state"] for _, told in receiver.calls if told["messageId"] == first} == {
                "Sent"
            }
            assert [item["kind"] for item in items(sandbox)] == ["message"]

    def test_clear_may_be_called_at_any_time(self) -> None:
        with (
            Sandbox(sent_after=0, delivered_after=0.001) as sandbox,
            ECall(**sandbox.credentials) as ecall,
        ):
            done = threading.Event()

            def clear() -> None:
                while not done.is_set():
                    sandbox.fail_next(429)
                    sandbox.clear()

            thread = threading.Thread(target=clear)
            thread.start()
            try:
                quick = ecall.with_options(retry=False)
                statuses = {_status(lambda: quick.sms.send(NUMBER, TEXT)) for _ in range(100)}
            finally:
                done.set()
                thread.join()
        assert statuses <= {200, 429}


def items(sandbox: Sandbox) -> list[Any]:
    return list(httpx.get(f"{sandbox.url}/inbox/items", trust_env=False).json()["items"])


def _status(call: Callable[[], object]) -> int:
    from ecall_facade import APIError

    try:
        call()
    except APIError as error:
        return error.status_code
    return 200
