"""The state machine of a call, driven by hand: no socket, no sleep, one attempt after the other."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from _attempts import (
    AMBIGUOUS,
    CALLS,
    EFFECTS,
    NUMBER,
    READS,
    REFUSED,
    TEXT,
    WRITES,
    class_name,
    http_request,
    received,
    response,
    send_call,
    unsent,
)
from _clock import Clock

from ecall_client.operations import OperationResponse
from ecall_facade import errors
from ecall_facade._attempt import Attempt, Failed
from ecall_facade._call import Call, Effect
from ecall_facade._policy import Tries, read_result

JSON_CALLS = ["send", "broadcast", "send_list", "upload", "status", "list_status"]
IDS = {"messageId": "m-1", "messageListId": "l-1", "mediaId": "f-1"}


class Tried:
    """A call, tried on attempts that were laid down; the last of them goes on for ever."""

    def __init__(self, call: Call[Any], *attempts: Attempt, retry: bool = True) -> None:
        tries = Tries(call, http_request(call), retry=retry)
        self.count = 0
        self.pauses: list[float] = []
        self.error: errors.ECallError | None = None
        while True:
            self.count += 1
            attempt = attempts[min(self.count, len(attempts)) - 1]
            try:
                pause = tries.pause_after(attempt)
            except errors.ECallError as error:
                self.error = error
                return
            if pause is None:
                return
            self.pauses.append(pause)


# How often


@pytest.mark.parametrize("name", CALLS)
def test_a_success_ends_a_call(name: str) -> None:
    tried = Tried(CALLS[name](), received(200))
    assert (tried.count, tried.pauses, tried.error) == (1, [], None)


@pytest.mark.parametrize("status", [200, 201, 202, 207, 218, 299])
def test_each_status_from_200_to_299_is_a_success(status: int) -> None:
    assert Tried(CALLS["send"](), received(status)).error is None


@pytest.mark.parametrize("status", [300, 304, 399])
def test_a_status_above_299_is_no_success(status: int) -> None:
    assert type(Tried(CALLS["send"](), received(status)).error) is errors.APIError


@pytest.mark.parametrize("name", CALLS)
def test_a_call_can_succeed_at_its_third_try(name: str) -> None:
    tried = Tried(CALLS[name](), unsent(REFUSED), unsent(REFUSED), received(200))
    assert (tried.count, len(tried.pauses), tried.error) == (3, 2, None)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_tried_three_times_at_most(name: str) -> None:
    tried = Tried(CALLS[name](), unsent(REFUSED))
    assert (tried.count, len(tried.pauses)) == (3, 2)
    expected = errors.ServiceUnreachable if name in READS else errors.NotSent
    assert type(tried.error) is expected


def test_the_pause_grows_with_each_try() -> None:
    first, second = Tried(CALLS["status"](), received(500)).pauses
    assert 0.25 <= first <= 0.3125 < 0.5 <= second <= 0.625


@pytest.mark.parametrize(
    "attempt",
    [unsent(REFUSED), received(429), received(503, retry_after="1")],
    ids=["unsent", "429", "503"],
)
@pytest.mark.parametrize("name", CALLS)
def test_retries_can_be_switched_off(name: str, attempt: Attempt) -> None:
    tried = Tried(CALLS[name](), attempt, received(200), retry=False)
    assert (tried.count, tried.error is None) == (1, False)


def test_a_stream_that_can_be_read_only_once_is_not_sent_again() -> None:
    call = attrs.evolve(CALLS["upload"](), is_repeatable=False)
    tried = Tried(call, unsent(REFUSED), received(200))
    assert tried.count == 1
    assert type(tried.error) is errors.NotSent


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("error", AMBIGUOUS, ids=class_name)
def test_a_write_whose_outcome_is_unknown_is_tried_once(name: str, error: Exception) -> None:
    tried = Tried(CALLS[name](), Failed(error), received(200))
    assert tried.count == 1
    assert type(tried.error) is errors.OutcomeUnknown


@pytest.mark.parametrize(("name", "count"), [("send", 2), ("broadcast", 1), ("send_list", 1)])
def test_a_429_is_repeated_only_for_one_recipient(name: str, count: int) -> None:
    tried = Tried(CALLS[name](), received(429, retry_after="1"), received(200))
    assert tried.count == count
    if count == 1:
        assert isinstance(tried.error, errors.RateLimited)
        assert (tried.error.retry_after, tried.error.may_have_been_sent) == (1, True)


@pytest.mark.parametrize(
    ("method", "count"),
    [("POST", 1), ("PUT", 1), ("PATCH", 1), ("DELETE", 1), ("GET", 2), ("HEAD", 2), ("OPTIONS", 2)],
)
def test_a_429_to_a_free_request_is_repeated_only_if_its_method_reads(
    method: str, count: int
) -> None:
    from ecall_facade._free_requests import free_call

    call = free_call(method, "/api/message", {"to": NUMBER})
    assert Tried(call, received(429), received(200)).count == count


# How long


@pytest.mark.parametrize(
    ("took", "count"), [(0.0, 3), (10.0, 3), (15.5, 2), (29.0, 2), (29.8, 1), (40.0, 1)]
)
def test_no_retry_begins_later_than_thirty_seconds_after_the_first_try(
    monkeypatch: pytest.MonkeyPatch, took: float, count: int
) -> None:
    clock = Clock(stands=True)
    clock.install(monkeypatch)
    call = CALLS["send"]()
    tries = Tries(call, http_request(call), retry=True)
    seen = 0

    def try_again() -> None:
        nonlocal seen
        pause: float | None = 0.0
        while pause is not None:
            seen += 1
            clock.sleep(took)
            pause = tries.pause_after(unsent(REFUSED))
            clock.sleep(pause or 0.0)

    with pytest.raises(errors.NotSent):
        try_again()
    assert seen == count


def test_a_long_pause_that_the_service_asks_for_is_left_to_the_caller() -> None:
    tried = Tried(CALLS["status"](), received(429, retry_after="3600"), received(200))
    assert tried.count == 1
    assert isinstance(tried.error, errors.RateLimited)
    assert tried.error.retry_after == 3600


# The log


def test_each_try_is_logged_without_texts_and_numbers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ecall_facade")
    Tried(CALLS["send"](), received(429), unsent(REFUSED), received(200))
    assert [record.getMessage() for record in caplog.records] == [
        "POST /api/message: 429, request id r-1",
        "POST /api/message: no response",
        "POST /api/message: 200, request id r-1",
    ]
    assert TEXT not in caplog.text
    assert NUMBER not in caplog.text


# Reading a response


def test_a_response_is_read_with_its_names_normalized() -> None:
    sent = read_result(send_call(), response(202, {"MessageId": "m-1", "Kanal": 1}))
    assert (sent.message_id, sent.request_id) == ("m-1", "r-1")
    assert sent.raw == {"MessageId": "m-1", "Kanal": 1}


@pytest.mark.parametrize("status", [200, 201, 218, 299])
@pytest.mark.parametrize("name", JSON_CALLS)
def test_a_response_is_read_whatever_the_status_of_its_success(name: str, status: int) -> None:
    assert read_result(CALLS[name](), response(status, IDS)).request_id == "r-1"


@pytest.mark.parametrize(
    "body", [b'\xef\xbb\xbf{"messageId": "m-1"}', '{"messageId": "m-1"}'.encode("utf-16")]
)
def test_a_response_is_read_in_any_unicode_encoding(body: bytes) -> None:
    assert read_result(send_call(), response(200, body)).message_id == "m-1"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the response is empty"),
        (b"<html>", "the response is not JSON (JSONDecodeError)"),
        (b'{"messageId": ', "the response is not JSON (JSONDecodeError)"),
        (b"\xff\xfe\xfa", "the response is not JSON (UnicodeDecodeError)"),
        (b"[" * 100_000, "the response is not JSON (RecursionError)"),
        (b"[]", "the response is not a JSON object"),
        (b"null", "the response is not a JSON object"),
        (b'"m-1"', "the response is not a JSON object"),
    ],
)
@pytest.mark.parametrize("name", JSON_CALLS)
def test_a_response_that_is_no_json_object_is_unreadable(
    name: str, body: bytes, problem: str
) -> None:
    with pytest.raises(errors.UnreadableResponse) as caught:
        read_result(CALLS[name](), response(200, body))
    error = caught.value
    assert f"The service answered 200, but {problem}" in str(error)
    assert ("do not repeat it" in str(error)) is EFFECTS[name].is_send
    assert (error.status_code, error.body, error.request_id) == (200, body[:2000], "r-1")
    assert error.may_have_been_sent is (name != "upload")


@pytest.mark.parametrize("depth", [10, 200, 500, 900, 2_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_response_of_any_depth_is_read_or_unreadable(
    opening: bytes, closing: bytes, depth: int
) -> None:
    nested = opening * depth + b"1" + closing * depth
    body = b'{"messageId": "m-1", "more": ' + nested + b"}"
    try:
        sent = read_result(send_call(), response(200, body))
    except errors.UnreadableResponse as error:
        assert depth > 100
        assert error.may_have_been_sent is True  # noqa: PT017
    else:
        assert sent.message_id == "m-1"


def raising(error: Exception) -> Callable[[OperationResponse], Any]:
    def read(_: OperationResponse) -> Any:
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [
        ValueError(TEXT),
        UnicodeDecodeError("utf-8", b"", 0, 1, TEXT),
        TypeError(TEXT),
        KeyError(TEXT),
        AttributeError(TEXT),
        RecursionError(TEXT),
    ],
    ids=class_name,
)
@pytest.mark.parametrize("effect", list(Effect))
def test_a_response_that_does_not_match_the_spec_is_unreadable(
    effect: Effect, error: Exception
) -> None:
    call: Call[Any] = Call(effect, send_call().request, raising(error))
    with pytest.raises(errors.UnreadableResponse) as caught:
        read_result(call, response(200, {"a": 1}))
    kind = type(error).__name__
    assert f"200, but the response does not match the spec ({kind})" in str(caught.value)
    assert TEXT not in str(caught.value)
    assert caught.value.__cause__ is error
    assert caught.value.may_have_been_sent is (effect not in {Effect.UPLOAD, Effect.READ})
    assert (caught.value.status_code, caught.value.request_id) == (200, "r-1")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        AssertionError("x"),
        ZeroDivisionError("x"),
        OSError(5, "x"),
        MemoryError(),
    ],
    ids=class_name,
)
def test_a_fault_of_the_package_while_reading_a_response_comes_through(error: Exception) -> None:
    call: Call[Any] = Call(Effect.SEND_ONE, send_call().request, raising(error))
    with pytest.raises(type(error)) as caught:
        read_result(call, response(200, {"a": 1}))
    assert caught.value is error


def test_a_file_is_handed_on_as_it_is() -> None:
    given = response(218, b"<html>")
    assert read_result(CALLS["download"](), given) is given


@pytest.mark.parametrize("status", [204, 205])
def test_a_response_without_a_file_is_unreadable(status: int) -> None:
    with pytest.raises(errors.UnreadableResponse, match="it contains no file") as caught:
        read_result(CALLS["download"](), response(status, b""))
    assert (caught.value.may_have_been_sent, caught.value.request_id) == (False, "r-1")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000])
def test_the_response_to_a_free_request_can_be_anything(body: bytes) -> None:
    found = read_result(CALLS["request, POST"](), response(207, body, x_other="yes"))
    assert (found.status_code, found.content, found.raw, found.request_id) == (
        207,
        body,
        None,
        "r-1",
    )
    assert found.headers["x-other"] == "yes"


def test_the_json_of_a_free_response_keeps_its_names() -> None:
    body = json.dumps({"MessageId": [1]}).encode()
    assert read_result(CALLS["request, GET"](), response(200, body)).raw == {"MessageId": [1]}
