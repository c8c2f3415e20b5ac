"""What the service says to requests that text nobody, and to one SMS if that is allowed."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ecall_facade import ECall, SentMessage

if TYPE_CHECKING:
    from live.conftest import Live

pytestmark = pytest.mark.live

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
TEXT = "A test of ecall-facade, sent by tests/live. There is nothing to do."
UNKNOWN = "gone"
"""An id that no message, list or file has."""
WAYS: dict[str, dict[str, Any]] = {
    "v2 in the path": {"api_version": "v2", "version_in": "path"},
    "v2 in the header": {"api_version": "v2", "version_in": "header"},
    "v1 in the path": {"api_version": "v1", "version_in": "path"},
    "v1 in the header": {"api_version": "v1", "version_in": "header"},
}
READS: dict[str, Callable[[ECall], object]] = {
    "message": lambda ecall: ecall.messages.status(UNKNOWN),
    "list": lambda ecall: ecall.messages.list_status(UNKNOWN),
    "file": lambda ecall: ecall.media.download(UNKNOWN, io.BytesIO()),
}
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WITHOUT_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?")


def plain(live: Live, path: str, headers: dict[str, str]) -> Callable[[], object]:
    """Return a call that makes a request the library would not make."""
    url = live.base_url.rstrip("/") + path
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), 30.0)
    request = httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout})
    return lambda: live.guard.handle_request(request)


def values(data: Any, name: str) -> list[Any]:
    """Return the values of a name in a JSON object, in any letter case."""
    items = data.items() if isinstance(data, dict) else ()
    return [value for key, value in items if key.lower() == name.lower()]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", READS)
def test_an_unknown_id_is_answered_with_404_and_an_error_code(
    live: Live, what: str, way: str
) -> None:
    ecall = live.ecall.with_options(**WAYS[way])
    exchange = live.ask(lambda: READS[what](ecall))
    assert exchange.status == 404
    assert values(exchange.json, "errorCode")


def test_an_unknown_id_is_answered_otherwise_than_an_unknown_path(live: Live) -> None:
    """Else a 404 would not show that the operation exists."""
    path = "/api/ecall-facade/no-such-path"
    nowhere = live.ask(lambda: live.ecall.request("GET", path))
    for read in READS.values():
        exchange = live.ask(partial(read, live.ecall))
        assert (exchange.status, values(exchange.json, "errorCode")) != (
            nowhere.status,
            values(nowhere.json, "errorCode"),
        )


def test_every_response_has_a_request_id(live: Live) -> None:
    assert live.ask(lambda: READS["message"](live.ecall)).headers.get("x-f24-request-id")


def test_an_unknown_version_is_answered_with_400(live: Live) -> None:
    path = f"/api/v9/message/{UNKNOWN}"
    assert live.ask(lambda: live.ecall.request("GET", path)).status == 400


def test_a_request_without_credentials_is_answered_with_401(live: Live) -> None:
    exchange = live.ask(plain(live, f"/api/v2/message/{UNKNOWN}", {}))
    assert exchange.status == 401
    scheme = exchange.headers.get("www-authenticate", "Basic").partition(" ")[0]
    assert scheme.lower() == "basic"


def test_an_uploaded_picture_can_be_read_back(live: Live) -> None:
    ids: list[str] = []

    def upload() -> None:
        ids.append(live.ecall.media.upload(PICTURE, content_type="image/png").media_id)

    assert 200 <= live.ask(upload).status <= 299
    assert ids, "the response holds no mediaId"
    exchange = live.ask(lambda: live.ecall.media.download(ids[0], io.BytesIO()))
    assert (exchange.status, exchange.body == PICTURE) == (200, True)


@pytest.mark.parametrize(
    ("path", "body"), [("/api/message", {}), ("/api/messagelist", {"messages": []})]
)
def test_a_request_that_names_nobody_is_refused(live: Live, path: str, body: Any) -> None:
    """It is sent only if an SMS is allowed, though it could text nobody even if the service took it."""
    if not live.number:
        pytest.skip("LIVE_SEND_ONE_SMS_TO is not set")
    exchange = live.ask(lambda: live.ecall.request("POST", path, json=body))
    assert exchange.status == 400
    assert values(exchange.json, "errorCode")


def test_one_sms_is_accepted_and_its_status_can_be_read(live: Live) -> None:
    if not live.number:
        pytest.skip("LIVE_SEND_ONE_SMS_TO is not set")
    sent: list[SentMessage] = []
    exchange = live.ask(lambda: sent.append(live.ecall.sms.send(live.number, TEXT)))
    if exchange.status in {400, 401, 403}:
        pytest.skip(f"the send was refused: {exchange.status}, as the sender or the credit may be")
    assert 200 <= exchange.status <= 299
    assert sent, "the response holds no messageId"
    (accepted,) = values(exchange.json, "timestamp")
    assert UTC.fullmatch(str(accepted)), "v2 writes times in UTC, as ISO 8601 with Z"
    for way, options in WAYS.items():
        ecall = live.ecall.with_options(**options)
        status = live.ask(partial(ecall.messages.status, sent[0].message_id))
        assert status.status == 200, way
        (state,) = values(status.json, "state")
        assert isinstance(state, str | int), way
        times = values(status.json, "timestamp")
        pattern = UTC if "v2" in way else WITHOUT_OFFSET
        assert all(pattern.fullmatch(str(time)) for time in times if time is not None), way
