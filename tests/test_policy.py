"""`Policy.exchange`, driven by hand: no socket, no sleep, one answer after the other."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import json_values

from ecall_client.tables import JSON_NAMES, OPERATIONS
from ecall_facade import errors
from ecall_facade._json import spell
from ecall_facade._policy import (
    REQUEST_ID,
    Attempt,
    Kind,
    Plan,
    Policy,
    Reply,
    kind_of,
    make_stream_error,
    may_have_been_sent,
    read_problem,
    retry_after,
)
from ecall_facade._settings import Account, make_options

BASE_URL = "https://rest.ecall.ch"
TEXT = "The code of Anna Muster is 481 516"
NUMBER = "+41791234567"
ONE: dict[str, Any] = {
    "channel": "Sms",
    "from": "ACME",
    "to": NUMBER,
    "content": {"type": "Text", "text": TEXT},
}
MANY = {
    "channel": "Sms",
    "from": "ACME",
    "toList": [{"type": "Number", "address": NUMBER}],
    "content": ONE["content"],
}
LIST = {"messages": [ONE]}

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "send": ("POST", "/api/message", {"json": ONE}),
    "broadcast": ("POST", "/api/message", {"json": MANY}),
    "send_list": ("POST", "/api/messagelist", {"json": LIST}),
    "upload": ("POST", "/api/media", {"content": b"picture"}),
    "status": ("GET", "/api/message/m-1", {}),
    "list_status": ("GET", "/api/messagelist/l-1", {}),
    "fetch": ("GET", "/api/media/f-1", {}),
}
SENDS = ["send", "broadcast", "send_list"]
WRITES = [*SENDS, "upload"]
READS = ["status", "list_status", "fetch"]
EVERY_STATUS = range(300, 600)


def make_policy(base_url: str = BASE_URL, **options: Any) -> Policy:
    given = dict.fromkeys(["api_version", "version_in", "sender", "region", "timeout", "retry"])
    return Policy(
        Account.of("jane", "s3cret", base_url), make_options(None, **{**given, **options})
    )


def reply(status: int = 200, body: object = None, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    return Reply(status, httpx.Headers({REQUEST_ID: "r-1", **names}), content)


class Run:
    """One exchange, performed on outcomes that were laid down; the last of them counts for all that follow."""

    def __init__(
        self, call: str | Plan, *outcomes: Reply | Exception | Attempt, **options: Any
    ) -> None:
        policy = make_policy(**options)
        if isinstance(call, str):
            method, path, content = CALLS[call]
            call = policy.plan(method, path, "json", **content)
        self.request = call.request
        self.attempts = 0
        self.pauses: list[float] = []
        self.result: Reply | None = None
        self.error: errors.ECallError | None = None
        exchange = policy.exchange(call)
        try:
            assert next(exchange) is None  # no pause before the first try
            while True:
                self.attempts += 1
                outcome = self._attempt(outcomes[min(self.attempts, len(outcomes)) - 1])
                self.pauses.append(exchange.send(outcome) or 0.0)
        except StopIteration as done:
            self.result = done.value
        except errors.ECallError as error:
            self.error = error

    @staticmethod
    def _attempt(outcome: Reply | Exception | Attempt) -> Attempt:
        if isinstance(outcome, Attempt):
            return outcome
        return Attempt(None, outcome) if isinstance(outcome, Exception) else Attempt(outcome)

    def raised(self, kind: type[errors.ECallError]) -> Any:
        assert type(self.error) is kind, repr(self.error)
        return self.error


class TestVersion:
    """The version is stated on the wire with every request, once."""

    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
    @pytest.mark.parametrize("version", ["v1", "v2"])
    def test_by_path(self, operation: Any, version: str) -> None:
        request = (
            make_policy(api_version=version).plan(operation.method, operation.path, "json").request
        )
        assert request.url.path == operation.path.replace("/api/", f"/api/{version}/")
        assert "X-API-Version" not in request.headers

    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
    @pytest.mark.parametrize(("version", "header"), [("v1", "1"), ("v2", "2")])
    def test_by_header(self, operation: Any, version: str, header: str) -> None:
        policy = make_policy(api_version=version, version_in="header")
        request = policy.plan(operation.method, operation.path, "json").request
        assert request.url.path == operation.path
        assert request.headers["X-API-Version"] == header

    @pytest.mark.parametrize(
        ("path", "on_the_wire", "header"),
        [
            ("/api/message", "/api/v2/message", None),
            ("/api/message/", "/api/v2/message/", None),
            ("/api/", "/api/v2/", None),
            ("/api/message?a=1&b=/api/v1/", "/api/v2/message?a=1&b=/api/v1/", None),
            ("/api/media/a%2Fb%20c", "/api/v2/media/a%2Fb%20c", None),
            ("/api/viber", "/api/v2/viber", None),
            # Versioned by the caller …
            ("/api/v1/message", "/api/v1/message", None),
            ("/api/v2/message", "/api/v2/message", None),
            ("/api/v2.0/message", "/api/v2.0/message", None),
            ("/API/V1/message", "/API/V1/message", None),
            # … or where there is no place for it in the path.
            ("/api", "/api", "2"),
            ("/API/message", "/API/message", "2"),
            ("/health", "/health", "2"),
            ("/", "/", "2"),
            ("/x/api/message", "/x/api/message", "2"),
            ("/apis/message", "/apis/message", "2"),
        ],
    )
    @pytest.mark.parametrize("prefix", ["", "/gateway", "/my%20gateway/x", "/api"])
    def test_of_any_path(
        self, prefix: str, path: str, on_the_wire: str, header: str | None
    ) -> None:
        base_url = BASE_URL + prefix
        request = make_policy(base_url).plan("GET", path, "raw").request
        assert request.url.raw_path.decode() == prefix + on_the_wire
        assert request.headers.get("X-API-Version") == header

    @pytest.mark.parametrize("path", ["/api/v1/message", "/api/V2/message", "/api/v2.0/message"])
    def test_in_the_path_is_not_said_again_in_the_header(self, path: str) -> None:
        request = make_policy(version_in="header").plan("POST", path, "raw").request
        assert request.url.path == path
        assert "X-API-Version" not in request.headers

    def test_is_the_same_at_each_try(self) -> None:
        run = Run("status", reply(500), reply(500), reply())
        assert run.request.url.path == "/api/v2/message/m-1"
        assert run.attempts == 3


class TestCredentials:
    """They go to the account's own host, and nowhere else."""

    def test_are_basic(self) -> None:
        assert Run("send", reply()).request.headers["Authorization"] == "Basic amFuZTpzM2NyZXQ="

    @pytest.mark.parametrize(
        "base_url", [BASE_URL, f"{BASE_URL}/gateway", "http://127.0.0.1:8080", "http://[::1]/x"]
    )
    @pytest.mark.parametrize(
        "path",
        [
            "//elsewhere.example/api/message",
            "https://elsewhere.example/api/message",
            "@elsewhere.example/",
            ":8443/",
            ".elsewhere.example/",
            "x",
            "/\\elsewhere.example",
            "/../../elsewhere.example",
        ],
    )
    def test_do_not_leave_the_host(self, base_url: str, path: str) -> None:
        url = make_policy(base_url).plan("GET", path, "raw").request.url
        own = httpx.URL(base_url)
        assert (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)

    def test_are_not_the_callers_to_see(self) -> None:
        assert "Authorization" not in repr(make_policy().plan("GET", "/", "raw"))
        assert "amFuZTpzM2NyZXQ" not in repr(make_policy())


