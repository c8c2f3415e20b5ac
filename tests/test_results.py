"""Answers are read tolerantly: any letter case, missing, null, wrong and unknown things, every shape of a time."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs
import pytest
from _service import REQUEST_ID, FakeService
from hypothesis import given
from strategies import garbage, json_objects, json_values

from ecall_facade import (
    DeliveryState,
    ECall,
    ErrorDetail,
    FailureReason,
    ListEntry,
    ListStatus,
    Media,
    MessageStatus,
    RawResponse,
    SentBroadcast,
    SentList,
    SentMessage,
    UnreadableResponse,
)
from ecall_facade._parsing import read_error, read_id, read_state

ONE, TWO = "+41791234567", "+41787654321"
TEXT = "The code of Anna Muster is 481 516"
HALF_PAST_NINE = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


def client(answer: object = None, **parts: Any) -> ECall:
    service = FakeService()
    service.respond(answer, **parts)
    return ECall(
        "jane", "pw", transport=service.transport, sender={"sms": "ACME", "rcs": "acme-rcs"}
    )


def status(answer: object, **parts: Any) -> MessageStatus:
    return client(answer, **parts).messages.status("m-1")


def list_status(answer: object, **parts: Any) -> ListStatus:
    return client(answer, **parts).messages.list_status("l-1")


def send(answer: object, **parts: Any) -> SentMessage:
    return client(answer, **parts).sms.send(ONE, TEXT)


def broadcast(answer: object, **parts: Any) -> SentBroadcast:
    return client(answer, **parts).sms.broadcast([ONE, TWO], TEXT)


def send_list(answer: object, **parts: Any) -> SentList:
    ecall = client(answer, **parts)
    return ecall.messages.send_list([ecall.sms.compose(ONE, TEXT), ecall.rcs.compose(TWO, TEXT)])


def upload(answer: object, **parts: Any) -> Media:
    return client(answer, **parts).media.upload(b"data")


class TestState:
    """A word in any letter case, or a number; what is new keeps itself and is not final."""

    @pytest.mark.parametrize(
        ("given", "state", "is_final"),
        [
            ("Pending", DeliveryState.PENDING, False),
            ("Scheduled", DeliveryState.SCHEDULED, False),
            ("Sent", DeliveryState.SENT, False),
            ("Delivered", DeliveryState.DELIVERED, True),
            ("Undelivered", DeliveryState.UNDELIVERED, True),
            ("Failed", DeliveryState.FAILED, True),
            ("Unknown", DeliveryState.UNKNOWN, False),
            ("delivered", DeliveryState.DELIVERED, True),
            (" DELIVERED ", DeliveryState.DELIVERED, True),
            (0, DeliveryState.PENDING, False),
            (1, DeliveryState.SENT, False),
            (2, DeliveryState.FAILED, True),
            (3, DeliveryState.SCHEDULED, False),
            (8, DeliveryState.DELIVERED, True),
            (9, DeliveryState.SENT, False),
            (10, DeliveryState.SENT, True),  # no report will come
            ("10", DeliveryState.SENT, True),
            (" 8 ", DeliveryState.DELIVERED, True),
            (8.0, DeliveryState.DELIVERED, True),
            (None, DeliveryState.UNKNOWN, False),
            ("", DeliveryState.UNKNOWN, False),
            ("  ", DeliveryState.UNKNOWN, False),
            (True, DeliveryState.UNKNOWN, False),
            ([], DeliveryState.UNKNOWN, False),
            ({"a": 1}, DeliveryState.UNKNOWN, False),
            (1.5, DeliveryState.UNKNOWN, False),
            (float("nan"), DeliveryState.UNKNOWN, False),
        ],
    )
    def test_a_state_is_read_from_a_word_or_a_number(
        self, given: object, state: DeliveryState, *, is_final: bool
    ) -> None:
        found = status({"state": given})
        assert found.state is state
        assert found.is_final is is_final

    @pytest.mark.parametrize(
        "given", ["Zugestellt", "Übermittelt", "Nicht zugestellt", "1e3", 4, 7, 11, -1, 10**12]
    )
    def test_an_unknown_state_keeps_its_value_and_is_not_final(self, given: object) -> None:
        found = status({"state": given})
        assert isinstance(found.state, DeliveryState)
        assert found.state.value == given
        assert str(found.state) == str(given)
        assert repr(given) in repr(found)
        assert found.state not in set(DeliveryState)
        assert found.is_final is False
        again = status({"state": given})
        assert (again.state, hash(again.state)) == (found.state, hash(found.state))

    @pytest.mark.parametrize("value", [*DeliveryState, "Zugestellt", 7])
    def test_a_state_survives_pickle_and_copy(self, value: Any) -> None:
        state = DeliveryState(value)
        for again in (pickle.loads(pickle.dumps(state)), copy.copy(state), copy.deepcopy(state)):
            assert isinstance(again, DeliveryState)
            assert (again, again.value, str(again), repr(again)) == (
                state,
                state.value,
                str(state),
                repr(state),
            )

    @pytest.mark.parametrize("given", [-(10**30), 10**30, "9" * 5000, "\u0661", "²"])
    def test_odd_digits_are_no_known_state(self, given: object) -> None:
        state, is_final = read_state(given)
        assert isinstance(state, DeliveryState)
        assert is_final is False


class TestTime:
    """Times are found under our name, or as the only other value that is one; they are in UTC."""

    READERS: ClassVar[list[Any]] = [
        lambda answer: send({"messageId": "m-1", **answer}).sent_at,
        lambda answer: broadcast({"messageIdList": ["m-1"], **answer}).sent_at,
        lambda answer: status(answer).updated_at,
        lambda answer: list_status({"messages": [answer]}).messages[0].updated_at,
    ]

    @pytest.mark.parametrize("read", READERS)
    @pytest.mark.parametrize(
        "answer",
        [
            {"timestamp": "2026-01-15T09:30:00Z"},
            {"TimeStamp": "2026-01-15T09:30:00.000Z"},
            {"timestamp": "2026-01-15T10:30:00+01:00"},
            {"timestamp": "2026-01-15T10:30:00"},  # Swiss time
            {"timestamp": "15.01.2026 10:30:00"},
            {"timestamp": 1768469400},
            {"timestamp": "1768469400000"},
            {"timestamp": "/Date(1768469400000)/"},
            {"sentAt": "2026-01-15T09:30:00Z"},
            {"FinishDate": "15.01.2026 10:30:00"},
            {"timestamp": None, "created": "2026-01-15T09:30:00Z"},
            {"timestamp": "soon", "created": "2026-01-15T09:30:00Z"},
            {"timestamp": "2026-01-15T09:30:00Z", "created": "2020-01-15T09:30:00Z"},
            {"timestamp": "2026-01-15T09:30:00Z", "Timestamp": "2020-01-15T09:30:00Z"},
            {"created": "2026-01-15T09:30:00Z", "note": "at: noon", "cost": "1.5"},
        ],
    )
    def test_a_time_is_read_under_its_name_or_as_the_only_time_there_is(
        self, read: Callable[[Any], datetime | None], answer: Any
    ) -> None:
        time = read(answer)
        assert time is not None
        assert time == HALF_PAST_NINE
        assert time.tzinfo is UTC

    @pytest.mark.parametrize("read", READERS)
    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"timestamp": None},
            {"timestamp": ""},
            {"timestamp": {}},
            {"timestamp": [1]},
            {"timestamp": True},
            {"timestamp": 15},
            {"timestamp": "0001-01-01T00:00:00"},
            {"created": "2026-01-15T09:30:00Z", "sent": "2026-01-15T09:31:00Z"},  # which of them?
            {"number": "1768469400"},
            {"number": 1768469400},
        ],
    )
    def test_a_time_that_is_missing_or_ambiguous_is_none(
        self, read: Callable[[Any], datetime | None], answer: Any
    ) -> None:
        assert read(answer) is None


class TestIds:
    """An id is a string or a number; ids of many recipients come as either, or as objects."""

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("m-1", "m-1"),
            (17, "17"),
            (0, None),  # .NET's word for none
            ("00000000-0000-0000-0000-000000000000", None),
            ("{00000000-0000-0000-0000-000000000000}", None),
            ("0", "0"),
            (-1, "-1"),
            (" m ", " m "),
            ("", None),
            (" ", None),
            (None, None),
            (True, None),
            (1.5, None),
            ([], None),
            ({}, None),
        ],
    )
    def test_an_id_is_a_string_or_a_number(self, value: object, found: str | None) -> None:
        assert read_id(value) == found

    @pytest.mark.parametrize(
        ("answer", "message_id"),
        [
            ({"messageId": "m-1"}, "m-1"),
            ({"MessageId": "m-1"}, "m-1"),
            ({"MESSAGEID": 17}, "17"),
            ({"messageIdList": ["m-1"]}, "m-1"),
            ({"messageId": None, "MessageIDList": [{"MessageId": "m-1"}]}, "m-1"),
            ({"messageId": "m-1", "messageIdList": ["m-2"]}, "m-1"),
            ({"messageId": "right", "MessageId": "wrong"}, "right"),
        ],
    )
    def test_the_id_of_one_recipient_is_read_from_either_field(
        self, answer: Any, message_id: str
    ) -> None:
        assert send(answer).message_id == message_id

    @pytest.mark.parametrize(
        ("answer", "message_ids", "by_recipient"),
        [
            ({"messageIdList": ["m-1", "m-2"]}, ("m-1", "m-2"), {ONE: "m-1", TWO: "m-2"}),
            ({"MessageIdList": [1, 2]}, ("1", "2"), {ONE: "1", TWO: "2"}),
            (
                {"messageIdList": [{"messageId": "m-1"}, {"MessageId": 2}]},
                ("m-1", "2"),
                {ONE: "m-1", TWO: "2"},
            ),
            (
                {
                    "messageIdList": [
                        {"messageId": "m-2", "address": TWO},
                        {"messageId": "m-1", "address": ONE},
                    ]
                },
                ("m-2", "m-1"),
                {ONE: "m-1", TWO: "m-2"},
            ),
            (
                {"MessageIDList": [{"MessageID": "m-2", "Address": "0041787654321", "Other": 1}]},
                ("m-2",),
                {TWO: "m-2"},
            ),
            (
                {"messageIdList": [{"messageId": "m-1", "address": "elsewhere"}, "m-2"]},
                ("m-1", "m-2"),
                {},
            ),
            (
                {
                    "messageIdList": [
                        {"messageId": "m-2", "number": "0041787654321"},
                        {"messageId": "m-1", "note": "new", "number": ONE},
                    ]
                },
                ("m-2", "m-1"),
                {ONE: "m-1", TWO: "m-2"},
            ),
            ({"messageIdList": ["m-1"]}, ("m-1",), {}),
            ({"messageIdList": ["m-1", "m-2", "m-3"]}, ("m-1", "m-2", "m-3"), {}),
            ({"messageIdList": [None, "m-2", {}, [], True]}, ("m-2",), {}),
            ({"messageId": "m-1"}, ("m-1",), {}),
            (
                {"messageId": "m-0", "messageIdList": ["m-1", "m-2"]},
                ("m-1", "m-2"),
                {ONE: "m-1", TWO: "m-2"},
            ),
        ],
    )
    def test_the_ids_of_many_recipients_are_matched_to_them(
        self, answer: Any, message_ids: tuple[str, ...], by_recipient: dict[str, str]
    ) -> None:
        sent = broadcast(answer)
        assert sent.message_ids == message_ids
        assert dict(sent.ids_by_recipient) == by_recipient
        assert (sent.recipients, sent.duplicates) == ((ONE, TWO), ())

    @pytest.mark.parametrize("perform", [send, broadcast])
    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"messageId": None},
            {"messageId": ""},
            {"messageId": True},
            {"messageId": {"id": 1}},
            {"messageIdList": []},
            {"messageIdList": None},
            {"messageIdList": "m-1"},
            {"messageIdList": {"0": "m-1"}},
            {"messageIdList": [None, "", {}]},
            {"id": "m-1"},
        ],
    )
    def test_a_send_without_an_id_is_unreadable(
        self, perform: Callable[[Any], object], answer: Any
    ) -> None:
        with pytest.raises(UnreadableResponse, match="the response has no messageId") as caught:
            perform(answer)
        assert caught.value.may_have_been_sent is True
        assert (caught.value.status_code, caught.value.request_id) == (200, REQUEST_ID)
        assert json.loads(caught.value.body) == answer
        assert "do not repeat it" in str(caught.value)

    @pytest.mark.parametrize(
        "answer", [{}, {"messageListId": None}, {"messageListId": []}, {"messages": ["m-1"]}]
    )
    def test_a_list_without_an_id_is_unreadable(self, answer: Any) -> None:
        with pytest.raises(UnreadableResponse, match="the response has no messageListId") as caught:
            send_list(answer)
        assert caught.value.may_have_been_sent is True

    @pytest.mark.parametrize("answer", [{}, {"mediaId": None}, {"mediaId": ""}, {"id": "f-1"}])
    def test_an_upload_without_an_id_is_unreadable_and_texted_nobody(self, answer: Any) -> None:
        with pytest.raises(UnreadableResponse, match="the response has no mediaId") as caught:
            upload(answer)
        assert caught.value.may_have_been_sent is False

    @pytest.mark.parametrize(
        ("answer", "media_id"), [({"MediaID": "f-1"}, "f-1"), ({"mediaId": 5}, "5")]
    )
    def test_the_id_of_media_is_read(self, answer: Any, media_id: str) -> None:
        media = upload({**answer, "unknown": 1})
        assert (media.media_id, media.size, media.content_type) == (media_id, 4, None)

    def test_a_status_without_an_id_has_the_one_asked_for(self) -> None:
        assert status({}).message_id == "m-1"
        assert status({"messageId": None}).message_id == "m-1"
        assert status({"MessageId": "m-2"}).message_id == "m-2"
        assert list_status({"messages": [{}]}).messages[0].message_id == ""


class TestFailureReason:
    """The error of one message is the service's error shape, or a bare word or number."""

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (
                {
                    "ErrorCode": "InvalidContent",
                    "errorMessage": "No good",
                    "errorDetails": {"errors": [{"Parameter": "To", "Messages": ["is bad"]}]},
                },
                FailureReason("InvalidContent", "No good", (ErrorDetail("To", ("is bad",)),)),
            ),
            ({"errorCode": 11100}, FailureReason("11100")),
            ({"unknown": 1}, FailureReason()),
            ("No good", FailureReason(message="No good")),
            (5111, FailureReason("5111")),
            (1.5, FailureReason("1.5")),
            (0, FailureReason("0")),
            ("", None),
            ({}, None),
            (None, None),
            (True, FailureReason("true")),
            (False, None),
            ([], None),
            (["No good", "Bad number"], FailureReason(message="No good Bad number")),
            (
                [1, {"code": "X", "words": "Grüezi"}],
                FailureReason(message='1 {"code": "X", "words": "Grüezi"}'),
            ),
        ],
    )
    def test_the_error_of_one_message_is_read_in_any_shape(
        self, given: Any, problem: FailureReason | None
    ) -> None:
        assert read_error(given) == problem
        assert status({"state": "Failed", "error": given}).error == problem
        assert list_status({"messages": [{"Error": given}]}).messages[0].error == problem
        assert (
            send_list({"messageListId": "l-1", "messages": [{"error": given}, {}]}).entries[0].error
            == problem
        )


