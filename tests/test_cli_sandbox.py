"""`ecall sandbox`: what it says, whom it lets in, and what it refuses in one line."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from _cli import NUMBER, TEXT, Command, stop_after
from _servers import Server, reply

from ecall_facade import AuthenticationError, ECall
from ecall_facade.cli._failures import Exit

pytestmark = pytest.mark.once

BY_ENVIRONMENT = {"ECALL_SANDBOX_USERNAME": "anna", "ECALL_SANDBOX_PASSWORD": "open sesame"}


class Visit:
    """What is done while a sandbox runs whose port was 0: found by what it has result so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *clients: dict[str, Any]) -> None:
        self._capsys = capsys
        self._clients = clients
        self.output = ""
        self.page = ""
        self.results: list[str] = []

    def __call__(self) -> None:
        self.output = self._capsys.readouterr().out
        found = re.search(r"http://[\w.:\[\]]+\d", self.output)
        assert found, self.output
        self.page = httpx.get(f"{found[0]}/", trust_env=False).text
        for client in self._clients:
            with ECall(base_url=found[0], **{"sender": "ACME", **client}) as ecall:
                try:
                    ecall.sms.send(NUMBER, TEXT)
                except AuthenticationError:
                    self.results.append("refused")
                else:
                    self.results.append("accepted")


SOMEBODY: dict[str, Any] = {"username": "some", "password": "body"}
ANNA: dict[str, Any] = {"username": "anna", "password": "open sesame"}