class TestKind:
    """What a request does follows from its method and path, whatever their letter case and version."""

    @pytest.mark.parametrize(
        ("method", "resource", "kind"),
        [
            ("POST", "/api/message", Kind.SEND),
            ("post", "/API/MessageList/", Kind.SEND),
            ("POST", "/api/media", Kind.UPLOAD),
            ("post", "/Api/Media/", Kind.UPLOAD),
            ("PUT", "/api/media/f-1", Kind.UPLOAD),
            ("POST", "/api/mediamessage", Kind.SEND),
            ("DELETE", "/api/message/m-1", Kind.SEND),
            ("PATCH", "/", Kind.SEND),
            ("GET", "/api/message/m-1", Kind.STATUS),
            ("get", "/api/anything", Kind.STATUS),
            ("HEAD", "/api/message/m-1", Kind.STATUS),
            ("GET", "/api/media/f-1", Kind.FETCH),
            ("HEAD", "/API/MEDIA/f-1", Kind.FETCH),
        ],
    )
    def test_of(self, method: str, resource: str, kind: Kind) -> None:
        assert kind_of(method, resource) is kind

    @pytest.mark.parametrize("path", ["/api/v1/media", "/api/V2.0/Media"])
    def test_does_not_depend_on_a_version_in_the_path(self, path: str) -> None:
        run = Run(make_policy().plan("POST", path, "raw", content=b"x"), reply(500))
        assert run.raised(errors.ServerError).may_have_been_sent is False