class TestLists:
    """The entries of a list are matched by their order; the name of their array is not known."""

    @pytest.mark.parametrize(
        ("entry", "message_id", "is_error"),
        [
            ({"messageId": "m-1"}, "m-1", False),
            ({"MessageID": 17, "Other": 1}, "17", False),
            ("m-1", "m-1", False),
            (17, "17", False),
            ({"error": {"errorCode": "InvalidContent"}}, None, True),
            ({"messageId": None, "Error": "No good"}, None, True),
            ({"error": ["No good"]}, None, True),
            ({"error": [{"errorCode": "X"}, "No good"]}, None, True),
            ({"error": []}, None, False),
            ({"error": True}, None, True),
            ({"messageId": None, "Error": True}, None, True),
            ({"error": False}, None, False),
            ({"messageId": "m-1", "error": False}, "m-1", False),
            ({"messageId": "m-1", "error": None}, "m-1", False),
            ({}, None, False),
            (None, None, False),
            ([], None, False),
            (True, None, False),
        ],
    )
    def test_an_entry_of_a_list_has_an_id_or_an_error_or_neither(
        self, entry: object, message_id: str | None, *, is_error: bool
    ) -> None:
        sent = send_list({"messageListId": "l-1", "messages": [entry, {"messageId": "m-2"}]})
        first, second = sent.entries
        assert (first.message_id, first.error is not None) == (message_id, is_error)
        assert (first.message.to, second.message.to) == (ONE, TWO)
        assert sent.accepted == ((first, second) if message_id else (second,))
        assert sent.rejected == ((first,) if is_error else ())

    def test_an_entry_with_an_id_and_an_error_was_accepted(self) -> None:
        sent = send_list(
            {"messageListId": "l-1", "messages": [{"messageId": "m-1", "error": "a warning"}, {}]}
        )
        assert (sent.accepted, sent.rejected) == (sent.entries[:1], ())

    @pytest.mark.parametrize(
        "answer",
        [
            {"messages": ["m-1", "m-2"]},
            {"Messages": ["m-1", "m-2"]},
            {"MessageResults": ["m-1", "m-2"]},
            {"entries": ["m-1", "m-2"], "warnings": []},
            {"messages": ["m-1", "m-2"], "warnings": ["careful"]},
            {"Messages": ["wrong"], "messages": ["m-1", "m-2"]},
            {"messages": ["m-1", "m-2"], "Messages": ["wrong"]},
            {"messages": None, "results": ["m-1", "m-2"]},
        ],
    )
    def test_entries_are_found_under_any_name(self, answer: Any) -> None:
        sent = send_list({"messageListId": "l-1", **answer})
        assert [entry.message_id for entry in sent.entries] == ["m-1", "m-2"]
        assert [message.message_id for message in list_status(answer).messages] == ["m-1", "m-2"]

    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"messages": None},
            {"messages": []},
            {"messages": "m-1"},
            {"a": [1], "b": [2]},
            {"messages": {"0": 1}},
        ],
    )
    def test_entries_are_not_guessed_from_what_is_not_clear(self, answer: Any) -> None:
        sent = send_list({"messageListId": "l-1", **answer})
        assert [(entry.message_id, entry.error) for entry in sent.entries] == [
            (None, None),
            (None, None),
        ]
        assert (sent.accepted, sent.rejected) == ((), ())
        assert list_status(answer).messages == ()

    @pytest.mark.parametrize("count", [1, 3, 100])
    def test_entries_of_another_number_are_kept_but_not_matched(self, count: int) -> None:
        entries = [{"messageId": f"m-{n}"} for n in range(count)]
        sent = send_list({"messageListId": 17, "messages": entries})
        assert (sent.list_id, len(sent.entries)) == ("17", 2)
        assert (sent.accepted, sent.rejected) == ((), ())
        assert sent.raw["messages"] == entries


