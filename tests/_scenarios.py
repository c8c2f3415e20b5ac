"""What the cassettes hold: each scenario calls a client, and says what has to come of it.

A scenario is played to the sandbox when it is recorded, and later to its cassette, by the sync and by the async client.
What it asks for with `plan` and `later` happens in the recording only; its consequences are in the cassette.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

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
    APIError,
    AuthenticationError,
    BadRequest,
    DeliveryState,
    DocumentContent,
    ECall,
    ECallError,
    ErrorDetail,
    FailureReason,
    ImageContent,
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
    StickerContent,
    TextContent,
    TooLarge,
    UnreadableResponse,
)

if TYPE_CHECKING:
    from ecall_facade._request_parts import Extra

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
        """Have the next request answered with this, as `Sandbox.fail_next` does."""

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


def scenario(
    *, in_every_way: bool = False, in_spec: bool = True, **sandbox: Any
) -> Callable[[Play], Play]:
    """Make a scenario of a function; `sandbox` are options of the sandbox that it is recorded against."""

    def register(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        for way, options in WAYS.items() if in_every_way else [("", {})]:
            full_name = f"{name}-{way}" if way else name
            SCENARIOS.append(
                Scenario(full_name, play, {"sender": SENDERS, **options}, sandbox, in_spec)
            )
        return play

    return register


def id_of(kind: Literal["message", "list", "media", "request"], number: int = 1) -> str:
    """Give the id that the sandbox gives as the first, second … of a kind."""
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
    """Give the status of the message with this number in this state since so many seconds."""
    delivery, is_final = DeliveryState(word), word == "Delivered"
    requested = None if request is None else request_id(request)
    return MessageStatus(
        id_of("message", number), delivery, is_final, after(moment), request_id=requested
    )


# Every operation, in every version


@scenario(in_every_way=True)
def send(scene: Scene) -> None:
    sent = scene.ecall.sms.send(NUMBER, TEXT)
    assert sent == SentMessage(id_of("message"), ACCEPTED, pages=1, request_id=request_id())
    assert sent.raw["messageId"] == id_of("message")
    # v2 writes UTC; that v1 writes Swiss time is inferred. What the caller gets is the same.
    assert sent.raw["timestamp"] in {"2026-07-14T09:30:00.000Z", "2026-07-14T11:30:00.000"}


@scenario(in_every_way=True)
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


@scenario(in_every_way=True)
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


@scenario(in_every_way=True)
def status(scene: Scene) -> None:
    message_id = scene.ecall.sms.send(NUMBER, TEXT).message_id
    for request, (moment, word) in enumerate(
        [(0, "Pending"), (1, "Sent"), (2, "Delivered")], start=2
    ):
        assert scene.ecall.messages.status(message_id) == state(1, word, moment, request)
        scene.later(1)


@scenario(in_every_way=True)
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


@scenario(in_every_way=True)
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
def texts(scene: Scene) -> None:
    ecall = scene.ecall
    assert (
        ecall.sms.send(NUMBER, TextContent(text="Grüezi €5 {1}"), sender="+41 79 111 22 33").pages
        == 1
    )
    assert ecall.sms.send("078 765 43 21", "x" * 161, page_limit=2).pages == 2
    assert ecall.sms.send(RawAddress("963"), "\N{SNOWMAN}" * 71).pages == 2
    assert (
        ecall.whatsapp.send(NUMBER, 'Zwei Zeilen,\nein 👋 und "Zeichen" wie \\ und \u2028').pages
        is None
    )
    last = ecall.rcs.send(NUMBER, "À bientôt", sender="another-agent")
    assert last == SentMessage(id_of("message", 5), ACCEPTED, None, request_id=request_id(5))


@scenario()
def media_messages(scene: Scene) -> None:
    ecall = scene.ecall
    media_id = ecall.media.upload(PICTURE).media_id
    ids = [
        ecall.whatsapp.send(NUMBER, ImageContent(media_id=media_id)).message_id,
        ecall.rcs.send(NUMBER, StickerContent(media_id=media_id)).message_id,
        *ecall.whatsapp.broadcast(
            [NUMBER, OTHER_NUMBER], DocumentContent(media_id=media_id)
        ).message_ids,
    ]
    assert ids == [id_of("message", number) for number in (1, 2, 3, 4)]


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


@scenario()
def extra(scene: Scene) -> None:
    """The sandbox takes fields that it does not know; whether the service does is not known."""
    ecall = scene.ecall
    more: Extra = {"campaign": "Summer", "limits": {"perHour": 5, "days": ["Mon", "Tue"]}}
    assert ecall.sms.send(NUMBER, TEXT, extra=more).message_id == id_of("message", 1)
    assert ecall.rcs.broadcast([NUMBER], TEXT, extra=more).message_ids == (id_of("message", 2),)
    listed = ecall.messages.send_list(
        [ecall.sms.compose(NUMBER, TEXT, extra=more)], extra={"trace": None}
    )
    assert [entry.message_id for entry in listed.accepted] == [id_of("message", 3)]


@scenario(in_every_way=True)
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
def wait_until_sent(scene: Scene) -> None:
    message_id = scene.ecall.sms.send(NUMBER, TEXT).message_id
    assert scene.ecall.messages.wait(message_id, timeout=60, until="sent") == state(1, "Sent", 1, 4)


@scenario(in_spec=False)
def wait_through_trouble(scene: Scene) -> None:
    message_id = scene.ecall.sms.send(NUMBER, TEXT).message_id
    for status_code in (404, 500, 503):
        scene.plan(status_code)
    scene.plan(200, body="<html>", headers={"content-type": "text/html"})
    scene.later(1)
    assert scene.ecall.messages.wait(message_id, timeout=60) == state(1, "Delivered", 2, 6)


@scenario()
def retried(scene: Scene) -> None:
    """What the service has not taken is sent again, by the same call."""
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


@scenario(in_every_way=True)
def refused_recipient(scene: Scene) -> None:
    error = error_of(lambda: scene.ecall.sms.send(RawAddress("12"), TEXT))
    words = (
        "The number 12 is an invalid receiver: it must be international, +… or 00…, digits only."
    )
    assert isinstance(error, BadRequest)
    assert (error.code, error.message) == ("InvalidContent", "The request is not valid.")
    assert error.details == (ErrorDetail("To", (words,)),)
    assert (error.request_id, error.may_have_been_sent) == (request_id(), False)


@scenario()
def refused_recipients(scene: Scene) -> None:
    bad: list[str | RawAddress] = [RawAddress("12"), NUMBER, RawAddress("pager 7")]
    error = error_of(lambda: scene.ecall.sms.broadcast(bad, TEXT))
    assert isinstance(error, BadRequest)
    assert [detail.parameter for detail in error.details] == [
        "ToList[0].Address",
        "ToList[2].Address",
    ]
    assert error.may_have_been_sent is False


@scenario(in_spec=False)
def unknown_version(scene: Scene) -> None:
    for number, (method, path) in enumerate(
        [("GET", "/api/v9/message/1"), ("POST", "/api/v3/message")], start=1
    ):
        error = error_of(
            partial(scene.ecall.request, method, path, json=None if method == "GET" else {})
        )
        assert isinstance(error, BadRequest)
        assert error.code == "SandboxUnknownVersion"
        assert [detail.parameter for detail in error.details] == ["X-API-Version"]
        assert (error.request_id, error.may_have_been_sent) == (request_id(number), False)


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
        assert error.may_have_been_sent is (name in LOOKS_AFTER), name
        assert "portal" in str(error)
        assert USERNAME not in str(error)
        assert PASSWORD not in str(error)


@scenario(in_every_way=True)
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


@scenario(in_spec=False)
def unknown_path(scene: Scene) -> None:
    error = error_of(lambda: scene.ecall.request("POST", "/api/somewhere", json=[1]))
    assert isinstance(error, NotFound)
    assert (error.code, error.may_have_been_sent) == ("SandboxUnknownPath", False)


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


@scenario()
def status_that_is_no_longer_kept(scene: Scene) -> None:
    message_id = scene.ecall.sms.send(NUMBER, TEXT).message_id
    scene.later(7 * 24 * 3600 + 1)
    error = error_of(lambda: scene.ecall.messages.status(message_id))
    assert isinstance(error, NotFound)
    assert "keeps the status of a message for seven days" in str(error)
    assert error.may_have_been_sent is True


# Errors that are planned: each of every operation, in both versions


def calls(ecall: ECall) -> dict[str, Callable[[], object]]:
    """Give a call of every operation; of the one that sends, to one and to many."""
    return {
        "send": lambda: ecall.sms.send(NUMBER, TEXT),
        "broadcast": lambda: ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT),
        "send_list": lambda: ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)]),
        "status": lambda: ecall.messages.status(id_of("message")),
        "list_status": lambda: ecall.messages.list_status(id_of("list")),
        "upload": lambda: ecall.media.upload(PICTURE),
        "download": lambda: ecall.media.download(id_of("media"), io.BytesIO()),
    }


SENDS = frozenset({"send", "broadcast", "send_list"})
LOOKS_AFTER = frozenset({"status", "list_status"})
"""The calls about messages that are out, whose errors can change nothing of that."""


@dataclass(frozen=True)
class Trouble:
    """An answer that is planned, and the error that it has to become."""

    name: str
    status: int
    error: type[ECallError]
    sent: frozenset[str]
    """The sends that may have taken place all the same."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    words: str = ""
    """What the error has to say, besides the request id."""

    @property
    def in_spec(self) -> bool:
        return (
            self.status != 200 and self.answer.get("headers", {}) == _JSON
        ) or "body" not in self.answer


