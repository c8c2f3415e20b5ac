"""Shared by the contract tests: the spec as other programs read it, a recorder of requests, and a round of calls.

The spec has the paths without a version, as the header states it; in a path the version stands in the middle. No server
with `/api/v1` or `/api/v2` could say that: the header would be left without one, Prism pays no heed to servers, and the
generator would write one of them into every URL. So `contract` makes a copy with each path in each version.
"""

from __future__ import annotations

import copy
import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import httpx
from _clients import NUMBER, OTHER_NUMBER, TEXT
from _spec import SPEC

from ecall_facade import (
    DocumentContent,
    ECall,
    ECallError,
    ListEntry,
    NotFound,
    Notify,
    SentBroadcast,
    SentList,
    SentMessage,
    StickerContent,
)

OCTETS = "application/octet-stream"
FILE = b"This is a file. Prism takes every body for text, so it may hold nothing else.\n"
UNKNOWN = "00000000-0000-4000-8000-000000000000"

# What the service answers and posts. The spec lets it say more than is known, the sandbox has to say just that.
_SAID = (
    *(
        "MessageResult",
        "AddressedMessageId",
        "MessageListResult",
        "MessageListEntry",
        "MessageStatusResult",
    ),
    *("MessageListStatusResult", "MediaUploadResult", "Error", "ErrorDetails", "ParameterError"),
    *("ReceivedMessage", "ReceivedContent", "StatusNotification"),
)


def contract(spec: Mapping[str, Any] = SPEC, *, strict: bool) -> dict[str, Any]:
    """Return the spec with each path in each version, and a header that has to state the version where no path does.

    A `strict` one describes no status by `default`, and lets answers hold nothing but what it names.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(spec))
    components = changed["components"]
    if strict:
        for name in _SAID:
            components["schemas"][name]["additionalProperties"] = False
        # What a toList within a list is answered is not known; the sandbox answers what it does outside of one.
        components["schemas"]["MessageListEntry"]["properties"]["messageIdList"] = {"type": "array"}
        components["headers"]["RequestId"]["required"] = True
    for path, methods in list(changed["paths"].items()):
        if strict:
            for operation in methods.values():
                del operation["responses"]["default"]
        for version in ("v1", "v2"):
            versioned = copy.deepcopy(methods)
            for operation in versioned.values():
                operation["operationId"] += version.upper()
                operation["parameters"] = [
                    each for each in operation["parameters"] if "$ref" not in each
                ]
            changed["paths"][path.replace("/api/", f"/api/{version}/")] = versioned
    components["parameters"]["ApiVersion"]["required"] = True
    for methods in changed["paths"].values():
        for operation in methods.values():
            # An upload has the media type of its file. The generator cannot read `*/*`, so the spec
            # names the type of any file.
            media_types = operation.get("requestBody", {}).get("content", {})
            if OCTETS in media_types:
                media_types["*/*"] = media_types.pop(OCTETS)
    return changed


def beside(spec: dict[str, Any], others: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a spec with other specs in it, each below a path of its own, for one program to serve."""
    changed = copy.deepcopy(spec)
    for name, other in others.items():
        moved = json.loads(
            re.sub(r'"(#/components/[\w-]+/[\w-]+)', rf'"\1-{name}', json.dumps(other))
        )
        for kind, members in moved["components"].items():
            changed["components"][kind].update(
                {f"{member}-{name}": value for member, value in members.items()}
            )
        security = [
            {f"{scheme}-{name}": scopes for scheme, scopes in each.items()}
            for each in moved["security"]
        ]
        for path, methods in moved["paths"].items():
            for operation in methods.values():
                operation["operationId"] += f"-{name}"
                operation["security"] = security
            changed["paths"][f"/{name}{path}"] = methods
    return changed


# On the wire


class RecordedExchange(NamedTuple):
    """A request and its response, both read."""

    request: httpx.Request
    response: httpx.Response

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.url.raw_path.decode()} -> {self.response.status_code}"


