"""What each method puts on the wire, to the letter, and what it makes of a plain answer; sync and async alike."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
from _cases import one_way_each
from _service import REQUEST_ID

from ecall_facade import (
    AudioContent,
    BadRequest,
    DeliveryState,
    DocumentContent,
    ECall,
    ImageContent,
    InvalidMedia,
    MessageListItem,
    NotFound,
    NotificationAddress,
    NotificationAddressType,
    NotificationEvent,
    Notify,
    OutcomeUnknown,
    RawAddress,
    RawResponse,
    ServerError,
    ServiceUnreachable,
    StickerContent,
    TextContent,
    TextOptions,
    UnreadableResponse,
    UsageError,
    VideoContent,
)

if TYPE_CHECKING:
    from _service import FakeService

HI = {"type": "Text", "text": "Hi"}
ONE = "079 123 45 67"
SMS = {"channel": "Sms", "from": "ACME", "to": "+41791234567", "content": HI}
WHATSAPP = {"channel": "Whatsapp", "from": "0041791000001", "to": "+41791234567", "content": HI}
RCS = {"channel": "Rcs", "from": "acme-rcs", "to": "+41791234567", "content": HI}


def channel_of(ecall: ECall, name: str) -> Any:
    return getattr(ecall, name)


def number(address: str) -> dict[str, str]:
    return {"type": "Number", "address": address}


class TestSend:
    """One message to one recipient is one POST."""

    @pytest.mark.parametrize(
        ("send", "body"),
        [
            (lambda ecall: ecall.sms.send(ONE, "Hi"), SMS),
            (lambda ecall: ecall.sms.send("0041 79 123 45 67", "Hi"), SMS),
            (lambda ecall: ecall.sms.send(to="+41791234567", content=TextContent(text="Hi")), SMS),
            (lambda ecall: ecall.sms.send(ONE, "Hi", sender="Other"), {**SMS, "from": "Other"}),
            (
                lambda ecall: ecall.sms.send(ONE, "Hi", sender="079 100 00 02"),
                {**SMS, "from": "0041791000002"},
            ),
            (lambda ecall: ecall.sms.send(RawAddress("1414"), "Hi"), {**SMS, "to": "1414"}),
            (
                lambda ecall: ecall.sms.send(ONE, "Hi", page_limit=3),
                {**SMS, "content": {**HI, "options": {"pageLimit": 3}}},
            ),
            (
                lambda ecall: ecall.sms.send(
                    ONE, TextContent("Hi", options=TextOptions(page_limit=2))
                ),
                {**SMS, "content": {**HI, "options": {"pageLimit": 2}}},
            ),
            (
                lambda ecall: ecall.sms.send(
                    ONE, TextContent("Hi", options=TextOptions(page_limit=2)), page_limit=3
                ),
                {**SMS, "content": {**HI, "options": {"pageLimit": 3}}},
            ),
            (
                lambda ecall: ecall.sms.send(ONE, "Grüezi 😀\n«é»"),
                {**SMS, "content": {"type": "Text", "text": "Grüezi 😀\n«é»"}},
            ),
            (lambda ecall: ecall.whatsapp.send(ONE, "Hi"), WHATSAPP),
            (
                lambda ecall: ecall.whatsapp.send(ONE, "Hi", sender="0041 79 100 00 02"),
                {**WHATSAPP, "from": "0041791000002"},
            ),
            (lambda ecall: ecall.rcs.send(ONE, "Hi"), RCS),
            (
                lambda ecall: ecall.rcs.send(ONE, "Hi", sender="other-rcs"),
                {**RCS, "from": "other-rcs"},
            ),
        ],
    )
    def test_a_text_to_one_recipient_is_one_post(
        self, ecall: ECall, service: FakeService, send: Callable[[ECall], Any], body: Any
    ) -> None:
        service.respond({"messageId": "m-1", "timestamp": "2026-01-15T09:30:00Z"})
        sent = send(ecall)
        assert (service.request.method, service.request.url.path) == ("POST", "/api/v2/message")
        assert service.request.headers["Content-Type"] == "application/json"
        assert service.body == body
        assert (sent.message_id, sent.request_id) == ("m-1", REQUEST_ID)
        assert sent.pages == (1 if body["channel"] == "Sms" else None)

    @pytest.mark.parametrize(
        ("content", "type_"),
        [
            (ImageContent(media_id="f-1"), "Image"),
            (DocumentContent(media_id="f-1"), "Document"),
            (AudioContent("f-1"), "Audio"),
            (VideoContent("f-1"), "Video"),
        ],
    )
    @pytest.mark.parametrize(("channel", "message"), [("whatsapp", WHATSAPP), ("rcs", RCS)])
    def test_a_send_of_media_has_its_type_filled_in(
        self,
        ecall: ECall,
        service: FakeService,
        channel: str,
        message: Any,
        content: Any,
        type_: str,
    ) -> None:
        service.respond({"messageId": "m-1"})
        sent = channel_of(ecall, channel).send(ONE, content)
        assert service.body == {**message, "content": {"type": type_, "mediaId": "f-1"}}
        assert (sent.message_id, sent.pages) == ("m-1", None)

    def test_a_sticker_can_be_sent_by_rcs(self, ecall: ECall, service: FakeService) -> None:
        service.respond({"messageId": "m-1"})
        ecall.rcs.send(ONE, StickerContent("f-1"))
        assert service.body == {**RCS, "content": {"type": "Sticker", "mediaId": "f-1"}}

    def test_a_sent_sms_has_the_number_of_its_pages(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageId": "m-1"})
        assert ecall.sms.send(ONE, "a" * 161).pages == 2
        assert ecall.sms.send(ONE, "😀" * 35).pages == 1

    def test_a_send_has_credentials_user_agent_and_length(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageId": "m-1"})
        ecall.sms.send(ONE, "Hi")
        headers = service.request.headers
        assert headers["Authorization"].startswith("Basic ")
        assert headers["User-Agent"].startswith("ecall-facade/")
        assert int(headers["Content-Length"]) == len(service.request.content)

    def test_a_send_leaves_the_content_of_the_caller_as_it_is(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageId": "m-1"})
        content = TextContent("Hi")
        content["x"] = 1
        ecall.sms.send(ONE, content, page_limit=2)
        assert content.to_dict() == {**HI, "x": 1}
        assert service.body["content"] == {**HI, "x": 1, "options": {"pageLimit": 2}}


class TestBroadcast:
    """One text to many recipients is one POST, with each number once."""

    @pytest.mark.parametrize(
        ("channel", "message"), [("sms", SMS), ("whatsapp", WHATSAPP), ("rcs", RCS)]
    )
    def test_a_text_to_many_recipients_is_one_post_with_each_number_once(
        self, ecall: ECall, service: FakeService, channel: str, message: Any
    ) -> None:
        service.respond({"messageIdList": ["m-1", "m-2"], "timestamp": "2026-01-15T09:30:00Z"})
        recipients = iter(
            [ONE, "0041 78 765 43 21", "+41 79 123 45 67", RawAddress("+41787654321")]
        )
        sent = channel_of(ecall, channel).broadcast(recipients, "Hi")
        body = {name: value for name, value in message.items() if name != "to"}
        assert service.body == {**body, "toList": [number("+41791234567"), number("+41787654321")]}
        assert service.request.url.path == "/api/v2/message"
        assert sent.message_ids == ("m-1", "m-2")
        assert sent.recipients == ("+41791234567", "+41787654321")
        assert sent.duplicates == ("+41791234567", "+41787654321")
        assert sent.ids_by_recipient == {"+41791234567": "m-1", "+41787654321": "m-2"}
        assert sent.request_id == REQUEST_ID

    def test_a_broadcast_can_have_all_arguments(self, ecall: ECall, service: FakeService) -> None:
        service.respond({"messageIdList": ["m-1"]})
        ecall.sms.broadcast(
            [ONE], "Hi", sender="Other", page_limit=2, notify="a@b.example", extra={"validity": 5}
        )
        assert service.body == {
            "channel": "Sms",
            "from": "Other",
            "toList": [number("+41791234567")],
            "content": {**HI, "options": {"pageLimit": 2}},
            "notification": {"addresses": [{"type": "Email", "address": "a@b.example"}]},
            "validity": 5,
        }

    def test_a_broadcast_can_carry_media(self, ecall: ECall, service: FakeService) -> None:
        service.respond({"messageIdList": ["m-1"]})
        ecall.whatsapp.broadcast([ONE], ImageContent("f-1"), sender="+41791000002")
        assert service.body["content"] == {"type": "Image", "mediaId": "f-1"}
        assert service.body["from"] == "0041791000002"

    def test_a_broadcast_to_ten_thousand_is_one_request(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageIdList": [str(n) for n in range(10_000)]})
        sent = ecall.sms.broadcast([f"+4179{n:07}" for n in range(10_000)], "Hi")
        assert len(service.body["toList"]) == 10_000
        assert sent.ids_by_recipient["+41790009999"] == "9999"


class TestList:
    """Many different messages are one POST; each of them was made by `compose`."""

    def test_a_list_of_messages_is_one_post(self, ecall: ECall, service: FakeService) -> None:
        messages = [
            ecall.sms.compose(ONE, "Hi"),
            ecall.sms.compose(
                ONE, "Hi", sender="Other", page_limit=2, extra={"validity": {"hours": 5}}
            ),
            ecall.whatsapp.compose(ONE, DocumentContent("f-1"), sender="+41791000002"),
            ecall.rcs.compose(RawAddress("1414"), StickerContent("f-2"), extra={"priority": 1}),
        ]
        assert not service.requests
        assert all(isinstance(message, MessageListItem) for message in messages)
        service.respond(
            {"messageListId": "l-1", "messages": [{"messageId": f"m-{n}"} for n in range(4)]}
        )
        sent = ecall.messages.send_list(
            iter(messages), notify="+41791234567", extra={"name": "January"}
        )
        assert service.request.url.path == "/api/v2/messagelist"
        assert service.body == {
            "messages": [
                SMS,
                {
                    **SMS,
                    "from": "Other",
                    "content": {**HI, "options": {"pageLimit": 2}},
                    "validity": {"hours": 5},
                },
                {
                    **WHATSAPP,
                    "from": "0041791000002",
                    "content": {"type": "Document", "mediaId": "f-1"},
                },
                {
                    **RCS,
                    "to": "1414",
                    "content": {"type": "Sticker", "mediaId": "f-2"},
                    "priority": 1,
                },
            ],
            "notification": {"addresses": [{"type": "Sms", "address": "+41791234567"}]},
            "name": "January",
        }
        assert (sent.list_id, sent.request_id) == ("l-1", REQUEST_ID)
        assert [entry.message_id for entry in sent.entries] == ["m-0", "m-1", "m-2", "m-3"]
        assert [entry.message for entry in sent.entries] == messages
        assert (sent.accepted, sent.rejected) == (sent.entries, ())

    def test_a_list_with_one_recipient_twice_has_both_messages(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageListId": "l-1"})
        ecall.messages.send_list([ecall.sms.compose(ONE, "Hi"), ecall.sms.compose(ONE, "Hi")])
        assert service.body == {"messages": [SMS, SMS]}


class TestNotify:
    """Notified are a URL, an e-mail address, a number, several of them, or `Notify`, which has events as well."""

    URL, MAIL = "https://hooks.acme.example/ecall?key=1", "ops@acme.example"

    WAYS: ClassVar[dict[str, Any]] = {
        "sms.send": lambda ecall, notify: ecall.sms.send(ONE, "Hi", notify=notify),
        "whatsapp.send": lambda ecall, notify: ecall.whatsapp.send(ONE, "Hi", notify=notify),
        "rcs.send": lambda ecall, notify: ecall.rcs.send(ONE, "Hi", notify=notify),
        "sms.broadcast": lambda ecall, notify: ecall.sms.broadcast([ONE], "Hi", notify=notify),
        "rcs.broadcast": lambda ecall, notify: ecall.rcs.broadcast([ONE], "Hi", notify=notify),
    }
    CASES: ClassVar[list[tuple[Any, Any]]] = [
        (URL, {"addresses": [{"type": "UrlPost", "address": URL}]}),
        (
            "HTTP://127.0.0.1:8080",
            {"addresses": [{"type": "UrlPost", "address": "HTTP://127.0.0.1:8080"}]},
        ),
        (MAIL, {"addresses": [{"type": "Email", "address": MAIL}]}),
        ("079 123 45 67", {"addresses": [{"type": "Sms", "address": "+41791234567"}]}),
        (
            [MAIL, URL],
            {
                "addresses": [
                    {"type": "Email", "address": MAIL},
                    {"type": "UrlPost", "address": URL},
                ]
            },
        ),
        (("0041791234567",), {"addresses": [{"type": "Sms", "address": "+41791234567"}]}),
        (Notify(MAIL), {"addresses": [{"type": "Email", "address": MAIL}]}),
        (
            Notify(MAIL, ONE, for_event="FinalOnly"),
            {
                "addresses": [
                    {"type": "Email", "address": MAIL},
                    {"type": "Sms", "address": "+41791234567"},
                ],
                "forEvent": "FinalOnly",
            },
        ),
        (
            Notify(
                NotificationAddress(NotificationAddressType.URL, "https://a.example"),
                for_event=NotificationEvent.ERROR_ONLY,
            ),
            {
                "addresses": [{"type": "Url", "address": "https://a.example"}],
                "forEvent": "ErrorOnly",
            },
        ),
        (
            "x" * 86 + MAIL[3:],
            {"addresses": [{"type": "Email", "address": "x" * 86 + MAIL[3:]}]},
        ),  # 99 characters
    ]

    @pytest.mark.parametrize(("way", "notify", "notification"), one_way_each(WAYS, CASES))
    def test_the_addresses_in_notify_are_in_the_request(
        self, ecall: ECall, service: FakeService, way: Any, notify: Any, notification: Any
    ) -> None:
        service.respond({"messageId": "m-1"})
        way(ecall, notify)
        assert service.body["notification"] == notification

    def test_without_notify_the_request_has_no_notification(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"messageId": "m-1"})
        ecall.sms.send(ONE, "Hi")
        assert "notification" not in service.body

    @pytest.mark.parametrize("event", ["All", "FinalOnly", "SuccessOnly", "ErrorOnly"])
    def test_each_event_can_be_given_by_its_name(self, event: str) -> None:
        assert Notify(self.MAIL, for_event=event).for_event is NotificationEvent(event)

    def test_the_repr_of_notify_shows_no_address(self) -> None:
        assert (
            repr(Notify(self.MAIL, for_event="All"))
            == "Notify(for_event=<NotificationEvent.ALL: 'All'>)"
        )

    def test_notify_is_frozen_and_compares(self) -> None:
        assert Notify(self.MAIL) == Notify(self.MAIL)
        assert Notify(self.MAIL) != Notify(self.MAIL, for_event="All")
        with pytest.raises(AttributeError):
            Notify(self.MAIL).for_event = None  # type: ignore[misc]

    @pytest.mark.parametrize(
        "send",
        [
            lambda ecall, notify: ecall.sms.send("+41791234567", "Hi", notify=notify),
            lambda ecall, notify: ecall.sms.broadcast(["+41791234567"], "Hi", notify=notify),
            lambda ecall, notify: ecall.messages.send_list(
                [ecall.sms.compose("+41791234567", "Hi")], notify=notify
            ),
        ],
        ids=["send", "broadcast", "send_list"],
    )
    def test_numbers_in_notify_are_read_in_the_region_of_the_client(
        self, ecall: ECall, service: FakeService, send: Any
    ) -> None:
        service.respond({"messageId": "m-1", "messageIdList": ["m-1"], "messageListId": "l-1"})
        send(ecall.with_options(region="DE"), "0151 23456789")
        assert service.body["notification"]["addresses"] == [
            {"type": "Sms", "address": "+4915123456789"}
        ]


class TestExtra:
    """Fields that the service has and we do not know go to the top of the request."""

    @pytest.mark.parametrize(
        "extra",
        [
            {},
            {"validity": 5},
            {"sendTime": "2026-01-15T09:30:00Z", "flags": [True, None, 1.5, {"a": {"b": []}}]},
            {"Überraschung": "äöü 😀"},
            {"tos": 1, "from2": 2, "texts": ["to", "text"]},
        ],
    )
    def test_extra_fields_are_added_to_the_request(
        self, ecall: ECall, service: FakeService, extra: Any
    ) -> None:
        service.respond({"messageId": "m-1", "messageListId": "l-1"})
        ecall.sms.send(ONE, "Hi", extra=extra)
        ecall.rcs.broadcast([ONE], "Hi", extra=extra)
        ecall.messages.send_list([ecall.whatsapp.compose(ONE, "Hi", extra=extra)], extra=extra)
        one, many, listed = (json.loads(request.content) for request in service.requests)
        assert one == {**SMS, **extra}
        assert many.items() >= extra.items()
        assert listed == {"messages": [{**WHATSAPP, **extra}], **extra}


class TestReading:
    """Statuses are read by GET."""

    @pytest.mark.parametrize(
        ("message_id", "on_the_wire"),
        [
            ("b1f5a2f0-0001-4c6e-9d3a-000000000001", "b1f5a2f0-0001-4c6e-9d3a-000000000001"),
            ("a/b?c#d%20 e", "a%2Fb%3Fc%23d%2520%20e"),
            ("../../x", "..%2F..%2Fx"),
            ("ä", "%C3%A4"),
        ],
    )
    def test_the_status_of_a_message_is_read_by_get(
        self, ecall: ECall, service: FakeService, message_id: str, on_the_wire: str
    ) -> None:
        service.respond({"state": "Delivered", "timestamp": "2026-01-15T09:30:04Z"})
        status = ecall.messages.status(message_id)
        assert service.request.method == "GET"
        assert service.request.url.raw_path.decode() == f"/api/v2/message/{on_the_wire}"
        assert service.request.content == b""
        assert (status.message_id, status.state, status.is_final) == (
            message_id,
            DeliveryState.DELIVERED,
            True,
        )

    def test_the_status_of_a_list_is_read_by_get(self, ecall: ECall, service: FakeService) -> None:
        service.respond(
            {
                "messageListId": "l-1",
                "messages": [{"messageId": "m-1", "state": 10}, {"messageId": "m-2"}],
            }
        )
        status = ecall.messages.list_status("l/1")
        assert service.request.url.raw_path == b"/api/v2/messagelist/l%2F1"
        assert [
            (message.message_id, message.state, message.is_final) for message in status.messages
        ] == [
            ("m-1", DeliveryState.SENT, True),
            ("m-2", DeliveryState.UNKNOWN, False),
        ]
        assert (status.list_id, status.request_id) == ("l/1", REQUEST_ID)


class TestMedia:
    """Files go up as they are, and come down as they are."""

    @pytest.mark.parametrize("form", ["bytes", "path", "str", "file", "stream"])
    def test_an_upload_sends_the_file_as_it_is(
        self, ecall: ECall, service: FakeService, tmp_path: Path, form: str
    ) -> None:
        data = bytes(range(256)) * 3000
        path = tmp_path / "photo.jpg"
        path.write_bytes(data)
        stream = io.BytesIO(data)
        unseekable = SimpleNamespace(read=stream.read)
        source: Any = {
            "bytes": data,
            "path": path,
            "str": str(path),
            "file": stream,
            "stream": unseekable,
        }[form]
        service.respond({"mediaId": "f-1"})
        seen: list[tuple[int, int | None]] = []
        media = ecall.media.upload(
            source, on_progress=lambda done, total: seen.append((done, total))
        )
        request = service.request
        assert (request.method, request.url.path, request.content) == (
            "POST",
            "/api/v2/media",
            data,
        )
        is_named = form in {"path", "str"}
        content_type = "image/jpeg" if is_named else "application/octet-stream"
        assert request.headers["Content-Type"] == content_type
        total = None if form == "stream" else len(data)
        assert request.headers.get("Content-Length") == (None if total is None else str(total))
        assert seen == [(262_144, total), (524_288, total), (768_000, total)]
        assert (media.media_id, media.size, media.request_id) == ("f-1", len(data), REQUEST_ID)
        assert media.content_type == ("image/jpeg" if is_named else None)

    def test_a_download_to_a_path_writes_the_file(
        self, ecall: ECall, service: FakeService, tmp_path: Path
    ) -> None:
        service.respond(content=b"picture", headers={"Content-Type": "image/png"})
        seen: list[tuple[int, int | None]] = []
        target = tmp_path / "copy.png"
        media = ecall.media.download(
            "f/1", target, on_progress=lambda done, total: seen.append((done, total))
        )
        assert (service.request.method, service.request.url.raw_path) == (
            "GET",
            b"/api/v2/media/f%2F1",
        )
        assert service.request.headers["Accept-Encoding"] == "identity"
        assert target.read_bytes() == b"picture"
        assert seen == [(7, 7)]
        assert (media.media_id, media.content_type, media.size) == ("f/1", "image/png", 7)
        assert media.request_id == REQUEST_ID

    def test_a_download_to_an_open_file_writes_into_it(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond(content=b"picture")
        target = io.BytesIO()
        assert ecall.media.download("f-1", target).content_type is None
        assert target.getvalue() == b"picture"

    def test_a_stream_yields_the_file_in_chunks(self, ecall: ECall, service: FakeService) -> None:
        service.respond(content=b"picture", headers={"Content-Type": "image/png"})
        with ecall.media.stream("f-1") as chunks:
            assert (chunks.size, chunks.content_type, chunks.request_id) == (
                7,
                "image/png",
                REQUEST_ID,
            )
            assert b"".join(chunks) == b"picture"

    def test_a_stream_of_unknown_size_has_no_size(self, ecall: ECall, service: FakeService) -> None:
        service.respond(content=b"picture", headers={"Content-Length": "some"})
        with ecall.media.stream("f-1") as chunks:
            assert (chunks.size, chunks.content_type) == (None, None)

    @pytest.mark.parametrize("status", [204, 205])
    def test_a_download_without_a_file_leaves_the_target_as_it_was(
        self, ecall: ECall, service: FakeService, tmp_path: Path, status: int
    ) -> None:
        (target := tmp_path / "copy.png").write_bytes(b"the old one")
        service.respond(content=b"", status=status)
        with pytest.raises(
            UnreadableResponse, match=f"answered {status}, but it contains no file"
        ) as caught:
            ecall.media.download("f-1", target)
        assert (caught.value.may_have_been_sent, caught.value.request_id) == (False, REQUEST_ID)
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the old one"]

    def test_a_download_that_is_not_found_leaves_no_file(
        self, ecall: ECall, service: FakeService, tmp_path: Path
    ) -> None:
        service.respond({"errorMessage": "no such file"}, 404)
        with pytest.raises(NotFound, match="inferred") as caught:
            ecall.media.download("f-1", tmp_path / "copy.png")
        assert caught.value.may_have_been_sent is False
        assert list(tmp_path.iterdir()) == []


class TestSendFile:
    """A file is uploaded, and sent as the content that fits its kind."""

    @pytest.mark.parametrize(
        ("name", "content_type", "type_"),
        [
            ("photo.jpg", None, "Image"),
            ("PHOTO.JPEG", None, "Image"),
            ("photo.webp", None, "Image"),
            ("sound.mp3", None, "Audio"),
            ("film.mp4", None, "Video"),
            ("plan.pdf", None, "Document"),
            ("table.csv", None, "Document"),
            ("photo.jpg", "application/pdf", "Document"),
            ("unknown", "image/png", "Image"),
            ("unknown", "IMAGE/PNG", "Image"),
            ("unknown", "audio/ogg; codecs=opus", "Audio"),
            ("unknown", "video/mp4", "Video"),
            ("unknown", "text/plain", "Document"),
        ],
    )
    @pytest.mark.parametrize(("channel", "message"), [("whatsapp", WHATSAPP), ("rcs", RCS)])
    def test_send_file_picks_the_content_by_media_type(
        self,
        ecall: ECall,
        service: FakeService,
        tmp_path: Path,
        channel: str,
        message: Any,
        name: str,
        content_type: str | None,
        type_: str,
    ) -> None:
        (tmp_path / name).write_bytes(b"data")
        service.respond({"mediaId": "f-1"})
        service.respond({"messageId": "m-1"})
        sent = channel_of(ecall, channel).send_file(ONE, tmp_path / name, content_type=content_type)
        upload, send = service.requests
        assert (upload.url.path, upload.content) == ("/api/v2/media", b"data")
        assert json.loads(send.content) == {**message, "content": {"type": type_, "mediaId": "f-1"}}
        assert sent.message_id == "m-1"

    def test_send_file_can_have_all_arguments(self, ecall: ECall, service: FakeService) -> None:
        service.respond({"mediaId": "f-1"})
        service.respond({"messageId": "m-1"})
        seen: list[int] = []
        ecall.whatsapp.send_file(
            ONE,
            b"data",
            content_type="image/png",
            sender="+41791000002",
            notify="a@b.example",
            extra={"caption": "Hello"},
            on_progress=lambda done, total: seen.append(done),
        )
        assert json.loads(service.requests[1].content) == {
            "channel": "Whatsapp",
            "from": "0041791000002",
            "to": "+41791234567",
            "content": {"type": "Image", "mediaId": "f-1"},
            "notification": {"addresses": [{"type": "Email", "address": "a@b.example"}]},
            "caption": "Hello",
        }
        assert seen == [4]

    def test_send_file_without_a_media_type_is_refused_before_the_upload(
        self, ecall: ECall, service: FakeService
    ) -> None:
        with pytest.raises(InvalidMedia, match=r"pass content_type=…, such as 'image/jpeg'"):
            ecall.whatsapp.send_file(ONE, b"data")
        assert not service.requests

    def test_send_file_whose_send_fails_names_the_id_of_the_file(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"mediaId": "f-1"})
        service.respond({}, 400)
        with pytest.raises(BadRequest) as caught:
            ecall.whatsapp.send_file(ONE, b"data", content_type="image/png")
        assert caught.value.__notes__ == ["The file was uploaded as media f-1"]
        assert caught.value.may_have_been_sent is False

    def test_send_file_whose_upload_fails_sends_nothing(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({}, 500)
        with pytest.raises(ServerError) as caught:
            ecall.whatsapp.send_file(ONE, b"data", content_type="image/png")
        assert caught.value.may_have_been_sent is False
        assert len(service.requests) == 1
        assert not getattr(caught.value, "__notes__", [])

    def test_send_file_is_not_for_sms(self, ecall: ECall) -> None:
        assert not hasattr(ecall.sms, "send_file")


class TestRequest:
    """The way out: any path, with the client's credentials, version, errors and rules for sending."""

    @pytest.mark.parametrize("method", ["GET", "get", "POST", "put", "PATCH", "Delete"])
    def test_a_free_request_can_have_any_method(
        self, ecall: ECall, service: FakeService, method: str
    ) -> None:
        service.respond({"Kanal": [1]}, 207, headers={"X-Other": "yes"})
        answer = ecall.request(method, "/api/viber?a=1", json={"to": "x"})
        request = service.request
        assert (request.method, request.url.raw_path) == (method.upper(), b"/api/v2/viber?a=1")
        assert service.body == {"to": "x"}
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["Authorization"].startswith("Basic ")
        assert isinstance(answer, RawResponse)
        assert (answer.status_code, answer.raw, answer.request_id) == (
            207,
            {"Kanal": [1]},
            REQUEST_ID,
        )
        assert answer.headers["x-other"] == "yes"
        assert json.loads(answer.content) == {"Kanal": [1]}

    def test_a_free_request_can_have_no_body(self, ecall: ECall, service: FakeService) -> None:
        service.respond(content=b"")
        assert ecall.request("GET", "/health").raw is None
        assert (service.request.content, service.request.headers["X-API-Version"]) == (b"", "2")
        assert "Content-Type" not in service.request.headers

    @pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[" * 100_000])
    def test_the_response_to_a_free_request_can_be_anything(
        self, ecall: ECall, service: FakeService, content: bytes
    ) -> None:
        service.respond(content=content)
        answer = ecall.request("POST", "/api/message", json={})
        assert (answer.content, answer.raw) == (content, None)

    @pytest.mark.parametrize("json", [[], [1, "a"], "text", 5, False, {"a": None}])
    def test_a_free_request_can_have_any_json(
        self, ecall: ECall, service: FakeService, json: Any
    ) -> None:
        service.respond({})
        ecall.request("POST", "/api/viber", json=json)
        assert service.body == json

    def test_a_free_request_raises_what_the_other_methods_raise(
        self, ecall: ECall, service: FakeService
    ) -> None:
        service.respond({"errorCode": "InvalidContent"}, 400)
        with pytest.raises(BadRequest) as caught:
            ecall.request("POST", "/api/message", json={"to": "x"})
        assert (caught.value.code, caught.value.may_have_been_sent) == ("InvalidContent", False)

    @pytest.mark.parametrize(
        ("method", "error", "count"),
        [
            ("POST", OutcomeUnknown, 1),
            ("DELETE", OutcomeUnknown, 1),
            ("GET", ServiceUnreachable, 3),
            ("HEAD", ServiceUnreachable, 3),
            ("OPTIONS", ServiceUnreachable, 3),
        ],
    )
    def test_a_free_request_counts_as_a_send_unless_its_method_reads(
        self,
        ecall: ECall,
        service: FakeService,
        pauses: list[float],
        method: str,
        error: type[OutcomeUnknown | ServiceUnreachable],
        count: int,
    ) -> None:
        service.fail(httpx.ReadTimeout("timed out"))
        with pytest.raises(error) as caught:
            ecall.request(method, "/api/viber")
        assert caught.value.may_have_been_sent is (error is OutcomeUnknown)
        assert len(service.requests) == count
        assert len(pauses) == count - 1

    @pytest.mark.parametrize(
        ("method", "path", "json"),
        [
            ("GET", "api/message", None),
            ("GET", "", None),
            ("GET", "//evil.example/api/message", None),
            ("GET", "https://evil.example/", None),
            ("GET", "/\\evil.example", None),
            ("GET", "/api/message\r\nHost: evil.example", None),
            ("GET", "/api/\0", None),
            ("GET", b"/api/message", None),
            ("GET", "/api/media/../message", None),
            ("GET", "/api/media/%2E%2e/message", None),
            ("GET", "/api/./message", None),
            ("GET", "/api/message/..", None),
            ("GET", "/" + "a" * 70_000, None),
            ("GET /", "/api/message", None),
            ("", "/api/message", None),
            ("GÉT", "/api/message", None),
            (None, "/api/message", None),
            ("POST", "/api/message", {"a": float("nan")}),
            ("POST", "/api/message", {"a": object()}),
            ("POST", "/api/message", {"a": {1, 2}}),
            ("POST", "/api/message", {"a": "\ud83d"}),
            ("POST", "/api/message", {("a", "b"): 1}),
        ],
    )
    def test_a_free_request_that_cannot_be_sent_is_refused(
        self, ecall: ECall, service: FakeService, method: Any, path: Any, json: Any
    ) -> None:
        with pytest.raises(UsageError):
            ecall.request(method, path, json=json)
        assert not service.requests

    @pytest.mark.parametrize(
        "path", ["/api/message/a..b", "/api/v2.0/message", "/.known/x", "/api/message?x=../y"]
    )
    def test_a_free_request_takes_dots_that_lead_nowhere(
        self, ecall: ECall, service: FakeService, path: str
    ) -> None:
        service.respond({})
        assert ecall.request("GET", path).status_code == 200


class ForeignError(Exception):
    """Not the transport's, as the time limit of a job queue that a signal handler raises."""


class TestForeignExceptions:
    """An exception that is not the transport's own comes through, and nothing is sent after it."""

    CALLS: ClassVar[dict[str, Callable[[ECall], object]]] = {
        "send": lambda ecall: ecall.sms.send(ONE, "Hi"),
        "broadcast": lambda ecall: ecall.sms.broadcast([ONE], "Hi"),
        "list": lambda ecall: ecall.messages.send_list([ecall.sms.compose(ONE, "Hi")]),
        "upload": lambda ecall: ecall.media.upload(b"x"),
        "send_file": lambda ecall: ecall.rcs.send_file(ONE, b"x", content_type="image/png"),
        "status": lambda ecall: ecall.messages.status("m-1"),
        "list_status": lambda ecall: ecall.messages.list_status("l-1"),
        "wait": lambda ecall: ecall.messages.wait("m-1", timeout=60),
        "download": lambda ecall: ecall.media.download("f-1", io.BytesIO()),
        "request": lambda ecall: ecall.request("POST", "/api/viber"),
        "request, read": lambda ecall: ecall.request("GET", "/api/viber"),
    }

    @pytest.mark.parametrize(
        ("call", "error_class"),
        one_way_each(
            CALLS, [(ForeignError,), (RuntimeError,), (KeyError,), (AssertionError,), (ValueError,)]
        ),
    )
    def test_a_foreign_exception_comes_through_and_nothing_is_repeated(
        self,
        ecall: ECall,
        service: FakeService,
        pauses: list[float],
        call: Callable[[ECall], object],
        error_class: type[Exception],
    ) -> None:
        error = error_class("x")
        service.fail(error)
        with pytest.raises(error_class) as caught:
            call(ecall)
        assert caught.value is error
        assert (len(service.requests), pauses) == (1, [])

    @pytest.mark.parametrize(
        ("name", "error", "may_have_been_sent", "count"),
        [
            ("send", OutcomeUnknown, True, 1),
            ("upload", OutcomeUnknown, False, 1),
            ("status", ServiceUnreachable, True, 3),
            ("request", OutcomeUnknown, True, 1),
            ("request, read", ServiceUnreachable, False, 3),
        ],
    )
    def test_an_error_of_the_operating_system_is_the_transports_own(
        self,
        ecall: ECall,
        service: FakeService,
        pauses: list[float],
        name: str,
        error: type[OutcomeUnknown | ServiceUnreachable],
        count: int,
        *,
        may_have_been_sent: bool,
    ) -> None:
        service.fail(OSError(5, "x"))
        with pytest.raises(error) as caught:
            self.CALLS[name](ecall)
        assert caught.value.may_have_been_sent is may_have_been_sent
        assert len(service.requests) == count
        assert len(pauses) == count - 1

    @pytest.mark.parametrize(
        "error",
        [ForeignError("x"), OSError(5, "x"), TimeoutError("x"), httpx.ReadError("x")],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize("how", ["upload", "send_file", "download"])
    def test_what_a_progress_callback_raises_comes_through_whatever_its_class(
        self,
        ecall: ECall,
        service: FakeService,
        pauses: list[float],
        how: str,
        error: Exception,
    ) -> None:
        seen: list[int] = []

        def fail(done: int, _: int | None) -> None:
            seen.append(done)
            raise error

        service.respond({"mediaId": "f-1"})
        use: dict[str, Callable[[], object]] = {
            "upload": lambda: ecall.media.upload(b"x", on_progress=fail),
            "send_file": lambda: ecall.rcs.send_file(
                ONE, b"x", content_type="image/png", on_progress=fail
            ),
            "download": lambda: ecall.media.download("f-1", io.BytesIO(), on_progress=fail),
        }
        with pytest.raises(type(error)) as caught:
            use[how]()
        assert caught.value is error
        assert (len(seen), pauses) == (1, [])
        # The body of an upload broke off, so that there is no whole request.
        assert len(service.requests) == (1 if how == "download" else 0)

    @pytest.mark.parametrize(
        "error",
        [ForeignError("x"), OSError(5, "x"), TimeoutError("x"), httpx.ReadError("x")],
        ids=lambda error: type(error).__name__,
    )
    def test_what_the_callers_stream_raises_comes_through_whatever_its_class(
        self, ecall: ECall, service: FakeService, pauses: list[float], error: Exception
    ) -> None:
        reads = iter([b"", b"first"])

        def read(_: int) -> bytes:
            for chunk in reads:
                return chunk
            raise error

        service.respond({"mediaId": "f-1"})
        source: Any = SimpleNamespace(read=read)
        with pytest.raises(type(error)) as caught:
            ecall.media.upload(source)
        assert caught.value is error
        assert (service.requests, pauses) == ([], [])
