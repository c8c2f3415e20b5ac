"""What may be repeated, after which pause, and what an error says about the message: each rule in one table."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from _attempts import (
    AMBIGUOUS,
    CALLS,
    EFFECTS,
    NEVER_CONNECTED,
    class_name,
    received,
    response,
    unsent,
)
from _clock import Clock
from hypothesis import given
from hypothesis import strategies as st

from ecall_facade._attempt import Attempt, Failed
from ecall_facade._call import REQUEST_ID, Effect
from ecall_facade._retries import (
    backoff,
    is_refused_unseen,
    may_have_been_sent,
    pause_before_retry,
    retry_after,
)

EVERY_STATUS = range(300, 600)
EVERY_EFFECT = list(Effect)
WRITES = [Effect.SEND_ONE, Effect.SEND_MANY, Effect.UPLOAD]
READS = [Effect.READ_STATUS, Effect.READ]
OF_THE_SERVICE_ITSELF = {"retry_after": "1"}  # beside the request id, which each response has
CERTIFICATE = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"


def is_repeated(effect: Effect, attempt: Attempt) -> bool:
    return pause_before_retry(effect, attempt, 0) is not None


@pytest.mark.parametrize("name", CALLS)
def test_each_call_has_its_effect(name: str) -> None:
    assert CALLS[name]().effect is EFFECTS[name]


# After an error of the transport


@pytest.mark.parametrize("effect", EVERY_EFFECT)
@pytest.mark.parametrize("error", NEVER_CONNECTED, ids=class_name)
def test_any_call_is_repeated_if_no_connection_was_made(effect: Effect, error: Exception) -> None:
    assert is_repeated(effect, unsent(error))


@pytest.mark.parametrize("effect", WRITES)
@pytest.mark.parametrize("error", AMBIGUOUS, ids=class_name)
def test_a_write_is_not_repeated_once_the_request_may_have_gone_out(
    effect: Effect, error: Exception
) -> None:
    assert not is_repeated(effect, Failed(error))


@pytest.mark.parametrize("effect", WRITES)
@pytest.mark.parametrize("error", [*NEVER_CONNECTED, httpx.PoolTimeout("")], ids=class_name)
def test_a_write_is_not_repeated_on_the_word_of_an_unknown_transport(
    effect: Effect, error: Exception
) -> None:
    assert not is_repeated(effect, Failed(error, is_unsent=False))


@pytest.mark.parametrize("effect", WRITES)
def test_a_write_is_not_repeated_after_waiting_for_a_connection_in_vain(effect: Effect) -> None:
    assert not is_repeated(effect, unsent(httpx.PoolTimeout("all connections are busy")))


@pytest.mark.parametrize("effect", EVERY_EFFECT)
def test_no_call_is_repeated_if_the_certificate_was_refused(effect: Effect) -> None:
    assert not is_repeated(effect, unsent(httpx.ConnectError(CERTIFICATE)))


@pytest.mark.parametrize("effect", WRITES)
@pytest.mark.parametrize("status", [200, 202, 400, 500])
def test_a_write_is_not_repeated_if_its_response_broke_off(effect: Effect, status: int) -> None:
    assert not is_repeated(effect, Failed(httpx.ReadError("reset"), data=response(status, b"")))


@pytest.mark.parametrize("effect", READS)
@pytest.mark.parametrize(
    "error", [*NEVER_CONNECTED, httpx.PoolTimeout(""), *AMBIGUOUS], ids=class_name
)
def test_a_read_is_repeated_after_any_error_of_the_transport(
    effect: Effect, error: Exception
) -> None:
    assert is_repeated(effect, Failed(error))
    assert is_repeated(effect, Failed(error, data=response(200, b"{")))


# After a response


@pytest.mark.parametrize(
    ("effect", "status", "headers", "expected"),
    [
        (Effect.SEND_ONE, 429, {}, True),
        (Effect.UPLOAD, 429, {}, True),
        (Effect.SEND_MANY, 429, {}, False),  # some may have been taken before the quota ended
        (Effect.SEND_MANY, 429, OF_THE_SERVICE_ITSELF, False),
        *[(effect, 503, OF_THE_SERVICE_ITSELF, True) for effect in WRITES],
        *[(effect, 503, {"retry_after": "0"}, True) for effect in WRITES],
        # A proxy in front may have passed the request on before it answered.
        *[(effect, 503, {}, False) for effect in WRITES],
        *[(effect, 503, {"retry_after": "soon"}, False) for effect in WRITES],
        *[(effect, 503, {"retry_after": "3", REQUEST_ID: ""}, False) for effect in WRITES],
    ],
)
def test_a_write_that_was_answered_429_or_503_is_repeated_only_if_it_was_not_taken(
    effect: Effect, status: int, headers: dict[str, str], *, expected: bool
) -> None:
    assert is_repeated(effect, received(status, b"", **headers)) is expected


@pytest.mark.parametrize("effect", WRITES)
def test_a_write_is_not_repeated_after_any_other_status(effect: Effect) -> None:
    repeated = {
        status
        for status in [*range(100, 200), *EVERY_STATUS]
        if is_repeated(effect, received(status, b"", **OF_THE_SERVICE_ITSELF))
    }
    assert repeated == ({503} if effect is Effect.SEND_MANY else {429, 503})


@pytest.mark.parametrize("effect", READS)
def test_a_read_is_repeated_after_a_status_that_may_pass(effect: Effect) -> None:
    repeated = {status for status in EVERY_STATUS if is_repeated(effect, received(status, b""))}
    assert repeated == {408, 429, 500, 502, 503, 504}


# Pauses


def test_pauses_double_with_each_retry_and_differ_between_clients() -> None:
    for number, least in enumerate([0.25, 0.5, 1.0, 2.0]):
        pauses = [backoff(number) for _ in range(100)]
        assert least <= min(pauses) < max(pauses) <= least * 1.25


@pytest.mark.parametrize("number", [0, 1])
def test_without_retry_after_the_pause_is_the_backoff(number: int) -> None:
    for effect, attempt in (
        (Effect.SEND_ONE, received(429)),
        (Effect.READ, received(500)),
        (Effect.SEND_MANY, unsent(NEVER_CONNECTED[0])),
    ):
        pause = pause_before_retry(effect, attempt, number)
        assert pause is not None
        assert 0.25 * 2**number <= pause <= 0.3125 * 2**number


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("value", ["0", "2", "7.5", "10"])
@pytest.mark.parametrize(
    ("effect", "status"),
    [(Effect.SEND_ONE, 429), (Effect.SEND_MANY, 503), (Effect.UPLOAD, 503), (Effect.READ, 429)],
)
def test_a_pause_that_the_service_asks_for_is_kept_exactly(
    effect: Effect, status: int, value: str, number: int
) -> None:
    attempt = received(status, retry_after=value)
    assert pause_before_retry(effect, attempt, number) == float(value)


@pytest.mark.parametrize("value", ["10.5", "11", "3600", "99999999999999999999"])
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("effect", EVERY_EFFECT)
def test_a_call_is_not_repeated_if_the_service_asks_for_more_than_ten_seconds(
    effect: Effect, status: int, value: str
) -> None:
    assert not is_repeated(effect, received(status, retry_after=value))


# Retry-After


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
        ("Fri, 06 Nov 99999999999 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}) == seconds


def test_retry_after_can_be_missing() -> None:
    assert retry_after({}) is None


@pytest.mark.parametrize("digits", [10, 40, 400])
def test_retry_after_with_many_digits_is_a_long_time(digits: int) -> None:
    seconds = retry_after({"retry-after": "9" * digits})
    assert seconds is not None
    assert 999_999_999 <= seconds < math.inf  # JSON has no number for infinity


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    "value",
    [
        "Fri, 15 Jan 2027 08:01:00 GMT",
        "Friday, 15-Jan-27 08:01:00 GMT",
        "Fri Jan 15 08:01:00 2027",  # GMT as well
        "Fri, 15 Jan 2027 08:01:00 -0000",
        "Fri, 15 Jan 2027 09:01:00 +0100",
    ],
)
def test_a_date_in_retry_after_means_the_same_in_every_time_zone(
    monkeypatch: pytest.MonkeyPatch, value: str, zone: str
) -> None:
    clock = Clock(stands=True)
    clock.install(monkeypatch)
    assert datetime.fromtimestamp(clock.wall_time(), UTC) == datetime(2027, 1, 15, 8, tzinfo=UTC)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after({"retry-after": value}) == 60
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text(max_size=40))
def test_retry_after_is_never_negative_and_never_fails(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or seconds >= 0


# Whether the message could have been sent


@pytest.mark.parametrize(
    ("effect", "certainly_not"),
    [
        (Effect.SEND_ONE, {400, 401, 403, 404, 405, 413, 415, 422, 429}),
        # For many recipients, credit (403) or quota (429) may end midway.
        (Effect.SEND_MANY, {400, 401, 404, 405, 413, 415, 422}),
        (Effect.READ_STATUS, set[int]()),  # that message is out
        (Effect.UPLOAD, set(EVERY_STATUS)),
        (Effect.READ, set(EVERY_STATUS)),
    ],
)
def test_a_message_was_certainly_not_sent_only_with_these_statuses(
    effect: Effect, certainly_not: set[int]
) -> None:
    found = {status for status in EVERY_STATUS if not may_have_been_sent(effect, status, {})}
    assert found == certainly_not


@pytest.mark.parametrize(
    ("status", "headers", "is_refused"),
    [
        (503, {"retry-after": "1", REQUEST_ID: "r-1"}, True),
        (503, {"retry-after": "3600", REQUEST_ID: "r-1"}, True),
        (503, {"retry-after": "1"}, False),
        (503, {REQUEST_ID: "r-1"}, False),
        (503, {"retry-after": "1", REQUEST_ID: ""}, False),
        (503, {"retry-after": "soon", REQUEST_ID: "r-1"}, False),
        (503, {}, False),
        (502, {"retry-after": "1", REQUEST_ID: "r-1"}, False),
        (500, {"retry-after": "1", REQUEST_ID: "r-1"}, False),
    ],
)
def test_a_503_proves_that_nothing_was_sent_only_if_it_has_both_headers(
    status: int, headers: dict[str, str], *, is_refused: bool
) -> None:
    assert is_refused_unseen(status, headers) is is_refused
    for effect in (Effect.SEND_ONE, Effect.SEND_MANY):
        assert may_have_been_sent(effect, status, headers) is not is_refused
    assert may_have_been_sent(Effect.READ_STATUS, status, headers)
    for effect in (Effect.UPLOAD, Effect.READ):
        assert not may_have_been_sent(effect, status, headers)


def test_effects_are_sends_or_reads_or_neither() -> None:
    kinds: dict[Effect, Any] = {effect: (effect.is_send, effect.is_read) for effect in Effect}
    assert kinds == {
        Effect.SEND_ONE: (True, False),
        Effect.SEND_MANY: (True, False),
        Effect.UPLOAD: (False, False),
        Effect.READ_STATUS: (False, True),
        Effect.READ: (False, True),
    }
