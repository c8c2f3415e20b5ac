"""The contract tests would notice: faults in the spec, the client and the sandbox, and which program catches each.

The tables here and in `_faulty_specs` name all that catch a fault, and the tests hold them to be exact.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _contract import (
    BAD_MESSAGES,
    Judge,
    RecordedExchange,
    Recorder,
    changed_message,
    contract,
    take_round,
    violations,
)
from _faulty_specs import FAULTY_SPECS, JUDGE, LINTER, MOCK, VALIDATOR
from _redocly import lint
from _servers import Server, reply
from _spec import SPEC
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from referencing.exceptions import Unresolvable

from ecall_client import models
from ecall_facade import APIError, ECall, _messages
from ecall_facade._requests import build_http_request
from ecall_facade._sync import _session
from ecall_facade._transports.client_parts import FixedAuth
from ecall_facade.sandbox import Sandbox, _app, _callbacks

pytest_plugins = ["_prism"]

PROXY = "Prism as proxy"

needs_openapi_core = pytest.mark.skipif(
    importlib.util.find_spec("openapi_core") is None, reason="openapi-core is not installed here"
)
Patch: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def client(url: str, recorder: Recorder, **options: Any) -> ECall:
    given = {
        "base_url": url,
        "sender": SENDERS,
        "retry": False,
        "timeout": 10,
        "transport": recorder,
        **options,
    }
    return ECall(USERNAME, PASSWORD, **given)


def rounds(url: str) -> tuple[list[str], list[RecordedExchange]]:
    """Take a round with the version in the path, and one with it in the header; give the errors, and what passed."""
    recorder = Recorder()
    with client(url, recorder) as ecall:
        in_path = take_round(ecall)
        in_header = take_round(ecall.with_options(version_in="header"))
    return [f"{type(error).__name__}: {error}" for error in in_path + in_header], recorder.exchanges


def bad_messages(url: str) -> tuple[list[str], list[RecordedExchange]]:
    """Send what is no message; give what was taken all the same, and what passed."""
    recorder = Recorder()
    taken = []
    with client(url, recorder, version_in="header") as ecall:
        for name, change in BAD_MESSAGES.items():
            with contextlib.suppress(APIError):
                ecall.request("POST", "/api/message", json=changed_message(change))
                taken.append(f"taken: {name}")
    return taken, recorder.exchanges


def by_prism(url: str) -> list[str]:
    errors, exchanges = rounds(url)
    return errors + violations(exchanges)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(username=USERNAME, password=PASSWORD, sent_after=0, delivered_after=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(contract(strict=True))


# In the spec


@pytest.fixture(scope="module")
def passed(sandbox: Sandbox) -> tuple[list[RecordedExchange], list[RecordedExchange]]:
    """What a round without faults is, and what refusals of bad messages are."""
    return rounds(sandbox.url)[1], bad_messages(sandbox.url)[1]


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What redocly says about each faulty spec, and about the one without."""
    folder = tmp_path_factory.mktemp("specs")
    specs = {"none": SPEC, **{name: fault.spec() for name, fault in FAULTY_SPECS.items()}}
    for name, spec in specs.items():
        (folder / f"{name}.json").write_text(json.dumps(spec), encoding="utf-8")
    result = lint(*(folder / f"{name}.json" for name in specs))
    found: dict[str, list[str]] = {name: [] for name in specs}
    rest = result.stdout.strip()
    for _ in specs:  # one report after the other, with nothing in between
        report, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].strip()
        for problem in report["problems"]:
            found[Path(problem["location"][0]["source"]["ref"]).stem].append(problem["message"])
    assert rest == ""
    return found


def by_validator(spec: dict[str, Any]) -> list[str]:
    try:
        return [error.message for error in OpenAPIV31SpecValidator(spec).iter_errors()]
    except Unresolvable as error:
        return [str(error)]


def by_judge(
    spec: dict[str, Any], passed: tuple[list[RecordedExchange], list[RecordedExchange]]
) -> list[str]:
    good, bad = passed
    document = contract(spec, strict=True)
    try:
        judge = Judge(document)
    except (OpenAPIValidationError, Unresolvable) as error:  # it takes nothing that is no OpenAPI
        return [str(error)]
    return judge.problems(good) + [
        f"good: {each}" for each in bad if not judge.request_problems(each.request)
    ]


