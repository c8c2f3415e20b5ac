"""The origin check: which hosts and web sites are refused, also behind a reverse proxy."""

from __future__ import annotations

import base64
import json
import socket
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from ecall_facade import ECall
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

SMS = {
    "channel": "Sms",
    "from": "ACME",
    "to": "+41791234567",
    "content": {"type": "Text", "text": "Grüezi"},
}
WRITES = ["/api/v2/message", "/inbox/clear", "/inbox/reply"]
READS = ["/", "/inbox/items", "/inbox/events", "/api/v2/message/x"]


class Answer(NamedTuple):
    status: int
    headers: str
    body: str

    @property
    def is_refused_by_the_origin_check(self) -> bool:
        return self.status == 403 and json.loads(self.body)["errorCode"] == "SandboxForeignSite"


def ask(
    sandbox: Sandbox, method: str, target: str, *headers: str, host: str | None = None
) -> Answer:
    """Write a request by hand, as no library would; `host` None is the right one, "" none at all."""
    url = httpx.URL(sandbox.url)
    token = base64.b64encode(
        ":".join([sandbox.credentials["username"], sandbox.credentials["password"]]).encode()
    )
    body = json.dumps(SMS if "/api/" in target else {}) if method == "POST" else ""
    named = [f"Authorization: Basic {token.decode()}", *headers, "Connection: close"]
    named += [f"Host: {url.netloc.decode() if host is None else host}"] if host != "" else []
    named += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    with socket.create_connection((url.host, url.port or 80), timeout=5) as sock:
        sock.sendall("\r\n".join([f"{method} {target} HTTP/1.1", *named, "", body]).encode())
        received = b""
        while piece := sock.recv(2**16):
            received += piece
            if b"text/event-stream" in received:
                break
    head, _, content = received.decode().partition("\r\n\r\n")
    return Answer(int(head.split(" ")[1]), head, content)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


class TestOtherSites:
    @pytest.mark.parametrize("path", WRITES)
    @pytest.mark.parametrize(
        "header",
        [
            "Origin: https://evil.example",
            "Origin: null",
            "Origin:",
            "Origin: http://127.0.0.1",
            "Origin: http://127.0.0.1:1",
            "Origin: http://localhost:{port}",
            "Origin: http://user@127.0.0.1:{port}",
            "Origin: ftp://127.0.0.1:{port}",
            "Origin: http://127.0.0.1:{port}\r\nOrigin: https://evil.example",
            "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site",
            "Origin: https://evil.example\r\nX-Forwarded-Host: mailbox.test",
            "Origin: https://mailbox.test:8443\r\nX-Forwarded-Host: mailbox.test",
            "Origin: http://127.0.0.1:{port}.evil.example",
            "Origin: http://127.0.0.1:{port}/",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Origin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site",
        ],
    )
    def test_another_web_site_may_not_write(self, sandbox: Sandbox, path: str, header: str) -> None:
        sandbox.clear()
        port = httpx.URL(sandbox.url).port
        answer = ask(sandbox, "POST", path, header.replace("{port}", str(port)))
        assert answer.is_refused_by_the_origin_check
        assert "x-ecall-sandbox: simulated" in answer.headers
        # Every answer of the service has an id; the page has no need of one.
        assert ("x-f24-request-id: " in answer.headers) is path.startswith("/api/")
        assert "Another web site" in json.loads(answer.body)["error"]
        assert sandbox.messages == []

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_another_web_site_may_not_use_other_methods(
        self, sandbox: Sandbox, method: str
    ) -> None:
        assert ask(
            sandbox, method, "/inbox/items", "Origin: https://evil.example"
        ).is_refused_by_the_origin_check

    @pytest.mark.parametrize("path", [*READS, *WRITES])
    def test_no_response_has_a_cors_header(self, sandbox: Sandbox, path: str) -> None:
        for method in ("GET", "OPTIONS"):
            answer = ask(
                sandbox,
                method,
                path,
                "Origin: https://evil.example",
                "Access-Control-Request-Method: POST",
            )
            assert "access-control" not in answer.headers.lower()

    @pytest.mark.parametrize(
        ("path", "statuses"), list(zip(WRITES, ({200}, {204}, {400}), strict=True))
    )
    @pytest.mark.parametrize(
        "headers",
        [
            [],
            ["Sec-Fetch-Site: none"],
            ["Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin"],
            ["Origin: HTTP://127.0.0.1:{port}"],
            ["Origin: https://127.0.0.1:{port}"],
        ],
    )
    def test_programs_and_the_own_page_may_write(
        self, sandbox: Sandbox, path: str, statuses: set[int], headers: list[str]
    ) -> None:
        port = httpx.URL(sandbox.url).port
        assert (
            ask(
                sandbox, "POST", path, *(each.replace("{port}", str(port)) for each in headers)
            ).status
            in statuses
        )

    def test_another_web_site_may_link_to_the_page(self, sandbox: Sandbox) -> None:
        assert ask(sandbox, "GET", "/", "Sec-Fetch-Site: cross-site").status == 200