_ALL, _MANY, _NONE = SENDS, SENDS - {"send"}, frozenset[str]()
_DETAILED = {
    "errorCode": "InvalidContent",
    "errorMessage": "The request is not valid.",
    "errorDetails": {
        "errors": [{"parameter": "To", "messages": ["It is unknown.", "It is short."]}]
    },
}
_JSON = {"content-type": "application/json"}
_PROXY_PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"
_NOTHING = {"code": None, "message": None, "details": ()}
TROUBLES = [
    Trouble(
        "400", 400, BadRequest, _NONE, {"body": json.dumps(_DETAILED), "headers": _JSON},
        {"code": "InvalidContent", "details": (ErrorDetail("To", ("It is unknown.", "It is short.")),)},
        "To: It is unknown. It is short.",
    ),
    Trouble("401", 401, AuthenticationError, _NONE, {"code": "AccNoUser"}, {"code": "AccNoUser"}, "REST interface"),
    Trouble(
        "403", 403, PermissionDenied, _MANY, {"code": "AccNoUnits", "message": "Not enough credit."},
        {"code": "AccNoUnits", "message": "Not enough credit.", "details": ()}, "credit",
    ),
    Trouble("404", 404, NotFound, _NONE, {"code": "NoSuchThing"}, {"code": "NoSuchThing"}, "answered 404"),
    Trouble("413", 413, TooLarge, _NONE, {"body": "", "headers": {}}, _NOTHING, "answered 413"),
    Trouble(
        "429", 429, RateLimited, _MANY, {"headers": {"retry-after": "60"}},
        {"code": "SandboxTooManyRequests", "retry_after": 60.0}, "pause of 60 s",
    ),
    Trouble("500", 500, ServerError, _ALL, {"code": "DataReadError"}, {"code": "DataReadError", "retry_after": None}),
    Trouble("502-html", 502, ServerError, _ALL, {"body": _PROXY_PAGE}, _NOTHING, "answered 502"),
    Trouble("503", 503, ServerError, _ALL, {}, {"retry_after": None}),
    Trouble("503-long-pause", 503, ServerError, _NONE, {"headers": {"retry-after": "11"}}, {"retry_after": 11.0}),
    Trouble("418-unforeseen", 418, APIError, _ALL, {"body": "{}", "headers": _JSON}, _NOTHING),
    Trouble(
        "200-html", 200, UnreadableResponse, _ALL, {"body": "<html>Welcome</html>"},
        {"body": b"<html>Welcome</html>"}, "not JSON",
    ),
    Trouble("200-empty", 200, UnreadableResponse, _ALL, {"body": ""}, {"body": b""}, "empty"),
    Trouble("200-list", 200, UnreadableResponse, _ALL, {"body": "[1]", "headers": _JSON}, {}, "not a JSON object"),
    Trouble("200-without-id", 200, UnreadableResponse, _ALL, {"body": "{}", "headers": _JSON}, {}, "has no me"),
]  # fmt: skip


