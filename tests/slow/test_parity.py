"""The sync client and the async one are alike: methods, signatures, source and behaviour."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import httpx
import pytest
from _clients import PASSWORD, SENDERS, USERNAME, Opener
from _clock import Clock
from _methods import METHODS, called, public_methods

from ecall_facade import AsyncECall, ECall

ROOT = Path(__file__).parents[2]
RESOURCES = ["sms", "whatsapp", "rcs", "messages", "media"]
# What is no coroutine in the async client either.
NOT_AWAITED = {"with_options", "sms.compose", "whatsapp.compose", "rcs.compose", "media.stream"}


# Source


def test_the_sync_client_is_what_unasync_makes_of_the_async_one() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "unasync"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert "is what scripts/unasync makes" in result.stdout


# Methods and signatures


def methods(client: object) -> dict[str, FunctionType]:
    """Return the public methods of a client and its resources, by the sync client's names."""
    found: dict[str, FunctionType] = {}
    for owner, prefix in [
        (client, ""),
        *[(getattr(client, resource), f"{resource}.") for resource in RESOURCES],
    ]:
        for name, value in inspect.getmembers(type(owner), inspect.isfunction):
            if not name.startswith("_"):
                found[prefix + name.replace("aclose", "close")] = value
    return found


def shown(annotation: object) -> str:
    """Return an annotation as the sync client has it."""
    words = str(annotation)
    for name in ("BaseTransport", "MediaStream"):
        words = words.replace(f"Async{name}", name)
    return words.replace("AsyncGenerator[", "Generator[")


def parameters(function: Callable[..., object]) -> list[tuple[str, str, object, str]]:
    return [
        (one.name, one.kind.description, one.default, shown(one.annotation))
        for one in inspect.signature(function).parameters.values()
    ]


SYNC, ASYNC = methods(ECall(USERNAME, PASSWORD)), methods(AsyncECall(USERNAME, PASSWORD))


def test_both_clients_have_the_same_public_methods() -> None:
    sync, twin = ECall(USERNAME, PASSWORD), AsyncECall(USERNAME, PASSWORD)
    assert vars(sync).keys() == vars(twin).keys()
    assert public_methods(sync) == public_methods(twin) == SYNC.keys() == ASYNC.keys()
    assert repr(twin) == f"Async{sync!r}"


@pytest.mark.parametrize("name", SYNC)
def test_a_method_has_the_same_signature_in_both_clients(name: str) -> None:
    assert parameters(ASYNC[name]) == parameters(SYNC[name])
    returned = [inspect.signature(one[name]).return_annotation for one in (ASYNC, SYNC)]
    assert shown(returned[0]) == str(returned[1])


def test_both_constructors_have_the_same_signature() -> None:
    assert parameters(AsyncECall.__init__) == parameters(ECall.__init__)


@pytest.mark.parametrize("name", SYNC)
def test_what_blocks_in_the_sync_client_is_awaited_in_the_async_one(name: str) -> None:
    assert not inspect.iscoroutinefunction(SYNC[name])
    assert inspect.iscoroutinefunction(ASYNC[name]) is (name not in NOT_AWAITED)


@pytest.mark.parametrize("name", SYNC)
def test_a_method_has_the_same_docstring_in_both_clients(name: str) -> None:
    assert ASYNC[name].__doc__ == SYNC[name].__doc__
    assert SYNC[name].__doc__


# Behaviour


class _Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"messageId": '
        raise httpx.ReadError("It broke off")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


