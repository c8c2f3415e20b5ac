"""Ways to the service: timeouts of each phase, TLS, proxies; and what an error says where one of them fails."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trustme
from _clients import NUMBER, PASSWORD, TEXT, TOKEN, USERNAME, OpenClient
from _servers import Exchange, Hangup, Response, Server, full_backlog, hang, reply, sent

from ecall_facade import (
    AsyncECall,
    ECall,
    ECallError,
    InvalidConfiguration,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServiceUnreachable,
)
from ecall_facade._settings import Account
from ecall_facade._transports.environment import find_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HOST = "rest.ecall.example"  # a name that is not this machine's, and that nobody has
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost", HOST).configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def fails_unsent(ecall: ECall) -> NotSent:
    with pytest.raises(NotSent) as caught:
        ecall.sms.send(NUMBER, TEXT)
    assert caught.type is NotSent
    assert not caught.value.may_have_been_sent
    assert caught.value.request_id is None
    with pytest.raises(NotSent) as upload:
        ecall.with_options(retry=False).media.upload(b"a file")
    assert not upload.value.may_have_been_sent
    with pytest.raises(ServiceUnreachable):
        ecall.with_options(retry=False).messages.status("m-1")
    return caught.value


# Timeouts


def test_a_full_backlog_is_a_connect_timeout_and_nothing_was_sent(
    open_client: OpenClient, pauses: list[float]
) -> None:
    """The connect timeout: it is not the read timeout that counts."""
    with full_backlog() as url:
        ecall = open_client(url, timeout=(0.1, 30))
        begun = time.monotonic()
        fails_unsent(ecall)
        assert 0.5 <= time.monotonic() - begun < 5  # three tries, one, and one
    assert len(pauses) == 2


@pytest.mark.long
def test_a_tls_handshake_without_a_response_sends_nothing(
    open_client: OpenClient, pauses: list[float]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fails_unsent(open_client(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=(0.1, 30)))
    assert len(pauses) == 2


@pytest.mark.long
def test_a_request_without_a_response_ends_at_the_read_timeout(
    open_client: OpenClient, pauses: list[float]
) -> None:
    """The read timeout: it is not the connect timeout that counts, and it is each read's own."""

    def slow(exchange: Exchange) -> None:
        for part in re.findall(rb"(?s).{1,60}", sent()):
            time.sleep(0.1)
            exchange.send(part)

    with Server(slow, hang) as server:
        ecall = open_client(server, timeout=(30, 0.3))
        begun = time.monotonic()
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert time.monotonic() - begun > 0.3
        begun = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            ecall.sms.send(NUMBER, TEXT)
        assert 0.3 <= time.monotonic() - begun < 5
        assert caught.value.may_have_been_sent
        assert len(server.requests) == 2
        assert pauses == []


def test_a_service_that_stops_reading_ends_at_the_write_timeout(
    open_client: OpenClient, pauses: list[float]
) -> None:
    """The write timeout: what the service makes of the part that it got is not known."""
    is_over = threading.Event()

    def stop(_: Exchange) -> None:
        is_over.wait(10)
        raise Hangup

    with Server(stop, reads=False) as server:
        with pytest.raises(OutcomeUnknown) as caught:
            open_client(server, timeout=(5, 0.3)).media.upload(bytes(30_000_000))
        is_over.set()
        assert not caught.value.may_have_been_sent
        assert isinstance(caught.value.__cause__, httpx.WriteTimeout)
        assert len(server.requests) == 1


@pytest.mark.long
def test_a_pool_timeout_sends_nothing(open_client: OpenClient, pauses: list[float]) -> None:
    """The pool timeout: not tried again, as it has waited long enough."""
    limits = httpx.Limits(max_connections=1)
    transport = (
        httpx.AsyncHTTPTransport(limits=limits)
        if open_client.is_async
        else httpx.HTTPTransport(limits=limits)
    )
    with Server(reply(200, b"x" * 9_000_000), sent()) as server:
        ecall = open_client(server, timeout=(5, 0.2), transport=transport)
        with ecall.media.stream("f-1") as chunks:
            iterator = iter(chunks)
            next(iterator)
            error = fails_unsent(ecall)
            assert isinstance(error.__cause__, httpx.PoolTimeout)
            assert len(server.requests) == 1
            assert pauses == []
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"