class TestRaw:
    """`raw` is the answer's JSON, in its own spelling, with all that we do not know."""

    ANSWER: ClassVar[dict[str, Any]] = {
        "MessageId": "m-1",
        "MessageIDList": ["m-1", "m-2"],
        "messageLISTid": "l-1",
        "MEDIAID": "f-1",
        "STATE": "Delivered",
        "Neu": {"TO": [1]},
        "Messages": [{"MessageId": "m-1", "STATE": 8, "Preis": 1.5}, "m-2"],
    }

    @pytest.mark.parametrize("perform", [send, broadcast, send_list, status, list_status, upload])
    def test_raw_is_the_json_as_it_came(self, perform: Callable[[Any], Any]) -> None:
        result = perform(self.ANSWER)
        assert result.raw == self.ANSWER
        assert list(result.raw) == list(self.ANSWER)
        assert result.request_id == REQUEST_ID

    def test_raw_of_each_message_of_a_list_is_its_own(self) -> None:
        first, second = list_status(self.ANSWER).messages
        assert first.raw == {"MessageId": "m-1", "STATE": 8, "Preis": 1.5}
        assert first.request_id == second.request_id == REQUEST_ID

    def test_changing_raw_does_not_change_the_result(self) -> None:
        result = send(self.ANSWER)
        result.raw.clear()
        assert result.raw == self.ANSWER

    @pytest.mark.parametrize("perform", [send, broadcast, send_list, status, list_status, upload])
    def test_a_result_without_a_request_id_has_none(self, perform: Callable[..., Any]) -> None:
        assert perform(self.ANSWER, headers={"x-f24-request-id": ""}).request_id is None

    def test_raw_of_a_result_made_by_hand_is_empty(self) -> None:
        assert SentMessage("m-1").raw == {}
        by_hand: Any = Media
        assert by_hand("f-1", content=b"[1]").raw == {}


