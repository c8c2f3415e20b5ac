"""`scripts/live_check`, against the sandbox, and against services that differ: all but the real host.

It texts nobody unless it is told to, and then once; what it finds is at the right place; what it records is nobody's.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import _cassettes as cassettes
import httpx
import pytest
import vcr as vcrpy
from _clients import PASSWORD, USERNAME
from _different_service import TWISTS, DifferentService, Draft, Twist, combination
from _scenarios import SCENARIOS, SEED, Scene, id_of

from ecall_facade import ECall
from ecall_facade.sandbox import Sandbox

if TYPE_CHECKING:
    from _clients import OpenClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
command, scrub, spec, walk, watch = (
    importlib.import_module(f"_live.{name}")
    for name in ("command", "scrub", "spec", "walk", "watch")
)

NUMBER, DIGITS, SENDER = "079 555 12 34", "795551234", "MUSTER AG"
BY_NAME = {twist.name: twist for twist in TWISTS}
SCHEMAS = "/components/schemas"
SEND = ("--send-one-sms-to", NUMBER)


class Run:
    """What came of a run."""

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output
        self.data: dict[str, Any] = json.loads(output) if output.startswith("{") else {}

    def pointers(self, verdict: str) -> set[str]:
        return {fact["pointer"] for fact in self.data["facts"] if fact["verdict"] == verdict}

    def seen(self, pointer: str) -> str:
        return " / ".join(
            seen
            for fact in self.data["facts"]
            if fact["pointer"] == pointer
            for seen in fact["seen"]
        )


@pytest.fixture
def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Run the command in this process, against a URL."""

    def run(url: str, *arguments: str, **environment: str) -> Run:
        named = {
            "USERNAME": USERNAME,
            "PASSWORD": PASSWORD,
            "SENDER": SENDER,
            "BASE_URL": url,
            **environment,
        }
        for name, value in named.items():
            monkeypatch.setenv(f"ECALL_{name}", value)
        code = command.main(["--json", "--wait", "0.4", *arguments], "")
        return Run(code, "".join(capsys.readouterr()))

    return run


def sends(service: DifferentService) -> list[bytes]:
    """Give the bodies of all POSTs that are no uploads."""
    return [
        one.body
        for one in service.requests
        if one.method == "POST" and not one.path.endswith("/media")
    ]


# The sandbox, and a service that does not differ


def test_the_sandbox_is_as_the_spec_says(check: Callable[..., Run]) -> None:
    with Sandbox(
        username=USERNAME, password=PASSWORD, sent_after=0.1, delivered_after=0.3
    ) as sandbox:
        run = check(sandbox.url, *SEND, "--wait", "10")
        (message,) = sandbox.messages
    assert (message.recipient, message.sender, message.text) == ("+41795551234", SENDER, walk.TEXT)
    assert (run.code, run.data["sent"], run.data["troubles"], run.data["unlisted"]) == (
        0,
        1,
        [],
        {},
    )
    assert run.pointers("contradicted") == set()
    touched = run.pointers("confirmed")
    assert {spec.operation(name) for name in OPERATIONS} <= touched
    assert {
        f"{SCHEMAS}/MessageResult/properties/{name}" for name in ("messageId", "timestamp")
    } <= touched
    assert {
        f"{SCHEMAS}/Error/properties/{name}"
        for name in ("errorCode", "errorMessage", "errorDetails")
    } <= touched
    assert "Delivered" in run.seen(f"{SCHEMAS}/MessageStatusResult/properties/state")
    assert f"{SCHEMAS}/MessageResult/properties/messageIdList" in run.pointers("not seen")
    assert [
        fact["title"] for fact in run.data["facts"] if fact["pointer"] == "/info/description"
    ] == [
        "the version is taken from the path: /api/v2/…",
        "v1 is at /api/v1/…",
        "v2 writes times in UTC, as ISO 8601 with Z",
        "v1 writes times without an offset",
        "text is UTF-8",
    ]


OPERATIONS = (
    "sendMessage",
    "getMessageStatus",
    "sendMessageList",
    "getMessageListStatus",
    "uploadMedia",
    "getMedia",
)