REFUSED = httpx.ConnectError("[Errno 111] Connection refused")
NEVER_CONNECTED = [REFUSED, httpx.ConnectTimeout("timed out"), httpx.ProxyError("502 Bad Gateway")]
AMBIGUOUS = [
    httpx.ReadTimeout("timed out"),
    httpx.WriteTimeout("timed out"),
    httpx.ReadError("reset"),
    httpx.WriteError("broken pipe"),
    httpx.CloseError("closed"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.LocalProtocolError("Too little data for declared Content-Length"),
    OSError(5, "Input/output error"),
    RuntimeError(TEXT),
]
NAME = lambda value: type(value).__name__ if isinstance(value, Exception) else None  # noqa: E731


class TestRetryOfSends:
    """A send is repeated only where the service cannot have taken it."""

    @pytest.mark.parametrize("call", WRITES)
    @pytest.mark.parametrize("error", NEVER_CONNECTED, ids=NAME)
    def test_after_no_connection(self, call: str, error: Exception) -> None:
        run = Run(call, error, error, reply())
        assert run.result is not None
        assert (run.attempts, len(run.pauses)) == (3, 2)

    @pytest.mark.parametrize("call", WRITES)
    @pytest.mark.parametrize("error", NEVER_CONNECTED, ids=NAME)
    def test_twice_at_most(self, call: str, error: Exception) -> None:
        run = Run(call, error)
        assert run.attempts == 3
        assert run.raised(errors.NotSent).may_have_been_sent is False

    @pytest.mark.parametrize("call", WRITES)
    @pytest.mark.parametrize("error", AMBIGUOUS, ids=NAME)
    def test_never_after_the_request_went_out(self, call: str, error: Exception) -> None:
        run = Run(call, error, reply())
        assert run.attempts == 1
        assert run.raised(errors.OutcomeUnknown).may_have_been_sent is (call != "upload")

    @pytest.mark.parametrize("call", WRITES)
    @pytest.mark.parametrize("error", [*NEVER_CONNECTED, httpx.PoolTimeout("")], ids=NAME)
    def test_never_on_the_word_of_a_transport_that_is_not_known(
        self, call: str, error: Exception
    ) -> None:
        run = Run(call, Attempt(None, error, believed=False), reply())
        assert run.attempts == 1
        assert run.raised(errors.OutcomeUnknown).may_have_been_sent is (call != "upload")

    @pytest.mark.parametrize("call", WRITES)
    def test_not_after_waiting_for_the_pool(self, call: str) -> None:
        run = Run(call, httpx.PoolTimeout("all connections are busy"), reply())
        assert run.attempts == 1
        assert run.raised(errors.NotSent).may_have_been_sent is False

    @pytest.mark.parametrize("call", WRITES)
    def test_not_where_the_certificate_was_refused(self, call: str) -> None:
        run = Run(
            call,
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
            reply(),
        )
        assert run.attempts == 1
        assert run.raised(errors.NotSent).may_have_been_sent is False

    @pytest.mark.parametrize(
        ("status", "headers", "repeated"),
        [
            (429, {}, True),
            (429, {"retry_after": "3"}, True),
            (429, {"retry_after": "10"}, True),
            (429, {"retry_after": "10.5"}, False),
            (429, {"retry_after": "11"}, False),
            (429, {"retry_after": "99999999999999999999"}, False),
            (503, {"retry_after": "3"}, True),
            (503, {"retry_after": "0"}, True),
            (503, {"retry_after": "11"}, False),
            (503, {}, False),
            (503, {"retry_after": "soon"}, False),
            (503, {"retry_after": "3", REQUEST_ID: ""}, False),
            *[
                (status, {"retry_after": "1"}, False)
                for status in (201, 301, 400, 401, 403, 404, 405, 408, 409, 413)
            ],
            *[
                (status, {"retry_after": "1"}, False)
                for status in (415, 422, 425, 499, 500, 502, 504, 520, 599)
            ],
        ],
    )
    @pytest.mark.parametrize("call", ["send", "upload"])
    def test_after_an_answer(
        self, call: str, status: int, headers: dict[str, str], *, repeated: bool
    ) -> None:
        run = Run(call, reply(status, b"", **headers), reply())
        assert (run.attempts == 2) is repeated
        assert (run.error is None) is repeated

    @pytest.mark.parametrize("call", ["broadcast", "send_list"])
    def test_not_after_429_where_some_of_many_may_have_been_taken(self, call: str) -> None:
        run = Run(call, reply(429, retry_after="1"), reply())
        assert run.attempts == 1
        assert run.raised(errors.RateLimited).may_have_been_sent is True
        assert run.raised(errors.RateLimited).retry_after == 1

    @pytest.mark.parametrize("call", ["broadcast", "send_list"])
    def test_after_503_of_the_service_itself(self, call: str) -> None:
        assert Run(call, reply(503, retry_after="1"), reply()).attempts == 2

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b"null", b'{"messageId": ', b"\xff\xfe\xfa"]
    )
    @pytest.mark.parametrize("call", WRITES)
    def test_never_after_an_answer_that_cannot_be_read(self, call: str, body: bytes) -> None:
        run = Run(call, reply(200, body), reply())
        assert run.attempts == 1
        error = run.raised(errors.UnreadableResponse)
        assert (error.status_code, error.body, error.request_id) == (200, body, "r-1")
        assert error.may_have_been_sent is (call != "upload")

    @pytest.mark.parametrize("call", WRITES)
    @pytest.mark.parametrize(
        "error", [httpx.ReadError("reset"), httpx.DecodingError("not gzip")], ids=NAME
    )
    def test_never_after_an_answer_that_broke_off(self, call: str, error: Exception) -> None:
        run = Run(call, Attempt(reply(200, b""), error), reply())
        assert run.attempts == 1
        raised = run.raised(errors.UnreadableResponse)
        assert (raised.body, raised.request_id, raised.may_have_been_sent) == (
            b"",
            "r-1",
            call != "upload",
        )

    def test_not_of_a_stream_that_can_be_read_only_once(self) -> None:
        run = Run(
            make_policy().plan("POST", "/api/media", "json", content=iter([b"a", b"b"])),
            REFUSED,
            reply(),
        )
        assert run.attempts == 1
        run.raised(errors.NotSent)

    @pytest.mark.parametrize(
        "outcome", [REFUSED, reply(429), reply(503, retry_after="1")], ids=repr
    )
    @pytest.mark.parametrize("call", ["send", "upload", "status"])
    def test_can_be_switched_off(self, call: str, outcome: Reply | Exception) -> None:
        assert Run(call, outcome, reply(), retry=False).attempts == 1

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/api/message", {**ONE, "toList": None}, True),
            ("/api/Message/", ONE, True),
            ("/api/v1/message", ONE, True),
            ("/api/message", {**ONE, "TOLIST": [1]}, False),
            ("/api/message", [ONE], False),
            ("/api/message", None, False),
            ("/api/other", ONE, False),
        ],
    )
    def test_of_a_request_by_hand_takes_it_for_several_unless_it_is_one(
        self, path: str, body: Any, *, status: bool
    ) -> None:
        run = Run(make_policy().plan("POST", path, "raw", json=body), reply(429), reply())
        assert (run.attempts == 2) is status