class TestOtherNames:
    """What a site that gives its own name this machine's address would make a browser ask."""

    @pytest.mark.parametrize("path", [*READS, *WRITES, "/nothing"])
    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:{port}",
            "127.0.0.1.evil.example",
            "localhost.evil.example:{port}",
            "127.0.0.1@evil.example",
            "0.0.0.0:{port}",
            "192.0.2.1",
            "[",
            "[::1",
            "[::2]:80",
            "2130706433",
            ":{port}",
        ],
    )
    def test_a_host_that_is_not_this_machine_is_refused(
        self, sandbox: Sandbox, path: str, host: str
    ) -> None:
        host = host.replace("{port}", str(httpx.URL(sandbox.url).port))
        method = "POST" if path in WRITES else "GET"
        answer = ask(sandbox, method, path, f"Origin: http://{host}", host=host)
        assert answer.is_refused_by_the_origin_check
        assert "names of this machine" in json.loads(answer.body)["error"]

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "LOCALHOST:{port}",
            "localhost.",
            "127.1.2.3:1",
            "[::1]:80",
            "[::1]",
        ],
    )
    def test_all_names_of_this_machine_are_accepted(self, sandbox: Sandbox, host: str) -> None:
        host = host.replace("{port}", str(httpx.URL(sandbox.url).port))
        assert ask(sandbox, "GET", "/inbox/items", host=host).status == 200
        assert (
            ask(sandbox, "POST", "/inbox/clear", f"Origin: http://{host}", host=host).status == 204
        )

    @pytest.mark.parametrize("headers", [[], ["Host: 127.0.0.1", "Host: evil.example"]])
    def test_a_request_without_one_host_is_answered_with_400(
        self, sandbox: Sandbox, headers: list[str]
    ) -> None:
        assert ask(sandbox, "GET", "/inbox/items", *headers, host="").status == 400

    @pytest.mark.parametrize(
        "target", ["http://evil.example/inbox/items", "//evil.example/inbox/items", "*"]
    )
    def test_a_host_in_the_request_target_is_not_followed(
        self, sandbox: Sandbox, target: str
    ) -> None:
        assert ask(sandbox, "GET", target).status in {400, 404}
        assert ask(sandbox, "GET", target, host="evil.example").status in {400, 403}


