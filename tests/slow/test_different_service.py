"""However differently the service answers: no accepted message gets lost, and nothing is sent twice.

Where a response can be understood, the result is right; where it cannot, the error says what was expected.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from _clients import E164, NUMBER, OTHER_E164, OTHER_NUMBER, TEXT
from _different_service import (
    ACCEPTED,
    DELIVERED,
    LATER,
    NOBODY,
    TWISTS,
    DifferentService,
    Operation,
    Twist,
    combination,
)
from _servers import REQUEST_ID

from ecall_facade import (
    APIError,
    ECall,
    ECallError,
    RawAddress,
    ServiceUnreachable,
    UnreadableResponse,
    WaitTimeout,
)

if TYPE_CHECKING:
    from _clients import OpenClient

pytestmark = pytest.mark.usefixtures("pauses")

FILE = bytes(range(256)) * 3
COMBINATIONS = 48
EXPECTED = {
    "send": "messageId",
    "broadcast": "messageIdList",
    "send_list": "messageListId",
    "upload": "mediaId",
}
SENDS = {"send", "broadcast", "send_list"}
every_twist = pytest.mark.parametrize("twist", TWISTS, ids=[twist.name for twist in TWISTS])


def outcome(function: Callable[[], Any]) -> Any:
    """Give what comes of a call: its result, or its error."""
    try:
        return function()
    except ECallError as error:
        return error


class Reader:
    """Calls every operation of a service, and checks what comes back against what the service knows it has done."""

    def __init__(self, service: DifferentService, ecall: ECall) -> None:
        self.service = service
        self.ecall = ecall
        self.hides = service.hides
        statuses = [twist.status for twist in service.twists if twist.status != 200]
        self.status = statuses[0] if statuses else 200
        self.fails = not 200 <= self.status <= 299

    def check_all(self) -> None:
        self.check_send()
        self.check_broadcast()
        self.check_list()
        self.check_statuses()
        self.check_media()

    # Calls

    def call(self, operation: Operation, function: Callable[[], Any], hidden: bool) -> Any:
        """Give the result, or None after an error that is the right one."""
        before = len(self.service.requests)
        unreadable = hidden or "object" in self.hides
        result = outcome(function)
        if operation in SENDS | {"upload"}:
            came = [
                f"{request.method} {request.path}" for request in self.service.requests[before:]
            ]
            assert len(came) == 1, f"it was repeated: {came}"
        if isinstance(result, ECallError):
            assert self.fails or unreadable, result
            self.check_error(operation, result)
            return None
        assert not self.fails
        assert not unreadable, "this cannot have been read"
        assert result.request_id == (None if "request id" in self.hides else REQUEST_ID)
        return result

    def check_error(self, operation: Operation, error: ECallError) -> None:
        assert error.may_have_been_sent is (operation != "upload")
        assert error.request_id == (None if "request id" in self.hides else REQUEST_ID)
        assert TEXT not in str(error)
        if self.fails:
            assert isinstance(error, APIError)
            assert error.status_code == self.status
            assert f"answered {self.status}" in str(error)
            assert error.body in (
                self.service.responses[-1].body[:2000],
                b"",
            )  # b"": what cannot be unpacked
            return
        if "bytes: said to be gzip, and is not" in self.names and self.status not in {204, 205}:
            # What cannot be unpacked is as good as broken off.
            assert isinstance(
                error,
                ServiceUnreachable
                if operation in {"status", "list_status"}
                else UnreadableResponse,
            )
            assert "DecodingError" in str(error)
            return
        assert isinstance(error, UnreadableResponse), error
        assert f"answered {self.status}, but" in str(error)
        what = (
            ("not JSON", "not a JSON object", "empty")
            if "object" in self.hides
            else (EXPECTED[operation],)
        )
        assert any(words in str(error) for words in what), error
        assert ("do not repeat it" in str(error)) is (operation in SENDS)
        assert error.body == self.service.responses[-1].body[:2000]

    def shown(self, message_id: str) -> str:
        return self.service.shown.get(message_id, message_id)

    # What is right

    def time(self, moment: datetime) -> datetime | None:
        hides = self.hides
        is_named = "the name of the time" not in hides
        if "time" in hides and "the only time" in hides and not self.is_nested:
            return LATER  # the only time there is
        if "time" in hides or (not is_named and {"the only time", "the looks of a time"} & hides):
            return None
        return moment

    @property
    def names(self) -> set[str]:
        return {twist.name for twist in self.service.twists}

    @property
    def is_nested(self) -> bool:
        return any(twist.aspect == "nesting" for twist in self.service.twists)

    def check_send(self) -> None:
        sent = self.call(
            "send", lambda: self.ecall.sms.send(NUMBER, TEXT), "message id" in self.hides
        )
        (message,) = self.service.accepted
        assert message.recipient == E164
        if sent is not None:
            assert sent.message_id == self.shown(message.id)
            assert sent.sent_at == self.time(ACCEPTED)
            assert sent.raw

    def check_broadcast(self) -> None:
        before = len(self.service.accepted)
        many = self.call(
            "broadcast",
            lambda: self.ecall.sms.broadcast([NUMBER, OTHER_NUMBER, E164], TEXT),
            "message ids" in self.hides,
        )
        accepted = self.service.accepted[before:]
        assert [message.recipient for message in accepted] == [E164, OTHER_E164]
        if many is not None:
            ids = {message.recipient: self.shown(message.id) for message in accepted}
            assert sorted(many.message_ids) == sorted(ids.values())
            assert many.ids_by_recipient == ids
            assert many.duplicates == (E164,)

    def check_list(self) -> None:
        before = len(self.service.accepted)
        composed = [
            self.ecall.sms.compose(recipient, TEXT)
            for recipient in (NUMBER, RawAddress(NOBODY), OTHER_NUMBER)
        ]
        sent = self.call(
            "send_list", lambda: self.ecall.messages.send_list(composed), "list id" in self.hides
        )
        accepted = self.service.accepted[before:]
        assert [message.recipient for message in accepted] == [E164, OTHER_E164]
        if sent is None:
            return
        (list_id,) = self.service.lists
        assert sent.list_id == self.shown(list_id)
        assert [entry.message for entry in sent.entries] == composed
        # What is not said to be refused may have been sent, and what is said to be is not.
        assert all(sent.entries[place] not in sent.rejected for place in (0, 2))
        assert sent.entries[1] not in sent.accepted
        knows_entries = not {"the name of the array", "the only array"} <= self.hides
        if knows_entries and "entry ids" not in self.hides:
            assert [entry.message_id for entry in sent.accepted] == [
                self.shown(message.id) for message in accepted
            ]
        else:
            assert sent.accepted == ()
        if knows_entries and "entry errors" not in self.hides:
            assert [entry.message for entry in sent.rejected] == [composed[1]]
        else:
            assert sent.rejected == ()

    def check_statuses(self) -> None:
        known = self.service.accepted[0].id
        message_id = self.shown(known)
        (list_id, messages) = next(iter(self.service.lists.items()))
        status = self.call("status", lambda: self.ecall.messages.status(message_id), hidden=False)
        if status is not None:
            self.check_status(status, message_id)
        self.check_wait(message_id)
        listed = self.call(
            "list_status",
            lambda: self.ecall.messages.list_status(self.shown(list_id)),
            hidden=False,
        )
        if listed is not None:
            if {"the name of the array", "the only array"} <= self.hides:
                assert listed.messages == ()
                return
            assert len(listed.messages) == len(messages)
            for seen, one in zip(listed.messages, messages, strict=True):
                self.check_status(seen, "" if "entry ids" in self.hides else self.shown(one))

    def check_status(self, status: Any, message_id: str) -> None:
        states = [twist.state for twist in self.service.twists if twist.state]
        expected = (
            ("Unknown", False)
            if "state" in self.hides
            else states[0]
            if states
            else ("Delivered", True)
        )
        assert (str(status.state.value), status.is_final) == expected
        assert status.message_id == message_id
        in_list = status.message_id != self.shown(self.service.accepted[0].id)
        # What stands beside the list says nothing about its messages.
        if not (in_list and "the only time" in self.hides):
            assert status.updated_at == self.time(DELIVERED)

    def check_wait(self, message_id: str) -> None:
        seen = outcome(lambda: self.ecall.messages.wait(message_id, timeout=60))
        if not isinstance(seen, ECallError):
            assert seen.is_final
            self.check_status(seen, message_id)
            return
        assert seen.may_have_been_sent
        assert isinstance(seen, WaitTimeout) or self.fails
        if isinstance(seen, WaitTimeout) and (self.fails or "object" in self.hides):
            assert "its status could not be read" in str(seen)
        elif isinstance(seen, WaitTimeout):
            assert seen.status is not None
            assert not seen.status.is_final
            assert f"last seen as {seen.status.state}" in str(seen)
            self.check_status(seen.status, message_id)

    def check_media(self) -> None:
        media = self.call("upload", lambda: self.ecall.media.upload(FILE), "media id" in self.hides)
        ((media_id, content),) = self.service.files.items()
        assert content == FILE
        if media is not None:
            assert (media.media_id, media.size) == (self.shown(media_id), len(FILE))
        copy = io.BytesIO()
        loaded = outcome(lambda: self.ecall.media.download(self.shown(media_id), copy))
        if isinstance(loaded, ECallError):
            assert self.fails or "file" in self.hides
            assert loaded.may_have_been_sent is False
            assert self.fails or copy.getvalue() == b""
        else:
            assert not self.fails
            assert "file" not in self.hides
            assert copy.getvalue() == FILE
            assert loaded.size == len(copy.getvalue())


@every_twist
def test_a_service_that_differs_in_one_way_is_understood(
    twist: Twist, open_sync_client: OpenClient
) -> None:
    with DifferentService(twist) as service:
        Reader(service, open_sync_client(service.url)).check_all()


@pytest.mark.parametrize("seed", range(COMBINATIONS))
def test_a_service_that_differs_in_several_ways_is_understood_by_both_clients(
    seed: int, open_client: OpenClient
) -> None:
    with DifferentService(*combination(seed)) as service:
        Reader(service, open_client(service.url)).check_all()


def test_a_service_as_the_spec_describes_it_is_understood(open_client: OpenClient) -> None:
    with DifferentService() as service:
        Reader(service, open_client(service.url)).check_all()


# What is refused


@pytest.mark.parametrize(
    "twist",
    [pytest.param(twist, id=twist.name) for twist in TWISTS if twist.aspect in {"errors", "bytes"}],
)
def test_a_refusal_of_a_service_that_differs_is_understood(
    twist: Twist, open_client: OpenClient
) -> None:
    """The service took nothing; what the client says of that goes by the status alone, however the error looks."""
    with DifferentService(twist) as service:
        ecall = open_client(service.url, retry=False)
        for status in (400, 403, 409, 500):
            service.refuses = status
            for operation, call in calls(ecall).items():
                error = outcome(call)
                assert isinstance(error, APIError)
                assert error.status_code == status
                assert error.request_id == REQUEST_ID
                is_certain = status == 400 or (status == 403 and operation == "send")
                is_about_a_message = operation in {"status", "list_status"}
                assert error.may_have_been_sent is (
                    is_about_a_message or (operation in SENDS and not is_certain)
                ), operation
                read = error.code, error.message, error.details
                assert ("problem" in twist.hides) == (read == (None, None, ())), read
                for words in filter(None, read[:2]):
                    assert words in str(error)
                # What is in no known shape is there all the same, but for what cannot be unpacked.
                assert error.body == service.responses[-1].body or "not" in twist.name
        assert service.accepted == []
        assert len(service.requests) == 4 * len(calls(ecall))


def calls(ecall: ECall) -> dict[Operation, Callable[[], object]]:
    return {
        "send": lambda: ecall.sms.send(NUMBER, TEXT),
        "broadcast": lambda: ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT),
        "send_list": lambda: ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)]),
        "status": lambda: ecall.messages.status("m-1"),
        "list_status": lambda: ecall.messages.list_status("l-1"),
        "upload": lambda: ecall.media.upload(FILE),
        "download": lambda: ecall.media.download("f-1", io.BytesIO()),
    }
