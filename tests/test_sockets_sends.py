"""Sending is not repeated: servers that count what reaches them, and errors that say what became of the message."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import pickle
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from _clients import E164, INTERNATIONAL, NUMBER, OTHER_NUMBER, PASSWORD, TEXT, TOKEN, USERNAME
from _servers import (
    REQUEST_ID,
    Exchange,
    Response,
    Server,
    cut,
    drop,
    hang,
    reply,
    reset,
    sent,
    then,
)

from ecall_facade import (
    APIError,
    AuthenticationError,
    BadRequest,
    ECall,
    ECallError,
    NotFound,
    NotSent,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    ServerError,
    ServiceUnreachable,
    TooLarge,
    UnreadableResponse,
)
from ecall_facade._settings import Account
from ecall_facade._transports.connections import AsyncConnections, Connections

if TYPE_CHECKING:
    from _clients import OpenClient

HTML = b"<html><h1>Bad Gateway</h1></html>"
GOOD = json.dumps({"messageId": "m-1"}).encode()
QUOTED = f"{NUMBER}, {E164}, {INTERNATIONAL} or {E164[1:]} was refused: {TEXT}"


def send(ecall: ECall) -> object:
    return ecall.sms.send(NUMBER, TEXT)


def chat(ecall: ECall) -> object:
    return ecall.whatsapp.send(NUMBER, TEXT)


def broadcast(ecall: ECall) -> object:
    return ecall.sms.broadcast([NUMBER, OTHER_NUMBER], TEXT)


def send_list(ecall: ECall) -> object:
    return ecall.messages.send_list([ecall.sms.compose(NUMBER, TEXT)])


def post(ecall: ECall) -> object:
    return ecall.request("POST", "/api/message", json={"to": E164, "content": {"text": TEXT}})


def upload(ecall: ECall) -> object:
    return ecall.media.upload(b"a file")


def status(ecall: ECall) -> object:
    return ecall.messages.status("m-1")


def list_status(ecall: ECall) -> object:
    return ecall.messages.list_status("l-1")


def stream(ecall: ECall) -> object:
    with ecall.media.stream("f-1") as chunks:
        return list(chunks)


def get(ecall: ECall) -> object:
    return ecall.request("GET", "/api/account")


Action = Callable[[ECall], object]
SENDS_TO_ONE: list[Action] = [send, chat]
SENDS_TO_MANY: list[Action] = [broadcast, send_list, post]
SENDS = SENDS_TO_ONE + SENDS_TO_MANY
READS: list[Action] = [status, list_status, stream, get]


def many(*actions: Action) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("action", actions, ids=lambda action: action.__name__)


def check(error: ECallError, *, of_a_send: bool = True) -> None:
    """What holds for every error: it can be pickled and copied, and tells nobody what is none of their business.

    A message's text can be taken out of the service's words only where it was in the request.
    """
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(copied) is type(error)
        assert copied.__dict__ == error.__dict__
        assert (str(copied), copied.args) == (str(error), error.args)
    assert PASSWORD.encode() not in pickle.dumps(error)
    assert TOKEN.encode() not in pickle.dumps(error)
    cause = error.__cause__ or error.__context__
    for words in (str(error), repr(error), str(cause), repr(cause)):
        assert TEXT not in words or not of_a_send
        assert PASSWORD not in words
        assert TOKEN not in words
        assert not re.search(r"(\d[ ./-]?){7}", words.replace(REQUEST_ID, ""))
    assert (error.request_id or "") in str(error)


@dataclass
class Trouble:
    """A response to a send that says nothing about what became of it, or refuses it; and the error it makes."""

    name: str
    response: Response
    error: type[ECallError]
    request_id: str | None = REQUEST_ID
    may_have_been_sent: bool = True
    several_may: bool = True
    status: int | None = None

    @property
    def hangs(self) -> bool:
        return self.name == "no answer" or "hangs" in self.name


def unknown(name: str, response: Response) -> Trouble:
    return Trouble(name, response, OutcomeUnknown, request_id=None)


def unreadable(name: str, response: Response, *, status: int = 200) -> Trouble:
    return Trouble(name, response, UnreadableResponse, status=status)


def refused(
    status: int, error: type[ECallError] = APIError, *, one: bool, many: bool, quoted: bool = True
) -> Trouble:
    quote: dict[str, object] = {
        "errorCode": "InvalidContent",
        "errorMessage": QUOTED,
        "errorDetails": {"errors": [{"parameter": "To", "messages": [QUOTED]}]},
    }
    return Trouble(
        f"{status}", reply(status, quote if quoted else HTML), error, REQUEST_ID, one, many, status
    )


def broken_off(body: bytes, length: int, **headers: str) -> Response:
    return cut(reply(200, body, Content_Length=str(length), **headers))


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nx-f24-request-id: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    % REQUEST_ID.encode()
)

AMBIGUOUS = [
    unknown("dropped", drop),
    unknown("reset", reset),
    unknown("no answer", hang),
    unknown("cut in the status", cut(b"HTTP/1.1 2")),
    unknown(
        "cut in the headers", cut(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConte")
    ),
    unknown("hangs in the headers", then(b"HTTP/1.1 200 OK\r\nContent-Le", hang)),
    unknown("not HTTP", cut(b"SSH-2.0-OpenSSH_9.6\r\n")),
    unknown("HTTP of another kind", cut(b"HTTP/2 200\r\n\r\n" + GOOD)),
    unknown("headers without end", then(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 30_000, drop)),
    unknown("early hints, and dropped", cut(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n")),
    unknown("101", reply(101)),
    unknown("to be continued, and dropped", cut(b"HTTP/1.1 100 Continue\r\n\r\n")),
    unreadable("HTML", reply(200, HTML, Content_Type="text/html")),
    unreadable("empty", reply(200)),
    unreadable("204", reply(204), status=204),
    unreadable("a list", reply(200, [{"messageId": "m-1"}])),
    unreadable("null", reply(200, b"null")),
    unreadable("a word", reply(200, "m-1")),
    unreadable("without an id", reply(200, {"timestamp": "2026-01-15T09:30:00Z"})),
    unreadable(
        "null for an id", reply(201, {"messageId": None, "messageListId": None}), status=201
    ),
    unreadable(
        "objects for ids",
        reply(200, {"messageId": {"a": 1}, "messageIdList": {}, "messageListId": []}),
    ),
    unreadable("not UTF-8", reply(200, b'{"messageId": "\xff\xfe"}')),
    unreadable("half a JSON", reply(200, GOOD[:-3])),
    unreadable("deep", reply(200, b"[" * 100_000)),
    unreadable("deep objects", reply(200, b'{"a":' * 20_000 + b"1" + b"}" * 20_000)),
    unreadable("a long number", reply(200, b'{"messageId": %s}' % (b"1" * 5000))),
    unreadable("cut in the body", broken_off(GOOD[:10], len(GOOD))),
    unreadable("hangs in the body", then(reply(200, GOOD[:10], Content_Length="50"), hang)),
    unreadable("cut in a chunk", cut(CHUNKED + b"20\r\n{")),
    unreadable("cut between chunks", cut(CHUNKED + b"1\r\n{\r\n")),
    unreadable("not a chunk", cut(CHUNKED + b"what?\r\n")),
    unreadable("not gzip", reply(200, GOOD, Content_Encoding="gzip")),
    unreadable("cut gzip", reply(200, gzip.compress(GOOD)[:-12], Content_Encoding="gzip")),
    refused(408, one=True, many=True),
    refused(409, one=True, many=True),
    refused(418, one=True, many=True),
    refused(499, one=True, many=True, quoted=False),
    refused(500, ServerError, one=True, many=True),
    refused(501, ServerError, one=True, many=True),
    refused(502, ServerError, one=True, many=True, quoted=False),
    refused(503, ServerError, one=True, many=True),
    refused(504, ServerError, one=True, many=True, quoted=False),
    refused(520, ServerError, one=True, many=True, quoted=False),
    Trouble(
        "503 of a proxy",
        reply(503, HTML, request_id=None, retry_after="5"),
        ServerError,
        None,
        status=503,
    ),
    Trouble("503, pause unreadable", reply(503, HTML, retry_after="soon"), ServerError, status=503),
    Trouble(
        "503, id empty", reply(503, request_id="", retry_after="0"), ServerError, None, status=503
    ),
    Trouble("500 with both", reply(500, retry_after="0"), ServerError, status=500),
    Trouble("502 with both", reply(502, retry_after="0"), ServerError, status=502),
    Trouble("504 with both", reply(504, retry_after="0"), ServerError, status=504),
    Trouble("500, broken off", cut(reply(500, HTML, Content_Length="99")), ServerError, status=500),
]
REFUSED = [
    refused(400, BadRequest, one=False, many=False),
    refused(401, AuthenticationError, one=False, many=False),
    refused(403, PermissionDenied, one=False, many=True),
    refused(404, NotFound, one=False, many=False),
    refused(405, one=False, many=False),
    refused(413, TooLarge, one=False, many=False, quoted=False),
    refused(415, one=False, many=False),
    refused(422, one=False, many=False),
]


def by_name(*troubles: Trouble) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("trouble", troubles, ids=lambda trouble: trouble.name)


@by_name(*AMBIGUOUS, *REFUSED)
def test_a_send_of_unknown_outcome_is_made_once(
    open_client: OpenClient, pauses: list[float], trouble: Trouble
) -> None:
    """Whatever comes of it: it reaches the service once, and the error says what happened."""
    for action in (send, broadcast, send_list):
        with Server(trouble.response) as server:
            ecall = open_client(server, timeout=(5, 0.2 if trouble.hangs else 5))
            with pytest.raises(ECallError) as caught:
                action(ecall)
            error = caught.value
            assert type(error) is trouble.error
            assert error.may_have_been_sent is (
                trouble.may_have_been_sent if action is send else trouble.several_may
            )
            assert error.request_id == trouble.request_id
            assert getattr(error, "status_code", None) == trouble.status
            check(error)
            assert server.has_seen(1)
            assert server.connections == 1
    assert pauses == []


def failure_of(action: Action, ecall: ECall) -> ECallError | None:
    try:
        action(ecall)
    except ECallError as error:
        return error
    return None


@by_name(*[trouble for trouble in AMBIGUOUS if not trouble.hangs])
def test_any_response_is_a_result_or_an_error_of_the_package(
    open_client: OpenClient, pauses: list[float], trouble: Trouble
) -> None:
    """Every operation, with every response: a result, or an error of ours that one can make sense of."""
    with Server(trouble.response) as server:
        ecall = open_client(server)
        for action in (chat, post, upload, *READS):
            server.requests.clear()
            pauses.clear()
            error = failure_of(action, ecall)
            if error is not None:
                check(error, of_a_send=action in SENDS)
                assert error.may_have_been_sent is (action not in {upload, stream, get})
                assert action not in READS or not isinstance(error, (NotSent, OutcomeUnknown))
            assert len(server.requests) == (1 + len(pauses) if action in READS else 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_never_followed(open_client: OpenClient, status: int) -> None:
    with Server() as other, Server(reply(status, Location=f"{other.url}/api/v2/message")) as server:
        for count, action in enumerate([send, upload, stream], start=1):
            with pytest.raises(APIError, match="redirects are never followed") as caught:
                action(open_client(server))
            assert caught.value.may_have_been_sent is (action is send)
            assert caught.value.status_code == status
            check(caught.value)
            assert len(server.requests) == count
        assert other.connections == 0


@many(*SENDS_TO_ONE, upload)
@pytest.mark.parametrize("retry_after", ["0", "0.5", "7", None, "soon", "-1"])
def test_a_429_to_a_send_to_one_is_retried(
    open_client: OpenClient, pauses: list[float], action: Action, retry_after: str | None
) -> None:
    """At most twice, after the pause that the service asks for or one of our own."""
    with Server(
        reply(429, retry_after=retry_after), reply(429, retry_after=retry_after), sent()
    ) as server:
        action(open_client(server))
        assert len(server.requests) == 3
        assert len({request.body for request in server.requests}) == 1
        # A connection that was idle for seven seconds is not used again.
        assert server.connections == (3 if retry_after == "7" else 1)
        if retry_after in {"0", "0.5", "7"}:
            assert pauses == [float(retry_after or "")] * 2
        else:
            assert 0.25 <= pauses[0] < 0.5 <= pauses[1] < 1

    with Server(reply(429, retry_after=retry_after)) as server:
        with pytest.raises(RateLimited) as caught:
            action(open_client(server))
        assert len(server.requests) == 3
        assert not caught.value.may_have_been_sent
        assert caught.value.request_id == REQUEST_ID
        check(caught.value)


@many(*SENDS, upload)
def test_a_503_with_both_headers_is_retried(
    open_client: OpenClient, pauses: list[float], action: Action
) -> None:
    """With both `Retry-After` and the request id; a date is as good as a number."""
    date = formatdate(time.time() + 8, usegmt=True)
    with Server(reply(503, retry_after="3"), reply(503, retry_after=date), sent()) as server:
        action(open_client(server))
        assert len(server.requests) == 3
        assert pauses[0] == 3
        assert 3 < pauses[1] <= 5  # from then on

    with Server(reply(503, retry_after="0")) as server:
        with pytest.raises(ServerError) as caught:
            action(open_client(server))
        assert len(server.requests) == 3
        assert not caught.value.may_have_been_sent
        check(caught.value)


@many(*SENDS_TO_MANY)
def test_a_429_to_a_send_to_many_is_not_retried(
    open_client: OpenClient, pauses: list[float], action: Action
) -> None:
    with Server(reply(429, retry_after="0")) as server:
        with pytest.raises(RateLimited) as caught:
            action(open_client(server))
        assert len(server.requests) == 1
        assert caught.value.may_have_been_sent
        assert caught.value.retry_after == 0
        check(caught.value)


@many(send, broadcast, upload, status)
@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("form", ["number", "date"])
def test_a_retry_after_of_more_than_ten_seconds_is_raised(
    open_client: OpenClient, pauses: list[float], action: Action, code: int, form: str
) -> None:
    asked = "11" if form == "number" else formatdate(time.time() + 60, usegmt=True)
    with Server(reply(code, retry_after=asked)) as server:
        with pytest.raises(APIError) as caught:
            action(open_client(server))
        assert len(server.requests) == 1
        assert pauses == []
        error = caught.value
        assert isinstance(error, (RateLimited, ServerError))
        assert error.retry_after == pytest.approx(11 if form == "number" else 60, abs=2)
        check(error)


@pytest.mark.parametrize(
    ("script", "error", "count"),
    [
        ([reply(429), drop], OutcomeUnknown, 2),
        ([reply(429), reply(500)], ServerError, 2),
        ([reply(503, retry_after="0"), hang], OutcomeUnknown, 2),
        ([reply(503, retry_after="0"), reply(503)], ServerError, 2),
        ([reply(429), reply(200, HTML)], UnreadableResponse, 2),
        ([reply(429), reply(503, retry_after="0"), reply(429)], RateLimited, 3),
        ([reply(429), reply(503, retry_after="0"), drop], OutcomeUnknown, 3),
    ],
)
def test_a_retry_of_unknown_outcome_is_not_repeated(
    open_client: OpenClient,
    pauses: list[float],
    script: list[Response],
    error: type[ECallError],
    count: int,
) -> None:
    """What may be repeated at first may turn into what may not."""
    with Server(*script, sent()) as server:
        with pytest.raises(error) as caught:
            send(open_client(server, timeout=(5, 0.2 if hang in script else 5)))
        assert caught.type is error
        assert caught.value.may_have_been_sent is (error is not RateLimited)
        assert server.has_seen(count)
        assert len(pauses) == count - 1
        check(caught.value)


@many(*SENDS, upload)
def test_a_refused_connection_is_retried(
    open_client: OpenClient, pauses: list[float], action: Action, closed_port: int
) -> None:
    ecall = open_client(f"http://127.0.0.1:{closed_port}")
    with pytest.raises(NotSent) as caught:
        action(ecall)
    assert len(pauses) == 2
    assert caught.value.may_have_been_sent is False
    assert caught.value.request_id is None
    check(caught.value)


def test_a_service_that_starts_between_tries_gets_one_message(
    open_client: OpenClient, closed_port: int
) -> None:
    """In real time: the first try finds nobody, a later one does."""
    started: list[Server] = []
    timer = threading.Timer(0.1, lambda: started.append(Server(port=closed_port).__enter__()))
    timer.start()
    try:
        assert (
            open_client(f"http://127.0.0.1:{closed_port}").sms.send(NUMBER, TEXT).message_id
            == "m-1"
        )
    finally:
        timer.join()
        started[0].__exit__()
    assert len(started[0].requests) == 1


def test_connections_that_are_never_made_are_counted(
    open_client: OpenClient, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that cannot be looked up: three tries, and nothing was sent."""
    asked: list[object] = []

    def fail(*arguments: object, **_: object) -> None:
        asked.append(arguments[0])
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NotSent) as caught:
        send(open_client("https://rest.ecall.example"))
    assert len(asked) == 3
    assert not caught.value.may_have_been_sent
    check(caught.value)