class TestAddresses:
    def test_listening_on_this_machine_does_not_warn(self) -> None:
        for host in ("127.0.0.1", "localhost"):
            with warnings.catch_warnings(), Sandbox(host=host) as sandbox:
                warnings.simplefilter("error")
                assert sandbox.url.startswith(f"http://{host}:")
                assert ask(sandbox, "GET", "/inbox/items").status == 200

    def test_listening_on_all_addresses_warns_and_accepts_any_host(self) -> None:
        sandbox = Sandbox(host="0.0.0.0")
        with pytest.warns(UserWarning, match="listens on 0.0.0.0: other machines"):
            sandbox.start()
        try:
            assert sandbox.url.startswith("http://127.0.0.1:")
            assert ask(sandbox, "GET", "/inbox/items", host="mailbox.test:8000").status == 200
            # Whatever the name, it is answered.
            for host in ("[", "[::1", "a b"):
                assert ask(sandbox, "POST", "/api/v2/message", host=host).status in {200, 400}
            own = ask(
                sandbox, "POST", "/inbox/clear", "Origin: http://mailbox.test", host="mailbox.test"
            )
            other = ask(
                sandbox, "POST", "/inbox/clear", "Origin: http://evil.example", host="mailbox.test"
            )
            assert (own.status, other.status) == (204, 403)
        finally:
            sandbox.stop()

    def test_a_sandbox_can_listen_on_ipv6(self) -> None:
        sandbox = Sandbox(host="::1")
        try:
            sandbox.start()
        except OSError:
            pytest.skip("this machine has no IPv6")
        with pytest.raises(RuntimeError):
            sandbox.start()
        try:
            assert sandbox.url.startswith("http://[::1]:")
            with ECall(**sandbox.credentials) as ecall:
                ecall.sms.send("079 123 45 67", "Grüezi")
            assert ask(sandbox, "POST", "/inbox/clear", f"Origin: {sandbox.url}").status == 204
            assert ask(sandbox, "GET", "/", host="evil.example").is_refused_by_the_origin_check
        finally:
            sandbox.stop()

    @pytest.mark.parametrize(
        "host", ["192.0.2.1", "nowhere.invalid", "x" * 70, "a..b", "a\0b", "127.0.0.1:80", "ü" * 70]
    )
    @pytest.mark.filterwarnings("ignore:The sandbox listens on")
    def test_an_address_it_cannot_listen_on_is_named(self, host: str) -> None:
        before = threading.active_count()
        with pytest.raises(OSError, match="The sandbox cannot listen on") as caught:
            Sandbox(host=host).start()
        assert caught.value.errno is not None
        assert threading.active_count() == before

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_an_invalid_port_is_refused(self, port: int) -> None:
        with pytest.raises(ValueError, match="port must be from 0 to 65535; 0 takes a free one"):
            Sandbox(port=port)

    def test_the_port_can_be_chosen(self) -> None:
        with Sandbox() as sandbox:
            port = httpx.URL(sandbox.url).port or 0
        with Sandbox(port=port) as sandbox:
            assert sandbox.url == f"http://127.0.0.1:{port}"


class TestUrls:
    @pytest.mark.parametrize("name", ["inbound_url", "callback_url"])
    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            (
                "https://app.example/hook",
                "app.example is not this machine; name it in callback_hosts",
            ),
            ("http://127.0.0.1.example/", "is not this machine"),
            ("http://0.0.0.0/", "is not this machine"),
            ("ftp://127.0.0.1/", "must be http://… or https://…"),
            ("127.0.0.1:8000", "must be http://… or https://…"),
            ("http://127.0.0.1:a/", "must be http://… or https://…"),
            ("http://127.0.0.1:0/", "must have a port from 1 to 65535"),
            ("http://127.0.0.1:-1/", "must have a port from 1 to 65535"),
            ("http://127.0.0.1:65536/", "must have a port from 1 to 65535"),
            ("", "must be http://… or https://…"),
        ],
    )
    def test_urls_of_receivers_are_checked_by_the_constructor(
        self, name: str, url: str, problem: str
    ) -> None:
        options: dict[str, Any] = {name: url}
        with pytest.raises(ValueError, match=problem):
            Sandbox(**options)

    def test_urls_of_receivers_may_have_hosts_in_callback_hosts(self) -> None:
        Sandbox(
            inbound_url="https://APP.example/x",
            callback_url="http://app.example/",
            callback_hosts="App.example",
        )


def test_credentials_are_always_checked() -> None:
    assert Sandbox._checks_credentials
    assert Sandbox()._app._credentials