def test_each_address_of_a_host_is_tried(
    open_client: OpenClient, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those at which nobody is are passed over."""
    look_up = socket.getaddrinfo

    def several(_: object, *arguments: Any, **options: Any) -> Any:
        hosts = ("127.0.0.78", "127.0.0.77", "127.0.0.1")
        return [found for host in hosts for found in look_up(host, *arguments, **options)]

    with Server() as server:
        monkeypatch.setattr(socket, "getaddrinfo", several)
        ecall = open_client(server.url.replace("127.0.0.1", "localhost"))
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert server.connections == 1
    with pytest.raises(NotSent):
        ecall.sms.send(NUMBER, TEXT)
    assert len(pauses) == 2


# TLS


@pytest.mark.usefixtures("trusted")
def test_a_trusted_certificate_is_accepted(open_client: OpenClient, tls: ssl.SSLContext) -> None:
    """The whole way over TLS, with a certificate of an authority that `SSL_CERT_FILE` names."""
    with Server(tls=tls) as server:
        ecall = open_client(server)
        for _ in range(3):
            assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert ecall.media.upload(bytes(3_000_000)).media_id == "f-1"
        assert server.connections == 1
        assert server.requests[-1].size == 3_000_000


class TimeLimit(BaseException):
    """What ends a job at any step, as an exception of a signal handler does."""


@pytest.mark.usefixtures("trusted")
def test_an_exception_while_the_head_is_encrypted_shows_no_credentials(
    tls: ssl.SSLContext,
) -> None:
    """Sentry reports the variables of each frame; those of Python's `ssl` hold the request's head."""

    def interrupt(frame: FrameType, event: str, function: object) -> None:
        is_write = event == "c_call" and getattr(function, "__name__", "") == "write"
        if is_write and TOKEN in repr(frame.f_locals):
            sys.setprofile(None)
            raise TimeLimit

    with Server(tls=tls) as server, ECall(USERNAME, PASSWORD, base_url=server.url) as ecall:
        try:
            sys.setprofile(interrupt)
            with pytest.raises(TimeLimit) as caught:
                ecall.sms.send(NUMBER, TEXT, sender="ACME")
        finally:
            sys.setprofile(None)
        for frame, _ in traceback.walk_tb(caught.value.__traceback__):
            variables = repr(frame.f_locals)
            assert TOKEN not in variables
            assert PASSWORD not in variables


def test_an_untrusted_certificate_sends_nothing(
    open_client: OpenClient, pauses: list[float], tls: ssl.SSLContext
) -> None:
    """Refused before anything is sent, and not tried again."""
    with Server(tls=tls) as server:
        ecall = open_client(server)
        error = fails_unsent(ecall)
        assert "certificate verify failed" in str(error)
        assert server.connections == 3  # one of each call
        assert server.requests == []
    assert pauses == []


# anyio may lose a connection that is cancelled just as it is made, and leave it to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("trusted")
def test_a_send_that_is_cancelled_while_it_connects_never_goes_out(
    tls: ssl.SSLContext,
) -> None:
    async def main(url: str) -> None:
        async with AsyncECall(USERNAME, PASSWORD, base_url=url, sender="ACME") as ecall:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ecall.sms.send(NUMBER, TEXT), 0.1)
            with server:  # listening before, it accepts only now
                await asyncio.sleep(0.2)
                assert server.connections == 1
                assert server.requests == []
                assert (await ecall.sms.send(NUMBER, TEXT)).message_id == "m-1"
                assert len(server.requests) == 1

    server = Server(tls=tls)
    asyncio.run(main(server.url))
    gc.collect()


@pytest.mark.usefixtures("trusted")
def test_bytes_before_the_tls_handshake_are_no_response(
    open_client: OpenClient, pauses: list[float], tls: ssl.SSLContext
) -> None:
    """Anybody on the way could have put it there."""

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # whoever hangs up
            while True:
                plain, _ = listener.accept()
                with plain, contextlib.suppress(OSError):
                    plain.sendall(sent("forged"))
                    time.sleep(0.05)
                    with tls.wrap_socket(plain, server_side=True) as secured:
                        received.append(secured.recv(1000))

    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        fails_unsent(open_client(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert [part for part in received if part] == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_sends_nothing(
    open_client: OpenClient, pauses: list[float], authority: trustme.CA
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with Server(tls=context) as server:
        fails_unsent(open_client(server))
        assert server.requests == []
    assert pauses == []


@pytest.mark.usefixtures("trusted")
def test_an_old_version_of_tls_sends_nothing(
    open_client: OpenClient,
    pauses: list[float],
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused also where the machine would take it."""
    make_context = httpx.create_ssl_context

    def lax() -> ssl.SSLContext:
        made = make_context()
        allow_old(made)
        return made

    def allow_old(made: ssl.SSLContext) -> None:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            made.minimum_version = ssl.TLSVersion.TLSv1
        made.set_ciphers("ALL:@SECLEVEL=0")

    monkeypatch.setattr(httpx, "create_ssl_context", lax)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    allow_old(context)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Server(tls=context) as server:
        fails_unsent(open_client(server))
        assert server.requests == []


def test_plain_http_where_tls_is_expected_sends_nothing(
    open_client: OpenClient, pauses: list[float]
) -> None:
    """As with the wrong port in `base_url`."""
    with Server(speaks_first=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        fails_unsent(open_client(server.url.replace("http:", "https:")))
        assert server.connections == 5  # three tries, one, and one


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("SSL_CERT_FILE", None, "cannot be read (No such file or directory)"),
        ("SSL_CERT_FILE", "a folder", "cannot be read (it is a folder)"),
        ("SSL_CERT_FILE", b"", "holds no certificates in PEM form"),
        ("SSL_CERT_FILE", b"not a certificate", "holds no certificates in PEM form"),
        ("SSL_CERT_DIR", None, "is not a folder"),
        ("SSL_CERT_DIR", b"a file", "is not a folder"),
    ],
)
def test_certificates_that_cannot_be_used_are_named(
    open_client: OpenClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | str | None,
    words: str,
) -> None:
    """With the variable that names them, and before anything is sent."""
    path = tmp_path / "ca.pem"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    monkeypatch.setenv(name, str(path))
    with Server() as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(InvalidConfiguration) as caught:
            open_client(url).sms.send(NUMBER, TEXT)
        assert (
            str(caught.value) == f"{name} names {str(path)!r}, which {words}; correct or unset it"
        )
        assert not caught.value.may_have_been_sent
        assert server.connections == 0
        # What is not encrypted needs no certificates.
        assert open_client(server).sms.send(NUMBER, TEXT).message_id == "m-1"


