"""A service that differs from what is guessed about eCall: it takes the same requests, and responds otherwise.

Without twists its responses are those of the spec. Each twist changes one aspect of all responses, and says which facts
cannot be read from them any more. What was accepted is counted here, whatever the response says.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, get_args
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from _clients import PASSWORD, USERNAME
from _servers import REQUEST_ID, Exchange, Hangup, Request, Server

ACCEPTED = datetime(2026, 7, 14, 9, 30, tzinfo=UTC)
DELIVERED = ACCEPTED + timedelta(seconds=4)
LATER = ACCEPTED + timedelta(days=7)
NOBODY = "12"
"""The recipient that is refused in a list."""
REFUSAL = (
    "InvalidContent",
    "The request is not valid.",
    "To",
    "The number is an invalid receiver.",
)
_SWISS = ZoneInfo("Europe/Zurich")
_TOKEN = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
_PATH = re.compile(r"/api(?:/v([^/]+))?/(message|messagelist|media)(?:/([^/?]+))?", re.IGNORECASE)

Operation: TypeAlias = Literal[
    "send", "broadcast", "send_list", "status", "list_status", "upload", "download"
]
Aspect: TypeAlias = Literal[
    "ids",
    "states",
    "times",
    "errors",
    "names",
    "extras",
    "case",
    "nesting",
    "text",
    "bytes",
    "status",
    "header",
]
"""The part of a response that a twist changes, in the order of changes; a combination has at most one of each."""
Fact: TypeAlias = Literal[
    "object",  # the response is a JSON object
    "message id",
    "message ids",
    "entry ids",  # of the messages of a list
    "list id",
    "media id",
    "state",
    "time",
    "the name of the time",
    "the only time",
    "the looks of a time",
    "the name of the array",
    "the only array",
    "entry errors",
    "problem",  # what an error is about
    "request id",
    "length",  # of a file
    "file",
]
"""A fact that a twist may hide from the reader."""
IDS: frozenset[Fact] = frozenset({"message id", "message ids", "entry ids", "list id", "media id"})


@dataclass
class Draft:
    """A response in the making."""

    operation: Operation
    version: int
    data: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    request_id: dict[str, str] = field(default_factory=lambda: {"x-f24-request-id": REQUEST_ID})
    is_refusal: bool = False
    body: bytes = b""
    coded: bytes | None = None  # the body in the coding that the headers name
    before: bytes = b""  # sent ahead of the response
    framing: Literal["length", "chunks", "end"] = "length"
    recipients: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    """Other spellings of ids that this response gives, with the ids they stand for."""

    @property
    def is_json(self) -> bool:
        return self.operation != "download" or self.is_refusal


@dataclass(frozen=True)
class Twist:
    name: str
    aspect: Aspect
    change: Callable[[Draft], None]
    hides: frozenset[Fact] = frozenset()
    state: tuple[str, bool] | None = None
    """The state that is to be read, and whether it is final, where that is not Delivered."""
    status: int = 200

    @property
    def fails(self) -> bool:
        return not 200 <= self.status <= 299


@dataclass(frozen=True)
class Accepted:
    """One message that the service took, for one recipient."""

    operation: Operation
    recipient: str
    id: str


class DifferentService:
    """A server on a free port. With `refuses` it takes nothing, and responds with that status."""

    def __init__(self, *twists: Twist) -> None:
        order = get_args(Aspect)
        self.twists = sorted(twists, key=lambda twist: order.index(twist.aspect))
        self.refuses: int | None = None
        self.accepted: list[Accepted] = []
        self.files: dict[str, bytes] = {}
        self.lists: dict[str, list[str]] = {}
        self.shown: dict[str, str] = {}
        """How each id was spelled in the responses."""
        self.responses: list[Draft] = []
        self._ids = 0
        self._aliases: dict[str, str] = {}
        self._server = Server(self._serve)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def requests(self) -> list[Request]:
        return self._server.requests

    @property
    def hides(self) -> frozenset[Fact]:
        return frozenset[Fact]().union(*(twist.hides for twist in self.twists))

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.__exit__()

    # What it does

    def _serve(self, exchange: Exchange) -> None:
        draft = self._act(exchange.request)
        is_late = [
            get_args(Aspect).index(twist.aspect) >= get_args(Aspect).index("text")
            for twist in self.twists
        ]
        for twist, late in zip(self.twists, is_late, strict=True):
            if not late:
                twist.change(draft)
        if isinstance(draft.data, bytes):
            draft.body = draft.data
        else:
            draft.data = _with_times(draft.data, lambda moment: write_time(moment, draft.version))
            draft.body = json.dumps(draft.data).encode()
        for twist, late in zip(self.twists, is_late, strict=True):
            if late:
                twist.change(draft)
        self.responses.append(draft)
        self._aliases.update(draft.aliases)
        self.shown.update({known: shown for shown, known in draft.aliases.items()})
        exchange.send(draft.before + _on_the_wire(draft))
        if draft.framing == "end":
            raise Hangup

    def _act(self, request: Request) -> Draft:
        path, _, _ = request.path.partition("?")
        match = _PATH.fullmatch(path)
        if request.headers.get("authorization") != _TOKEN:
            return _refusal("status", 401)
        if match is None:
            return _refusal("status", 404, code="NoSuchPath")
        stated, resource, given = (
            match[1] or request.headers.get("x-api-version", "1"),
            match[2].lower(),
            match[3],
        )
        operation = _operation(resource, given is not None, request.body)
        if stated not in {"1", "1.0", "2", "2.0"}:
            return _refusal(operation, 400)
        if request.method != ("POST" if given is None else "GET"):
            return _refusal(operation, 405, code="NoSuchMethod")
        if self.refuses is not None:
            return _refusal(operation, self.refuses)
        draft = Draft(operation, int(stated[0]), None)
        known = self._aliases.get(unquote(given or ""), unquote(given or ""))
        refused: int | None = getattr(self, f"_{operation}")(draft, request.body, known)
        return draft if refused is None else _refusal(operation, refused)

    def _new(self, kind: int) -> str:
        self._ids += 1
        return f"b1f5a2f0-{kind:04x}-4c6e-9d3a-{self._ids:012d}"

    def _take(self, operation: Operation, recipient: str) -> str:
        message_id = self._new(1)
        self.accepted.append(Accepted(operation, recipient, message_id))
        return message_id

    def _send(self, draft: Draft, body: bytes, _: str) -> int | None:
        to = json.loads(body).get("to")
        if not to:
            return 400
        draft.data = {"messageId": self._take("send", to), "timestamp": ACCEPTED}
        return None

    def _broadcast(self, draft: Draft, body: bytes, _: str) -> int | None:
        recipients = [item["address"] for item in json.loads(body)["toList"]]
        ids = [self._take("broadcast", recipient) for recipient in recipients]
        draft.data = {"messageIdList": ids, "timestamp": ACCEPTED}
        draft.recipients = recipients
        return None

    def _send_list(self, draft: Draft, body: bytes, _: str) -> int | None:
        messages = json.loads(body).get("messages")
        if not messages:
            return 400
        list_id, before = self._new(2), len(self.accepted)
        entries = [
            {"error": error_of(400)}
            if item["to"] == NOBODY
            else {"messageId": self._take("send_list", item["to"])}
            for item in messages
        ]
        self.lists[list_id] = [message.id for message in self.accepted[before:]]
        draft.data = {"messageListId": list_id, "messages": entries}
        return None

    def _status(self, draft: Draft, _: bytes, known: str) -> int | None:
        if known not in {message.id for message in self.accepted}:
            return 404
        draft.data = _delivered(known)
        return None

    def _list_status(self, draft: Draft, _: bytes, known: str) -> int | None:
        if known not in self.lists:
            return 404
        draft.data = {
            "messageListId": known,
            "messages": [_delivered(one) for one in self.lists[known]],
        }
        return None

    def _upload(self, draft: Draft, body: bytes, _: str) -> int | None:
        media_id = self._new(3)
        self.files[media_id] = body
        draft.data = {"mediaId": media_id}
        return None

    def _download(self, draft: Draft, _: bytes, known: str) -> int | None:
        if known not in self.files:
            return 404
        draft.data = self.files[known]
        draft.headers["Content-Type"] = "application/octet-stream"
        return None


def _operation(resource: str, has_id: bool, body: bytes) -> Operation:
    if resource == "media":
        return "download" if has_id else "upload"
    if resource == "messagelist":
        return "list_status" if has_id else "send_list"
    return "status" if has_id else "broadcast" if b'"toList"' in body else "send"


def _delivered(message_id: str) -> dict[str, Any]:
    return {"messageId": message_id, "state": "Delivered", "timestamp": DELIVERED}


def error_of(status: int, code: str = REFUSAL[0]) -> dict[str, Any]:
    _, message, parameter, words = REFUSAL
    details = {"errors": [{"parameter": parameter, "messages": [words]}]}
    return {"errorCode": code, "errorMessage": message, "errorDetails": details}


def _refusal(operation: Operation, status: int, code: str = REFUSAL[0]) -> Draft:
    draft = Draft(operation, 2, error_of(status, code), status, is_refusal=True)
    if status == 401:
        draft.headers["WWW-Authenticate"] = 'Basic realm="different"'
    return draft


def write_time(moment: datetime, version: int) -> str:
    """Write a time as the spec has it: v2 in UTC with Z; v1, inferred, in Swiss time without an offset."""
    if version == 2:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.astimezone(_SWISS).strftime("%Y-%m-%dT%H:%M:%S")


def _on_the_wire(draft: Draft) -> bytes:
    reason = HTTPStatus(draft.status).phrase if draft.status in set(HTTPStatus) else "Something"
    headers, body = (
        {**draft.headers, **draft.request_id},
        draft.body if draft.coded is None else draft.coded,
    )
    if draft.status in {204, 304}:
        body = b""
    elif draft.framing == "chunks":
        headers["Transfer-Encoding"] = "chunked"
        parts = [body[at : at + 7] for at in range(0, len(body), 7)]
        body = (
            b"".join(b"%x;last=no\r\n%s\r\n" % (len(part), part) for part in parts)
            + b"0\r\nX-Trailer: 1\r\n\r\n"
        )
    elif draft.framing == "end":
        headers["Connection"] = "close"
    else:
        headers["Content-Length"] = str(len(body))
    lines = [
        f"HTTP/1.1 {draft.status} {reason}",
        *[f"{name}: {value}" for name, value in headers.items()],
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


# Walking through data


def _with_times(node: Any, write: Callable[[datetime], Any]) -> Any:
    if isinstance(node, dict):
        return {name: _with_times(value, write) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_times(value, write) for value in node]
    return write(node) if isinstance(node, datetime) else node


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects in a response."""
    if isinstance(node, dict):
        yield node
    for value in (
        list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    ):
        yield from _objects(value)


