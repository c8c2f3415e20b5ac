"""The sandbox's API over real sockets, with nothing but httpx. `_sandbox.py` holds each response against the spec."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx
import pytest
from _sandbox import OCTETS, SMS, TEXT, RunningSandbox, check_response, parameters, to_list

from ecall_facade.sandbox import Sandbox
from ecall_facade.sandbox._app import App
from ecall_facade.sandbox._limits import DEFAULT_LIMITS
from ecall_facade.sandbox._messages import Record, State, Step
from ecall_facade.sandbox._store import Store

pytestmark = pytest.mark.once

OpenSandbox: TypeAlias = Callable[..., RunningSandbox]
WINTER = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    """A sandbox for the tests that do not look at what it keeps."""
    with RunningSandbox() as running:
        yield running


def basic(username: str, password: str) -> str:
    request = httpx.Request("GET", "http://localhost")
    return next(httpx.BasicAuth(username, password).auth_flow(request)).headers["Authorization"]


@pytest.mark.parametrize("path", ["/api/message", "/api/v2/media", "/api/nothing", "/nothing"])
@pytest.mark.parametrize(
    "header",
    [
        None, "Basic", "Basic !", "Basic c2FuZGJveA==", "Bearer c2FuZGJveDpzYW5kYm94", basic("sandbox", "wrong"),
        basic("sändböx", ""),
    ],
)  # fmt: skip
def test_missing_or_wrong_credentials_get_401(
    shared: RunningSandbox, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    response = shared.page.post(path, json=SMS, headers=headers)
    check_response(response)
    assert (response.status_code, response.json()["errorCode"]) == (401, "AccNoUser")
    assert response.headers["www-authenticate"].startswith("Basic")


def test_credentials_with_another_scheme_get_401(shared: RunningSandbox) -> None:
    credentials = shared.sandbox.credentials
    right = basic(credentials["username"], credentials["password"])
    for scheme, status in (("BASIC", 404), ("Bearer", 401)):
        header = right.replace("Basic", scheme)
        response = shared.page.get("/api/message/x", headers={"Authorization": header})
        assert response.status_code == status


def test_username_and_password_can_be_chosen(open_sandbox: OpenSandbox) -> None:
    assert open_sandbox(username="Zoë", password="ü:/ 1").send().status_code == 200


def test_default_credentials_are_random_and_their_repr_hides_the_password(
    open_sandbox: OpenSandbox,
) -> None:
    first, second = open_sandbox().sandbox, open_sandbox().sandbox
    assert first.credentials["username"] != second.credentials["username"]
    password = first.credentials["password"]
    assert password != second.credentials["password"]
    assert password not in f"{first!r} {first.credentials!r} {first.credentials!s}"
    assert first.credentials["base_url"] == first.url


def test_the_senders_in_the_credentials_are_accepted(shared: RunningSandbox) -> None:
    senders = shared.sandbox.credentials["sender"]
    for channel, sender in senders.items():
        assert shared.send(channel=channel.title(), **{"from": sender}).status_code == 200


@pytest.mark.parametrize(
    ("path", "header", "version"),
    [
        ("/api/message", None, 1), ("/api/message", "1", 1), ("/api/message", "1.0", 1), ("/api/message", "2", 2),
        ("/api/message", "2.0", 2), ("/api/v1/message", None, 1), ("/api/v2/message", None, 2),
        ("/api/v2/message", "2.0", 2), ("/API/V2/Message", None, 2), ("/api/v2/message/", None, 2),
    ],
)  # fmt: skip
def test_each_version_writes_timestamps_in_its_own_form(
    open_sandbox: OpenSandbox, path: str, header: str | None, version: int
) -> None:
    running = open_sandbox(clock=lambda: WINTER)
    headers = {} if header is None else {"x-api-version": header}
    timestamp = "2026-01-15T09:30:00.000Z" if version == 2 else "2026-01-15T10:30:00.000"
    sent = running.post(path, headers=headers).json()
    assert sent["timestamp"] == timestamp
    message_id = sent["messageId"]
    status = running.api.get(f"{path.rstrip('/')}/{message_id}", headers=headers).json()
    assert status == {"messageId": message_id, "state": "Pending", "timestamp": timestamp}


def test_timestamps_of_v1_follow_swiss_summer_time(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(clock=lambda: datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert running.post("/api/v1/message").json()["timestamp"] == "2026-07-01T14:00:00.000"


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/api/v3/message", None), ("/api/v2.1/media/x", None), ("/api/message", "3"), ("/api/message", "v2"),
        ("/api/message", ""), ("/api/v2/message", "1"), ("/api/v1/message", "2.0"), ("/api/v2/message", "7"),
    ],
)  # fmt: skip
def test_unknown_or_contradicting_versions_get_400(
    shared: RunningSandbox, path: str, header: str | None
) -> None:
    response = shared.post(path, headers={} if header is None else {"X-API-Version": header})
    assert (response.status_code, response.json()["errorCode"]) == (400, "SandboxUnknownVersion")


@pytest.mark.parametrize("version", ["", "/v1", "/v2", "/V2"])
def test_every_operation_is_found_with_and_without_a_version_in_its_path(
    shared: RunningSandbox, version: str
) -> None:
    base = f"/api{version}"
    message_id = shared.post(f"{base}/message").json()["messageId"]
    assert shared.api.get(f"{base}/message/{message_id}").status_code == 200
    list_id = shared.post(f"{base}/messagelist", {"messages": [SMS]}).json()["messageListId"]
    assert shared.api.get(f"{base}/messagelist/{list_id}").status_code == 200
    uploaded = shared.api.post(f"{base}/media", content=b"x", headers=OCTETS).json()
    assert shared.api.get(f"{base}/media/{uploaded['mediaId']}").content == b"x"


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [
        ("message", "application/json; charset=UTF-8", 200), ("message", 'Application/JSON;charset="utf-8"', 200),
        ("message", "application/json; charset=latin-1", 415), ("message", "text/plain", 415), ("message", None, 415),
        ("messagelist", "application/x-www-form-urlencoded", 415), ("media", "application/octet-stream", 200),
        ("media", "image/png", 200), ("media", "multipart/form-data; boundary=x", 415), ("media", None, 415),
        ("media", "application/x-www-form-urlencoded", 415), ("media", "file", 415),
    ],
)  # fmt: skip
def test_a_wrong_content_type_gets_415(
    shared: RunningSandbox, path: str, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = json.dumps(SMS).encode()
    response = shared.api.post(f"/api/{path}", content=body, headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/message", "POST"),
        ("PUT", "/api/v2/messagelist", "POST"),
        ("DELETE", "/api/media/x", "GET"),
        ("POST", "/api/message/x", "GET"),
    ],
)
def test_another_method_of_the_api_gets_405_with_allow(
    shared: RunningSandbox, method: str, path: str, allowed: str
) -> None:
    response = shared.api.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        *((path, "SandboxUnknownPath") for path in ("/nothing", "/api", "/api/", "/api/video", "/api/message/a/b",
                                                   "/message", "/api/vx/message", "/api/v2%2Fmessage")),
        *((path, "IDDoesNotExist") for path in ("/api/message/x", "/api/v2/messagelist/x", "/api/media/x",
                                               "/api/media/..%5Cx", "/api/v2/message/a%2Fb%20%C3%BC")),
    ],
)  # fmt: skip
def test_unknown_paths_and_ids_get_404(shared: RunningSandbox, path: str, code: str) -> None:
    response = shared.api.get(path)
    assert (response.status_code, response.json()["errorCode"]) == (404, code)


def test_an_id_in_the_path_may_be_escaped(shared: RunningSandbox) -> None:
    message_id = shared.send().json()["messageId"].replace("-", "%2D")
    assert shared.api.get(f"/api/v2/message/{message_id}").status_code == 200


def test_a_body_over_16_mib_gets_413(running: RunningSandbox) -> None:
    headers = {"Content-Type": "application/json"}
    body = b" " * (16 * 2**20 + 1)
    response = running.api.post("/api/message", content=body, headers=headers)
    assert (response.status_code, response.json()["errorCode"]) == (413, "SandboxTooLarge")
    assert running.send().status_code == 200  # on the same connection


def test_an_invalid_request_gets_400_and_is_not_stored(running: RunningSandbox) -> None:
    """The rules themselves are in test_sandbox_rules.py."""
    assert parameters(running.send(to="nobody").json()).keys() == {"To"}
    assert running.post("/api/v2/messagelist", {"messages": []}).status_code == 400
    response = running.api.post(
        "/api/message", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["errorCode"]) == (400, "SyntaxError")
    assert running.post("/api/v1/message", {**SMS, "channel": "sms"}).status_code == 200
    assert running.post("/api/v2/message", {**SMS, "channel": "sms"}).status_code == 400
    (message,) = running.sandbox.messages
    assert (message.channel, message.raw["channel"]) == ("Sms", "sms")


def test_a_message_is_stored_as_it_came(running: RunningSandbox) -> None:
    response = running.send(marketing=True)
    (message,) = running.sandbox.messages
    assert response.json().keys() == {"messageId", "timestamp"}
    assert message.id == response.json()["messageId"]
    assert message.request_id == response.headers["x-f24-request-id"]
    assert (message.channel, message.sender, message.recipient) == ("Sms", "ACME", "+41791234567")
    assert (message.content, message.text, message.list_id) == (TEXT, "Grüezi", None)
    assert message.raw == {**SMS, "marketing": True}
    message.content["text"] = "changed"
    assert message.text == "Grüezi"
    assert "Grüezi" not in repr(message)
    assert "791234" not in repr(message)


def test_json_names_may_have_any_letter_case(running: RunningSandbox) -> None:
    content = {"TYPE": "Text", "Text": "x"}
    body = {"Channel": "Sms", "FROM": "ACME", "tO": "+41791234567", "Content": content}
    assert running.post(body=body).status_code == 200
    assert running.sandbox.messages[0].content == {"type": "Text", "text": "x"}
    assert running.sandbox.messages[0].raw == body


@pytest.mark.parametrize("numbers", [["+41791234567", "0041781234567", "+41791234567"], ["141"]])
def test_a_to_list_becomes_one_message_for_each_recipient(
    running: RunningSandbox, numbers: list[str]
) -> None:
    response = running.send(to=None, toList=to_list(*numbers)).json()
    assert response["messageIdList"] == [message.id for message in running.sandbox.messages]
    assert [message.recipient for message in running.sandbox.messages] == numbers
    assert "messageId" not in response


@pytest.mark.parametrize("spelling", ["messages", "Messages"])
def test_each_message_of_a_list_has_its_own_outcome(running: RunningSandbox, spelling: str) -> None:
    messages = [
        SMS,
        {**SMS, "to": "+999"},
        {"CHANNEL": "Rcs", "From": "agent", "To": "0041781234567", "content": TEXT},
        "text",
        {**SMS, "to": None, "toList": to_list("+41791234567", "+41791234567")},
    ]
    response = running.post("/api/v2/messagelist", {spelling: messages})
    first, second, third, fourth, fifth = response.json()["messages"]
    list_id = response.json()["messageListId"]
    assert parameters(second["error"]).keys() == {"To"}
    assert parameters(fourth["error"]).keys() == {"Message"}
    ids = [first["messageId"], third["messageId"], *fifth["messageIdList"]]
    stored = running.sandbox.messages
    assert [message.id for message in stored] == ids
    assert {message.list_id for message in stored} == {list_id}
    assert {message.request_id for message in stored} == {response.headers["x-f24-request-id"]}
    assert stored[1].raw == messages[2]
    status = running.api.get(f"/api/messagelist/{list_id}").json()
    assert [entry["messageId"] for entry in status["messages"]] == ids
    assert status["messageListId"] == list_id


def test_a_list_of_which_all_messages_are_refused_is_accepted(running: RunningSandbox) -> None:
    response = running.send_list({}, {})
    assert all(entry.keys() == {"error"} for entry in response["messages"])
    list_id = response["messageListId"]
    status = running.api.get(f"/api/v2/messagelist/{list_id}").json()
    assert status == {"messageListId": list_id, "messages": []}


def test_states_change_by_themselves(running: RunningSandbox) -> None:
    began = time.monotonic()
    message_id = running.send().json()["messageId"]
    states = [running.status(message_id)["state"]]
    while states[-1] != "Delivered" and time.monotonic() < began + 5:
        states.append(running.status(message_id)["state"])
    assert time.monotonic() >= began + 0.15
    assert states == sorted(states, key=["Pending", "Sent", "Delivered"].index)
    first, *_, last = (at for _, at in running.sandbox.messages[0].history)
    assert last - first == timedelta(seconds=0.15)


def test_without_a_report_a_message_stays_sent(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(delivered_after=None)
    message_id = running.send().json()["messageId"]
    running.sandbox.clock.advance(timedelta(days=6))
    assert running.status(message_id)["state"] == "Sent"


def test_a_message_that_was_read_does_not_change(running: RunningSandbox) -> None:
    running.sandbox.clock.freeze()
    running.send()
    (before,) = running.sandbox.messages
    running.sandbox.clock.advance(1)
    (after,) = running.sandbox.messages
    assert (before.state, after.state) == ("Pending", "Delivered")
    assert (len(before.history), len(after.history)) == (1, 3)


def test_the_oldest_messages_and_lists_are_dropped_beyond_the_limit(
    open_sandbox: OpenSandbox,
) -> None:
    running = open_sandbox(max_messages=3)
    list_id = running.send_list(SMS, SMS)["messageListId"]
    ids = [running.send().json()["messageId"] for _ in range(2)]
    assert [message.id for message in running.sandbox.messages][1:] == ids
    assert len(running.api.get(f"/api/v2/messagelist/{list_id}").json()["messages"]) == 1
    for _ in range(3):
        running.send_list({})
    assert running.api.get(f"/api/v2/messagelist/{list_id}").status_code == 404


@pytest.mark.long
def test_a_file_of_20_mb_is_downloaded_as_it_was_uploaded(running: RunningSandbox) -> None:
    data = secrets.token_bytes(20 * 2**20)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(data), 1_000_003):
            yield data[start : start + 1_000_003]

    for content in (data, chunks()):
        uploaded = running.api.post("/api/v2/media", content=content, headers=OCTETS).json()
        response = running.api.get(f"/api/media/{uploaded['mediaId']}")
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-length"] == str(len(data))
        assert response.content == data
        assert running.sandbox.media(uploaded["mediaId"]) == data


def test_an_uploaded_file_can_be_sent(running: RunningSandbox) -> None:
    content = {"type": "Image", "mediaId": running.upload(b"GIF89a")}
    assert running.send(channel="Rcs", content=content).status_code == 200
    assert running.sandbox.messages[0].text is None
    assert running.sandbox.messages[0].content == content


def test_an_empty_file_gets_400(running: RunningSandbox) -> None:
    response = running.api.post("/api/media", content=b"", headers=OCTETS)
    assert parameters(response.json()).keys() == {"Body"}


def test_a_file_over_max_media_size_gets_413(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(max_media_size=100_000)
    running.upload(b"x" * 100_000)
    response = running.api.post("/api/media", content=b"x" * 100_001, headers=OCTETS)
    assert response.status_code == 413
    running.upload(b"x")


def test_the_oldest_files_are_dropped_beyond_the_limit(open_sandbox: OpenSandbox) -> None:
    running = open_sandbox(max_media=2)
    first, second, third = (running.upload(name) for name in (b"1", b"2", b"3"))
    assert running.api.get(f"/api/media/{first}").status_code == 404
    assert running.api.get(f"/api/media/{third}").content == b"3"
    with pytest.raises(KeyError):
        running.sandbox.media(first)
    assert running.sandbox.media(second) == b"2"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidContent"), (401, "AccNoUser"), (403, "AccNoUnits"), (404, "IDDoesNotExist"),
        (429, "SandboxTooManyRequests"), (500, "SandboxFailure"),
    ],
)  # fmt: skip
def test_a_planned_failure_comes_instead_of_handling_the_request(
    running: RunningSandbox, status: int, code: str
) -> None:
    running.sandbox.fail_next(status, headers={"Retry-After": "1"}, times=2)
    for _ in range(2):
        response = running.send()
        assert (response.status_code, response.json()["errorCode"]) == (status, code)
        assert response.headers["retry-after"] == "1"
    assert running.sandbox.messages == []
    assert running.send().status_code == 200


def test_planned_failures_come_in_order_and_only_with_the_right_credentials(
    running: RunningSandbox,
) -> None:
    running.sandbox.fail_next(403, code="Broke", message="No credit")
    running.sandbox.fail_next(413)
    assert running.page.post("/api/message").status_code == 401
    assert running.send().json() == {"errorCode": "Broke", "errorMessage": "No credit"}
    assert [running.send().status_code for _ in range(2)] == [413, 200]


def test_a_planned_failure_may_have_any_status_body_and_headers(running: RunningSandbox) -> None:
    fail_next = running.sandbox.fail_next
    auth = running.api.auth
    assert auth
    html = "<html>Bad Gateway</html>"
    fail_next(502, body=html, headers={"X-F24-Request-ID": None})
    response = running.page.post("/api/message", json=SMS, auth=auth)
    assert (response.status_code, response.text) == (502, html)
    assert response.headers["content-type"] == "text/html"
    assert "x-f24-request-id" not in response.headers
    assert response.headers["x-ecall-sandbox"].startswith("simulated")
    fail_next(200, body=b"\xff\x00", headers={"Content-Type": "application/json", "Date": "now"})
    response = running.page.get("/api/message/x", auth=auth)
    assert (response.status_code, response.content) == (200, b"\xff\x00")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["date"] == "now"
    fail_next(503, body="busy", headers={"x-f24-request-id": "mine"})
    response = running.page.get("/api/message/x", auth=auth)
    assert response.headers["x-f24-request-id"] == "mine"
    assert response.headers["content-type"] == "text/plain"
    fail_next(204, body="")
    assert running.page.get("/api/message/x", auth=auth).status_code == 204


@pytest.mark.parametrize(
    "arguments",
    [
        {"status": 100}, {"status": 199}, {"status": 600}, {"times": 0}, {"body": "x", "code": "y"},
        {"body": "x", "message": "y"}, {"headers": {"a": "b\r\nc: d"}}, {"headers": {"a": "ü"}},
        {"headers": {"a": " b"}}, {"headers": {"Retry After": "1"}}, {"headers": {"a: b": "c"}},
        {"headers": {"": None}},
    ],
)  # fmt: skip
def test_fail_next_refuses_responses_that_cannot_be_sent(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|must not be"):
        Sandbox().fail_next(**arguments)


class BrokenStore(Store):
    """A store with a fault that nobody has thought of."""

    def add(self, records: list[Record]) -> None:
        raise RuntimeError("broken")


def test_an_unexpected_error_of_the_sandbox_has_the_error_shape(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = BrokenStore(
        clock=lambda: WINTER, timeline=(Step(timedelta(), State.PENDING),), seed=1, max_messages=1, max_media=1,
        limits=DEFAULT_LIMITS,
    )  # fmt: skip
    app = App(store, None, None, DEFAULT_LIMITS)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, auth=("any", "one")) as client:
            return await client.post("http://sandbox/api/message", json=SMS)

    response = asyncio.run(send())
    check_response(response)
    assert (response.status_code, response.json()["errorCode"]) == (500, "SandboxFailure")
    errors = [record.name for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["ecall_facade.sandbox"]


def test_ids_are_counted_with_a_seed(open_sandbox: OpenSandbox) -> None:
    def session(seed: int | None) -> list[Any]:
        running = open_sandbox(seed=seed, clock=lambda: WINTER)
        responses = [
            running.send(),
            running.send(to="nobody"),
            running.post("/api/v2/messagelist", {"messages": [SMS, SMS]}),
            running.api.post("/api/media", content=b"x", headers=OCTETS),
        ]
        return [(dict(response.headers), response.content) for response in responses]

    assert session(1) == session(1)
    assert session(1) != session(2)
    assert session(None) != session(None)
    first, _, third, fourth = (json.loads(content) for _, content in session(1))
    assert first["messageId"] == "00000001-0001-4c6e-9d3a-000000000001"
    assert third["messageListId"] == "00000001-0002-4c6e-9d3a-000000000001"
    assert fourth["mediaId"] == "00000001-0003-4c6e-9d3a-000000000001"


def test_ids_are_unique_when_many_clients_send_at_once(running: RunningSandbox) -> None:
    auth, url = running.api.auth, running.sandbox.url

    def send(_: int) -> list[tuple[str, str]]:
        with httpx.Client(base_url=url, auth=auth, trust_env=False, verify=False) as client:
            responses = [client.post("/api/message", json=SMS) for _ in range(10)]
        return [(each.json()["messageId"], each.headers["x-f24-request-id"]) for each in responses]

    with ThreadPoolExecutor(20) as pool:
        found = [pair for pairs in pool.map(send, range(20)) for pair in pairs]
    message_ids, request_ids = ({pair[place] for pair in found} for place in (0, 1))
    assert len(message_ids) == len(request_ids) == 200
    assert {message.id for message in running.sandbox.messages} == message_ids