def test_one_message_is_sent_where_that_is_allowed(check: Callable[..., Run]) -> None:
    with DifferentService() as service:
        run = check(service.url, *SEND)
        assert (run.code, run.data["sent"]) == (0, 1)
        assert [message.recipient for message in service.accepted] == ["+41795551234"]
        # The other two hold nobody and nothing.
        *others, send = sends(service)
        assert others == [b"{}", b'{"messages":[]}']
        assert json.loads(send) == {
            "channel": "Sms", "from": SENDER, "to": "+41795551234", "content": {"type": "Text", "text": walk.TEXT},
        }  # fmt: skip


def test_nothing_is_sent_where_nothing_is_allowed(check: Callable[..., Run]) -> None:
    with DifferentService() as service:
        run = check(service.url)
        assert (run.code, run.data["sent"], run.pointers("contradicted")) == (0, 0, set())
        assert sends(service) == []
        assert service.accepted == []
        assert list(service.files.values()) == [walk.PICTURE]
    assert spec.operation("sendMessage") + "/responses/2XX" in run.pointers("not seen")


@pytest.mark.parametrize(
    ("method", "path", "body", "may"),
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
def test_what_could_text_somebody_is_recognised(
    method: str, path: str, body: bytes, may: bool
) -> None:
    assert watch.can_send(method, path, body) is may


def test_a_second_send_does_not_go_out() -> None:
    answered: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        answered.append(request)
        return httpx.Response(200, json={"messageId": "m-1"})

    transport = watch.Watch(httpx.MockTransport(answer), 1)
    with ECall(USERNAME, PASSWORD, sender="ACME", transport=transport, retry=False) as ecall:
        ecall.sms.send(NUMBER, "One")
        for send in (
            lambda: ecall.sms.send(NUMBER, "Two"),
            lambda: ecall.sms.broadcast([NUMBER], "Three"),
        ):
            with pytest.raises(Exception, match="NotAllowed"):
                send()
    assert len(answered) == 1
    assert len(transport.exchanges) == 1


# Services that differ


MESSAGE_ID, TIME = (
    f"{SCHEMAS}/MessageResult/properties/messageId",
    f"{SCHEMAS}/MessageResult/properties/timestamp",
)
STATE, STATUS_TIME = (
    f"{SCHEMAS}/MessageStatusResult/properties/{name}" for name in ("state", "timestamp")
)
MEDIA_ID = f"{SCHEMAS}/MediaUploadResult/properties/mediaId"
NOT_FOUND, BAD_REQUEST = "/components/responses/NotFound", "/components/responses/BadRequest"
SENT, STORED = (
    f"{place}/post/responses/2XX" for place in ("/paths/~1api~1message", "/paths/~1api~1media")
)
WORDS, AS_JSON = "/info/description", "/content/application~1json"


@pytest.mark.parametrize(
    ("name", "pointers", "seen"),
    [
        ("ids: messageId is jobId", {MESSAGE_ID}, "jobId (string)"),
        ("ids: integers", {MESSAGE_ID, MEDIA_ID}, "send: integer"),
        (
            "ids: mediaId is fileId",
            {MEDIA_ID, f"{SCHEMAS}/MediaUploadResult/additionalProperties"},
            "fileId (string)",
        ),
        ("states: 'Zugestellt'", {f"{SCHEMAS}/DeliveryState/enum"}, "the word Zugestellt"),
        ("states: an object", {STATE}, "object"),
        ("times: Swiss", {WORDS}, "dd.mm.yyyy hh:mm:ss"),
        ("times: seconds", {TIME, STATUS_TIME}, "send: integer"),
        (
            "names: the time is acceptedAt",
            {TIME, STATUS_TIME},
            "acceptedAt (a time, ISO 8601 in UTC with Z)",
        ),
        ("names: the state is deliveryStatus", {STATE}, "deliveryStatus (string)"),
        (
            "errors: RFC 7807",
            {
                f"{SCHEMAS}/Error",
                f"{SCHEMAS}/Error/properties/errorCode",
                NOT_FOUND + AS_JSON,
                BAD_REQUEST + AS_JSON,
            },
            "application/problem+json",
        ),
        ("errors: plain text", {NOT_FOUND + AS_JSON}, "text/plain"),
        ("errors: details are a dict", set(), ""),
        ("nesting: in data", {MESSAGE_ID, MEDIA_ID, f"{SCHEMAS}/MessageResult"}, "data (object)"),
        ("nesting: in a list", {f"{SCHEMAS}/MessageResult"}, "array, and not an object"),
        ("text: UTF-16", {WORDS, SENT + AS_JSON}, "UTF-16 or UTF-32"),
        ("text: empty", {SENT + AS_JSON}, "empty"),
        ("bytes: text/plain", {SENT + AS_JSON, NOT_FOUND + AS_JSON}, "text/plain"),
        ("status: 302", {SENT, STORED}, "send: 302"),
        ("status: 204", {SENT + AS_JSON}, "204 that is empty"),
        ("header: another name", {"/components/headers/RequestId"}, "has no x-f24-request-id"),
    ],
)
def test_what_differs_is_contradicted_at_its_place(
    name: str, pointers: set[str], seen: str, check: Callable[..., Run]
) -> None:
    with DifferentService(BY_NAME[name]) as service:
        run = check(service.url, *SEND)
        assert len(service.accepted) == 1
    found = run.pointers("contradicted")
    assert pointers <= found
    assert any(seen in run.seen(pointer) for pointer in found) or not pointers
    assert run.code == 1 if pointers else run.code in {0, 1}
    assert all(
        fact["level"] in {"documented", "observed", "inferred"} for fact in run.data["facts"]
    )
    assert DIGITS not in run.output
    assert SENDER not in run.output


@pytest.mark.parametrize(
    ("name", "pointer", "seen"),
    [
        ("case: PascalCase", MESSAGE_ID, "as MessageId"),
        ("states: 8", STATE, "integer"),
        ("status: 202", SENT, "send: 202"),
        ("bytes: gzip", MESSAGE_ID, "string"),
        ("extras: unknown fields", MESSAGE_ID, "string"),
    ],
)
def test_what_the_spec_allows_is_confirmed(
    name: str, pointer: str, seen: str, check: Callable[..., Run]
) -> None:
    with DifferentService(BY_NAME[name]) as service:
        run = check(service.url, *SEND)
    others = (
        {f"{SCHEMAS}/MediaUploadResult/additionalProperties"}
        if name.startswith("extras")
        else set[str]()
    )
    assert run.pointers("contradicted") == others
    assert run.code == (1 if others else 0)
    assert seen in run.seen(pointer)
    assert bool(run.data["unlisted"]) == name.startswith("extras")


@pytest.mark.parametrize("seed", range(12))
def test_no_difference_is_too_much(seed: int, check: Callable[..., Run], tmp_path: Path) -> None:
    with DifferentService(*combination(seed)) as service:
        run = check(service.url, *SEND, "--record", str(tmp_path))
        assert len(service.accepted) == run.data["sent"] == 1
    assert run.code == (1 if run.pointers("contradicted") else 2 if run.data["troubles"] else 0)
    assert_holds_none_of(tmp_path, ORIGINALS)


def test_what_is_refused_is_no_contradiction(check: Callable[..., Run]) -> None:
    """A busy service, or one that does not like the sender, says nothing about the spec."""
    with DifferentService(BY_NAME["status: 500"]) as service:
        run = check(service.url, *SEND)
    assert run.code == 2
    assert "send was answered 500" in run.data["troubles"]
    assert "upload was answered 500" in run.data["troubles"]


# What cannot be checked


def test_nobody_answers(check: Callable[..., Run], closed_port: int) -> None:
    run = check(f"http://127.0.0.1:{closed_port}", *SEND)
    assert (run.code, run.data["sent"]) == (2, 0)
    assert run.data["troubles"] == ["No answer to GET /api/v2/message: ConnectError"]


def test_wrong_credentials_are_tried_once(check: Callable[..., Run]) -> None:
    with DifferentService() as service:
        run = check(service.url, *SEND, PASSWORD="another")
        assert len(service.requests) == 1
    assert run.code == 2
    assert "REST interface is switched on" in run.data["troubles"][0]


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), {"USERNAME": ""}, "ECALL_USERNAME"),
        ((), {"PASSWORD": ""}, "ECALL_PASSWORD"),
        ((), {"BASE_URL": "http://rest.ecall.ch"}, "https"),
        (("--send-one-sms-to", "nobody"), {}, "number"),
        (SEND, {"SENDER": ""}, "ECALL_SENDER"),
        (SEND, {"SENDER": "much too long a sender"}, "sender"),
        (("--wait", "0"), {}, "--wait"),
        (("--record", __file__), {}, "cannot be a folder"),
    ],
)
def test_what_is_missing_or_wrong_is_said_before_any_request(
    arguments: tuple[str, ...], environment: dict[str, str], words: str, check: Callable[..., Run]
) -> None:
    with DifferentService() as service:
        run = check(service.url, *arguments, **environment)
        assert service.requests == []
    assert run.code == 2
    assert words in run.output


