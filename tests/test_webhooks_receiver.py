"""The receiver itself: secrets, limits, settings, and what it is called with."""

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

PEER = "193.93.208.200"
BODY = b'{"messageId": "m-1", "state": "Delivered"}'
SECRET = "n0t-guessable"  # invented, as all secrets here
BASIC = ("callbacks", "pässword:with colon")
WITH_PATH = Receiver(path_secret=SECRET)
WITH_BASIC = Receiver(basic_auth=BASIC)
WITH_BOTH = Receiver(sources=None, path_secret=SECRET, basic_auth=BASIC)


def basic(name: str, password: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode(encoding)).decode()


def status_of(receiver: Receiver, **more: Any) -> int:
    """The status that a callback is to be answered with."""
    try:
        event = receiver.receive(BODY, **{"remote_addr": PEER, **more})
    except UntrustedSource as error:
        refused = error
    else:
        assert isinstance(event, StatusUpdate)
        return 200
    assert SECRET not in str(refused)
    assert BASIC[1] not in str(refused)
    return refused.status_code


class TestPathSecret:
    @pytest.mark.parametrize(
        "path",
        [
            f"/{SECRET}", f"/{SECRET}/", f"//{SECRET}", f"/hooks/{SECRET}", f"/{SECRET}/api/webhooks/receivedmessage",
            f"/a/b/c/{SECRET}/d", SECRET, f"/{SECRET}/{SECRET}",
        ],
    )  # fmt: skip
    def test_right(self, path: str) -> None:
        assert status_of(WITH_PATH, path=path) == 200

    @pytest.mark.parametrize(
        "path",
        [
            "", "/", "//", f"/{SECRET}x", f"/x{SECRET}", f"/{SECRET[:-1]}", f"/{SECRET.upper()}", f"/{SECRET} ",
            f"/ {SECRET}", f"/{SECRET[:6]}/{SECRET[6:]}", f"/{SECRET};a=b", f"/{SECRET}?", f"/?{SECRET}",
            f"\\{SECRET}\\", f"/{SECRET}\x00", "/%6e0t-guessable", f"/{SECRET}%2F", "/ñ0t-guessable",
            "/n0t\u2010guessable", "/\ud800", f"/\udcff{SECRET}", "/" * 50_000, "/" + "x" * 50_000, "/None",
            "/b'n0t-guessable'",
        ],
    )  # fmt: skip
    def test_wrong(self, path: str) -> None:
        assert status_of(WITH_PATH, path=path) == 403

    def test_it_is_in_the_path_and_nowhere_else(self) -> None:
        assert status_of(WITH_PATH) == 403
        assert (
            status_of(
                WITH_PATH,
                query=SECRET,
                headers={"X-Original-URL": f"/{SECRET}", "Referer": f"/{SECRET}"},
            )
            == 403
        )

    @pytest.mark.parametrize(
        "secret",
        [
            "grüezi mitenand",
            "%41%42%43%44",
            "with spaces",
            "..........",
            "\ud800 surrogate",
            "💙💙💙💙💙💙💙💙",
        ],
    )
    def test_any_secret(self, secret: str) -> None:
        receiver = Receiver(path_secret=secret)
        assert status_of(receiver, path=f"/x/{secret}/y") == 200
        assert status_of(receiver, path=f"/x/{secret[:-1]}/y") == 403

    def test_a_right_secret_makes_no_stranger_the_service(self) -> None:
        assert status_of(WITH_PATH, path=f"/{SECRET}", remote_addr="198.51.100.66") == 403
        assert status_of(WITH_PATH, path=f"/{SECRET}", remote_addr=None) == 403

    @given(st.text(max_size=30))
    def test_nothing_else_is_right(self, text: str) -> None:
        assert status_of(WITH_PATH, path=f"/{text}") == (200 if SECRET in text.split("/") else 403)

    @pytest.mark.parametrize("wrong", ["", "short", "1234567", "with/slash", "////////"])
    def test_what_is_no_secret(self, wrong: str) -> None:
        with pytest.raises(
            InvalidConfiguration, match="path_secret must have at least 8 characters"
        ):
            Receiver(path_secret=wrong)