class TestSpec:
    """A fault in the spec; nothing else changes."""

    def test_redocly_and_prism_accept_the_spec_without_faults(
        self, linted: dict[str, list[str]], prism_mock: str
    ) -> None:
        assert linted["none"] == []
        assert by_validator(SPEC) == []
        url = f"{prism_mock}/faultless"
        assert by_prism(url) + bad_messages(url)[0] == []

    @pytest.mark.parametrize("name", FAULTY_SPECS)
    def test_redocly_and_the_validator_find_the_faulty_specs_they_should(
        self, name: str, linted: dict[str, list[str]]
    ) -> None:
        caught_by = FAULTY_SPECS[name].caught_by
        assert bool(linted[name]) == (LINTER in caught_by), linted[name]
        assert bool(by_validator(FAULTY_SPECS[name].spec())) == (VALIDATOR in caught_by)

    @needs_openapi_core
    def test_openapi_core_accepts_the_spec_without_faults(
        self, passed: tuple[list[RecordedExchange], list[RecordedExchange]]
    ) -> None:
        assert by_judge(SPEC, passed) == []

    @needs_openapi_core
    @pytest.mark.parametrize("name", FAULTY_SPECS)
    def test_openapi_core_finds_the_faulty_specs_it_should(
        self, name: str, passed: tuple[list[RecordedExchange], list[RecordedExchange]]
    ) -> None:
        assert bool(by_judge(FAULTY_SPECS[name].spec(), passed)) == (
            JUDGE in FAULTY_SPECS[name].caught_by
        )

    @pytest.mark.parametrize(
        "name", [name for name, fault in FAULTY_SPECS.items() if fault.can_be_served]
    )
    def test_prism_finds_the_faulty_specs_it_should(self, name: str, prism_mock: str) -> None:
        url = f"{prism_mock}/{name}"
        assert bool(by_prism(url) + bad_messages(url)[0]) == (MOCK in FAULTY_SPECS[name].caught_by)

    def test_each_faulty_spec_is_caught(self) -> None:
        assert all(fault.caught_by & {MOCK, JUDGE} for fault in FAULTY_SPECS.values())


# In the client


def _patch_body(model: Any, change: Callable[[dict[str, Any]], object]) -> Patch:
    """Have the bodies of a generated model changed before they are written."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = model.to_dict

        def to_dict(self: Any) -> dict[str, Any]:
            body: dict[str, Any] = original(self)
            change(body)
            return body

        monkeypatch.setattr(model, "to_dict", to_dict)

    return patch


def _patch_request(change: Callable[[httpx.Request], object]) -> Patch:
    """Have the requests changed before they go out."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = build_http_request

        def build(*args: Any, **kwargs: Any) -> httpx.Request:
            request = original(*args, **kwargs)
            change(request)
            return request

        monkeypatch.setattr(_session, "build_http_request", build)

    return patch


def _rename(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    return lambda body: body.update({new: body.pop(old)} if old in body else {})


def _without(header: str) -> Callable[[httpx.Request], object]:
    return lambda request: request.headers.pop(header, None)


def _replace_in_path(old: bytes, new: bytes) -> Callable[[httpx.Request], object]:
    def change(request: httpx.Request) -> None:
        request.url = request.url.copy_with(raw_path=request.url.raw_path.replace(old, new))

    return change


def _forget_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FixedAuth, "auth_flow", httpx.Auth.auth_flow)


def _forget_what_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_messages, "read_id", lambda value: None)


EVERYWHERE = {MOCK, PROXY, JUDGE}
CLIENT_FAULTS: dict[str, tuple[Patch, set[str]]] = {
    "a channel in small letters": (
        _patch_body(
            models.MessageRequest, lambda body: body.update(channel=body["channel"].lower())
        ),
        EVERYWHERE,
    ),
    "a renamed field": (
        _patch_body(models.MessageRequest, _rename("toList", "recipients")),
        EVERYWHERE,
    ),
    "a renamed field in a list": (
        _patch_body(models.MessageListItem, _rename("from", "sender")),
        EVERYWHERE,
    ),
    "a forgotten type": (
        _patch_body(models.TextContent, lambda body: body.pop("type")),
        EVERYWHERE,
    ),
    "a number as a string": (
        _patch_body(models.TextOptions, lambda body: body.update(pageLimit="2")),
        EVERYWHERE,
    ),
    "a misspelt field that need not be there": (
        _patch_body(models.MessageRequest, _rename("notification", "notifications")),
        set(),  # the spec lets a request have fields that it does not name, and so does `extra`
    ),
    "no credentials": (_forget_the_credentials, EVERYWHERE),
    "no version in the header": (_patch_request(_without("X-API-Version")), EVERYWHERE),
    "another version in the path": (_patch_request(_replace_in_path(b"/v2/", b"/v3/")), EVERYWHERE),
    "a misspelt path": (
        _patch_request(_replace_in_path(b"/messagelist", b"/messageList")),
        EVERYWHERE,
    ),
    "no content type": (_patch_request(_without("Content-Type")), EVERYWHERE),
    "an answer that is not understood": (_forget_what_was_answered, {MOCK, PROXY}),
}


