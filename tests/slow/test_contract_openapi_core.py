"""openapi-core judges what the client asks, the sandbox answers and the sandbox posts, by the spec and in process."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import httpx
import pytest
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, TOKEN, USERNAME
from _contract import (
    BAD_MESSAGES,
    FILE,
    UNKNOWN,
    Judge,
    Recorder,
    changed_message,
    contract,
    take_round,
)
from _methods import METHODS, called
from _scenarios import WAYS
from _servers import Server, reply

from ecall_facade import (
    APIError,
    AuthenticationError,
    BadRequest,
    ECall,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    TooLarge,
)
from ecall_facade.sandbox import Sandbox

if TYPE_CHECKING:
    from _clients import OpenClient

pytest.importorskip("openapi_core")
every_way = pytest.mark.parametrize("way", WAYS)
UNDELIVERED, FAILED = "+41 79 000 00 04", "+41 79 000 00 71"  # magic recipients of the sandbox
PLANNED: dict[int, type[APIError]] = {
    400: BadRequest,
    403: PermissionDenied,
    404: NotFound,
    413: TooLarge,
    415: APIError,
    429: RateLimited,
    500: ServerError,
    503: ServerError,
}


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(contract(strict=True))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(username=USERNAME, password=PASSWORD, sent_after=0, delivered_after=0) as sandbox:
        yield sandbox


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@every_way
def test_a_message_from_send_to_reply_is_as_the_spec_says(
    way: str, open_client: OpenClient, sandbox: Sandbox, judge: Judge, recorder: Recorder
) -> None:
    assert take_round(open_client(sandbox.url, transport=recorder, **WAYS[way])) == []
    assert len(recorder.exchanges) == 9
    assert judge.problems(recorder.exchanges) == []


@every_way
def test_every_method_sends_and_receives_what_the_spec_says(
    way: str, open_client: OpenClient, sandbox: Sandbox, judge: Judge, recorder: Recorder
) -> None:
    ecall = open_client(sandbox.url, transport=recorder, **WAYS[way])
    for name, method in METHODS.items():
        if called(name) not in {
            "request",
            "messages.wait",
            "close",
        }:  # nobody waits for what is not there
            with contextlib.suppress(BadRequest, NotFound):  # the ids in these calls are invented
                method(ecall)
    assert judge.problems(recorder.exchanges) == []
    assert {exchange.response.status_code for exchange in recorder.exchanges} == {200, 400, 404}


def test_errors_of_the_sandbox_are_as_the_spec_says(
    sandbox: Sandbox, judge: Judge, recorder: Recorder
) -> None:
    with ECall(
        USERNAME, PASSWORD, base_url=sandbox.url, sender=SENDERS, retry=False, transport=recorder
    ) as ecall:
        for status, expected in PLANNED.items():
            for name in (
                "sms.send",
                "messages.send_list",
                "messages.status",
                "messages.list_status",
                "media.stream",
            ):
                if status not in {413, 415} or "send" in name:
                    sandbox.fail_next(status, headers={"Retry-After": "20"})
                    with pytest.raises(expected):
                        METHODS[name](ecall)
    with ECall(
        USERNAME, "wrong", base_url=sandbox.url, sender=SENDERS, transport=recorder
    ) as ecall:
        with pytest.raises(AuthenticationError):
            ecall.media.upload(FILE)
        with pytest.raises(AuthenticationError):
            ecall.messages.status(UNKNOWN)
    assert judge.problems(recorder.exchanges) == []
    assert {exchange.response.status_code for exchange in recorder.exchanges} == {401, *PLANNED}


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_the_judge_refuses_messages_that_the_spec_forbids(
    name: str, sandbox: Sandbox, judge: Judge, recorder: Recorder
) -> None:
    """The spec and the sandbox agree on what is wrong."""
    with (
        ECall(USERNAME, PASSWORD, base_url=sandbox.url, transport=recorder) as ecall,
        pytest.raises(BadRequest),
    ):
        ecall.request("POST", "/api/message", json=changed_message(BAD_MESSAGES[name]))
    (exchange,) = recorder.exchanges
    assert len(judge.request_problems(exchange.request)) == 1
    assert judge.answer_problems(exchange) == []


def test_the_judge_refuses_requests_that_the_spec_forbids(
    sandbox: Sandbox, judge: Judge, recorder: Recorder
) -> None:
    calls = [
        ("GET", "/api/message/m-1", {}, "MissingRequiredParameter"),
        ("GET", "/api/message/m-1", {"X-API-Version": "3"}, "InvalidParameter"),
        ("POST", "/api/v2/message", {"Content-Type": "application/pdf"}, "MediaTypeNotFound"),
        ("GET", "/api/v3/message/m-1", {}, "PathNotFound"),
        ("PUT", "/api/v2/message", {}, "OperationNotFound"),
    ]
    for method, path, headers, problem in calls:
        request = httpx.Request(
            method, sandbox.url + path, headers=headers, content=b"{}" if "P" in method else b""
        )
        assert (
            "SecurityNotFound" in str(judge.request_problems(request))
            or "/v3/" in path
            or method == "PUT"
        )
        request.headers["Authorization"] = f"Basic {TOKEN}"
        assert problem in str(judge.request_problems(request))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_callbacks_of_the_sandbox_are_as_the_spec_says(
    version: Literal["v1", "v2"], judge: Judge
) -> None:
    with Server(reply()) as receiver, Sandbox(sent_after=0, delivered_after=0) as sandbox:
        with ECall(**sandbox.credentials, api_version=version) as ecall:
            for recipient in (NUMBER, UNDELIVERED, FAILED):
                ecall.sms.send(recipient, TEXT, notify=receiver.url)
            media_id = ecall.media.upload(FILE, content_type="text/plain").media_id
        assert receiver.has_seen(6)
        for channel in ("Sms", "Whatsapp", "Rcs"):
            sandbox.reply("Thanks", sender=NUMBER, channel=channel, url=receiver.url)
        sandbox.reply(media_id=media_id, sender=NUMBER, channel="Whatsapp", url=receiver.url)
        assert receiver.has_seen(10)
    for number, request in enumerate(receiver.requests):
        name = "statusNotification" if number < 6 else "receivedMessage"
        assert judge.webhook_problems(name, request.body, request.headers["content-type"]) == []
    assert "error" in json.loads(receiver.requests[8].body) or any(
        b'"error"' in each.body for each in receiver.requests
    )
    assert (
        judge.webhook_problems("receivedMessage", receiver.requests[0].body, "application/json")
        != []
    )
