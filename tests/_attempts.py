"""Calls, and what can come of trying them, for tests of the rules without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx

from ecall_client.models import Channel
from ecall_client.operations import OperationResponse
from ecall_facade import errors
from ecall_facade._attempt import Attempt, Failed, Received
from ecall_facade._call import REQUEST_ID, Call, Effect
from ecall_facade._error_factory import error_from_attempt
from ecall_facade._files import download_call, upload_call
from ecall_facade._free_requests import free_call
from ecall_facade._messages import Composer, MessageArguments, send_list
from ecall_facade._requests import build_http_request
from ecall_facade._settings import Account, ClientOptions, make_options
from ecall_facade._statuses import list_status, status
from ecall_facade._uploads import Chunks, Upload

BASE_URL = "https://rest.ecall.ch"
TEXT = "The code of Anna Muster is 481 516"
NUMBER = "+41791234567"


def make_account(base_url: str = BASE_URL) -> Account:
    return Account.from_arguments("jane", "s3cret", base_url)


def options(old: ClientOptions | None = None, **given: Any) -> ClientOptions:
    names = ["api_version", "version_in", "sender", "region", "timeout", "retry"]
    return make_options(old, **{**dict.fromkeys(names), **given})


# Calls, each made by the function that makes it for the clients


def composer() -> Composer:
    return Composer(options(sender="ACME"), Channel.SMS)


def send_call(
    content: object = TEXT,
    *,
    to: Any = NUMBER,
    sender: str | None = None,
    notify: Any = None,
    extra: Any = None,
) -> Call[Any]:
    arguments = MessageArguments(content=content, sender=sender, notify=notify, extra=extra)
    return composer().send(to, arguments)


def broadcast_call() -> Call[Any]:
    return composer().broadcast([NUMBER], MessageArguments(content=TEXT))


def send_list_call(
    content: object = TEXT,
    *,
    to: Any = NUMBER,
    extra_of_message: Any = None,
    notify: Any = None,
    extra: Any = None,
) -> Call[Any]:
    item = composer().compose(to, MessageArguments(content=content, extra=extra_of_message))
    return send_list(options(), [item], notify, extra)


def picture_call() -> Call[Any]:
    upload = Upload(b"picture", "image/png", None)
    return upload_call(upload, Chunks(upload))


CALLS: dict[str, Callable[[], Call[Any]]] = {
    "send": send_call,
    "broadcast": broadcast_call,
    "send_list": send_list_call,
    "upload": picture_call,
    "status": lambda: status("m-1"),
    "list_status": lambda: list_status("l-1"),
    "download": lambda: download_call("f-1"),
    "request, POST": lambda: free_call("POST", "/api/viber", {"words": TEXT, "number": NUMBER}),
    "request, GET": lambda: free_call("GET", "/api/viber", None),
}
EFFECTS = {
    "send": Effect.SEND_ONE,
    "broadcast": Effect.SEND_MANY,
    "send_list": Effect.SEND_MANY,
    "upload": Effect.UPLOAD,
    "status": Effect.READ_STATUS,
    "list_status": Effect.READ_STATUS,
    "download": Effect.READ,
    "request, POST": Effect.SEND_MANY,
    "request, GET": Effect.READ,
}
SENDS = [name for name, effect in EFFECTS.items() if effect.is_send]
READS = [name for name, effect in EFFECTS.items() if effect.is_read]
WRITES = [*SENDS, "upload"]


# What can come of a try


def response(status_code: int = 200, body: object = None, **headers: str) -> OperationResponse:
    """Return a response with a request id.

    Args:
        status_code: The HTTP status.
        body: Bytes, or what is written as JSON; nothing is an empty object.
        headers: By name, with _ for -.
    """
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    return OperationResponse(status_code, httpx.Headers({REQUEST_ID: "r-1", **names}), content)


def received(status_code: int = 200, body: object = None, **headers: str) -> Received:
    return Received(response(status_code, body, **headers), httpx.Response(status_code))


def unsent(error: Exception) -> Failed:
    """Return an error that proves that nothing was sent."""
    return Failed(error, is_unsent=True)


REFUSED = httpx.ConnectError("[Errno 111] Connection refused")
NEVER_CONNECTED: list[Exception] = [
    REFUSED,
    httpx.ConnectTimeout("timed out"),
    httpx.ProxyError("502 Bad Gateway"),
]
AMBIGUOUS: list[Exception] = [
    httpx.ReadTimeout("timed out"),
    httpx.WriteTimeout("timed out"),
    httpx.ReadError("reset"),
    httpx.WriteError("broken pipe"),
    httpx.CloseError("closed"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    httpx.LocalProtocolError("Too little data for declared Content-Length"),
    OSError(5, "Input/output error"),
]


def class_name(value: object) -> str | None:
    """Return the name of an exception's class, to tell the cases of a test apart."""
    return type(value).__name__ if isinstance(value, Exception) else None


def http_request(call: Call[Any], **given: Any) -> httpx.Request:
    return build_http_request(make_account(), options(**given), call)


def error_after(call: Call[Any], attempt: Attempt, **given: Any) -> Any:
    """Return the error that a try ends in, for a client with the given options."""
    error = error_from_attempt(call, http_request(call, **given), attempt)
    assert isinstance(error, errors.ECallError)
    return error