def samples() -> dict[str, Any]:
    long = {"timestamp": "2026-01-15T09:30:00Z", "note": TEXT, "to": ONE}
    failed = {
        "messageId": "m-1",
        "state": "Neu",
        "error": {"errorMessage": f"{ONE}: {TEXT}", "errorCode": "X"},
        **long,
    }
    request = client({"text": TEXT, "to": ONE}, headers={"X-To": ONE})
    return {
        "SentMessage": send({"messageId": "m-1", **long}),
        "SentBroadcast": client({"messageIdList": ["m-1"], **long}).sms.broadcast([ONE, ONE], TEXT),
        "SentList": send_list(
            {"messageListId": "l-1", "messages": ["m-1", failed | {"messageId": None}], **long}
        ),
        "ListEntry": send_list({"messageListId": "l-1", "messages": [failed, failed]}).entries[0],
        "MessageStatus": status(failed),
        "ListStatus": list_status({"messages": [failed, {"state": 7}], **long}),
        "Media": upload({"mediaId": "f-1", **long}),
        "RawResponse": request.request(
            "POST", "/api/message", json={"to": ONE, "content": {"text": TEXT}}
        ),
        "FailureReason": status(failed).error,
        "ErrorDetail": ErrorDetail("To", (f"{ONE} is bad",)),
    }