class TestBasicAuth:
    @pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
    @pytest.mark.parametrize("space", [" ", "  ", " \t"])
    def test_right(self, scheme: str, space: str) -> None:
        token = basic(*BASIC).partition(" ")[2]
        for headers in (
            {"Authorization": f"{scheme}{space}{token}"},
            [(b"authorization", f"{scheme}{space}{token} ".encode())],
        ):
            assert status_of(WITH_BASIC, headers=headers) == 200

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
            "Digest username=callbacks",
            basic(*BASIC).replace("Basic ", "Basic !"),
        ],
    )  # fmt: skip
    def test_wrong(self, value: str) -> None:
        assert status_of(WITH_BASIC, headers={"Authorization": value}) == 401

    def test_missing(self) -> None:
        assert status_of(WITH_BASIC) == 401
        assert (
            status_of(
                WITH_BASIC,
                headers={"Proxy-Authorization": basic(*BASIC), "X-Authorization": basic(*BASIC)},
            )
            == 401
        )

    def test_of_several_the_first_counts(self) -> None:
        right, wrong = (
            ("Authorization", basic(*BASIC)),
            ("authorization", basic("callbacks", "wrong")),
        )
        assert status_of(WITH_BASIC, headers=[right, wrong]) == 200
        assert status_of(WITH_BASIC, headers=[wrong, right]) == 401

    def test_a_stranger_is_not_asked_for_a_password(self) -> None:
        assert (
            status_of(
                WITH_BASIC, headers={"Authorization": basic(*BASIC)}, remote_addr="198.51.100.66"
            )
            == 403
        )
        assert status_of(WITH_BASIC, remote_addr="198.51.100.66") == 403

    @given(st.text(max_size=30), st.text(max_size=30))
    def test_nobody_else_gets_in(self, name: str, password: str) -> None:
        token = base64.b64encode(f"{name}:{password}".encode("utf-8", "surrogatepass")).decode()
        expected = 200 if f"{name}:{password}" == ":".join(BASIC) else 401
        assert status_of(WITH_BASIC, headers={"Authorization": f"Basic {token}"}) == expected

    @pytest.mark.parametrize(
        "wrong", [("", "password"), ("name", ""), ("", ""), ("na:me", "password")]
    )
    def test_what_are_no_credentials(self, wrong: tuple[str, str]) -> None:
        with pytest.raises(InvalidConfiguration, match="basic_auth must be a name without"):
            Receiver(basic_auth=wrong)


class TestComparing:
    """Secrets are compared in constant time: by the one function that does so, and all of them each time."""

    @pytest.fixture
    def compared(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes]]:
        pairs: list[tuple[bytes, bytes]] = []
        original = hmac.compare_digest

        def compare(one: bytes, other: bytes) -> bool:
            pairs.append((one, other))
            return original(one, other)

        monkeypatch.setattr(hmac, "compare_digest", compare)
        return pairs

    def test_each_segment_is_compared(self, compared: list[tuple[bytes, bytes]]) -> None:
        for path in (f"/{SECRET}/b/c", f"/b/{SECRET}/c", "/b/c/d"):
            del compared[:]
            status_of(WITH_PATH, path=path)
            assert compared == [(segment.encode(), SECRET.encode()) for segment in path.split("/")]

    def test_credentials_are_compared_even_if_there_are_none(
        self, compared: list[tuple[bytes, bytes]]
    ) -> None:
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

    def test_it_decides_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for verdict in (True, False):
            monkeypatch.setattr(hmac, "compare_digest", lambda *_, verdict=verdict: verdict)
            assert status_of(WITH_PATH, path=f"/{SECRET}") == (200 if verdict else 403)
            assert status_of(WITH_PATH, path="/wrong") == (200 if verdict else 403)
            assert status_of(WITH_BASIC, headers={"Authorization": basic(*BASIC)}) == (
                200 if verdict else 401
            )


def test_both_secrets_and_no_sources() -> None:
    right = {"path": f"/{SECRET}", "headers": {"Authorization": basic(*BASIC)}}
    for peer in (None, "198.51.100.66", "?"):
        assert status_of(WITH_BOTH, remote_addr=peer, **right) == 200
        assert status_of(WITH_BOTH, remote_addr=peer, path="/", headers=right["headers"]) == 403
        assert status_of(WITH_BOTH, remote_addr=peer, path=right["path"]) == 401


