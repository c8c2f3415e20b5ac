"""The receiver: secrets, limits, settings, and the headers of all frameworks."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import logging
import pickle
import subprocess
import sys
import threading
from collections import ChainMap, OrderedDict, UserDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from types import MappingProxyType
from typing import Any, TypeAlias

import httpx
import pytest
from django.http.request import HttpHeaders
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from starlette.datastructures import Headers as StarletteHeaders
from werkzeug.datastructures import EnvironHeaders
from werkzeug.datastructures import Headers as WerkzeugHeaders
from werkzeug.test import create_environ

from ecall_facade import errors, webhooks
from ecall_facade.errors import ECallError, InvalidConfiguration, WebhookError
from ecall_facade.webhooks import (
    MalformedEvent,
    ReceivedMessage,
    Receiver,
    StatusUpdate,
    UnknownEvent,
    UntrustedSource,
)
from ecall_facade.webhooks._refusals import RefusalLog

PEER, STRANGER, PROXY = "193.93.208.200", "198.51.100.66", "10.0.0.1"
BODY = b'{"messageId": "m-1", "state": "Delivered"}'
FORM = "application/x-www-form-urlencoded"
SECRET = "n0t-guessable"  # invented, as all secrets here
BASIC = ("callbacks", "pässword:with colon")
WITH_PATH = Receiver(path_secret=SECRET)
WITH_BASIC = Receiver(basic_auth=BASIC)
WITH_BOTH = Receiver(sources=None, path_secret=SECRET, basic_auth=BASIC)
BEHIND_PROXY = Receiver(trusted_proxies=[PROXY])


def basic(name: str, password: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode(encoding)).decode()


def status_of(receiver: Receiver, **arguments: Any) -> int:
    """Return the status of the response to a callback."""
    try:
        event = receiver.receive(BODY, **{"remote_addr": PEER, **arguments})
    except UntrustedSource as error:
        refused = error
    else:
        assert isinstance(event, StatusUpdate)
        return 200
    assert SECRET not in str(refused)
    assert BASIC[1] not in str(refused)
    return refused.status_code


# --- the secret in the path


@pytest.mark.parametrize(
    "path",
    [
        f"/{SECRET}", f"/{SECRET}/", f"//{SECRET}", f"/hooks/{SECRET}", f"/{SECRET}/api/webhooks/receivedmessage",
        f"/a/b/c/{SECRET}/d", SECRET, f"/{SECRET}/{SECRET}",
    ],
)  # fmt: skip
def test_a_path_with_the_secret_as_a_segment_is_accepted(path: str) -> None:
    assert status_of(WITH_PATH, path=path) == 200
    assert status_of(WITH_PATH, path=path, remote_addr=STRANGER) == 403
    assert status_of(WITH_PATH, path=path, remote_addr=None) == 403


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "//", f"/{SECRET}x", f"/x{SECRET}", f"/{SECRET[:-1]}", f"/{SECRET.upper()}", f"/{SECRET} ",
        f"/ {SECRET}", f"/{SECRET[:6]}/{SECRET[6:]}", f"/{SECRET};a=b", f"/{SECRET}?", f"/?{SECRET}",
        f"\\{SECRET}\\", f"/{SECRET}\x00", "/%6e0t-guessable", f"/{SECRET}%2F", "/ñ0t-guessable",
        "/n0t\u2010guessable", "/\ud800", f"/\udcff{SECRET}", "/" * 50_000, "/" + "x" * 50_000, "/None",
        "/b'n0t-guessable'",
    ],
    ids=lambda path: ascii(path[:30]),
)  # fmt: skip
def test_a_path_without_the_exact_secret_gets_403(path: str) -> None:
    assert status_of(WITH_PATH, path=path) == 403


def test_the_secret_is_looked_for_in_the_path_only() -> None:
    headers = {"X-Original-URL": f"/{SECRET}", "Referer": f"/{SECRET}"}
    assert status_of(WITH_PATH, query=SECRET, headers=headers) == 403


@pytest.mark.parametrize(
    "secret",
    ["grüezi mitenand", "%41%42%43%44", "with spaces", "..........", "\ud800 surrogate", "💙" * 8],
)
def test_a_path_secret_may_be_any_text(secret: str) -> None:
    receiver = Receiver(path_secret=secret)
    assert status_of(receiver, path=f"/x/{secret}/y") == 200
    assert status_of(receiver, path=f"/x/{secret[:-1]}/y") == 403
    assert status_of(receiver, path=f"/x/?{secret[1:]}/y") == 403


@given(st.text(max_size=30))
def test_no_path_without_the_secret_is_accepted(text: str) -> None:
    assert status_of(WITH_PATH, path=f"/{text}") == (200 if SECRET in text.split("/") else 403)


# --- Basic credentials


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
@pytest.mark.parametrize("space", [" ", "  ", " \t"])
def test_the_right_basic_credentials_are_accepted(scheme: str, space: str) -> None:
    value = f"{scheme}{space}{basic(*BASIC).partition(' ')[2]}"
    assert status_of(WITH_BASIC, headers={"Authorization": value}) == 200
    assert status_of(WITH_BASIC, headers=[(b"authorization", f"{value} ".encode())]) == 200


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "Basic", "Basic ", basic("callbacks", "wrong"), basic("other", BASIC[1]),
        basic(BASIC[1], BASIC[0]), basic("callbacks", ""), basic("", BASIC[1]), basic("Callbacks", BASIC[1]),
        basic("callbacks", BASIC[1] + " "), basic("callbacks", BASIC[1], "latin-1"), basic(*BASIC)[:-1],
        basic(*BASIC).replace("Basic", "Bearer"), basic(*BASIC).replace("Basic ", ""),
        basic(*BASIC).replace("Basic ", "Basic:"), basic(*BASIC).replace(" ", "\xa0"),
        f"Basic {BASIC[0]}:{BASIC[1]}", "Basic ====", "Basic \xe9\xe9\xe9\xe9", "Basic 💙", "Basic \ud800",
        "Basic " + "A" * 60_000, basic(*BASIC) + ", " + basic(*BASIC), f"{basic(*BASIC)}, Basic x",
        "Digest username=callbacks", basic(*BASIC).replace("Basic ", "Basic !"),
    ],
    ids=lambda value: ascii(value[:30]),
)  # fmt: skip
def test_wrong_basic_credentials_get_401(value: str) -> None:
    assert status_of(WITH_BASIC, headers={"Authorization": value}) == 401


def test_missing_basic_credentials_get_401() -> None:
    assert status_of(WITH_BASIC) == 401
    others = {"Proxy-Authorization": basic(*BASIC), "X-Authorization": basic(*BASIC)}
    assert status_of(WITH_BASIC, headers=others) == 401


def test_of_several_authorization_headers_the_first_is_read() -> None:
    right, wrong = ("Authorization", basic(*BASIC)), ("authorization", basic("callbacks", "wrong"))
    assert status_of(WITH_BASIC, headers=[right, wrong]) == 200
    assert status_of(WITH_BASIC, headers=[wrong, right]) == 401


@pytest.mark.parametrize("headers", [{}, {"Authorization": basic(*BASIC)}])
def test_a_stranger_is_not_asked_for_a_password(headers: dict[str, str]) -> None:
    assert status_of(WITH_BASIC, headers=headers, remote_addr=STRANGER) == 403


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_other_credentials_are_accepted(name: str, password: str) -> None:
    token = base64.b64encode(f"{name}:{password}".encode("utf-8", "surrogatepass")).decode()
    expected = 200 if f"{name}:{password}" == ":".join(BASIC) else 401
    assert status_of(WITH_BASIC, headers={"Authorization": f"Basic {token}"}) == expected


@pytest.mark.parametrize("peer", [None, STRANGER, "?"])
def test_with_both_secrets_the_sources_may_be_anybody(peer: str | None) -> None:
    path, headers = f"/{SECRET}", {"Authorization": basic(*BASIC)}
    assert status_of(WITH_BOTH, remote_addr=peer, path=path, headers=headers) == 200
    assert status_of(WITH_BOTH, remote_addr=peer, path="/", headers=headers) == 403
    assert status_of(WITH_BOTH, remote_addr=peer, path=path) == 401


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one function of Python that does so, and all of them each time."""
    compared: list[tuple[bytes, bytes]] = []
    original = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return original(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for path in (f"/{SECRET}/b/c", f"/b/{SECRET}/c", "/b/c/d"):
        del compared[:]
        status_of(WITH_PATH, path=path)
        assert compared == [(segment.encode(), SECRET.encode()) for segment in path.split("/")]
    credentials = ":".join(BASIC).encode()
    for value, sent in (
        ("", b""),
        ("Basic !", b""),
        (basic("a", "b"), b"a:b"),
        (basic(*BASIC), credentials),
    ):
        del compared[:]
        status_of(WITH_BASIC, headers={"Authorization": value})
        assert compared == [(sent, credentials)]


# --- settings and limits


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        *(({"path_secret": wrong}, "path_secret must have at least 8 characters")
          for wrong in ("", "short", "1234567", "with/slash", "////////")),
        *(({"basic_auth": wrong}, "basic_auth must be a name without")
          for wrong in (("", "password"), ("name", ""), ("", ""), ("na:me", "password"))),
        *(({"max_body": wrong}, "max_body must be a positive number of bytes") for wrong in (0, -1)),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused(settings: Any, problem: str) -> None:
    with pytest.raises(InvalidConfiguration, match=problem):
        Receiver(**settings)


def test_a_receiver_offers_nothing_but_what_is_documented() -> None:
    names = [name for name in dir(Receiver()) if not name.startswith("_")]
    assert names == ["max_body", "receive"]


@pytest.mark.parametrize("limit", [1, 100, 64 * 1024])
def test_a_body_or_query_over_the_limit_gets_413(limit: int) -> None:
    receiver = Receiver(max_body=limit)
    assert receiver.max_body == limit
    assert Receiver().max_body == 64 * 1024
    headers = {"Content-Type": "application/json"}
    receiver.receive(b"1" + b" " * (limit - 1), remote_addr=PEER, headers=headers)
    if limit > 1:
        receiver.receive(b"", query=b"a=" + b"1" * (limit - 2), remote_addr=PEER)
    too_large: list[tuple[bytes, bytes | str]] = [
        (b"1" + b" " * limit, ""),
        (b"1", "a" * (limit + 1)),
        (b"", b"a=" + b"1" * limit),
    ]
    for body, query in too_large:
        with pytest.raises(MalformedEvent, match=f"more than {limit} bytes") as caught:
            receiver.receive(body, query=query, remote_addr=PEER)
        assert caught.value.status_code == 413


def test_the_body_of_an_untrusted_caller_is_not_looked_at() -> None:
    for body in (b"x" * 100_000, b"{", b""):
        for receiver, peer in ((Receiver(), STRANGER), (WITH_PATH, PEER), (WITH_BASIC, PEER)):
            with pytest.raises(UntrustedSource):
                receiver.receive(body, remote_addr=peer)


@pytest.mark.parametrize("length", [8, 100, 10**18, "9" * 40])
@pytest.mark.parametrize(("body", "query"), [(b"text=ab", ""), (b"", "text=ab"), (b"", "")])
def test_a_body_that_broke_off_gets_400(length: object, body: bytes, query: str) -> None:
    headers = {"Content-Length": str(length), "Content-Type": FORM}
    with pytest.raises(MalformedEvent, match="incomplete") as caught:
        Receiver().receive(body, remote_addr=PEER, headers=headers, query=query)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("length", ["7", "0", "3", "", "x", "-9", "+99", "9.9"])
def test_other_content_lengths_are_ignored(length: str) -> None:
    headers = {"Content-Length": length}
    event = Receiver().receive(b"text=ab", remote_addr=PEER, headers=headers)
    assert isinstance(event, ReceivedMessage)


def test_a_chunked_body_that_the_server_dropped_gets_411() -> None:
    headers = {"Transfer-Encoding": "Chunked"}
    with pytest.raises(MalformedEvent, match="chunked") as caught:
        Receiver().receive(b"", remote_addr=PEER, headers=headers)
    assert caught.value.status_code == 411
    event = Receiver().receive(b"", remote_addr=PEER, headers=headers, query="state=8")
    assert isinstance(event, StatusUpdate)


# --- headers

Pairs: TypeAlias = list[tuple[str, str]]
X = "X-Forwarded-For"


def forwarded(*lines: str) -> Pairs:
    return [("Content-Type", "application/json"), *((X, line) for line in lines)]


def as_message(pairs: Pairs) -> Message:
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


def as_starlette(pairs: Pairs) -> StarletteHeaders:
    raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
    return StarletteHeaders(raw=raw)


def as_environ(pairs: Pairs) -> dict[str, Any]:
    """Return what a WSGI server makes of lines: one value, joined with commas."""
    environ = create_environ()
    for name, value in pairs:
        key = name.upper().replace("-", "_")
        key = key if key.startswith("CONTENT_") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


class EnvironView(UserDict[str, str]):
    """Headers as Bottle and WebOb have them: a mapping over the WSGI environment."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        super().__init__(EnvironHeaders(environ))


FRAMEWORKS: dict[str, Callable[[Pairs], Any]] = {
    "http.client": as_message,
    "starlette": as_starlette,
    "starlette raw": lambda pairs: as_starlette(pairs).raw,
    "werkzeug": WerkzeugHeaders,
    "flask": lambda pairs: EnvironHeaders(as_environ(pairs)),
    "django": lambda pairs: HttpHeaders(as_environ(pairs)),
    "bottle": lambda pairs: EnvironView(as_environ(pairs)),
    "wsgi environ": as_environ,
    "aiohttp": CIMultiDict,
    "aiohttp proxy": lambda pairs: CIMultiDictProxy(CIMultiDict(pairs)),
    "httpx": httpx.Headers,
    "pairs": list,
    "iterator of pairs": iter,
    "message items": lambda pairs: as_message(pairs).items(),
    "lists by name": lambda pairs: {X: [value for name, value in pairs if name == X]},
    "tuples by name": lambda pairs: {X: tuple(value for name, value in pairs if name == X)},
}
# One value for each name, and no way to tell whether there were more.
MAPPINGS: dict[str, Callable[[Any], Any]] = {
    "dict": dict,
    "first line": lambda headers: {name: headers[name] for name in headers.keys()},  # noqa: SIM118
    "last line": lambda headers: dict(headers.items()),
    "proxy": lambda headers: MappingProxyType(dict(headers)),
    "UserDict": lambda headers: UserDict(dict(headers)),
    "OrderedDict": OrderedDict,
    "ChainMap": lambda headers: ChainMap(dict(headers)),
    "items of a dict": lambda headers: dict(headers).items(),
    "items of a UserDict": lambda headers: UserDict(dict(headers)).items(),
    "lower case": lambda headers: {name.lower(): value for name, value in dict(headers).items()},
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_proxys_line_is_found_in_the_headers_of_each_framework(framework: str) -> None:
    for lines, status in (
        ([PEER], 200),
        ([STRANGER], 403),
        ([PEER, STRANGER], 403),  # the caller's own line, then the proxy's
        ([STRANGER, PEER], 200),
        ([f"{PEER}, {STRANGER}"], 403),
    ):
        headers = FRAMEWORKS[framework](forwarded(*lines))
        assert status_of(BEHIND_PROXY, remote_addr=PROXY, headers=headers) == status, lines


@pytest.mark.parametrize("kind", MAPPINGS)
@pytest.mark.parametrize("framework", ["http.client", "starlette", "werkzeug"])
@pytest.mark.parametrize(("name", "value"), [(X, "{}"), ("Forwarded", "for={}")])
def test_a_plain_mapping_cannot_vouch_for_a_proxys_header(
    kind: str, framework: str, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    forged = [(name, value.format(PEER)), (name, value.format(STRANGER))]
    headers = MAPPINGS[kind](FRAMEWORKS[framework](forged))
    receiver = Receiver(trusted_proxies=[PROXY])
    with pytest.raises(UntrustedSource) as caught:
        receiver.receive(BODY, remote_addr=PROXY, headers=headers)
    for words in (caught.value.hint, caplog.text):
        assert "pass the framework's headers object itself" in words
    assert (
        status_of(receiver, remote_addr=PEER, headers=headers) == 200
    )  # without a proxy it is enough


def test_a_header_cannot_make_a_mapping_a_wsgi_environment() -> None:
    forged = {"wsgi.version": "(1, 0)", "REQUEST_METHOD": "POST", "HTTP_X_FORWARDED_FOR": PEER}
    assert status_of(BEHIND_PROXY, remote_addr=PROXY, headers=forged) == 403


def test_the_content_type_and_length_of_a_wsgi_environment_are_read() -> None:
    environ = as_environ([("Content-Type", f"{FORM}; charset=iso-8859-1")])
    event = Receiver().receive(b"text=Gr\xfcezi", remote_addr=PEER, headers=environ)
    assert isinstance(event, ReceivedMessage)
    assert event.text == "Grüezi"
    with pytest.raises(MalformedEvent, match="incomplete"):
        Receiver().receive(b"text=a", remote_addr=PEER, headers={**environ, "CONTENT_LENGTH": "7"})


def test_headers_may_be_bytes_or_text_in_any_letter_case_or_missing() -> None:
    pairs = [("content-TYPE", FORM), ("X-Odd", "ä\x00")]
    as_bytes = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    odd = [(b"\xff\xfe", b"\xff"), (b"CONTENT-TYPE", FORM.encode())]
    for headers in (dict(pairs), pairs, tuple(pairs), UserDict(pairs), as_bytes, odd, ()):
        event = Receiver().receive(b"state=8", remote_addr=PEER, headers=headers)
        assert isinstance(event, StatusUpdate)


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=5),
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5),
)
def test_no_header_keeps_the_receiver_from_reading_a_callback(
    raw: list[tuple[bytes, bytes]], texts: Pairs
) -> None:
    by_password = Receiver(sources=None, basic_auth=BASIC)
    for receiver in (Receiver(), BEHIND_PROXY, by_password):
        for headers in (raw, texts, dict(texts)):
            may_be_refused = [UntrustedSource] if receiver is by_password else []
            with contextlib.suppress(*may_be_refused):
                event = receiver.receive(BODY, remote_addr=PEER, headers=headers)
                assert isinstance(event, StatusUpdate)


def test_proxies_path_secret_and_credentials_can_be_combined() -> None:
    receiver = Receiver(trusted_proxies=[PROXY], path_secret=SECRET, basic_auth=BASIC)
    event = receiver.receive(
        b"AddressFrom=0041791234567&Message=Ja",
        remote_addr=PROXY,
        headers=[(b"X-FORWARDED-FOR", PEER.encode()), (b"authorization", basic(*BASIC).encode())],
        path=f"/{SECRET}/api/webhooks/receivedmessage",
        expected="message",
    )
    assert isinstance(event, ReceivedMessage)
    assert (event.sender, event.text) == ("0041791234567", "Ja")


@given(
    st.one_of(st.none(), st.text(max_size=20), st.just(PEER)),
    st.binary(max_size=40),
    st.one_of(st.text(max_size=20), st.binary(max_size=20)),
    st.text(max_size=20),
    st.sampled_from(["any", "message"]),
)
def test_whatever_comes_there_is_an_event_or_one_of_two_errors(
    peer: str | None, body: bytes, query: str | bytes, path: str, expected: Any
) -> None:
    tiny = Receiver(sources=None, max_body=10)
    for receiver in (Receiver(), WITH_PATH, WITH_BASIC, WITH_BOTH, tiny):
        with contextlib.suppress(UntrustedSource, MalformedEvent):
            event = receiver.receive(
                body, remote_addr=peer, query=query, path=path, expected=expected
            )
            assert isinstance(event, StatusUpdate | ReceivedMessage | UnknownEvent)


# --- what is said of a refusal

Refusal: TypeAlias = tuple[str | None, list[str], str | None, str | None, str | None, str]
# The peer, its lines, the caller, where the chain ended, the proxy that was not named, and a part of the hint.
REFUSALS: dict[str, Refusal] = {
    "a stranger": (STRANGER, [], STRANGER, STRANGER, None, "no proxy"),
    "an unnamed proxy": ("10.0.0.9", [PEER], "10.0.0.9", "10.0.0.9", "10.0.0.9", "trusted_proxies"),
    "an unnamed second proxy": (
        PROXY, [f"{PEER}, 10.0.0.9"], "10.0.0.9", "10.0.0.9", "10.0.0.9", "trusted_proxies",
    ),
    "a stranger behind the proxy": (PROXY, ["203.0.113.9"], "203.0.113.9", "203.0.113.9", None, ""),
    "a stranger behind two": (PROXY, ["203.0.113.9", "10.0.0.2"], "203.0.113.9", "203.0.113.9", None, ""),
    "no header": (PROXY, [], None, PROXY, None, "neither X-Forwarded-For nor Forwarded"),
    "an unreadable entry": (PROXY, [f"{PEER}, \nforged, 10.0.0.2"], None, "10.0.0.2", None, "not an IP address"),
    "only proxies": (PROXY, ["10.0.0.2"], "10.0.0.2", "10.0.0.2", None, "no entry is left"),
    "a mapped peer": (f"::ffff:{STRANGER}", [], STRANGER, STRANGER, None, ""),
    "a Unix socket": (None, [PEER], None, None, None, "unix:"),
    "no address": ("test\nclient", [PEER], None, None, None, "no IP address"),
    "a very long address": ("1" * 100_000, [PEER], None, None, None, "no IP address"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_how_far_the_caller_was_followed(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer, lines, caller, ended_at, unnamed, hint = REFUSALS[name]
    receiver = Receiver(trusted_proxies=[PROXY, "10.0.0.2"])
    with pytest.raises(UntrustedSource) as caught:
        receiver.receive(BODY, remote_addr=peer, headers=forwarded(*lines))
    # The caller may read the text, so it names no address.
    assert not any(character.isdigit() for character in str(caught.value))
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.address, error.chain_ended_at) == (caller, ended_at)
        assert error.unnamed_proxy == unnamed
        assert hint in error.hint
        assert error.peer
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("ecall_facade.webhooks", logging.WARNING)
    message = record.getMessage()
    assert message.startswith("Refused a callback with 403: ")
    assert message.isprintable()
    assert len(message) < 400
    assert "forged" not in message
    for word in (caught.value.peer, caller, ended_at, unnamed, hint):
        assert (word or "") in message


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_peer_is_logged_once_a_minute_with_the_number_of_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    receiver = Receiver(clock=clock)
    for after, refusals in ((0, 3), (59.9, 1), (0.2, 1), (60, 1)):
        clock.now += after
        for _ in range(refusals):
            assert status_of(receiver, remote_addr=STRANGER) == 403
    assert status_of(receiver, remote_addr="203.0.113.9") == 403
    logged = [record.getMessage() for record in caplog.records]
    assert ["3 more of this peer" in line for line in logged] == [False, True, False, False]
    assert ["203.0.113.9" in line for line in logged] == [False, False, False, True]


def test_the_peers_that_were_logged_last_are_remembered(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = RefusalLog(clock, max_peers=2)

    def is_logged(peer: str) -> bool:
        caplog.clear()
        log.write(MalformedEvent("x"), peer)
        return bool(caplog.records)

    first, second, third = "192.0.2.1", "192.0.2.2", "192.0.2.3"
    assert [is_logged(peer) for peer in (first, second, first, second)] == [True, True, False, False]  # fmt: skip
    clock.now += 60
    assert is_logged(first)
    assert is_logged(third)  # for which the second one is forgotten
    assert [is_logged(peer) for peer in (first, third, second)] == [False, False, True]


def test_a_receiver_remembers_a_thousand_peers(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(clock=Clock())
    peers = [f"2001:db8::{number:x}" for number in range(1, 1002)]
    for peer in (*peers, peers[1], peers[0]):  # the first one was forgotten for the last one
        status_of(receiver, remote_addr=peer)
    assert len(caplog.records) == 1002
    assert f"peer {peers[0]};" in caplog.records[-1].getMessage()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"text": "Anna Muster +41791234567"', {}, 400),
        (b"Anna Muster", {"Content-Type": "text/+41791234567"}, 415),
        (b"Anna Muster" * 10_000, {}, 413),
        (b"text=Anna Muster", {"Content-Length": "99"}, 400),
        (b"", {}, 400),
    ],
)
def test_a_callback_that_cannot_be_read_is_logged_without_its_content(
    body: bytes, headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(MalformedEvent) as caught:
        Receiver().receive(body, remote_addr=PEER, headers=headers)
    assert caught.value.status_code == status
    (record,) = caplog.records
    assert record.getMessage().startswith(f"Refused a callback with {status}: The callback")
    assert PEER in record.getMessage()
    for secret in ("Anna", "Muster", "41791234567"):
        assert secret not in caplog.text


def test_neither_the_log_nor_the_repr_has_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert status_of(Receiver()) == 200
    assert caplog.records == []  # an accepted callback is not logged
    for receiver in (WITH_PATH, WITH_BASIC, WITH_BOTH):
        assert repr(receiver) == str(receiver) == "Receiver()"
    status_of(WITH_BOTH, path=f"/{SECRET}", headers={"Authorization": basic(*BASIC)})
    status_of(WITH_BOTH, path="/wrong")
    status_of(WITH_BOTH, path=f"/{SECRET}", headers={"Authorization": basic("x", BASIC[1])})
    for secret in (SECRET, *BASIC, basic(*BASIC)):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("receiver", "body", "headers", "status"),
    [
        (Receiver(sources=[]), BODY, {}, 403),
        (WITH_BASIC, BODY, {}, 401),
        (Receiver(), b"{", {}, 400),
        (Receiver(max_body=1), BODY, {}, 413),
        (Receiver(), b"<a/>", {"Content-Type": "text/xml"}, 415),
    ],
)
def test_a_webhook_error_is_one_line_and_can_be_pickled(
    receiver: Receiver, body: bytes, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(WebhookError) as caught:
        receiver.receive(body, remote_addr=PEER, headers=headers)
    copy = pickle.loads(pickle.dumps(caught.value))
    for error in (caught.value, copy):
        assert (error.status_code, str(error)) == (status, error.explanation)
    assert type(copy) is type(caught.value)
    assert (copy.request_id, copy.may_have_been_sent) == (None, False)
    assert str(copy).isprintable()
    assert str(copy)


def test_webhook_errors_are_part_of_the_error_tree() -> None:
    expected = (WebhookError, ECallError)
    assert UntrustedSource.__mro__[1:3] == MalformedEvent.__mro__[1:3] == expected
    assert (UntrustedSource("x").status_code, MalformedEvent("x").status_code) == (403, 400)
    assert webhooks.UntrustedSource is errors.UntrustedSource


def test_one_receiver_serves_many_threads() -> None:
    receiver = Receiver(trusted_proxies=["10.0.0.0/8"], path_secret=SECRET)
    start = threading.Barrier(16)

    def work(number: int) -> list[str]:
        start.wait()
        keys: list[str] = []
        for place in range(50):
            body = json.dumps({"messageId": f"m-{number}-{place}", "state": "Sent"}).encode()
            event = receiver.receive(
                body, remote_addr="10.1.1.1", headers=[(X, PEER)], path=f"/{SECRET}"
            )
            assert isinstance(event, StatusUpdate)
            keys.append(event.key)
        return keys

    with ThreadPoolExecutor(16) as pool:
        keys = [key for found in pool.map(work, range(16)) for key in found]
    assert set(keys) == {
        f"status:m-{number}-{place}:Sent" for number in range(16) for place in range(50)
    }
    assert len(keys) == 800


# --- the package


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr.strip()


@pytest.mark.long
def test_only_the_webhook_app_needs_starlette() -> None:
    without = "import sys; sys.modules['starlette'] = sys.modules['uvicorn'] = None; "
    names = "from ecall_facade.webhooks import Receiver; "
    call = f"print(type(Receiver().receive({BODY!r}, remote_addr={PEER!r})).__name__)"
    loaded = "; import sys; print('starlette' in sys.modules)"
    assert run(without + names + call) == "StatusUpdate"
    assert run(names + call + loaded) == "StatusUpdate\nFalse"
    star = run(f"{without}from ecall_facade.webhooks import *")
    assert star.endswith('pip install "ecall-facade[webhooks]"')


def test_the_webhooks_package_has_the_names_it_lists() -> None:
    for name in webhooks.__all__:
        assert getattr(webhooks, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Something'"):
        _ = webhooks.Something