class TestObjects:
    """Results are frozen, can be pickled and copied, and show neither texts nor whole numbers."""

    SAMPLES: dict[str, Any] = samples()

    @pytest.mark.parametrize("name", SAMPLES)
    def test_results_can_be_pickled_and_copied(self, name: str) -> None:
        result = self.SAMPLES[name]
        assert type(result).__name__ == name
        for again in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
            assert type(again) is type(result)
            assert repr(again) == repr(result)
            for field in attrs.fields(type(result)):
                if field.name not in {"message", "entries"}:
                    assert getattr(again, field.name) == getattr(result, field.name)
            if hasattr(result, "raw"):
                assert again.raw == result.raw
        if isinstance(result, SentList):
            again = pickle.loads(pickle.dumps(result))
            bodies = [entry.message.to_dict() for entry in result.entries]
            assert [entry.message.to_dict() for entry in again.entries] == bodies

    @pytest.mark.parametrize("name", SAMPLES)
    def test_the_repr_of_results_shows_no_texts_and_no_whole_numbers(self, name: str) -> None:
        shown = repr(self.SAMPLES[name])
        assert shown.startswith(f"{name}(")
        for secret in (ONE, TWO, ONE[3:], TEXT, "Anna", "481 516"):
            assert secret not in shown

    @pytest.mark.parametrize("name", SAMPLES)
    def test_results_are_frozen(self, name: str) -> None:
        result = self.SAMPLES[name]
        field = attrs.fields(type(result))[0].name
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(result, field, None)

    def test_recipients_are_masked_in_the_repr(self) -> None:
        sent = self.SAMPLES["SentBroadcast"]
        assert "recipients=('+41…67',), duplicates=('+41…67',)" in repr(sent)
        assert (sent.recipients, sent.duplicates) == ((ONE,), (ONE,))

    def test_the_repr_of_a_composed_message_shows_neither_text_nor_number(self) -> None:
        message = client({}).sms.compose(ONE, TEXT)
        assert ONE not in repr(message)
        assert TEXT not in repr(message)
        assert pickle.loads(pickle.dumps(message)).to_dict() == message.to_dict()

    @pytest.mark.parametrize(
        ("content", "raw"),
        [(b'{"a": 1}', {"a": 1}), (b"[1]", [1]), (b"5", 5), (b"", None), (b"<html>", None)],
    )
    def test_raw_of_a_free_response_is_json_or_none(self, content: bytes, raw: object) -> None:
        assert RawResponse(200, {}, content).raw == raw

    def test_entries_and_lists_default_to_nothing(self) -> None:
        message = client({}).sms.compose(ONE, TEXT)
        assert (ListEntry(message).message_id, ListEntry(message).error) == (None, None)
        assert (SentList("l-1").accepted, ListStatus("l-1").messages) == ((), ())
        assert MessageStatus("m-1").state is DeliveryState.UNKNOWN