class TestRetryOfReads:
    """A read is repeated freely, within the same bounds."""

    @pytest.mark.parametrize("call", READS)
    @pytest.mark.parametrize(
        "error",
        [*NEVER_CONNECTED, httpx.PoolTimeout(""), *AMBIGUOUS[:-2]],
        ids=lambda error: type(error).__name__,
    )
    def test_after_any_error_of_the_transport(self, call: str, error: Exception) -> None:
        assert Run(call, error, error, reply()).result is not None
        run = Run(call, error)
        assert run.attempts == 3
        assert run.raised(errors.ServiceUnreachable).may_have_been_sent is (call != "fetch")

    @pytest.mark.parametrize("call", READS)
    @pytest.mark.parametrize("error", AMBIGUOUS[-2:], ids=NAME)
    def test_not_after_an_error_of_something_else(self, call: str, error: Exception) -> None:
        run = Run(call, error, reply())
        assert run.attempts == 1
        run.raised(errors.ServiceUnreachable)

    @pytest.mark.parametrize("call", READS)
    def test_after_an_answer_that_may_pass(self, call: str) -> None:
        repeated = {
            status
            for status in EVERY_STATUS
            if Run(call, reply(status, b""), reply()).attempts == 2
        }
        assert repeated == {408, 429, 500, 502, 503, 504}

    @pytest.mark.parametrize("call", READS)
    def test_after_an_answer_that_broke_off(self, call: str) -> None:
        run = Run(call, Attempt(reply(200, b"{"), httpx.ReadError("reset")))
        assert run.attempts == 3
        assert run.raised(errors.ServiceUnreachable).request_id == "r-1"

    @pytest.mark.parametrize("call", ["status", "list_status"])
    def test_not_where_the_answer_is_not_json(self, call: str) -> None:
        run = Run(call, reply(200, b"<html>"), reply())
        assert run.attempts == 1
        assert run.raised(errors.UnreadableResponse).may_have_been_sent is True

    @pytest.mark.parametrize("value", ["11", "3600"])
    def test_not_where_the_service_asks_for_a_long_pause(self, value: str) -> None:
        run = Run("status", reply(429, retry_after=value), reply())
        assert run.attempts == 1
        assert run.raised(errors.RateLimited).retry_after == float(value)