# Cassettes


E164 = f"+41{DIGITS}"
TRUE_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
ORIGINALS = [
    DIGITS,
    "79 555 12 34",
    SENDER,
    "Muster",
    USERNAME,
    PASSWORD,
    walk.TEXT,
    "hanna@muster.example",
    TRUE_ID,
]


def spellings(original: str) -> Iterator[bytes]:
    """Give all that an original may look like in a file."""
    for text in (
        original,
        original.upper(),
        original.lower(),
        json.dumps(original)[1:-1],
        quote(original),
    ):
        yield text.encode()
    for start in range(3):  # wherever it begins in what is encoded
        encoded = base64.b64encode(b"\0" * start + original.encode())
        yield encoded[4 if start else 0 : -4]


def assert_holds_none_of(folder: Path, originals: list[str]) -> None:
    paths = list(folder.iterdir())
    assert paths
    for path in paths:
        content = path.read_bytes()
        texts = [
            content,
            *(text.encode() for text in cassettes.walk(cassettes.load(content.decode()))),
        ]
        for original in originals:
            for spelling in spellings(original):
                assert not any(spelling in text for text in texts), (path.name, spelling)


def test_cassettes_take_the_place_of_those_of_the_sandbox(
    check: Callable[..., Run], tmp_path: Path, open_client: OpenClient
) -> None:
    with Sandbox(username=USERNAME, password=PASSWORD, sent_after=0, delivered_after=0) as sandbox:
        run = check(sandbox.url, *SEND, "--record", str(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert run.data["written"] == names
    assert_holds_none_of(tmp_path, [DIGITS, SENDER, USERNAME, PASSWORD, walk.TEXT])
    for path in tmp_path.iterdir():
        assert path.read_text("utf-8").startswith("recorded_from: sandbox\n")
        assert cassettes.problems(path.read_text("utf-8")) == []
    played = [scenario for scenario in SCENARIOS if f"{scenario.name}.yaml" in names]
    assert [scenario.name for scenario in played] == [
        "send-v2-path", "media-v2-path", *(f"unknown-ids-{way}" for way in walk.WAYS),
    ]  # fmt: skip
    for scenario in played:
        player = vcrpy.VCR()
        cassettes.configure(player)
        with player.use_cassette(
            str(tmp_path / f"{scenario.name}.yaml"), **cassettes.settings()
        ) as cassette:
            scenario.play(Scene(open_client(cassettes.SERVICE, **scenario.options)))
        assert cassette.all_played


def tell_all(draft: Draft) -> None:
    """Have an answer say much about people."""
    about = {
        "owner": "Hanna Muster",
        "mail": "hanna@muster.example",
        "recipient": f"0041{DIGITS}",
        "recipients": [
            f"41{DIGITS}",
            {"number": int(f"41{DIGITS}")},
            "079 555 12 34",
            "79/555.12-34",
        ],
        f"+41{DIGITS}": "in a name",
        "MUSTER AG": {"text": walk.TEXT},
        "encoded": base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode(),
        "link": f"https://muster.example/?to={quote(E164)}&text={quote(walk.TEXT)}",
        "traceId": TRUE_ID,
        "state": "Muster",
        "credit": 523.2,
        "at": "13.07.2026 09:00:00",
    }
    if draft.is_json:
        draft.data = {**about, **draft.data}
        draft.headers["Set-Cookie"] = f"user={USERNAME}"
    if draft.is_refusal:
        draft.data["errorMessage"] = f"Hanna Muster may not text {E164} as {SENDER}."
        draft.data["errorCode"] = f"To{DIGITS}"
    draft.headers["X-Account"] = "Hanna Muster"
    draft.request_id = {"x-f24-request-id": TRUE_ID}


def test_a_cassette_is_nobodys_business(check: Callable[..., Run], tmp_path: Path) -> None:
    with DifferentService(Twist("tells all", "extras", tell_all)) as service:
        run = check(service.url, *SEND, "--record", str(tmp_path))
    assert DIGITS not in run.output
    assert "Hanna" not in run.output
    assert TRUE_ID not in run.output
    assert_holds_none_of(tmp_path, ORIGINALS)
    for path in tmp_path.iterdir():
        text = path.read_text("utf-8")
        # Nobody has taken this server for eCall, and so the tests take no cassette of it.
        assert text.startswith("recorded_from: elsewhere\n")
        assert (
            cassettes.problems(
                text.replace(scrub.ORIGINS["elsewhere"], cassettes.ORIGINS["service"], 1).replace(
                    "recorded_from: elsewhere", "recorded_from: service", 1
                )
            )
            == []
        )


def test_the_same_is_replaced_by_the_same(check: Callable[..., Run], tmp_path: Path) -> None:
    with DifferentService(Twist("tells all", "extras", tell_all)) as service:
        check(service.url, *SEND, "--record", str(tmp_path))
    (interaction,) = cassettes.load((tmp_path / "send-v2-path.yaml").read_text("utf-8"))[
        "interactions"
    ]
    request, answer = (
        json.loads(interaction["request"]["body"]),
        json.loads(interaction["response"]["body"]["string"]),
    )
    assert request["to"] == "+41791234567"
    assert request["from"] == "ACME"
    assert answer["recipient"] == "0041791234567"
    assert answer["recipients"][:2] == ["41791234567", {"number": 41791234567}]
    assert request["content"]["text"] in json.dumps(answer)
    assert "+41791234567" in answer
    assert answer["credit"] == 1.5
    # Times keep their shape and their distances: this one was a day and two and a half hours before the send.
    assert answer["timestamp"] != answer["at"]
    assert re.fullmatch(r"\d\d\.\d\d\.2026 \d\d:00:00|\d\d\.\d\d\.2026 \d\d:\d\d:00", answer["at"])


def test_the_invented_is_that_of_the_tests() -> None:
    assert scrub.id_of("media", 3) == id_of("media", 3)
    assert scrub.SEED == SEED
    assert {scrub.NUMBER, *scrub.OTHER_NUMBERS, scrub.SENDER_NUMBER} <= cassettes.INVENTED
    assert all(scrub.ORIGINS[name] == cassettes.ORIGINS[name] for name in ("service", "sandbox"))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("rest.ecall.ch", "service"),
        ("test.ecall.ch", "service"),
        ("ecall.ch.example", "elsewhere"),
        ("notecall.ch", "elsewhere"),
        ("127.0.0.1", "elsewhere"),
    ],
)
def test_only_the_service_is_called_the_service(host: str, origin: str) -> None:
    assert scrub.origin_of([], host) == origin