class Recorder(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for both clients that keeps what goes through it, and can add headers to the requests."""

    def __init__(self) -> None:
        self.exchanges: list[RecordedExchange] = []
        self.headers: dict[str, str] = {}
        self._sync = httpx.HTTPTransport(verify=False)
        self._async = httpx.AsyncHTTPTransport(verify=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        request.headers.update(self.headers)
        response = self._sync.handle_request(request)
        response.read()
        self.exchanges.append(RecordedExchange(request, response))
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        request.headers.update(self.headers)
        response = await self._async.handle_async_request(request)
        await response.aread()
        self.exchanges.append(RecordedExchange(request, response))
        return response

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


def violations(exchanges: Iterable[RecordedExchange]) -> list[str]:
    """Name what Prism has found, as mock or proxy: it says so in a header, or answers with a problem of its own."""
    found = []
    for exchange in exchanges:
        response = exchange.response
        if said := response.headers.get("sl-violations"):
            found.append(f"{exchange}: {said}")
        elif response.headers.get("content-type", "").startswith("application/problem+json"):
            found.append(f"{exchange}: {response.text}")
    return found


class Judge:
    """openapi-core with a spec; one that is no OpenAPI is refused at once."""

    def __init__(self, spec: dict[str, Any]) -> None:
        core: Any = importlib.import_module("openapi_core")
        self._testing: Any = importlib.import_module("openapi_core.testing")
        self._openapi = core.OpenAPI.from_dict(_without_binary(spec))
        self._server = spec["servers"][0]["url"]

    def problems(self, exchanges: Iterable[RecordedExchange]) -> list[str]:
        """Name what is wrong with requests and answers."""
        return [
            f"{exchange}: {problem}"
            for exchange in exchanges
            for problem in [
                *self.request_problems(exchange.request),
                *self.answer_problems(exchange),
            ]
        ]

    def request_problems(self, request: httpx.Request) -> list[str]:
        return [
            _words(error)
            for error in self._openapi.iter_apicall_request_errors(self._request(request))
        ]

    def answer_problems(self, exchange: RecordedExchange) -> list[str]:
        response = exchange.response
        answer = self._testing.MockResponse(
            response.content,
            response.status_code,
            dict(response.headers),
            response.headers.get("content-type", ""),
        )
        request = self._request(exchange.request)
        return [
            _words(error) for error in self._openapi.iter_apicall_response_errors(request, answer)
        ]

    def webhook_problems(self, name: str, body: bytes, content_type: str) -> list[str]:
        """Name what is wrong with a request that the service makes."""
        request = self._testing.MockRequest("", "POST", "", data=body, content_type=content_type)
        request.name = name
        return [_words(error) for error in self._openapi.iter_webhook_request_errors(request)]

    def _request(self, request: httpx.Request) -> Any:
        return self._testing.MockRequest(
            self._server,
            request.method,
            request.url.raw_path.decode().partition("?")[0],
            headers=dict(request.headers),
            data=request.content,
            content_type=request.headers.get("content-type", ""),
        )


def _without_binary(node: Any) -> Any:
    """Leave out the schemas of files: that bytes are a string is what OpenAPI 3.0 said, and the generator needs."""
    if isinstance(node, list):
        return [_without_binary(each) for each in node]
    if isinstance(node, dict):
        return (
            {}
            if node.get("format") == "binary"
            else {name: _without_binary(each) for name, each in node.items()}
        )
    return node


def _words(error: BaseException | None) -> str:
    words = []
    while error is not None:
        words.append(f"{type(error).__name__}: {error}"[:500])
        error = error.__cause__
    return "; ".join(words)


# Calls


def take_round(ecall: ECall) -> list[ECallError]:
    """Call every operation in most of its shapes, with the ids that the answers give; collect the errors."""
    errors: list[ECallError] = []

    def attempt(call: Callable[[], Any], default: Any = None) -> Any:
        try:
            return call()
        except ECallError as error:
            errors.append(error)
            return default

    def unknown() -> None:
        try:
            ecall.messages.status(UNKNOWN)  # Prism has whatever one asks for
        except NotFound as error:
            if error.code is None:
                raise

    def download() -> bytes:
        with ecall.media.stream(media_id) as chunks:
            return b"".join(chunks)

    sent = attempt(
        lambda: ecall.sms.send(NUMBER, TEXT, page_limit=2, notify=Notify("ops@example.com"))
    )
    message_id = sent.message_id if isinstance(sent, SentMessage) else UNKNOWN
    attempt(lambda: ecall.messages.status(message_id))
    attempt(unknown)
    many = attempt(lambda: ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT))
    assert many is None or isinstance(many, SentBroadcast)
    media = attempt(lambda: ecall.media.upload(FILE, content_type="text/plain"))
    media_id = media.media_id if media is not None else UNKNOWN
    attempt(download)
    attempt(lambda: ecall.whatsapp.send(NUMBER, DocumentContent(media_id=media_id)))
    items = [
        ecall.rcs.compose(NUMBER, StickerContent(media_id=media_id)),
        ecall.sms.compose(NUMBER, TEXT),
    ]
    lot = attempt(lambda: ecall.messages.send_list(items))
    list_id = lot.list_id if isinstance(lot, SentList) else UNKNOWN
    assert lot is None or all(isinstance(entry, ListEntry) for entry in lot.entries)
    attempt(lambda: ecall.messages.list_status(list_id))
    return errors


GOOD: dict[str, Any] = {
    "channel": "Sms",
    "from": "ACME",
    "to": "+41791234567",
    "content": {"type": "Text", "text": TEXT},
}
_ADDRESS = {"type": "Number", "address": "+41791234567"}
_STICKER = {"type": "Sticker", "mediaId": "f-1"}

BAD_MESSAGES: dict[str, dict[str, Any]] = {
    "no channel": {"channel": ...},
    "no sender": {"from": ...},
    "no content": {"content": ...},
    "no recipient": {"to": ...},
    "two kinds of recipients": {"toList": [_ADDRESS]},
    "an empty list of recipients": {"to": ..., "toList": []},
    "a recipient without its type": {"to": ..., "toList": [{"address": "+41791234567"}]},
    "a recipient without its address": {"to": ..., "toList": [{"type": "Number"}]},
    "a recipient that is a number": {"to": 41791234567},
    "a channel in small letters": {"channel": "sms"},
    "an unknown channel": {"channel": "Fax"},
    "an empty sender": {"from": ""},
    "a sender of 12 characters": {"from": "ACME Company"},
    "a content of no kind": {"content": {"text": TEXT}},
    "a content of an unknown kind": {"content": {"type": "Poem", "text": TEXT}},
    "no text": {"content": {"type": "Text"}},
    "an empty text": {"content": {"type": "Text", "text": ""}},
    "a text of 1531 characters by SMS": {"content": {"type": "Text", "text": "x" * 1531}},
    "a text of 4097 characters by WhatsApp": {
        "channel": "Whatsapp",
        "content": {"type": "Text", "text": "x" * 4097},
    },
    "a text of 1001 characters by RCS": {
        "channel": "Rcs",
        "content": {"type": "Text", "text": "x" * 1001},
    },
    "a sticker by WhatsApp": {"channel": "Whatsapp", "content": _STICKER},
    "no file": {"channel": "Rcs", "content": {"type": "Image"}},
    "a limit of 11 pages": {
        "content": {"type": "Text", "text": TEXT, "options": {"pageLimit": 11}}
    },
    "a limit in words": {
        "content": {"type": "Text", "text": TEXT, "options": {"pageLimit": "one"}}
    },
    "nobody to notify": {"notification": {"addresses": []}},
    "a notification without a type": {
        "notification": {"addresses": [{"address": "ops@example.com"}]}
    },
    "a notification of an unknown event": {
        "notification": {"addresses": [_ADDRESS], "forEvent": "Never"}
    },
}
"""Messages that the spec forbids, as changes of a good one; `...` stands for a field that is left out."""


def changed_message(change: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **change}.items() if value is not ...}