class TestPauses:
    """Pauses grow, honour what the service asks for, and end with the window of 30 seconds."""

    @pytest.mark.parametrize(("luck", "first", "second"), [(1.0, 0.25, 0.5), (1.25, 0.3125, 0.625)])
    def test_grow(
        self, monkeypatch: pytest.MonkeyPatch, luck: float, first: float, second: float
    ) -> None:
        monkeypatch.setattr(random, "uniform", lambda low, high: luck)
        assert Run("status", reply(500)).pauses == [first, second]

    @pytest.mark.parametrize("value", ["0", "2", "7.5", "10"])
    def test_are_what_the_service_asks_for(self, value: str) -> None:
        for call in ("send", "status"):
            assert Run(call, reply(429, retry_after=value)).pauses == [float(value), float(value)]

    def test_never_undercut_it(self) -> None:
        in_five_seconds = format_datetime(datetime.now(UTC) + timedelta(seconds=6), usegmt=True)
        (pause,) = Run("send", reply(429, retry_after=in_five_seconds), reply()).pauses
        assert 4 < pause <= 6

    @pytest.mark.parametrize(
        ("took", "attempts"), [(0.0, 3), (10.0, 3), (15.5, 2), (29.0, 2), (29.8, 1), (40.0, 1)]
    )
    def test_end_with_the_window(
        self, monkeypatch: pytest.MonkeyPatch, took: float, attempts: int
    ) -> None:
        clock = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: clock)
        monkeypatch.setattr(random, "uniform", lambda low, high: 1.0)
        policy = make_policy()
        exchange = policy.exchange(policy.plan("POST", "/api/message", "json", json=ONE))
        next(exchange)
        seen = 0
        with contextlib.suppress(errors.NotSent):
            while True:
                seen += 1
                clock += took
                clock += exchange.send(Attempt(None, REFUSED)) or 0.0
        assert seen == attempts

    def test_and_tries_are_logged_without_texts_and_numbers(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "ecall_facade")
        Run("send", reply(429), reply())
        first, second = (record.getMessage() for record in caplog.records)
        assert first == "POST /api/message: 429, request id r-1"
        assert second == "POST /api/message: 200, request id r-1"
        assert TEXT not in caplog.text
        assert NUMBER not in caplog.text