class TestClient:
    """A fault in the client, or in what is generated; spec and sandbox are as they are."""

    @pytest.mark.parametrize("name", CLIENT_FAULTS)
    def test_prism_finds_faults_of_the_client(
        self, name: str, prism_mock: str, prism_proxy: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patch, caught_by = CLIENT_FAULTS[name]
        patch(monkeypatch)
        assert bool(by_prism(prism_mock)) == (MOCK in caught_by)
        assert bool(by_prism(prism_proxy)) == (PROXY in caught_by)

    @needs_openapi_core
    @pytest.mark.parametrize("name", CLIENT_FAULTS)
    def test_openapi_core_finds_faults_of_the_client(
        self, name: str, sandbox: Sandbox, judge: Judge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patch, caught_by = CLIENT_FAULTS[name]
        patch(monkeypatch)
        errors, exchanges = rounds(sandbox.url)
        assert bool(judge.problems(exchanges)) == (JUDGE in caught_by), errors


# In the sandbox


def _patch_json(change: Callable[[dict[str, Any]], object]) -> Patch:
    """Have the sandbox's answers changed before they are written."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = _app._json

        def changed(body: Any, *args: Any, **kwargs: Any) -> Any:
            change(body)
            return original(body, *args, **kwargs)

        monkeypatch.setattr(_app, "_json", changed)

    return patch


def _patch_answer(change: Callable[[Any], object]) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        original = _app._json

        def changed(*args: Any, **kwargs: Any) -> Any:
            response = original(*args, **kwargs)
            change(response)
            return response

        monkeypatch.setattr(_app, "_json", changed)

    return patch


def _change_status(old: int, new: int) -> Callable[[Any], object]:
    return lambda response: setattr(
        response, "status_code", new if response.status_code == old else response.status_code
    )


SANDBOX_FAULTS: dict[str, tuple[Patch, set[str]]] = {
    "a field of another type": (
        _patch_json(
            lambda body: body.update({"state": [body["state"]]} if "state" in body else {})
        ),
        {PROXY, JUDGE},
    ),
    "a renamed field": (_patch_json(_rename("messageListId", "listId")), {PROXY, JUDGE}),
    "a field too many": (_patch_json(lambda body: body.update(price=0.05)), {PROXY, JUDGE}),
    "an error in another shape": (_patch_json(_rename("errorCode", "code")), {PROXY, JUDGE}),
    "a status that is not described": (_patch_answer(_change_status(404, 410)), {PROXY, JUDGE}),
    "another content type": (
        _patch_answer(lambda response: response.headers.update({"content-type": "text/plain"})),
        {PROXY, JUDGE},
    ),
    "no request id": (
        lambda monkeypatch: monkeypatch.setattr(_app, "REQUEST_ID", "x-request-id"),
        {PROXY, JUDGE},
    ),
}


class TestSandbox:
    """A fault in the sandbox; schemathesis finds faults there as well, see test_sandbox_schemathesis."""

    @pytest.mark.parametrize("name", SANDBOX_FAULTS)
    def test_prism_finds_faults_of_the_sandbox(
        self, name: str, prism_proxy: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patch, caught_by = SANDBOX_FAULTS[name]
        patch(monkeypatch)
        assert bool(violations(rounds(prism_proxy)[1])) == (PROXY in caught_by)

    @needs_openapi_core
    @pytest.mark.parametrize("name", SANDBOX_FAULTS)
    def test_openapi_core_finds_faults_of_the_sandbox(
        self, name: str, sandbox: Sandbox, judge: Judge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patch, caught_by = SANDBOX_FAULTS[name]
        patch(monkeypatch)
        assert bool(judge.problems(rounds(sandbox.url)[1])) == (JUDGE in caught_by)

    @needs_openapi_core
    def test_openapi_core_finds_a_callback_with_a_field_of_another_type(
        self, judge: Judge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_callbacks, "write_time", lambda at: at.timestamp())
        with (
            Server(reply()) as receiver,
            Sandbox(sent_after=0, callback_url=receiver.url) as sandbox,
        ):
            with ECall(**sandbox.credentials) as ecall:
                ecall.sms.send(NUMBER, TEXT)
            assert receiver.has_seen(2)
        assert (
            judge.webhook_problems(
                "statusNotification", receiver.requests[0].body, "application/json"
            )
            != []
        )
