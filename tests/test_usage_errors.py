"""Bad input is refused before any request is made, by an error that names the problem and the remedy."""

from __future__ import annotations

import io
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from _cases import one_way_each

from ecall_facade import (
    AsyncECall,
    DocumentContent,
    ECall,
    ImageContent,
    InvalidConfiguration,
    InvalidMedia,
    InvalidNumber,
    InvalidSender,
    InvalidText,
    MissingCredentials,
    NotificationAddress,
    NotificationAddressType,
    Notify,
    NumberProblem,
    RawAddress,
    StickerContent,
    TextContent,
    TextOptions,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _clients import OpenClient
    from _service import FakeService

ONE = "+41 79 123 45 67"
TEXT = "The code of Anna Muster is 481 516"

Use = "Callable[[ECall], object]"


@pytest.fixture
def _nothing_is_asked(service: FakeService) -> Iterator[None]:
    """Fail where the service is asked for anything."""
    yield
    assert not service.requests


pytestmark = pytest.mark.usefixtures("_nothing_is_asked")


def refused(call: Callable[[], object], error: type[UsageError], *words: str) -> Any:
    """Perform a call that has to be refused, with an error that is safe to log and holds these words."""
    with pytest.raises(UsageError) as caught:
        call()
    assert type(caught.value) is error
    assert isinstance(caught.value, ValueError)
    message = str(caught.value)
    for word in words:
        assert word in message
    assert (caught.value.may_have_been_sent, caught.value.request_id) == (False, None)
    for secret in (TEXT, "Anna", "481 516", "1234567", "123 45 67", "7654321"):
        assert secret not in message
        assert secret not in repr(caught.value)
    return caught.value


class TestRecipients:
    """Numbers that cannot be one are refused with the reason, all of a call in one error."""

    WAYS: ClassVar[dict[str, Any]] = {
        "sms.send": lambda ecall, to: ecall.sms.send(to, TEXT),
        "sms.compose": lambda ecall, to: ecall.sms.compose(to, TEXT),
        "sms.broadcast": lambda ecall, to: ecall.sms.broadcast([to], TEXT),
        "whatsapp.send": lambda ecall, to: ecall.whatsapp.send(to, TEXT),
        "whatsapp.compose": lambda ecall, to: ecall.whatsapp.compose(to, TEXT),
        "whatsapp.broadcast": lambda ecall, to: ecall.whatsapp.broadcast([to], TEXT),
        "whatsapp.send_file": lambda ecall, to: ecall.whatsapp.send_file(
            to, b"data", content_type="image/png"
        ),
        "rcs.send": lambda ecall, to: ecall.rcs.send(to, TEXT),
        "rcs.broadcast": lambda ecall, to: ecall.rcs.broadcast([to], ImageContent("f-1")),
    }
    # The table of all reasons is in test_numbers.py.
    CASES: ClassVar[list[tuple[Any, str]]] = [
        ("+41 79 123 45 67 ext. 5", "it has letters, an extension"),
        ("", "it is empty"),
        ("+436641234567.0", "it looks like a decimal number; read the column as text"),
        (None, "it must be a str, not NoneType"),
        ([ONE], "it must be a str, not list; pass several recipients to broadcast"),
    ]

    @pytest.mark.parametrize(("way", "to", "reason"), one_way_each(WAYS, CASES))
    def test_a_recipient_that_is_no_number_is_refused_with_the_reason(
        self, ecall: ECall, way: Any, to: Any, reason: str
    ) -> None:
        error = refused(
            lambda: way(ecall, to),
            InvalidNumber,
            "1 of 1 recipients cannot be used",
            "(position 0)",
            reason,
            "A foreign number needs + and its country code, a short code is a RawAddress",
        )
        given = to if isinstance(to, str) else ""
        assert [(problem.position, problem.value) for problem in error.problems] == [(0, given)]
        assert reason in error.problems[0].reason

    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    def test_all_bad_recipients_of_a_call_are_named_in_one_error(
        self, ecall: ECall, channel: str
    ) -> None:
        given: list[Any] = [ONE, "Anna", "079 123 45", RawAddress("1414"), None, "+41 78 765 43 21"]
        given.append("+41 78 765 43 219 9")
        error = refused(
            lambda: getattr(ecall, channel).broadcast(given, TEXT),
            InvalidNumber,
            "4 of 7 recipients cannot be used",
            "(position 1): it has letters",
            "(position 2): it is too short",
            "(position 4): it must be a str, not NoneType",
            "(position 6): it is of a length that is not in use",
        )
        assert [problem.position for problem in error.problems] == [1, 2, 4, 6]
        assert [problem.value for problem in error.problems] == [
            "Anna",
            "079 123 45",
            "",
            "+41 78 765 43 219 9",
        ]
        assert isinstance(error.problems[0], NumberProblem)
        assert "079 123 45" not in repr(error.problems)

    def test_of_very_many_bad_recipients_the_first_twenty_are_in_the_message(
        self, ecall: ECall
    ) -> None:
        error = refused(
            lambda: ecall.sms.broadcast(["x"] * 5000, TEXT),
            InvalidNumber,
            "5000 of 5000",
            "position 19",
        )
        assert "position 20" not in str(error)
        assert len(error.problems) == 5000

    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    def test_a_broadcast_to_nobody_is_refused(self, ecall: ECall, channel: str) -> None:
        client = getattr(ecall, channel)
        refused(lambda: client.broadcast([], TEXT), InvalidNumber, "There are no recipients")
        refused(lambda: client.broadcast(iter(()), TEXT), InvalidNumber, "There are no recipients")

    @pytest.mark.parametrize("to", [ONE, b"+41791234567", None, 5])
    def test_recipients_that_are_no_list_are_refused(self, ecall: ECall, to: Any) -> None:
        words = "Recipients must be a list; use send for a single one"
        refused(lambda: ecall.sms.broadcast(to, TEXT), InvalidNumber, words)

    def test_recipients_are_read_in_the_region_of_the_client(self, ecall: ECall) -> None:
        refused(
            lambda: ecall.with_options(region="AT").sms.send("12", TEXT), InvalidNumber, "too short"
        )

    @pytest.mark.parametrize(
        "use",
        [
            lambda ecall, to: ecall.sms.send(to, TEXT, sender="ACME"),
            lambda ecall, to: ecall.sms.broadcast([to], TEXT, sender="ACME"),
            lambda ecall, to: ecall.sms.compose(to, TEXT, sender="ACME"),
        ],
        ids=["send", "broadcast", "compose"],
    )
    def test_a_refused_recipient_is_said_to_be_none_for_the_region_of_the_client(
        self, ecall: ECall, use: Any
    ) -> None:
        client = ecall.with_options(region="FR")
        refused(lambda: use(client, "079 12"), InvalidNumber, "for FR")


class TestSender:
    """Without a sender for the channel there is no send; nor with one that breaks the channel's rules."""

    @pytest.mark.parametrize(
        ("use", "words"),
        [
            (
                lambda ecall: ecall.sms.send(ONE, TEXT),
                "No sender for Sms: pass sender=… to the call or to the client",
            ),
            (lambda ecall: ecall.sms.compose(ONE, TEXT), "set ECALL_SENDER"),
            (lambda ecall: ecall.sms.broadcast([ONE], TEXT), "set ECALL_SENDER"),
            (
                lambda ecall: ecall.whatsapp.send(ONE, TEXT),
                "No sender for Whatsapp: pass sender=… to the call or to the client",
            ),
            (lambda ecall: ecall.whatsapp.compose(ONE, TEXT), "set ECALL_SENDER_WHATSAPP"),
            (lambda ecall: ecall.whatsapp.broadcast([ONE], TEXT), "set ECALL_SENDER_WHATSAPP"),
            (
                lambda ecall: ecall.whatsapp.send_file(ONE, b"x", content_type="image/png"),
                "ECALL_SENDER_WHATSAPP",
            ),
            (
                lambda ecall: ecall.rcs.send(ONE, TEXT),
                "No sender for Rcs: pass sender=… to the call or to the client",
            ),
            (lambda ecall: ecall.rcs.compose(ONE, TEXT), "set ECALL_SENDER_RCS"),
            (lambda ecall: ecall.rcs.broadcast([ONE], TEXT), "set ECALL_SENDER_RCS"),
        ],
    )
    def test_a_send_without_a_sender_for_its_channel_is_refused(
        self, open_client: OpenClient, service: FakeService, use: Any, words: str
    ) -> None:
        ecall = open_client("https://rest.ecall.ch", transport=service.transport, sender=None)
        refused(lambda: use(ecall), InvalidSender, words)

    def test_a_sender_given_as_a_string_is_for_sms_only(
        self, open_client: OpenClient, service: FakeService
    ) -> None:
        ecall = open_client(
            "https://rest.ecall.ch", transport=service.transport, sender="+41791000001"
        )
        refused(lambda: ecall.whatsapp.send(ONE, TEXT), InvalidSender, "No sender for Whatsapp")
        refused(lambda: ecall.rcs.send(ONE, TEXT), InvalidSender, "No sender for Rcs")

    # The tables of what can be a sender are in test_numbers.py.
    def test_a_sender_over_the_limits_of_an_sms_is_refused(self, ecall: ECall) -> None:
        words = "a number of at most 16 digits, or at most 11 ASCII characters"
        sender = "ACME of Bern"
        refused(lambda: ecall.sms.send(ONE, TEXT, sender=sender), InvalidSender, words)
        refused(lambda: ecall.sms.compose(ONE, TEXT, sender=sender), InvalidSender, words)
        refused(lambda: ecall.sms.broadcast([ONE], TEXT, sender=sender), InvalidSender, words)

    def test_a_sender_of_whatsapp_that_is_no_number_is_refused(self, ecall: ECall) -> None:
        words = "The sender for Whatsapp must be its registered number"
        refused(lambda: ecall.whatsapp.send(ONE, TEXT, sender="ACME"), InvalidSender, words)

    def test_a_sender_of_the_client_that_a_table_has_spoilt_is_refused(self, ecall: ECall) -> None:
        words = "it looks like a decimal number; read the column as text"
        client = ecall.with_options(sender={"sms": "791234567.0", "whatsapp": "791234567.0"})
        refused(lambda: client.sms.broadcast([ONE], TEXT), InvalidSender, words)
        refused(lambda: client.whatsapp.send(ONE, TEXT), InvalidSender, words)

    @pytest.mark.parametrize("sender", ["", "  ", 5, b"ACME"])
    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    def test_a_sender_that_is_empty_or_no_str_is_refused(
        self, ecall: ECall, channel: str, sender: Any
    ) -> None:
        refused(
            lambda: getattr(ecall, channel).send(ONE, TEXT, sender=sender),
            InvalidSender,
            "is empty, or not a str",
        )


class TestText:
    """A text is not empty, within the limits of its channel, and whole characters."""

    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    @pytest.mark.parametrize("text", ["", " ", "\n\t", TextContent(""), TextContent("  ")])
    def test_an_empty_text_is_refused(self, ecall: ECall, channel: str, text: Any) -> None:
        words = "The text must be a str that is not empty or only white space"
        client = getattr(ecall, channel)
        refused(lambda: client.send(ONE, text), InvalidText, words)
        refused(lambda: client.compose(ONE, text), InvalidText, words)
        refused(lambda: client.broadcast([ONE], text), InvalidText, words)

    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    @pytest.mark.parametrize("text", ["\u200b", "\u2060 \ufeff\n", "\u2800", "\x00", "\u3164"])
    def test_a_text_without_a_visible_character_is_refused(
        self, ecall: ECall, channel: str, text: str
    ) -> None:
        words = "The text has no visible character, only white space and invisible marks"
        client = getattr(ecall, channel)
        for content in (text, TextContent(text)):
            refused(partial(client.send, ONE, content), InvalidText, words)
            refused(partial(client.broadcast, [ONE], content), InvalidText, words)
        refused(lambda: client.compose(ONE, text), InvalidText, words)

    @pytest.mark.parametrize("text", [None, 5, b"bytes"])
    def test_a_content_that_is_no_str_is_refused(self, ecall: ECall, text: Any) -> None:
        refused(
            lambda: ecall.sms.send(ONE, text),
            UsageError,
            "content must be a str, or a content",
        )
        refused(lambda: ecall.sms.send(ONE, TextContent(text)), InvalidText, "must be a str")

    @pytest.mark.parametrize(
        ("channel", "text", "words"),
        [
            (
                "sms",
                "a" * 1531,
                ["11 SMS pages (1531 units of GSM-7)", "page_limit is 10: shorten or divide it"],
            ),
            (
                "sms",
                "ç" * 671,
                ["11 SMS pages (671 units of UCS-2, as character 1 is not in the GSM alphabet)"],
            ),
            (
                "whatsapp",
                "a" * 4097,
                ["The text has 4097 characters, Whatsapp takes 4096: shorten it"],
            ),
            ("rcs", "a" * 1001, ["The text has 1001 characters, Rcs takes 1000: shorten it"]),
        ],
    )
    def test_a_text_over_the_limit_of_its_channel_is_refused(
        self, ecall: ECall, channel: str, text: str, words: list[str]
    ) -> None:
        client = getattr(ecall, channel)
        refused(lambda: client.send(ONE, text), InvalidText, *words)
        refused(lambda: client.compose(ONE, text), InvalidText, *words)
        refused(lambda: client.broadcast([ONE], TextContent(text)), InvalidText, *words)

    def test_a_text_with_more_pages_than_page_limit_is_refused(self, ecall: ECall) -> None:
        words = ["2 SMS pages (161 units of GSM-7)", "page_limit is 1"]
        refused(lambda: ecall.sms.send(ONE, "a" * 161, page_limit=1), InvalidText, *words)
        refused(lambda: ecall.sms.broadcast([ONE], "a" * 161, page_limit=1), InvalidText, *words)
        refused(lambda: ecall.sms.compose(ONE, "a" * 161, page_limit=1), InvalidText, *words)
        content = TextContent("a" * 161, options=TextOptions(page_limit=1))
        refused(lambda: ecall.sms.send(ONE, content), InvalidText, *words)

    @pytest.mark.parametrize("limit", [0, -1, 11, 1.5, "3", True])
    def test_a_page_limit_that_is_not_from_one_to_ten_is_refused(
        self, ecall: ECall, limit: Any
    ) -> None:
        words = "page_limit must be a whole number from 1 to 10"
        refused(lambda: ecall.sms.send(ONE, TEXT, page_limit=limit), InvalidText, words)
        content = TextContent(TEXT, options=TextOptions(page_limit=limit))
        refused(lambda: ecall.sms.send(ONE, content), InvalidText, words)

    @pytest.mark.parametrize("options", [None, {"pageLimit": 2}, 2])
    def test_options_that_are_no_text_options_are_refused(self, ecall: ECall, options: Any) -> None:
        content = TextContent(TEXT, options=options)
        refused(
            lambda: ecall.sms.send(ONE, content),
            UsageError,
            "options of a TextContent must be TextOptions",
        )
        refused(
            lambda: ecall.rcs.send(ONE, content),
            UsageError,
            "options of a TextContent must be TextOptions",
        )

    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    def test_a_text_with_an_unpaired_surrogate_is_refused(self, ecall: ECall, channel: str) -> None:
        words = "Character 4 of the text is an unpaired surrogate; the text was decoded wrongly"
        refused(lambda: getattr(ecall, channel).send(ONE, "Hi \ud83d"), InvalidText, words)

    @pytest.mark.parametrize("value", [object(), float("nan"), "\ud83d", {1, 2}])
    def test_a_content_with_a_field_that_is_not_json_is_refused(
        self, ecall: ECall, value: object
    ) -> None:
        content = TextContent(TEXT)
        content["x"] = value
        refused(lambda: ecall.sms.send(ONE, content), UsageError, "cannot be written as JSON")


class TestContent:
    """What a channel cannot carry is refused, and so is what is no content."""

    def test_a_sticker_by_whatsapp_is_refused(self, ecall: ECall) -> None:
        words = "Whatsapp does not carry content of type Sticker (documented);"
        content: Any = StickerContent("f-1")  # a type error as well
        refused(lambda: ecall.whatsapp.send(ONE, content), InvalidMedia, words)
        refused(lambda: ecall.whatsapp.compose(ONE, content), InvalidMedia, words)
        refused(lambda: ecall.whatsapp.broadcast([ONE], content), InvalidMedia, words)

    def test_media_by_sms_is_refused(self, ecall: ECall) -> None:
        content: Any = DocumentContent("f-1")
        words = "An SMS carries text only; send media by WhatsApp or RCS"
        refused(lambda: ecall.sms.send(ONE, content), InvalidMedia, words)
        refused(lambda: ecall.sms.compose(ONE, content), InvalidMedia, words)
        refused(lambda: ecall.sms.broadcast([ONE], content), InvalidMedia, words)

    @pytest.mark.parametrize("content", [None, 5, b"x", ["Hi"], {"type": "Text", "text": TEXT}])
    @pytest.mark.parametrize("channel", ["sms", "whatsapp", "rcs"])
    def test_a_content_of_no_known_class_is_refused(
        self, ecall: ECall, channel: str, content: Any
    ) -> None:
        words = "content must be a str, or a content such as TextContent or ImageContent"
        refused(lambda: getattr(ecall, channel).send(ONE, content), UsageError, words)

    @pytest.mark.parametrize("media_id", ["", " ", None, 5, "f\n1", ".", ".."])
    def test_a_content_whose_media_id_cannot_be_an_id_is_refused(
        self, ecall: ECall, media_id: Any
    ) -> None:
        words = "media_id must be an id that the service gave"
        refused(lambda: ecall.whatsapp.send(ONE, ImageContent(media_id)), UsageError, words)


class TestIds:
    """An id is what the service gave."""

    @pytest.mark.parametrize(
        "value", ["", "  ", None, 5, b"m-1", "m\n1", "m\x001", ".", "..", "m\ud83d"]
    )
    def test_an_id_that_the_service_cannot_have_given_is_refused(
        self, ecall: ECall, tmp_path: Path, value: Any
    ) -> None:
        words = "must be an id that the service gave: a string that is not empty"
        refused(lambda: ecall.messages.status(value), UsageError, "message_id", words)
        refused(lambda: ecall.messages.wait(value, timeout=5), UsageError, "message_id", words)
        refused(lambda: ecall.messages.list_status(value), UsageError, "list_id", words)
        refused(
            lambda: ecall.media.download(value, tmp_path / "copy"), UsageError, "media_id", words
        )
        with pytest.raises(UsageError, match="media_id"), ecall.media.stream(value):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_an_id_that_is_too_long_for_a_url_is_refused(self, ecall: ECall) -> None:
        refused(lambda: ecall.messages.status("m" * 70_000), UsageError, "too long for a URL")
        refused(
            lambda: ecall.media.download("m" * 70_000, io.BytesIO()),
            UsageError,
            "too long for a URL",
        )


class TestLists:
    """A list has messages, made by `compose`."""

    def test_an_empty_list_is_refused(self, ecall: ECall) -> None:
        refused(
            lambda: ecall.messages.send_list([]),
            UsageError,
            "The list is empty; make its messages with compose(…)",
        )
        refused(lambda: ecall.messages.send_list(iter(())), UsageError, "The list is empty")

    def test_a_list_with_messages_that_compose_did_not_make_is_refused(self, ecall: ECall) -> None:
        good = ecall.sms.compose(ONE, TEXT)
        given: Any = [good, TEXT, good, {"to": ONE}]
        words = "Not made by compose(…): the messages at 1, 3 (counted from 0)"
        refused(lambda: ecall.messages.send_list(given), UsageError, words)

    @pytest.mark.parametrize("given", [None, 5])
    def test_messages_that_are_no_list_are_refused(self, ecall: ECall, given: Any) -> None:
        refused(
            lambda: ecall.messages.send_list(given),
            UsageError,
            "messages must be a list of messages made by compose(…)",
        )

    def test_a_single_message_in_place_of_a_list_is_refused(self, ecall: ECall) -> None:
        message: Any = ecall.sms.compose(ONE, TEXT)
        refused(
            lambda: ecall.messages.send_list(message),
            UsageError,
            "messages must be a list of messages made by compose(…)",
        )


class TestExtra:
    """A key that is a known field, in any letter case and at any depth, is refused; and so is what is not JSON."""

    WAYS: ClassVar[dict[str, Any]] = {
        "sms.send": lambda ecall, extra: ecall.sms.send(ONE, TEXT, extra=extra),
        "sms.compose": lambda ecall, extra: ecall.sms.compose(ONE, TEXT, extra=extra),
        "sms.broadcast": lambda ecall, extra: ecall.sms.broadcast([ONE], TEXT, extra=extra),
        "whatsapp.send": lambda ecall, extra: ecall.whatsapp.send(ONE, TEXT, extra=extra),
        "whatsapp.send_file": lambda ecall, extra: ecall.whatsapp.send_file(
            ONE, b"x", content_type="image/png", extra=extra
        ),
        "rcs.compose": lambda ecall, extra: ecall.rcs.compose(ONE, TEXT, extra=extra),
        "messages.send_list": lambda ecall, extra: ecall.messages.send_list(
            [ecall.sms.compose(ONE, TEXT)], extra=extra
        ),
    }
    KNOWN_FIELDS: ClassVar[list[tuple[Any, str]]] = [
        ({"to": ONE}, "to"),
        ({"TO": ONE}, "TO"),
        ({"toList": []}, "toList"),
        ({"tolist": []}, "tolist"),
        ({"From": TEXT}, "From"),
        ({"Channel": "Sms", "good": 1}, "Channel"),
        ({"content": {}}, "content"),
        ({"notification": None}, "notification"),
        ({"MESSAGES": []}, "MESSAGES"),
        ({"deep": {"er": [{"and": {"pageLimit": 1}}]}}, "pageLimit"),
        ({"deep": [[{"TEXT": TEXT}]]}, "TEXT"),
        ({"deep": {"mediaID": 1, "ForEvent": 2}}, "ForEvent, mediaID"),
    ]
    NOT_JSON: ClassVar[list[tuple[Any]]] = [
        ({"a": object()},),
        ({"a": {1}},),
        ({"a": b"bytes"},),
        ({"a": float("nan")},),
        ({"a": float("inf")},),
        ({"a": "\ud83d"},),
        ({("a",): 1},),
    ]

    @pytest.mark.parametrize(("way", "extra", "named"), one_way_each(WAYS, KNOWN_FIELDS))
    def test_extra_with_a_known_field_is_refused(
        self, ecall: ECall, way: Any, extra: Any, named: str
    ) -> None:
        refused(
            lambda: way(ecall, extra),
            UsageError,
            f"extra must not contain fields that have their own argument: {named}",
        )

    @pytest.mark.parametrize(("way", "extra"), one_way_each(WAYS, NOT_JSON))
    def test_extra_that_is_not_json_is_refused(self, ecall: ECall, way: Any, extra: Any) -> None:
        refused(lambda: way(ecall, extra), UsageError, "extra cannot be written as JSON")

    @pytest.mark.parametrize(
        "extra", [[], "x", 5, {1: "a"}, {None: 1}, {"a": (1, 2)}, {"a": {2: "b"}}]
    )
    def test_extra_that_is_no_dict_of_names_is_refused(self, ecall: ECall, extra: Any) -> None:
        refused(
            lambda: ecall.sms.send(ONE, TEXT, extra=extra),
            UsageError,
            "extra must be a dict of field names",
        )

    def test_extra_that_contains_itself_is_refused(self, ecall: ECall) -> None:
        extra: dict[str, Any] = {}
        extra["a"] = extra
        refused(
            lambda: ecall.sms.send(ONE, TEXT, extra=extra),
            UsageError,
            "extra cannot be written as JSON",
        )


class TestNotify:
    """Addresses of notifications are checked as far as their rules are known."""

    WAYS: ClassVar[dict[str, Any]] = {
        "sms.send": lambda ecall, notify: ecall.sms.send(ONE, TEXT, notify=notify),
        "rcs.broadcast": lambda ecall, notify: ecall.rcs.broadcast([ONE], TEXT, notify=notify),
        "whatsapp.send_file": lambda ecall, notify: ecall.whatsapp.send_file(
            ONE, b"x", content_type="image/png", notify=notify
        ),
        "messages.send_list": lambda ecall, notify: ecall.messages.send_list(
            [ecall.sms.compose(ONE, TEXT)], notify=notify
        ),
    }
    CASES: ClassVar[list[tuple[Any, str]]] = [
        ([], "notify must name an address: a URL, an e-mail address or a number"),
        (Notify(), "notify must name an address"),
        ("https://", "An address in notify is not a valid URL"),
        ("https:///path", "not a valid URL"),
        ("https://a.example/b c", "not a valid URL"),
        ("https://a.example/\n", "not a valid URL"),
        ("a b@acme.example", "An address in notify is not a valid e-mail address"),
        ("@acme.example", "not a valid e-mail address"),
        ("ops@", "not a valid e-mail address"),
        ("ops@acme.example\r\nBcc: x@y.example", "not a valid e-mail address"),
        (
            "https://a.example/" + "x" * 82,
            "The addresses in notify have 100 characters together; at most 99",
        ),
        (
            ["a" * 40 + "@acme.example"] * 2,
            "have 106 characters together; at most 99 are accepted (observed)",
        ),
        (5, "notify must be a URL, an e-mail address or a number, several of them, or Notify"),
        ([5], "An address in notify must be a str, or a NotificationAddress"),
        (b"a@b.example", "An address in notify must be a str, or a NotificationAddress"),
        ([None], "An address in notify must be a str, or a NotificationAddress"),
        (
            Notify(NotificationAddress(NotificationAddressType.URL, "")),
            "An address in notify is empty",
        ),
        (
            Notify(NotificationAddress(NotificationAddressType.URL, " ")),
            "An address in notify is empty",
        ),
        (
            Notify(NotificationAddress(NotificationAddressType.URL, None)),  # type: ignore[arg-type]
            "An address in notify is",
        ),
    ]

    @pytest.mark.parametrize(("way", "notify", "words"), one_way_each(WAYS, CASES))
    def test_an_address_that_cannot_be_notified_is_refused(
        self, ecall: ECall, way: Any, notify: Any, words: str
    ) -> None:
        refused(lambda: way(ecall, notify), UsageError, words)

    @pytest.mark.parametrize(
        "notify",
        [
            *["", "Anna", "079 12", ["+41791234567", "+41 79"]],
            *["491711234567", "044 123 45 67/789", "+436641234567.0", "4.179E+10"],
        ],
    )
    def test_a_number_that_cannot_be_notified_is_refused(self, ecall: ECall, notify: Any) -> None:
        refused(lambda: ecall.sms.send(ONE, TEXT, notify=notify), InvalidNumber, "cannot be used")

    @pytest.mark.parametrize("event", ["all", "Delivered", "", 5])
    def test_an_unknown_event_is_refused(self, event: Any) -> None:
        with pytest.raises(UsageError) as caught:
            Notify("a@b.example", for_event=event)
        assert (
            str(caught.value) == "for_event must be one of All, ErrorOnly, FinalOnly, SuccessOnly"
        )


class TestFiles:
    """A file is there, can be read, and is not empty; else nothing is uploaded."""

    @staticmethod
    def ways(ecall: ECall, file: Any) -> list[Callable[[], object]]:
        return [
            lambda: ecall.media.upload(file),
            lambda: ecall.whatsapp.send_file(ONE, file, content_type="image/png"),
            lambda: ecall.rcs.send_file(ONE, file, content_type="image/png"),
        ]

    def test_a_missing_file_is_refused(self, ecall: ECall, tmp_path: Path) -> None:
        for file in (tmp_path / "plan.pdf", str(tmp_path / "plan.pdf")):
            for way in self.ways(ecall, file):
                error = refused(
                    way,
                    InvalidMedia,
                    "The file 'plan.pdf' cannot be read: No such file or directory",
                )
                assert str(tmp_path) not in str(error)

    def test_an_empty_file_is_refused(self, ecall: ECall, tmp_path: Path) -> None:
        (tmp_path / "plan.pdf").touch()
        for way in self.ways(ecall, tmp_path / "plan.pdf"):
            refused(way, InvalidMedia, "The file 'plan.pdf' is empty")
        for file in (b"", bytearray(), io.BytesIO()):
            for way in self.ways(ecall, file):
                refused(way, InvalidMedia, "The file is empty")

    def test_a_folder_in_place_of_a_file_is_refused(self, ecall: ECall, tmp_path: Path) -> None:
        for way in self.ways(ecall, tmp_path):
            refused(way, InvalidMedia, "cannot be read")

    @pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read everything")
    def test_a_file_without_permission_to_read_is_refused(
        self, ecall: ECall, tmp_path: Path
    ) -> None:
        path = tmp_path / "plan.pdf"
        path.write_bytes(b"x")
        path.chmod(stat.S_IWUSR)
        for way in self.ways(ecall, path):
            refused(way, InvalidMedia, "cannot be read: Permission denied")

    @pytest.mark.parametrize("file", [None, 5, object(), io.StringIO("text")])
    def test_a_source_that_is_no_file_is_refused(self, ecall: ECall, file: Any) -> None:
        words = "mode 'rb'" if isinstance(file, io.StringIO) else "a path, bytes, or a binary file"
        for way in self.ways(ecall, file):
            refused(way, InvalidMedia, words)

    def test_a_file_of_unknown_media_type_is_not_sent(self, ecall: ECall) -> None:
        words = "The media type of the file is not known; pass content_type=…, such as 'image/jpeg'"
        refused(lambda: ecall.whatsapp.send_file(ONE, b"x"), InvalidMedia, words)

    @pytest.mark.parametrize(
        "content_type",
        [
            "image/png\r\nX-Injected: 1",
            "image/png\0",
            "image/png\n",
            " image/png",
            "image/png ",
            "image/png; ",
            "bïld/png",
            "image/pñg",
            "image",
            "image/",
            "/png",
            "image/png/x",
            "image png",
            "image/png, text/plain",
            "\u200bimage/png",
            5,
            b"image/png",
        ],
    )
    def test_a_media_type_that_no_header_can_hold_is_refused(
        self, ecall: ECall, content_type: Any
    ) -> None:
        words = "content_type must be a media type, such as 'image/jpeg'"
        for use in (
            lambda: ecall.media.upload(b"x", content_type=content_type),
            lambda: ecall.whatsapp.send_file(ONE, b"x", content_type=content_type),
        ):
            refused(use, InvalidMedia, words)

    def test_all_arguments_of_send_file_are_checked_before_the_upload(self, ecall: ECall) -> None:
        def send(**options: Any) -> Callable[[], object]:
            return lambda: ecall.whatsapp.send_file(ONE, b"x", content_type="image/png", **options)

        refused(send(sender="ACME"), InvalidSender, "registered number")
        refused(send(notify=[]), UsageError, "notify must name an address")
        refused(send(extra={"to": 1}), UsageError, "extra must not contain")

    def test_a_target_that_cannot_be_written_is_refused(self, ecall: ECall, tmp_path: Path) -> None:
        refused(
            lambda: ecall.media.download("f-1", tmp_path / "no" / "x"),
            InvalidMedia,
            "'x' cannot be written",
        )
        refused(lambda: ecall.media.download("f-1", tmp_path), InvalidMedia, "cannot be written")
        refused(lambda: ecall.media.download("f-1", ""), InvalidMedia, "cannot be written")
        text: Any = io.StringIO()
        refused(
            lambda: ecall.media.download("f-1", text),
            InvalidMedia,
            "a file that was opened with mode 'wb'",
        )


class TestWait:
    """`wait` is told how long, and for what."""

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "5", None])
    def test_a_wait_without_a_finite_timeout_is_refused(self, ecall: ECall, timeout: Any) -> None:
        words = "timeout must be a positive number of seconds"
        refused(lambda: ecall.messages.wait("m-1", timeout=timeout), UsageError, words)

    @pytest.mark.parametrize("until", ["delivered", "", None, "Final"])
    def test_a_wait_until_something_unknown_is_refused(self, ecall: ECall, until: Any) -> None:
        refused(
            lambda: ecall.messages.wait("m-1", timeout=5, until=until),
            UsageError,
            "until must be 'final' or 'sent'",
        )