def _renamed(node: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(node, dict):
        return {rename(name): _renamed(value, rename) for name, value in node.items()}
    return [_renamed(value, rename) for value in node] if isinstance(node, list) else node


def _respelled(draft: Draft, spell: Callable[[str], Any]) -> None:
    """Write all ids of a response in another way."""
    new: dict[str, str] = {}

    def respell(value: Any) -> Any:
        new[str(spell(value))] = value
        return spell(value)

    for node in _objects(draft.data):
        for name in ("messageId", "messageListId", "mediaId"):
            if node.get(name):
                node[name] = respell(node[name])
        if node.get("messageIdList"):
            node["messageIdList"] = [respell(value) for value in node["messageIdList"]]
    draft.aliases.update(new)


def _accepted(draft: Draft) -> bool:
    return draft.is_json and not draft.is_refusal


# Making twists

TWISTS: list[Twist] = []


def _add(
    name: str, aspect: Aspect, change: Callable[[Draft], None], *hides: Fact, **more: Any
) -> None:
    TWISTS.append(Twist(f"{aspect}: {name}", aspect, change, frozenset(hides), **more))


def _on_data(change: Callable[[Draft], None]) -> Callable[[Draft], None]:
    return lambda draft: change(draft) if _accepted(draft) else None


def _rename(**names: str) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        if _accepted(draft):
            draft.data = _renamed(draft.data, lambda name: names.get(name, name))

    return change


# ids: their names, shapes and places

_add(
    "another name for all",
    "ids",
    _rename(messageId="id", messageIdList="ids", messageListId="id", mediaId="id"),
    *IDS,
)
_add(
    "in snake case",
    "ids",
    _rename(
        messageId="message_id",
        messageIdList="message_id_list",
        messageListId="message_list_id",
        mediaId="media_id",
    ),
    *IDS,
)
_add("messageId is jobId", "ids", _rename(messageId="jobId"), "message id", "entry ids")
_add("messageIdList is messageIds", "ids", _rename(messageIdList="messageIds"), "message ids")
_add("messageListId is listId", "ids", _rename(messageListId="listId"), "list id")
_add("mediaId is fileId", "ids", _rename(mediaId="fileId"), "media id")
_add("integers", "ids", lambda draft: _respelled(draft, lambda one: int(one[-12:]) + 815_000))
_add("long integers", "ids", lambda draft: _respelled(draft, lambda one: int(one[-12:]) + 2**60))
_add(
    "in capitals, in braces",
    "ids",
    lambda draft: _respelled(draft, lambda one: f"{{{one.upper()}}}"),
)
_add("with slashes and spaces", "ids", lambda draft: _respelled(draft, lambda one: f"a/{one} ü?"))
_add("floats", "ids", lambda draft: _respelled(draft, lambda one: int(one[-12:]) + 0.5), *IDS)
_add(
    "objects",
    "ids",
    lambda draft: _respelled(draft, lambda one: {"value": one}),
    *IDS - {"message ids"},
    "message ids",
)


def _nothing_for_ids(value: object) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        for node in _objects(draft.data):
            node.update({name: value for name in node if name.endswith("Id")})
            if "messageIdList" in node:
                node["messageIdList"] = [value for _ in node["messageIdList"]]

    return _on_data(change)


for _name, _value in {
    "null": None,
    "zero": 0,
    "an empty Guid": "00000000-0000-0000-0000-000000000000",
    "empty": "",
}.items():
    _add(f"all are {_name}", "ids", _nothing_for_ids(_value), *IDS)


def _listed(make: Callable[[list[str], list[str]], object]) -> Callable[[Draft], None]:
    """Write the list of ids of a broadcast in another way, from the ids and the recipients."""

    def change(draft: Draft) -> None:
        if _accepted(draft) and draft.operation == "broadcast":
            draft.data["messageIdList"] = make(draft.data["messageIdList"], draft.recipients)

    return change


def _pairs(id_name: str, address_name: str) -> Callable[[list[str], list[str]], object]:
    return lambda ids, recipients: [
        {id_name: one, address_name: recipient}
        for one, recipient in reversed(list(zip(ids, recipients, strict=True)))
    ]


_add("a list of objects, the other way round", "ids", _listed(_pairs("messageId", "address")))
_add("a list of objects in capitals", "ids", _listed(_pairs("MESSAGEID", "ADDRESS")))
_add(
    "a list of objects with another name for recipients",
    "ids",
    _listed(_pairs("messageId", "person")),
)
_add(
    "a list of objects without known ids",
    "ids",
    _listed(_pairs("number", "address")),
    "message ids",
)
_add(
    "a list of objects with 0041",
    "ids",
    _listed(
        lambda ids, to: [
            {"messageId": i, "address": "00" + r[1:]} for i, r in zip(ids, to, strict=True)
        ]
    ),
)
_add(
    "a dict for a list",
    "ids",
    _listed(lambda ids, to: dict(zip(to, ids, strict=True))),
    "message ids",
)
_add("a string for a list", "ids", _listed(lambda ids, _: ",".join(ids)), "message ids")
_add("lists in the list", "ids", _listed(lambda ids, _: [[one] for one in ids]), "message ids")


def _swapped(draft: Draft) -> None:
    if draft.operation == "send":
        draft.data["messageIdList"] = [draft.data.pop("messageId")]
    elif draft.operation == "broadcast" and len(draft.data["messageIdList"]) == 1:
        draft.data["messageId"] = draft.data.pop("messageIdList")[0]


def _both(draft: Draft) -> None:
    if draft.operation == "send":
        draft.data["messageIdList"] = [draft.data["messageId"]]
    elif draft.operation == "broadcast":
        draft.data["messageId"] = draft.data["messageIdList"][0]


def _zero_where_refused(draft: Draft) -> None:
    if draft.operation == "send_list":
        for entry in draft.data["messages"]:
            entry.setdefault("messageId", 0)
            entry.setdefault("error", None)


_add("one in a list", "ids", _on_data(_swapped))
_add("both at once", "ids", _on_data(_both))
_add("zero for what was refused", "ids", _on_data(_zero_where_refused))

# states


def _states(write: Callable[[], object]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        for node in _objects(draft.data):
            if "state" in node:
                node["state"] = write()

    return _on_data(change)


_STATES: list[tuple[object, tuple[str, bool] | None]] = [
    (8, None), ("8", None), (" 8 ", None), (8.0, None), ("delivered", None), ("DELIVERED", None), (10, ("Sent", True)),
    (2, ("Failed", True)), ("1", ("Sent", False)), ("Zugestellt", ("Zugestellt", False)), (4711, ("4711", False)),
    ("In Zustellung", ("In Zustellung", False)), ("", ("Unknown", False)), (None, ("Unknown", False)),
    (True, ("Unknown", False)),
]  # fmt: skip
for _written, _read in _STATES:
    _add(repr(_written), "states", _states(partial(copy.copy, _written)), state=_read)
_add("an object", "states", _states(lambda: {"code": 8, "name": "Delivered"}), "state")
_add("a list", "states", _states(lambda: ["Sent", "Delivered"]), "state")

# times


def _times(write: Callable[[datetime], Any]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.data = _with_times(draft.data, write)

    return _on_data(change)


def _swiss(moment: datetime, shape: str) -> str:
    return moment.astimezone(_SWISS).strftime(shape)


_add(
    "without an offset", "times", _times(lambda moment: _swiss(moment, "%Y-%m-%dT%H:%M:%S.0000000"))
)
_add("with an offset", "times", _times(lambda moment: _swiss(moment, "%Y-%m-%d %H:%M:%S%z")))
_add("Swiss", "times", _times(lambda moment: _swiss(moment, "%d.%m.%Y %H:%M:%S")))
_add("RFC 1123", "times", _times(lambda moment: format_datetime(moment, usegmt=True)))
_add("seconds", "times", _times(lambda moment: int(moment.timestamp())), "the looks of a time")
_add(
    "milliseconds",
    "times",
    _times(lambda moment: int(moment.timestamp() * 1000)),
    "the looks of a time",
)
_add(
    "seconds in a string",
    "times",
    _times(lambda moment: str(int(moment.timestamp()))),
    "the looks of a time",
)
_add(
    ".NET's",
    "times",
    _times(lambda moment: f"/Date({moment.timestamp() * 1000:.0f})/"),
    "the looks of a time",
)
_add("a date", "times", _times(lambda moment: f"{moment:%Y-%m-%d}"), "time")
_add("American", "times", _times(lambda moment: f"{moment:%m/%d/%Y %H:%M}"), "time")
_add("words", "times", _times(lambda moment: "just now: a moment ago"), "time")
_add(
    "an object",
    "times",
    _times(lambda moment: {"date": f"{moment:%d.%m.%Y}", "time": f"{moment:%H:%M}"}),
    "time",
)
_add("the year 1", "times", _times(lambda moment: "0001-01-01T00:00:00"), "time")
_add("null", "times", _times(lambda moment: None), "time")
_add("a long number", "times", _times(lambda moment: 10**40), "time")

# errors: other shapes of what refuses, also within a list


def _error_shape(
    make: Callable[[int], Any], content_type: str = "application/json"
) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        if draft.is_refusal:
            draft.data = make(draft.status)
            draft.headers["Content-Type"] = content_type
        elif draft.operation == "send_list":
            for entry in draft.data["messages"]:
                if "error" in entry:
                    made = make(400)
                    entry["error"] = made.decode() if isinstance(made, bytes) else made

    return change


_CODE, _MESSAGE, _PARAMETER, _WORDS = REFUSAL
_PROBLEM = {"type": "https://example.com/problems/receiver", "title": _MESSAGE, "detail": _WORDS}
_add(
    "RFC 7807",
    "errors",
    _error_shape(lambda status: {**_PROBLEM, "status": status}, "application/problem+json"),
    "problem",
)
_add(
    "RFC 7807 of ASP.NET",
    "errors",
    _error_shape(
        lambda status: {**_PROBLEM, "errors": {_PARAMETER: [_WORDS]}}, "application/problem+json"
    ),
    "problem",
)
_add(
    "ModelState",
    "errors",
    _error_shape(lambda _: {"Message": _MESSAGE, "ModelState": {"m.To": [_WORDS]}}),
    "problem",
)
_add(
    "plain text",
    "errors",
    _error_shape(lambda _: _WORDS.encode(), "text/plain; charset=utf-8"),
    "problem",
)
_add(
    "HTML", "errors", _error_shape(lambda _: f"<html><p>{_WORDS}".encode(), "text/html"), "problem"
)
_add(
    "XML",
    "errors",
    _error_shape(lambda _: f"<Error>{_WORDS}</Error>".encode(), "application/xml"),
    "problem",
)
_add("nested", "errors", _error_shape(lambda status: {"error": error_of(status)}), "problem")
_add(
    "nested, with other names",
    "errors",
    _error_shape(lambda _: {"error": {"code": 7, "message": _WORDS}}),
    "problem",
)
_add("an array", "errors", _error_shape(lambda status: [error_of(status)]), "problem")
_add(
    "of OAuth",
    "errors",
    _error_shape(lambda _: {"error": "invalid", "error_description": _WORDS}),
    "problem",
)
_add("a string", "errors", _error_shape(lambda _: _WORDS))
_add("a number", "errors", _error_shape(lambda _: 11100), "problem")
_add(
    "PascalCase",
    "errors",
    _error_shape(
        lambda status: _renamed(error_of(status), lambda name: name[0].upper() + name[1:])
    ),
)
_add(
    "a number for the code",
    "errors",
    _error_shape(lambda status: {**error_of(status), "errorCode": 11100}),
)
_add(
    "without details", "errors", _error_shape(lambda _: {"errorCode": _CODE, "errorMessage": None})
)
_add(
    "details are a dict",
    "errors",
    _error_shape(lambda status: {**error_of(status), "errorDetails": {"To": [_WORDS]}}),
)
_add(
    "details are a list",
    "errors",
    _error_shape(lambda status: {**error_of(status), "errorDetails": [_WORDS]}),
)
_add(
    "messages are a string",
    "errors",
    _error_shape(
        lambda status: json.loads(
            json.dumps(error_of(status)).replace(f'["{_WORDS}"]', f'"{_WORDS}"')
        )
    ),
)
_add("empty", "errors", _error_shape(lambda _: {}), "problem", "entry errors")
_add("nothing", "errors", _error_shape(lambda _: b"", "text/plain"), "problem", "entry errors")

# names of what is inferred

_add("the time is acceptedAt", "names", _rename(timestamp="acceptedAt"), "the name of the time")
_add("the state is deliveryStatus", "names", _rename(state="deliveryStatus"), "state")
_add("the messages are results", "names", _rename(messages="results"), "the name of the array")
_add("an entry's error is fault", "names", _rename(error="fault"), "entry errors")
_add(
    "all of them are German",
    "names",
    _rename(timestamp="zeitpunkt", state="zustand", messages="nachrichten", error="fehler"),
    "the name of the time",
    "state",
    "the name of the array",
    "entry errors",
)


def _without(*names: str) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        for node in _objects(draft.data):
            for name in names:
                node.pop(name, None)

    return _on_data(change)


_add(
    "no messages in the response",
    "names",
    _without("messages"),
    "the name of the array",
    "the only array",
)
_add("ids only", "names", _without("timestamp", "state", "error"), "time", "state", "entry errors")


def _bare_entries(draft: Draft) -> None:
    """List the messages by their ids alone, as strings; what was refused is null."""
    if draft.operation == "send_list":
        draft.data["messages"] = [entry.get("messageId") for entry in draft.data["messages"]]


_add("the messages of a list are bare ids", "names", _on_data(_bare_entries), "entry errors")

# extras


def _extra(make: Callable[[], dict[str, Any]]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.data = {**make(), **draft.data}

    return _on_data(change)


_DEEP = json.loads('{"a": ' * 200 + "1" + "}" * 200)
_add(
    "unknown fields",
    "extras",
    _extra(lambda: {"cost": 0.05, "test": False, "note": "Grüezi 👋", "next": None}),
)
_add(
    "the same names further inside",
    "extras",
    _extra(lambda: {"about": {"messageId": "no", "mediaId": 7, "state": 2}}),
)
_add(
    "a code that says that all is well",
    "extras",
    _extra(lambda: {"errorCode": "OK", "errorMessage": "Success"}),
)
_add(
    "other arrays",
    "extras",
    _extra(lambda: {"links": ["a"], "warnings": [{"messageId": "no"}]}),
    "the only array",
)
_add(
    "another time", "extras", _extra(lambda: {"validUntil": write_time(LATER, 2)}), "the only time"
)
_add("very much", "extras", _extra(lambda: {"padding": "x" * 300_000, "deep": _DEEP}))

# case


def _cased(draft: Draft, change: Callable[[str], str]) -> None:
    if draft.is_json and not isinstance(draft.data, bytes):
        draft.data = _renamed(draft.data, change)


_add("PascalCase", "case", lambda draft: _cased(draft, lambda name: name[:1].upper() + name[1:]))
_add("capitals", "case", lambda draft: _cased(draft, str.upper))
_add("small letters", "case", lambda draft: _cased(draft, str.lower))


# nesting

_NESTED: tuple[Fact, ...] = (*IDS, "state", "time", "the name of the array", "the only array")


def _nested(make: Callable[[Any], Any]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.data = make(copy.deepcopy(draft.data))

    return _on_data(change)


_add("in data", "nesting", _nested(lambda data: {"data": data}), *_NESTED)
_add(
    "in result, beside a status",
    "nesting",
    _nested(lambda data: {"status": "ok", "result": data}),
    *_NESTED,
)
_add("in a list", "nesting", _nested(lambda data: [data]), "object")
_add("in a string", "nesting", _nested(lambda data: json.dumps(_with_times(data, str))), "object")
_add(
    "in a string in an object",
    "nesting",
    _nested(lambda data: {"d": json.dumps(_with_times(data, str))}),
    *_NESTED,
)

# text: how the JSON is written


def _text(write: Callable[[Any], str], encoding: str = "utf-8") -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        if draft.is_json and not isinstance(draft.data, bytes):
            draft.body = write(draft.data).encode(encoding)

    return change


def _plain(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False)


def _opened(data: Any, beginning: str) -> str:
    """Put something at the beginning of an object."""
    return "{" + beginning + _plain(data)[1:] if isinstance(data, dict) else _plain(data)


def _twice(data: Any) -> str:
    """Write each name twice; the second time is as good as the first."""
    return (
        _opened(data, _plain(data)[1:-1] + ", ")
        if isinstance(data, dict) and data
        else _plain(data)
    )


def _null_first(data: Any) -> str:
    nulls = "".join(f'"{name}": null, ' for name in data if name) if isinstance(data, dict) else ""
    return _opened(data, nulls)


_UNREADABLE: tuple[Fact, ...] = ("object", "problem")
_add(
    "on many lines",
    "text",
    _text(lambda data: "\r\n\t" + json.dumps(data, indent=8).replace("\n", "\r\n") + "\r\n\r\n"),
)
_add("duplicate keys", "text", _text(_twice))
_add("duplicate keys, null first", "text", _text(_null_first))
_add(
    "NaN and Infinity",
    "text",
    _text(lambda data: _opened(data, '"cost": NaN, "credit": -Infinity, ')),
)
_add("with a byte order mark", "text", _text(_plain, "utf-8-sig"))
_add("UTF-16", "text", _text(_plain, "utf-16"))
_add("UTF-16 without a mark", "text", _text(_plain, "utf-16-be"))
_add("UTF-32", "text", _text(_plain, "utf-32"))
_add(
    "Latin-1",
    "text",
    _text(lambda data: _opened(data, '"gruss": "Grüezi", '), "latin-1"),
    *_UNREADABLE,
)
_add("a comma too many", "text", _text(lambda data: _plain(data)[:-1] + ",}"), *_UNREADABLE)
_add("comments", "text", _text(lambda data: f"// all is well\n{_plain(data)}"), *_UNREADABLE)
_add(
    "a prefix against attacks", "text", _text(lambda data: f")]}}',\n{_plain(data)}"), *_UNREADABLE
)
_add("a call", "text", _text(lambda data: f"callback({_plain(data)});"), *_UNREADABLE)
_add("a second object behind it", "text", _text(lambda data: f"{_plain(data)}\n{{}}"), *_UNREADABLE)
_add("Python's own", "text", _text(repr), *_UNREADABLE)
_add(
    "XML",
    "text",
    _text(lambda data: f"<?xml version='1.0'?><Answer>{_plain(data)}</Answer>"),
    *_UNREADABLE,
)
_add(
    "an id and nothing else",
    "text",
    _text(lambda _: "b1f5a2f0-0001-4c6e-9d3a-000000000001"),
    *_UNREADABLE,
)
_add("OK", "text", _text(lambda _: "OK"), *_UNREADABLE)
_add("empty", "text", _text(lambda _: ""), *_UNREADABLE)
_add(
    "too deep",
    "text",
    _text(lambda data: _opened(data, f'"a": {"[" * 100_000}{"]" * 100_000}, ')),
    *_UNREADABLE,
)

# bytes: how they travel


def _coded(
    coding: str, encode: Callable[[bytes], bytes], framing: Literal["length", "chunks"] = "length"
) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.headers["Content-Encoding"], draft.coded, draft.framing = (
            coding,
            encode(draft.body),
            framing,
        )

    return change


def _framed(framing: Literal["chunks", "end"]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.framing = framing

    return change


def _typed(content_type: str | None) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        if content_type is None:
            draft.headers.pop("Content-Type")
        elif draft.is_json:
            draft.headers["Content-Type"] = content_type

    return change


def _hinted(draft: Draft) -> None:
    draft.before = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    )


_add("gzip", "bytes", _coded("gzip", gzip.compress), "length")
_add("deflate", "bytes", _coded("deflate", zlib.compress), "length")
_add("gzip in chunks", "bytes", _coded("gzip", gzip.compress, "chunks"), "length")
_add("chunks", "bytes", _framed("chunks"), "length")
_add("until the connection ends", "bytes", _framed("end"), "length")
_add("hints first", "bytes", _hinted)
_add(
    "said to be gzip, and is not",
    "bytes",
    _coded("gzip", lambda body: body),
    *_UNREADABLE,
    "file",
    "length",
)
_add("text/plain", "bytes", _typed("text/plain"))
_add("text/html in UTF-7", "bytes", _typed("text/html; charset=utf-7"))
_add("of no known kind", "bytes", _typed("; ;=?"))
_add("of no kind", "bytes", _typed(None))

# status


def _with_status(status: int) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        if not draft.is_refusal:
            draft.status = status
            if 300 <= status <= 399:
                draft.headers["Location"] = "/api/v2/message"

    return change


def _emptied(status: int, draft: Draft) -> None:
    if not draft.is_refusal:
        draft.status, draft.body, draft.coded, draft.framing = status, b"", None, "length"
        draft.headers.pop("Content-Encoding", None)


for _status in (201, 202, 203, 206, 207, 226, 299):
    _add(str(_status), "status", _with_status(_status), status=_status)
for _status in (204, 205):  # without a body: 205 may not have one, either
    _add(str(_status), "status", partial(_emptied, _status), "object", "file", status=_status)
for _status in (
    300,
    302,
    303,
    304,
    307,
    308,
    402,
    406,
    408,
    409,
    410,
    418,
    425,
    451,
    499,
    500,
    502,
    504,
    520,
    599,
    999,
):
    _add(str(_status), "status", _with_status(_status), status=_status)

# header: the request id


def _identified(**headers: str) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.request_id = {name.replace("_", "-"): value for name, value in headers.items()}

    return change


_add("no request id", "header", _identified(), "request id")
_add("another name", "header", _identified(X_Request_Id=REQUEST_ID), "request id")
_add("an empty one", "header", _identified(x_f24_request_id=""), "request id")
_add("in capitals", "header", _identified(X_F24_REQUEST_ID=REQUEST_ID))


def combination(seed: int) -> list[Twist]:
    """Return some twists, at most one of each aspect, always the same for a seed."""
    chance = random.Random(seed)
    aspects = [aspect for aspect in get_args(Aspect) if chance.random() < 0.5] or ["case"]
    readable = [twist for twist in TWISTS if not twist.fails and "object" not in twist.hides]
    # Where nothing at all can be read, the other twists do not show; so that is rare.
    pool = TWISTS if chance.random() < 0.25 else readable
    return [
        chance.choice([twist for twist in pool if twist.aspect == aspect] or readable[:1])
        for aspect in aspects
    ]
