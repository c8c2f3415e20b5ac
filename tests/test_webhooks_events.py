"""The events that callbacks become: every shape and encoding that may come, and what must not disturb."""

from __future__ import annotations

import contextlib
import json
import pickle
import random
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import attrs
import pytest
from _counting import Count
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import garbage, json_objects, json_values

from ecall_client.models import Channel
from ecall_facade import DeliveryState, ErrorDetail, FailureReason
from ecall_facade.webhooks import (
    Event,
    MalformedEvent,
    ReceivedMessage,
    Receiver,
    StatusUpdate,
    UnknownEvent,
)

PEER = "193.93.208.200"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEXT = "Grüezi, der Code von Anna Muster ist 481 516 💙"
NUMBER, OTHER = "+41791234567", "+41787654321"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"
KINDS = (StatusUpdate, ReceivedMessage, UnknownEvent)

RECEIVER = Receiver()


def receive(body: object, content_type: str | None = JSON, **more: Any) -> Any:
    """Receive a callback of the service; anything but bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if content_type is None else {"Content-Type": content_type}
    return RECEIVER.receive(content, remote_addr=PEER, headers=headers, **more)


STATUS = {
    "messageId": "m-1",
    "state": "Delivered",
    "to": NUMBER,
    "timestamp": "2026-11-23T12:00:00Z",
    "error": {
        "errorCode": "InvalidContent",
        "errorMessage": TEXT,
        "errorDetails": {"errors": [{"parameter": "To", "messages": [NUMBER]}]},
    },
}
MESSAGE = {
    "messageId": "i-1",
    "channel": "Whatsapp",
    "from": NUMBER,
    "to": OTHER,
    "content": {"type": "Text", "text": TEXT, "mediaId": "f-1"},
    "timestamp": "2026-11-23T12:00:00Z",
}
# Of eCall's sibling interfaces: a reply, and a delivery report.
REPLY = {
    "AddressTo": OTHER,
    "AddressFrom": NUMBER,
    "Message": TEXT,
    "TimeStamp": "23.11.2026 13:00:00",
    "JobID": "j-1",
}
REPORT = {
    "ResultCode": "0",
    "ResultText": TEXT,
    "Number": NUMBER,
    "TimeStamp": "23.11.2026 13:00:00",
    "JobID": "j-1",
}

STATUS_EVENT = StatusUpdate(
    "m-1",
    DeliveryState.DELIVERED,
    is_final=True,
    recipient=NUMBER,
    updated_at=NOON,
    error=FailureReason("InvalidContent", TEXT, (ErrorDetail("To", (NUMBER,)),)),
    key=receive(STATUS).key,
    raw=STATUS,  # type: ignore[arg-type]
)
MESSAGE_EVENT = ReceivedMessage(
    "i-1",
    sender=NUMBER,
    recipient=OTHER,
    text=TEXT,
    media_id="f-1",
    channel=Channel.WHATSAPP,
    received_at=NOON,
    key=receive(MESSAGE).key,
    raw=MESSAGE,  # type: ignore[arg-type]
)


def respell(data: object, how: Callable[[str], str]) -> object:
    """Return the same JSON with each name spelled in another way."""
    if isinstance(data, dict):
        return {how(name): respell(value, how) for name, value in data.items()}
    return [respell(item, how) for item in data] if isinstance(data, list) else data


def reverse(data: object) -> object:
    """Return the same JSON with its names in another order."""
    if isinstance(data, dict):
        return {name: reverse(data[name]) for name in reversed(data)}
    return data


def pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def fields(event: Event) -> dict[str, object]:
    """Return the fields of an event without its raw data."""
    named = attrs.asdict(event, recurse=False)
    return {name: value for name, value in named.items() if name != "raw"}


# --- shapes


@pytest.mark.parametrize("spelling", [str, pascal, str.lower, str.upper, str.swapcase])
def test_the_names_of_the_spec_are_read_in_any_letter_case(spelling: Callable[[str], str]) -> None:
    for data, expected in ((STATUS, STATUS_EVENT), (MESSAGE, MESSAGE_EVENT)):
        spelled = respell(data, spelling)
        event = receive(spelled)
        assert event.raw == spelled
        assert repr(event) == repr(expected)
        assert fields(event) == fields(expected)


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
def test_the_names_of_the_sibling_interfaces_are_read(spelling: Callable[[str], str]) -> None:
    reply = receive(respell(REPLY, spelling))
    assert fields(reply) == {
        "message_id": "j-1", "sender": NUMBER, "recipient": OTHER, "text": TEXT, "received_at": NOON,
        "media_id": None, "channel": None, "key": receive(REPLY).key,
    }  # fmt: skip
    report = receive(respell(REPORT, spelling))
    assert isinstance(report, StatusUpdate)
    assert (report.message_id, report.recipient, report.updated_at) == ("j-1", NUMBER, NOON)
    # The states that its result codes stand for are not known.
    assert (report.state, report.is_final) == (DeliveryState.UNKNOWN, False)
    assert report.key.startswith("status:")


@pytest.mark.parametrize(("data", "kind"), [(REPLY, ReceivedMessage), (REPORT, StatusUpdate)])
def test_a_callback_without_a_job_id_is_read(data: dict[str, str], kind: type[Event]) -> None:
    event = receive({name: value for name, value in data.items() if name != "JobID"})
    assert isinstance(event, kind)
    assert event.message_id is None  # type: ignore[attr-defined]
    assert event.key.count(":") == 1


def test_a_status_of_the_sibling_interfaces_is_read() -> None:
    data = {"JobID": 4711, "Address": NUMBER, "SendState": 8, "FinishDate": "23.11.2026 13:00:00"}
    event = receive(data)
    assert isinstance(event, StatusUpdate)
    assert (event.message_id, event.state, event.is_final) == (
        "4711",
        DeliveryState.DELIVERED,
        True,
    )
    assert (event.updated_at, event.key) == (NOON, "status:4711:8")


def test_the_names_of_the_spec_win_over_those_of_the_siblings() -> None:
    siblings = {"JobID": "j-1", "Status": "Failed", "Number": "x"}
    event = receive({**siblings, "messageId": "m-1", "state": 8, "to": NUMBER})
    assert (event.message_id, event.recipient) == ("m-1", NUMBER)
    assert event.state is DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("data", "text", "media_id"),
    [
        ({"content": TEXT}, TEXT, None), ({"content": {"text": TEXT}}, TEXT, None), ({"text": TEXT}, TEXT, None),
        ({"Message": TEXT}, TEXT, None), ({"content": {"type": "Image", "mediaId": "f-1"}}, None, "f-1"),
        ({"mediaId": 7}, None, "7"), ({"content": {"type": "Sticker"}}, None, None),
        ({"status": "Received", "text": TEXT}, TEXT, None),  # it may have a status of its own
    ],
)  # fmt: skip
def test_a_message_may_have_its_text_or_file_in_several_places(
    data: dict[str, object], text: str | None, media_id: str | None
) -> None:
    event = receive({**data, "from": NUMBER})
    assert isinstance(event, ReceivedMessage)
    assert (event.text, event.media_id, event.sender) == (text, media_id, NUMBER)


def test_a_report_may_have_a_text() -> None:
    assert isinstance(receive({"state": "Sent", "text": TEXT}), StatusUpdate)


@pytest.mark.parametrize(
    "data", [{}, {"somethingNew": TEXT}, {"messageId": "i-1", "state": "Delivered"}]
)
def test_at_a_url_for_messages_each_object_is_a_message(data: object) -> None:
    event = receive(data, expected="message")
    assert isinstance(event, ReceivedMessage)
    assert event.raw == data


@pytest.mark.parametrize("expected", ["any", "message"])
@pytest.mark.parametrize(
    "data",
    [[], [MESSAGE], [STATUS, MESSAGE], [[MESSAGE]], [[[[]]]], [TEXT], TEXT, "", None, True, 7, 1.5],
)
def test_json_that_is_not_an_object_is_an_unknown_event(data: object, expected: str) -> None:
    event = receive(data, expected=expected)
    assert type(event) is UnknownEvent
    assert event.raw == data
    assert event.key.startswith("unknown:")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"messageId": "m-1"},
        {"to": NUMBER, "from": OTHER},
        {"error": {"errorCode": "x"}},
        {"somethingNew": {"state": "Delivered", "text": TEXT}},
    ],
)
def test_an_object_of_another_shape_is_an_unknown_event(data: object) -> None:
    event = receive(data)
    assert type(event) is UnknownEvent
    assert event.raw == data
    assert event.key.startswith("unknown:")


# --- fields


@pytest.mark.parametrize(
    ("written", "state", "is_final"),
    [
        ("Delivered", DeliveryState.DELIVERED, True), ("delivered", DeliveryState.DELIVERED, True),
        (" DELIVERED ", DeliveryState.DELIVERED, True), ("Undelivered", DeliveryState.UNDELIVERED, True),
        ("Failed", DeliveryState.FAILED, True), ("Pending", DeliveryState.PENDING, False),
        ("Scheduled", DeliveryState.SCHEDULED, False), ("Sent", DeliveryState.SENT, False),
        ("Unknown", DeliveryState.UNKNOWN, False), (0, DeliveryState.PENDING, False), (1, DeliveryState.SENT, False),
        (2, DeliveryState.FAILED, True), (3, DeliveryState.SCHEDULED, False), (8, DeliveryState.DELIVERED, True),
        (9, DeliveryState.SENT, False), (10, DeliveryState.SENT, True), ("8", DeliveryState.DELIVERED, True),
        (8.0, DeliveryState.DELIVERED, True),
        *((other, DeliveryState.UNKNOWN, False) for other in ("", None, True, 8.5, [8], {"state": 8})),
    ],
    ids=repr,
)  # fmt: skip
def test_a_state_may_be_a_word_or_a_number(
    written: object, state: DeliveryState, is_final: bool
) -> None:
    event = receive({"messageId": "m-1", "state": written})
    assert isinstance(event, StatusUpdate)
    assert (event.state, event.is_final) == (state, is_final)


@pytest.mark.parametrize("written", ["Zugestellt", "Read", 7, 77, -1, 10**60])
def test_a_new_state_is_kept_and_not_final(written: object) -> None:
    event = receive({"messageId": "m-1", "state": written})
    assert (event.state.value, event.is_final) == (written, False)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-23T12:00:00Z", "2026-11-23T12:00:00.1234567Z", "2026-11-23T13:00:00+01:00", "2026-11-23T13:00:00",
        "23.11.2026 13:00:00", "23.11.2026 13:00", "2026-11-23 13:00:00", 1795435200, 1795435200000, "1795435200",
        "/Date(1795435200000)/", "Mon, 23 Nov 2026 12:00:00 GMT",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["timestamp", "TimeStamp", "finishDate"])
def test_a_time_is_read_in_many_forms(written: object, name: str) -> None:
    form = urlencode({"state": "Sent", name: str(written)}).encode()
    for event in (receive({"state": "Sent", name: written}), receive(form, FORM)):
        assert event.updated_at.replace(microsecond=0) == NOON
    assert receive({"text": TEXT, name: written}).received_at.replace(microsecond=0) == NOON


@pytest.mark.parametrize(
    "written", [None, "", "soon", 5, {}, [], "0001-01-01T00:00:00", "11/23/2026", True, "9" * 500]
)
def test_a_time_in_an_unknown_form_is_none(written: object) -> None:
    assert receive({"state": "Sent", "timestamp": written}).updated_at is None
    assert receive({"text": TEXT, "timestamp": written}).received_at is None


@pytest.mark.parametrize("odd", [None, "", "  ", [], {}, [[]], True, 1.5, {"a": None}])
def test_fields_of_an_event_with_the_wrong_type_are_none(odd: object) -> None:
    status = receive({**dict.fromkeys(STATUS, odd), "state": "Sent"})
    assert isinstance(status, StatusUpdate)
    assert (status.message_id, status.recipient, status.updated_at) == (None, None, None)
    message = receive({**dict.fromkeys(MESSAGE, odd), "text": odd})
    assert isinstance(message, ReceivedMessage)
    assert (message.message_id, message.sender, message.recipient) == (None, None, None)
    assert (message.media_id, message.received_at) == (None, None)
    assert message.text == message.channel == (odd if isinstance(odd, str) else None)


def test_ids_and_numbers_may_be_json_numbers() -> None:
    event = receive({"messageId": 4711, "state": 8, "to": 41791234567})
    assert (event.message_id, event.recipient) == ("4711", "41791234567")
    assert event.key.startswith("status:4711:8:")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (None, None), ("", None), ({}, None), ([], None), (False, None),
        ([1, TEXT], FailureReason(message=f"1 {TEXT}")),
        ("InvalidContent", FailureReason(message="InvalidContent")), (5112, FailureReason(code="5112")),
        ({"ErrorCode": 5112}, FailureReason(code="5112")), ({"errorMessage": TEXT}, FailureReason(message=TEXT)),
        ({"errorDetails": []}, FailureReason()),
        ({"errorDetails": {"errors": [1, {}]}}, FailureReason(details=(ErrorDetail(None, ()),) * 2)),
    ],
)  # fmt: skip
def test_an_error_is_read_in_any_shape(written: object, problem: FailureReason | None) -> None:
    assert receive({"messageId": "m-1", "state": "Failed", "error": written}).error == problem


def test_an_unknown_channel_is_kept() -> None:
    assert receive({"text": TEXT, "channel": "Sms"}).channel is Channel.SMS
    assert receive({"text": TEXT, "channel": "Viber"}).channel.value == "Viber"


# --- encodings: by what is there, not by what is declared


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json", "APPLICATION/JSON", "text/json", "application/problem+json", "text/plain", FORM,
     None, "", "application/xml", "multipart/form-data; boundary=x", ";", "\x00"],
)  # fmt: skip
def test_json_is_read_whatever_media_type_is_declared(content_type: str | None) -> None:
    for before in (b"", b"\xef\xbb\xbf", b"\r\n\t ", b"\xef\xbb\xbf \n"):
        event = receive(before + json.dumps(STATUS).encode() + b"\r\n", content_type)
        assert fields(event) == fields(STATUS_EVENT)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-16"])
def test_json_is_read_in_each_unicode_encoding(encoding: str) -> None:
    body = json.dumps(MESSAGE, ensure_ascii=False).encode(encoding)
    assert receive(body, "application/json").text == TEXT


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("iso-8859-1", "Grüezi"), ("ISO-8859-1", "Grüezi"), ("latin1", "Grüezi"), ('"iso-8859-1"', "Grüezi"),
        ("iso-8859-15", "5 €"), ("windows-1252", "„5 €“"), ("cp1252", "Grüezi"), ("windows-1251", "Привет"),
        ("utf-8", TEXT), ("utf8", TEXT), ("utf-16", TEXT), ("utf-16le", TEXT), ("utf-32", TEXT),
    ],
)  # fmt: skip
def test_a_declared_charset_is_decoded(charset: str, text: str) -> None:
    encoding = charset.strip('"')
    for parameter in (
        f"; charset={charset}",
        f";CHARSET={charset}; x=y",
        f" ; charset = {charset}",
    ):
        body = json.dumps({"text": text, "from": NUMBER}, ensure_ascii=False)
        event = receive(body.encode(encoding), f"application/json{parameter}")
        assert (event.text, event.raw["text"]) == (text, text)
        form = f"text={text}&from=%2B41791234567".encode(encoding)
        assert receive(form, FORM + parameter).text == text


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252"])
def test_an_escaped_form_is_decoded_by_its_declared_charset(charset: str) -> None:
    assert receive(b"text=Gr%FCezi", f"{FORM}; charset={charset}").text == "Grüezi"
    assert receive(b"", f"{FORM}; charset={charset}", query=b"text=Gr%FCezi").text == "Grüezi"


def test_a_byte_order_mark_wins_over_a_declared_charset() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"text": TEXT}, ensure_ascii=False).encode()
    assert receive(body, "application/json; charset=iso-8859-1").text == TEXT


def test_iso_8859_1_is_read_as_browsers_read_it() -> None:
    body = '{"text": "„5 €“"}'.encode("cp1252")
    assert receive(body, "application/json; charset=iso-8859-1").text == "„5 €“"
    assert receive(b'{"text": "\x81"}', "application/json; charset=iso-8859-1").text == "\x81"


@pytest.mark.parametrize(
    "charset",
    [
        "", "utf-8", "us-ascii", "x-unknown", "hex", "idna", "unicode-escape", "punycode", "\x00", "utf-16",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_bytes_that_cannot_be_decoded_are_kept_in_raw(charset: str, encoding: str) -> None:
    parameter = charset and f"; charset={charset}"
    body = '{"text": "Grüezi", "from": "+41791234567"}'.encode(encoding)
    for event in (
        receive(body, f"application/json{parameter}"),
        receive(
            b"text=Gr%FCezi&from=%2B41791234567", FORM + ("" if "16" in charset else parameter)
        ),
    ):
        assert isinstance(event, ReceivedMessage)
        assert (event.text, event.sender) == ("Gr\ufffdezi", NUMBER)
        kept = event.raw["text"]  # type: ignore[index, call-overload]
        assert kept.encode("utf-8", "surrogateescape") == b"Gr\xfcezi"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('"\\ud83d"', "\ufffd"), ('"a\\udc00b"', "a\ufffdb"), ('"\\udc00\\ud83d"', "\ufffd\ufffd"),
        ('"\\ud83d\\ude00"', "😀"), ('"a\\u0000b"', "a\ufffdb"), ('"\\u0000"', "\ufffd"), ('"💙"', "💙"),
    ],
)  # fmt: skip
def test_each_text_can_be_stored_in_a_database_and_raw_is_as_it_came(
    written: str, stored: str
) -> None:
    for body in (
        f'{{"content": {written}, "from": {written}, "messageId": {written}}}',
        f'{{"content": {{"text": {written}}}, "from": {written}, "messageId": {written}}}',
    ):
        event = receive(body.encode())
        assert (event.text, event.sender, event.message_id) == (stored,) * 3
        assert event.raw == json.loads(body)
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            assert database.execute("SELECT ?", (event.text,)).fetchone() == (stored,)
    report = receive(f'{{"state": {written}, "error": [{written}], "to": {written}}}'.encode())
    assert (report.state.value, report.recipient) == (stored, stored)
    assert report.error.message == stored
    form = receive(b"text=a%00b%ED%A0%80", FORM)
    assert form.text == "a\ufffdb\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    "content_type", [FORM, f"{FORM}; charset=utf-8", FORM.upper(), "text/plain", None, ""]
)
def test_a_form_is_read_as_such_if_it_is_declared_so_or_not_at_all(
    content_type: str | None,
) -> None:
    event = receive(urlencode(REPLY).encode(), content_type)
    assert (event.text, event.sender, event.received_at) == (TEXT, NUMBER, NOON)
    assert event.raw == REPLY
    assert receive(urlencode(REPLY, quote_via=quote).encode(), content_type) == event


def test_a_form_with_mistakes_is_read() -> None:
    assert receive("text=Grüezi".encode(), FORM).text == "Grüezi"
    assert receive(b"text=&from=", FORM).text == ""
    assert receive(b"text=a=b", FORM).text == "a=b"
    assert receive(b"text=one&text=two&TEXT=three", FORM).text == "one"
    assert receive(b"\r\ntext=a\r\n", FORM).text == "a"


@pytest.mark.parametrize(
    ("form", "raw"),
    [
        (b"&text=a", {"text": "a"}), (b"text=a&", {"text": "a"}), (b"debug&text=a", {"debug": "", "text": "a"}),
        (b"text=a&&from=1", {"text": "a", "from": "1"}), (b"text=a&debug", {"text": "a", "debug": ""}),
        (b"&&&text=a&&&", {"text": "a"}), (b"=x&text=a", {"": "x", "text": "a"}),
        (b"text=a&=", {"text": "a", "": ""}), (b"text=a&%zz=%", {"text": "a", "%zz": "%"}),
        (b"text=a;b", {"text": "a;b"}), (b"text=a?b=c", {"text": "a?b=c"}),
    ],
)  # fmt: skip
def test_empty_and_valueless_fields_are_read_as_browsers_do(
    form: bytes, raw: dict[str, str]
) -> None:
    for event in (receive(form, FORM), receive(b"", None, query=form)):
        assert event.raw == raw
        assert event.text == raw["text"]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("+41791234567", "+41791234567"),
        ("%2B41791234567", "+41791234567"),
        ("0041791234567", "0041791234567"),
        ("+41+79+123+45+67", "+41 79 123 45 67"),
        ("079+123+45+67", "079 123 45 67"),
        ("41791234567", "41791234567"),
    ],
)
def test_a_raw_plus_in_a_number_is_a_plus(value: str, number: str) -> None:
    for names in ("from={0}&to={0}&text=1+1", "AddressFrom={0}&ADDRESSTO={0}&Message=1+1"):
        form = names.format(value).encode()
        for event in (receive(form, FORM), receive(b"", None, query=form)):
            assert (event.sender, event.recipient, event.text) == (number, number, "1 1")
    report = receive(b"", None, query=f"messageId=m-1&state=Sent&to={value}".encode())
    assert report.recipient == number
    # JSON has no such plus: what is a space is a space.
    assert receive({"text": TEXT, "from": " 41791234567"}).sender == " 41791234567"


@pytest.mark.parametrize(
    "value",
    ["2026-11-23T13:00:00+01:00", "2026-11-23T13:00:00.000+0100", "2026-11-23+13:00:00+01:00",
     "20261123T130000+0100", "2026-11-23T13:00:00%2B01:00", "Mon,+23+Nov+2026+12:00:00++0000",
     "/Date(1795435200000+0100)/",         "23.11.2026+13:00"],
)  # fmt: skip
def test_a_raw_plus_in_a_time_is_a_plus(value: str) -> None:
    for name in ("timestamp", "TimeStamp", "FinishDate"):
        event = receive(b"", None, query=f"state=Sent&{name}={value}".encode())
        assert event.updated_at == NOON


def test_the_query_is_read_if_there_is_no_body() -> None:
    query = urlencode({name: value for name, value in STATUS.items() if name != "error"})
    for each in (query, query.encode()):
        for body in (b"", b" \r\n", b"\xef\xbb\xbf"):
            event = receive(body, None, query=each)
            assert (event.message_id, event.state, event.recipient) == (
                "m-1",
                DeliveryState.DELIVERED,
                NUMBER,
            )
    assert receive(b"", JSON, query=query).message_id == "m-1"
    assert receive(b'{"state": 8}', JSON, query=query).message_id is None  # the body counts


@pytest.mark.parametrize(
    ("body", "content_type", "query"),
    [
        (b"", JSON, b""), (b"", FORM, b""), (b"", None, b" "), (b" ", None, ""), (b"\xef\xbb\xbf", None, b""),
        (b"{", JSON, b""), (b"{}x", JSON, b""), (b"{'a': 1}", JSON, b""), (b'{"a"}', JSON, b""),
        (b"\xff{}", JSON, b""), (b"\x00", JSON, b""), (b"nul", JSON, b""), (b'{"a": "\x01"}', JSON, b""),
        (b'"\\ud8"', JSON, b""), (b"1" * 5000, JSON, b""), (b'{"state": ' + b"1" * 5000 + b"}", JSON, b""),
        (b"[" * 40 + b"]" * 40, JSON, b""), (b"hello", FORM, b""), (b"a&b", FORM, b""), (b"&&", FORM, b""),
        (b"hello", None, b""), (b"", None, b"hello"),
        (b"", None, "\ud800"), (b"&".join(b"a=1" for _ in range(201)), FORM, b""),
        (b"", None, "&".join(["a=1"] * 201)),
    ],
)  # fmt: skip
def test_a_callback_that_is_neither_json_nor_a_form_gets_400(
    body: bytes, content_type: str | None, query: bytes | str
) -> None:
    with pytest.raises(MalformedEvent) as caught:
        receive(body, content_type, query=query)
    assert caught.value.status_code == 400
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "content_type", ["application/xml", "multipart/form-data; boundary=x", "image/png", "?"]
)
def test_a_callback_of_another_media_type_gets_415(content_type: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        receive(b"<message/>", content_type)
    assert caught.value.status_code == 415


_small_values: list[object] = [None, 1, "1", 1.0, True, "", [], ["1"], {}]
_small_objects = st.dictionaries(
    st.sampled_from(["state", "Text", "from", "x", ""]), st.sampled_from(_small_values), max_size=3
)


# --- keys: one for each event, however it is written


def test_the_key_of_an_event_does_not_depend_on_how_it_is_written() -> None:
    flat = {name: value for name, value in STATUS.items() if name != "error"}
    bodies = [
        (json.dumps(flat).encode(), JSON, b""),
        (json.dumps(flat, indent=4).encode(), JSON, b""),
        (json.dumps(reverse(flat)).encode(), JSON, b""),
        (json.dumps(respell(flat, pascal)).encode(), JSON, b""),
        (json.dumps(respell(flat, str.upper)).encode(), JSON, b""),
        (
            json.dumps(
                {**flat, "somethingNew": 1, "timestamp": "2026-11-23T13:00:00+01:00"}
            ).encode(),
            JSON,
            b"",
        ),
        (b"\xef\xbb\xbf" + json.dumps(flat).encode(), "text/plain", b""),
        (json.dumps(flat).encode("utf-16-le"), JSON, b""),
        (urlencode(flat).encode(), FORM, b""),
        (urlencode(respell(flat, pascal)).encode(), FORM, b""),  # type: ignore[arg-type]
        (b"", "", urlencode(flat).encode()),
        (b"", "", f"messageId=m-1&state=Delivered&to={NUMBER}".encode()),
        (json.dumps({**flat, "to": "0041 79 123 45 67"}).encode(), JSON, b""),
        (json.dumps({**flat, "to": 41791234567}).encode(), JSON, b""),
    ]
    keys = {receive(body, kind, query=query).key for body, kind, query in bodies}
    assert len(keys) == 1
    assert re.fullmatch(r"status:m-1:Delivered:[0-9a-f]{16}", keys.pop())
    assert receive({"messageId": "m-1", "state": "Delivered"}).key == "status:m-1:Delivered"
    states = [
        b'{"messageId": "m-1", "state": 8}',
        b'{"messageId": "m-1", "state": "8"}',
        b'{"state":8,"JobID":"m-1"}',
    ]
    assert {receive(body).key for body in states} == {"status:m-1:8"}


@pytest.mark.parametrize("message_id", ["m-1", "an id that is not plain"])
def test_events_with_one_id_have_a_key_for_each_party(message_id: str) -> None:
    numbers = [NUMBER, OTHER, "+41791234568", "0791234567", "70 70", "pager@example.com", None]
    reports: list[dict[str, object]] = [
        {"messageId": message_id, "state": "Delivered", "to": number} for number in numbers
    ]
    replies: list[dict[str, object]] = [
        {
            "messageId": message_id,
            "text": "Yes",
            "from": sender,
            "to": recipient,
            "timestamp": time,
        }
        for sender in numbers
        for recipient in numbers[:2]
        for time in ("2026-11-23T12:00:00Z", "2026-11-23T12:05:00Z")
    ]
    for events in (reports, replies):
        keys = [receive(event).key for event in events]
        assert len(set(keys)) == len(keys)
        assert keys == [receive(reverse(event)).key for event in events]
    assert NUMBER[3:] not in "".join(receive(event).key for event in reports)


def test_without_an_id_the_key_depends_on_all_data() -> None:
    for data in ({**REPLY, "JobID": None}, {"somethingNew": {"b": [1, 2], "a": "x"}}):
        key = receive(data).key
        assert receive(reverse(data)).key == key
        assert receive(json.dumps(data, indent=2, ensure_ascii=False).encode()).key == key
    flat = {name: value for name, value in REPLY.items() if name != "JobID"}
    form = urlencode(flat).encode()
    assert receive(flat).key == receive(form, FORM).key == receive(b"", query=form).key


def test_different_events_have_different_keys() -> None:
    others: list[object] = [{}, [], None, "", 0, False, {"a": 1}, {"a": "1"}, {"a": [1]}]
    events = [
        receive(STATUS),
        receive({**STATUS, "messageId": "m-2"}),
        receive({**STATUS, "state": "Sent"}),
        receive({**STATUS, "state": 8}),
        receive({**STATUS, "state": None}),
        receive({"messageId": "m-1", "state": None}),
        receive({**STATUS, "messageId": None}),
        receive({**STATUS, "messageId": None, "to": OTHER}),
        receive({**STATUS, "messageId": "a b"}),
        receive({**STATUS, "messageId": "a c"}),
        receive({**STATUS, "messageId": "a b", "state": "Sent"}),
        receive({**STATUS, "messageId": "a b", "state": "a state"}),
        receive({**STATUS, "state": "a state"}),
        receive(MESSAGE),
        receive({**MESSAGE, "messageId": "i-2"}),
        receive({**MESSAGE, "messageId": None}),
        receive({**MESSAGE, "messageId": None, "content": {"text": "Another text"}}),
        receive({**MESSAGE, "messageId": None, "timestamp": "2026-11-23T12:00:01Z"}),
        receive({**MESSAGE, "messageId": "m-1"}),
        receive({**MESSAGE, "messageId": "a b"}),
        receive(REPORT),
        receive({**REPORT, "ResultCode": "11100"}),
        receive({**REPORT, "JobID": None}),
        *[receive(data) for data in others],
    ]
    assert len({event.key for event in events}) == len(events)


@given(_small_objects, _small_objects, st.sampled_from(["any", "message"]))
def test_without_an_id_keys_are_equal_only_for_equal_data(
    one: dict[str, object], other: dict[str, object], expected: str
) -> None:
    first, second = (receive(data, expected=expected) for data in (one, other))
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (first.key == second.key) is same


@pytest.mark.parametrize(
    "message_id",
    [
        NUMBER, "079 123 45 67", TEXT, "a\nb", "m" * 81, "ä", "\ud800", "a/b", "<b>", "%0a", "m-1\n",
    ],
)  # fmt: skip
def test_a_key_has_no_id_that_may_be_a_text_or_a_number(message_id: str) -> None:
    for data in (
        {**STATUS, "messageId": message_id},
        {**MESSAGE, "messageId": message_id},
        {"messageId": message_id},
    ):
        key = receive(data).key
        assert key.partition(":")[0] in {"status", "message", "unknown"}
        assert len(key.partition(":")[2]) == 32
        assert message_id not in key
    assert "a text" not in receive({"messageId": "m-1", "state": "a text"}).key


# --- privacy: neither keys nor reprs nor errors have a text or a whole number


def check_secrets(words: str, *secrets: str) -> None:
    for secret in secrets:
        assert secret not in words
        digits = "".join(filter(str.isdigit, secret))
        assert len(digits) < 7 or digits[-7:] not in "".join(words.split())


@pytest.mark.parametrize(
    "number", [NUMBER, "0041791234567", "0791234567", "079 123 45 67", "+41 (79) 123-45-67"]
)
@pytest.mark.parametrize("spelling", [str, pascal, str.lower, str.upper])
def test_no_event_shows_a_text_or_a_whole_number(
    number: str, spelling: Callable[[str], str]
) -> None:
    texts = {"text": TEXT, "from": number, "to": number}
    for data in (
        {**STATUS, "to": number},
        {**STATUS, "to": number, "messageId": None, "error": f"{TEXT} {number}"},
        {**MESSAGE, **texts, "content": TEXT},
        {**MESSAGE, **texts, "content": {"text": TEXT}, "messageId": None},
        {**REPLY, "AddressTo": number, "AddressFrom": number},
        {**REPORT, "Number": number, "ResultText": f"{TEXT} {number}"},
        {"somethingNew": texts},
        [texts],
        TEXT,
        number,
    ):
        event = receive(respell(data, spelling))
        for words in (repr(event), str(event), event.key, f"{event!r:>500}"):
            check_secrets(words, TEXT, "Grüezi", "481 516", number)
            check_secrets(words, *(json.dumps(each)[1:-1] for each in (TEXT, "Grüezi")))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (f'{{"text": "{TEXT}", "to": "{NUMBER}"'.encode(), JSON),
        (f'{{"text": "{TEXT}", "to": "{NUMBER}"'.encode("latin-1", "replace"), JSON),
        (f"{TEXT} {NUMBER}".encode(), FORM),
        (f"{TEXT}&{NUMBER}".encode(), FORM),
        (f"text={TEXT}&to={NUMBER}".encode() + b"&a=1" * 200, FORM),
        (f"<text>{TEXT}</text><to>{NUMBER}</to>".encode(), "text/xml"),
        (f"<text>{TEXT}</text>".encode(), f"text/{NUMBER}"),
        (f'{"[" * 40}"{TEXT} {NUMBER}"{"]" * 40}'.encode(), JSON),
        (f'"{TEXT} {NUMBER}'.encode() * 2000, JSON),
    ],
)
def test_no_error_about_a_callback_shows_what_was_sent(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedEvent) as caught:
        receive(body, content_type)
    error = caught.value
    # Nor does what hangs on to the error: a traceback prints causes and contexts that are not suppressed.
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    for words in (str(error), repr(error), str(error.args), str(vars(error))):
        check_secrets(words, TEXT, "Grüezi", "Gr?ezi", "481 516", NUMBER)


@given(st.text(min_size=4).filter(lambda text: not text.isascii() or " " in text))
def test_no_text_of_a_callback_is_in_a_repr_or_a_key(text: str) -> None:
    for data in (
        {**MESSAGE, "content": text},
        {**MESSAGE, "content": {"text": text}},
        {**REPLY, "Message": text},
    ):
        with_text, without = (
            receive(data),
            receive(json.loads(json.dumps(data).replace(json.dumps(text), '"x y"'))),
        )
        assert repr(with_text) == repr(without)
    assert text not in receive({"somethingNew": text}).key


# --- pickle


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_events_can_be_pickled(protocol: int) -> None:
    for data in (
        STATUS, MESSAGE, REPLY, REPORT, {"somethingNew": [TEXT]}, {**STATUS, "state": "Zugestellt"},
        {**STATUS, "state": 77}, {**MESSAGE, "channel": "Viber"}, {}, None,
    ):  # fmt: skip
        event = receive(data)
        again = pickle.loads(pickle.dumps(event, protocol))
        assert again == event
        assert repr(again) == repr(event)
        assert again.raw == data
        assert type(again) is type(event)


def test_events_are_immutable() -> None:
    for data in (STATUS, MESSAGE, {}):
        with pytest.raises(AttributeError):
            receive(data).key = "other"


# --- robustness


def outcome(body: bytes, content_type: str, query: bytes | str = b"", expected: Any = "any") -> Any:
    """The event, or None where the callback cannot be read; any other exception fails the test."""
    try:
        event = RECEIVER.receive(
            body,
            remote_addr=PEER,
            headers={"Content-Type": content_type},
            query=query,
            expected=expected,
        )
    except MalformedEvent as error:
        refused = error
    else:
        check(event)
        return event
    assert refused.status_code in {400, 413, 415}
    assert "\n" not in str(refused)
    return None


def check(event: Event) -> None:
    """Each field is of its type, whatever was sent."""
    assert type(event) in KINDS
    assert len(event.key) <= 200
    assert all(
        character.isascii() and (character.isalnum() or character in "_.:-")
        for character in event.key
    )
    if isinstance(event, StatusUpdate):
        assert isinstance(event.state, DeliveryState)
        assert event.updated_at is None or event.updated_at.tzinfo is UTC
        assert isinstance(event.error, FailureReason | None)
    if isinstance(event, ReceivedMessage):
        assert isinstance(event.text, str | None)
        assert isinstance(event.channel, Channel | None)
        assert event.received_at is None or event.received_at.tzinfo is UTC
    for name in ("message_id", "recipient", "sender", "media_id"):
        assert isinstance(getattr(event, name, None), str | None)


_content_types = st.one_of(
    st.sampled_from(
        [
            JSON,
            FORM,
            "",
            "text/plain",
            "text/xml",
            "application/problem+json",
            "multipart/form-data",
        ]
    ),
    st.text(max_size=20),
)
_expected = st.sampled_from(["any", "message"])
_sibling_names = st.sampled_from([
    "JobID", "Number", "AddressTo", "AddressFrom", "Message", "SendState", "Status", "FinishDate", "ResultCode",
    "ResultText", "TimeStamp", "ErrorState",
])  # fmt: skip
_objects = st.builds(
    lambda one, two: {**one, **two},
    json_objects,
    st.dictionaries(_sibling_names, json_values, max_size=4),
)


@given(st.one_of(_objects, json_values), _content_types, _expected)
@example(data={"messageId": "m-1", "state": 10**4000}, content_type=JSON, expected="any")
@settings(max_examples=60)
def test_any_json_becomes_an_event(data: object, content_type: str, expected: str) -> None:
    event = outcome(json.dumps(data).encode(), JSON, expected=expected)
    assert type(event) in KINDS
    assert isinstance(repr(event), str)
    pickle.loads(pickle.dumps(event))
    outcome(json.dumps(data).encode(), content_type, expected=expected)


@given(
    st.one_of(st.binary(max_size=200), garbage), _content_types, st.binary(max_size=40), _expected
)
def test_any_body_becomes_an_event_or_a_malformed_event_error(
    body: bytes, content_type: str, query: bytes, expected: str
) -> None:
    outcome(body, content_type, query, expected)


@given(
    st.dictionaries(
        st.one_of(_sibling_names, st.text(max_size=8)), st.text(max_size=20), max_size=8
    ),
    _expected,
)
def test_a_form_becomes_the_same_event_as_body_and_as_query(
    data: dict[str, str], expected: str
) -> None:
    form = urlencode(data, errors="surrogatepass").encode()
    event = outcome(form, FORM, expected=expected)
    again = outcome(b"", "", form, expected)
    assert event == again
    if event is not None:
        assert event.raw == data


@given(st.text(max_size=60), _content_types)
def test_any_query_becomes_an_event_or_a_malformed_event_error(
    query: str, content_type: str
) -> None:
    outcome(b"", content_type, query)


SEEDS: list[tuple[bytes, str]] = [
    *[
        (json.dumps(data).encode(), JSON)
        for data in (
            STATUS,
            MESSAGE,
            REPLY,
            REPORT,
            {"somethingNew": [STATUS, {"a": [1.5, None, True]}]},
        )
    ],
    (json.dumps(respell(MESSAGE, pascal), ensure_ascii=False, indent=2).encode(), "text/plain"),
    (urlencode(REPLY).encode(), FORM),
    (urlencode(REPORT).encode(), ""),
]
SPLINTERS = [
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\\ud800", b"\\udc00\\ud800", b"\xed\xa0\x80", b"\xc3", b"\x00",
    b"1e999", b"-1e999", b"NaN", b"-Infinity", b"9" * 400, b"9" * 5000, b"-0", b"1.0", b"null", b"true", b'""', b"[]",
    b"{}", b"[" * 50, b'{"a":' * 40, b'"', b"\\", b",", b":", b"&", b"=", b"%", b"%00", b"%ED%A0%80", b"+", b";",
    b"\r\n", b"\x1f", b"\x7f", b'"state":', b'"messageId":', b'"content":', b'"timestamp":"0001-01-01T00:00:00"',
    b'"/Date(9999999999999)/"', b'"text":', b'"error":{"errorDetails":{"errors":[{"messages":{}}]}},', "٢".encode(),
    "💙".encode(), b"state=8&", b"text=&",
]  # fmt: skip


def mutate(random_: random.Random, seed: bytes, other: bytes) -> bytes:
    """Do one to four harmful things to a body."""
    body = bytearray(seed)
    for _ in range(random_.randint(1, 4)):
        at, end = sorted((random_.randint(0, len(body)), random_.randint(0, len(body))))
        match random_.randrange(9):
            case 0 if body:  # a bit flips
                body[at % len(body)] ^= 1 << random_.randrange(8)
            case 1:  # it breaks off
                del body[end:]
            case 2:  # a part is missing
                del body[at : min(end, at + 20)]
            case 3:  # a part is there twice
                body[at:at] = body[at:end]
            case 4:  # two bodies in one
                body[at:] = other[random_.randint(0, len(other)) :]
            case 5:  # something that does not belong there
                body[at:at] = random_.choice(SPLINTERS)
            case 6:  # something else instead
                body[at : at + 5] = random_.choice(SPLINTERS)
            case 7:  # nested
                depth = random_.choice([1, 2, 31, 32, 33, 200])
                body[:] = (
                    b"[" * depth + body + b"]" * depth
                    if random_.random() < 0.5
                    else b'{"content":' + body + b"}"
                )
            case _:  # a value of another type
                places = [place for place, byte in enumerate(body) if byte == ord(":")]
                if places:
                    place = random_.choice(places) + 1
                    body[place : place + random_.randint(0, 12)] = random_.choice(SPLINTERS)
    return bytes(body)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_damaged_bodies_become_events_or_errors(seed: int) -> None:
    random_ = random.Random(seed)
    types = [JSON, FORM, "", "text/plain", "text/xml"]
    kinds = {type(None): 0, **dict.fromkeys(KINDS, 0)}
    for _ in range(10_000):
        body, content_type = random_.choice(SEEDS)
        body = mutate(random_, body, random_.choice(SEEDS)[0])
        content_type = content_type if random_.random() < 0.8 else random_.choice(types)
        if random_.random() < 0.1:
            event = outcome(b"", content_type, body)
        else:
            event = outcome(body, content_type, expected=random_.choice(["any", "any", "message"]))
        kinds[type(event)] += 1
        if random_.random() < 0.02:
            repr(event)
            pickle.loads(pickle.dumps(event))
    assert min(kinds.values()) > 200  # the mutations are neither too mild nor too harsh


# --- limits: the work grows with the size of a body, and with nothing else


def count_calls(call: Callable[[], object]) -> int:
    """How many functions are called, of Python and of C."""
    call()  # what is loaded at the first call does not count
    with Count() as count:
        call()
    return count.calls


SHAPES: dict[str, Callable[[int], bytes]] = {
    "flat": lambda size: json.dumps({f"name{place}": place for place in range(size)}).encode(),
    "known names": lambda size: b"{" + b",".join([b'"STATE":8,"Text":"x"'] * size) + b"}",
    "a list": lambda size: json.dumps(list(range(size))).encode(),
    "lists in lists": lambda size: json.dumps([[[]] * 10] * (size // 10)).encode(),
    "nested and wide": lambda size: b'{"a":' * 30 + json.dumps([{}] * size).encode() + b"}" * 30,
    "many errors": lambda size: json.dumps(
        {"state": 2, "error": {"errorDetails": {"errors": [{"messages": ["x"] * 3}] * size}}}
    ).encode(),
    "a long text": lambda size: json.dumps({"text": "x" * size}).encode(),
    "escapes": lambda size: b'{"text":"' + b"\\u00fc" * size + b'"}',
    "white space": lambda size: b" " * size + b"{}" + b"\n" * size,
    "digits": lambda size: b'{"state":' + b"9" * min(size, 4000) + b"}",
    "a long form": lambda size: b"text=" + b"%20" * size,
    "a long time": lambda size: json.dumps({"state": 8, "timestamp": "1." * size}).encode(),
    "a long number": lambda size: json.dumps({"state": 8, "to": "+4 " * size}).encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_of_twice_the_size_is_twice_the_work(shape: str) -> None:
    receiver = Receiver(max_body=10**7)

    def work(size: int) -> int:
        body = SHAPES[shape](size)
        return count_calls(lambda: repr(receiver.receive(body, remote_addr=PEER)))

    once, twice = work(1000), work(2000)
    assert twice <= 2 * once + 50


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65_536, b"[" * 100_000, b'{"a":' * 20_000, b"[" * 100_000 + b"]" * 100_000, b'[{"a":' * 10_000,
    ],
)  # fmt: skip
def test_deep_nesting_is_refused_at_little_cost(body: bytes) -> None:
    receiver = Receiver(max_body=10**6)

    def refuse() -> None:
        with pytest.raises(MalformedEvent) as caught:
            receiver.receive(body, remote_addr=PEER)
        assert caught.value.status_code == 400

    assert count_calls(refuse) < 200


@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")]
)
def test_json_may_be_nested_32_levels_deep(opening: bytes, closing: bytes) -> None:
    levels = 32 // len(closing)
    for inner in (
        b"1",
        b'"[[[[{{{{"',
        json.dumps(["["] * 3).encode()[1:-1] if opening == b"[" else b"null",
    ):
        receive(opening * levels + inner + closing * levels)
    with pytest.raises(MalformedEvent, match="more than 32 levels"):
        receive(opening * levels + b"[]" + closing * levels)
    # Brackets that are side by side, or in a text, are no levels.
    assert type(receive(b"[" + b"[]," * 500 + b"[]]")) is UnknownEvent
    assert receive({"text": "[{" * 500}).text == "[{" * 500


def test_a_form_may_have_200_fields() -> None:
    form = "&".join(f"name{place}={place}" for place in range(200)).encode()
    assert len(receive(form, FORM).raw) == 200
    with pytest.raises(MalformedEvent):
        receive(form + b"&one=more", FORM)
    with pytest.raises(MalformedEvent):
        receive(b"", query=b"&" * 60_000)
