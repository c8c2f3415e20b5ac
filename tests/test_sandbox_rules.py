"""The rules that the sandbox holds requests against. Each case is held against the spec as well."""

from __future__ import annotations

from typing import Any

import pytest
from _sandbox import SMS, TEXT, parameters, to_list
from _spec import problems
from hypothesis import given
from hypothesis import strategies as st

from ecall_facade.sandbox import _rules as rules
from ecall_facade.sandbox._errors import RefusedError

pytestmark = pytest.mark.once

MEDIA_ID = "media-1"
IMAGE = {"type": "Image", "mediaId": MEDIA_ID}


def check(request: dict[str, Any], version: int = 2) -> dict[str, str]:
    """Return what is wrong with a message, by parameter."""
    try:
        rules.check_message(request, version, lambda media_id: media_id == MEDIA_ID)
    except RefusedError as error:
        refused = error
    else:
        return {}
    assert refused.status == 400
    assert problems("#/components/schemas/Error", refused.json) == []
    return parameters(refused.json)


def text(text: str, **options: object) -> dict[str, object]:
    return {"type": "Text", "text": text, **({"options": options} if options else {})}


def told(*addresses: object, **fields: object) -> dict[str, object]:
    return {"notification": {"addresses": list(addresses), **fields}}


def address(kind: str, value: str) -> dict[str, object]:
    return told({"type": kind, "address": value})


WHATSAPP = {"channel": "Whatsapp", "from": "0041791234567"}
RCS = {"channel": "Rcs"}


@pytest.mark.parametrize(
    "changes",
    [
        {"from": "0041791234567"},
        {"from": "+123456789012345"},
        {"from": "1234567890123456"},
        {"from": "My Shop & Co"[:11]},
        {"to": "0041791234567", "toList": None},
        {"to": "+41441234567"},
        {"to": "+4915112345678"},
        {"to": "+12530000"},  # possible only within its area
        {"to": "141"},
        {"to": "141414"},
        {**WHATSAPP, "content": text("x" * 4096)},
        {**RCS, "content": text("x" * 1000)},
        {"content": text("x" * 1530)},
        {"content": text("ж" * 670)},
        {"content": text("x" * 306, pageLimit=2)},
        {"content": {**TEXT, "options": {}, "more": None}},
        {**RCS, "content": IMAGE},
        {**RCS, "content": {"type": "Sticker", "mediaId": MEDIA_ID}},
        *(
            {**WHATSAPP, "content": {**IMAGE, "type": each}}
            for each in ("Image", "Document", "Audio", "Video")
        ),
        {"notification": {}},
        {"notification": {"forEvent": "ErrorOnly"}},
        address("Sms", "+41791234567"),
        address("UrlPost", "http://127.0.0.1/" + "x" * 82),
    ],
)
def test_a_valid_message_is_accepted(changes: dict[str, Any]) -> None:
    assert check({**SMS, **changes}) == {}
    assert problems("#/components/schemas/MessageRequest", {**SMS, **changes}) == []


