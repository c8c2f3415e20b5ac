"""The HTTP request of a call: where it goes, in which version, with which headers and time limits."""

from __future__ import annotations

from typing import Any

import attrs
import httpx
import pytest
from _attempts import (
    BASE_URL,
    CALLS,
    NUMBER,
    TEXT,
    http_request,
    make_account,
    options,
    picture_call,
    send_call,
)
from _clock import Clock

from ecall_client.operations import OperationRequest
from ecall_client.tables import OPERATIONS
from ecall_facade import TextContent, UsageError
from ecall_facade._call import Call, Effect
from ecall_facade._free_requests import free_call
from ecall_facade._messages import MessageArguments
from ecall_facade._requests import build_http_request


def operation_call(name: str) -> Call[Any]:
    """Return a call of an operation at its path, with the parameters left in it."""
    operation = OPERATIONS[name]
    request = OperationRequest(name, operation.method, operation.path)
    return attrs.evolve(send_call(), request=request)


def free_request(path: str, *, base_url: str = BASE_URL, **given: Any) -> httpx.Request:
    return build_http_request(
        make_account(base_url), options(**given), free_call("GET", path, None)
    )


# The version


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_version_is_in_the_path_of_each_operation(name: str, version: str) -> None:
    request = http_request(operation_call(name), api_version=version)
    assert request.url.path == OPERATIONS[name].path.replace("/api/", f"/api/{version}/")
    assert "X-API-Version" not in request.headers


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("version", "header"), [("v1", "1"), ("v2", "2")])
def test_the_version_is_in_the_header_of_each_operation(
    name: str, version: str, header: str
) -> None:
    request = http_request(operation_call(name), api_version=version, version_in="header")
    assert request.url.path == OPERATIONS[name].path
    assert request.headers["X-API-Version"] == header