@many(send, broadcast, upload, status, stream)
def test_retries_can_be_switched_off(
    open_client: OpenClient, pauses: list[float], action: Action, closed_port: int
) -> None:
    for response in (reply(429, retry_after="0"), reply(503, retry_after="0"), drop):
        with Server(response) as server:
            with pytest.raises(ECallError):
                action(open_client(server, retry=False))
            with pytest.raises(ECallError):
                action(open_client(server).with_options(retry=False))
            assert len(server.requests) == 2
    with pytest.raises((NotSent, ServiceUnreachable)):
        action(open_client(f"http://127.0.0.1:{closed_port}", retry=False))
    assert pauses == []


@many(*READS)
@pytest.mark.parametrize(
    "response",
    [
        drop,
        reset,
        hang,
        cut(b"HTTP/1.1 200 OK\r\nConte"),
        *[reply(code) for code in (408, 429, 500, 502, 503, 504)],
    ],
)
def test_reads_are_retried(
    open_client: OpenClient, pauses: list[float], action: Action, response: Response
) -> None:
    with Server(response, sent()) as server:
        action(open_client(server, timeout=(5, 0.15 if response is hang else 5)))
        assert server.has_seen(2)

    with Server(response) as server:
        with pytest.raises(ECallError) as caught:
            action(open_client(server, timeout=(5, 0.15 if response is hang else 5)))
        assert server.has_seen(3)
        assert type(caught.value) in {ServiceUnreachable, APIError, RateLimited, ServerError}
        assert caught.value.may_have_been_sent is (action not in {stream, get})
        check(caught.value)
    assert len(pauses) == 3


