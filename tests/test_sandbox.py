"""The sandbox over real sockets, with nothing but httpx; each answer is held against the spec."""

from __future__ import annotations

import importlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ecall_facade.sandbox import Sandbox
from ecall_facade.sandbox import _rules as rules

pytestmark = pytest.mark.once

SPEC = yaml.safe_load((Path(__file__).parent.parent / "spec" / "ecall.yaml").read_text("utf-8"))
JSONSCHEMA: Any = importlib.import_module("jsonschema")  # it has no types of its own
TEXT = {"type": "Text", "text": "Grüezi"}
SMS = {"channel": "Sms", "from": "ACME", "to": "+41791234567", "content": TEXT}
RESULTS = {
    ("POST", "message"): "MessageResult",
    ("GET", "message"): "MessageStatusResult",
    ("POST", "messagelist"): "MessageListResult",
    ("GET", "messagelist"): "MessageListStatusResult",
    ("POST", "media"): "MediaUploadResult",
}


@cache
def validator(schema: str) -> Any:
    document = {"$ref": f"#/components/schemas/{schema}", "components": SPEC["components"]}
    return JSONSCHEMA.Draft202012Validator(document)


def hold_against_spec(response: httpx.Response) -> None:
    response.read()
    assert response.headers["x-f24-request-id"]
    assert response.headers["x-ecall-sandbox"].startswith("simulated")
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/json"
        validator("Error").validate(response.json())
        return
    match = re.match(r"/api(?:/v\d)?/(\w+)", response.url.path, re.IGNORECASE)
    assert match
    schema = RESULTS.get((response.request.method, match[1].lower()))
    if schema:
        validator(schema).validate(response.json())


class Box(NamedTuple):
    sandbox: Sandbox
    client: httpx.Client

    def post(
        self, path: str = "/api/v2/message", body: object = SMS, **more: Any
    ) -> httpx.Response:
        return self.client.post(path, json=body, **more)

    def send(self, **changes: Any) -> httpx.Response:
        return self.post(body={**SMS, **changes})

    def state(self, message_id: str) -> str:
        return str(self.client.get(f"/api/v2/message/{message_id}").json()["state"])


def connect(sandbox: Sandbox, **options: Any) -> httpx.Client:
    auth = (sandbox.credentials["username"], sandbox.credentials["password"])
    return httpx.Client(base_url=sandbox.url, auth=auth, trust_env=False, timeout=30, **options)


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def open_box() -> Iterator[Callable[..., Box]]:
    boxes: list[Box] = []

    def open_box(**options: Any) -> Box:
        sandbox = Sandbox(**options).start()
        boxes.append(Box(sandbox, connect(sandbox, event_hooks={"response": [hold_against_spec]})))
        return boxes[-1]

    yield open_box
    for box in boxes:
        box.client.close()
        box.sandbox.stop()


@pytest.fixture
def box(open_box: Callable[..., Box]) -> Box:
    return open_box()


