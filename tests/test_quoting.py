"""What the service quotes of a message, a text or a number, does not get into the words of an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from _attempts import (
    CALLS,
    NUMBER,
    SENDS,
    TEXT,
    error_after,
    received,
    send_call,
    send_list_call,
)

from ecall_facade import Notify, RawAddress, errors
from ecall_facade._call import Call
from ecall_facade._quoting import without_private

SECRETS = (TEXT, TEXT[:15], NUMBER, "1234567", "123 45 67", "123.45.67")


@pytest.mark.parametrize(
    ("said", "private", "expected"),
    [
        (f"The text {TEXT!r} is bad", [TEXT], "The text '…' is bad"),
        (f"{TEXT}{TEXT}", [TEXT], "……"),
        (f"cut: {TEXT[:12]} …", [TEXT], "cut: … …"),
        (f"cut: {TEXT[-8:]}", [TEXT], "cut: …"),
        (f"cut: {TEXT[5:20]} and {TEXT[10:30]}", [TEXT], "cut: … and …"),
        ("short: 1414", ["1414"], "short: …"),
        ("a code of 12 is too short", ["12", "cod"], "a code of 12 is too short"),
        (f"{NUMBER} is an invalid receiver", [], "+41…67 is an invalid receiver"),
        ("0041 79 123.45/67 is invalid", [], "004…67 is invalid"),
        ("nothing to hide", [TEXT], "nothing to hide"),
        ("", [TEXT], ""),
    ],
)
def test_private_texts_are_left_out_and_numbers_are_masked(
    said: str, private: list[str], expected: str
) -> None:
    assert without_private(said, private) == expected


@pytest.mark.parametrize("name", [*SENDS])
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
def test_the_error_of_a_send_has_neither_its_text_nor_its_number(name: str, said: str) -> None:
    bodies: list[Any] = [
        {"errorCode": said},
        {"errorMessage": said},
        {"errorDetails": {"errors": [{"parameter": said, "messages": [said]}]}},
        said,
    ]
    for body in bodies:
        for status in (400, 403, 500):
            error = error_after(CALLS[name](), received(status, body))
            for secret in SECRETS:
                assert secret not in str(error)
                assert secret not in repr(error)


def test_words_are_cut_only_after_private_texts_were_left_out() -> None:
    said = "x" * 495 + TEXT
    error = error_after(send_call(), received(400, {"errorMessage": said}))
    assert error.explanation.endswith("xxx…")


def test_what_the_service_said_word_for_word_is_in_attributes() -> None:
    said = f"{NUMBER} is an invalid receiver of {TEXT}"
    error = error_after(send_call(), received(400, {"errorMessage": said}))
    assert type(error) is errors.BadRequest
    assert error.message == said
    assert str(error) == "The service answered 400: … is an invalid receiver of … (request id r-1)"


SECRET = "anna@muster.example"
CALLS_WITH_A_SECRET: dict[str, Callable[[], Call[Any]]] = {
    "notify": lambda: send_call(notify=Notify(SECRET)),
    "extra": lambda: send_call(extra={"deep": [{"field": SECRET}]}),
    "raw address": lambda: send_call(to=RawAddress(SECRET)),
    "notify of a list": lambda: send_list_call(notify=SECRET),
    "extra of a list": lambda: send_list_call(extra={"field": SECRET}),
    "text in a list": lambda: send_list_call(SECRET),
    "recipient in a list": lambda: send_list_call(to=RawAddress(SECRET)),
    "extra in a list": lambda: send_list_call(extra_of_message={"field": SECRET}),
}


@pytest.mark.parametrize("where", CALLS_WITH_A_SECRET)
def test_each_part_of_a_message_that_is_about_people_is_left_out(where: str) -> None:
    said = {"errorMessage": f"{SECRET} is unknown"}
    error = error_after(CALLS_WITH_A_SECRET[where](), received(400, said))
    assert "… is unknown" in str(error)
    assert "anna" not in str(error)


def test_the_addresses_of_a_notification_and_the_sender_are_left_out() -> None:
    call = send_call(
        sender="0041781234567", notify=Notify("anna@muster.example", "https://h.example/k")
    )
    said = "anna@muster.example, https://h.example/k and 0041781234567 are unknown"
    error = error_after(call, received(400, {"errorMessage": said}))
    assert "are unknown" in str(error)
    for secret in ("anna", "h.example", "0041781234567"):
        assert secret not in str(error)


def test_identifiers_and_times_are_left_as_they_are() -> None:
    said = "b1f5a2f0-0001-4c6e-9d3a-000000000001 at 2026-01-15T09:30:00Z"
    error = error_after(CALLS["status"](), received(400, {"errorMessage": said}))
    assert said in str(error)