def test_certificates_in_a_folder_are_trusted(
    open_client: OpenClient,
    authority: trustme.CA,
    tls: ssl.SSLContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`SSL_CERT_DIR` may name several folders, of which some are not there."""
    (tmp_path / "ca").mkdir()
    certificate = tmp_path / "ca" / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate)]
    try:
        hashed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError:
        pytest.skip("this machine has no openssl")
    certificate.rename(certificate.with_name(f"{hashed}.0"))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'missing'}{os.pathsep}{tmp_path / 'ca'}")
    with Server(sent(), tls=tls) as server:
        if httpx.__version__ < "0.28":
            pytest.skip("older versions of httpx look at one folder only")
        assert open_client(server).sms.send(NUMBER, TEXT).message_id == "m-1"


# Proxies


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A proxy that lets nobody through, named by every variable there is."""
    with Server(reply(407, b"<html>", Proxy_Authenticate="Basic")) as server:
        for name in PROXY_VARIABLES:
            monkeypatch.setenv(name, f"http://jane:s3same@127.0.0.1:{server.port}")
        yield server


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_never_goes_through_a_proxy(
    open_client: OpenClient, pauses: list[float], proxy: Server, host: str
) -> None:
    try:
        server = Server(host=host)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with server:
        ecall = open_client(server)
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        ecall.messages.wait("m-1", timeout=5)
        ecall.media.upload(b"a file")
        ecall.request("GET", "/api/account")
        assert len(server.requests) == 4
        assert {request.path[:8] for request in server.requests} == {"/api/v2/"}
    with pytest.raises(NotSent):
        ecall.sms.send(NUMBER, TEXT)
    assert proxy.connections == 0


def test_a_proxy_that_refuses_sends_nothing(
    open_client: OpenClient, pauses: list[float], proxy: Server
) -> None:
    """It is asked for the service's host, is told nothing else, and its password stays with it."""
    error = fails_unsent(open_client(f"https://{HOST}"))
    assert proxy.requests
    for request in proxy.requests:
        assert (request.method, request.path) == ("CONNECT", f"{HOST}:443")
        assert "authorization" not in request.headers
        assert request.headers["proxy-authorization"].startswith("Basic ")
    for words in (str(error), repr(error), repr(error.__cause__)):
        assert "s3same" not in words
        assert "amFuZTpzM3NhbWU" not in words  # the same as Basic writes it
        assert PASSWORD not in words
        assert TOKEN not in words


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.usefixtures("trusted")
def test_requests_go_through_the_proxy_of_the_environment(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, name: str
) -> None:
    """The service is talked to in TLS through it, so that the proxy sees neither credentials nor messages."""

    def connect(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        exchange.secured = tls

    with Server(connect, sent("m-1"), sent("m-2")) as proxy:
        monkeypatch.setenv(name, f"127.0.0.1:{proxy.port}" if name == "https_proxy" else proxy.url)
        ecall = open_client(f"https://{HOST}")
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-1"
        assert ecall.sms.send(NUMBER, TEXT).message_id == "m-2"
        asked, first, second = proxy.requests
        assert (asked.method, asked.path) == ("CONNECT", f"{HOST}:443")
        assert TOKEN not in str(asked.headers)
        assert first.headers["authorization"] == second.headers["authorization"] == f"Basic {TOKEN}"
        assert first.headers["host"] == HOST


def test_a_host_in_no_proxy_is_connected_directly(
    open_client: OpenClient, pauses: list[float], proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that `NO_PROXY` names is called directly, as elsewhere."""
    looked_up: list[object] = []

    def fail(host: object, *_: Any, **__: Any) -> Any:
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("NO_PROXY", f"elsewhere.example,.{HOST.partition('.')[2]}")
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NotSent):
        open_client(f"https://{HOST}").sms.send(NUMBER, TEXT)
    assert {name.decode() if isinstance(name, bytes) else name for name in looked_up} == {HOST}
    assert proxy.connections == 0


NO_PROXY_FORMS = [
    HOST,
    HOST.upper(),
    f".{HOST}",
    f"*.{HOST}",
    "ecall.example",
    ".ecall.example",
    "*.ecall.example",
    "call.example",
    "https://",
    f"{HOST}:443",
    f"{HOST}:8443",
    ".ecall.example:8443",
    f"https://{HOST}",
    f"http://{HOST}",
    "all://*.ecall.example",
    "*",
    f"elsewhere.example, {HOST}",
    "elsewhere.example,*",
    "elsewhere.example",
    "10.1.2.3",
    "10.0.0.0/8",
    "2001:db8::1",
    "",
    ",",
]


@pytest.mark.parametrize(
    ("name", "no_proxy"),
    [*[("NO_PROXY", no_proxy) for no_proxy in NO_PROXY_FORMS], ("no_proxy", HOST)],
)
def test_no_proxy_means_what_it_means_to_httpx(
    monkeypatch: pytest.MonkeyPatch, name: str, no_proxy: str
) -> None:
    """An `httpx.Client` in the same environment is asked which way it would go."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv(name, no_proxy)
    with httpx.Client() as client:
        direct = client._transport
        for url in (
            f"https://{HOST}",
            f"https://{HOST}:8443",
            "https://10.1.2.3",
            "https://[2001:db8::1]",
        ):
            is_direct = client._transport_for_url(httpx.URL(url)) is direct
            account = Account(base_url=url, is_loopback=False, authorization="")
            assert (find_proxy(account) is None) == is_direct, url


@pytest.mark.parametrize("other", ["ALL_PROXY", "HTTPS_PROXY"])
def test_the_proxy_for_https_in_lower_case_comes_before_others(
    monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """As for httpx; and an error names the variable that was read."""
    account = Account(base_url=f"https://{HOST}", is_loopback=False, authorization="")
    monkeypatch.setenv(other, "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:10")
    found = find_proxy(account)
    assert found is not None
    assert found.url.port == 10
    monkeypatch.setenv("https_proxy", "ftp://")
    with pytest.raises(InvalidConfiguration, match="https_proxy does not name a proxy"):
        find_proxy(account)


@pytest.mark.parametrize("entry", ["[2001:db8::1]", "elsewhere:https", "http://[::1"])
def test_an_entry_of_no_proxy_that_cannot_be_read_matches_nothing(
    open_client: OpenClient,
    pauses: list[float],
    proxy: Server,
    monkeypatch: pytest.MonkeyPatch,
    entry: str,
) -> None:
    """Other programs may understand it; it is no reason to fail."""
    monkeypatch.setenv("NO_PROXY", f"{entry},elsewhere.example")
    fails_unsent(open_client(f"https://{HOST}"))
    assert proxy.requests


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("https_proxy", "http://"),
        ("ALL_PROXY", "http://"),
        *[
            ("HTTPS_PROXY", url)
            for url in (
                "ftp://jane:s3same@127.0.0.1:21",
                "socks4://jane:s3same@127.0.0.1:1",
                "http://",
                "http://:8080",
                "http://[",
                "http://jane:s3same@127.0.0.1:port",
                "http://127.0.0.1:65536",
                "http://proxy example:8080",
                "http://xn--:1",
                "//127.0.0.1:8080",
                "http://127.0.0.1:8080\n",
                "  ",
            )
        ],
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(
    open_client: OpenClient,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    url: str,
) -> None:
    """By its variable only, as the value may hold a password."""
    monkeypatch.setenv(name, url)
    with pytest.raises(InvalidConfiguration) as caught:
        open_client(f"https://{HOST}").sms.send(NUMBER, TEXT)
    assert not caught.value.may_have_been_sent
    assert str(caught.value) == (
        f"{name} does not name a proxy that can be used; "
        "it has the form http://host:port, https://host:port or socks5://host:port"
    )


@pytest.mark.skipif(find_spec("socksio") is not None, reason="SOCKS is there")
@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "socks5://jane:s3same@127.0.0.1:1"])
def test_a_socks_proxy_without_its_package_is_named(
    open_client: OpenClient, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", url)
    with pytest.raises(InvalidConfiguration) as caught:
        open_client(f"https://{HOST}").sms.send(NUMBER, TEXT)
    assert str(caught.value) == (
        "ALL_PROXY names a SOCKS proxy, which needs a package: pip install 'httpx[socks]'"
    )


def test_a_proxy_that_is_not_used_may_be_anything(
    open_client: OpenClient, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "ftp://")
    monkeypatch.setenv("ALL_PROXY", "ftp://")
    monkeypatch.setenv("HTTPS_PROXY", "")
    monkeypatch.setenv("NO_PROXY", HOST)
    fails_unsent(open_client(f"https://{HOST}"))


@pytest.mark.parametrize(
    "response", [hang, reply(502), reply(503, retry_after="0"), reply(429, retry_after="0")]
)
def test_a_broken_proxy_sends_nothing(
    open_client: OpenClient,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
    response: Response,
) -> None:
    """What a proxy answers to CONNECT is not the service's response."""
    with Server(response) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(ECallError) as caught:
            open_client(f"https://{HOST}", timeout=(0.2, 0.2)).sms.send(NUMBER, TEXT)
        assert type(caught.value) is (OutcomeUnknown if response is hang else NotSent)
        assert not isinstance(caught.value, RateLimited)
        assert {request.method for request in proxy.requests} == {"CONNECT"}