@pytest.mark.parametrize(
    ("path", "on_the_wire", "header"),
    [
        ("/api/message", "/api/v2/message", None),
        ("/api/message/", "/api/v2/message/", None),
        ("/api/", "/api/v2/", None),
        ("/api/message?a=1&b=/api/v1/", "/api/v2/message?a=1&b=/api/v1/", None),
        ("/api/media/a%2Fb%20c", "/api/v2/media/a%2Fb%20c", None),
        ("/api/viber", "/api/v2/viber", None),
        # Versioned by the caller …
        ("/api/v1/message", "/api/v1/message", None),
        ("/api/v2/message", "/api/v2/message", None),
        ("/api/v2.0/message", "/api/v2.0/message", None),
        ("/API/V1/message", "/API/V1/message", None),
        # … or with no place for a version in the path.
        ("/api", "/api", "2"),
        ("/API/message", "/API/message", "2"),
        ("/health", "/health", "2"),
        ("/", "/", "2"),
        ("/x/api/message", "/x/api/message", "2"),
        ("/apis/message", "/apis/message", "2"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/gateway", "/my%20gateway/x", "/api"])
def test_the_version_is_stated_once_for_any_path(
    prefix: str, path: str, on_the_wire: str, header: str | None
) -> None:
    request = free_request(path, base_url=BASE_URL + prefix)
    assert request.url.raw_path.decode() == prefix + on_the_wire
    assert request.headers.get("X-API-Version") == header


@pytest.mark.parametrize("path", ["/api/v1/message", "/api/V2/message", "/api/v2.0/message"])
def test_a_version_in_the_path_is_not_repeated_in_the_header(path: str) -> None:
    request = free_request(path, version_in="header")
    assert request.url.path == path
    assert "X-API-Version" not in request.headers


# The host


@pytest.mark.parametrize(
    "base_url", [BASE_URL, f"{BASE_URL}/gateway", "http://127.0.0.1:8080", "http://[::1]/x"]
)
@pytest.mark.parametrize(
    "path",
    [
        "/@elsewhere.example/",
        "/:8443/",
        "/.elsewhere.example",
        "/https://elsewhere.example/",
        "/x//elsewhere.example",
        "/?@elsewhere.example/",
        "/#@elsewhere.example/",
    ],
)
def test_a_free_request_does_not_leave_the_host(base_url: str, path: str) -> None:
    url = free_request(path, base_url=base_url).url
    own = httpx.URL(base_url)
    assert (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)


@pytest.mark.parametrize(
    "path",
    [
        "//elsewhere.example/api/message",
        "https://elsewhere.example/api/message",
        "@elsewhere.example/",
        ":8443/",
        ".elsewhere.example/",
        "x",
        "/\\elsewhere.example",
        "/../../elsewhere.example",
    ],
)
def test_a_path_that_could_leave_the_host_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="path must"):
        free_call("GET", path, None)


# Headers


@pytest.mark.parametrize("name", CALLS)
def test_no_request_has_credentials_before_it_is_sent(name: str) -> None:
    request = http_request(CALLS[name]())
    assert "Authorization" not in request.headers
    for shown in (repr(request), repr(CALLS[name]()), repr(make_account())):
        assert "amFuZTpzM2NyZXQ" not in shown
        assert "s3cret" not in shown


@pytest.mark.parametrize("name", CALLS)
def test_the_repr_of_a_call_shows_neither_its_text_nor_its_number(name: str) -> None:
    call = CALLS[name]()
    for shown in (repr(call), repr(call.request), repr(http_request(call))):
        assert TEXT not in shown
        assert NUMBER not in shown


def test_the_repr_of_the_arguments_of_a_message_shows_neither_text_nor_number() -> None:
    shown = repr(MessageArguments(content=TEXT, sender=NUMBER, notify=NUMBER, extra={"a": TEXT}))
    assert TEXT not in shown
    assert NUMBER not in shown


@pytest.mark.parametrize("name", CALLS)
def test_each_request_says_who_asks_and_which_encodings_are_read(name: str) -> None:
    headers = http_request(CALLS[name]()).headers
    assert headers["User-Agent"].startswith("ecall-facade/")
    expected = "identity" if name == "download" else "gzip, deflate"
    assert headers["Accept-Encoding"] == expected


@pytest.mark.parametrize("name", ["send", "broadcast", "send_list", "request, POST"])
def test_a_body_of_json_has_its_media_type(name: str) -> None:
    assert http_request(CALLS[name]()).headers["Content-Type"] == "application/json"


def test_an_upload_has_the_media_type_and_the_length_of_its_file() -> None:
    headers = http_request(picture_call()).headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Length"] == "7"
    assert "Transfer-Encoding" not in headers


@pytest.mark.parametrize("name", ["status", "list_status", "download", "request, GET"])
def test_a_read_has_no_body(name: str) -> None:
    request = http_request(CALLS[name]())
    assert request.method == "GET"
    assert request.read() == b""
    assert "Content-Type" not in request.headers


# What cannot be written


def test_a_path_that_is_too_long_for_a_url_is_refused() -> None:
    with pytest.raises(UsageError, match="too long for a URL"):
        free_request("/" + "a" * 70_000)


def nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("value", [object(), float("nan"), "\ud83d", {1, 2}, nested(100_000)])
def test_a_field_of_a_content_that_json_does_not_know_is_refused(value: object) -> None:
    content = TextContent(TEXT)
    content["x"] = value
    with pytest.raises(UsageError, match="cannot be written as JSON") as caught:
        http_request(send_call(content))
    assert TEXT not in str(caught.value)


# Time limits


@pytest.mark.parametrize(
    ("left", "connect", "read"),
    [
        (100.0, 5.0, 30.0),
        (10.0, 5.0, 10.0),
        (2.0, 2.0, 2.0),
        (0.0, 0.001, 0.001),
        (-1.0, 0.001, 0.001),
    ],
)
def test_no_phase_of_a_request_goes_beyond_the_deadline(
    monkeypatch: pytest.MonkeyPatch, left: float, connect: float, read: float
) -> None:
    clock = Clock(stands=True)
    clock.install(monkeypatch)
    deadline = clock.monotonic() + left
    request = build_http_request(make_account(), options(), send_call(), deadline)
    expected = {"connect": connect, "read": read, "write": read, "pool": read}
    assert request.extensions == {"timeout": expected, "deadline": deadline}


def test_without_a_deadline_the_limits_are_those_of_the_client() -> None:
    request = http_request(send_call(), timeout=(2, 7))
    expected = {"connect": 2.0, "read": 7.0, "write": 7.0, "pool": 7.0}
    assert request.extensions == {"timeout": expected}


# Requests to any path


@pytest.mark.parametrize(
    ("method", "effect"),
    [
        ("GET", Effect.READ),
        ("get", Effect.READ),
        ("HEAD", Effect.READ),
        ("OPTIONS", Effect.READ),
        ("POST", Effect.SEND_MANY),
        ("put", Effect.SEND_MANY),
        ("PATCH", Effect.SEND_MANY),
        ("Delete", Effect.SEND_MANY),
        ("TRACE", Effect.SEND_MANY),
        ("SEARCH", Effect.SEND_MANY),
    ],
)
@pytest.mark.parametrize("path", ["/api/message", "/api/v1/media", "/api/message/m-1", "/health"])
def test_a_free_request_counts_as_a_send_to_many_unless_its_method_reads(
    method: str, effect: Effect, path: str
) -> None:
    bodies: list[Any] = [None, {"to": NUMBER}, {"toList": []}]
    for body in bodies:
        assert free_call(method, path, body).effect is effect


def test_each_string_in_the_json_of_a_free_request_is_private() -> None:
    body: Any = {"to": NUMBER, "more": [{"text": TEXT}, "words", 5, None]}
    assert set(free_call("POST", "/api/viber", body).private) == {NUMBER, TEXT, "words"}


@pytest.mark.parametrize(
    ("method", "path", "json", "problem"),
    [
        ("GET", "", None, "path must begin with one slash"),
        ("GET", b"/api/message", None, "path must begin with one slash"),
        ("GET", "/api/message\r\nHost: evil.example", None, "control characters"),
        ("GET", "/api/\0", None, "control characters"),
        ("GET", "/api/media/../message", None, "'.' or '..' segments"),
        ("GET", "/api/media/%2E%2e/message", None, "'.' or '..' segments"),
        ("GET", "/api/./message", None, "'.' or '..' segments"),
        ("GET", "/api/message/..", None, "'.' or '..' segments"),
        ("GET /", "/api/message", None, "method must be the name of an HTTP method"),
        ("", "/api/message", None, "method must be the name of an HTTP method"),
        ("GÉT", "/api/message", None, "method must be the name of an HTTP method"),
        (None, "/api/message", None, "method must be the name of an HTTP method"),
        ("POST", "/api/message", {"a": float("nan")}, "json cannot be written as JSON"),
        ("POST", "/api/message", {"a": object()}, "json cannot be written as JSON"),
        ("POST", "/api/message", {"a": {1, 2}}, "json cannot be written as JSON"),
        ("POST", "/api/message", {"a": "\ud83d"}, "json cannot be written as JSON"),
        ("POST", "/api/message", {("a", "b"): 1}, "json cannot be written as JSON"),
        ("POST", "/api/message", nested(100_000), "json cannot be written as JSON"),
    ],
)
def test_a_free_request_that_cannot_be_sent_is_refused(
    method: Any, path: Any, json: Any, problem: str
) -> None:
    with pytest.raises(UsageError) as caught:
        free_call(method, path, json)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "path", ["/api/message/a..b", "/api/v2.0/message", "/.known/x", "/api/message?x=../y"]
)
def test_dots_in_a_path_that_lead_nowhere_are_taken(path: str) -> None:
    assert free_call("GET", path, None).request.path == path
