"""Tests of the live tests, against the sandbox and a service that differs, so that they work when they are needed.

That they pass here is no evidence about the real service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from _clients import PASSWORD, USERNAME
from _different_service import TWISTS, DifferentService, Draft, Twist
from live import _guard, _observed

from ecall_facade import ECall, ECallError
from ecall_facade.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
NUMBER, DIGITS, SENDER = "079 555 12 34", "795551234", "MUSTER AG"
SCHEMAS = "/components/schemas"
BY_NAME = {twist.name: twist for twist in TWISTS}

# What could text somebody


@pytest.mark.parametrize(
    ("method", "path", "body", "can"),
    [
        ("GET", "/api/v2/message/1", b"", False),
        ("POST", "/api/v2/media", b"\x89PNG", False),
        ("POST", "/api/v2/message", b"{}", False),
        ("POST", "/api/v2/messagelist", b'{"messages": []}', False),
        ("POST", "/api/v2/message", b'{"to": null}', True),
        ("POST", "/api/v2/message", b'{"toList": []}', True),
        ("POST", "/api/v2/messagelist", b'{"messages": [{}]}', True),
        ("POST", "/api/v2/message", b"", True),
        ("POST", "/api/v2/message", b"to=1", True),
        ("PUT", "/api/v2/message", b"[]", True),
        ("POST", "/api/v2/media/message", b'{"to": "1"}', True),
    ],
)
def test_a_request_that_could_text_somebody_is_recognised(
    method: str, path: str, body: bytes, can: bool
) -> None:
    assert _guard.can_send(method, path, body) is can


@pytest.mark.parametrize("allowed", [0, 1])
def test_no_more_sends_go_out_than_are_allowed(allowed: int) -> None:
    answered: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        answered.append(request)
        return httpx.Response(200, json={"messageId": "m-1"})

    guard = _guard.Guard(httpx.MockTransport(answer), allowed)
    with ECall(USERNAME, PASSWORD, sender="ACME", transport=guard, retry=False) as ecall:
        sends: list[Callable[[], object]] = [
            lambda: ecall.sms.send(NUMBER, "One"),
            lambda: ecall.sms.broadcast([NUMBER], "Two"),
        ]
        for send in sends[:allowed]:
            send()
        for send in sends[allowed:]:
            with pytest.raises(ECallError) as raised:
                send()
            assert isinstance(raised.value.__cause__, _guard.NotAllowed)
    assert len(answered) == allowed


# What a response says about the spec

STATUS, SEND, MEDIA = "/api/v2/message/m-1", "/api/v2/message", "/api/v2/media/f-1"
JSON = "application/json"
TIME = "2026-07-14T09:30:00Z"


def differences(
    method: str, path: str, status: int, body: object, kind: str = JSON
) -> list[tuple[str, str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = httpx.Headers({"content-type": kind})
    exchange = _guard.Exchange(method, path, status, headers, content)
    found = _observed.differences(exchange)
    return [(one.kind, one.where.removeprefix("#"), one.theirs) for one in found]


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("POST", SEND, 200, {"messageId": "m-1", "timestamp": TIME}),
        ("POST", SEND, 202, {"messageId": "m-1", "timestamp": TIME}),
        ("GET", STATUS, 200, {"messageId": "m-1", "state": "Delivered", "timestamp": None}),
        ("GET", STATUS, 200, {"messageId": "m-1", "state": 8}),
        ("GET", STATUS, 404, {"errorCode": "NotFound", "errorMessage": "Not found."}),
        ("GET", "/api/message/m-1", 418, {"errorCode": "Teapot"}),
        ("GET", MEDIA, 200, b"\x89PNG"),
    ],
)
def test_a_response_as_the_spec_describes_it_contradicts_nothing(
    method: str, path: str, status: int, body: object
) -> None:
    kind = "image/png" if isinstance(body, bytes) else JSON
    assert differences(method, path, status, body, kind) == []


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "found"),
    [
        (
            "POST", SEND, 200, {"messageId": 815},
            ("type", f"{SCHEMAS}/MessageResult/properties/messageId/type", "integer"),
        ),
        (
            "POST", SEND, 200, {"MessageId": "m-1"},
            ("property-case", f"{SCHEMAS}/MessageResult/properties/messageId", "MessageId"),
        ),
        (
            "POST", SEND, 200, {"jobId": "m-1"},
            ("property-missing-ours", f"{SCHEMAS}/MessageResult", "jobId"),
        ),
        (
            "GET", STATUS, 200, {"state": "Zugestellt"},
            ("enum-value-missing-ours", f"{SCHEMAS}/DeliveryState/enum", "Zugestellt"),
        ),
        (
            "GET", STATUS, 200, {"state": "079 555 12 34"},
            ("enum-value-missing-ours", f"{SCHEMAS}/DeliveryState/enum", "a value that is not shown"),
        ),
        (
            "GET", STATUS, 200, {"state": {"value": 8}},
            ("type", f"{SCHEMAS}/MessageStatusResult/properties/state", "object"),
        ),
        (
            "GET", STATUS, 404, {"errorCode": None},
            ("nullable", f"{SCHEMAS}/Error/properties/errorCode", True),
        ),
    ],
)  # fmt: skip
def test_a_response_that_contradicts_the_spec_is_named_at_its_place(
    method: str, path: str, status: int, body: object, found: tuple[str, str, Any]
) -> None:
    assert differences(method, path, status, body) == [found]


def test_another_media_type_contradicts_the_spec() -> None:
    (found,) = differences("GET", STATUS, 404, b"Not found", "text/plain")
    assert (found[0], found[2]) == ("media-type-missing-ours", "text/plain")


# The tests themselves, as a maintainer runs them


class Run:
    """What came of running the live tests."""

    def __init__(self, url: str, folder: Path, **environment: str) -> None:
        settings = {
            "ECALL_USERNAME": USERNAME,
            "ECALL_PASSWORD": PASSWORD,
            "ECALL_SENDER": SENDER,
            "ECALL_BASE_URL": url,
            "LIVE_REPORT": str(folder / "report.json"),
            "LIVE_RECORD": str(folder / "cassettes"),
        }
        command = [sys.executable, "-m", "pytest", "-m", "live", "-p", "no:cacheprovider", "-q"]
        result = subprocess.run(
            [*command, "tests/live"],
            cwd=ROOT,
            env={**os.environ, **settings, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
        self.code, self.output = result.returncode, result.stdout + result.stderr
        report = folder / "report.json"
        self.rows = json.loads(report.read_text(encoding="utf-8")) if report.exists() else []
        recorded = (folder / "cassettes").glob("*")
        self.recorded = "".join(path.read_text(encoding="utf-8") for path in recorded)

    def places(self, verdict: str) -> set[str]:
        return {row["where"] for row in self.rows if row["verdict"] == verdict}


@pytest.mark.slow
def test_the_live_tests_text_nobody_unless_that_is_allowed(tmp_path: Path) -> None:
    with Sandbox(username=USERNAME, password=PASSWORD) as sandbox:
        run = Run(sandbox.url, tmp_path)
        assert sandbox.messages == []
    assert (run.code, run.places("contradicted")) == (0, set())
    assert "LIVE_SEND_ONE_SMS_TO is not set" in run.output
    assert "it is no evidence about the service" in run.output
    assert f"{SCHEMAS}/Error/properties/errorCode" in run.places("confirmed")
    assert f"{SCHEMAS}/MessageResult/properties/messageId" in run.places("not seen")


@pytest.mark.slow
def test_the_live_tests_send_one_sms_if_that_is_allowed(tmp_path: Path) -> None:
    with Sandbox(username=USERNAME, password=PASSWORD) as sandbox:
        run = Run(sandbox.url, tmp_path, LIVE_SEND_ONE_SMS_TO=NUMBER)
        (message,) = sandbox.messages
    assert (message.recipient, message.sender) == (f"+41{DIGITS}", SENDER)
    assert (run.code, run.places("contradicted")) == (0, set())
    assert f"{SCHEMAS}/MessageResult/properties/messageId" in run.places("confirmed")


def tell_all(draft: Draft) -> None:
    """Have every response say much about people."""
    if draft.is_json:
        about = {
            "owner": "Hanna Muster",
            "recipients": [f"0041{DIGITS}", {"number": int(f"41{DIGITS}")}, NUMBER],
            f"+41{DIGITS}": "in a name",
            "MUSTER AG": {"text": "sent by tests/live"},
        }
        draft.data = {**about, **draft.data}
    if draft.is_refusal:
        draft.data["errorMessage"] = f"Hanna Muster may not text +41{DIGITS} as {SENDER}."
    draft.headers["X-Account"] = "Hanna Muster"


@pytest.mark.slow
def test_the_live_tests_show_and_record_nobodys_data(tmp_path: Path) -> None:
    with DifferentService(Twist("tells all", "extras", tell_all)) as service:
        run = Run(service.url, tmp_path, LIVE_SEND_ONE_SMS_TO=NUMBER)
        assert len(service.accepted) == 1
    assert "messageId" in run.recorded
    for text in (run.output, run.recorded, json.dumps(run.rows)):
        for private in (
            DIGITS,
            NUMBER,
            "Hanna",
            "Muster",
            "MUSTER",
            "sent by tests",
            PASSWORD,
            USERNAME,
        ):
            assert private not in text, private


@pytest.mark.slow
def test_the_live_tests_fail_where_the_service_contradicts_the_spec(tmp_path: Path) -> None:
    with DifferentService(BY_NAME["ids: integers"]) as service:
        run = Run(service.url, tmp_path, LIVE_SEND_ONE_SMS_TO=NUMBER)
        assert len(service.accepted) == 1
    assert run.code == 1
    place = f"{SCHEMAS}/MessageResult/properties/messageId/type"
    assert place in run.places("contradicted")
    assert f"{place}: the type: ours string, theirs integer" in run.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "requests", "words"),
    [
        ({"ECALL_PASSWORD": "another"}, 1, "REST interface is switched on"),
        ({"ECALL_USERNAME": ""}, 0, "Nothing was checked"),
        ({"LIVE_SEND_ONE_SMS_TO": "nobody"}, 0, "Nothing was checked"),
    ],
)
def test_the_live_tests_end_at_once_if_the_settings_are_wrong(
    environment: dict[str, str], requests: int, words: str, tmp_path: Path
) -> None:
    with DifferentService() as service:
        run = Run(service.url, tmp_path, **environment)
        assert len(service.requests) == requests
    assert run.code == 2
    assert words in run.output


@pytest.mark.slow
def test_the_live_tests_are_deselected_unless_they_are_asked_for() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q"]
    result = subprocess.run([*command, "tests/live"], cwd=ROOT, capture_output=True, text=True)
    assert "no tests collected" in result.stdout
    assert "deselected" in result.stdout
