"""What instruments, logs, mocks or records httpx sees each try exactly once, and no credentials."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
import sentry_sdk
import vcr
from _clients import NUMBER, PASSWORD, TEXT, TOKEN
from _servers import Response, Server, drop, reply, sent
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.httpx import HttpxIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from ecall_facade import APIError, ECallError

if TYPE_CHECKING:
    from pathlib import Path

    import respx
    from _clients import OpenClient
    from pytest_httpx import HTTPXMock

BUSY = reply(429, retry_after="0")
SERVICE = "https://rest.ecall.example"
SECRETS = (PASSWORD, TOKEN)
every_script = pytest.mark.parametrize(
    ("script", "statuses"),
    [([sent()], [200]), ([BUSY, sent()], [429, 200]), ([BUSY, BUSY, sent()], [429, 429, 200])],
    ids=["success", "one retry", "two retries"],
)


def check_no_secrets(words: str) -> None:
    for secret in SECRETS:
        assert secret not in words
        assert json.dumps(secret)[1:-1] not in words


# Sentry


class Kept(Transport):
    """Keeps what Sentry would send."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    @property
    def words(self) -> str:
        return b"".join(envelope.serialize() for envelope in self.envelopes).decode()


@pytest.fixture
def sentry() -> Iterator[Kept]:
    """Sentry as it is by default, with tracing switched on."""
    kept = Kept()
    sentry_sdk.init(
        dsn="https://key@sentry.example/1",
        transport=kept,
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[HttpxIntegration(), LoggingIntegration()],
    )
    yield kept
    # What it has put around httpx stays for the process, and does nothing without a client.
    sentry_sdk.get_global_scope().set_client(None)


@every_script
def test_sentry_sees_each_try_once(
    open_client: OpenClient,
    pauses: list[float],
    sentry: Kept,
    script: list[Response],
    statuses: list[int],
) -> None:
    with (
        Server(*script) as server,
        sentry_sdk.start_transaction(name="a job", sampled=True) as transaction,
    ):
        open_client(server).sms.send(NUMBER, TEXT)
        trace = transaction.trace_id
        assert len(server.requests) == len(statuses)
        for request in server.requests:
            assert request.headers["sentry-trace"].startswith(trace)
        spans = {request.headers["sentry-trace"] for request in server.requests}
        assert len(spans) == len(statuses)
    (event,) = [envelope.get_transaction_event() for envelope in sentry.envelopes]
    assert event is not None
    calls = [span for span in cast("Any", event.get("spans")) if span["op"] == "http.client"]
    assert [int(span["data"]["http.response.status_code"]) for span in calls] == statuses
    check_no_secrets(sentry.words)


@pytest.mark.long
@pytest.mark.parametrize("response", [reply(401), reply(500), drop, reply(200, b"<html>")])
def test_sentry_reports_an_error_without_credentials(
    open_client: OpenClient, sentry: Kept, response: Response
) -> None:
    """With the local variables of each frame, which it sends by default."""
    with Server(response) as server:
        ecall = open_client(server)
        logging.getLogger("httpx").setLevel(logging.DEBUG)
        try:
            for action in (
                lambda: ecall.sms.send(NUMBER, TEXT),
                lambda: ecall.media.upload(b"a file"),
                lambda: ecall.messages.status("m-1"),
            ):
                try:
                    action()
                except ECallError:
                    sentry_sdk.capture_exception()
        finally:
            logging.getLogger("httpx").setLevel(logging.NOTSET)
    assert '"vars"' in sentry.words
    assert "ecall_facade/_" in sentry.words.replace("\\\\", "/")
    check_no_secrets(sentry.words)


def test_sentry_reports_a_foreign_exception_without_credentials(
    open_client: OpenClient, sentry: Kept
) -> None:
    """It comes out of the depth of the transport, as a time limit does."""

    class TimeLimit(Exception):
        pass

    def raise_it(request: httpx.Request) -> httpx.Response:
        raise TimeLimit

    ecall = open_client(SERVICE, transport=httpx.MockTransport(raise_it))
    with pytest.raises(TimeLimit) as caught:
        ecall.sms.send(NUMBER, TEXT)
    sentry_sdk.capture_exception(caught.value)
    assert "TimeLimit" in sentry.words
    check_no_secrets(sentry.words)