@many(status, list_status, get)
@pytest.mark.parametrize(
    "response", [trouble.response for trouble in AMBIGUOUS if trouble.name.startswith("cut in a")]
)
def test_reads_whose_response_breaks_off_are_retried(
    open_client: OpenClient, pauses: list[float], action: Action, response: Response
) -> None:
    with Server(response, sent()) as server:
        action(open_client(server))
        assert len(server.requests) == 2
    with Server(response) as server:
        with pytest.raises(ServiceUnreachable) as caught:
            action(open_client(server))
        assert len(server.requests) == 3
        assert caught.value.request_id == REQUEST_ID
        assert caught.value.may_have_been_sent is (action is not get)
        check(caught.value)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409])
def test_reads_that_are_refused_are_not_retried(
    open_client: OpenClient, pauses: list[float], code: int
) -> None:
    with Server(reply(code)) as server:
        for action in (status, list_status, stream, get):
            with pytest.raises(APIError) as caught:
                action(open_client(server))
            assert caught.value.may_have_been_sent is (action not in {stream, get})
            assert caught.value.status_code == code
        assert len(server.requests) == 4
    assert pauses == []


@pytest.mark.parametrize(
    "response",
    [
        reply(201, {"MESSAGEID": "m-1", "new": [1]}),
        reply(202, {"messageId": "m-1"}, x_name="Zürich"),
        reply(207, {"messageId": "m-1"}),
        reply(299, {"messageId": "m-1"}),
        reply(200, {"messageIdList": [{"messageId": "m-1"}]}),
        reply(200, b"\xef\xbb\xbf" + GOOD),
        reply(200, gzip.compress(GOOD), Content_Encoding="gzip"),
        CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
        cut(b"HTTP/1.0 200 OK\r\nx-f24-request-id: %s\r\n\r\n%s" % (REQUEST_ID.encode(), GOOD)),
        then(
            b"HTTP/1.1 100 Continue\r\n\r\n",
            lambda exchange: exchange.send(reply(200, {"messageId": "m-1"})),
        ),
    ],
)
def test_an_odd_response_that_has_an_id_is_a_result(
    open_client: OpenClient, response: Response
) -> None:
    """Nothing that the service may say after it took a message may lose the fact that it did."""
    with Server(response) as server:
        result = open_client(server).sms.send(NUMBER, TEXT)
        assert result.message_id == "m-1"
        assert result.request_id == REQUEST_ID
        assert result.raw
        assert len(server.requests) == 1