def problems(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 400, response.text
    return problems_in(response.json())


def problems_in(error: Any) -> dict[str, str]:
    assert error["errorCode"] == "InvalidContent"
    assert error["errorMessage"]
    return {
        each["parameter"]: " ".join(each["messages"]) for each in error["errorDetails"]["errors"]
    }


class TestCredentials:
    @pytest.mark.parametrize(
        "header",
        [
            None,
            "Basic",
            "Basic !",
            "Basic c2FuZGJveA==",
            "Bearer c2FuZGJveDpzYW5kYm94",
            httpx.BasicAuth("sandbox", "wrong")._auth_header,
            httpx.BasicAuth("sändböx", "")._auth_header,
        ],
    )
    def test_missing_or_wrong_credentials_are_answered_with_401(
        self, box: Box, header: str | None
    ) -> None:
        headers = {} if header is None else {"Authorization": header}
        for path in ("/api/message", "/api/v2/media", "/api/nothing", "/nothing"):
            response = httpx.post(
                box.sandbox.url + path, json=SMS, headers=headers, trust_env=False
            )
            hold_against_spec(response)
            assert response.status_code == 401
            assert response.json()["errorCode"] == "AccNoUser"
            assert response.headers["www-authenticate"].startswith("Basic")
        assert box.sandbox.messages == []

    def test_username_and_password_can_be_chosen(self, open_box: Callable[..., Box]) -> None:
        box = open_box(username="Zoë", password="ü:/ 1")
        assert box.send().status_code == 200

    def test_default_credentials_are_random_and_their_repr_hides_the_password(
        self, open_box: Callable[..., Box]
    ) -> None:
        first, second = open_box().sandbox, open_box().sandbox
        assert first.credentials["username"] != second.credentials["username"]
        password = first.credentials["password"]
        assert password != second.credentials["password"]
        assert password not in f"{first!r} {first.credentials!r} {first.credentials!s}"
        assert first.credentials["base_url"] == first.url

    def test_the_senders_in_the_credentials_are_accepted(self, box: Box) -> None:
        for channel in ("sms", "whatsapp", "rcs"):
            sender = box.sandbox.credentials["sender"][channel]
            assert box.send(channel=channel.title(), **{"from": sender}).status_code == 200


class TestVersions:
    @pytest.mark.parametrize(
        ("path", "header", "version"),
        [
            ("/api/message", None, 1),
            ("/api/message", "1", 1),
            ("/api/message", "1.0", 1),
            ("/api/message", "2", 2),
            ("/api/message", "2.0", 2),
            ("/api/v1/message", None, 1),
            ("/api/v2/message", None, 2),
            ("/api/v2/message", "2.0", 2),
            ("/API/V2/Message", None, 2),
            ("/api/v2/message/", None, 2),
        ],
    )
    def test_each_version_writes_timestamps_in_its_own_form(
        self, open_box: Callable[..., Box], path: str, header: str | None, version: int
    ) -> None:
        box = open_box(clock=Clock())
        headers = {} if header is None else {"x-api-version": header}
        stamp = "2026-01-15T09:30:00.000Z" if version == 2 else "2026-01-15T10:30:00.000"
        sent = box.post(path, headers=headers).json()
        assert sent["timestamp"] == stamp
        status = box.client.get(f"{path.rstrip('/')}/{sent['messageId']}", headers=headers).json()
        assert status == {"messageId": sent["messageId"], "state": "Pending", "timestamp": stamp}

    def test_timestamps_of_v1_follow_swiss_summer_time(self, open_box: Callable[..., Box]) -> None:
        clock = Clock()
        clock.now = datetime(2026, 7, 1, 12, tzinfo=UTC)
        assert (
            open_box(clock=clock).post("/api/v1/message").json()["timestamp"]
            == "2026-07-01T14:00:00.000"
        )

    @pytest.mark.parametrize(
        ("path", "header"),
        [
            ("/api/v3/message", None),
            ("/api/v2.1/media/x", None),
            ("/api/message", "3"),
            ("/api/message", "v2"),
            ("/api/message", ""),
            ("/api/v2/message", "1"),
            ("/api/v1/message", "2.0"),
            ("/api/v2/message", "7"),
        ],
    )
    def test_unknown_or_contradicting_versions_are_refused(
        self, box: Box, path: str, header: str | None
    ) -> None:
        response = box.post(path, headers={} if header is None else {"X-API-Version": header})
        assert response.status_code == 400
        assert response.json()["errorCode"] == "SandboxUnknownVersion"
        assert box.sandbox.messages == []


class TestLowerCaseChannel:
    """Four clients write `sms` on v1, and one of them has confirmed deliveries (observed)."""

    @pytest.mark.parametrize(
        ("path", "headers"),
        [("/api/message", {}), ("/api/v1/message", {}), ("/api/message", {"X-API-Version": "1.0"})],
    )
    def test_v1_accepts_the_channel_sms_in_lower_case(
        self, box: Box, path: str, headers: dict[str, str]
    ) -> None:
        assert box.post(path, {**SMS, "channel": "sms"}, headers=headers).status_code == 200
        (message,) = box.sandbox.messages
        assert (message.channel, message.raw["channel"]) == ("Sms", "sms")
        assert box.sandbox.wait_for(channel="Sms", timeout=0) == message

    def test_v1_accepts_the_channel_sms_in_lower_case_in_a_list(self, box: Box) -> None:
        body = {"messages": [{**SMS, "channel": "sms"}, {**SMS, "channel": "rcs"}]}
        accepted, refused = box.post("/api/v1/messagelist", body).json()["messages"]
        assert accepted.keys() == {"messageId"}
        assert problems_in(refused["error"]).keys() == {"Channel"}

    def test_an_sms_with_the_lower_case_channel_is_checked_as_an_sms(self, box: Box) -> None:
        body = {**SMS, "channel": "sms", "from": "TwelveLetter"}
        assert problems(box.post("/api/v1/message", body)).keys() == {"From"}

    @pytest.mark.parametrize(
        ("path", "headers"), [("/api/v2/message", {}), ("/api/message", {"X-API-Version": "2"})]
    )
    def test_v2_refuses_the_channel_sms_in_lower_case(
        self, box: Box, path: str, headers: dict[str, str]
    ) -> None:
        response = box.post(path, {**SMS, "channel": "sms"}, headers=headers)
        assert "letter case" in problems(response)["Channel"]

    @pytest.mark.parametrize("channel", ["SMS", "sMS", "whatsapp", "rcs", "WhatsApp"])
    def test_v1_refuses_other_spellings_which_nobody_was_seen_to_use(
        self, box: Box, channel: str
    ) -> None:
        response = box.post("/api/v1/message", {**SMS, "channel": channel})
        assert "letter case" in problems(response)["Channel"]


@pytest.mark.parametrize("path", ["/api/v1/message", "/api/v2/message"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from": "TwelveLetter"}, "at most 11 characters"),
        ({"from": "12345678901234567"}, "at most 16 digits"),
        ({"channel": "Whatsapp", "from": "ACME"}, "registered business number"),
        ({"to": "+41790001180"}, "ACME is an invalid sender"),
        ({"to": "0041790001180"}, "ACME is an invalid sender"),
        ({"channel": "Rcs", "to": "+41790001180"}, "ACME is an invalid sender"),
    ],
)
def test_a_refused_sender_is_answered_with_400_invalid_content_and_from(
    box: Box, path: str, changes: dict[str, str], words: str
) -> None:
    found = problems(box.post(path, {**SMS, **changes}))
    assert found.keys() == {"From"}
    assert words in found["From"]
    assert box.sandbox.messages == []


@pytest.mark.parametrize("version", ["", "/v1", "/v2", "/V2"])
def test_every_operation_is_found_with_and_without_the_version_in_its_path(
    box: Box, version: str
) -> None:
    base = f"/api{version}"
    message_id = box.post(f"{base}/message").json()["messageId"]
    assert box.client.get(f"{base}/message/{message_id}").status_code == 200
    list_id = box.post(f"{base}/messagelist", {"messages": [SMS]}).json()["messageListId"]
    assert box.client.get(f"{base}/messagelist/{list_id}").status_code == 200
    octets = {"Content-Type": "application/octet-stream"}
    uploaded = box.client.post(f"{base}/media", content=b"x", headers=octets).json()
    assert box.client.get(f"{base}/media/{uploaded['mediaId']}").content == b"x"


class TestSending:
    def test_a_message_to_one_recipient_is_stored_as_it_came(self, box: Box) -> None:
        response = box.send(marketing=True)
        (message,) = box.sandbox.messages
        assert response.json().keys() == {"messageId", "timestamp"}
        assert message.id == response.json()["messageId"]
        assert (message.channel, message.sender, message.recipient) == (
            "Sms",
            "ACME",
            "+41791234567",
        )
        assert (message.content, message.text) == (TEXT, "Grüezi")
        assert message.raw == {**SMS, "marketing": True}
        assert message.request_id == response.headers["x-f24-request-id"]
        assert message.list_id is None
        assert "Grüezi" not in repr(message)
        assert "791234" not in repr(message)

    def test_a_to_list_becomes_one_message_for_each_recipient(self, box: Box) -> None:
        numbers = ["+41791234567", "0041781234567", "+41791234567"]
        response = box.send(
            to=None, toList=[{"type": "Number", "address": number} for number in numbers]
        )
        assert response.json()["messageIdList"] == [message.id for message in box.sandbox.messages]
        assert [message.recipient for message in box.sandbox.messages] == numbers
        assert "messageId" not in response.json()

    def test_json_names_may_have_any_letter_case(self, box: Box) -> None:
        body = {
            "Channel": "Sms",
            "FROM": "ACME",
            "tO": "+41791234567",
            "Content": {"TYPE": "Text", "Text": "x"},
        }
        assert box.post(body=body).status_code == 200
        assert box.sandbox.messages[0].content == {"type": "Text", "text": "x"}
        assert box.sandbox.messages[0].raw == body

    @pytest.mark.parametrize(
        "changes",
        [
            {"from": "0041791234567"},
            {"from": "+123456789012345"},
            {"from": "1234567890123456"},
            {"from": "My Shop & Co"[:11]},
            {"to": "0041791234567", "toList": None},
            {"to": "+41441234567"},
            {"to": "1414"},
            {"to": "+4915112345678"},
            {
                "channel": "Whatsapp",
                "from": "0041791234567",
                "content": {"type": "Text", "text": "x" * 4096},
            },
            {"channel": "Rcs", "content": {"type": "Text", "text": "x" * 1000}},
            {"content": {"type": "Text", "text": "x" * 1530}},
            {"content": {"type": "Text", "text": "ж" * 670}},
            {"content": {"type": "Text", "text": "x" * 306, "options": {"pageLimit": 2}}},
            {"content": {"type": "Text", "text": "x", "options": {}, "more": None}},
            {"notification": {}},
            {"notification": {"forEvent": "ErrorOnly"}},
            {"notification": {"addresses": [{"type": "Sms", "address": "+41791234567"}]}},
        ],
    )
    def test_a_valid_message_is_accepted(self, box: Box, changes: dict[str, Any]) -> None:
        validator("MessageRequest").validate({**SMS, **changes})
        assert box.send(**changes).status_code == 200

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
            ({"channel": "Whatsapp", "from": "ACME"}, "From", "business number"),
            ({"channel": "Whatsapp", "from": "0791234567"}, "From", "international"),
            ({"to": None}, "To", "required"),
            ({"to": ""}, "To", "empty"),
            ({"to": 1}, "To", "string"),
            ({"to": None, "toList": []}, "ToList", "empty"),
            ({"to": None, "toList": {}}, "ToList", "array"),
            ({"toList": []}, "To", "exclude"),
            ({"toList": [{"type": "Number", "address": "+41791234567"}]}, "To", "exclude"),
            ({"to": "0791234567"}, "To", "international"),
            ({"to": "+41 79 123 45 67"}, "To", "digits only"),
            ({"to": "+41791234567\n"}, "To", "digits only"),
            ({"to": "+٤١٧٩١٢٣٤٥٦٧"}, "To", "digits only"),
            ({"to": "+4179"}, "To", "too short"),
            ({"to": "+417912345678901"}, "To", "too long"),
            ({"to": "+99979123456"}, "To", "no country"),
            ({"to": "12"}, "To", "international"),
            ({"to": None, "toList": ["+41791234567"]}, "ToList[0]", "object"),
            ({"to": None, "toList": [{"address": "+41791234567"}]}, "ToList[0].Type", "required"),
            (
                {"to": None, "toList": [{"type": "Group", "address": "+41791234567"}]},
                "ToList[0].Type",
                "Number",
            ),
            ({"to": None, "toList": [{"type": "Number"}]}, "ToList[0].Address", "required"),
            (
                {"to": None, "toList": [{"type": "Number", "address": "+4179"}]},
                "ToList[0].Address",
                "+4179",
            ),
            ({"content": None}, "Content", "required"),
            ({"content": "Hello"}, "Content", "object"),
            ({"content": {}}, "Content.Type", "required"),
            ({"content": {"type": "text", "text": "x"}}, "Content.Type", "letter case"),
            ({"content": {"type": "Text"}}, "Content.Text", "required"),
            ({"content": {"type": "Text", "text": ""}}, "Content.Text", "empty"),
            ({"content": {"type": "Text", "text": 5}}, "Content.Text", "string"),
            ({"content": {"type": "Text", "text": "x" * 1531}}, "Content.Text", "11 pages (GSM-7)"),
            ({"content": {"type": "Text", "text": "ж" * 671}}, "Content.Text", "11 pages (UCS-2)"),
            (
                {"content": {"type": "Text", "text": "x" * 161, "options": {"pageLimit": 1}}},
                "Content.Text",
                "limit is 1",
            ),
            ({"content": {**TEXT, "options": None}}, "Content.Options", "object"),
            (
                {"content": {**TEXT, "options": {"pageLimit": 0}}},
                "Content.Options.PageLimit",
                "1 to 10",
            ),
            (
                {"content": {**TEXT, "options": {"pageLimit": 11}}},
                "Content.Options.PageLimit",
                "1 to 10",
            ),
            (
                {"content": {**TEXT, "options": {"pageLimit": True}}},
                "Content.Options.PageLimit",
                "whole",
            ),
            (
                {"content": {**TEXT, "options": {"pageLimit": "1"}}},
                "Content.Options.PageLimit",
                "whole",
            ),
            (
                {"channel": "Rcs", "content": {"type": "Text", "text": "x" * 1001}},
                "Content.Text",
                "1001",
            ),
            (
                {"channel": "Whatsapp", "content": {"type": "Text", "text": "x" * 4097}},
                "Content.Text",
                "4097",
            ),
            ({"content": {"type": "Image", "mediaId": "m"}}, "Content.Type", "SMS is a text"),
            (
                {"channel": "Whatsapp", "content": {"type": "Sticker", "mediaId": "m"}},
                "Content.Type",
                "Sticker",
            ),
            (
                {"channel": "Rcs", "content": {"type": "Image", "mediaId": "m"}},
                "Content.MediaId",
                "No file",
            ),
            ({"channel": "Rcs", "content": {"type": "Image"}}, "Content.MediaId", "required"),
            ({"notification": None}, "Notification", "object"),
            ({"notification": {"addresses": []}}, "Notification.Addresses", "array"),
            ({"notification": {"addresses": None}}, "Notification.Addresses", "array"),
            ({"notification": {"forEvent": "all"}}, "Notification.ForEvent", "letter case"),
            ({"notification": {"addresses": [7]}}, "Notification.Addresses[0]", "object"),
            (
                {"notification": {"addresses": [{"address": "a@b.ch"}]}},
                "Notification.Addresses[0].Type",
                "required",
            ),
            (
                {"notification": {"addresses": [{"type": "Email"}]}},
                "Notification.Addresses[0].Address",
                "required",
            ),
        ],
    )
    def test_an_invalid_message_is_refused_with_the_parameter_named(
        self, box: Box, changes: dict[str, Any], parameter: str, words: str
    ) -> None:
        found = problems(box.send(**changes))
        assert words in found.pop(parameter)
        # The table changes only the channel of some rows, so the sender may not fit.
        assert found.keys() <= (
            {"From", "Content.MediaId"} if "channel" in changes or "content" in changes else set()
        )
        assert box.sandbox.messages == []

    @pytest.mark.parametrize(
        ("kind", "address", "words"),
        [
            ("Email", "nobody", "e-mail"),
            ("Sms", "0791234567", "international"),
            ("Url", "ftp://127.0.0.1/", "URL"),
            ("UrlPost", "http:///path", "URL"),
            ("UrlPost", "http://[1/", "URL"),
            ("UrlPost", "http://127.0.0.1:99999/", "URL"),
            ("UrlPost", "http://127.0.0.1/" + "x" * 83, "less than 100"),
        ],
    )
    def test_an_invalid_notification_address_is_refused(
        self, box: Box, kind: str, address: str, words: str
    ) -> None:
        response = box.send(notification={"addresses": [{"type": kind, "address": address}]})
        assert words in " ".join(problems(response).values())

    def test_all_errors_of_a_request_are_reported_at_once(self, box: Box) -> None:
        body = {
            "channel": "SMS",
            "content": {"type": "Text"},
            "notification": {"forEvent": "Never"},
        }
        assert problems(box.post(body=body)).keys() == {
            "Channel",
            "From",
            "To",
            "Content.Text",
            "Notification.ForEvent",
        }

    def test_one_invalid_recipient_of_a_to_list_refuses_all(self, box: Box) -> None:
        to_list = [
            {"type": "Number", "address": number}
            for number in ("+41791234567", "+1", "+41781234567", "+4")
        ]
        assert problems(box.send(to=None, toList=to_list)).keys() == {
            "ToList[1].Address",
            "ToList[3].Address",
        }
        assert box.sandbox.messages == []

    @given(
        body=st.fixed_dictionaries(
            {},
            optional={
                "channel": st.sampled_from(["Sms", "Whatsapp", "Rcs", "sms", None, 1]),
                "from": st.sampled_from(
                    ["ACME", "0041791234567", "", "Zürich", "TwelveLetter", 5, None]
                ),
                "to": st.sampled_from(["+41791234567", None, "", 5]),
                "toList": st.sampled_from(
                    [None, [], [{"type": "Number", "address": "+41791234567"}], [{}], [None], ""]
                ),
                "content": st.sampled_from(
                    [
                        TEXT,
                        {**TEXT, "options": {"pageLimit": 11}},
                        {**TEXT, "options": []},
                        {"type": "Text"},
                        None,
                        {},
                    ]
                    + [
                        {"type": "Text", "text": "x" * length}
                        for length in (0, 1000, 1001, 1531, 4097)
                    ]
                    + [
                        {"type": kind, "mediaId": "m"}
                        for kind in ("Image", "Audio", "Sticker", "image")
                    ]
                ),
                "notification": st.sampled_from(
                    [
                        {},
                        None,
                        {"addresses": []},
                        {"forEvent": "all"},
                        {"addresses": [{"type": "Email", "address": ""}]},
                    ]
                ),
            },
        )
    )
    def test_no_message_is_accepted_that_the_spec_refuses(self, body: dict[str, Any]) -> None:
        try:
            rules.check_message(body, 2, lambda media_id: True)
        except rules.RefusedError as error:
            validator("Error").validate(error.json)
        else:
            validator("MessageRequest").validate(body)


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b'{"channel": NaN}',
            b'{"channel": "Sms\xff"}',
            b"\xef\xbb\xbf{}",
            "{}".encode("utf-16"),
            b'{"from": "\\ud800"}',
            b"[" * 100_000,
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            b'{"a": ' + b"9" * 5_000 + b"}",
        ],
    )
    def test_a_body_that_is_no_json_object_is_refused(self, box: Box, body: bytes) -> None:
        for path in ("/api/message", "/api/messagelist"):
            response = box.client.post(
                path, content=body, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 400
            assert response.json()["errorCode"] == "SyntaxError"

    @pytest.mark.parametrize(
        ("path", "content_type", "status"),
        [
            ("/api/message", "application/json; charset=UTF-8", 200),
            ("/api/message", 'Application/JSON;charset="utf-8"', 200),
            ("/api/message", "application/json; charset=latin-1", 415),
            ("/api/message", "text/plain", 415),
            ("/api/message", None, 415),
            ("/api/messagelist", "application/x-www-form-urlencoded", 415),
            ("/api/media", "application/octet-stream", 200),
            ("/api/media", "image/png", 200),
            ("/api/media", "multipart/form-data; boundary=x", 415),
            ("/api/media", None, 415),
        ],
    )
    def test_a_wrong_content_type_is_answered_with_415(
        self, box: Box, path: str, content_type: str | None, status: int
    ) -> None:
        headers = {} if content_type is None else {"Content-Type": content_type}
        response = box.client.post(path, content=json.dumps(SMS).encode(), headers=headers)
        assert response.status_code == status

    def test_a_body_over_16_mib_is_answered_with_413(self, box: Box) -> None:
        response = box.client.post(
            "/api/message",
            content=b" " * (16 * 2**20 + 1),
            headers={"Content-Type": "application/json"},
        )
        assert response.status_code == 413
        assert response.json()["errorCode"] == "SandboxTooLarge"
        assert box.send().status_code == 200  # on the same connection

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/api/message", "POST"),
            ("PUT", "/api/v2/messagelist", "POST"),
            ("DELETE", "/api/media/x", "GET"),
            ("POST", "/api/message/x", "GET"),
        ],
    )
    def test_another_method_is_answered_with_405_and_allow(
        self, box: Box, method: str, path: str, allowed: str
    ) -> None:
        response = box.client.request(method, path)
        assert (response.status_code, response.headers["allow"]) == (405, allowed)

    @pytest.mark.parametrize(
        "path",
        [
            "/nothing",
            "/api",
            "/api/",
            "/api/video",
            "/api/message/a/b",
            "/message",
            "/api/vx/message",
            "/api/v2%2Fmessage",
        ],
    )
    def test_an_unknown_path_is_answered_with_404(self, box: Box, path: str) -> None:
        response = box.client.get(path)
        assert (response.status_code, response.json()["errorCode"]) == (404, "SandboxUnknownPath")

    @pytest.mark.parametrize(
        "path",
        [
            "/api/message/x",
            "/api/v2/messagelist/x",
            "/api/media/x",
            "/api/media/..%5Cx",
            "/api/v2/message/a%2Fb%20%C3%BC",
        ],
    )
    def test_an_unknown_id_is_answered_with_404(self, box: Box, path: str) -> None:
        response = box.client.get(path)
        assert (response.status_code, response.json()["errorCode"]) == (404, "IDDoesNotExist")