def _respond(status: int = 200, body: Any = None, **headers: str) -> Callable[[], httpx.Response]:
    named = {
        "x-f24-request-id": "r-1",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    kind: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    return lambda: httpx.Response(status, headers=named, **kind)


def _fails(error: Exception) -> Callable[[], httpx.Response]:
    def outcome() -> httpx.Response:
        raise error

    return outcome


GOOD = {
    "messageId": "m-1",
    "messageIdList": ["m-1", {"messageId": "m-2", "address": "+41787654321"}],
    "messageListId": "l-1",
    "messages": [
        {"messageId": "m-1"},
        {"error": {"errorCode": "X"}},
        {"messageId": "m-3", "state": 2},
        {},
    ],
    "mediaId": "f-1",
    "state": "Delivered",
    "timestamp": "2026-01-15T09:30:00Z",
    "more": [1],
}
REFUSED = {
    "errorCode": "InvalidContent",
    "errorMessage": "No.",
    "errorDetails": {"errors": [{"parameter": "To"}]},
}
# What the service does, one response after the other; the last one is repeated.
OUTCOMES: dict[str, list[Callable[[], httpx.Response]]] = {
    "success": [_respond(200, GOOD, content_type="application/json")],
    "success in capitals": [_respond(201, {name.upper(): value for name, value in GOOD.items()})],
    "pending, sent, delivered": [
        _respond(200, {**GOOD, "state": word}) for word in ("Pending", "Sent", "Delivered")
    ],
    "pending for ever": [_respond(200, {**GOOD, "state": "Pending"})],
    **{
        f"{code}": [_respond(code, REFUSED)]
        for code in (302, 400, 401, 403, 404, 408, 409, 413, 422, 499, 500, 520)
    },
    "404, then success": [_respond(404, REFUSED), _respond(200, GOOD)],
    "429, then success": [
        _respond(429, REFUSED),
        _respond(429, retry_after="3"),
        _respond(200, GOOD),
    ],
    "429 for ever": [_respond(429, REFUSED, retry_after="2")],
    "429, long pause": [_respond(429, REFUSED, retry_after="11")],
    "503, then success": [_respond(503, REFUSED, retry_after="1"), _respond(200, GOOD)],
    "503 without pause": [_respond(503, REFUSED)],
    "502, a page": [_respond(502, b"<html>Bad gateway</html>", content_type="text/html")],
    "a page": [_respond(200, b"<html>Welcome</html>")],
    "nothing": [_respond(200, b"")],
    "no id": [_respond(200, {})],
    "null": [_respond(200, None)],
    "not gzip": [_respond(200, b"plain", content_encoding="gzip")],
    "broken off": [
        lambda: httpx.Response(200, headers={"x-f24-request-id": "r-1"}, stream=_Broken())
    ],
    "no connection, then success": [_fails(httpx.ConnectError("Refused")), _respond(200, GOOD)],
    **{
        f"{type(error).__name__}": [_fails(error)]
        for error in (
            httpx.ConnectError("Refused"),
            httpx.ConnectTimeout("Too long"),
            httpx.PoolTimeout("Too many"),
            httpx.ReadTimeout("Too long"),
            httpx.WriteError("Broken pipe"),
            httpx.RemoteProtocolError("Gone"),
            OSError(5, "Input/output error"),
            ValueError("Not the transport's own"),
        )
    },
}


def _perform(
    method: str, outcome: str, monkeypatch: pytest.MonkeyPatch, *, is_async: bool
) -> dict[str, Any]:
    """Call a method and return all that can be seen of what happened."""
    clock, requests, responses = Clock(stands=True), list[tuple[object, ...]](), OUTCOMES[outcome]

    def handle(request: httpx.Request) -> httpx.Response:
        headers = {
            name: value for name, value in request.headers.items() if name != "authorization"
        }
        requests.append(
            (
                request.method,
                str(request.url),
                headers,
                request.content,
                request.extensions["timeout"],
            )
        )
        return responses[min(len(requests), len(responses)) - 1]()

    with monkeypatch.context() as patch:
        patch.setattr("random.uniform", lambda low, high: low)
        clock.install(patch)
        opener = Opener(is_async=is_async)
        try:
            ecall = opener(
                "https://rest.ecall.ch", transport=httpx.MockTransport(handle), sender=SENDERS
            )
            try:
                seen: Any = _shown(METHODS[method](ecall))
            except Exception as error:  # noqa: BLE001  # whatever it is, both clients raise the same
                cause = error.__cause__
                notes = getattr(error, "__notes__", [])
                seen = (
                    type(error),
                    str(error),
                    _shown(vars(error)),
                    type(cause),
                    str(cause),
                    notes,
                )
        finally:
            opener.close()
    return {"requests": requests, "pauses": clock.pauses, "seen": seen}


def _shown(value: Any) -> Any:
    """Return a result with what comparing it leaves out."""
    if isinstance(value, tuple):
        return tuple(_shown(one) for one in value)
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items()}
    return (
        type(value),
        value.replace("AsyncECall", "ECall") if isinstance(value, str) else value,
        getattr(value, "raw", None),
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_same_responses_have_the_same_consequences_in_both_clients(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for outcome in OUTCOMES:
        sync = _perform(method, outcome, monkeypatch, is_async=False)
        twin = _perform(method, outcome, monkeypatch, is_async=True)
        assert twin == sync, outcome
        silent = {"with_options", "close"} | {name for name in METHODS if name.endswith(".compose")}
        assert bool(sync["requests"]) == (called(method) not in silent)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_responses_above_have_many_consequences(
    is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clients that did nothing would be alike as well."""
    seen = [_perform("sms.send", outcome, monkeypatch, is_async=is_async) for outcome in OUTCOMES]
    names = {result["seen"][0].__name__ for result in seen}
    assert names >= {
        "SentMessage",
        "BadRequest",
        "RateLimited",
        "ServerError",
        "NotSent",
        "OutcomeUnknown",
        "UnreadableResponse",
        "ValueError",
    }
    assert {len(result["requests"]) for result in seen} == {1, 2, 3}


def test_a_closed_client_and_its_copy_refuse_everything(open_client: Any) -> None:
    ecall = open_client("https://rest.ecall.ch")
    copy = ecall.with_options(retry=False)
    copy.close()
    ecall.close()
    ecall.close()
    for closed in (ecall, copy):
        with pytest.raises(ValueError, match="The client is closed"):
            closed.messages.status("m-1")
