"""The origin check: which hosts and web sites are refused, behind a reverse proxy as well."""

from __future__ import annotations

import base64
import json
import socket
import threading
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import httpx
import pytest
from _sandbox import SMS
from starlette.requests import Request

from ecall_facade.sandbox import Sandbox
from ecall_facade.sandbox._origin_check import OriginCheck

pytestmark = pytest.mark.once

OWN = "127.0.0.1:8398"  # the address of the sandbox
LOCAL = OriginCheck(True, ["MAILBOX.test"])
PUBLIC = OriginCheck(False, [])


def refused(check: OriginCheck, method: str, host: str, *lines: str) -> str:
    """Return a word for why a request is refused: "host", "site", or "" if it may come in."""
    headers = [(b"host", host.encode())]
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.lower().encode(), value.strip().encode()))
    request = Request({"type": "http", "method": method, "path": "/", "headers": headers})
    reason = check.reason_against(request) or ""
    return (
        "host" if "names of this machine" in reason else "site" if "web site" in reason else reason
    )


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", f"evil.example:{OWN[-4:]}", "127.0.0.1.evil.example", "localhost.evil.example:8398",
        "127.0.0.1@evil.example", "0.0.0.0:8398", "192.0.2.1", "[", "[::1", "[::2]:80", "2130706433", ":8398",
        "mailbox.test.evil.example",
    ],
)  # fmt: skip
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    """A site that gives its own name this machine's address can send any header but Host."""
    for lines in (
        [],
        [f"Origin: http://{host}"],
        ["Sec-Fetch-Site: same-origin"],
        ["X-Forwarded-Host: 127.0.0.1"],
        [f"X-Forwarded-Host: {host}", f"Origin: http://{host}"],
    ):
        for method in ("GET", "POST", "OPTIONS"):
            assert refused(LOCAL, method, host, *lines) == "host"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST:8398", "localhost.", "127.1.2.3:1", "[::1]:80", "[::1]", "mailbox.test",
        "Mailbox.test:8443", "mailbox.test.",
    ],
)  # fmt: skip
def test_names_of_this_machine_and_allowed_hosts_are_accepted(host: str) -> None:
    assert refused(LOCAL, "GET", host) == ""
    assert refused(LOCAL, "POST", host, f"Origin: https://{host}") == ""


def test_any_host_is_accepted_when_other_machines_can_reach_the_sandbox() -> None:
    for host in ("evil.example", "[", "a b"):
        assert refused(PUBLIC, "GET", host) == ""
    assert refused(PUBLIC, "POST", "mailbox.test", "Origin: http://mailbox.test") == ""
    assert refused(PUBLIC, "POST", "mailbox.test", "Origin: http://evil.example") == "site"


OTHER_SITES = [
    ["Origin: https://evil.example"], ["Origin: null"], ["Origin:"], ["Origin: http://127.0.0.1"],
    ["Origin: http://127.0.0.1:1"], ["Origin: http://localhost:8398"], ["Origin: http://user@127.0.0.1:8398"],
    ["Origin: ftp://127.0.0.1:8398"], [f"Origin: http://{OWN}", "Origin: https://evil.example"],
    ["Origin: https://evil.example", f"Origin: http://{OWN}"],
    ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
    ["Origin: https://evil.example", "X-Forwarded-Host: mailbox.test"],
    ["Origin: https://mailbox.test:8443", "X-Forwarded-Host: mailbox.test"],
    [f"Origin: http://{OWN}.evil.example"], [f"Origin: http://{OWN}/"], ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"], [f"Origin: http://{OWN}", "Sec-Fetch-Site: cross-site"],
    ["X-Forwarded-Host: evil.example", "Sec-Fetch-Site: cross-site"],
    ["X-Forwarded-Host:", "Origin: https://evil.example"], ["X-Forwarded-Host: [", "Origin: https://["],
    ["X-Forwarded-Host: a:b", "Origin: https://a:b"],
]  # fmt: skip


