"""The scenarios of the cassettes: each calls a client, and asserts the result or the error.

A scenario is played to the sandbox when it is recorded, and later to its cassette, by the sync and by the async client.
`plan` and `later` do something in the recording only; the cassette has their consequences.

There is one scenario for each operation and for each outcome; the ways to state a version are spread over them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal, TypeAlias

import pytest
from _clients import (
    E164,
    INTERNATIONAL,
    NUMBER,
    OTHER_E164,
    OTHER_NUMBER,
    PASSWORD,
    SENDERS,
    TEXT,
    USERNAME,
)

from ecall_facade import (
    AuthenticationError,
    BadRequest,
    DeliveryState,
    DocumentContent,
    ECall,
    ECallError,
    ErrorDetail,
    FailureReason,
    ListEntry,
    ListStatus,
    Media,
    MessageStatus,
    NotFound,
    NotificationAddress,
    NotificationAddressType,
    Notify,
    PermissionDenied,
    RateLimited,
    RawAddress,
    SentBroadcast,
    SentList,
    SentMessage,
    ServerError,
    TooLarge,
    UnreadableResponse,
)

SEED = 0xECA11
ACCEPTED = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
"""When the sandbox accepts what is sent; it is Sent one second later, and Delivered after two."""
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(7 * place % 256 for place in range(256))
THIRD_NUMBER, THIRD_E164 = "+44 1632 960123", "+441632960123"


class Scene:
    """Where a scenario is played: the client, and in a recording the sandbox behind it."""

    def __init__(self, ecall: ECall) -> None:
        self.ecall = ecall

    def plan(self, status: int, **answer: Any) -> None:
        """Plan the response to the next request, as `Sandbox.fail_next` does."""

    def later(self, seconds: float) -> None:
        """Let time pass."""


@dataclass(frozen=True)
class Scenario:
    name: str
    play: Callable[[Scene], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    sandbox: Mapping[str, Any] = field(default_factory=dict)
    in_spec: bool = True
    """Whether the answers are as the spec says; some are planned to be otherwise."""


SCENARIOS: list[Scenario] = []
WAYS: dict[str, dict[str, Any]] = {
    "v2-path": {"api_version": "v2", "version_in": "path"},
    "v2-header": {"api_version": "v2", "version_in": "header"},
    "v1-path": {"api_version": "v1", "version_in": "path"},
    "v1-header": {"api_version": "v1", "version_in": "header"},
}
"""The ways to state a version."""

Play: TypeAlias = Callable[[Scene], None]


def scenario(*ways: str, in_spec: bool = True, **sandbox: Any) -> Callable[[Play], Play]:
    """Make a scenario of a function, for each of the ways.

    Args:
        ways: Keys of `WAYS`, which the names of the scenarios get; none is v2 by path.
        in_spec: Whether the responses are as the spec says.
        sandbox: Options of the sandbox that it is recorded against.
    """

    def register(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        for full_name, options in (
            [(f"{name}-{way}", WAYS[way]) for way in ways] if ways else [(name, {})]
        ):
            SCENARIOS.append(
                Scenario(full_name, play, {"sender": SENDERS, **options}, sandbox, in_spec)
            )
        return play

    return register


def id_of(kind: Literal["message", "list", "media", "request"], number: int = 1) -> str:
    """Return the id of the first, second … message, list, file or request of the sandbox."""
    place = ("message", "list", "media", "request").index(kind) + 1
    return f"{SEED:08x}-{place:04x}-4c6e-9d3a-{number:012x}"


def request_id(number: int = 1) -> str:
    return id_of("request", number)


def after(seconds: float) -> datetime:
    return ACCEPTED + timedelta(seconds=seconds)


def error_of(call: Callable[[], object]) -> ECallError:
    with pytest.raises(ECallError) as caught:
        call()
    return caught.value


def state(number: int, word: str, moment: float, request: int | None) -> MessageStatus:
    """Return the status of a message that is in a state since so many seconds."""
    delivery, is_final = DeliveryState(word), word == "Delivered"
    requested = None if request is None else request_id(request)
    return MessageStatus(
        id_of("message", number), delivery, is_final, after(moment), request_id=requested
    )


# Each operation


@scenario("v2-path")
def send(scene: Scene) -> None:
    sent = scene.ecall.sms.send(NUMBER, TEXT)
    assert sent == SentMessage(id_of("message"), ACCEPTED, pages=1, request_id=request_id())
    assert sent.raw["messageId"] == id_of("message")
    # v2 writes UTC; that v1 writes Swiss time is inferred. What the caller gets is the same.
    assert sent.raw["timestamp"] in {"2026-07-14T09:30:00.000Z", "2026-07-14T11:30:00.000"}


@scenario("v1-path")
def broadcast(scene: Scene) -> None:
    numbers = [NUMBER, OTHER_NUMBER, INTERNATIONAL, THIRD_NUMBER]
    first, second, third = (id_of("message", number) for number in (1, 2, 3))
    assert scene.ecall.sms.broadcast(numbers, "Water is off until 14:00") == SentBroadcast(
        message_ids=(first, second, third),
        recipients=(E164, OTHER_E164, THIRD_E164),
        duplicates=(E164,),
        sent_at=ACCEPTED,
        ids_by_recipient={E164: first, OTHER_E164: second, THIRD_E164: third},
        request_id=request_id(),
    )


@scenario("v2-header")
def send_list(scene: Scene) -> None:
    ecall = scene.ecall
    messages = [
        ecall.sms.compose(NUMBER, "Your table is ready"),
        ecall.whatsapp.compose(RawAddress("12"), "To a number that is none"),
        ecall.rcs.compose(OTHER_NUMBER, "Your parcel is on its way"),
        ecall.whatsapp.compose(NUMBER, DocumentContent(media_id="no-such-file")),
    ]
    sent = ecall.messages.send_list(messages, notify="ops@example.com")
    number = ErrorDetail(
        "To",
        (
            "The number 12 is an invalid receiver: it must be international, +… or 00…, digits only.",
        ),
    )
    file = ErrorDetail("Content.MediaId", ("No file has this id.",))
    refused = partial(FailureReason, "InvalidContent", "The request is not valid.")
    assert sent == SentList(
        list_id=id_of("list"),
        entries=(
            ListEntry(messages[0], id_of("message", 1)),
            ListEntry(messages[1], error=refused((number,))),
            ListEntry(messages[2], id_of("message", 2)),
            ListEntry(messages[3], error=refused((file,))),
        ),
        request_id=request_id(),
    )
    assert [entry.message for entry in sent.accepted] == [messages[0], messages[2]]
    assert [entry.message for entry in sent.rejected] == [messages[1], messages[3]]


@scenario("v1-header")
def status(scene: Scene) -> None:
    message_id = scene.ecall.sms.send(NUMBER, TEXT).message_id
    for request, (moment, word) in enumerate(
        [(0, "Pending"), (1, "Sent"), (2, "Delivered")], start=2
    ):
        assert scene.ecall.messages.status(message_id) == state(1, word, moment, request)
        scene.later(1)


@scenario("v1-path")
def list_status(scene: Scene) -> None:
    ecall = scene.ecall
    sent = ecall.messages.send_list(
        [ecall.sms.compose(number, "Good morning") for number in (NUMBER, OTHER_NUMBER)]
    )
    scene.later(1.5)
    expected = ListStatus(
        id_of("list"), (state(1, "Sent", 1, 2), state(2, "Sent", 1, 2)), request_id=request_id(2)
    )
    seen = ecall.messages.list_status(sent.list_id)
    assert seen == expected
    assert [message.raw["messageId"] for message in seen.messages] == [
        id_of("message", 1),
        id_of("message", 2),
    ]


@scenario("v2-path")
def media(scene: Scene) -> None:
    files = scene.ecall.media
    stored = files.upload(PICTURE, content_type="image/png")
    assert stored == Media(id_of("media"), "image/png", len(PICTURE), request_id=request_id(1))
    copy = io.BytesIO()
    loaded = files.download(stored.media_id, to=copy)
    assert loaded == Media(
        id_of("media"), "application/octet-stream", len(PICTURE), request_id=request_id(2)
    )
    assert copy.getvalue() == PICTURE
    with files.stream(stored.media_id) as chunks:
        assert (chunks.size, chunks.content_type) == (len(PICTURE), "application/octet-stream")
        assert b"".join(chunks) == PICTURE


# What can be sent


@scenario()
def send_file(scene: Scene) -> None:
    progress: list[tuple[int, int | None]] = []
    ecall, note = scene.ecall, lambda done, total: progress.append((done, total))
    sent = ecall.whatsapp.send_file(NUMBER, PICTURE, content_type="image/png", on_progress=note)
    assert sent == SentMessage(id_of("message"), ACCEPTED, request_id=request_id(2))
    assert progress == [(len(PICTURE), len(PICTURE))]
    assert ecall.rcs.send_file(NUMBER, PICTURE, content_type="application/pdf").message_id == id_of(
        "message", 2
    )
    # Nobody knows how long this one is, so it goes out in chunks.
    stored = ecall.media.upload(_Pipe(PICTURE))
    assert stored == Media(id_of("media", 3), None, len(PICTURE), request_id=request_id(5))


class _Pipe(io.BytesIO):
    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation


@scenario()
def notify(scene: Scene) -> None:
    ecall = scene.ecall
    by_sms = NotificationAddress(NotificationAddressType.SMS, E164)
    by_get = NotificationAddress(NotificationAddressType.URL, "https://hooks.example.com/get")
    for wanted in (
        "https://hooks.example.com/ecall",
        ["ops@example.com", OTHER_NUMBER],
        Notify("ops@example.com", for_event="ErrorOnly"),
        Notify(by_sms, by_get, for_event="FinalOnly"),
    ):
        ecall.sms.send(NUMBER, TEXT, notify=wanted)
    last = ecall.sms.broadcast([NUMBER], TEXT, notify="https://hooks.example.com/ecall")
    assert last.message_ids == (id_of("message", 5),)


@scenario("v2-header")
def request(scene: Scene) -> None:
    body: Any = {
        "channel": "Sms",
        "from": "ACME",
        "to": E164,
        "content": {"type": "Text", "text": TEXT},
    }
    sent = scene.ecall.request("POST", "/api/message", json=body)
    assert (sent.status_code, sent.request_id) == (200, request_id(1))
    assert isinstance(sent.raw, dict)
    assert sent.raw["messageId"] == id_of("message")
    seen = scene.ecall.request("GET", f"/api/v1/message/{id_of('message')}")
    assert seen.raw == {
        "messageId": id_of("message"),
        "state": "Pending",
        "timestamp": "2026-07-14T11:30:00.000",
    }
    assert seen.headers["content-type"] == "application/json"


# Time


@scenario()
def wait(scene: Scene) -> None:
    message_id = scene.ecall.sms.send(NUMBER, TEXT).message_id
    # It looks at once, and after 0.5, 1.25 and 2.375 seconds; the sandbox's clock goes by the client's pauses.
    assert scene.ecall.messages.wait(message_id, timeout=60) == state(1, "Delivered", 2, 5)


@scenario()
def retried(scene: Scene) -> None:
    """A request that the service did not take is repeated by the same call."""
    ecall = scene.ecall
    scene.plan(429)
    scene.plan(429, headers={"retry-after": "2"})
    assert ecall.sms.send(NUMBER, TEXT).request_id == request_id(3)
    scene.plan(503, headers={"retry-after": "0"})
    assert ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)]).request_id == request_id(5)
    scene.plan(429)
    assert ecall.media.upload(PICTURE).request_id == request_id(7)
    for status_code in (500, 502):
        scene.plan(status_code)
    assert ecall.messages.status(id_of("message")).request_id == request_id(10)
    scene.plan(504)
    assert ecall.media.download(id_of("media"), io.BytesIO()).request_id == request_id(12)


# Errors that come of themselves


@scenario("v1-header")
def refused_recipients(scene: Scene) -> None:
    error = error_of(lambda: scene.ecall.sms.send(RawAddress("12"), TEXT))
    words = (
        "The number 12 is an invalid receiver: it must be international, +… or 00…, digits only."
    )
    assert isinstance(error, BadRequest)
    assert (error.code, error.message) == ("InvalidContent", "The request is not valid.")
    assert error.details == (ErrorDetail("To", (words,)),)
    assert (error.request_id, error.may_have_been_sent) == (request_id(), False)
    bad: list[str | RawAddress] = [RawAddress("12"), NUMBER, RawAddress("pager 7")]
    error = error_of(lambda: scene.ecall.sms.broadcast(bad, TEXT))
    assert isinstance(error, BadRequest)
    assert [detail.parameter for detail in error.details] == [
        "ToList[0].Address",
        "ToList[2].Address",
    ]
    assert error.may_have_been_sent is False


@scenario(password="changed since")
def wrong_password(scene: Scene) -> None:
    for number, (name, call) in enumerate(calls(scene.ecall).items(), start=1):
        error = error_of(call)
        assert isinstance(error, AuthenticationError)
        assert (error.status_code, error.code, error.request_id) == (
            401,
            "AccNoUser",
            request_id(number),
        )
        assert error.may_have_been_sent is (name in STATUS_CALLS), name
        assert "portal" in str(error)
        assert USERNAME not in str(error)
        assert PASSWORD not in str(error)


@scenario(*WAYS)
def unknown_ids(scene: Scene) -> None:
    ecall = scene.ecall
    for number, (call, words) in enumerate(
        [
            (lambda: ecall.messages.status("gone"), "for seven days"),
            (
                lambda: ecall.messages.list_status("gone"),
                "/api/messagelist/{messageListId} is inferred",
            ),
            (
                lambda: ecall.media.download("a/b c", io.BytesIO()),
                "/api/media/{mediaId} is inferred",
            ),
        ],
        start=1,
    ):
        error = error_of(call)
        assert isinstance(error, NotFound)
        assert error.request_id == request_id(number)
        assert words in str(error)


@scenario(max_media_size=100)
def too_large_a_file(scene: Scene) -> None:
    error = error_of(
        lambda: scene.ecall.whatsapp.send_file(NUMBER, PICTURE, content_type="image/png")
    )
    assert isinstance(error, TooLarge)
    assert (error.code, error.may_have_been_sent, error.request_id) == (
        "SandboxTooLarge",
        False,
        request_id(),
    )


def calls(ecall: ECall) -> dict[str, Callable[[], object]]:
    """Return a call of every operation; of the one that sends, to one and to many."""
    return {
        "send": lambda: ecall.sms.send(NUMBER, TEXT),
        "broadcast": lambda: ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT),
        "send_list": lambda: ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)]),
        "status": lambda: ecall.messages.status(id_of("message")),
        "list_status": lambda: ecall.messages.list_status(id_of("list")),
        "upload": lambda: ecall.media.upload(PICTURE),
        "download": lambda: ecall.media.download(id_of("media"), io.BytesIO()),
    }


STATUS_CALLS = frozenset({"status", "list_status"})
"""The calls about messages that were sent already."""


# Errors that are planned


def check_errors(
    scene: Scene, error_class: type[ECallError], may_have_been_sent: dict[str, bool], **plan: Any
) -> list[Any]:
    """Return the error of each call whose response is planned so, after checking what all have in common."""
    once = scene.ecall.with_options(retry=False)
    errors: list[Any] = []
    for name, may_have in may_have_been_sent.items():
        scene.plan(**plan)
        error = error_of(calls(once)[name])
        assert type(error) is error_class, (name, error)
        assert error.may_have_been_sent is may_have, name
        assert str(error).endswith(f"(request id {error.request_id})"), name
        errors.append(error)
    return errors


IF_REFUSED = {"send": False, "broadcast": True, "status": True}
"""Whether the message could have been sent, by call, if credit or quota may end midway."""
IF_FAILED = {"send": True, "broadcast": True, "status": True}


@scenario("v1-path")
def no_credit(scene: Scene) -> None:
    error, *_ = check_errors(
        scene,
        PermissionDenied,
        IF_REFUSED,
        status=403,
        code="AccNoUnits",
        message="Not enough credit.",
    )
    assert (error.code, error.message, error.request_id) == (
        "AccNoUnits",
        "Not enough credit.",
        request_id(),
    )
    assert "Check in eCall's portal the credit" in str(error)


@scenario("v2-header")
def too_many_requests(scene: Scene) -> None:
    error, *_ = check_errors(
        scene, RateLimited, IF_REFUSED, status=429, headers={"retry-after": "60"}
    )
    assert (error.retry_after, error.request_id) == (60.0, request_id())
    assert "pause of 60 s" in str(error)


@scenario(in_spec=False)
def service_failed(scene: Scene) -> None:
    page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    check_errors(scene, ServerError, IF_FAILED, status=500, code="DataReadError")
    error, *_ = check_errors(scene, ServerError, IF_FAILED, status=502, body=page)
    assert (error.status_code, error.code, error.body) == (502, None, page.encode())
    check_errors(scene, ServerError, IF_FAILED, status=503)
    (error,) = check_errors(
        scene, ServerError, {"send": False}, status=503, headers={"retry-after": "11"}
    )
    assert error.retry_after == 11.0


@scenario(in_spec=False)
def unreadable(scene: Scene) -> None:
    for body, words in (("<html>Welcome</html>", "not JSON"), ("[1]", "not a JSON object")):
        error, *_ = check_errors(scene, UnreadableResponse, IF_FAILED, status=200, body=body)
        assert error.body == body.encode()
        assert words in str(error)
        assert "was most likely accepted" in str(error)


@scenario()
def failed(scene: Scene) -> None:
    """A message that failed is no error of the call that asks for it."""
    error = {"errorCode": "5112", "errorMessage": "The number is bad."}
    status = {
        "messageId": "m-1",
        "state": "Failed",
        "timestamp": "2026-07-14T09:30:02Z",
        "error": error,
    }
    scene.plan(200, body=json.dumps(status), headers={"content-type": "application/json"})
    assert scene.ecall.messages.wait("m-1", timeout=60) == MessageStatus(
        "m-1",
        DeliveryState.FAILED,
        is_final=True,
        updated_at=after(2),
        error=FailureReason("5112", "The number is bad."),
        request_id=request_id(),
    )