class TestStates:
    def test_states_follow_the_clock_even_if_the_timer_is_late(
        self, open_box: Callable[..., Box]
    ) -> None:
        clock = Clock()
        box = open_box(clock=clock, sent_after=10, delivered_after=60)
        message_id = box.send().json()["messageId"]
        for seconds, state in (
            (9.9, "Pending"),
            (10, "Sent"),
            (59.9, "Sent"),
            (60, "Delivered"),
            (1e5, "Delivered"),
        ):
            clock.now = datetime(2026, 1, 15, 9, 30, tzinfo=UTC) + timedelta(seconds=seconds)
            assert box.state(message_id) == state
            assert box.sandbox.messages[0].state == state
        times = [
            (at - clock.now).total_seconds() + 1e5 for _, at in box.sandbox.messages[0].history
        ]
        assert times == [0, 10, 60]
        assert [state for state, _ in box.sandbox.messages[0].history] == [
            "Pending",
            "Sent",
            "Delivered",
        ]
        assert (
            box.client.get(f"/api/v2/message/{message_id}").json()["timestamp"]
            == "2026-01-15T09:31:00.000Z"
        )

    def test_states_change_by_themselves(self, box: Box) -> None:
        began = time.monotonic()
        message_id = box.send().json()["messageId"]
        states = [box.state(message_id)]
        while states[-1] != "Delivered" and time.monotonic() < began + 5:
            states.append(box.state(message_id))
        assert time.monotonic() >= began + 0.15
        assert states == sorted(states, key=["Pending", "Sent", "Delivered"].index)
        first, *_, last = (at for _, at in box.sandbox.messages[0].history)
        assert last - first == timedelta(seconds=0.15)

    def test_without_a_report_a_message_stays_sent(self, open_box: Callable[..., Box]) -> None:
        clock = Clock()
        box = open_box(clock=clock, delivered_after=None)
        message_id = box.send().json()["messageId"]
        clock.now += timedelta(days=6)
        assert box.state(message_id) == "Sent"

    def test_a_status_can_be_queried_for_seven_days(self, open_box: Callable[..., Box]) -> None:
        clock = Clock()
        box = open_box(clock=clock)
        message_id = box.send().json()["messageId"]
        list_id = box.post("/api/v2/messagelist", {"messages": [SMS]}).json()["messageListId"]
        clock.now += timedelta(days=7)
        assert box.client.get(f"/api/v2/message/{message_id}").status_code == 200
        assert box.client.get(f"/api/v2/messagelist/{list_id}").status_code == 200
        clock.now += timedelta(seconds=1)
        assert box.client.get(f"/api/v2/message/{message_id}").status_code == 404
        assert box.client.get(f"/api/v2/messagelist/{list_id}").status_code == 404
        assert box.sandbox.messages[0].state == "Delivered"

    def test_a_message_that_was_read_does_not_change(self, open_box: Callable[..., Box]) -> None:
        clock = Clock()
        box = open_box(clock=clock)
        box.send()
        (before,) = box.sandbox.messages
        clock.now += timedelta(seconds=1)
        (after,) = box.sandbox.messages
        assert (before.state, after.state) == ("Pending", "Delivered")

    def test_the_oldest_messages_are_dropped_beyond_the_limit(
        self, open_box: Callable[..., Box]
    ) -> None:
        box = open_box(max_messages=3)
        list_id = box.post("/api/v2/messagelist", {"messages": [SMS] * 2}).json()["messageListId"]
        ids = [box.send().json()["messageId"] for _ in range(2)]
        assert [message.id for message in box.sandbox.messages][1:] == ids
        assert len(box.client.get(f"/api/v2/messagelist/{list_id}").json()["messages"]) == 1
        for _ in range(3):
            box.post("/api/v2/messagelist", {"messages": [{}]})
        assert box.client.get(f"/api/v2/messagelist/{list_id}").status_code == 404