class TestReverseProxy:
    """A proxy ends TLS, and passes requests on with its own name or the sandbox's as Host."""

    @pytest.mark.parametrize(
        ("host", "headers"),
        [
            # The proxy keeps Host, which is also this machine's.
            ("localhost:8443", ["Origin: https://localhost:8443"]),
            ("localhost", ["Origin: https://localhost"]),
            ("localhost:443", ["Origin: https://localhost"]),
            ("LOCALHOST", ["Origin: https://localhost:443"]),
            ("localhost:80", ["Origin: http://localhost"]),
            ("[::1]:8443", ["Origin: https://[::1]:8443"]),
            # The proxy writes the sandbox's address as Host, and says what Host was.
            (None, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test"]),
            (None, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test:443"]),
            (None, ["Origin: https://mailbox.test:8443", "X-Forwarded-Host: MAILBOX.test:8443"]),
            (None, ["Origin: https://mailbox.test", "X-Forwarded-Host: mailbox.test, inner.test"]),
            (
                None,
                [
                    "Origin: https://mailbox.test",
                    "X-Forwarded-Host: mailbox.test",
                    "X-Forwarded-Host: inner.test",
                ],
            ),
            # The proxy writes it and says nothing, but the browser says that it is the page itself.
            (None, ["Origin: https://mailbox.test", "Sec-Fetch-Site: same-origin"]),
            ("localhost", ["Origin: https://localhost:8443", "Sec-Fetch-Site: same-origin"]),
        ],
    )
    @pytest.mark.parametrize(("path", "status"), [("/inbox/clear", 204), ("/api/v2/message", 200)])
    def test_the_page_may_write_through_a_reverse_proxy(
        self, sandbox: Sandbox, host: str | None, headers: list[str], path: str, status: int
    ) -> None:
        assert ask(sandbox, "POST", path, *headers, host=host).status == status

    @pytest.mark.parametrize(
        ("host", "headers"),
        [
            # A site that gave its own name this machine's address can send any header but Host.
            ("evil.example", ["X-Forwarded-Host: 127.0.0.1"]),
            ("evil.example", ["X-Forwarded-Host: evil.example", "Origin: http://evil.example"]),
            ("evil.example", ["Sec-Fetch-Site: same-origin"]),
            (None, ["X-Forwarded-Host: evil.example", "Sec-Fetch-Site: cross-site"]),
            (None, ["X-Forwarded-Host:", "Origin: https://evil.example"]),
            (None, ["X-Forwarded-Host: [", "Origin: https://["]),
            (None, ["X-Forwarded-Host: a:b", "Origin: https://a:b"]),
        ],
    )
    def test_forwarded_headers_let_no_other_site_in(
        self, sandbox: Sandbox, host: str | None, headers: list[str]
    ) -> None:
        assert ask(
            sandbox, "POST", "/inbox/clear", *headers, host=host
        ).is_refused_by_the_origin_check

    @pytest.mark.parametrize("allowed", ["mailbox.test", ["MAILBOX.test", "other.test"]])
    def test_a_sandbox_answers_to_the_names_in_allowed_hosts(
        self, allowed: str | list[str]
    ) -> None:
        with Sandbox(allowed_hosts=allowed) as sandbox:
            for host in ("mailbox.test", "Mailbox.test:8443", "mailbox.test."):
                origin = f"Origin: https://{host}"
                assert ask(sandbox, "POST", "/inbox/clear", origin, host=host).status == 204
            assert ask(sandbox, "GET", "/", host="evil.example").is_refused_by_the_origin_check
            assert ask(
                sandbox, "GET", "/", host="mailbox.test.evil.example"
            ).is_refused_by_the_origin_check

    @pytest.mark.parametrize("name", ["", "https://mailbox.test", "mailbox.test:8443", "a/b", "*"])
    def test_allowed_hosts_takes_names_without_scheme_and_port(self, name: str) -> None:
        with pytest.raises(ValueError, match="allowed_hosts must contain host names"):
            Sandbox(allowed_hosts=[name])

    def test_a_refused_name_and_a_refused_origin_say_how_to_allow_them(
        self, sandbox: Sandbox
    ) -> None:
        name = json.loads(ask(sandbox, "GET", "/", host="mailbox.test").body)["error"]
        assert "allowed_hosts" in name
        origin = "Origin: https://mailbox.test"
        write = json.loads(ask(sandbox, "POST", "/inbox/clear", origin).body)["error"]
        assert "X-Forwarded-Host" in write