def test_a_connection_that_the_service_closed_meanwhile_loses_no_message(
    open_client: OpenClient,
) -> None:
    """An idle connection that is closed is not used again; one that is closed under a send leaves it unknown."""
    closed = threading.Event()

    def answer_and_close(exchange: Exchange) -> None:
        exchange.send(sent("m-1"))
        exchange.socket.shutdown(socket.SHUT_WR)
        closed.set()

    with Server(answer_and_close, sent("m-2"), drop, sent("m-3")) as server:
        ecall = open_client(server)
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert closed.wait(5)
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-2"
        with pytest.raises(OutcomeUnknown) as caught:
            send(ecall)
        assert caught.value.may_have_been_sent
        assert [request.connection for request in server.requests] == [1, 2, 2]
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-3"


COOKIE = sent().replace(b"\r\n", b"\r\nSet-Cookie: session=abc; Path=/\r\n", 1)


def test_a_cookie_is_not_sent_back(open_client: OpenClient) -> None:
    with Server(COOKIE) as server:
        ecall = open_client(server)
        ecall.sms.send(NUMBER, TEXT)
        ecall.sms.send(NUMBER, TEXT)
        assert ["cookie" in request.headers for request in server.requests] == [False, False]


def test_a_client_keeps_no_cookie() -> None:
    with Server(COOKIE) as server:
        connections = Connections(Account.from_arguments(USERNAME, PASSWORD, server.url), None)
        connections.client().get(server.url)
        assert dict(connections.client().cookies) == {}
        connections.close()


async def cookies_of_async_client(url: str) -> dict[str, str]:
    connections = AsyncConnections(Account.from_arguments(USERNAME, PASSWORD, url), None)
    await connections.client().get(url)
    kept = dict(connections.client().cookies)
    await connections.aclose()
    return kept


def test_an_async_client_keeps_no_cookie() -> None:
    with Server(COOKIE) as server:
        assert asyncio.run(cookies_of_async_client(server.url)) == {}


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["mailto:x", "http://xn--a-.example/"])
def test_a_location_that_cannot_be_parsed_does_not_lose_the_response(
    open_client: OpenClient, status: int, location: str
) -> None:
    with Server(reply(status, Location=location)) as server:
        with pytest.raises(APIError) as caught:
            open_client(server).sms.send(NUMBER, TEXT)
        assert caught.value.status_code == status
        assert len(server.requests) == 1


@pytest.mark.parametrize("location", ["/api/v2/message/m-1", "mailto:x"])
def test_a_response_that_is_no_redirect_keeps_its_location(
    open_client: OpenClient, location: str
) -> None:
    with Server(reply(201, {"messageId": "m-1"}, Location=location)) as server:
        response = open_client(server).request("POST", "/api/v2/message", json={})
        assert response.headers["location"] == location