class TestLists:
    def test_each_message_of_a_list_has_its_own_outcome(self, box: Box) -> None:
        messages = [
            SMS,
            {**SMS, "to": "+999"},
            {"CHANNEL": "Rcs", "From": "agent", "To": "0041781234567", "content": TEXT},
            "text",
            {**SMS, "to": None, "toList": [{"type": "Number", "address": "+41791234567"}] * 2},
        ]
        response = box.post("/api/v2/messagelist", {"Messages": messages})
        body = response.json()
        first, second, third, fourth, fifth = body["messages"]
        assert problems_in(second["error"]).keys() == {"To"}
        assert problems_in(fourth["error"]).keys() == {"Message"}
        ids = [first["messageId"], third["messageId"], *fifth["messageIdList"]]
        assert [message.id for message in box.sandbox.messages] == ids
        assert {message.list_id for message in box.sandbox.messages} == {body["messageListId"]}
        assert {message.request_id for message in box.sandbox.messages} == {
            response.headers["x-f24-request-id"]
        }
        assert box.sandbox.messages[1].raw == messages[2]
        status = box.client.get(f"/api/messagelist/{body['messageListId']}").json()
        assert [entry["messageId"] for entry in status["messages"]] == ids
        assert status["messageListId"] == body["messageListId"]

    def test_a_list_of_which_all_messages_are_refused_is_accepted(self, box: Box) -> None:
        body = box.post("/api/v2/messagelist", {"messages": [{}, {}]}).json()
        assert all(entry.keys() == {"error"} for entry in body["messages"])
        status = box.client.get(f"/api/v2/messagelist/{body['messageListId']}").json()
        assert status == {"messageListId": body["messageListId"], "messages": []}

    @pytest.mark.parametrize(
        ("body", "parameters"),
        [
            ({}, {"Messages"}),
            ({"messages": []}, {"Messages"}),
            ({"messages": {}}, {"Messages"}),
            ({"messages": [SMS], "notification": 1}, {"Notification"}),
            (
                {"messages": None, "notification": {"forEvent": 1}},
                {"Messages", "Notification.ForEvent"},
            ),
        ],
    )
    def test_an_invalid_list_is_refused(self, box: Box, body: object, parameters: set[str]) -> None:
        assert problems(box.post("/api/v2/messagelist", body)).keys() == parameters
        assert box.sandbox.messages == []


