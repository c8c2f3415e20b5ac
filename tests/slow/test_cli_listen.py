"""`ecall listen` as a process, called like the service calls it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from _cli import NUMBER, TEXT, Command, stop_after
from _processes import read_json, run, running

from ecall_facade import ECall
from ecall_facade.cli._failures import Exit
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and programs are others there")

HERE = ("--port", "0", "--source", "127.0.0.1")
REPORT = {
    "messageId": "m-1",
    "state": "Delivered",
    "to": "+41791234567",
    "timestamp": "2026-11-27T08:00:00Z",
}
REPLY = {"messageId": "r-1", "from": "+41791234567", "to": "0041797654321", "text": "Yes; $(id)"}


def program(folder: Path, code: str) -> Path:
    """Make a program of Python that can be run."""
    path = folder / "handle event; rm -rf x"  # which no shell may see
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{code}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_listen_prints_each_event_once_as_json(tmp_path: Path) -> None:
    with running(tmp_path, "listen", *HERE, "--json") as process:
        url = read_json(process)["url"]
        for body in (REPORT, REPORT, {"something": "else"}):
            assert httpx.post(url, json=body).status_code == 200
        reply = httpx.post(f"{url}api/webhooks/receivedmessage", json=REPLY)
        assert reply.status_code == 200
        report, unknown, message = (read_json(process) for _ in range(3))
        assert report == {
            "type": "status",
            "key": report["key"],  # ends in a digest of the recipient
            "message_id": "m-1",
            "state": "Delivered",
            "is_final": True,
            "recipient": "+41791234567",
            "updated_at": "2026-11-27T08:00:00+00:00",
            "error": None,
            "raw": REPORT,
        }
        assert (unknown["type"], unknown["raw"]) == ("unknown", {"something": "else"})
        assert (message["type"], message["sender"], message["text"]) == (
            "message",
            "+41791234567",
            "Yes; $(id)",
        )


def test_listen_prints_masked_numbers_and_no_control_characters(tmp_path: Path) -> None:
    with running(tmp_path, "listen", *HERE) as process:
        assert process.stdout
        url = process.stdout.readline().split()[2]
        httpx.post(url, json=REPORT)
        httpx.post(url, json={**REPLY, "text": "Yes\x1b[2J"})
        report, reply = process.stdout.readline(), process.stdout.readline()
        assert "Delivered  message m-1 to +41…67" in report
        assert "Reply from +41…67: Yes [2J" in reply
        assert "1234" not in report + reply


def test_listen_says_why_a_message_failed_and_which_file_a_reply_is(tmp_path: Path) -> None:
    reason = {"errorCode": "71", "errorMessage": "No such number"}
    failed = {**REPORT, "state": "Failed", "error": reason}
    picture = {
        "messageId": "r-2",
        "from": "+41791234567",
        "content": {"type": "Image", "mediaId": "f-1"},
    }
    with running(tmp_path, "listen", *HERE) as process:
        assert process.stdout
        url = process.stdout.readline().split()[2]
        for body in (failed, picture, {**REPLY, "text": ""}):
            assert httpx.post(url, json=body).status_code == 200
        assert process.stdout.readline().endswith(" to +41…67: No such number\n")
        assert process.stdout.readline().endswith("Reply from +41…67: media f-1\n")
        assert process.stdout.readline().endswith("Reply from +41…67: \n")
    with running(tmp_path, "listen", *HERE, "--json") as process:
        url = read_json(process)["url"]
        for body in (failed, picture):
            assert httpx.post(url, json=body).status_code == 200
        assert read_json(process)["error"] == {"code": "71", "message": "No such number"}
        message = read_json(process)
        assert (message["text"], message["media_id"]) == (None, "f-1")


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_listen_prints_an_ipv6_address_in_brackets(tmp_path: Path) -> None:
    here = ("--port", "0", "--host", "::1", "--source", "::1")
    with running(tmp_path, "listen", *here, "--json") as process:
        url = read_json(process)["url"]
        response = httpx.post(url, json=REPORT)
        assert (response.status_code, "server" in response.headers) == (200, False)


def test_listen_ends_at_a_signal(tmp_path: Path) -> None:
    with running(tmp_path, "listen", *HERE, "--json") as process:
        read_json(process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == 0


def test_listen_finishes_the_event_that_is_being_handled(tmp_path: Path) -> None:
    handle = program(
        tmp_path, "open('begun', 'w').close(); time.sleep(1); open('ended', 'w').close()"
    )
    with (
        running(tmp_path, "listen", *HERE, "--json", "--exec", handle) as process,
        httpx.Client(timeout=30) as client,
    ):
        url = read_json(process)["url"]
        answered: list[int] = []
        caller = threading.Thread(
            target=lambda: answered.append(client.post(url, json=REPORT).status_code)
        )
        caller.start()
        deadline = time.monotonic() + 20
        while not (tmp_path / "begun").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.terminate()
        out, err = process.communicate(timeout=30)
        caller.join(30)
        assert (answered, process.returncode, err) == ([200], 0, "")
        assert json.loads(out)["message_id"] == "m-1"
        assert (tmp_path / "ended").exists()


class TestSources:
    def test_listen_refuses_callbacks_from_other_addresses(self, tmp_path: Path) -> None:
        with running(tmp_path, "listen", "--port", "0", "--json") as process:
            url = read_json(process)["url"]
            pretended = {"X-Forwarded-For": "193.93.208.200"}
            for headers in ({}, pretended):
                assert httpx.post(url, json=REPORT, headers=headers).status_code == 403
            process.terminate()
            out, err = process.communicate(timeout=30)
            assert out == ""
            assert "127.0.0.1" in err

    def test_listen_trusts_the_forwarded_address_of_a_named_proxy(self, tmp_path: Path) -> None:
        with running(
            tmp_path, "listen", "--port", "0", "--trusted-proxy", "127.0.0.1", "--json"
        ) as process:
            url = read_json(process)["url"]
            for address, status in (("193.93.208.200", 200), ("192.0.2.1", 403)):
                headers = {"X-Forwarded-For": address}
                assert httpx.post(url, json=REPORT, headers=headers).status_code == status

    @pytest.mark.parametrize(
        ("variables", "path", "headers"),
        [
            ({"ECALL_WEBHOOK_PATH_SECRET": "a-long-secret"}, "a-long-secret", {}),
            ({"ECALL_WEBHOOK_BASIC_AUTH": "a:b"}, "", {"Authorization": "Basic YTpi"}),
        ],
        ids=["path", "basic auth"],
    )
    def test_one_of_the_secrets_is_enough_to_accept_callbacks_from_anywhere(
        self, variables: dict[str, str], path: str, headers: dict[str, str], tmp_path: Path
    ) -> None:
        listen = ("listen", "--port", "0", "--any-source", "--json")
        with running(tmp_path, *listen, variables=variables) as process:
            url = read_json(process)["url"]
            assert httpx.post(f"{url}{path}", json=REPORT, headers=headers).status_code == 200
            assert httpx.post(url, json=REPORT).status_code in (401, 403)

    def test_listen_checks_the_secrets_of_the_environment_and_hides_them_from_the_program(
        self, tmp_path: Path
    ) -> None:
        variables = {
            "ECALL_WEBHOOK_PATH_SECRET": "a-long-secret",
            "ECALL_WEBHOOK_BASIC_AUTH": "caller:pass word",
        }
        handle = program(tmp_path, "sys.exit(any('WEBHOOK' in name for name in os.environ))")
        with running(
            tmp_path,
            *("listen", "--port", "0", "--any-source", "--json", "--exec", handle),
            variables=variables,
        ) as process:
            url = read_json(process)["url"]
            assert "secret" not in url
            good = {"Authorization": f"Basic {base64.b64encode(b'caller:pass word').decode()}"}
            assert httpx.post(url, json=REPORT, headers=good).status_code == 403
            assert httpx.post(f"{url}a-long-secret", json=REPORT).status_code == 401
            answer = httpx.post(f"{url}a-long-secret", json=REPORT, headers=good)
            assert answer.status_code == 200

    @pytest.mark.parametrize(
        ("arguments", "variables", "words"),
        [
            (["--any-source"], {}, "needs a secret"),
            (["--any-source", "--source", "127.0.0.1"], {}, "not both"),
            (["--source", "nowhere"], {}, "addresses or networks"),
            ([], {"ECALL_WEBHOOK_PATH_SECRET": "short"}, "path_secret"),
            ([], {"ECALL_WEBHOOK_BASIC_AUTH": "nobody"}, "must be a name, a colon"),
            ([], {"ECALL_WEBHOOK_BASIC_AUTH": "nobody:"}, "must be a name, a colon"),
            ([], {"ECALL_WEBHOOK_BASIC_AUTH": ":a-long-secret"}, "must be a name, a colon"),
            (["--exec", "no-such-program"], {}, "no executable program 'no-such-program'"),
            (["argument"], {}, "only possible with --exec"),
            (["--exec-timeout", "0"], {}, "positive number"),
            (["--exec-timeout", "nan"], {}, "positive number"),
            (["--exec-timeout", "inf"], {}, "positive number"),
            (["--host", "192.0.2.1"], {}, "Cannot listen on 192.0.2.1"),
            (["--host", "no such host"], {}, "Cannot listen on no such host"),
            (["--host", "x" * 64], {}, "no such address"),
            (["--port", "65536"], {}, "Cannot listen on 127.0.0.1:65536: a port is"),
        ],
    )
    def test_a_listen_option_that_cannot_work_is_a_usage_error(
        self,
        command: Command,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        variables: dict[str, str],
        words: str,
    ) -> None:
        stop_after(monkeypatch)  # else it would run for ever if it took the option
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        result = command("listen", *arguments)
        assert (result.code, result.out) == (Exit.USAGE, "")
        assert words in result.err

    def test_a_listen_port_that_is_taken_is_a_usage_error(self, tmp_path: Path) -> None:
        with running(tmp_path, "listen", *HERE, "--json") as process:
            port = read_json(process)["url"].rstrip("/").rpartition(":")[2]
            done = run(tmp_path, "listen", "--port", port)
            assert done.returncode == 2
            assert "Address already in use" in done.stderr


class TestExec:
    def test_listen_exec_passes_each_event_on_stdin_without_a_shell(self, tmp_path: Path) -> None:
        handle = program(
            tmp_path,
            "event = json.load(sys.stdin)\n"
            "json.dump([event['text'], sys.argv[1:]], open('got', 'w'))\n"
            "print('handled')",
        )
        with running(
            tmp_path,
            *("listen", *HERE, "--json", "--exec", handle, "--", "--flag", "a b; $(id)"),
        ) as process:
            url = read_json(process)["url"]
            assert httpx.post(url, json=REPLY).status_code == 200
            assert read_json(process)["message_id"] == "r-1"
            process.terminate()
            assert process.communicate(timeout=30) == ("", "handled\n")
        got = json.loads((tmp_path / "got").read_text(encoding="utf-8"))
        assert got == ["Yes; $(id)", ["--flag", "a b; $(id)"]]

    @pytest.mark.parametrize(
        ("code", "timeout", "words"),
        [
            ("sys.exit(3)", "60", "ended with exit code 3"),
            ("os.kill(os.getpid(), 9)", "60", "ended with exit code -9"),
            ("time.sleep(60)", "3", "did not end within 3 seconds"),
        ],
    )
    def test_listen_exec_answers_500_if_the_program_fails(
        self, code: str, timeout: str, words: str, tmp_path: Path
    ) -> None:
        handle = program(tmp_path, f"if os.path.exists('again'): sys.exit()\n{code}")
        with running(
            tmp_path, "listen", *HERE, "--json", "--exec", handle, "--exec-timeout", timeout
        ) as process:
            url = read_json(process)["url"]
            assert httpx.post(url, json=REPLY, timeout=30).status_code == 500
            (tmp_path / "again").touch()
            assert httpx.post(url, json=REPLY, timeout=30).status_code == 200
            assert read_json(process)["message_id"] == "r-1"
            process.terminate()
            _, err = process.communicate(timeout=30)
        assert words in err
        assert "Yes" not in err
        assert "1234567" not in err

    def test_listen_exec_program_need_not_read_its_stdin(self, tmp_path: Path) -> None:
        handle = program(tmp_path, "sys.stdin.close()")
        with running(tmp_path, "listen", *HERE, "--exec", handle) as process:
            assert process.stdout
            url = process.stdout.readline().split()[2]
            long = {**REPLY, "text": "x" * 40_000}  # more than a pipe holds, as it is there twice
            assert httpx.post(url, json=long, timeout=30).status_code == 200


def test_listen_ends_if_its_output_is_closed(tmp_path: Path) -> None:
    with running(tmp_path, "listen", *HERE, "--json") as process:
        url = read_json(process)["url"]
        assert process.stdout
        process.stdout.close()
        assert httpx.post(url, json=REPORT).status_code == 500
        assert process.wait(30) == 1


def test_listen_receives_reports_of_the_sandbox(tmp_path: Path) -> None:
    with running(tmp_path, "listen", *HERE, "--json") as process:
        url = read_json(process)["url"]
        with (
            Sandbox(sent_after=0, delivered_after=0, callback_url=url) as sandbox,
            ECall(**sandbox.credentials) as ecall,
        ):
            sent = ecall.sms.send(NUMBER, TEXT)
            event = read_json(process)
            assert (event["type"], event["message_id"]) == ("status", sent.message_id)