# The script itself


@pytest.mark.parametrize("option", ["--send", "--send-one-sms", "--s"])
def test_a_part_of_the_word_is_not_the_word(check: Callable[..., Run], option: str) -> None:
    with DifferentService() as service:
        with pytest.raises(SystemExit) as ended:
            check(service.url, option, NUMBER)
        assert (ended.value.code, service.requests) == (2, [])


def test_neither_a_reader_that_leaves_nor_a_poor_encoding_loses_the_result() -> None:
    with DifferentService() as service:
        settings = {
            "ECALL_USERNAME": USERNAME,
            "ECALL_PASSWORD": PASSWORD,
            "ECALL_BASE_URL": service.url,
        }
        reader, writer = os.pipe()
        os.close(reader)
        try:
            left = subprocess.run(
                [sys.executable, ROOT / "scripts" / "live_check"],
                env={**os.environ, **settings}, stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False,
            )  # fmt: skip
        finally:
            os.close(writer)
        assert (left.returncode, left.stderr) == (0, b"")
        poor = subprocess.run(
            [sys.executable, ROOT / "scripts" / "live_check"],
            env={**os.environ, **settings, "PYTHONIOENCODING": "ascii"}, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
    assert (poor.returncode, poor.stderr) == (0, b"")
    assert rb"v1 is at /api/v1/\u2026" in poor.stdout


@pytest.mark.slow
def test_the_script(tmp_path: Path) -> None:
    with Sandbox(username=USERNAME, password=PASSWORD) as sandbox:
        settings = {
            "ECALL_USERNAME": USERNAME,
            "ECALL_PASSWORD": PASSWORD,
            "ECALL_BASE_URL": sandbox.url,
        }
        done = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "live_check")],
            env={**os.environ, **settings},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert sandbox.messages == []
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().endswith("No message was sent.")
    assert "CONFIRMED: the service does so" in done.stdout
