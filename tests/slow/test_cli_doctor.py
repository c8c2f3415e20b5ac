"""`ecall doctor` as a process, with setups as they go wrong."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from _processes import run, variables_of
from _servers import Exchange, Response, Server, closed_port, reply
from _terminals import run_on_terminal

from ecall_facade.sandbox import Sandbox

ACCOUNT = {"ECALL_USERNAME": "u", "ECALL_PASSWORD": "a-secret", "ECALL_SENDER": "ACME"}


def examine(folder: Path, **variables: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Give the exit code, and of each subject where it is known from, what was found, and details."""
    done = run(folder, "doctor", "--json", **variables)
    assert "Traceback" not in done.stderr
    assert "a-secret" not in done.stdout + done.stderr
    said: Any = json.loads(done.stdout)
    checks = {
        check["subject"]: (check["known"], check["found"], check["details"])
        for check in said["checks"]
    }
    problems = [found for _, found, _ in checks.values() if found in ("problem", "contradicted")]
    assert len(problems) == said["problems"]
    return done.returncode, checks


def test_a_sandbox_is_well_and_named_as_one(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        done = run(tmp_path, "doctor", **variables_of(sandbox))
        assert done.returncode == 0, done.stdout
        assert "it is the SANDBOX, not eCall" in done.stdout
        assert "SIMULATION: a sandbox answered" in done.stdout
        assert "No problem was found." in done.stdout
        code, checks = examine(tmp_path, **variables_of(sandbox))
        assert code == 0
        assert checks["v2 by path"][:2] == ("documented", "confirmed")
        assert checks["v1 by header"][:2] == ("documented", "confirmed")
        assert checks["GET /api/messagelist/{messageListId}"][:2] == ("inferred", "confirmed")
        assert checks["POST /api/media"][:2] == ("inferred", "not checked")
        assert checks["sender"][1:] == ("ok", "set for rcs, sms, whatsapp")
        assert sandbox.messages == []


def test_nothing_is_sent_whatever_the_response_is(tmp_path: Path) -> None:
    for response in (reply(200, {}), reply(404, {}), reply(500), b"what?\r\n\r\n"):
        with Server(response) as server:
            examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
            assert server.requests
            assert {request.method for request in server.requests} == {"GET"}


def test_an_embedded_sandbox_can_be_examined(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", "--sandbox", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["simulated"] is True


@pytest.mark.parametrize("columns", [20, 40, 80, 120, 200])
def test_every_line_fits_the_terminal_and_no_word_is_lost(columns: int, tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        given = variables_of(sandbox)
        code, shown = run_on_terminal(tmp_path, "doctor", variables=given, columns=columns)
        _, checks = examine(tmp_path, **given)
    assert code == 0
    assert max(map(len, shown.splitlines())) <= columns
    # Words are not cut in two where a line has room for them.
    joined = "".join(shown.split())
    for subject, (known, found, details) in checks.items():
        if subject != "connection":  # which says how long it took
            for part in (subject, known, found, details):
                words = part.split()
                assert all(word in joined for word in words), part
    if columns >= 120:
        assert shown.startswith("What ")
    else:
        assert "\nsender\n  your setup, ok:" in shown


def test_a_pipe_gets_one_line_for_each_check(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        done = run(tmp_path, "doctor", COLUMNS="40", **variables_of(sandbox))
    table, _, _ = done.stdout.partition("\n\n")
    _, checks = examine(tmp_path, ECALL_BASE_URL="http://127.0.0.1:9")
    assert len(table.splitlines()) > len(checks)
    assert re.search(r"^sender +your setup +ok +set for", table, re.MULTILINE)


class TestCredentials:
    def test_missing_ones_are_a_problem_and_the_rest_is_still_checked(self, tmp_path: Path) -> None:
        with Sandbox() as sandbox:
            code, checks = examine(tmp_path, ECALL_BASE_URL=sandbox.url)
        assert code == 1
        assert checks["credentials"][1] == "problem"
        assert "ECALL_USERNAME" in checks["credentials"][2]
        assert checks["no access without credentials"][1] == "confirmed"
        assert checks["credentials accepted"][1] == "not checked"

    def test_half_of_them_are_a_problem(self, tmp_path: Path) -> None:
        with Sandbox() as sandbox:
            _, checks = examine(tmp_path, ECALL_BASE_URL=sandbox.url, ECALL_USERNAME="u")
        assert checks["credentials"][1] == "problem"
        assert "ECALL_PASSWORD" in checks["credentials"][2]

    def test_wrong_ones_are_a_problem_with_what_to_look_at(self, tmp_path: Path) -> None:
        with Sandbox() as sandbox:
            code, checks = examine(
                tmp_path, **{**variables_of(sandbox), "ECALL_PASSWORD": "a-secret"}
            )
        assert code == 1
        known, found, details = checks["credentials accepted"]
        assert (known, found) == ("documented", "problem")
        assert "portal" in details
        assert "v2 by path" not in checks

    def test_a_file_that_others_can_read_is_a_problem(self, tmp_path: Path) -> None:
        file = tmp_path / "credentials.toml"
        file.write_text('username = "u"\npassword = "a-secret"\n', encoding="utf-8")
        file.chmod(0o644)
        done = run(
            tmp_path, "doctor", "--credentials", file, "--json", ECALL_BASE_URL="https://[::1]:1"
        )
        assert "chmod 600" in json.loads(done.stdout)["checks"][0]["details"]
        assert "a-secret" not in done.stdout

    def test_a_file_is_named_as_where_they_come_from(self, tmp_path: Path) -> None:
        file = tmp_path / "credentials.toml"
        file.write_text('username = "u"\npassword = "a-secret"\n', encoding="utf-8")
        file.chmod(0o600)
        done = run(
            tmp_path, "doctor", "--credentials", file, "--json", ECALL_BASE_URL="https://[::1]:1"
        )
        assert json.loads(done.stdout)["checks"][0]["details"] == "from a file"
        refused = run(tmp_path, "doctor", "--credentials", file, "--sandbox")
        assert (refused.returncode, "leave out --credentials" in refused.stderr) == (2, True)

    @pytest.mark.parametrize("status", [403, 500, 503])
    def test_a_read_that_is_refused_or_fails_is_a_problem_and_is_not_repeated(
        self, status: int, tmp_path: Path
    ) -> None:
        with Server(by_path(lambda _: reply(status, {"errorCode": "Failed"}))) as server:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert code == 1
        assert checks["credentials accepted"][1] == "problem"
        assert len(server.requests) == 2  # one without credentials, and one with them

    def test_no_sender_is_a_problem(self, tmp_path: Path) -> None:
        with Sandbox() as sandbox:
            variables = variables_of(sandbox)
            named = {key: variables[key] for key in variables if not key.startswith("ECALL_SENDER")}
            code, checks = examine(tmp_path, **named)
        assert code == 1
        assert checks["sender"][1] == "problem"


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "subject", "words"),
        [
            ("http://example.org", "address", "must begin with https://"),
            ("https://user:a-secret@localhost", "address", "must not contain credentials"),
            ("https://no-such-host.invalid", "name", "no-such-host.invalid cannot be resolved"),
        ],
    )
    def test_one_that_cannot_be_used_is_a_problem(
        self, url: str, subject: str, words: str, tmp_path: Path
    ) -> None:
        code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=url)
        assert code == 1
        assert checks[subject][1] == "problem"
        assert words in checks[subject][2]

    def test_a_refused_connection_is_a_problem(self, tmp_path: Path) -> None:
        with closed_port() as port:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=f"http://127.0.0.1:{port}")
        assert code == 1
        assert checks["connection"][1] == "problem"
        assert "refused" in checks["connection"][2]

    def test_a_server_that_hangs_up_is_a_problem(self, tmp_path: Path) -> None:
        with Server(speaks_first=b"SSH-2.0-x\r\n") as server:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert code == 1
        assert checks["response"][1] == "problem"

    def test_the_proxy_is_named_without_its_password(self, tmp_path: Path) -> None:
        with closed_port() as port:
            code, checks = examine(
                tmp_path,
                **ACCOUNT,
                ECALL_BASE_URL="https://no-such-host.invalid",
                HTTPS_PROXY=f"http://user:a-secret@127.0.0.1:{port}",
            )
        assert code == 1
        assert checks["proxy"][2].startswith(f"127.0.0.1:{port}, with credentials")
        assert "name" not in checks
        assert checks["response"][1] == "problem"

    @pytest.mark.parametrize(
        ("variable", "value", "words"),
        [
            ("HTTPS_PROXY", "http://user:a-secret@proxy.example:99999", "does not name a proxy"),
            ("SSL_CERT_FILE", "/no/such/file.pem", "cannot be read"),
        ],
    )
    def test_a_setting_that_no_connection_can_be_made_with_is_a_problem(
        self, variable: str, value: str, words: str, tmp_path: Path
    ) -> None:
        given = {**ACCOUNT, "ECALL_BASE_URL": "https://no-such-host.invalid", variable: value}
        code, checks = examine(tmp_path, **given)
        assert code == 1
        known, found, details = checks["environment"]
        assert (known, found) == ("your setup", "problem")
        assert details.startswith(variable)
        assert words in details
        assert "a-secret" not in details

    def test_a_proxy_is_passed_over_where_the_client_would_pass_it_over(
        self, tmp_path: Path
    ) -> None:
        given = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "https://no-such-host.invalid"}
        url = "https://no-such-host.invalid"
        _, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=url, **given)
        assert checks["proxy"][2] == "none"
        assert checks["name"][1] == "problem"

    def test_this_machine_is_called_without_the_proxy(self, tmp_path: Path) -> None:
        unused = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
        with Sandbox() as sandbox:
            code, checks = examine(tmp_path, **variables_of(sandbox), **unused)
        assert (code, checks["proxy"][2]) == (0, "none, as this machine is called directly")