class TestLimits:
    @pytest.mark.parametrize("limit", [1, 100, 64 * 1024])
    def test_bodies_and_queries(self, limit: int) -> None:
        receiver = Receiver(max_body=limit)
        assert receiver.max_body == limit
        headers = {"Content-Type": "application/json"}
        receiver.receive(b"1" + b" " * (limit - 1), remote_addr=PEER, headers=headers)
        if limit > 1:
            receiver.receive(b"", query=b"a=" + b"1" * (limit - 2), remote_addr=PEER)
        for body, query in (
            (b"1" + b" " * limit, ""),
            (b"1", "a" * (limit + 1)),
            (b"", b"a=" + b"1" * limit),
        ):
            with pytest.raises(MalformedEvent, match=f"more than {limit} bytes") as caught:
                receiver.receive(body, query=query, remote_addr=PEER)
            assert caught.value.status_code == 413

    def test_the_default(self) -> None:
        assert Receiver().max_body == 64 * 1024

    @pytest.mark.parametrize("wrong", [0, -1])
    def test_what_is_no_limit(self, wrong: int) -> None:
        with pytest.raises(
            InvalidConfiguration, match="max_body must be a positive number of bytes"
        ):
            Receiver(max_body=wrong)

    def test_nothing_is_read_of_somebody_who_is_not_trusted(self) -> None:
        for body in (b"x" * 100_000, b"{", b""):
            with pytest.raises(UntrustedSource):
                Receiver().receive(body, remote_addr="198.51.100.66")
            with pytest.raises(UntrustedSource):
                WITH_PATH.receive(body, remote_addr=PEER)
            with pytest.raises(UntrustedSource):
                WITH_BASIC.receive(body, remote_addr=PEER)


X = "X-Forwarded-For"


def forwarded(*lines: str) -> list[tuple[str, str]]:
    return [("Content-Type", "application/json"), *((X, line) for line in lines)]


def as_message(pairs: list[tuple[str, str]]) -> Message:
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


def as_starlette(pairs: list[tuple[str, str]]) -> StarletteHeaders:
    raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
    return StarletteHeaders(raw=raw)