def test_sandbox_prints_exports_that_can_be_copied(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    visit = Visit(capsys, SOMEBODY, ANNA)
    stop_after(monkeypatch, visit)
    assert command("sandbox", "--port", "0") == (0, "", "")
    assert visit.results == ["accepted", "accepted"]
    assert "<html" in visit.page.lower()
    assert "SIMULATION" in visit.output
    assert "inferred" in visit.output
    assert "any credentials" in visit.output
    exports = re.findall(r"^export (.*)$", visit.output, flags=re.MULTILINE)
    variables = dict(word.split("=", 1) for line in exports for word in line.split())
    assert variables.pop("ECALL_BASE_URL").startswith("http://127.0.0.1:")
    assert variables == {
        "ECALL_USERNAME": "sandbox",
        "ECALL_PASSWORD": "sandbox",
        "ECALL_SENDER": "Sandbox",
        "ECALL_SENDER_WHATSAPP": "+41791234567",
        "ECALL_SENDER_RCS": "sandbox-agent",
    }


def test_sandbox_prints_one_json_object(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    visit = Visit(capsys, SOMEBODY)
    stop_after(monkeypatch, visit)
    assert command("sandbox", "--port", "0", "--json") == (0, "", "")
    ready = json.loads(visit.output)
    url = ready.pop("url")
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(httpx.ConnectError):  # it ended with its command
        httpx.get(url)
    assert ready == {"any_credentials": True, "simulated": True}


@pytest.mark.parametrize("as_file", [False, True], ids=["environment", "file"])
@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
def test_given_sandbox_credentials_are_checked_and_never_printed(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_file: bool,
    as_json: bool,
) -> None:
    arguments = ["--json"] if as_json else []
    if as_file:
        Path("my.toml").touch(0o600)
        Path("my.toml").write_text('username = "anna"\npassword = "open sesame"', encoding="utf-8")
        arguments += ["--credentials", "my.toml"]
    else:
        for name, value in BY_ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
    visit = Visit(capsys, SOMEBODY, ANNA)
    stop_after(monkeypatch, visit)
    assert command("sandbox", "--port", "0", *arguments).code == 0
    assert visit.results == ["refused", "accepted"]
    assert ('"any_credentials": false' if as_json else "the given credentials only") in visit.output
    assert "sesame" not in visit.output


def test_the_sandbox_does_not_take_the_credentials_of_the_service(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USERNAME", "PASSWORD", "CREDENTIALS"):
        monkeypatch.setenv(f"ECALL_{name}", "of-the-service")
    stop_after(monkeypatch)
    result = command("sandbox", "--port", "0")
    assert "any credentials" in result.out
    assert "of-the-service" not in result.out


def test_callback_urls_of_the_command_line_are_called(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(reply(200)) as server:

        def send() -> None:
            page = next(iter(opened))
            with ECall(base_url=page.rstrip("/"), **SOMEBODY, sender="ACME") as ecall:
                ecall.sms.send(NUMBER, TEXT)
            assert server.has_seen(2)
            assert [json.loads(request.body)["state"] for request in server.requests] == [
                "Sent",
                "Delivered",
            ]

        def browse(url: str) -> bool:
            opened.append(url)
            return True

        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", browse)
        stop_after(monkeypatch, send)
        arguments = ["--callback-url", server.url, "--inbound-url", "https://portal.example.ch/in"]
        assert command("sandbox", "--port", "0", "--open", *arguments).code == 0


def test_callback_retry_repeats_a_callback_that_was_not_answered_with_200(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server(reply(500), reply(200)) as server:
        visit = Visit(capsys, SOMEBODY)

        def send() -> None:
            visit()
            assert server.has_seen(3)  # Sent, Sent once more, Delivered

        stop_after(monkeypatch, send)
        retries = ["--callback-retry", "0", "--callback-retry", "0"]
        arguments = ["--port", "0", "--callback-url", server.url, *retries]
        assert command("sandbox", *arguments) == (0, "", "")
    states = sorted(json.loads(request.body)["state"] for request in server.requests)
    assert states == ["Delivered", "Sent", "Sent"]


def test_allowed_host_lets_a_reverse_proxy_pass_its_name_on(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    statuses: dict[str, int] = {}

    def ask() -> None:
        url = json.loads(capsys.readouterr().out)["url"]
        for name in ("one.example.ch", "two.example.ch", "other.example.ch"):
            response = httpx.get(url, headers={"Host": name}, trust_env=False)
            statuses[name] = response.status_code

    stop_after(monkeypatch, ask)
    names = ["--allowed-host", "one.example.ch", "--allowed-host", "two.example.ch"]
    assert command("sandbox", "--port", "0", "--json", *names).code == 0
    assert statuses == {"one.example.ch": 200, "two.example.ch": 200, "other.example.ch": 403}


def test_sandbox_open_without_a_browser_prints_where_the_inbox_is(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    stop_after(monkeypatch)
    result = command("sandbox", "--port", "0", "--open")
    assert result.code == 0
    assert re.fullmatch(
        r"No browser could be opened; the inbox is at http://127\.0\.0\.1:\d+/\n", result.err
    )


def test_a_sandbox_that_others_can_reach_prints_a_warning(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(monkeypatch)
    result = command("sandbox", "--port", "0", "--host", "0.0.0.0")
    assert result.code == 0
    assert result.err.startswith("WARNING: The sandbox listens on 0.0.0.0: other machines can ")
    assert result.err.count("\n") == 1
    assert command("sandbox", "--port", "0", "--host", "localhost").err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "65536"], "port must be from 0"),
        (["--port", "-1"], "port must be from 0"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1:"),
        (["--host", "nowhere.invalid"], "cannot listen on nowhere.invalid"),
        (["--callback-url", "localhost/x"], "http"),
        (["--callback-url", "http://"], "http"),
        (["--callback-url", "http://[::1"], "Invalid IPv6 URL"),
        (["--inbound-url", "ftp://localhost/"], "http"),
        (["--inbound-url", "http://localhost:80000/"], "port"),
        (["--callback-retry", "-1"], "callback_retries must be a list of seconds"),
        (["--callback-retry", "soon"], "callback-retry"),
        (["--allowed-host", "https://one.example.ch"], "allowed_hosts must contain host names"),
        (["--credentials", "missing.toml"], "missing.toml cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_sandbox_option_that_cannot_work_is_a_usage_error(
    command: Command, arguments: list[str], words: str
) -> None:
    result = command("sandbox", *(["--port", "0"] if "--port" not in arguments else []), *arguments)
    assert (result.code, result.out) == (Exit.USAGE, "")
    assert result.err.startswith("ecall: ")
    assert words in result.err
    assert result.err.count("\n") == 1


def test_a_sandbox_port_that_is_taken_is_a_usage_error(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("sandbox", "--port", str(port))
        assert result.code == Exit.USAGE
        assert result.err.startswith(
            f"ecall: The sandbox cannot listen on 127.0.0.1:{port}: Address"
        )
        result = command("sandbox", "--port", str(port), "--json")
        assert (result.code, result.error["may_have_been_sent"]) == (Exit.USAGE, False)


@pytest.mark.skipif(sys.platform == "win32", reason="every port is everybody's there")
def test_a_sandbox_port_without_permission_is_a_usage_error(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:  # as the tests may run as root
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    result = command("sandbox", "--port", "80")
    assert (result.code, result.err) == (
        2,
        "ecall: The sandbox cannot listen on 127.0.0.1:80: Permission denied\n",
    )


def test_half_of_the_sandbox_credentials_is_a_usage_error(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in BY_ENVIRONMENT:
        with monkeypatch.context() as patch:
            patch.setenv(name, "half")
            result = command("sandbox", "--port", "0")
        assert result.code == Exit.USAGE
        assert "Set both ECALL_SANDBOX_USERNAME and" in result.err
    monkeypatch.setenv("ECALL_SANDBOX_USERNAME", "with:colon")
    monkeypatch.setenv("ECALL_SANDBOX_PASSWORD", "p")
    assert command("sandbox", "--port", "0").code == Exit.USAGE