class TestDeadline:
    """No phase of a call goes beyond the deadline, and none is given less than nothing."""

    @pytest.mark.parametrize(
        ("left", "expected"),
        [
            (100.0, {"connect": 5.0, "read": 30.0}),
            (10.0, {"connect": 5.0, "read": 10.0}),
            (2.0, {"connect": 2.0, "read": 2.0}),
            (-1.0, {"connect": 0.001, "read": 0.001}),
        ],
    )
    def test_shortens_the_timeouts(
        self, monkeypatch: pytest.MonkeyPatch, left: float, expected: dict[str, float]
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
        policy = make_policy()
        policy = Policy(policy.account, policy.options._replace(deadline=1000.0 + left))
        timeout = policy.plan("POST", "/api/message", "json").request.extensions["timeout"]
        assert {phase: timeout[phase] for phase in ("connect", "read")} == expected

    def test_is_not_there_by_default(self) -> None:
        extensions = (
            make_policy(timeout=(2, 7)).plan("POST", "/api/message", "json").request.extensions
        )
        assert extensions["timeout"] == {"connect": 2.0, "read": 7.0, "write": 7.0, "pool": 7.0}


class TestRetryAfter:
    """`Retry-After` is a number of seconds or an HTTP date, in each of its three forms."""

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("0", 0.0),
            ("120", 120.0),
            (" 7 ", 7.0),
            ("1.5", 1.5),
            ("999999999", 999999999.0),
            ("", None),
            ("   ", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("nan", None),
            ("inf", None),
            ("1, 2", None),
            ("soon", None),
            ("٣", None),
            ("Sun, 99 Nov 2026 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ],
    )
    def test_is_read(self, value: str, seconds: float | None) -> None:
        assert retry_after({"retry-after": value}) == seconds

    def test_may_be_missing(self) -> None:
        assert retry_after({}) is None

    @pytest.mark.parametrize("digits", [10, 40, 400])
    def test_of_many_digits_is_long(self, digits: int) -> None:
        seconds = retry_after({"retry-after": "9" * digits})
        assert seconds is not None
        assert seconds >= 999_999_999

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
    @pytest.mark.parametrize(
        "value",
        [
            "Sun, 15 Nov 2026 08:50:37 GMT",
            "Sunday, 15-Nov-26 08:50:37 GMT",
            "Sun Nov 15 08:50:37 2026",  # GMT, too
            "Sun, 15 Nov 2026 08:50:37 -0000",
            "Sun, 15 Nov 2026 09:50:37 +0100",
        ],
    )
    def test_as_a_date_does_not_depend_on_where_we_are(
        self, monkeypatch: pytest.MonkeyPatch, value: str, zone: str
    ) -> None:
        now = datetime(2026, 11, 15, 8, 49, 37, tzinfo=UTC).timestamp()
        monkeypatch.setattr(time, "time", lambda: now)
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert retry_after({"retry-after": value}) == 60
        finally:
            monkeypatch.undo()
            time.tzset()

    @given(st.text(max_size=40))
    def test_is_never_negative_and_never_fails(self, value: str) -> None:
        seconds = retry_after({"retry-after": value})
        assert seconds is None or seconds >= 0


class TestMayHaveBeenSent:
    """False only where it is certain that nobody was texted, for each kind of call and each status."""

    @pytest.mark.parametrize(
        ("kind", "several", "certainly_not"),
        [
            (Kind.SEND, False, {400, 401, 403, 404, 405, 413, 415, 422, 429}),
            (
                Kind.SEND,
                True,
                {400, 401, 404, 405, 413, 415, 422},
            ),  # credit or quota may end midway
            (Kind.STATUS, False, set[int]()),  # that message is out
            (Kind.UPLOAD, False, set(EVERY_STATUS)),
            (Kind.FETCH, False, set(EVERY_STATUS)),
        ],
    )
    def test_table(self, kind: Kind, certainly_not: set[int], *, several: bool) -> None:
        assert {
            status for status in EVERY_STATUS if not may_have_been_sent(kind, several, status)
        } == certainly_not

    @pytest.mark.parametrize("call", CALLS)
    def test_is_what_the_errors_say(self, call: str) -> None:
        kind = kind_of(*CALLS[call][:2])
        for status in EVERY_STATUS:
            error = Run(call, reply(status, b""), retry=False).error
            assert isinstance(error, errors.APIError)
            assert error.status_code == status
            assert error.may_have_been_sent is may_have_been_sent(
                kind, call in {"broadcast", "send_list"}, status
            )


class TestErrorClasses:
    """The class follows from the status; code, message and details are what the service said."""

    def test_by_status(self) -> None:
        special = {
            400: errors.BadRequest,
            401: errors.AuthenticationError,
            403: errors.PermissionDenied,
            404: errors.NotFound,
            413: errors.TooLarge,
            429: errors.RateLimited,
        }
        for status in EVERY_STATUS:
            expected = errors.ServerError if status >= 500 else special.get(status, errors.APIError)
            error = Run("send", reply(status), retry=False).raised(expected)
            assert str(error).startswith(f"The service answered {status}")
            assert str(error).endswith("(request id r-1)")

    def test_with_what_the_service_said(self) -> None:
        said = {
            "ErrorCode": "InvalidContent",
            "errormessage": "The request is not valid.",
            "errorDetails": {
                "Errors": [
                    {"Parameter": "To", "messages": ["is an invalid receiver", "is too short"]}
                ]
            },
        }
        error = Run("send", reply(400, said)).raised(errors.BadRequest)
        assert (error.code, error.message) == ("InvalidContent", "The request is not valid.")
        assert error.details == (
            errors.ErrorDetail("To", ("is an invalid receiver", "is too short")),
        )
        assert str(error) == (
            "The service answered 400: InvalidContent · The request is not valid. · "
            "To: is an invalid receiver is too short (request id r-1)"
        )

    @pytest.mark.parametrize(
        ("data", "code", "message", "details"),
        [
            ({}, None, None, ()),
            (None, None, None, ()),
            ([], None, None, ()),
            (5, None, None, ()),
            ("Forbidden", None, "Forbidden", ()),
            ({"errorCode": 11301, "errorMessage": None}, "11301", None, ()),
            ({"errorCode": {"a": 1}, "errorDetails": []}, "{'a': 1}", None, ()),
            ({"errorDetails": {"errors": {"parameter": "To"}}}, None, None, ()),
            (
                {"errorDetails": {"errors": [None, "To", {}]}},
                None,
                None,
                (errors.ErrorDetail(None, ()),) * 3,
            ),
            (
                {"errorDetails": {"errors": [{"parameter": 7, "messages": [1, None]}]}},
                None,
                None,
                (errors.ErrorDetail("7", ("1", "None")),),
            ),
        ],
    )
    def test_reads_what_it_can(
        self, data: object, code: str | None, message: str | None, details: Any
    ) -> None:
        assert read_problem(data) == (code, message, details)

    @given(json_values)
    def test_reads_whatever_it_gets(self, data: Any) -> None:
        error = Run("send", reply(400, data)).raised(errors.BadRequest)
        assert str(error).startswith("The service answered 400")

    @pytest.mark.parametrize(
        "body", [b"", b"<html>Bad gateway</html>", b"\xff\xfe\xfa", b"[" * 100_000, b"{"]
    )
    def test_of_an_answer_that_is_not_json(self, body: bytes) -> None:
        error = Run("send", reply(502, body)).raised(errors.ServerError)
        assert (error.code, error.message, error.details) == (None, None, ())
        assert str(error) == "The service answered 502 (request id r-1)"

    def test_of_an_answer_that_broke_off(self) -> None:
        broken = Reply(502, httpx.Headers())
        error = Run("send", Attempt(broken, httpx.ReadError("reset"))).raised(errors.ServerError)
        assert (str(error), error.request_id) == ("The service answered 502", None)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_of_a_redirect_says_that_it_is_not_followed(self, status: int) -> None:
        run = Run("send", reply(status, b"", location="https://evil.example/"), reply())
        assert run.attempts == 1
        error = run.raised(errors.APIError)
        assert "redirects are never followed; look at base_url" in str(error)
        assert "evil" not in str(error)

    @pytest.mark.parametrize(
        ("status", "kind"), [(429, errors.RateLimited), (503, errors.ServerError)]
    )
    def test_has_the_pause_that_was_asked_for(
        self, status: int, kind: type[errors.ECallError]
    ) -> None:
        error = Run("send", reply(status, retry_after="3600")).raised(kind)
        assert error.retry_after == 3600
        assert "The service asks for a pause of 3600 s." in str(error)

    def test_the_cause_is_kept_without_frames_that_hold_headers(self) -> None:
        def failing() -> None:
            try:
                int("below")
            except ValueError as below:
                raise httpx.ReadTimeout("timed out") from below

        with pytest.raises(httpx.ReadTimeout) as caught:
            failing()
        cause = caught.value
        error = Run("send", cause).raised(errors.OutcomeUnknown)
        assert error.__cause__ is cause
        assert [cause.__traceback__, cause.__cause__, cause.__context__] == [None, None, None]

    def test_of_a_download_that_broke_off(self) -> None:
        error = make_stream_error(httpx.ReadError("reset"), reply())
        assert type(error) is errors.ServiceUnreachable
        assert str(error) == "The download broke off: ReadError: reset (request id r-1)"
        assert error.may_have_been_sent is False


class TestHints:
    """401, 403 and 404 say what to look at."""

    @pytest.mark.parametrize("call", CALLS)
    def test_of_401(self, call: str) -> None:
        text = str(Run(call, reply(401)).raised(errors.AuthenticationError))
        assert "REST interface is switched on" in text
        assert "API sub-user" in text
        assert "cached" in text

    @pytest.mark.parametrize("call", CALLS)
    def test_of_403(self, call: str) -> None:
        text = str(Run(call, reply(403)).raised(errors.PermissionDenied))
        assert "credit" in text
        assert "approval of the sender" in text
        assert "API sub-user" in text
        assert "cached" in text

    @pytest.mark.parametrize("version_in", ["path", "header"])
    @pytest.mark.parametrize(
        ("call", "seven_days", "inferred"),
        [
            ("send", False, None),
            ("status", True, None),
            ("send_list", False, "/api/messagelist"),
            ("list_status", True, "/api/messagelist/{messageListId}"),
            ("upload", False, "/api/media"),
            ("fetch", False, "/api/media/{mediaId}"),
        ],
    )
    def test_of_404(
        self, call: str, version_in: str, *, seven_days: bool, inferred: str | None
    ) -> None:
        text = str(Run(call, reply(404), version_in=version_in).raised(errors.NotFound))
        assert ("seven days" in text) is seven_days
        assert ("inferred" in text) is (inferred is not None)
        if inferred:
            assert (
                f"The path {inferred} is inferred, not documented; request(…) can call another one."
                in text
            )

    @pytest.mark.parametrize("call", CALLS)
    def test_of_404_on_a_path_of_v1_which_is_inferred_too(self, call: str) -> None:
        by_path = str(Run(call, reply(404), api_version="v1").raised(errors.NotFound))
        assert "/api/v1/" in by_path
        assert "inferred" in by_path
        assert "version_in='header'" in by_path
        by_header = str(
            Run(call, reply(404), api_version="v1", version_in="header").raised(errors.NotFound)
        )
        assert "/api/v1/" not in by_header


class TestPrivacy:
    """What the service quotes back of the message does not get into the words of an error."""

    @pytest.mark.parametrize("call", SENDS)
    @pytest.mark.parametrize(
        "said",
        [
            f"The text {TEXT!r} is not allowed",
            f"{NUMBER} is an invalid receiver",
            "0041791234567 and +41 79 123 45 67 and 079/123.45.67 are invalid",
            f"{TEXT}{TEXT}",
            "x" * 480 + TEXT,
            "x" * 480 + NUMBER,
        ],
    )
    def test_of_texts_and_numbers(self, call: str, said: str) -> None:
        bodies: list[Any] = [
            {"errorCode": said},
            {"errorMessage": said},
            {"errorDetails": {"errors": [{"parameter": said, "messages": [said]}]}},
            said,
        ]
        for body in bodies:
            for status in (400, 403, 500):
                error = Run(call, reply(status, body)).error
                assert error is not None
                for secret in (TEXT, TEXT[:15], NUMBER, "1234567", "123 45 67", "123.45.67"):
                    assert secret not in str(error)
                    assert secret not in repr(error)

    def test_the_words_themselves_are_in_attributes(self) -> None:
        said = f"{NUMBER} is an invalid receiver of {TEXT}"
        error = Run("send", reply(400, {"errorMessage": said})).raised(errors.BadRequest)
        assert error.message == said
        assert (
            str(error) == "The service answered 400: … is an invalid receiver of … (request id r-1)"
        )

    def test_addresses_of_notifications_and_senders_are_hidden_too(self) -> None:
        told = [
            {"type": "Email", "address": "anna@muster.example"},
            {"type": "Url", "address": "https://h.example/k"},
        ]
        body: Any = {**ONE, "from": "0041781234567", "notification": {"addresses": told}}
        said = "anna@muster.example, https://h.example/k and 0041781234567 are unknown"
        plan = make_policy().plan("POST", "/api/message", "json", json=body)
        error = Run(plan, reply(400, {"errorMessage": said})).raised(errors.BadRequest)
        assert "are unknown" in str(error)
        assert "anna" not in str(error)
        assert "h.example" not in str(error)
        assert "0041781234567" not in str(error)

    def test_long_words_are_cut(self) -> None:
        error = Run("send", reply(400, {"errorMessage": "word " * 1000})).raised(errors.BadRequest)
        assert len(str(error)) < 600

    def test_identifiers_and_times_are_left(self) -> None:
        said = "b1f5a2f0-0001-4c6e-9d3a-000000000001 at 2026-01-15T09:30:00Z"
        assert said in str(Run("status", reply(400, {"errorMessage": said})).error)

    @pytest.mark.parametrize("call", CALLS)
    def test_an_error_of_an_unknown_kind_keeps_its_words_to_itself(self, call: str) -> None:
        error = Run(call, RuntimeError(f"Basic amFuZTpzM2NyZXQ= {TEXT}")).error
        assert error is not None
        assert "RuntimeError" in str(error)
        assert "Basic" not in str(error)
        assert TEXT not in str(error)


class TestSpelling:
    """JSON names are read in any letter case."""

    @pytest.mark.parametrize("name", JSON_NAMES.values())
    @pytest.mark.parametrize(
        "change", [str.upper, str.lower, str.swapcase, lambda name: name[0].upper() + name[1:]]
    )
    def test_of_every_name(self, name: str, change: Callable[[str], str]) -> None:
        assert spell({change(name): 1}) == {name: 1}

    @pytest.mark.parametrize(
        "data",
        [
            {"messageId": "right", "MessageId": "wrong"},
            {"MessageId": "wrong", "messageId": "right"},
            {"MESSAGEID": "wrong", "messageId": "right", "messageid": "wrong"},
        ],
    )
    def test_of_the_spec_wins_where_there_are_several(self, data: Any) -> None:
        assert spell(data) == {"messageId": "right"}

    def test_at_every_depth(self) -> None:
        data: Any = {
            "Messages": [{"MessageID": {"Error": [[{"ERRORCODE": 1}]]}}],
            "Other": {"To": None},
        }
        assert spell(data) == {
            "messages": [{"messageId": {"error": [[{"errorCode": 1}]]}}],
            "Other": {"to": None},
        }

    def test_at_every_depth_also_where_there_are_several(self) -> None:
        data: Any = {"MESSAGES": [], "messages": [{"MessageId": "wrong", "messageId": "right"}]}
        assert spell(data) == {"messages": [{"messageId": "right"}]}

    @given(json_values)
    def test_leaves_all_else_as_it_is(self, data: Any) -> None:
        again = spell(data)
        assert repr(spell(again)) == repr(again)

    def test_unknown_names_keep_theirs(self) -> None:
        data: Any = {"Kanal": 1, "kanal": 2, "\u017ftate": 3}
        assert spell(data) == data


class TestAccepted:
    """A successful answer reaches the generated parsing in a form that it takes."""

    def test_with_its_names_spelled(self) -> None:
        result = Run("send", reply(202, {"MessageId": "m-1"})).result
        assert result is not None
        assert (result.status_code, result.json()) == (202, {"messageId": "m-1"})
        assert result.content == b'{"MessageId": "m-1"}'
        assert (result.request_id, result.headers[REQUEST_ID]) == ("r-1", "r-1")

    @pytest.mark.parametrize("status", [218, 299])
    def test_without_a_status_that_has_no_name(self, status: int) -> None:
        result = Run("send", reply(status, {})).result
        assert result is not None
        assert result.status_code == 200

    @pytest.mark.parametrize("body", [b'\xef\xbb\xbf{"state": 1}', '{"state": 1}'.encode("utf-16")])
    def test_whatever_its_unicode(self, body: bytes) -> None:
        result = Run("status", reply(200, body)).result
        assert result is not None
        assert result.json() == {"state": 1}

    @pytest.mark.parametrize("form", ["raw", "stream"])
    def test_as_it_is_where_it_is_not_read_as_json(self, form: Any) -> None:
        given = reply(218, b"<html>")
        assert Run(make_policy().plan("GET", "/api/media/f-1", form), given).result is given