def as_environ(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """What a WSGI server makes of lines: one value, joined with commas."""
    environ = create_environ()
    for name, value in pairs:
        key = "CONTENT_TYPE" if name == "Content-Type" else f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


FRAMEWORKS: dict[str, Callable[[list[tuple[str, str]]], Any]] = {
    "http.client": as_message,
    "starlette": as_starlette,
    "starlette raw": lambda pairs: as_starlette(pairs).raw,
    "werkzeug": WerkzeugHeaders,
    "flask": lambda pairs: EnvironHeaders(as_environ(pairs)),
    "django": lambda pairs: HttpHeaders(as_environ(pairs)),
    "wsgi environ": as_environ,
    "aiohttp": CIMultiDict,
    "aiohttp proxy": lambda pairs: CIMultiDictProxy(CIMultiDict(pairs)),
    "httpx": httpx.Headers,
    "pairs": list,
    "iterator of pairs": iter,
    "message items": lambda pairs: as_message(pairs).items(),
    "lists by name": lambda pairs: {X: [value for name, value in pairs if name == X]},
}
# What has one value for each name, and no way to tell whether there were more.
PLAIN: dict[str, Callable[[Any], Any]] = {
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


class TestHeaders:
    @pytest.mark.parametrize("framework", FRAMEWORKS)
    def test_a_proxys_line_is_found_in_each_frameworks_headers(self, framework: str) -> None:
        receiver = Receiver(trusted_proxies=["10.0.0.1"])
        for lines, status in (
            ([PEER], 200),
            (["198.51.100.66"], 403),
            ([PEER, "198.51.100.66"], 403),  # the caller's own line, then the proxy's
            (["198.51.100.66", PEER], 200),
            ([f"{PEER}, 198.51.100.66"], 403),
        ):
            headers = FRAMEWORKS[framework](forwarded(*lines))
            assert status_of(receiver, remote_addr="10.0.0.1", headers=headers) == status, lines

    @pytest.mark.parametrize("kind", PLAIN)
    @pytest.mark.parametrize("framework", ["http.client", "starlette", "werkzeug"])
    def test_a_plain_mapping_does_not_vouch_for_a_proxys_header(
        self, kind: str, framework: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver = Receiver(trusted_proxies=["10.0.0.1"])
        forged = forwarded(PEER, "198.51.100.66")
        headers = PLAIN[kind](FRAMEWORKS[framework](forged))
        with pytest.raises(UntrustedSource) as caught:
            receiver.receive(BODY, remote_addr="10.0.0.1", headers=headers)
        assert "pass the framework's headers object itself" in caught.value.hint
        assert "pass the framework's headers object itself" in caplog.text
        # Without a proxy it does.
        assert status_of(receiver, remote_addr=PEER, headers=headers) == 200

    def test_a_header_cannot_make_a_mapping_a_wsgi_environ(self) -> None:
        forged = {"wsgi.version": "(1, 0)", "REQUEST_METHOD": "POST", "HTTP_X_FORWARDED_FOR": PEER}
        receiver = Receiver(trusted_proxies=["10.0.0.1"])
        assert status_of(receiver, remote_addr="10.0.0.1", headers=forged) == 403

    def test_any_kind_of_headers(self) -> None:
        message = Message()
        message["content-TYPE"] = "application/x-www-form-urlencoded"
        pairs = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Odd", "ä\x00")]
        for headers in (
            dict(pairs), pairs, iter(pairs), tuple(pairs), UserDict(pairs), httpx.Headers(pairs[:1]), message.items(),
            [(name.encode(), value.encode("latin-1")) for name, value in pairs],
            [(b"\xff\xfe", b"\xff"), (b"CONTENT-TYPE", b"application/x-www-form-urlencoded")],
        ):  # fmt: skip
            event = Receiver().receive(b"state=8", remote_addr=PEER, headers=headers)
            assert isinstance(event, StatusUpdate)

    def test_no_headers(self) -> None:
        for body in (b'{"state": 8}', b"state=8"):
            assert isinstance(Receiver().receive(body, remote_addr=PEER), StatusUpdate)

    @given(
        st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=5),
        st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5),
    )
    def test_any_headers(
        self, raw: list[tuple[bytes, bytes]], texts: list[tuple[str, str]]
    ) -> None:
        by_password = Receiver(sources=None, basic_auth=BASIC)
        for receiver in (Receiver(), Receiver(trusted_proxies=["10.0.0.1"]), by_password):
            for headers in (raw, texts, dict(texts)):
                may_be_refused = [UntrustedSource] if receiver is by_password else []
                with contextlib.suppress(*may_be_refused):
                    assert isinstance(
                        receiver.receive(BODY, remote_addr=PEER, headers=headers), StatusUpdate
                    )


def test_all_at_once_and_any_order_of_trouble() -> None:
    receiver = Receiver(trusted_proxies=["10.0.0.1"], path_secret=SECRET, basic_auth=BASIC)
    event = receiver.receive(
        b"AddressFrom=0041791234567&Message=Ja",
        remote_addr="10.0.0.1",
        headers=[
            (b"X-FORWARDED-FOR", PEER.encode()),
            (b"authorization", basic(*BASIC).encode()),
            (b"content-type", b""),
        ],
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
def test_only_events_and_our_two_errors(
    peer: str | None, body: bytes, query: str | bytes, path: str, expected: Any
) -> None:
    for receiver in (
        Receiver(),
        WITH_PATH,
        WITH_BASIC,
        WITH_BOTH,
        Receiver(sources=None, max_body=10),
    ):
        with contextlib.suppress(UntrustedSource, MalformedEvent):
            event = receiver.receive(
                body, remote_addr=peer, query=query, path=path, expected=expected
            )
            assert isinstance(event, StatusUpdate | ReceivedMessage | UnknownEvent)


class TestCompleteness:
    """A body that breaks off may look like a whole one, whose text is cut."""

    @pytest.mark.parametrize("length", [8, 100, 10**18, "9" * 40])
    def test_a_body_that_broke_off_is_refused(self, length: object) -> None:
        headers = {
            "Content-Length": str(length),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        for body, query in ((b"text=ab", ""), (b"", "text=ab"), (b"", "")):
            with pytest.raises(MalformedEvent, match="incomplete") as caught:
                Receiver().receive(body, remote_addr=PEER, headers=headers, query=query)
            assert caught.value.status_code == 400

    @pytest.mark.parametrize("length", ["7", "0", "3", "", "x", "-9", "+99", "9.9"])
    def test_other_lengths_are_no_reason(self, length: str) -> None:
        event = Receiver().receive(b"text=ab", remote_addr=PEER, headers={"Content-Length": length})
        assert isinstance(event, ReceivedMessage)

    def test_a_chunked_body_that_the_server_dropped_is_named(self) -> None:
        headers = {"Transfer-Encoding": "Chunked"}
        with pytest.raises(MalformedEvent, match="chunked") as caught:
            Receiver().receive(b"", remote_addr=PEER, headers=headers)
        assert caught.value.status_code == 411
        query = "state=8"
        event = Receiver().receive(b"", remote_addr=PEER, headers=headers, query=query)
        assert isinstance(event, StatusUpdate)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Refusal: TypeAlias = tuple[str | None, list[str], str | None, str | None, str | None, str]
# The peer, its lines, the caller, where the chain ended, the proxy that was not named, and a part of the hint.
REFUSALS: dict[str, Refusal] = {
    "a stranger": ("198.51.100.66", [], "198.51.100.66", "198.51.100.66", None, "no proxy"),
    "an unnamed proxy": ("10.0.0.9", [PEER], "10.0.0.9", "10.0.0.9", "10.0.0.9", "trusted_proxies"),
    "an unnamed second proxy": (
        "10.0.0.1", [f"{PEER}, 10.0.0.9"], "10.0.0.9", "10.0.0.9", "10.0.0.9", "trusted_proxies",
    ),
    "a stranger behind the proxy": ("10.0.0.1", ["203.0.113.9"], "203.0.113.9", "203.0.113.9", None, ""),
    "a stranger behind two": ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9", "203.0.113.9", None, ""),
    "no header": ("10.0.0.1", [], None, "10.0.0.1", None, "neither X-Forwarded-For nor Forwarded"),
    "an unreadable entry": ("10.0.0.1", [f"{PEER}, \nforged, 10.0.0.2"], None, "10.0.0.2", None, "not an IP address"),
    "only proxies": ("10.0.0.1", ["10.0.0.2"], "10.0.0.2", "10.0.0.2", None, "no entry is left"),
    "a mapped peer": ("::ffff:198.51.100.66", [], "198.51.100.66", "198.51.100.66", None, ""),
    "a Unix socket": (None, [PEER], None, None, None, "unix:"),
    "no address": ("test\nclient", [PEER], None, None, None, "no IP address"),
}  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSALS)
    def test_a_refusal_says_how_far_the_caller_was_followed(
        self, name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        peer, lines, caller, ended_at, unnamed, hint = REFUSALS[name]
        receiver = Receiver(trusted_proxies=["10.0.0.1", "10.0.0.2"])
        with pytest.raises(UntrustedSource) as caught:
            receiver.receive(BODY, remote_addr=peer, headers=forwarded(*lines))
        for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
            assert (error.address, error.chain_ended_at) == (caller, ended_at)
            assert error.unnamed_proxy == unnamed
            assert hint in error.hint
            assert error.peer
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("ecall_facade.webhooks", logging.WARNING)
        said = record.getMessage()
        assert said.startswith("Refused a callback with 403: ")
        assert said.isprintable()
        assert "forged" not in said
        for word in (caught.value.peer, caller, ended_at, unnamed, hint):
            assert (word or "") in said

    def test_a_peer_is_logged_once_a_minute_with_the_number_of_the_others(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        clock = Clock()
        receiver = Receiver(clock=clock)
        for after, peers in ((0, 3), (59.9, 1), (0.2, 1), (60, 1)):
            clock.now += after
            for _ in range(peers):
                assert status_of(receiver, remote_addr="198.51.100.66") == 403
        assert status_of(receiver, remote_addr="203.0.113.9") == 403
        said = [record.getMessage() for record in caplog.records]
        assert ["3 more of this peer" in line for line in said] == [False, True, False, False]
        assert [line.count("203.0.113.9") > 0 for line in said] == [False, False, False, True]

    def test_the_log_does_not_grow_with_the_number_of_peers(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver = Receiver(clock=Clock())
        for number in range(3000):
            status_of(receiver, remote_addr=f"2001:db8::{number:x}")
        assert len(receiver._refusals._peers) == 1000
        assert len(caplog.records) == 3000

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
    def test_an_unreadable_callback_of_the_service_is_logged_without_its_content(
        self, body: bytes, headers: dict[str, str], status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(MalformedEvent) as caught:
            Receiver().receive(body, remote_addr=PEER, headers=headers)
        assert caught.value.status_code == status
        (record,) = caplog.records
        assert record.getMessage().startswith(f"Refused a callback with {status}: The callback")
        assert PEER in record.getMessage()
        for secret in ("Anna", "Muster", "41791234567"):
            assert secret not in caplog.text

    def test_what_is_taken_is_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        assert status_of(Receiver()) == 200
        assert caplog.records == []

    def test_the_text_of_the_error_tells_a_stranger_nothing(self) -> None:
        for peer, lines, *_ in REFUSALS.values():
            with pytest.raises(UntrustedSource) as caught:
                Receiver(trusted_proxies=["10.0.0.1", "10.0.0.2"]).receive(
                    BODY, remote_addr=peer, headers=forwarded(*lines)
                )
            assert not any(character.isdigit() for character in str(caught.value))


class TestErrors:
    def test_the_tree(self) -> None:
        assert (
            UntrustedSource.__mro__[1:3]
            == MalformedEvent.__mro__[1:3]
            == (WebhookError, ECallError)
        )
        assert (UntrustedSource("x").status_code, MalformedEvent("x").status_code) == (403, 400)
        assert webhooks.UntrustedSource is errors.UntrustedSource

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
    def test_they_pickle_and_say_one_line(
        self, receiver: Receiver, body: bytes, headers: dict[str, str], status: int
    ) -> None:
        with pytest.raises(WebhookError) as caught:
            receiver.receive(body, remote_addr=PEER, headers=headers)
        error = caught.value
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert (
            (again.status_code, str(again))
            == (error.status_code, str(error))
            == (status, error.explanation)
        )
        assert again.request_id is None
        assert not again.may_have_been_sent
        assert str(error).isprintable()
        assert str(error)


def test_the_repr_and_the_log_have_no_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for receiver in (WITH_PATH, WITH_BASIC, WITH_BOTH):
        assert repr(receiver) == str(receiver) == "Receiver()"
    status_of(WITH_BOTH, path=f"/{SECRET}", headers={"Authorization": basic(*BASIC)})
    status_of(WITH_BOTH, path="/wrong")
    status_of(WITH_BOTH, path=f"/{SECRET}", headers={"Authorization": basic("x", BASIC[1])})
    for secret in (SECRET, *BASIC, basic(*BASIC)):
        assert secret not in caplog.text


def test_one_receiver_serves_many_threads() -> None:
    receiver = Receiver(trusted_proxies=["10.0.0.0/8"], path_secret=SECRET)
    start = threading.Barrier(16)

    def work(number: int) -> list[str | None]:
        start.wait()
        ids = [f"m-{number}-{at}" for at in range(50)]
        bodies = [
            json.dumps({"messageId": each, "state": "Sent", "timestamp": "23.11.2026 13:00"})
            for each in ids
        ]
        events = [
            receiver.receive(
                body.encode(),
                remote_addr="10.1.1.1",
                headers=[("X-Forwarded-For", PEER)],
                path=f"/{SECRET}",
            )
            for body in bodies
        ]
        assert [event.message_id for event in events if isinstance(event, StatusUpdate)] == ids
        return [event.key for event in events]

    with ThreadPoolExecutor(16) as pool:
        keys = [key for found in pool.map(work, range(16)) for key in found]
    assert len(set(keys)) == len(keys) == 800


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_core_needs_no_framework() -> None:
    # so that they cannot be imported
    without = "import sys; sys.modules['starlette'] = sys.modules['uvicorn'] = None; "
    call = (
        "from ecall_facade.webhooks import *; "
        f"print(type(Receiver().receive({BODY!r}, remote_addr={PEER!r})).__name__)"
    )
    with pytest.raises(AssertionError, match=r'pip install "ecall-facade\[webhooks\]"'):
        run(without + call)  # a star asks for the app, too
    assert run(without + call.replace("*", "Receiver")) == "StatusUpdate"
    assert run("import sys, ecall_facade.webhooks; print('starlette' in sys.modules)") == "False"


def test_names() -> None:
    for name in webhooks.__all__:
        assert getattr(webhooks, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Something'"):
        _ = webhooks.Something
