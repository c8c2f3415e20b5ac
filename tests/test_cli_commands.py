"""What each command that talks to the service says, to people and to programs, and how it exits."""

from __future__ import annotations

import io
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from _cli import NOTICE, NUMBER, TEXT, Command, point_to
from _servers import Server, hang, reply

from ecall_facade import DeliveryState, ECall
from ecall_facade.cli._failures import Exit
from ecall_facade.sandbox import Sandbox

pytestmark = pytest.mark.once

ID = r"[0-9a-f-]{36}"
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
FAILS, IS_NOT_DELIVERED, STAYS_SENT, AT_ONCE = (
    f"+41 79 000 {number}" for number in ("00 71", "00 04", "00 03", "00 01")
)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        point_to(monkeypatch, sandbox)
        yield sandbox


def accept(sandbox: Sandbox, number: str = NUMBER) -> str:
    """Have the sandbox accept a message; give its id."""
    with ECall(**sandbox.credentials) as ecall:
        return ecall.sms.send(number, TEXT).message_id


class TestSend:
    def test_send_prints_one_line_with_a_masked_number(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        result = command("send", "079 123 45 67", TEXT)
        message = sandbox.messages[0]
        assert result == (0, f"Accepted for +41…67, 1 page: message {message.id}\n", "")
        assert (message.recipient, message.text, message.channel) == ("+41791234567", TEXT, "Sms")
        assert ", 2 pages: " in command("send", NUMBER, "a" * 161).out

    def test_send_prints_one_json_object(self, command: Command, sandbox: Sandbox) -> None:
        result = command("send", NUMBER, TEXT, "--json")
        assert (result.code, result.err) == (0, "")
        sent = result.json
        assert datetime.fromisoformat(sent.pop("sent_at")).tzinfo
        assert sent.pop("request_id")
        assert sent == {
            "message_id": sandbox.messages[0].id,
            "channel": "sms",
            "recipient": "+41…67",
            "pages": 1,
            "simulated": False,
        }

    def test_the_options_of_send_reach_the_message(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        assert command("send", "0171 2345678", TEXT, "--region", "DE", "--sender", "ACME").code == 0
        assert (
            command("send", NUMBER, TEXT, "--channel", "whatsapp", "--sender", "078 765 43 21").code
            == 0
        )
        assert command("send", NUMBER, TEXT, "--channel", "rcs", "--sender", "my-agent").code == 0
        assert command("send", NUMBER, "a" * 161, "--page-limit", "1").code == Exit.USAGE
        messages = sandbox.messages
        assert [message.channel for message in messages] == ["Sms", "Whatsapp", "Rcs"]
        assert [message.sender for message in messages] == [
            "ACME",
            "0041787654321",
            "my-agent",
        ]
        assert messages[0].recipient == "+491712345678"

    def test_the_region_of_numbers_applies_to_an_embedded_sandbox_as_well(
        self, command: Command
    ) -> None:
        result = command("send", "0171 2345678", TEXT, "--region", "DE", "--sandbox", "--json")
        assert (result.code, result.json["recipient"]) == (0, "+49…78")

    def test_send_raw_takes_a_short_code_unchanged(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        result = command("send", "4321", TEXT)
        assert result.code == Exit.USAGE
        assert result.err.endswith("a short code is a RawAddress. On the command line, use --raw\n")
        assert command("send", "4321", TEXT, "--raw").out.startswith("Accepted for …, 1 page")
        Path("photo.jpg").write_bytes(b"a picture")
        assert command("send", "4321", "--raw", "--channel", "rcs", "--file", "photo.jpg").code == 0
        assert [message.recipient for message in sandbox.messages] == ["4321", "4321"]
        assert (
            command("send", "PAGER-7", TEXT, "--raw").code == Exit.REJECTED
        )  # by the sandbox, which knows no pagers
        assert command("send", " 4321", TEXT, "--raw").code == Exit.USAGE

    def test_send_file_uploads_and_sends_it(self, command: Command, sandbox: Sandbox) -> None:
        Path("photo.jpg").write_bytes(b"a picture")
        Path("plan").write_bytes(b"a plan")
        result = command("send", NUMBER, "--channel", "whatsapp", "--file", "photo.jpg")
        assert result == (0, f"Accepted for +41…67: message {sandbox.messages[0].id}\n", "")
        by_rcs = ("send", NUMBER, "--channel", "rcs", "--file", "plan", "--sender", "my-agent")
        assert command(*by_rcs).code == Exit.USAGE
        assert command(*by_rcs, "--content-type", "text/plain").code == 0
        photo, plan = sandbox.messages
        assert (photo.channel, photo.content["type"]) == ("Whatsapp", "Image")
        assert (plan.channel, plan.sender, plan.content["type"]) == ("Rcs", "my-agent", "Document")

    def test_a_rejected_message_names_the_file_that_was_uploaded(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        Path("photo.jpg").write_bytes(b"a picture")
        result = command(
            "send", "+41790000403", "--channel", "rcs", "--file", "photo.jpg", "--json"
        )
        assert result.code == Exit.REJECTED
        assert re.search(f"The file was uploaded as media {ID}", result.error["message"])

    def test_send_wait_exits_with_6_for_a_message_that_was_not_delivered(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        result = command("send", IS_NOT_DELIVERED, TEXT, "--wait")
        assert result.code == Exit.UNDELIVERED
        assert "Undelivered" in result.out.splitlines()[-1]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ((TEXT, "--wait", "--timeout", "0"), "--timeout"),
            ((TEXT, "--channel", "rcs", "--page-limit", "1"), "--page-limit"),
            (("--file", "photo.jpg"), "--file needs --channel"),
            ((TEXT, "--channel", "rcs", "--file", "photo.jpg"), "combined with a text"),
            (
                ("--text-file", "photo.jpg", "--channel", "rcs", "--file", "photo.jpg"),
                "combined with a text",
            ),
        ],
        ids=" ".join,
    )
    def test_a_send_with_an_impossible_option_sends_nothing(
        self, command: Command, sandbox: Sandbox, options: tuple[str, ...], words: str
    ) -> None:
        Path("photo.jpg").write_bytes(b"a picture")
        result = command("send", NUMBER, *options)
        assert (result.code, result.out) == (Exit.USAGE, "")
        assert words in result.err
        assert sandbox.messages == []

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("number", "code", "state"),
        [(NUMBER, Exit.DONE, "Delivered"), (FAILS, Exit.UNDELIVERED, "Failed")],
    )
    def test_send_wait_exits_with_the_code_of_the_final_state(
        self, command: Command, sandbox: Sandbox, number: str, code: Exit, state: str
    ) -> None:
        result = command("send", number, TEXT, "--wait")
        assert result.code == code
        first, *changes = result.out.splitlines()
        assert first.startswith("Accepted for +41…")
        assert re.fullmatch(rf"{ID}  {state}  {TIME}.*", changes[-1])
        result = command("send", number, TEXT, "--wait", "--json")
        assert result.code == code
        assert (result.json["state"], result.json["is_final"]) == (state, True)
        assert (result.json["error"] or {}).get("code") == (None if code == 0 else "71")

    def test_a_wait_that_times_out_names_the_accepted_message(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        result = command("send", STAYS_SENT, TEXT, "--wait", "--timeout", "0.2")
        assert result.code == Exit.FAILED
        assert result.out.startswith(
            f"Accepted for +41…03, 1 page: message {sandbox.messages[0].id}\n"
        )
        assert "was not final within 0.2 s" in result.err
        result = command("send", STAYS_SENT, TEXT, "--wait", "--timeout", "0.2", "--json")
        assert result.code == Exit.FAILED
        assert result.json["message_id"] == sandbox.messages[1].id
        assert result.json["error"]["type"] == "WaitTimeout"
        assert result.json["error"]["may_have_been_sent"] is True

    def test_an_interrupted_wait_names_the_accepted_message(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", interrupt)
        result = command("send", NUMBER, TEXT, "--wait", "--json")
        assert result.code == Exit.INTERRUPTED
        assert result.json["message_id"] == sandbox.messages[0].id
        assert result.json["error"]["may_have_been_sent"] is True


class TestText:
    def test_the_text_comes_from_an_argument_a_file_or_stdin(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        Path("text.txt").write_bytes("\ufeffGrüezi\r\nAnna\r\n".encode())
        assert command("send", NUMBER, "--text-file", "text.txt", stdin=b"not this").code == 0
        assert command("send", NUMBER, "an argument", stdin=b"not this").code == 0
        assert command("send", NUMBER, stdin=b"without being asked\n\n").code == 0
        assert command("send", NUMBER, "-", stdin=b"asked for").code == 0
        assert command("send", NUMBER, "--text-file", "-", stdin=b"\n-\n").code == 0
        assert [message.text for message in sandbox.messages] == [
            "Grüezi\r\nAnna", "an argument", "without being asked\n", "asked for", "\n-",
        ]  # fmt: skip

    def test_a_text_that_cannot_be_read_is_a_usage_error(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("text.txt").write_bytes(b"a\xff")
        for arguments, stdin, words in [
            (["--text-file", "text.txt"], b"", "text.txt is not UTF-8: byte 2 cannot be read"),
            (
                ["--text-file", "missing.txt"],
                b"",
                "missing.txt cannot be read: No such file or directory",
            ),
            (["--text-file", "."], b"", "ecall: . cannot be read: Is a directory"),
            (["-"], b"\xff", "stdin is not UTF-8: byte 1 cannot be read"),
            (
                ["-", "--text-file", "text.txt"],
                b"",
                "Pass the text as an argument or with --text-file, not both",
            ),
            ([""], b"", "The text must be"),
            ([], b"", "The text must be"),
            ([], b" \n", "The text must be"),
        ]:
            result = command("send", NUMBER, *arguments, stdin=stdin)
            assert result.code == Exit.USAGE
            assert words in result.err
        assert sandbox.messages == []

    def test_a_missing_text_is_not_read_from_a_terminal_or_a_closed_stdin(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ecall_facade.cli import _app

        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        assert _app.run(["measure"]) == Exit.USAGE
        assert "No text: pass it" in capsys.readouterr().err
        monkeypatch.setattr(sys, "stdin", None)
        assert _app.run(["measure", "-"]) == Exit.USAGE

    @pytest.mark.parametrize("arguments", [["-"], ["--text-file", "-"]], ids=" ".join)
    def test_a_text_that_was_asked_for_is_read_from_a_terminal(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
    ) -> None:
        from ecall_facade.cli import _app

        stdin = io.TextIOWrapper(io.BytesIO(b"typed\n"))
        monkeypatch.setattr(stdin, "isatty", lambda: True)
        monkeypatch.setattr(sys, "stdin", stdin)
        assert _app.run(["measure", *arguments]) == 0
        assert capsys.readouterr().out.startswith("GSM-7, 5 units")


class TestStatus:
    def test_status_prints_a_line_for_each_message(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        one, two = accept(sandbox, AT_ONCE), accept(sandbox, FAILS)
        result = command("status", one)
        assert (result.code, result.err) == (0, "")
        assert re.fullmatch(rf"{one}  Delivered  {TIME}\n", result.out)
        command("status", two, "--watch")
        result = command("status", one, two, one)
        assert result.code == 0  # they could be read
        assert re.fullmatch(
            rf"{one}  Delivered  {TIME}\n{two}  Failed  {TIME}  71  .+\n", result.out
        )

    def test_status_prints_a_json_object_for_each_message(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        message_id = accept(sandbox, AT_ONCE)
        status = command("status", message_id, "--json").json
        assert datetime.fromisoformat(status.pop("updated_at")).tzinfo
        assert status.pop("request_id")
        assert status == {
            "message_id": message_id,
            "state": "Delivered",
            "is_final": True,
            "error": None,
            "simulated": False,
        }

    def test_status_shows_the_other_messages_if_one_is_unknown(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        message_id = accept(sandbox)
        result = command("status", "nobody", message_id, "--json")
        assert result.code == Exit.REJECTED
        assert [next(iter(line)) for line in result.lines] == ["error", "message_id"]
        result = command("status", "nobody", message_id)
        assert result.code == Exit.REJECTED
        assert result.out.startswith(message_id)
        assert result.err.startswith("ecall: The service answered 404")
        assert "--sandbox" not in result.err  # the advice for an id that a new sandbox cannot know

    @pytest.mark.long
    @pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
    def test_status_watch_shows_each_change_of_several_messages(
        self, command: Command, sandbox: Sandbox, as_json: bool
    ) -> None:
        numbers = (NUMBER, IS_NOT_DELIVERED, FAILS)
        ids = [accept(sandbox, number) for number in numbers]
        result = command("status", *ids, "--watch", *(["--json"] if as_json else []))
        assert result.code == Exit.UNDELIVERED
        for message_id, state in zip(ids, ("Delivered", "Undelivered", "Failed"), strict=True):
            if as_json:
                seen = [line["state"] for line in result.lines if line["message_id"] == message_id]
            else:
                seen = re.findall(rf"^{message_id}  (\w+)", result.out, flags=re.MULTILINE)
            assert seen[-1] == state
            assert len(set(seen)) == len(seen)  # only what changed

    def test_status_watch_ends_at_its_timeout(self, command: Command, sandbox: Sandbox) -> None:
        message_id = accept(sandbox, STAYS_SENT)
        result = command("status", message_id, "--watch", "--timeout", "0.3", "--json")
        assert result.code == Exit.FAILED
        assert result.lines[-1]["error"]["type"] == "WaitTimeout"

    def test_status_watch_asks_a_silent_service_once_for_each_message(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = time.monotonic()
        with Server(hang) as server:
            monkeypatch.setenv("ECALL_BASE_URL", server.url)
            result = command("status", "one", "another", "--watch", "--timeout", "1", "--json")
        assert [line["error"]["type"] for line in result.lines] == ["WaitTimeout"] * 2
        assert len(server.requests) <= 2  # the second message has no time left to connect
        assert time.monotonic() - begun < 25  # a read may take 30 seconds

    def test_status_watch_pauses_between_requests_and_shows_that_a_state_became_final(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent, sent_without_report = ({"state": number} for number in (1, 10))
        with Server(*[reply(200, sent)] * 2, reply(200, sent_without_report)) as server:
            monkeypatch.setenv("ECALL_BASE_URL", server.url)
            begun = time.monotonic()
            result = command("status", "m-1", "--watch", "--json")
        assert [(line["state"], line["is_final"]) for line in result.lines] == [
            ("Sent", False),
            ("Sent", True),
        ]
        assert time.monotonic() - begun > 0.5 + 0.75

    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be set")
    def test_status_shows_local_time(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delivered = {"state": "Delivered", "timestamp": "2026-01-15T09:30:00Z"}
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            with Server(reply(200, delivered)) as server:
                monkeypatch.setenv("ECALL_BASE_URL", server.url)
                assert command("status", "m-1").out == "m-1  Delivered  2026-01-15 18:30:00\n"
        finally:
            monkeypatch.undo()
            time.tzset()

    def test_status_watch_needs_a_positive_timeout(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        result = command("status", "m-1", "--watch", "--timeout", "0")
        assert (result.code, "--timeout must be" in result.err) == (Exit.USAGE, True)

    def test_status_watch_does_not_wait_for_a_message_of_a_new_sandbox(
        self, command: Command
    ) -> None:
        begun = time.monotonic()
        assert command("status", "m-1", "--watch", "--sandbox").code == Exit.REJECTED
        assert time.monotonic() - begun < 25  # a 404 counts as pending for 30 seconds

    def test_the_first_message_that_failed_determines_the_exit_code(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for statuses, code in (((404, 501), Exit.REJECTED), ((501, 404), Exit.FAILED)):
            with Server(*map(reply, statuses)) as server:
                monkeypatch.setenv("ECALL_BASE_URL", server.url)
                assert command("status", "one", "another").code == code

    def test_an_interrupted_status_watch_says_that_messages_may_have_been_sent(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", interrupt)
        result = command("status", accept(sandbox, STAYS_SENT), "--watch", "--json")
        assert (result.code, result.error["type"]) == (Exit.INTERRUPTED, "Interrupted")
        assert result.error["may_have_been_sent"] is True

    def test_status_watch_absorbs_transient_errors(
        self, command: Command, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        message_id = accept(sandbox, AT_ONCE)
        monkeypatch.setattr("ecall_facade.cli._watch.time.sleep", lambda _: None)
        sandbox.fail_next(500)
        result = command("status", message_id, "--watch", "--json")
        assert (result.code, result.json["state"]) == (0, DeliveryState.DELIVERED)
        sandbox.fail_next(401)
        result = command("status", message_id, "--watch")
        assert (result.code, result.out) == (Exit.REJECTED, "")  # it is not asked again

    def test_numbers_in_errors_of_the_service_are_masked(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        body = '{"state": "Failed", "error": {"errorCode": "X", "errorMessage": "no +41791234567\\u001b[2J here"}}'
        for as_json in (False, True):
            sandbox.fail_next(200, body=body)
            result = command("status", "m-1", *(["--json"] if as_json else []))
            assert "791234567" not in result.out
            assert "\x1b" not in result.out
            assert "X" in result.out


class TestMedia:
    def test_media_upload_prints_the_id(self, command: Command, sandbox: Sandbox) -> None:
        Path("plan.pdf").write_bytes(b"%PDF a plan" * 1000)
        result = command("media", "upload", "plan.pdf")
        match = re.fullmatch(rf"Uploaded plan\.pdf, 11,000 bytes: media ({ID})\n", result.out)
        assert match
        assert (result.code, result.err) == (0, "")
        assert sandbox.media(match[1]) == Path("plan.pdf").read_bytes()
        facts = command("media", "upload", "plan.pdf", "--json").json
        assert facts.pop("media_id")
        assert facts.pop("request_id")
        assert facts == {"content_type": "application/pdf", "size": 11_000, "simulated": False}

    def test_the_exit_code_of_a_failed_media_upload(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        Path("plan.pdf").write_bytes(b"%PDF a plan")
        sandbox.fail_next(413)
        assert command("media", "upload", "plan.pdf").code == Exit.REJECTED
        sandbox.fail_next(500)
        result = command("media", "upload", "plan.pdf", "--json")
        assert (result.code, result.error["may_have_been_sent"]) == (Exit.FAILED, False)
        assert command("media", "upload", "empty.pdf").code == Exit.USAGE

    def test_media_download_writes_the_file_and_replaces_one_only_with_force(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        with ECall(**sandbox.credentials) as ecall:
            media_id = ecall.media.upload(b"%PDF a plan").media_id
        assert command("media", "download", media_id, "--to", "copy.pdf") == (
            0,
            "Downloaded 11 bytes to copy.pdf\n",
            "",
        )
        Path("copy.pdf").write_bytes(b"another")
        result = command("media", "download", media_id, "--to", "copy.pdf")
        assert (result.code, result.err) == (
            Exit.USAGE,
            "ecall: copy.pdf already exists; use --force to replace it\n",
        )
        assert Path("copy.pdf").read_bytes() == b"another"
        facts = command("media", "download", media_id, "--to", "copy.pdf", "--force", "--json").json
        assert Path("copy.pdf").read_bytes() == b"%PDF a plan"
        assert facts.pop("request_id")
        assert facts.pop("content_type")
        assert facts == {"media_id": media_id, "size": 11, "file": "copy.pdf", "simulated": False}

    @pytest.mark.skipif(os.name != "posix", reason="there are no named pipes")
    def test_media_download_writes_into_a_pipe_without_force(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        with ECall(**sandbox.credentials) as ecall:
            media_id = ecall.media.upload(b"%PDF a plan").media_id
        pipe = Path("pipe")
        os.mkfifo(pipe)
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
        reader.start()
        result = command("media", "download", media_id, "--to", "pipe")
        assert (result.code, result.err) == (0, "")
        reader.join(30)
        assert read == [b"%PDF a plan"]

    def test_a_failed_media_download_leaves_no_file(
        self, command: Command, sandbox: Sandbox
    ) -> None:
        assert command("media", "download", "nothing", "--to", "copy.pdf").code == Exit.REJECTED
        assert (
            command("media", "download", "nothing", "--to", "no/folder/copy.pdf").code == Exit.USAGE
        )
        assert list(Path().iterdir()) == []

    @pytest.mark.parametrize("force", [[], ["--force"]])
    def test_media_download_to_a_directory_is_a_usage_error(
        self, command: Command, sandbox: Sandbox, force: list[str]
    ) -> None:
        result = command("media", "download", "nothing", "--to", ".", *force)
        assert (result.code, result.err) == (
            Exit.USAGE,
            "ecall: --to . is a directory; name a file\n",
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ["media", "upload", "-"],
        ["media", "download", "nothing", "--to", "-"],
        ["send", NUMBER, "--channel", "rcs", "--file", "-"],
        ["status", "nothing", "--credentials", "-"],
        ["sandbox", "--port", "0", "--credentials", "-"],
        ["bulk", "check", "-"],
        ["bulk", "export", "-", "--ledger", "ledger.db"],
    ],
    ids=" ".join,
)
def test_a_dash_in_place_of_a_file_is_a_usage_error(
    command: Command, sandbox: Sandbox, arguments: list[str]
) -> None:
    result = command(*arguments, stdin=b"x")
    assert result.code == Exit.USAGE
    assert re.fullmatch(
        r'ecall: Invalid value "-" for \S+\. Name a file; .* \(see --help\)\n', result.err
    ), result.err


class TestMeasure:
    def test_measure_prints_one_line(self, command: Command) -> None:
        assert command("measure", "Grüezi €") == (
            0,
            "GSM-7, 9 units, 1 of 10 pages, 151 units left\n",
            "",
        )
        assert (
            command("measure", "Grüezi 🎁 \u2013\u00a0\u0301 🎁").out
            == "UCS-2, 16 units, 1 of 10 pages, 54 units left; outside GSM-7: 🎁 \u2013 U+00A0 U+0301\n"
        )
        assert (
            command("measure", "hi", "--channel", "rcs").out == "2 of 1000 characters, 998 left\n"
        )

    def test_measure_names_at_most_twenty_characters_outside_gsm(self, command: Command) -> None:
        cyrillic = "".join(chr(0x430 + number) for number in range(22))
        shown = command("measure", cyrillic).out
        assert shown.endswith(f"outside GSM-7: {' '.join(cyrillic[:20])} and 2 more\n")

    def test_measure_prints_one_json_object(self, command: Command) -> None:
        assert command("measure", "hi", "--json").json == {
            "channel": "sms", "characters": 2, "limit": 10, "limit_unit": "pages", "fits": True, "problem": None,
            "encoding": "GSM-7", "units": 2, "pages": 1, "units_left": 158, "outside_gsm": [],
        }  # fmt: skip
        assert command("measure", "ç\u2019ç", "--json").json["outside_gsm"] == ["ç", "\u2019"]
        assert command("measure", "--json", "--channel", "whatsapp", stdin=b"hi\n").json == {
            "channel": "whatsapp", "characters": 2, "limit": 4096, "limit_unit": "characters", "fits": True,
            "problem": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("channel", "size"), [("sms", 1531), ("whatsapp", 4097), ("rcs", 1001), ("sms", 0)]
    )
    def test_measure_exits_with_0_if_the_text_does_not_fit(
        self, command: Command, channel: str, size: int
    ) -> None:
        result = command("measure", "a" * size, "--channel", channel)
        assert result.code == 0
        assert "The text " in result.out
        assert "-1 left" not in result.out
        facts = command("measure", "a" * size, "--channel", channel, "--json").json
        assert (facts["fits"], facts["characters"]) == (False, size)
        assert facts["problem"].startswith("The text ")


class TestDemo:
    @pytest.mark.parametrize("worked", [True, False])
    def test_the_exit_code_of_demo_says_whether_it_worked(
        self, command: Command, monkeypatch: pytest.MonkeyPatch, worked: bool
    ) -> None:
        def run(print_line: object) -> bool:
            assert callable(print_line)
            print_line("one")
            print_line("")
            return worked

        monkeypatch.setattr("ecall_facade.sandbox.demo.run", run)
        code = Exit.DONE if worked else Exit.FAILED
        assert command("demo") == (code, "one\n\n", "")
        result = command("demo", "--json")
        assert (result.code, result.json) == (code, {"worked": worked, "lines": ["one", ""]})


def test_send_and_upload_work_with_an_embedded_sandbox(command: Command) -> None:
    Path("plan.pdf").write_bytes(b"%PDF a plan")
    result = command("send", NUMBER, TEXT, "--sandbox", "--wait", "--json")
    assert (result.code, result.err, result.json["state"], result.json["simulated"]) == (
        0,
        NOTICE,
        "Delivered",
        True,
    )
    result = command("media", "upload", "plan.pdf", "--sandbox", "--json")
    assert (result.code, result.err, result.json["simulated"]) == (0, NOTICE, True)