class TestAnything:
    """Whatever JSON object comes: a read gives a result; a send does, too, or says that it may have been sent."""

    @given(json_objects)
    def test_any_json_object_is_read_as_a_status(self, answer: dict[str, object]) -> None:
        found = status(answer)
        assert isinstance(found, MessageStatus)
        assert isinstance(found.state, DeliveryState)
        assert found.updated_at is None or found.updated_at.tzinfo is UTC
        assert repr(found.raw) == repr(answer)
        assert pickle.loads(pickle.dumps(found)).state == found.state

    @given(json_objects)
    def test_any_json_object_is_read_as_the_status_of_a_list(
        self, answer: dict[str, object]
    ) -> None:
        found = list_status(answer)
        assert isinstance(found, ListStatus)
        assert repr(found.raw) == repr(answer)

    @given(json_values)
    def test_a_list_status_is_read_whatever_its_messages_are(self, messages: object) -> None:
        assert isinstance(list_status({"messages": messages}), ListStatus)

    @pytest.mark.parametrize("perform", [send, broadcast, send_list])
    @given(answer=json_objects)
    def test_any_json_object_is_the_result_of_a_send_or_unreadable(
        self, perform: Callable[[Any], Any], answer: object
    ) -> None:
        try:
            result = perform(answer)
        except UnreadableResponse as error:
            assert error.may_have_been_sent is True  # noqa: PT017
            assert error.request_id == REQUEST_ID  # noqa: PT017
        else:
            assert repr(result.raw) == repr(answer)

    @given(json_values)
    def test_a_list_keeps_its_id_whatever_its_messages_are(self, messages: object) -> None:
        sent = send_list({"messageListId": "l-1", "messages": messages})
        assert (sent.list_id, len(sent.entries)) == ("l-1", 2)

    @given(json_values)
    def test_a_send_keeps_its_id_whatever_else_is_there(self, value: object) -> None:
        assert (
            send(
                {"messageId": "m-1", "messageIdList": value, "timestamp": value, "x": value}
            ).message_id
            == "m-1"
        )

    @pytest.mark.parametrize("perform", [send, broadcast, send_list, upload, status, list_status])
    @given(content=garbage)
    def test_a_response_that_is_no_json_object_is_unreadable(
        self, perform: Callable[..., Any], content: bytes
    ) -> None:
        try:
            if isinstance(json.loads(content), dict):
                return
        except ValueError:
            pass
        with pytest.raises(UnreadableResponse) as caught:
            perform(None, content=content)
        assert caught.value.may_have_been_sent is (perform is not upload)
        assert caught.value.body == content

    def test_an_object_without_end_is_unreadable(self) -> None:
        deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
        with pytest.raises(UnreadableResponse) as caught:
            send(None, content=deep)
        assert caught.value.may_have_been_sent is True
        assert len(caught.value.body) == 2000