@pytest.mark.parametrize(
    ("changes", "parameter", "words"),
    [
        ({"channel": None}, "Channel", "required"),
        ({"channel": "sms"}, "Channel", "letter case"),
        ({"channel": ["Sms"]}, "Channel", "string"),
        ({"from": None}, "From", "required"),
        ({"from": ""}, "From", "empty"),
        ({"from": 41791234567}, "From", "string"),
        ({"from": "12345678901234567"}, "From", "16 digits"),
        ({"from": "TwelveLetter"}, "From", "11 characters"),
        ({"from": "Zürich"}, "From", "ASCII"),
        ({**WHATSAPP, "from": "ACME"}, "From", "registered business number"),
        ({**WHATSAPP, "from": "0791234567"}, "From", "international"),
        ({"to": None}, "To", "required"),
        ({"to": ""}, "To", "empty"),
        ({"to": 1}, "To", "string"),
        ({"to": "0791234567"}, "To", "international"),
        ({"to": "+41 79 123 45 67"}, "To", "digits only"),
        ({"to": "+41791234567\n"}, "To", "digits only"),
        ({"to": "+٤١٧٩١٢٣٤٥٦٧"}, "To", "digits only"),
        ({"to": "+4179"}, "To", "too short"),
        ({"to": "+417912345678901"}, "To", "too long"),
        ({"to": "+99979123456"}, "To", "no country"),
        ({"to": "12"}, "To", "international"),
        ({"to": "1414141"}, "To", "international"),
        ({"to": "+41790000400"}, "To", "the sandbox's number for that"),
        ({"to": "+41790001180"}, "From", "ACME is an invalid sender"),
        ({"to": "0041790001180"}, "From", "ACME is an invalid sender"),
        ({**RCS, "to": "+41790001180"}, "From", "ACME is an invalid sender"),
        ({"toList": []}, "To", "exclude"),
        ({"toList": to_list("+41791234567")}, "To", "exclude"),
        ({"to": None, "toList": []}, "ToList", "empty"),
        ({"to": None, "toList": {}}, "ToList", "array"),
        ({"to": None, "toList": ["+41791234567"]}, "ToList[0]", "object"),
        ({"to": None, "toList": [{"address": "+41791234567"}]}, "ToList[0].Type", "required"),
        ({"to": None, "toList": [{"type": "Group", "address": "+41791234567"}]}, "ToList[0].Type", "Number"),
        ({"to": None, "toList": [{"type": "Number"}]}, "ToList[0].Address", "required"),
        ({"to": None, "toList": to_list("+41791234567", "+4179")}, "ToList[1].Address", "+4179"),
        ({"content": None}, "Content", "required"),
        ({"content": "Hello"}, "Content", "object"),
        ({"content": {}}, "Content.Type", "required"),
        ({"content": {"type": "text", "text": "x"}}, "Content.Type", "letter case"),
        ({"content": {"type": "Text"}}, "Content.Text", "required"),
        ({"content": text("")}, "Content.Text", "empty"),
        ({"content": {"type": "Text", "text": 5}}, "Content.Text", "string"),
        ({"content": text("x" * 1531)}, "Content.Text", "11 pages (GSM-7)"),
        ({"content": text("ж" * 671)}, "Content.Text", "11 pages (UCS-2)"),
        ({"content": text("x" * 161, pageLimit=1)}, "Content.Text", "limit is 1"),
        ({**RCS, "content": text("x" * 1001)}, "Content.Text", "1001"),
        ({**WHATSAPP, "content": text("x" * 4097)}, "Content.Text", "4097"),
        ({"content": {**TEXT, "options": None}}, "Content.Options", "object"),
        *(({"content": text("x", pageLimit=limit)}, "Content.Options.PageLimit", "whole number from 1 to 10")
          for limit in (0, 11, True, "1")),
        ({"content": IMAGE}, "Content.Type", "SMS is a text"),
        ({**WHATSAPP, "content": {**IMAGE, "type": "Sticker"}}, "Content.Type", "Sticker is not supported on Whatsapp"),
        ({**RCS, "content": {**IMAGE, "mediaId": "other"}}, "Content.MediaId", "No file"),
        ({**RCS, "content": {"type": "Image"}}, "Content.MediaId", "required"),
        ({"notification": None}, "Notification", "object"),
        ({"notification": {"forEvent": "all"}}, "Notification.ForEvent", "letter case"),
        (told(), "Notification.Addresses", "array"),
        ({"notification": {"addresses": None}}, "Notification.Addresses", "array"),
        (told(7), "Notification.Addresses[0]", "object"),
        (told({"address": "a@b.ch"}), "Notification.Addresses[0].Type", "required"),
        (told({"type": "Email"}), "Notification.Addresses[0].Address", "required"),
        (address("Email", "nobody"), "Notification.Addresses[0].Address", "e-mail"),
        (address("Sms", "0791234567"), "Notification.Addresses[0].Address", "international"),
        *((address("UrlPost", url), "Notification.Addresses[0].Address", "URL")
          for url in ("ftp://127.0.0.1/", "http:///path", "http://[1/", "http://127.0.0.1:99999/", "http://a.ch:0/",
                      "http://a.ch/ b")),
        (address("UrlPost", "http://127.0.0.1/" + "x" * 83), "Notification.Addresses", "less than 100"),
    ],
)  # fmt: skip
def test_an_invalid_message_is_refused_with_its_parameter(
    changes: dict[str, Any], parameter: str, words: str
) -> None:
    found = check({**SMS, **changes})
    assert found.keys() == {parameter}
    assert words in found[parameter]