def play_trouble(trouble: Trouble, scene: Scene) -> None:
    number = 0
    for way in ("v2-path", "v1-header"):
        # Reads are repeated freely, which is shown elsewhere. Sends are left as they are: nothing here is repeated.
        plain = scene.ecall.with_options(**WAYS[way])
        once = plain.with_options(retry=False)
        for name in calls(plain):
            if trouble.status == 200 and name == "download":
                continue  # any bytes are a file
            if trouble.name == "200-without-id" and name in LOOKS_AFTER:
                continue  # to say nothing is to say that the state is unknown
            number += 1
            scene.plan(trouble.status, **trouble.answer)
            error = error_of(calls(plain if name in {*SENDS, "upload"} else once)[name])
            assert type(error) is trouble.error, (name, error)
            facts = {"status_code": trouble.status, **trouble.facts}
            assert {fact: getattr(error, fact) for fact in facts} == facts, name
            assert error.request_id == request_id(number), name
            assert error.may_have_been_sent is (name in trouble.sent | LOOKS_AFTER), name
            assert trouble.words in str(error), name
            assert str(error).endswith(f"(request id {request_id(number)})"), name


SCENARIOS += [
    Scenario(
        f"error-{one.name}", partial(play_trouble, one), {"sender": SENDERS}, in_spec=one.in_spec
    )
    for one in TROUBLES
]