class TestMedia:
    def test_a_file_of_20_mb_is_downloaded_as_it_was_uploaded(self, box: Box) -> None:
        data = secrets.token_bytes(20 * 2**20)

        def chunks() -> Iterator[bytes]:
            for start in range(0, len(data), 1_000_003):
                yield data[start : start + 1_000_003]

        for content in (data, chunks()):
            headers = {"Content-Type": "application/octet-stream"}
            media_id = box.client.post("/api/v2/media", content=content, headers=headers).json()[
                "mediaId"
            ]
            response = box.client.get(f"/api/media/{media_id}")
            assert response.headers["content-type"] == "application/octet-stream"
            assert response.headers["content-length"] == str(len(data))
            assert response.content == data
            assert box.sandbox.media(media_id) == data

    def test_an_uploaded_file_can_be_sent(self, box: Box) -> None:
        media_id = self.upload(box, b"GIF89a")
        for kind in ("Image", "Document", "Audio", "Video"):
            content = {"type": kind, "mediaId": media_id}
            assert (
                box.send(
                    channel="Whatsapp", **{"from": "0041791234567"}, content=content
                ).status_code
                == 200
            )
        assert (
            box.send(channel="Rcs", content={"type": "Sticker", "mediaId": media_id}).status_code
            == 200
        )
        assert box.sandbox.messages[0].text is None
        assert box.sandbox.messages[0].content == {"type": "Image", "mediaId": media_id}

    def test_an_empty_file_is_refused(self, box: Box) -> None:
        response = box.client.post(
            "/api/media", content=b"", headers={"Content-Type": "application/octet-stream"}
        )
        assert problems(response).keys() == {"Body"}

    def test_a_file_over_max_media_size_is_answered_with_413(
        self, open_box: Callable[..., Box]
    ) -> None:
        box = open_box(max_media_size=100_000)
        self.upload(box, b"x" * 100_000)
        response = box.client.post(
            "/api/media",
            content=b"x" * 100_001,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert response.status_code == 413
        self.upload(box, b"x")

    def test_the_oldest_files_are_dropped_beyond_the_limit(
        self, open_box: Callable[..., Box]
    ) -> None:
        box = open_box(max_media=2)
        first, second, third = (self.upload(box, name) for name in (b"1", b"2", b"3"))
        assert box.client.get(f"/api/media/{first}").status_code == 404
        assert box.client.get(f"/api/media/{third}").content == b"3"
        with pytest.raises(KeyError):
            box.sandbox.media(first)
        assert box.sandbox.media(second) == b"2"

    @staticmethod
    def upload(box: Box, data: bytes) -> str:
        response = box.client.post(
            "/api/media", content=data, headers={"Content-Type": "application/octet-stream"}
        )
        return str(response.json()["mediaId"])


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, "InvalidContent"),
            (401, "AccNoUser"),
            (403, "AccNoUnits"),
            (404, "IDDoesNotExist"),
            (429, "SandboxTooManyRequests"),
            (500, "SandboxFailure"),
        ],
    )
    def test_a_planned_failure_is_answered_and_the_request_not_handled(
        self, box: Box, status: int, code: str
    ) -> None:
        box.sandbox.fail_next(status, headers={"Retry-After": "1"}, times=2)
        for _ in range(2):
            response = box.send()
            assert (response.status_code, response.json()["errorCode"]) == (status, code)
            assert response.headers["retry-after"] == "1"
        assert box.sandbox.messages == []
        assert box.send().status_code == 200

    def test_planned_failures_come_in_order_and_only_for_right_credentials(self, box: Box) -> None:
        box.sandbox.fail_next(403, code="Broke", message="No credit")
        box.sandbox.fail_next(413)
        assert httpx.post(f"{box.sandbox.url}/api/message", trust_env=False).status_code == 401
        assert box.send().json() == {"errorCode": "Broke", "errorMessage": "No credit"}
        assert [box.send().status_code for _ in range(2)] == [413, 200]

    def test_a_planned_failure_may_look_like_that_of_a_proxy(self, box: Box) -> None:
        with connect(box.sandbox) as client:
            box.sandbox.fail_next(
                502, body="<html>Bad Gateway</html>", headers={"X-F24-Request-ID": None}
            )
            response = client.post("/api/message", json=SMS)
        assert (response.status_code, response.text) == (502, "<html>Bad Gateway</html>")
        assert response.headers["content-type"] == "text/html"
        assert "x-f24-request-id" not in response.headers
        assert response.headers["x-ecall-sandbox"].startswith("simulated")

    def test_a_planned_failure_may_have_any_body_and_headers(self, box: Box) -> None:
        with connect(box.sandbox) as client:
            box.sandbox.fail_next(
                200, body=b"\xff\x00", headers={"Content-Type": "application/json", "Date": "now"}
            )
            response = client.get("/api/message/x")
            assert (response.status_code, response.content) == (200, b"\xff\x00")
            assert (response.headers["content-type"], response.headers["date"]) == (
                "application/json",
                "now",
            )
            box.sandbox.fail_next(503, headers={"x-f24-request-id": "mine"})
            assert client.get("/api/message/x").headers["x-f24-request-id"] == "mine"
            box.sandbox.fail_next(204, body="")
            assert client.get("/api/message/x").status_code == 204

    @pytest.mark.parametrize(
        "arguments",
        [
            {"status": 100},
            {"status": 600},
            {"times": 0},
            {"body": "x", "code": "y"},
            {"headers": {"a": "b\r\nc: d"}},
            {"headers": {"a": "ü"}},
            {"headers": {"a": " b"}},
            {"headers": {"Retry After": "1"}},
            {"headers": {"a: b": "c"}},
            {"headers": {"": None}},
        ],
    )
    def test_fail_next_refuses_invalid_arguments(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"must be|must not be"):
            Sandbox().fail_next(**arguments)

    def test_an_unexpected_error_of_the_sandbox_has_the_error_shape(
        self, open_box: Callable[..., Box], caplog: pytest.LogCaptureFixture
    ) -> None:
        box = open_box()
        box.sandbox._store.add = None  # type: ignore[method-assign,assignment]
        response = box.send()
        assert (response.status_code, response.json()["errorCode"]) == (500, "SandboxFailure")
        assert [record.name for record in caplog.records if record.levelname == "ERROR"] == [
            "ecall_facade.sandbox"
        ]


