"""What nobody may read: credentials, message texts and whole numbers, in logs, errors, tracebacks and every `repr`."""

from __future__ import annotations

import io
import logging
import pickle
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from _clients import (
    E164,
    INTERNATIONAL,
    NUMBER,
    OTHER_NUMBER,
    PASSWORD,
    SENDERS,
    TEXT,
    TOKEN,
    USERNAME,
    OpenClient,
)
from _servers import Exchange, Response, Server, cut, drop, hang, reply, reset, sent

from ecall_facade import (
    AsyncECall,
    DocumentContent,
    ECall,
    ECallError,
    Notify,
    RawAddress,
    TextContent,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

pytestmark = pytest.mark.again

URL = "https://callback.example/delivered?key=k3y-of-mine"
NUMBERS = f"{NUMBER}, {E164}, {INTERNATIONAL}, {E164[1:]}, 079 123 45 67 and {OTHER_NUMBER}"


def check_credentials(words: str) -> None:
    for secret in (PASSWORD, TOKEN):
        assert secret not in words
        assert repr(secret)[1:-1] not in words
        assert repr(secret.encode())[2:-1] not in words


def check(words: str) -> None:
    """Fail where there is something that nobody may read."""
    check_credentials(words)
    assert TEXT not in words
    for number in (NUMBER, OTHER_NUMBER):
        digits = re.sub(r"\D", "", number)
        for written in (number, digits, digits[2:], f"0{digits[2:]}", number[4:]):
            assert written not in words, written


class Everything(logging.Handler):
    """Keeps what is logged, with its arguments and its tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args!r}")


@pytest.fixture
def logged() -> Iterator[Everything]:
    """All loggers at DEBUG."""
    handler = Everything()
    loggers = [
        logging.getLogger(name)
        for name in ("", "ecall_facade", "httpx", "httpcore", "asyncio", "anyio", "h11")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    loggers[0].addHandler(handler)
    yield handler
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


class Seen(NamedTuple):
    """What came of the calls."""

    results: list[object]
    errors: list[ECallError]


def do_everything(ecall: ECall, folder: Path) -> Seen:
    """Call every operation once, and keep what it gives or raises."""
    messages = [ecall.sms.compose(NUMBER, TEXT), ecall.whatsapp.compose(OTHER_NUMBER, TEXT)]
    file = folder / "plan.pdf"
    file.write_bytes(b"a plan")
    calls: list[Any] = [
        lambda: ecall.sms.send(NUMBER, TEXT, notify=Notify(URL, OTHER_NUMBER)),
        lambda: ecall.sms.send(RawAddress(E164), TEXT, extra={"hint": TEXT, "list": [NUMBER]}),
        lambda: ecall.sms.broadcast([NUMBER, OTHER_NUMBER, INTERNATIONAL], TEXT),
        lambda: ecall.whatsapp.send(NUMBER, DocumentContent(media_id="f-1")),
        lambda: ecall.rcs.send(NUMBER, TEXT),
        lambda: ecall.whatsapp.send_file(NUMBER, file),
        lambda: ecall.messages.send_list(messages),
        lambda: ecall.messages.status("m-1"),
        lambda: ecall.messages.list_status("l-1"),
        lambda: ecall.messages.wait("m-1", timeout=0.2),
        lambda: ecall.media.upload(b"a file"),
        lambda: ecall.media.upload(file),
        lambda: ecall.media.download("f-1", to=io.BytesIO()),
        lambda: ecall.request(
            "POST", "/api/message", json={"to": NUMBER, "content": {"text": TEXT}}
        ),
        lambda: ecall.sms.send("+41 79 123 45 6", TEXT),  # what is found before anything is sent
        lambda: ecall.sms.send(NUMBER, TEXT * 99),
        lambda: ecall.sms.send(NUMBER, TEXT, sender=TEXT),
        lambda: ecall.sms.send(NUMBER, TEXT, extra={"Text": TEXT}),
        lambda: ecall.sms.send(NUMBER, TEXT, notify=f"{TEXT} @ {NUMBER}"),
        lambda: ecall.rcs.send(NUMBER, ""),
    ]
    seen = Seen([messages], [])
    for call in calls:
        try:
            seen.results.append(call())
        except ECallError as error:
            seen.errors.append(error)
    return seen


def refusing(status: int, **headers: str) -> Response:
    """Quote the message's text where the request holds it, and numbers whether it does or not."""

    def respond(exchange: Exchange) -> None:
        quoted = f"{NUMBERS} {TEXT if TEXT.encode() in exchange.request.body else ''}"
        details = {"errors": [{"parameter": "To", "messages": [quoted, quoted]}]}
        body = {
            "errorCode": "InvalidContent",
            "errorMessage": f"Refused: {quoted}",
            "errorDetails": details,
        }
        exchange.send(reply(status, body, **headers))

    return respond


SERVICES: dict[str, Response] = {
    "all is well": sent(),
    "refused": refusing(400),
    "credentials": refusing(401, WWW_Authenticate="Basic"),
    "in trouble": refusing(500),
    "too many": refusing(429, Retry_After="0"),
    "away": refusing(503, Retry_After="0"),
    "redirects": refusing(307, Location="https://elsewhere.example"),
    "unreadable": reply(200, f"{NUMBERS} {TEXT}".encode()),
    "drops": drop,
    "resets": reset,
    "cuts": cut(reply(200, {"messageId": NUMBERS}, Content_Length="5000")),
    "hangs": hang,
    "not HTTP": cut(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
}
every_service = pytest.mark.parametrize("service", SERVICES)


def call_everything(open_client: OpenClient, folder: Path, service: str) -> Seen:
    with Server(SERVICES[service]) as server:
        seen = do_everything(
            open_client(server, timeout=(5, 0.02 if service == "hangs" else 5)), folder
        )
        assert server.requests
        assert seen.errors
        return seen


@every_service
def test_logs_at_debug_show_no_secrets(
    open_client: OpenClient, pauses: list[float], logged: Everything, tmp_path: Path, service: str
) -> None:
    """Ours, httpx's, httpcore's and asyncio's, whatever the service does."""
    call_everything(open_client, tmp_path, service)
    assert any(line.startswith("ecall_facade DEBUG") for line in logged.lines)
    assert any(line.startswith("httpcore") for line in logged.lines)
    for line in logged.lines:
        check(line)


@every_service
def test_errors_and_results_show_no_secrets(
    open_client: OpenClient, pauses: list[float], tmp_path: Path, service: str
) -> None:
    """Every `str` and `repr`, every note and cause; and in pickles no credentials."""
    seen = call_everything(open_client, tmp_path, service)
    for result in seen.results:
        check(f"{result!r} {result}")
    for error in seen.errors:
        for link in chain(error):
            check(f"{link} {link!r} {link.args} {getattr(link, '__notes__', '')}")
        check_credentials(repr(pickle.dumps(error)))
        check_credentials(repr(error.__dict__))


@every_service
def test_tracebacks_with_local_variables_show_no_credentials(
    open_client: OpenClient, pauses: list[float], tmp_path: Path, service: str
) -> None:
    """As error trackers collect them: the `repr` of each variable in each frame, of the error and of its causes."""
    seen = call_everything(open_client, tmp_path, service)
    for error in seen.errors:
        for link in chain(error):
            check_frames(link)
        assert list(frames_of(error))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """Give the frames that are not the test's own."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if Path(frame.f_code.co_filename).parent != Path(__file__).parent:
            yield frame


def check_frames(error: BaseException) -> None:
    for frame in frames_of(error):
        for name, value in frame.f_locals.items():
            try:
                shown = repr(value)
            except AttributeError:  # httpx, of an object that is half made
                continue
            check_credentials(f"{name} = {shown}")


def test_the_error_about_a_request_that_cannot_be_written_shows_no_secrets(
    open_client: OpenClient,
) -> None:
    """What is found while the request is made is found with the credentials at hand."""
    ecall = open_client("https://rest.ecall.example")
    for call in (
        ecall.messages.status,
        ecall.messages.list_status,
        lambda long: ecall.request("GET", f"/api/{long}"),
    ):
        with pytest.raises(UsageError) as caught:
            call("x" * 70_000)
        assert any("ecall_facade" in frame.f_code.co_filename for frame in frames_of(caught.value))
        for link in chain(caught.value):
            check_frames(link)


def test_the_cause_of_an_error_has_no_frames(open_client: OpenClient, pauses: list[float]) -> None:
    """A transport has the headers in its hands when it fails, and so may have one below it."""

    def fail(request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        try:
            raise OSError(headers["host"])  # noqa: TRY301  # a context within a context is what is looked at
        except OSError as error:
            raise httpx.ReadError("reset") from error

    ecall = open_client("https://rest.ecall.example", transport=httpx.MockTransport(fail))
    for call in (lambda: ecall.sms.send(NUMBER, TEXT), lambda: ecall.messages.status("m-1")):
        with pytest.raises(ECallError) as caught:
            call()
        _, *causes = chain(caught.value)
        assert [type(cause) for cause in causes] == [httpx.ReadError]
        assert causes[0].__traceback__ is None


def test_the_repr_of_clients_and_models_shows_no_secrets(open_client: OpenClient) -> None:
    """Every object that one can get hold of shows nothing, however it is printed."""
    ecall = open_client("https://rest.ecall.example")
    messages = [
        ecall.sms.compose(NUMBER, TEXT),
        ecall.whatsapp.compose(OTHER_NUMBER, TextContent(text=TEXT)),
    ]
    contents = [message.content for message in messages]
    for value in (
        ecall,
        ecall.sms,
        messages,
        contents,
        RawAddress(E164),
        Notify(URL, OTHER_NUMBER),
    ):
        check(f"{value!r} {value}")
        assert "k3y-of-mine" not in repr(value)


@pytest.mark.parametrize("kind", [ECall, AsyncECall])
def test_the_attributes_of_a_client_show_no_credentials_in_their_repr(
    kind: type[ECall | AsyncECall],
) -> None:
    """Down to the last attribute: none shows the credentials when it is printed."""
    client: object = kind(USERNAME, PASSWORD, sender=SENDERS)
    todo = [client]
    seen: list[object] = []
    while todo:
        value = todo.pop()
        if any(value is other for other in seen) or not type(value).__module__.startswith("ecall_"):
            continue
        seen.append(value)
        check_credentials(f"{value!r} {value}")
        slots = {name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ())}
        todo += [getattr(value, name, None) for name in slots | set(getattr(value, "__dict__", {}))]
    assert len(seen) > 10


SECRET = "Dear patient, the result of your test of last Monday is here: nothing was found. "


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        (TEXT, f"Cannot send '{TEXT[:20]}…'", "Cannot send '……'"),
        (TEXT, f"Cannot send '…{TEXT[9:]}', no: {TEXT[3:]}", "Cannot send '……', no: …"),
        (TEXT, f"{TEXT[:18]}&nbsp;{TEXT[19:]}", "…&nbsp;…"),
        (SECRET * 10, f"Cannot send: {SECRET * 10}.", "Cannot send: …."),
        (SECRET * 10, f"Cannot send: {SECRET * 30}", "Cannot send: …"),
        (TEXT, "x" * 1990 + TEXT, "x" * 500),
        (TEXT, "x" * 490 + TEXT, "x" * 490 + "…"),
    ],
    ids=[
        "its beginning",
        "its end",
        "changed",
        "long",
        "longer than itself",
        "cut by us",
        "at the end",
    ],
)
def test_a_text_that_the_service_quotes_is_not_in_the_error(
    open_client: OpenClient, text: str, said: str, expected: str
) -> None:
    """Whole or in part, as services cut what they quote; and we cut what they say."""
    with Server(reply(400, {"errorCode": "Bad", "errorMessage": said})) as server:
        with pytest.raises(ECallError) as caught:
            open_client(server).sms.send(NUMBER, text)
        shown = re.sub(r"…+", "…", str(caught.value))
        assert re.sub(r"…+", "…", expected)[:480].rstrip(".") in shown
        for at in range(len(text) - 8):
            assert text[at : at + 8] not in shown