@scenario()
def error_without_request_id(scene: Scene) -> None:
    scene.plan(503, headers={"x-f24-request-id": None, "retry-after": "1"})
    error = error_of(
        lambda: scene.ecall.sms.send(NUMBER, TEXT)
    )  # a proxy says this, too, after passing a send on
    assert isinstance(error, ServerError)
    assert (error.request_id, error.retry_after, error.may_have_been_sent) == (None, 1.0, True)
    assert "request id" not in str(error)


# Answers that the spec does not foresee, and that have to be understood


def _plan_json(scene: Scene, answer: object) -> None:
    scene.plan(200, body=json.dumps(answer), headers=_JSON)


@scenario(in_spec=False)
def other_answers_to_a_send(scene: Scene) -> None:
    ecall = scene.ecall
    _plan_json(scene, {"MessageId": 815, "SentOn": "14.07.2026 11:30:00", "Cost": 1.5})
    sent = ecall.sms.send(NUMBER, TEXT)
    assert sent == SentMessage("815", ACCEPTED, 1, request_id=request_id(1))
    assert sent.raw == {"MessageId": 815, "SentOn": "14.07.2026 11:30:00", "Cost": 1.5}
    named = [
        {"Address": OTHER_E164, "MessageId": "b"},
        {"address": INTERNATIONAL, "messageId": "a"},
    ]
    _plan_json(scene, {"MESSAGEIDLIST": named, "timestamp": None})
    many = ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT)
    assert (many.message_ids, many.ids_by_recipient) == (("b", "a"), {E164: "a", OTHER_E164: "b"})
    assert many.sent_at is None
    _plan_json(
        scene, {"messageListId": "l-1", "results": [{"messageId": "m-1"}, {"error": "AccNoUnits"}]}
    )
    listed = ecall.messages.send_list(
        [ecall.sms.compose(number, TEXT) for number in (NUMBER, OTHER_NUMBER)]
    )
    assert [(entry.message_id, entry.error) for entry in listed.entries] == [
        ("m-1", None),
        (None, FailureReason(message="AccNoUnits")),
    ]


@scenario(in_spec=False)
def other_states(scene: Scene) -> None:
    code = {"errorCode": "5112", "errorMessage": "Number bad.", "errorDetails": None}
    cases: list[tuple[dict[str, object], str, bool, FailureReason | None]] = [
        ({"state": "Failed", "error": code}, "Failed", True, FailureReason("5112", "Number bad.")),
        (
            {"state": "Undelivered", "error": {"ErrorCode": 71}},
            "Undelivered",
            True,
            FailureReason("71"),
        ),
        ({"State": 2}, "Failed", True, None),
        ({"State": 3}, "Scheduled", False, None),
        ({"state": 10}, "Sent", True, None),
        ({"state": "delivered"}, "Delivered", True, None),
        ({"state": "Teleported"}, "Teleported", False, None),
        ({"something": "else"}, "Unknown", False, None),
    ]
    for answer, word, is_final, error in cases:
        _plan_json(scene, {"messageId": "m-1", **answer})
        seen = scene.ecall.messages.status("m-1")
        assert (seen.message_id, seen.state.value, seen.is_final, seen.error) == (
            "m-1",
            word,
            is_final,
            error,
        )


@scenario()
def failed(scene: Scene) -> None:
    """A message that failed is no error of the call that asks for it."""
    error = {"errorCode": "5112", "errorMessage": "The number is bad."}
    _plan_json(
        scene,
        {
            "messageId": "m-1",
            "state": "Failed",
            "timestamp": "2026-07-14T09:30:02Z",
            "error": error,
        },
    )
    assert scene.ecall.messages.wait("m-1", timeout=60) == MessageStatus(
        "m-1",
        DeliveryState.FAILED,
        is_final=True,
        updated_at=after(2),
        error=FailureReason("5112", "The number is bad."),
        request_id=request_id(),
    )