class TestIds:
    def test_ids_are_counted_with_a_seed(self, open_box: Callable[..., Box]) -> None:
        def session(seed: int | None) -> list[Any]:
            box = open_box(seed=seed, clock=Clock())
            answers = [
                box.send(),
                box.send(to="nobody"),
                box.post("/api/v2/messagelist", {"messages": [SMS, SMS]}),
                box.client.post(
                    "/api/media", content=b"x", headers={"Content-Type": "application/octet-stream"}
                ),
            ]
            return [(dict(answer.headers), answer.content) for answer in answers]

        assert session(1) == session(1)
        assert session(1) != session(2)
        assert session(None) != session(None)
        assert json.loads(session(1)[0][1])["messageId"] == "00000001-0001-4c6e-9d3a-000000000001"

    def test_ids_are_unique(self, box: Box) -> None:
        def send(_: int) -> list[tuple[str, str]]:
            with connect(box.sandbox) as client:
                responses = [client.post("/api/message", json=SMS) for _ in range(10)]
            return [
                (each.json()["messageId"], each.headers["x-f24-request-id"]) for each in responses
            ]

        with ThreadPoolExecutor(50) as pool:
            found = [pair for pairs in pool.map(send, range(50)) for pair in pairs]
        assert (
            len({message_id for message_id, _ in found})
            == len({request_id for _, request_id in found})
            == 500
        )
        assert {message.id for message in box.sandbox.messages} == {
            message_id for message_id, _ in found
        }