class TestTls:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> trustme.CA:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        return authority

    def serve(
        self, authority: trustme.CA, name: str, ends: datetime, version: ssl.TLSVersion
    ) -> Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = version
        begins = ends - timedelta(days=90)
        authority.issue_cert(name, not_before=begins, not_after=ends).configure_cert(context)
        return Server(reply(401, {"errorCode": "AccNoUser"}), tls=context)

    @pytest.mark.parametrize(
        ("version", "shown"),
        [(ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")],
    )
    def test_version_and_dates_are_shown(
        self, authority: trustme.CA, version: ssl.TLSVersion, shown: str, tmp_path: Path
    ) -> None:
        ends = datetime.now(UTC) + timedelta(days=14, hours=1)
        with self.serve(authority, "localhost", ends, version) as server:
            _, checks = examine(
                tmp_path,
                **ACCOUNT,
                ECALL_BASE_URL=f"https://localhost:{server.port}",
                SSL_CERT_FILE=str(tmp_path / "ca.pem"),
            )
        assert checks["TLS"] == ("documented", "confirmed", shown)
        assert checks["certificate"][1] == "ok"
        assert f"to {ends:%Y-%m-%d}, 14 more days" in checks["certificate"][2]
        assert checks["no access without credentials"][1] == "confirmed"

    @pytest.mark.parametrize(
        ("name", "days", "is_trusted", "words"),
        [
            ("localhost", 14, True, "13 more days"),
            ("localhost", -1, True, "certificate has expired"),
            ("localhost", 60, False, "SSL_CERT_FILE"),
            ("example.org", 60, True, "Hostname mismatch"),
        ],
    )
    def test_a_certificate_that_is_no_good_is_a_problem(
        self,
        authority: trustme.CA,
        name: str,
        days: int,
        is_trusted: bool,
        words: str,
        tmp_path: Path,
    ) -> None:
        ends = datetime.now(UTC) + timedelta(days=days)
        trusted = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if is_trusted else {}
        with self.serve(authority, name, ends, ssl.TLSVersion.TLSv1_3) as server:
            code, checks = examine(
                tmp_path, **ACCOUNT, **trusted, ECALL_BASE_URL=f"https://localhost:{server.port}"
            )
        assert code == 1
        assert checks["certificate"][1] == "problem"
        assert words in checks["certificate"][2]

    def test_a_server_without_tls_is_a_problem(self, tmp_path: Path) -> None:
        with Server(speaks_first=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
            code, checks = examine(
                tmp_path, **ACCOUNT, ECALL_BASE_URL=f"https://localhost:{server.port}"
            )
        assert code == 1
        assert checks["TLS"][1] == "problem"


def by_path(respond_to: Callable[[str], bytes]) -> Response:
    """Respond by what is asked; without credentials with 401."""

    def respond(exchange: Exchange) -> None:
        request = exchange.request
        is_known = "authorization" in request.headers
        exchange.send(
            respond_to(request.path) if is_known else reply(401, {"errorCode": "AccNoUser"})
        )

    return respond


NOT_FOUND = reply(404, {"errorCode": "IDDoesNotExist", "errorMessage": "Unknown"})


class TestPaths:
    @pytest.mark.parametrize("status", [401, 403, 429, 500])
    def test_a_version_that_fails_is_a_problem_and_contradicts_nothing(
        self, status: int, tmp_path: Path
    ) -> None:
        failure = reply(status, {"errorCode": "Failed"})
        with Server(by_path(lambda path: failure if "/v1/" in path else NOT_FOUND)) as server:
            _, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert checks["v1 by path"][:2] == ("inferred", "problem")

    def test_a_path_that_is_not_there_contradicts(self, tmp_path: Path) -> None:
        response = by_path(
            lambda path: NOT_FOUND if "/message/" in path else reply(404, b"<html>Not found</html>")
        )
        with Server(response) as server:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert code == 1
        assert checks["GET /api/message/{messageId}"][1] == "confirmed"
        assert checks["GET /api/messagelist/{messageListId}"][:2] == ("inferred", "contradicted")
        assert checks["GET /api/media/{mediaId}"][:2] == ("inferred", "contradicted")

    def test_a_service_that_says_the_same_of_every_path_tells_nothing(self, tmp_path: Path) -> None:
        with Server(by_path(lambda _: NOT_FOUND)) as server:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert code == 0
        assert checks["GET /api/media/{mediaId}"][1] == "not checked"

    @pytest.mark.parametrize("status", [200, 409])
    def test_a_version_with_another_status_for_an_unknown_id_contradicts(
        self, status: int, tmp_path: Path
    ) -> None:
        other = reply(status, {"errorCode": "Other"})
        with Server(by_path(lambda path: other if "/v1/" in path else NOT_FOUND)) as server:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert code == 1
        expected = ("inferred", "contradicted", f"status {status} for an unknown id")
        assert checks["v1 by path"] == expected

    def test_something_in_between_that_answers_for_the_service_is_seen(
        self, tmp_path: Path
    ) -> None:
        portal = reply(200, b"<html>Please log in to the guest network</html>", request_id=None)
        with Server(portal) as server:
            code, checks = examine(tmp_path, **ACCOUNT, ECALL_BASE_URL=server.url)
        assert code == 1
        assert checks["request id of each response"][1] == "contradicted"
        assert checks["no access without credentials"][1] == "contradicted"