# OpenTelemetry


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """OpenTelemetry's instrumentation, installed as its documentation says."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()
    provider.shutdown()


@every_script
def test_opentelemetry_sees_each_try_once(
    open_client: OpenClient,
    pauses: list[float],
    spans: InMemorySpanExporter,
    script: list[Response],
    statuses: list[int],
) -> None:
    with Server(*script) as server:
        open_client(server).sms.send(NUMBER, TEXT)
        assert len(server.requests) == len(statuses)
        parents = [request.headers["traceparent"] for request in server.requests]
    finished = spans.get_finished_spans()
    seen = [dict(span.attributes or {}) for span in finished]
    assert [one.get("http.status_code") for one in seen] == statuses
    assert len(set(parents)) == len(statuses)
    for span, parent in zip(finished, parents, strict=True):
        context = span.get_span_context()
        assert context is not None
        assert f"{context.span_id:016x}" in parent
        check_no_secrets(span.to_json())


def test_opentelemetry_sees_a_failed_try(
    open_client: OpenClient, spans: InMemorySpanExporter
) -> None:
    with Server(drop) as server:
        with pytest.raises(ECallError):
            open_client(server).sms.send(NUMBER, TEXT)
        assert server.has_seen(1)
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    check_no_secrets(span.to_json())


def test_sentry_and_opentelemetry_together_send_each_try_once(
    open_client: OpenClient, pauses: list[float], sentry: Kept, spans: InMemorySpanExporter
) -> None:
    with Server(BUSY, sent()) as server:
        with sentry_sdk.start_transaction(name="a job", sampled=True):
            open_client(server).sms.send(NUMBER, TEXT)
        assert len(server.requests) == 2
    assert len(spans.get_finished_spans()) == 2


# httpx's own log


@every_script
def test_httpx_logs_each_try_once(
    open_client: OpenClient,
    pauses: list[float],
    caplog: pytest.LogCaptureFixture,
    script: list[Response],
    statuses: list[int],
) -> None:
    caplog.set_level(logging.DEBUG)
    with Server(*script) as server:
        open_client(server).sms.send(NUMBER, TEXT)
        lines = [
            record.getMessage()
            for record in caplog.records
            if (record.name, record.levelno) == ("httpx", logging.INFO)
        ]
        assert len(lines) == len(server.requests) == len(statuses)
    for line, status in zip(lines, statuses, strict=True):
        assert line.startswith(f'HTTP Request: POST {server.url}/api/v2/message "HTTP/1.1 {status}')
    check_no_secrets(caplog.text)


# What stands in for httpx's transports


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse to look up or connect to a host, and keep those that were asked for."""
    asked: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError("This test touches no socket")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    return asked


def test_respx_stands_in_for_the_transport(
    open_client: OpenClient,
    pauses: list[float],
    no_sockets: list[object],
    respx_mock: respx.MockRouter,
) -> None:
    route = respx_mock.post(f"{SERVICE}/api/v2/message").mock(
        side_effect=[
            httpx.Response(429, headers={"Retry-After": "0"}),
            httpx.Response(200, json={"messageId": "m-1"}),
        ]
    )
    assert open_client(SERVICE).sms.send(NUMBER, TEXT).message_id == "m-1"
    assert route.call_count == 2
    assert no_sockets == []


def test_pytest_httpx_stands_in_for_the_transport(
    open_client: OpenClient,
    pauses: list[float],
    no_sockets: list[object],
    httpx_mock: HTTPXMock,
) -> None:
    url = f"{SERVICE}/api/v2/message"
    httpx_mock.add_response(429, url=url, headers={"Retry-After": "0"})
    httpx_mock.add_response(200, url=url, json={"messageId": "m-1"})
    assert open_client(SERVICE).sms.send(NUMBER, TEXT).message_id == "m-1"
    assert len(httpx_mock.get_requests()) == 2
    assert no_sockets == []


def test_vcrpy_records_and_stands_in_for_the_transport(
    open_client: OpenClient,
    pauses: list[float],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    recorder = vcr.VCR(cassette_library_dir=str(tmp_path), filter_headers=["authorization"])
    with Server(BUSY, sent()) as server:
        with recorder.use_cassette("send.yaml", record_mode="once"):
            open_client(server).sms.send(NUMBER, TEXT)
        assert len(server.requests) == 2
        url = server.url
    asked: list[object] = request.getfixturevalue("no_sockets")
    with recorder.use_cassette(
        "send.yaml", record_mode="none", allow_playback_repeats=False
    ) as played:
        assert open_client(url).sms.send(NUMBER, TEXT).message_id == "m-1"
        assert played.all_played
        assert played.play_count == 2
    assert asked == []


# Locations that httpx cannot read


@pytest.mark.parametrize("location", ["mailto:x", "http://xn--a-.example/"])
@pytest.mark.parametrize("status", [302, 307])
def test_a_location_that_cannot_be_read_does_not_lose_the_response(
    open_client: OpenClient,
    sentry: Kept,
    spans: InMemorySpanExporter,
    location: str,
    status: int,
) -> None:
    """Instrumented as well, where what wraps httpx could lose it."""
    with Server(reply(status, Location=location)) as server:
        with pytest.raises(APIError) as caught:
            open_client(server).sms.send(NUMBER, TEXT)
        assert caught.value.status_code == status
        assert caught.value.request_id
        assert server.has_seen(1)