@pytest.mark.parametrize(
    ("version", "channel", "is_accepted"),
    [
        (1, "sms", True),
        (1, "Sms", True),
        (2, "sms", False),
        *((1, other, False) for other in ("SMS", "sMS", "whatsapp", "rcs", "WhatsApp")),
    ],
)
def test_only_v1_accepts_a_lower_case_channel_and_only_sms(
    version: int, channel: str, is_accepted: bool
) -> None:
    """Four clients write `sms` on v1, and one of them has confirmed deliveries (observed)."""
    request: dict[str, Any] = {**SMS, "channel": channel}
    found = check(request, version)
    assert found == ({} if is_accepted else {"Channel": found["Channel"]})
    if is_accepted:
        message, _ = rules.check_message(request, version, bool)
        assert message.channel == "Sms"
        assert check({**request, "from": "TwelveLetter"}, version).keys() == {"From"}


def test_all_errors_of_a_message_are_reported_at_once() -> None:
    request = {"channel": "SMS", "content": {"type": "Text"}, "notification": {"forEvent": "Never"}}
    expected = {"Channel", "From", "To", "Content.Text", "Notification.ForEvent"}
    assert check(request).keys() == expected
    bad = {**SMS, "to": None, "toList": to_list("+41791234567", "+1", "+41781234567", "+4")}
    assert check(bad).keys() == {"ToList[1].Address", "ToList[3].Address"}
    two = {**SMS, "from": "TwelveLetter", "to": "+41790001180"}
    assert check(two)["From"].count("It must have at most") == 1
    assert "ACME" not in check(two)["From"]
    assert "TwelveLetter is an invalid sender" in check(two)["From"]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, {"Messages"}), ({"messages": []}, {"Messages"}), ({"messages": {}}, {"Messages"}),
        ({"messages": [SMS], "notification": 1}, {"Notification"}),
        ({"messages": None, "notification": {"forEvent": 1}}, {"Messages", "Notification.ForEvent"}),
    ],
)  # fmt: skip
def test_an_invalid_list_is_refused(request_: dict[str, Any], expected: set[str]) -> None:
    with pytest.raises(RefusedError) as caught:
        rules.check_list(request_)
    assert parameters(caught.value.json).keys() == expected


def test_a_message_of_a_list_must_be_an_object() -> None:
    with pytest.raises(RefusedError) as caught:
        rules.check_list_item("text", 2, bool)
    assert parameters(caught.value.json) == {"Message": "It must be an object."}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"text"', b'{"channel": NaN}', b'{"channel": "Sms\xff"}', b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"), b'{"from": "\\ud800"}', b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_a_body_that_is_not_a_json_object_is_a_syntax_error(body: bytes) -> None:
    with pytest.raises(RefusedError) as caught:
        rules.parse(body)
    assert (caught.value.status, caught.value.json["errorCode"]) == (400, "SyntaxError")


_lengths = (0, 1000, 1001, 1531, 4097)
_REQUESTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "channel": st.sampled_from(["Sms", "Whatsapp", "Rcs", "sms", None, 1]),
        "from": st.sampled_from(["ACME", "0041791234567", "", "Zürich", "TwelveLetter", 5, None]),
        "to": st.sampled_from(["+41791234567", None, "", 5]),
        "toList": st.sampled_from([None, [], to_list("+41791234567"), [{}], [None], ""]),
        "content": st.sampled_from([
            TEXT, text("x", pageLimit=11), {**TEXT, "options": []}, {"type": "Text"}, None, {},
            *(text("x" * length) for length in _lengths),
            *({"type": kind, "mediaId": MEDIA_ID} for kind in ("Image", "Audio", "Sticker", "image")),
        ]),
        "notification": st.sampled_from([{}, None, {"addresses": []}, {"forEvent": "all"},
                                         {"addresses": [{"type": "Email", "address": ""}]}]),
    },
)  # fmt: skip


@given(_REQUESTS)
def test_no_message_is_accepted_that_the_spec_refuses(request_: dict[str, Any]) -> None:
    if not check(request_):
        assert problems("#/components/schemas/MessageRequest", request_) == []
