"""Prism judges the client and the sandbox by the spec: as a service made of it, and as a proxy between the two."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import _spec
import httpx
import pytest
from _clients import NUMBER, PASSWORD, SENDERS, TEXT, USERNAME
from _contract import BAD_MESSAGES, UNKNOWN, Recorder, changed_message, take_round, violations
from _methods import METHODS, called
from _scenarios import WAYS

from ecall_facade import (
    APIError,
    AuthenticationError,
    BadRequest,
    ECall,
    ECallError,
    ImageContent,
    Media,
    MessageStatus,
    NotFound,
    PermissionDenied,
    RateLimited,
    SentBroadcast,
    SentList,
    SentMessage,
    ServerError,
    TooLarge,
    UnreadableResponse,
)

if TYPE_CHECKING:
    from _clients import OpenClient

    from ecall_facade.sandbox import Sandbox

pytest_plugins = ["_prism"]

every_way = pytest.mark.parametrize("way", WAYS)

# What each operation is called by, and what comes of Prism's answer. Its answers to a send have one `messageId` only.
CALLS: dict[str, tuple[Any, type]] = {
    "sendMessage": (lambda ecall: ecall.sms.send(NUMBER, TEXT), SentMessage),
    "sendMessageList": (
        lambda ecall: ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)]),
        SentList,
    ),
    "getMessageStatus": (lambda ecall: ecall.messages.status("m-1"), MessageStatus),
    "getMessageListStatus": (lambda ecall: ecall.messages.list_status("l-1"), object),
    "uploadMedia": (lambda ecall: ecall.media.upload(b"GIF89a"), Media),
    "getMedia": (METHODS["media.stream"], tuple),
}
STATUSES: dict[int, type[APIError]] = {
    400: BadRequest,
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    409: APIError,  # as any that is described by `default` only
    413: TooLarge,
    415: APIError,
    422: APIError,
    429: RateLimited,
    500: ServerError,
    502: ServerError,
    503: ServerError,
}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


class TestMock:
    """A service that is made of the spec understands the client, and the client understands it."""

    @pytest.mark.parametrize(
        ("method", "way"),
        [
            *[(name, "v2-path") for name in METHODS if called(name) not in {"request", "close"}],
            *[("sms.send", way) for way in WAYS if way != "v2-path"],
        ],
    )
    def test_prism_responds_to_every_method(
        self, method: str, way: str, open_client: OpenClient, prism_mock: str, recorder: Recorder
    ) -> None:
        ecall = open_client(prism_mock, transport=recorder, **WAYS[way])
        result: Any = METHODS[method](ecall)
        assert violations(recorder.exchanges) == []
        assert all(exchange.response.status_code == 200 for exchange in recorder.exchanges)
        for kind in (SentMessage, SentBroadcast, MessageStatus):
            if isinstance(result, kind):
                assert "b1f5a2f0-0001-4c6e-9d3a-000000000001" in str(result)
                assert result.request_id == "string"

    def test_every_operation_is_reached(self) -> None:
        assert CALLS.keys() == _spec.OPERATIONS.keys()

    @pytest.mark.parametrize("status", STATUSES)
    def test_every_error_that_the_spec_describes_is_raised(
        self, status: int, open_client: OpenClient, prism_mock: str, recorder: Recorder
    ) -> None:
        recorder.headers["Prefer"] = f"code={status}"
        ecall = open_client(prism_mock, transport=recorder, retry=False)
        for (name, (call, _)), way in itertools.product(CALLS.items(), ("v2-path", "v1-header")):
            with pytest.raises(ECallError) as caught:
                call(ecall.with_options(**WAYS[way]))
            error = caught.value
            assert type(error) is STATUSES[status], name
            assert isinstance(error, APIError)
            assert (error.status_code, error.code, error.request_id) == (
                status,
                "InvalidContent",
                "string",
            )
            assert error.message == ("The request is not valid." if status == 400 else "string")
            assert len(error.details) == 1
        assert violations(recorder.exchanges) == []
        assert len(recorder.exchanges) == 2 * len(CALLS)

    def test_every_error_that_the_spec_describes_is_tried(self) -> None:
        described = {
            status for each in _spec.OPERATIONS.values() for status in each.node["responses"]
        }
        assert described - {"2XX", "default"} == {str(status) for status in STATUSES} - {
            "409",
            "422",
            "502",
        }

    @pytest.mark.parametrize("seed", range(6))
    def test_every_response_that_the_spec_allows_is_read(
        self, seed: int, open_client: OpenClient, prism_mock: str, recorder: Recorder
    ) -> None:
        """An answer may lack every field; a send without an id is then an error of ours, and nothing is any other."""
        recorder.headers["Prefer"] = f"dynamic=true, seed={seed}"
        ecall = open_client(prism_mock, transport=recorder, retry=False)
        unreadable = []
        for call, kind in CALLS.values():
            try:
                assert isinstance(call(ecall), kind)
            except UnreadableResponse as error:
                unreadable.append(str(error))
        assert all("the response has no " in words for words in unreadable)
        assert violations(recorder.exchanges) == []

    @pytest.mark.parametrize("name", BAD_MESSAGES)
    def test_prism_refuses_messages_that_the_spec_forbids(
        self, name: str, prism_mock: str, recorder: Recorder
    ) -> None:
        with (
            ECall(USERNAME, PASSWORD, base_url=prism_mock, transport=recorder) as ecall,
            pytest.raises(BadRequest),
        ):
            ecall.request("POST", "/api/message", json=changed_message(BAD_MESSAGES[name]))
        assert "request" in recorder.exchanges[0].response.headers["sl-violations"]

    def test_prism_refuses_requests_that_the_spec_forbids(self, prism_mock: str) -> None:
        octets = {"Content-Type": "application/octet-stream", "X-API-Version": "2"}
        with httpx.Client(base_url=prism_mock, trust_env=False, verify=False) as client:
            anonymous = client.get("/api/v2/message/m-1")
            client.auth = (USERNAME, PASSWORD)
            answers = [
                client.get("/api/message/m-1"),  # without a version
                client.get("/api/message/m-1", headers={"X-API-Version": "3"}),
                client.post("/api/message", content=b"{}", headers=octets),
                client.get("/api/v3/message/m-1"),
                client.put("/api/v2/message"),
            ]
        assert anonymous.status_code == 401
        assert [answer.status_code for answer in answers] == [400, 400, 415, 404, 405]


class TestProxy:
    """What passes between the client and the sandbox is as the spec says, in both directions."""

    @every_way
    def test_a_message_from_send_to_reply_passes_prism(
        self, way: str, open_client: OpenClient, prism_proxy: str, recorder: Recorder
    ) -> None:
        ecall = open_client(prism_proxy, transport=recorder, **WAYS[way])
        assert take_round(ecall) == []
        assert ecall.messages.wait(ecall.sms.send(NUMBER, TEXT).message_id, timeout=10).is_final
        assert violations(recorder.exchanges) == []
        statuses = [exchange.response.status_code for exchange in recorder.exchanges]
        assert sorted(set(statuses)) == [200, 404]
        assert all(
            "x-ecall-sandbox" in exchange.response.headers for exchange in recorder.exchanges
        )

    def test_each_method_passes_prism(
        self, open_client: OpenClient, prism_proxy: str, recorder: Recorder
    ) -> None:
        ecall = open_client(prism_proxy, transport=recorder, retry=False)
        refused = set()
        for name, method in METHODS.items():
            # A file that is no text does not come through Prism unharmed; and nobody waits for what is not there.
            binary = called(name).endswith(("upload", "send_file"))
            if not binary and called(name) not in {"request", "messages.wait", "close"}:
                try:
                    method(ecall)
                except (BadRequest, NotFound) as error:
                    refused.add(error.code)
        # The ids in these calls are invented, and one of them has a slash in it.
        assert refused == {"InvalidContent", "IDDoesNotExist"}
        assert violations(recorder.exchanges) == []
        assert {exchange.response.status_code for exchange in recorder.exchanges} == {200, 400, 404}

    def test_the_sandboxs_errors_pass_prism(
        self, proxied_sandbox: Sandbox, prism_proxy: str, recorder: Recorder
    ) -> None:
        unknown = ImageContent(media_id=UNKNOWN)
        with (
            ECall(
                USERNAME,
                PASSWORD,
                base_url=prism_proxy,
                sender=SENDERS,
                retry=False,
                transport=recorder,
            ) as ecall,
            pytest.raises(BadRequest),
        ):
            ecall.whatsapp.send(NUMBER, unknown)
        with ECall(USERNAME, "wrong", base_url=prism_proxy, transport=recorder) as ecall:
            for call, _ in CALLS.values():
                with pytest.raises(AuthenticationError):
                    call(ecall.with_options(sender=SENDERS))
        with ECall(
            USERNAME,
            PASSWORD,
            base_url=prism_proxy,
            sender=SENDERS,
            retry=False,
            transport=recorder,
        ) as ecall:
            for status in (403, 429, 500, 503):
                for call, _ in CALLS.values():
                    proxied_sandbox.fail_next(status, headers={"Retry-After": "1"})
                    with pytest.raises(STATUSES[status]):
                        call(ecall)
        assert violations(recorder.exchanges) == []
        assert len(recorder.exchanges) == 1 + 6 + 24
