"""A running sandbox for tests, with a plain HTTP client whose responses are held against the spec."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import Any, Self

import httpx
from _spec import problems

from ecall_facade.sandbox import Notification, Sandbox

TEXT = {"type": "Text", "text": "Grüezi"}
SMS = {"channel": "Sms", "from": "ACME", "to": "+41791234567", "content": TEXT}
OCTETS = {"Content-Type": "application/octet-stream"}
_RESULTS = {
    ("POST", "message"): "MessageResult",
    ("GET", "message"): "MessageStatusResult",
    ("POST", "messagelist"): "MessageListResult",
    ("GET", "messagelist"): "MessageListStatusResult",
    ("POST", "media"): "MediaUploadResult",
}


class RunningSandbox:
    """A sandbox, a client with its credentials, and one that, like a browser, has none.

    Attributes:
        sandbox: The sandbox.
        api: Has the credentials; its responses are held against the spec.
        page: Has none.
    """

    def __init__(self, **options: Any) -> None:
        self.sandbox = Sandbox(**options)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.sandbox)
        # No certificates are loaded, which takes longer than all the rest.
        options: dict[str, Any] = {
            "base_url": self.sandbox.url,
            "trust_env": False,
            "verify": False,
            "timeout": 30,
        }
        credentials = self.sandbox.credentials
        auth = (credentials["username"], credentials["password"])
        hooks = {"response": [check_response]}
        self.api = self._stack.enter_context(httpx.Client(auth=auth, event_hooks=hooks, **options))
        self.page = self._stack.enter_context(httpx.Client(**options))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def post(
        self, path: str = "/api/v2/message", body: object = SMS, **options: Any
    ) -> httpx.Response:
        return self.api.post(path, json=body, **options)

    def send(self, **changes: Any) -> httpx.Response:
        """Send an SMS, with these fields changed."""
        return self.post(body={**SMS, **changes})

    def send_list(self, *messages: object, **fields: object) -> Any:
        """Send a list, and return the JSON of the response."""
        return self.post("/api/v2/messagelist", {"messages": list(messages), **fields}).json()

    def upload(self, data: bytes) -> str:
        response = self.api.post("/api/v2/media", content=data, headers=OCTETS)
        return str(response.json()["mediaId"])

    def status(self, message_id: str) -> Any:
        return self.api.get(f"/api/v2/message/{message_id}").json()

    def wait_for_notifications(self, count: int) -> list[Notification]:
        """Wait until as many attempts were made, and no further one follows."""
        deadline = time.monotonic() + 10
        while len(self.sandbox.notifications) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.06)  # more than a tick of the sandbox
        assert len(self.sandbox.notifications) == count
        return self.sandbox.notifications


def check_response(response: httpx.Response) -> None:
    """Check what all responses of the API have, and hold them against the spec."""
    response.read()
    assert response.headers["x-f24-request-id"]
    assert response.headers["x-ecall-sandbox"].startswith("simulated")
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/json"
        assert problems("#/components/schemas/Error", response.json()) == []
        return
    match = re.match(r"/api(?:/v\d)?/(\w+)", response.url.path, re.IGNORECASE)
    assert match
    schema = _RESULTS.get((response.request.method, match[1].lower()))
    if schema:
        assert problems(f"#/components/schemas/{schema}", json.loads(response.content)) == []


def parameters(error: Any) -> dict[str, str]:
    """Return the messages of an `InvalidContent` error by parameter."""
    assert error["errorCode"] == "InvalidContent"
    assert error["errorMessage"]
    errors = error["errorDetails"]["errors"]
    return {each["parameter"]: " ".join(each["messages"]) for each in errors}


def notification(*addresses: tuple[str, str], **fields: str) -> dict[str, object]:
    """Return the `notification` of a message."""
    items = [{"type": kind, "address": address} for kind, address in addresses]
    return {"addresses": items, **fields}


def to_list(*numbers: str) -> list[dict[str, str]]:
    return [{"type": "Number", "address": number} for number in numbers]