@pytest.mark.parametrize("client", [ECall, AsyncECall])
class TestClients:
    """A client that cannot work is not made."""

    def test_a_client_over_plain_http_is_refused(self, client: Any) -> None:
        words = "base_url must begin with https://; plain http:// is for this machine only"
        refused(
            lambda: client("jane", "pw", base_url="http://rest.ecall.ch"),
            InvalidConfiguration,
            words,
        )

    def test_a_client_without_credentials_is_refused(self, client: Any) -> None:
        words = "No username and no password: pass it to the client, or set ECALL_USERNAME and ECALL_PASSWORD"
        refused(client, MissingCredentials, words)
        refused(lambda: client("jane"), MissingCredentials, "No password", "ECALL_PASSWORD")
        refused(lambda: client(password="pw"), MissingCredentials, "No username", "ECALL_USERNAME")


def test_a_closed_client_sends_nothing(ecall: ECall) -> None:
    ecall.close()
    refused(
        lambda: ecall.sms.send(ONE, TEXT),
        InvalidConfiguration,
        "The client is closed; make a new one",
    )
    refused(lambda: ecall.messages.status("m-1"), InvalidConfiguration, "closed")
    refused(
        lambda: ecall.with_options(retry=False).sms.send(ONE, TEXT), InvalidConfiguration, "closed"
    )
