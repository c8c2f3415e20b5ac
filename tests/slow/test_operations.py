"""Every operation of the spec is reached by both clients, and what they send and are answered is as the spec says."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import _cassettes
import _spec
import httpx
import pytest
from _clients import E164, NUMBER, SENDERS, TEXT
from _methods import FILE, METHODS, called, public_methods
from _scenarios import SCENARIOS, WAYS

import ecall_client.api
from ecall_client import tables
from ecall_client.operations import OperationRequest, OperationResponse
from ecall_facade import (
    AsyncECall,
    ECall,
    ImageContent,
    StickerContent,
    TextContent,
    TextOptions,
    UsageError,
)

if TYPE_CHECKING:
    from _clients import OpenClient

# Which operations each method calls, in order. `request` calls what it is told.
REACHES = {
    "sms.send": ["sendMessage"],
    "sms.broadcast": ["sendMessage"],
    "sms.compose": [],
    "whatsapp.send": ["sendMessage"],
    "whatsapp.broadcast": ["sendMessage"],
    "whatsapp.send_file": ["uploadMedia", "sendMessage"],
    "whatsapp.compose": [],
    "rcs.send": ["sendMessage"],
    "rcs.broadcast": ["sendMessage"],
    "rcs.send_file": ["uploadMedia", "sendMessage"],
    "rcs.compose": [],
    "messages.status": ["getMessageStatus"],
    "messages.wait": ["getMessageStatus"],
    "messages.send_list": ["sendMessageList"],
    "messages.list_status": ["getMessageListStatus"],
    "media.upload": ["uploadMedia"],
    "media.stream": ["getMedia"],
    "media.download": ["getMedia"],
    "with_options": [],
    "close": [],
}
every_operation = pytest.mark.parametrize("name", _spec.OPERATIONS)


def generated() -> dict[str, ModuleType]:
    """Return the generated module of each operation, by the name of the module."""
    found = pkgutil.walk_packages(ecall_client.api.__path__, "ecall_client.api.")
    return {
        one.name.rpartition(".")[2]: importlib.import_module(one.name)
        for one in found
        if not one.ispkg
    }


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


# The generated functions


def test_the_table_of_operations_is_the_spec() -> None:
    expected = {
        _snake(name): (_snake(name), one.method.upper(), one.path, one.node["x-evidence"]["level"])
        for name, one in _spec.OPERATIONS.items()
    }
    assert expected == tables.OPERATIONS
    assert list(tables.OPERATIONS) == list(expected)


def test_each_operation_is_generated_and_nothing_else_is() -> None:
    assert sorted(generated()) == sorted(_snake(name) for name in _spec.OPERATIONS)


@every_operation
def test_each_operation_has_a_sync_and_an_async_function(name: str) -> None:
    module = generated()[_snake(name)]
    assert not inspect.iscoroutinefunction(module.sync_detailed)
    assert inspect.iscoroutinefunction(module.asyncio_detailed)
    sync, twin = (inspect.signature(one) for one in (module.sync_detailed, module.asyncio_detailed))
    assert sync.parameters == twin.parameters


@every_operation
def test_each_operation_has_a_typed_request_and_a_typed_parsing(name: str) -> None:
    module = generated()[_snake(name)]
    operation = _spec.OPERATIONS[name]
    request, parse = (
        inspect.signature(module.build_request),
        inspect.signature(module.parse_success),
    )
    assert request.return_annotation is OperationRequest
    assert [one.annotation for one in parse.parameters.values()] == [OperationResponse]
    has_body = "requestBody" in operation.node
    assert ("body" in request.parameters) is has_body


def test_what_the_service_calls_is_no_operation_of_ours() -> None:
    called_by_service = {post["post"]["operationId"] for post in _spec.SPEC["webhooks"].values()}
    assert called_by_service == {"receivedMessage", "statusNotification"}
    assert called_by_service.isdisjoint(_spec.OPERATIONS)


# What the clients send


def test_every_public_method_is_called_here() -> None:
    for client in (ECall("jane", "secret"), AsyncECall("jane", "secret")):
        assert {called(name) for name in METHODS} == public_methods(client)
    assert REACHES.keys() | {"request"} == public_methods(ECall("jane", "secret"))


def test_every_operation_is_reached() -> None:
    assert {name for reached in REACHES.values() for name in reached} == _spec.OPERATIONS.keys()


def _example(operation: _spec.Operation) -> httpx.Response:
    """Return the response that the spec has as its example."""
    media_types = operation.node["responses"]["2XX"]["content"]
    if "application/json" not in media_types:
        return httpx.Response(
            200, content=FILE, headers={"content-type": "application/octet-stream"}
        )
    (example,) = media_types["application/json"]["examples"].values()
    return httpx.Response(200, json=example["value"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", [name for name in METHODS if called(name) != "request"])
def test_what_a_method_sends_and_receives_is_as_the_spec_says(
    method: str, way: str, open_sync_client: OpenClient
) -> None:
    """For the sync client; `test_parity.py` shows that the async one does the same."""
    reached = []

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        operation = _spec.operation_of(request.method, path)
        assert operation is not None, f"{request.method} {path} is not in the spec"
        reached.append(operation.node["operationId"])
        assert _spec.request_problems(operation, path, request.headers, request.content) == []
        answer = _example(operation)
        assert _spec.answer_problems(operation, 200, answer.headers, answer.content) == []
        return answer

    ecall = open_sync_client(
        _cassettes.SERVICE, transport=httpx.MockTransport(handle), sender=SENDERS, **WAYS[way]
    )
    METHODS[method](ecall)
    assert reached == REACHES[called(method)]


@every_operation
def test_the_examples_of_the_spec_are_as_it_says(name: str) -> None:
    operation = _spec.OPERATIONS[name]
    for where in ("requestBody", "responses/2XX"):
        data: Any = operation.node
        for part in where.split("/"):
            data = data.get(part, {})
        for kind, media_type in data.get("content", {}).items():
            pointer = f"{operation.pointer}/{where}/content/{kind.replace('/', '~1')}/schema"
            for example in media_type.get("examples", {}).values():
                assert _spec.problems(pointer, example["value"]) == []


@pytest.mark.parametrize("name", sorted(_spec.SPEC["components"]["responses"]))
def test_the_examples_of_errors_are_as_the_spec_says(name: str) -> None:
    media_type = _spec.SPEC["components"]["responses"][name]["content"]["application/json"]
    pointer = f"#/components/responses/{name}/content/application~1json/schema"
    for example in media_type.get("examples", {}).values():
        assert _spec.problems(pointer, example["value"]) == []


@pytest.mark.parametrize(
    "scenario", [pytest.param(one, id=one.name) for one in SCENARIOS if one.in_spec]
)
def test_what_was_recorded_is_as_the_spec_says(scenario: Any) -> None:
    cassette = _cassettes.load(_cassettes.path_of(scenario).read_text("utf-8"))
    for interaction in cassette["interactions"]:
        request, response = interaction["request"], interaction["response"]
        path = request["uri"].removeprefix(_cassettes.SERVICE)
        operation = _spec.operation_of(request["method"], path)
        assert operation is not None, path
        body, answer = _bytes(request["body"]), _bytes(response["body"]["string"])
        assert _spec.request_problems(operation, path, _headers(request), body) == []
        assert (
            _spec.answer_problems(operation, response["status"]["code"], _headers(response), answer)
            == []
        )


def _headers(message: dict[str, Any]) -> httpx.Headers:
    return httpx.Headers({name: values[0] for name, values in message["headers"].items()})


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body


# The rules of the spec, and the facade, which lets nobody break them

_TEXT = {"channel": "Sms", "from": "ACME", "to": E164, "content": {"type": "Text", "text": TEXT}}
_WHATSAPP = {**_TEXT, "channel": "Whatsapp", "from": "0041791000001"}
_RCS = {**_TEXT, "channel": "Rcs", "from": "acme-rcs"}
_LIST = {"messages": [_TEXT]}
_MANY = [{"type": "Number", "address": E164}]


def _text(length: int) -> dict[str, Any]:
    return {"content": {"type": "Text", "text": "x" * length}}


def _media(kind: str) -> dict[str, Any]:
    return {"content": {"type": kind, "mediaId": "f-1"}}


def _sticker() -> Any:  # by WhatsApp it is a type error as well
    return StickerContent(media_id="f-1")


def _limited(pages: int) -> TextContent:
    return TextContent(text=TEXT, options=TextOptions(page_limit=pages))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_TEXT, id="a text"),
        pytest.param({**_TEXT, "to": None, "toList": _MANY}, id="to many"),
        pytest.param({**_TEXT, "toList": None}, id="an empty list of recipients beside one"),
        pytest.param({**_TEXT, "from": "0" * 16}, id="16 digits"),
        pytest.param({**_TEXT, "from": "ACME [1] ~!"}, id="11 characters"),
        pytest.param({**_TEXT, **_text(1530)}, id="ten pages"),
        pytest.param({**_WHATSAPP, **_text(4096)}, id="the longest by WhatsApp"),
        pytest.param({**_WHATSAPP, **_media("Document")}, id="a document"),
        pytest.param({**_RCS, **_text(1000)}, id="the longest by RCS"),
        pytest.param({**_RCS, **_media("Sticker")}, id="a sticker"),
        pytest.param(
            {**_TEXT, "somethingNew": {"a": 1}}, id="a field of the service that is not known"
        ),
    ],
)
def test_the_spec_takes_what_is_right(body: dict[str, Any]) -> None:
    assert _spec.problems("#/components/schemas/MessageRequest", body) == []
    item = "#/components/schemas/MessageListItem"
    assert _spec.problems(item, body) == []


@pytest.mark.parametrize(
    ("body", "attempt"),
    [
        pytest.param({**_TEXT, "toList": _MANY}, None, id="to and toList"),
        pytest.param(
            {**_TEXT, "to": None}, lambda ecall: ecall.sms.send("", TEXT), id="no recipient"
        ),
        pytest.param(
            {**_TEXT, "to": None, "toList": []},
            lambda ecall: ecall.sms.broadcast([], TEXT),
            id="no recipients",
        ),
        pytest.param({**_TEXT, "channel": "sms"}, None, id="channel in lower case"),
        pytest.param({**_TEXT, "channel": "Fax"}, None, id="unknown channel"),
        pytest.param(
            {**_TEXT, "from": "ABCDEFGHIJKL"},
            lambda ecall: ecall.sms.send(NUMBER, TEXT, sender="ABCDEFGHIJKL"),
            id="sender of 12 characters",
        ),
        pytest.param(
            {**_TEXT, "from": "Zürich"},
            lambda ecall: ecall.sms.send(NUMBER, TEXT, sender="Zürich"),
            id="sender, umlaut",
        ),
        pytest.param(
            {**_TEXT, "from": "1" * 17},
            lambda ecall: ecall.sms.send(NUMBER, TEXT, sender="1" * 17),
            id="17 digits",
        ),
        pytest.param(
            {**_TEXT, "from": ""},
            lambda ecall: ecall.sms.send(NUMBER, TEXT, sender=""),
            id="sender, empty",
        ),
        pytest.param(
            {**_TEXT, **_text(0)}, lambda ecall: ecall.sms.send(NUMBER, ""), id="empty text"
        ),
        pytest.param(
            {**_TEXT, **_text(1531)},
            lambda ecall: ecall.sms.send(NUMBER, "x" * 1531),
            id="eleven pages",
        ),
        pytest.param(
            {**_WHATSAPP, **_text(4097)},
            lambda ecall: ecall.whatsapp.send(NUMBER, "x" * 4097),
            id="long, by WhatsApp",
        ),
        pytest.param(
            {**_RCS, **_text(1001)},
            lambda ecall: ecall.rcs.send(NUMBER, "x" * 1001),
            id="long, by RCS",
        ),
        pytest.param(
            {**_WHATSAPP, **_media("Sticker")},
            lambda ecall: ecall.whatsapp.send(NUMBER, _sticker()),
            id="sticker",
        ),
        pytest.param({**_RCS, **_media("Gif")}, None, id="unknown content"),
        pytest.param(
            {**_RCS, "content": {"type": "Image"}},
            lambda ecall: ecall.rcs.send(NUMBER, ImageContent(media_id="")),
            id="no file",
        ),
        pytest.param(
            {**_TEXT, "content": {"type": "Text", "text": TEXT, "options": {"pageLimit": 11}}},
            lambda ecall: ecall.sms.send(NUMBER, _limited(11)),
            id="page limit of 11",
        ),
        pytest.param(
            {**_TEXT, "content": {"type": "Text", "text": TEXT, "options": {"pageLimit": 0}}},
            lambda ecall: ecall.sms.send(NUMBER, TEXT, page_limit=0),
            id="page limit of 0",
        ),
        pytest.param(
            {name: value for name, value in _TEXT.items() if name != "from"},
            lambda ecall: ecall.with_options().sms.send(NUMBER, TEXT, sender=" "),
            id="no sender",
        ),
    ],
)
def test_the_spec_and_the_facade_refuse_what_is_wrong(
    body: dict[str, Any], attempt: Callable[[ECall], object] | None, ecall: ECall, service: Any
) -> None:
    assert _spec.problems("#/components/schemas/MessageRequest", body) != []
    assert _spec.problems("#/components/schemas/MessageListItem", body) != []
    assert _spec.problems("#/components/schemas/MessageListRequest", {"messages": [body]}) != []
    if attempt is not None:  # what is None cannot even be said in the facade
        with pytest.raises(UsageError):
            attempt(ecall)
    assert service.requests == []


@pytest.mark.parametrize(
    ("notification", "notify"),
    [
        pytest.param({"addresses": []}, [], id="no address"),
        pytest.param({"addresses": [{"type": "Fax", "address": "1"}]}, None, id="unknown type"),
        pytest.param({"addresses": [{"type": "Email", "address": ""}]}, [""], id="empty address"),
        pytest.param(
            {"addresses": [{"type": "Email", "address": "x" * 88 + "@example.com"}]},
            "x" * 88 + "@example.com",
            id="100 characters",
        ),
        pytest.param({"addresses": [{"type": "Sms"}]}, None, id="no address in it"),
        pytest.param({"forEvent": "Never"}, None, id="unknown event"),
    ],
)
def test_the_spec_and_the_facade_refuse_a_wrong_notification(
    notification: dict[str, Any], notify: Any, ecall: ECall, service: Any
) -> None:
    body = {**_TEXT, "notification": notification}
    assert _spec.problems("#/components/schemas/MessageRequest", body) != []
    assert (
        _spec.problems(
            "#/components/schemas/MessageListRequest", {**_LIST, "notification": notification}
        )
        != []
    )
    if notify is not None:
        with pytest.raises(UsageError):
            ecall.sms.send(NUMBER, TEXT, notify=notify)
    assert service.requests == []