@pytest.mark.parametrize("lines", OTHER_SITES, ids=lambda lines: " & ".join(lines))
def test_another_web_site_may_not_write(lines: list[str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert refused(LOCAL, method, OWN, *lines) == "site"
    for method in ("GET", "HEAD", "OPTIONS"):  # it may link to the page
        assert refused(LOCAL, method, OWN, *lines) == ""


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        # a program
        (OWN, []),
        # the page itself
        (OWN, ["Sec-Fetch-Site: none"]), (OWN, [f"Origin: http://{OWN}", "Sec-Fetch-Site: same-origin"]),
        (OWN, [f"Origin: HTTP://{OWN}"]), (OWN, [f"Origin: https://{OWN}"]),
        # through a proxy that keeps Host
        ("localhost:8443", ["Origin: https://localhost:8443"]), ("localhost", ["Origin: https://localhost"]),
        ("localhost:443", ["Origin: https://localhost"]), ("LOCALHOST", ["Origin: https://localhost:443"]),
        ("localhost:80", ["Origin: http://localhost"]), ("[::1]:8443", ["Origin: https://[::1]:8443"]),
        # through a proxy that writes the sandbox's address as Host, and says what Host was
        (OWN, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test"]),
        (OWN, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test:443"]),
        (OWN, ["Origin: https://mailbox.test:8443", "X-Forwarded-Host: MAILBOX.test:8443"]),
        (OWN, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test, inner.test"]),
        (OWN, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test", "X-Forwarded-Host: inner.test"]),
        # through a proxy that does not say it, but the browser says that it is the page itself
        (OWN, ["Origin: https://mailbox.test", "Sec-Fetch-Site: same-origin"]),
        ("localhost", ["Origin: https://localhost:8443", "Sec-Fetch-Site: same-origin"]),
    ],
)  # fmt: skip
def test_programs_and_the_page_itself_may_write(host: str, lines: list[str]) -> None:
    assert refused(LOCAL, "POST", host, *lines) == ""


@pytest.mark.parametrize("name", ["", "https://mailbox.test", "mailbox.test:8443", "a/b", "*"])
def test_allowed_hosts_takes_names_without_scheme_and_port(name: str) -> None:
    with pytest.raises(ValueError, match="allowed_hosts must contain host names"):
        Sandbox(allowed_hosts=[name])


# --- at a socket


class Response(NamedTuple):
    status: int
    headers: str
    body: str


def ask(
    sandbox: Sandbox, method: str, target: str, *headers: str, host: str | None = None
) -> Response:
    """Write a request by hand, as no library would; `host` None is the right one, "" none at all."""
    url = httpx.URL(sandbox.url)
    credentials = f"{sandbox.credentials['username']}:{sandbox.credentials['password']}"
    token = base64.b64encode(credentials.encode()).decode()
    body = json.dumps(SMS if "/api/" in target else {}) if method == "POST" else ""
    lines = [f"Authorization: Basic {token}", *headers, "Connection: close"]
    if host != "":
        lines.append(f"Host: {url.netloc.decode() if host is None else host}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    with socket.create_connection((url.host, url.port or 80), timeout=5) as connection:
        connection.sendall("\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", body]).encode())
        received = b""
        while piece := connection.recv(2**16):
            received += piece
            if b"text/event-stream" in received:
                break
    head, _, content = received.decode().partition("\r\n\r\n")
    return Response(int(head.split(" ")[1]), head, content)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


WRITES = {"/api/v2/message": 200, "/inbox/clear": 204, "/inbox/reply": 400}
READS = ["/", "/inbox/items", "/inbox/events", "/api/v2/message/x"]


@pytest.mark.parametrize(("path", "status"), WRITES.items())
def test_a_write_is_refused_for_another_site_and_taken_from_a_program(
    sandbox: Sandbox, path: str, status: int
) -> None:
    sandbox.clear()
    response = ask(sandbox, "POST", path, "Origin: https://evil.example")
    assert response.status == 403
    said = json.loads(response.body)
    assert said["errorCode"] == "SandboxForeignSite"
    assert said["error"] == said["errorMessage"]
    assert "X-Forwarded-Host" in said["error"]
    assert "x-ecall-sandbox: simulated" in response.headers
    # Every response of the service has an id; the page needs none.
    assert ("x-f24-request-id: " in response.headers) is path.startswith("/api/")
    assert sandbox.messages == []
    assert ask(sandbox, "POST", path).status == status


@pytest.mark.parametrize("path", [*READS, "/nothing"])
def test_a_read_with_another_host_is_refused_and_says_how_to_allow_it(
    sandbox: Sandbox, path: str
) -> None:
    response = ask(sandbox, "GET", path, host="mailbox.test")
    assert response.status == 403
    assert "allowed_hosts" in json.loads(response.body)["error"]


def test_a_sandbox_answers_to_the_names_in_allowed_hosts() -> None:
    with Sandbox(allowed_hosts="mailbox.test") as sandbox:
        assert ask(sandbox, "GET", "/inbox/items", host="mailbox.test").status == 200
        assert ask(sandbox, "GET", "/inbox/items", host="evil.example").status == 403


@pytest.mark.parametrize("path", [*READS, *WRITES])
def test_no_response_has_a_cors_header(sandbox: Sandbox, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        asked = ("Origin: https://evil.example", "Access-Control-Request-Method: POST")
        assert "access-control" not in ask(sandbox, method, path, *asked).headers.lower()


@pytest.mark.parametrize("headers", [[], ["Host: 127.0.0.1", "Host: evil.example"]])
def test_a_request_without_exactly_one_host_gets_400(sandbox: Sandbox, headers: list[str]) -> None:
    assert ask(sandbox, "GET", "/inbox/items", *headers, host="").status == 400


@pytest.mark.parametrize(
    "target", ["http://evil.example/inbox/items", "//evil.example/inbox/items", "*"]
)
def test_a_host_in_the_request_target_is_ignored(sandbox: Sandbox, target: str) -> None:
    assert ask(sandbox, "GET", target).status in {400, 404}
    assert ask(sandbox, "GET", target, host="evil.example").status in {400, 403}


# --- addresses to listen on


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_listening_on_this_machine_does_not_warn(host: str) -> None:
    with warnings.catch_warnings(), Sandbox(host=host) as sandbox:
        warnings.simplefilter("error")
        assert sandbox.url.startswith(f"http://{host}:")
        assert ask(sandbox, "GET", "/inbox/items").status == 200


def test_listening_on_all_addresses_warns_and_accepts_any_host() -> None:
    sandbox = Sandbox(host="0.0.0.0")
    with pytest.warns(UserWarning, match="listens on 0.0.0.0: other machines"):
        sandbox.start()
    try:
        assert sandbox.url.startswith("http://127.0.0.1:")
        assert ask(sandbox, "GET", "/inbox/items", host="mailbox.test:8000").status == 200
    finally:
        sandbox.stop()


def test_a_sandbox_can_listen_on_ipv6() -> None:
    sandbox = Sandbox(host="::1")
    try:
        sandbox.start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    try:
        assert sandbox.url.startswith("http://[::1]:")
        assert ask(sandbox, "POST", "/inbox/clear", f"Origin: {sandbox.url}").status == 204
        assert ask(sandbox, "GET", "/", host="evil.example").status == 403
    finally:
        sandbox.stop()


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "nowhere.invalid", "x" * 70, "a..b", "a\0b", "127.0.0.1:80", "ü" * 70]
)
@pytest.mark.filterwarnings("ignore:The sandbox listens on")
def test_an_address_the_sandbox_cannot_listen_on_is_named(host: str) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="The sandbox cannot listen on") as caught:
        Sandbox(host=host).start()
    assert caught.value.errno is not None
    assert threading.active_count() == before


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_invalid_port_of_a_sandbox_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="port must be from 0 to 65535; 0 takes a free one"):
        Sandbox(port=port)


def test_the_port_of_a_sandbox_can_be_chosen() -> None:
    with Sandbox() as sandbox:
        port = httpx.URL(sandbox.url).port or 0
    with Sandbox(port=port) as sandbox:
        assert sandbox.url == f"http://127.0.0.1:{port}"
